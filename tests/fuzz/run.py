#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Run targets with libFuzzer, one after another, each for so many seconds.  A
line of TAP for each tells how often it ran; one that broke leaves its input
in a file TARGET-crash-..., which is named.
"""

import argparse
import os
import re
import subprocess
import sys

INPUT_MAX = 8192    # bytes
CASE_SECONDS = 20   # one that takes longer counts as a hang
MEMORY_MB = 2048
LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leaks.supp")


def stat(log, name):
    found = re.search(rf"stat::{name}:\s+(\d+)", log)
    return int(found.group(1)) if found else 0


def run(program, target, options):
    found = os.path.join(options.found, "found", target)
    os.makedirs(found, exist_ok=True)
    environment = dict(os.environ)
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    environment.setdefault("LSAN_OPTIONS",
                           f"suppressions={LEAKS}:print_suppressions=0")
    # What the target itself writes, its log, goes nowhere; reports do not.
    return subprocess.run(
        [program, f"-max_total_time={options.seconds}",
         f"-max_len={INPUT_MAX}", f"-timeout={CASE_SECONDS}",
         f"-rss_limit_mb={MEMORY_MB}", "-close_fd_mask=2",
         "-print_final_stats=1", f"-seed={options.seed}",
         f"-artifact_prefix={options.found}/{target}-",
         found, os.path.join(options.corpus, target)],
        env=environment, capture_output=True, text=True, errors="replace")


def report(number, target, result):
    log = result.stderr
    covered = re.findall(r"cov: (\d+) ft: (\d+)", log) or [("0", "0")]
    ok = result.returncode == 0 and stat(log, "number_of_executed_units") > 0
    if not ok:
        for line in log.splitlines()[-60:]:
            print("#", line)
    print(f"{'ok' if ok else 'not ok'} {number} - {target}:"
          f" {stat(log, 'number_of_executed_units')} executions,"
          f" {stat(log, 'average_exec_per_sec')} a second,"
          f" {covered[-1][0]} edges, {covered[-1][1]} features", flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0,
                        help="of libFuzzer's dice; 0: another every time")
    parser.add_argument("--found", default=".",
                        help="folder for new inputs and for crashes")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--only", nargs="*", default=[],
                        help="names of targets, without fuzz_")
    parser.add_argument("programs", nargs="+")
    options = parser.parse_args()

    targets = {os.path.basename(path).removeprefix("fuzz_"): path
               for path in options.programs}
    chosen = [name for name in targets
              if not options.only or name in options.only]
    print(f"1..{len(chosen)}", flush=True)
    passed = [report(number, name, run(targets[name], name, options))
              for number, name in enumerate(chosen, 1)]
    return not (passed and all(passed))


sys.exit(main())
