#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Whatever happens to the service, there is an order of all that clients did that
explains every answer they got.  Many clients, through lighttpd, on few keys,
while processes die and checkpoints run; the last answers are those after the
service was killed and started again, and after it was stopped as it should be.

A third of the histories, and a short one in make check, are of a disk that
takes 50 ms to sync: what is answered, seen or refused too early is so for long
enough to be seen.

LIBRAPI_SEED=N repeats what clients ask for and what befalls the service, though
not the moments.  A history that has no order is kept in the build folder, in
tests/linear; checker.py reads it.  LIBRAPI_TORTURE=1 does it many times over.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))

import checker
import clients
import disk          # found by the line above
import faults
import history
import librapi
import shrink

TORTURE = "LIBRAPI_TORTURE" in os.environ
ROUNDS = 14 if TORTURE else 1
SLOW_ROUNDS = 7 if TORTURE else 1
SECONDS = 15 if TORTURE else 5
SLOW = {"sync": 50, "pwrite": 2}    # ms; one has a lock meanwhile
LONGER = (1, 3, 9)  # ... times that, if it did not say enough
ROUND_MAX_S = 60    # with its restarts and its check
CLIENTS = 8
KEPT = os.path.join(librapi.BUILD, "tests", "linear")
SHOWN_MOST = 60     # lines of a history
# So that segments are short, and checkpoints many.
SMALL = {"workers": 4, "value_max_bytes": 8192, "txn_max_bytes": 8192,
         "journal_segment_bytes": 65536, "journal_max_bytes": 1048576,
         "memtable_bytes": 65536, "checkpoint_idle_ms": 20}


def last_look(service, number):
    """Everything, as a client of its own sees it."""
    client = clients.Client(service.port, number, 0)
    for group in clients.GROUPS:
        client.read_all(group)
        client.list(group)
    for key in clients.SINGLES:
        client.get(key)
    client.connection.close()
    return client


def keep(operations, seed):
    os.makedirs(KEPT, exist_ok=True)
    path = os.path.join(KEPT, f"history-{seed}.jsonl")
    history.save(path, operations)
    return path


def complain(wrong, path):
    """What to say of operations that have no order."""
    shown, left_out = shrink.shrink(wrong)
    lines = history.show(shown)
    if len(lines) > SHOWN_MOST:
        lines[SHOWN_MOST:] = [f"... and {len(lines) - SHOWN_MOST} more"]
    return "\n".join(
        [f"no order explains what follows (all of it: {path})", *lines,
         f"and {left_out} of unknown outcome that none of these saw"])


class Linear(librapi.TestCase):
    def check_revisions(self, told, written):
        """Besides: a revision is one thing, and a later write has a later."""
        meanings = {}
        for key, revision, value in told:
            self.assertEqual(meanings.setdefault((key, revision), value),
                             value, f"revision {revision} of {key}")
        numbers = [revision for _, _, revision in written]
        self.assertEqual(len(numbers), len(set(numbers)),
                         "a revision was given twice")
        newest = 0          # of all writes that had ended by then
        ended = sorted(written, key=lambda w: w[1])
        i = 0
        for call, _, revision in sorted(written):
            while ended[i][1] < call:
                newest = max(newest, ended[i][2])
                i += 1
            self.assertGreater(revision, newest,
                               "a later write has an earlier revision")

    def live(self, seed, slow, seconds):
        """One history, as long as that: (operations, counts)"""
        service = disk.Service(self.folder(), **SMALL)
        self.addCleanup(service.end)
        service.start()
        for call, milliseconds in slow.items():
            service.slow(call, milliseconds)
        until = time.monotonic() + seconds
        crowd = clients.Crowd(service.port, CLIENTS, seed, until)
        counts = faults.Faults(service, random.Random(seed)).run(until)
        operations, told, written = crowd.gather()
        for call in slow:
            service.slow(call, 0)
        service.kill()
        service.start()
        looks = [last_look(service, CLIENTS)]
        service.stop()
        service.start()
        looks.append(last_look(service, CLIENTS + 1))
        counts["checkpoints"] = service.log().count("event=checkpoint ")
        for look in looks:
            operations += look.history
            told += look.told
        service.end()
        self.check_revisions(told, written)
        return clients.resolve(operations, told), counts

    def check_history(self, seed, slow, seconds):
        """(how many operations, whether they say anything)"""
        operations, counts = self.live(seed, slow, seconds)
        begun = time.monotonic()
        try:
            wrong = checker.find_wrong(operations)
        except checker.Undecided as e:
            self.fail(f"{e}; kept as {keep(operations, seed)}")
        if wrong:
            self.fail(complain(wrong, keep(operations, seed)))
        outcomes = {name: sum(o.outcome == name for o in operations)
                    for name in ("ok", "refused", "unknown")}
        print(f"# seed {seed}: {len(operations)} operations {outcomes}, "
              f"{counts}; checked in {time.monotonic() - begun:.1f} s",
              flush=True)
        return len(operations), outcomes["ok"] > 5 * SECONDS \
            and outcomes["refused"] > 0 and counts.pop("checkpoints") > 0 \
            and sum(counts.values()) > 0

    def check_one(self, seed, slow):
        """Where the machine is slow, a longer one; that is right as well."""
        total = 0
        for times in LONGER:
            count, telling = self.check_history(seed, slow, times * SECONDS)
            total += count
            if telling:
                return total
        self.fail("too few operations, refusals, checkpoints or strikes")

    def check_many(self, rounds, slow):
        first = int(os.environ.get("LIBRAPI_SEED")
                    or random.randrange(1 << 32))
        total = sum(self.check_one(first + n, slow) for n in range(rounds))
        print(f"# {rounds} histories, {total} operations")

    def test_what_clients_were_told_has_an_order_whatever_happens(self):
        self.check_many(ROUNDS, {})

    def test_it_has_an_order_where_the_disk_is_slow(self):
        self.check_many(SLOW_ROUNDS, SLOW)


if __name__ == "__main__":
    librapi.main(max(librapi.FILE_TIMEOUT,
                     (ROUNDS + SLOW_ROUNDS) * ROUND_MAX_S))
