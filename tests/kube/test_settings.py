#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chart's schema has librapi's settings, all of them and no other."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))

import librapi      # found by the line above


class Settings(librapi.TestCase):
    def test_the_chart_has_the_settings_that_the_program_has(self):
        done = subprocess.run(
            [sys.executable,
             os.path.join(librapi.SOURCE, "kube", "settings"),
             librapi.PROGRAM], capture_output=True, text=True,
            timeout=librapi.TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    librapi.main()
