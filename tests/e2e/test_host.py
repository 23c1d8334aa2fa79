#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What librapi.service forbids, librapi does without."""

import os
import re
import shutil
import subprocess

import librapi

UNIT = os.path.join(librapi.BUILD, "app", "host", "librapi.service")

# What the commands for root call and not the service, what raises a limit that
# LimitNOFILE= has raised, and what is none on our machines but a function.
NOT_NEEDED = {"setgid", "setgroups", "setuid", "setrlimit", "syscall"}


def system_calls(word):
    """Those of a set, as "@system-service", or the one of that name."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", word],
                          check=True, capture_output=True, text=True).stdout
    lines = [line.strip() for line in text.splitlines()[1:]]
    return set().union(*(system_calls(line) for line in lines
                         if line and not line.startswith("#")))


def allowed():
    """As systemd.exec(5) has it: one line after the other."""
    calls = set()
    with open(UNIT, encoding="utf-8") as f:
        for line in re.findall("^SystemCallFilter=(.*)", f.read(), re.M):
            named = set().union(*map(system_calls,
                                     line.removeprefix("~").split()))
            calls = calls - named if line.startswith("~") else calls | named
    return calls


class Unit(librapi.TestCase):
    def test_no_system_call_that_librapi_makes_is_filtered(self):
        if not shutil.which("systemd-analyze") or not shutil.which("nm"):
            self.skipTest("systemd-analyze or nm is not installed")
        names = subprocess.run(["nm", "-D", "--undefined-only",
                                librapi.PROGRAM], check=True,
                               capture_output=True, text=True).stdout
        used = set(re.findall(r" U ([a-z0-9_]+)", names))
        known = set().union(*map(system_calls, (
            "@known", "@system-service", "@privileged", "@resources")))
        self.assertIn("sched_setscheduler", known & used)
        self.assertEqual((known & used) - allowed() - NOT_NEEDED, set())


if __name__ == "__main__":
    librapi.main()
