#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every source file has, and none may have."""

import os
import subprocess
import sys

import lint

C = (".c", ".h")
CODE = C + (".py", ".sh", ".mk", ".ac", ".am", ".m4", ".in", ".conf", ".awk")
TEXT = CODE + (".md", ".txt", "/run")

TOP = ["autogen.sh", "configure.ac", "Makefile.am", ".clang-format",
       ".ci/run", ".gitignore", "Containerfile", "README.md"]
FOLDERS = ["app", "kube", "lighttpd", "tests", "m4"]


def ours(endings):
    top = [path for path in TOP
           if os.path.exists(os.path.join(lint.SOURCE, path))
           and (path.endswith(endings) or endings is TEXT)]
    return top + lint.files(FOLDERS, endings)


def license_missing():
    return [f"{path}: no SPDX-License-Identifier in its first lines"
            for path in ours(CODE)
            if "SPDX-License-Identifier: GPL-3.0-or-later" not in
            "".join(lint.read(path).splitlines(True)[:3])]


def untidy():
    complaints = []
    for path in ours(TEXT):
        text = lint.read(path)
        if text and not text.endswith("\n") or text.endswith("\n\n"):
            complaints.append(f"{path}: ends without or with several newlines")
        complaints += [f"{path}:{number}: white space at the end"
                       for number, line in enumerate(text.split("\n"), 1)
                       if line != line.rstrip()]
    return complaints


def too_wide():
    """clang-format keeps code in 80 columns, but leaves comments alone."""
    return [f"{path}:{number}: wider than 80 columns"
            for path in ours(C)
            for number, line in enumerate(lint.read(path).splitlines(), 1)
            if len(line.expandtabs(8)) > 80 and '"' not in line]


def guard_wrong():
    complaints = []
    for path in ours((".h",)):
        name = path.removeprefix("app/")
        guard = name.replace("/", "_").replace(".", "_").upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in lint.read(path):
            complaints.append(f"{path}: no include guard {guard}")
    return complaints


def unlisted():
    """A file that no local.mk names is missing from the tarball."""
    complaints = []
    for folder in ["app", "tests"]:
        listed = lint.read(folder + "/local.mk").split()
        for path in lint.files([folder], C + (".py",)):
            name = "%D%/" + os.path.relpath(path, folder)
            if name not in listed and name.removesuffix(".c") not in listed:
                complaints.append(f"{path}: not in {folder}/local.mk")
    return complaints


def generated():
    """What git ignores is generated, and so must not be tracked."""
    if not os.path.exists(os.path.join(lint.SOURCE, ".git")):
        return []
    try:
        tracked = subprocess.run(
            ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],
            cwd=lint.SOURCE, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []       # no git here, or somebody else's clone
    return [f"{path}: generated, but in git"
            for path in tracked.stdout.splitlines()]


sys.exit(lint.report([
    ("every source names its licence", license_missing()),
    ("no file has white space at the end of a line or of itself", untidy()),
    ("no line of C is wider than 80 columns", too_wide()),
    ("every header has the include guard that its path gives", guard_wrong()),
    ("every file is listed in its local.mk", unlisted()),
    ("nothing that is generated is in git", generated()),
]))
