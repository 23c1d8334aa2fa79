# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the lint tests share.  Each is a list of rules; a rule is a sentence and
the complaints about what breaks it.
"""

import os
import re

SOURCE = os.environ.get("LIBRAPI_SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(folders, endings):
    """Paths below SOURCE of the files in these folders, sorted."""
    found = []
    for folder in folders:
        for path, _, names in os.walk(os.path.join(SOURCE, folder)):
            found += [os.path.relpath(os.path.join(path, name), SOURCE)
                      for name in names if name.endswith(endings)]
    return sorted(found)


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def includes(path):
    """What a file includes: [(line number, "<" or '"', name), ...]."""
    found = []
    for number, line in enumerate(read(path).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            found.append((number, *match.groups()))
    return found


def report(rules):
    """Print the rules as TAP; returns the exit status."""
    print(f"1..{len(rules)}")
    for number, (sentence, complaints) in enumerate(rules, 1):
        for complaint in complaints:
            print("#", complaint)
        print("not ok" if complaints else "ok", number, "-", sentence)
    return any(complaints for _, complaints in rules)
