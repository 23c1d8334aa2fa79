#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
make soak: a service under mixed load for a long time, SOAK_MINUTES, while its
processes are killed.  What it takes (descriptors, memory, disk, time for an
answer) is printed twice a minute, and written to soak.tsv for gnuplot; in the
end it has to be what it was in the beginning, and the store what a model says.

Beginning and end are looked at in the same way, with no client and after the
checkpoint that follows.  One worker and the supervisor are never killed: what
lives through all of it is what shows a leak.

--leak leaves a watch open every second, which nobody closes: the run fails.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))
import librapi                                          # noqa: E402
import vitals                                           # noqa: E402
from soak_load import Load                              # noqa: E402

SETTINGS = {"workers": 3, "checkpoint_idle_ms": 1000,
            "value_max_bytes": 1 << 20, "history_bytes": 16 << 20,
            "journal_segment_bytes": 8 << 20}
KILLED = ("worker", "watcher", "transfer", "housekeeper")
MIB = 1 << 20
# What the end may take beyond the beginning: a share of it, and so much more.
PSS_FACTOR, PSS_BYTES = 1.3, 12 * MIB
DISK_FACTOR, DISK_BYTES = 1.5, 32 * MIB
STORE_FDS = 60
WARM_UP_S = 20          # buffers have then grown to what they are to hold
LATENCY_FACTOR, LATENCY_MS = 3, 20


class Killer:
    """A process every few seconds, but never the oldest worker."""

    def __init__(self, service):
        self.service = service
        self.spared = service.workers()[0]
        self.kills = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(random.uniform(1, 5)):
            pids = [pid for pid in self.service.children(
                random.choice(KILLED)) if pid != self.spared]
            try:
                os.kill(random.choice(pids), signal.SIGKILL)
                self.kills += 1
            except (IndexError, ProcessLookupError):
                pass

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Leak:
    """A watch more every second, until stopped; they all stay."""

    def __init__(self, service):
        self.service = service
        self.left = []
        self.stopping = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.stopping.wait(1):
            connection = self.service.connect()
            connection.send(b"GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n"
                            b"Accept: text/event-stream\r\n\r\n")
            self.left.append(connection)


def percentile(sorted_ms, share):
    return sorted_ms[min(len(sorted_ms) - 1, int(len(sorted_ms) * share))] \
        if sorted_ms else 0


def look(service):
    """All that is to end where it began."""
    found = {"disk": vitals.disk_bytes(service.path("data"))}
    for name, sums in (("fds", vitals.other_descriptors(service)),
                       ("files", vitals.store_descriptors(service)),
                       ("pss", vitals.all_pss(service))):
        for role in vitals.ROLES:
            found[f"{name}_{role}"] = sums.get(role, 0)
    return found


def settle(service):
    """Nobody asks; until the last checkpoint and all clients are gone."""
    time.sleep(4)
    librapi.wait_until(service.is_complete, "all processes are there")
    time.sleep(2)
    return look(service)


class Table:
    """A line a look on the terminal, and all columns in soak.tsv."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii")
        self.begun = time.monotonic()
        self.rows = []

    def add(self, load, vital, kills):
        latencies, failures = load.take_latencies()
        latencies.sort()
        row = {"seconds": round(time.monotonic() - self.begun),
               "requests": len(latencies), "failures": failures,
               "kills": kills,
               "p50_ms": round(percentile(latencies, 0.5), 2),
               "p99_ms": round(percentile(latencies, 0.99), 2),
               "max_ms": round(percentile(latencies, 1), 2), **vital}
        if not self.rows:
            self.file.write("\t".join(row) + "\n")
        self.rows.append(row)
        self.file.write("\t".join(str(v) for v in row.values()) + "\n")
        self.file.flush()
        pss = sum(v for k, v in row.items() if k.startswith("pss_"))
        fds = sum(v for k, v in row.items() if k.startswith("fds_"))
        files = sum(v for k, v in row.items() if k.startswith("files_"))
        print(f"# {row['seconds']:5} s {row['requests']:7} requests "
              f"{failures:4} failed {kills:4} kills  p50 {row['p50_ms']:6} "
              f"p99 {row['p99_ms']:7} max {row['max_ms']:8} ms  "
              f"{fds:3} descriptors {files:4} files  {pss / MIB:6.1f} MiB  "
              f"disk {vital['disk'] / MIB:6.1f} MiB", flush=True)


def compare(begin, end):
    """Sentences about what grew."""
    wrong = []
    for name, was in begin.items():
        now = end[name]
        if name.startswith("fds_"):
            most = was
        elif name.startswith("files_"):
            most = was + STORE_FDS
        elif name.startswith("pss_"):
            most = was * PSS_FACTOR + PSS_BYTES
        else:
            most = was * DISK_FACTOR + DISK_BYTES
        if now > most:
            wrong.append(f"{name} grew from {was} to {now}")
    return wrong


def compare_latency(rows):
    third = max(1, len(rows) // 3)
    first, last = ([sorted(row["p50_ms"] for row in part)[len(part) // 2]
                    for part in (rows[:third], rows[-third:])])
    if last > first * LATENCY_FACTOR + LATENCY_MS:
        return [f"half of the answers took {first} ms, then {last} ms"]
    return []


def run_check(service):
    """librapi check, offline, as the last word."""
    done = subprocess.run([librapi.PROGRAM, "check"], capture_output=True,
                          env=service.environment(), timeout=600)
    return [] if done.returncode == 0 else \
        ["librapi check: " + done.stderr.decode()[-500:]]


def soak(service, seconds, table, leak):
    """The sentences about what is wrong."""
    every_s = min(30, seconds / 10)
    load = Load(service, time.monotonic() + max(WARM_UP_S, seconds / 10))
    load.wait()
    load.take_latencies()
    begin = settle(service)
    print("# begin " + str(begin), flush=True)
    killer = Killer(service)
    leaking = Leak(service) if leak else None
    load.start(time.monotonic() + seconds)
    while load.is_running():
        time.sleep(every_s)
        table.add(load, look(service), killer.kills)
    killer.stop()
    wrong = load.wait()
    end = settle(service)
    print("# end   " + str(end), flush=True)
    wrong += compare(begin, end) + compare_latency(table.rows)
    if leaking:
        leaking.stopping.set()
    wrong += load.verify()
    service.stop()
    wrong += run_check(service)
    service.start()
    wrong += load.verify()
    print(f"# {load.requests} requests, {load.failures} failed, "
          f"{killer.kills} kills, {load.describe()}")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int,
                        default=random.randrange(1 << 32))
    parser.add_argument("--out", default="soak.tsv")
    parser.add_argument("--leak", action="store_true")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    print(f"# seed {arguments.seed}, {arguments.minutes:g} minutes",
          flush=True)
    folder = tempfile.mkdtemp(prefix="librapi-soak-")
    service = librapi.Service(folder, **SETTINGS)
    service.contract = None     # the checks cost more than the requests
    try:
        service.start()
        wrong = soak(service, arguments.minutes * 60, Table(arguments.out),
                     arguments.leak)
    finally:
        service.end()
        shutil.rmtree(folder, ignore_errors=True)
    for sentence in wrong[:20]:
        print("# " + sentence)
    print(("not ok" if wrong else "ok")
          + " 1 - the end is as the beginning, and the store as the model")
    print("1..1")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
