# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of unittest, told as TAP: what stands behind librapi.main()."""

import signal
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0

    def line(self, result, test, note=""):
        self.number += 1
        method = getattr(test, "_testMethodName", None)
        name = method.removeprefix("test_").replace("_", " ") if method \
            else str(test)
        print(f"{result} {self.number} - {name}{note}", flush=True)

    def explain(self, error):
        for line in "".join(traceback.format_exception(*error)).splitlines():
            print("# " + line)
        sys.stdout.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.explain(err)
        self.line("not ok", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.explain(err)
        self.line("not ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, " # SKIP " + reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.explain(err)
            self.line("not ok", test, f" {dict(subtest.params)}")


def main(seconds):
    """All tests of the program, or those that are named; together so long."""
    def too_late(_signal, _frame):
        raise AssertionError(f"all tests together take over {seconds} s")

    signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 30)
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), lambda *_: sys.exit(1))
    names = sys.argv[1:] or None
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names, sys.modules["__main__"]) \
        if names else loader.loadTestsFromModule(sys.modules["__main__"])
    result = TapResult()
    suite.run(result)
    print(f"1..{result.number}", flush=True)
    sys.exit(not result.wasSuccessful())
