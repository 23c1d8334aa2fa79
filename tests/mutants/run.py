#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Can the tests fail?  Each file NAME.mutant beside this one breaks one promise
of app/docs/reliability.md on purpose; the build that has it must fail each of
the tests that the file names.  One that survives means that a test is missing.

    # D4: a writer takes no lock of its keys
    file: app/store/gdbm/commit.c
    test: tests/store/gdbm/test_processes
    @@
     static enum err some_function(...)
     {
    -	what is there
    +	what is there instead

What follows @@ is a hunk as diff has them, with a line before or after for
context where it needs one.  The place is found by its text, which must be
there once: a mutant that no longer fits fails, and has to be written again.
There may be more than one `test:`, each with `: text` after it when it has to
say this, and more than one hunk, each for the `file:` before it.  `tries: 3`
runs a test that throws dice up to so often.

Runs in a copy of the sources, which it changes, and a build of that (make
mutants sees to both).  A line of TAP for each mutant says which test it was
that failed; before them a line for each test, which has to pass where nothing
is broken.
"""

import argparse
import glob
import os
import re
import signal
import subprocess
import sys
import time

TEST_SECONDS = 120      # a test that takes longer has failed: it hangs
SAID = 12               # lines shown of what a build or a test said


class Stale(Exception):
    """The mutant does not fit the sources."""


class Mutant:
    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix(".mutant")
        self.tests = {}         # name: what it has to say
        self.tries = 1
        self.hunks = []         # (file, old text, new text)
        with open(path, encoding="utf-8") as f:
            head, *hunks = re.split(r"^@@\n", f.read(), flags=re.M)
        self.sentence = re.search("^# (D[0-9]: .*)", head, re.M).group(1)
        file = self.read_head(head)
        for hunk in hunks:
            body, mark, rest = hunk.partition("\nfile: ")
            self.hunks.append((file, *self.texts(body)))
            if mark:
                file = rest.strip()
        if not self.hunks or not self.tests:
            raise Stale(f"{path}: no hunk, or no test")

    def read_head(self, head):
        file = None
        for line in head.splitlines():
            key, _, value = line.partition(": ")
            if key == "test":
                test, _, says = value.partition(": ")
                self.tests[test] = says
            elif key == "tries":
                self.tries = int(value)
            elif key == "file":
                file = value
            elif not line.startswith("#"):
                raise Stale(f"{self.name}: what is '{line}'?")
        return file

    @staticmethod
    def texts(body):
        lines = [line or " " for line in body.rstrip("\n").split("\n")]
        return ("\n".join(line[1:] for line in lines if line[0] in " -"),
                "\n".join(line[1:] for line in lines if line[0] in " +"))

    def apply(self, source):
        """Change the sources; returns what they were."""
        texts = {}
        before = {}
        for file, old, new in self.hunks:
            path = os.path.join(source, file)
            if path not in texts:
                with open(path, encoding="utf-8") as f:
                    texts[path] = before[path] = f.read()
            count = texts[path].count(old + "\n")
            if count != 1:
                raise Stale(f"{file} has {count} times:\n{old}")
            texts[path] = texts[path].replace(old + "\n", new + "\n")
        write_all(texts)
        return before


def write_all(texts):
    for path, text in texts.items():
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def tell(text):
    for line in text.strip().splitlines()[-SAID:]:
        print("#", line)


class Bench:
    """The copy and its build."""

    def __init__(self, options):
        self.source = os.path.abspath(options.source)
        self.build = os.path.abspath(options.build)
        self.make = [options.make, f"-j{len(os.sched_getaffinity(0))}"]
        self.environment = dict(os.environ, LIBRAPI_BUILD_DIR=self.build,
                                LIBRAPI_SOURCE_DIR=self.source,
                                PYTHONDONTWRITEBYTECODE="1")
        self.environment.pop("MAKEFLAGS", None)

    def compile(self, tests):
        """What the compiler says, when it does not build."""
        programs = [test for test in tests if not test.endswith(".py")]
        # One after the other: `all` is a make of its own.
        for targets in (["all"], programs):
            if not targets:
                continue
            done = subprocess.run(
                self.make + ["-s", "-C", self.build, *targets],
                env=self.environment, text=True, errors="replace",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                return done.stdout
        return None

    def run(self, test):
        """(passed, what failed, all that it said)"""
        command = [sys.executable, os.path.join(self.source, test)] \
            if test.endswith(".py") else [os.path.join(self.build, test)]
        process = subprocess.Popen(command, cwd=self.build,
                                   env=self.environment, text=True,
                                   errors="replace", stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            said, _ = process.communicate(timeout=TEST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return False, f"has not ended after {TEST_SECONDS} s", said
        failed = re.findall(r"^not ok \d+ - (.*)", said, re.M)
        if process.returncode == 0:
            return True, "", said
        return False, failed[0] if failed \
            else f"ended with status {process.returncode}", said


def baseline(bench, tests, report):
    """Where nothing is broken nothing may fail."""
    said = bench.compile(tests)
    if said is not None:
        tell(said)
        report(False, "the sources as they are build")
        return False
    passed = True
    for test in tests:
        ok, _, said = bench.run(test)
        if not ok:
            tell(said)
        report(ok, f"{test} passes where nothing is broken")
        passed = passed and ok
    return passed


def catch(bench, test, says, tries):
    """What of the test failed; None when all of it passed every time."""
    for attempt in range(tries):
        passed, failed, said = bench.run(test)
        if not passed and says in said:
            again = f" (at try {attempt + 1})" if attempt else ""
            return failed + again
    return None


def try_mutant(bench, mutant, report):
    try:
        before = mutant.apply(bench.source)
    except Stale as e:
        tell(str(e))
        report(False, f"{mutant.name} does not fit the sources any more")
        return
    try:
        said = bench.compile(mutant.tests)
        if said is not None:
            tell(said)
            report(False, f"{mutant.name} does not build")
            return
        caught = {test: catch(bench, test, says, mutant.tries)
                  for test, says in mutant.tests.items()}
    finally:
        write_all(before)
    survived = [test for test in caught if not caught[test]]
    report(not survived, f"{mutant.sentence} - " + (
        f"{mutant.name} SURVIVES {' and '.join(survived)}" if survived else
        "caught by " + " and by ".join(
            f"{os.path.basename(test)}: {failed}"
            for test, failed in caught.items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--source", required=True, help="a copy, changed here")
    parser.add_argument("--build", required=True)
    parser.add_argument("--make", default="make")
    parser.add_argument("names", nargs="*", help="only these mutants")
    options = parser.parse_args()

    here = os.path.dirname(os.path.abspath(__file__))
    mutants = [Mutant(path)
               for path in sorted(glob.glob(os.path.join(here, "*.mutant")))]
    known = {mutant.name for mutant in mutants}
    if set(options.names) - known:
        sys.exit(f"no such mutant: {set(options.names) - known}")
    if options.names:
        mutants = [m for m in mutants if m.name in options.names]
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    begun = time.monotonic()
    bad = []
    number = 0

    def report(ok, what):
        nonlocal number
        number += 1
        print("ok" if ok else "not ok", number, "-", what, flush=True)
        if not ok:
            bad.append(what)

    print(f"1..{len(tests) + len(mutants)}", flush=True)
    bench = Bench(options)
    if not baseline(bench, tests, report):
        print("Bail out! what tests say of mutants would mean nothing")
        return 1
    for mutant in mutants:
        try_mutant(bench, mutant, report)
    print(f"# {len(mutants)} mutants, {len(mutants) - len(bad)} caught, "
          f"{time.monotonic() - begun:.0f} s")
    return bool(bad)


sys.exit(main())
