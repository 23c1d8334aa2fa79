#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All C looks as .clang-format says; `make format` makes it so."""

import os
import subprocess
import sys

import lint

FORMAT = os.environ.get("CLANG_FORMAT") or "clang-format"


def unformatted():
    complaints = []
    for path in lint.files(["app", "tests"], (".c", ".h")):
        try:
            wanted = subprocess.run(
                [FORMAT, "--style=file", path], cwd=lint.SOURCE, check=True,
                stdout=subprocess.PIPE, text=True).stdout
        except FileNotFoundError:
            return [f"{FORMAT} is missing (Debian package: clang-format)"]
        for number, (is_, should) in enumerate(
                zip(lint.read(path).splitlines(), wanted.splitlines()), 1):
            if is_ != should:
                complaints.append(f"{path}:{number}: make format wants: "
                                  f"{should.strip()}")
                break
    return complaints


sys.exit(lint.report([("all C looks as .clang-format says", unformatted())]))
