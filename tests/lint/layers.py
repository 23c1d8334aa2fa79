#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The include graph: who may know whom, and where each foreign library lives.
Both tables are meant to be read; to bend a rule is to edit one.
"""

import os
import sys

import lint

# What each folder of app/ may include.  http and store never meet.
LAYERS = {
    "base": ["base"],
    "bolt": ["bolt", "base"],
    "http": ["http", "base"],
    "store": ["store", "base"],
    "front": ["front", "http", "base"],
    "api": ["api", "http", "store", "base"],
}

# A folder whose headers are its own, and the one door to it.
PRIVATE = {
    "store/gdbm": "store/store.c",
}

# Each foreign library has one home.
HOMES = {
    "fcgiapp.h": ["app/exchange.h", "app/exchange.c",
                  "tests/bench/null.c"],
    "json-c/": ["app/http/json.c"],
    "nettle/": ["app/base/sha256.c"],
    "lua.h": ["app/front/lua.c"],
    "lauxlib.h": ["app/front/lua.c"],
    "gdbm.h": ["app/store/gdbm/gdbmfile.c"],
    "CUnit/": ["tests/harness.h", "tests/harness.c"],
}


def ours(folder):
    """Every inclusion of a header of ours: (including file, line, header)."""
    return [(path, line, name) for path in lint.files([folder], (".c", ".h"))
            for line, mark, name in lint.includes(path)
            if mark == '"' and name != "config.h"]


def layer(folder, allowed):
    return [f"{path}:{line}: {folder} may not include {name}"
            for path, line, name in ours("app/" + folder)
            if name.split("/")[0] not in allowed]


def private(folder, door):
    return [f"{path}:{line}: {name} is only for {folder}/ and {door}"
            for path, line, name in ours("app")
            if name.startswith(folder + "/")
            and not path.startswith(f"app/{folder}/")
            and path != "app/" + door]


def home(library, homes):
    return [f"{path}:{line}: {name} belongs to {homes[0]}"
            for path in lint.files(["app", "tests"], (".c", ".h"))
            for line, _, name in lint.includes(path)
            if name.startswith(library) and path not in homes]


def below_main():
    """Folders of app/ that LAYERS forgot, and headers that are not there."""
    folders = {path.split("/")[1] for path in
               lint.files(["app"], (".c", ".h")) if path.count("/") > 1}
    unknown = [f"app/{folder}/ has no line in LAYERS"
               for folder in sorted(folders - set(LAYERS))]
    lost = [f"{path}:{line}: there is no app/{name}"
            for path, line, name in ours("app")
            if not os.path.exists(os.path.join(lint.SOURCE, "app", name))]
    return unknown + lost


sys.exit(lint.report(
    [("each folder of app/ has its layer, each include its file",
      below_main())] +
    [(f"{folder} includes {', '.join(allowed)} and nothing else",
      layer(folder, allowed)) for folder, allowed in LAYERS.items()] +
    [(f"{folder} is entered by {door}", private(folder, door))
     for folder, door in PRIVATE.items()] +
    [(f"{library} is included by {homes[0]}", home(library, homes))
     for library, homes in HOMES.items()]))
