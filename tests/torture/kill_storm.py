#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A storm of SIGKILL: random sets of workers, housekeeper, watcher, transfers and
supervisor, now and then all of them, die at random moments, often again before
they have all come back, while clients write, export and watch through lighttpd
(which starts another supervisor).

Every write has a value that no other has.  The streams of two watchers, taken
together as what happened, are then held against what the clients were told:
each revision once and in order, without a gap; each acknowledged write there,
at its revision; those without an answer wholly or not at all, and once; of each
key as many deletes as were acknowledged, or more by those without an answer;
and the store's content is what the stream comes to.

Not a part of make check.  LIBRAPI_SEED=N repeats the choices, not the moments.

    kill_storm.py [--kills=N]
"""

import argparse
import collections
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "e2e"))

import librapi                              # noqa: E402
from stream import Stream                   # noqa: E402

WRITERS = 4
KEYS = 12               # of each writer
WATCHERS = 2
SERVES_AGAIN_S = 10     # at most, whoever was killed
ROLES = ("worker", "housekeeper", "watcher", "transfer")
ARGS = None


class Writer:
    """Writes to keys of its own, and remembers what it was told."""

    def __init__(self, service, number, seed):
        self.service = service
        self.prefix = f"storm/{number}/"
        self.dice = random.Random(f"{seed} {number}")
        self.count = 0
        self.asked = {}         # value -> keys that were put with it
        self.told = {}          # value -> revision
        self.deleted = collections.Counter()            # by key
        self.perhaps_deleted = collections.Counter()
        self.unknown = 0
        self.connection = None

    def key(self):
        return f"{self.prefix}{self.dice.randrange(KEYS)}"

    def send(self, method, target, body, fields=None):
        """The answer, or None when nobody knows."""
        try:
            if not self.connection:
                self.connection = self.service.connect()
            answer = self.connection.request(method, target, body, fields)
        except OSError:
            answer = None
        if answer is None or answer.status >= 500:
            if self.connection:
                self.connection.close()
            self.connection = None
            self.unknown += 1
            return None
        return answer

    def put(self, value):
        key = self.key()
        self.asked[value] = {key}
        answer = self.send("PUT", f"/v1/kv/{key}", value.encode())
        if answer:
            assert answer.status in (201, 204), answer
            self.told[value] = answer.revision
        return answer

    def transact(self, value):
        keys = {self.key() for _ in range(4)}
        self.asked[value] = keys
        do = [{"put": key, "value": value} for key in sorted(keys)]
        answer = self.send("POST", "/v1/txn", json.dumps({"do": do}).encode(),
                           {"Content-Type": "application/json"})
        if answer:
            assert answer.status == 200, answer
            self.told[value] = answer.json["rev"]
        return answer

    def delete(self):
        key = self.key()
        answer = self.send("DELETE", f"/v1/kv/{key}", None)
        if not answer:
            self.perhaps_deleted[key] += 1
            return answer
        assert answer.status in (204, 404), answer
        self.deleted[key] += answer.status == 204
        return answer

    def write(self):
        self.count += 1
        value = f"{self.prefix}{self.count}"
        what = self.dice.random()
        if what < 0.5:
            return self.put(value)
        return self.transact(value) if what < 0.8 else self.delete()

    def run(self, stopping):
        while not stopping.is_set():
            if not self.write():
                time.sleep(0.01)


class Watcher:
    """What one stream tells, on as many connections as it takes."""

    def __init__(self, service):
        self.stream = Stream(service, "/v1/watch?values=1", last=0)
        self.events = []
        self.wanted = None      # revision to stop at

    def done(self):
        return self.wanted is not None and self.stream.last >= self.wanted

    def run(self, _stopping):
        self.events.extend(self.stream.follow(self.done))


class Exporter:
    def __init__(self, service):
        self.service = service
        self.whole = 0

    def run(self, stopping):
        while not stopping.is_set():
            try:
                answer = self.service.get("/v1/export")
                self.whole += answer.status == 200
            except OSError:
                pass
            time.sleep(0.05)


class Storm:
    def __init__(self, service, dice):
        self.service = service
        self.dice = dice
        self.counts = dict.fromkeys((*ROLES, "supervisor"), 0)
        self.slowest = 0

    def kills(self):
        return sum(self.counts.values())

    def strike(self, role, pid):
        try:
            os.kill(pid, 9)
            self.counts[role] += 1
        except ProcessLookupError:
            pass

    def strike_some(self):
        try:
            there = [(role, pid) for role in ROLES
                     for pid in self.service.children(role)]
            supervisor = self.service.supervisor()
        except (OSError, ValueError):
            return              # between two supervisors
        everybody = self.dice.random() < 0.05
        count = len(there) if everybody else self.dice.randint(1, 4)
        self.dice.shuffle(there)
        for role, pid in there[:count]:
            self.strike(role, pid)
        if everybody or self.dice.random() < 0.08:
            self.strike("supervisor", supervisor)

    def run(self, kills, probe):
        """Every other time, wait until a write is taken."""
        while self.kills() < kills:
            time.sleep(self.dice.uniform(0, 0.15))
            self.strike_some()
            if self.dice.random() < 0.5:
                begun = time.monotonic()
                librapi.wait_until(probe.write, "a write is taken",
                                   SERVES_AGAIN_S)
                self.slowest = max(self.slowest, time.monotonic() - begun)


class KillStorm(librapi.TestCase):
    def judge_stream(self, events):
        """Revisions without gap or repeat: a list of events for each."""
        happened = {}
        newest = 0
        for event in events:
            self.assertIn(event["rev"], (newest, newest + 1), event)
            newest = event["rev"]
            happened.setdefault(newest, []).append(event)
        return happened

    def judge_writes(self, happened, writers):
        at = {}                 # value -> (revision, keys)
        for revision, events in happened.items():
            for event in events:
                if event["event"] != "put":
                    continue
                found = at.setdefault(event["value"], (revision, set()))
                self.assertEqual(found[0], revision, "written twice")
                self.assertNotIn(event["key"], found[1])
                found[1].add(event["key"])
        for writer in writers:
            for value, keys in writer.asked.items():
                revision, found = at.pop(value, (None, None))
                if value in writer.told:
                    self.assertEqual(revision, writer.told[value],
                                     f"{value} is lost")
                if revision:
                    self.assertEqual(found, keys, "half a transaction")
        self.assertEqual(at, {}, "nobody wrote it")

    def judge_deletes(self, events, writers):
        """They take no value and tell no revision: they can be counted."""
        found = collections.Counter(event["key"] for event in events
                                    if event["event"] == "delete")
        for writer in writers:
            for n in range(KEYS):
                key = f"{writer.prefix}{n}"
                least = writer.deleted[key]
                self.assertGreaterEqual(found[key], least, f"{key}: a delete "
                                        "is lost")
                self.assertLessEqual(found[key],
                                     least + writer.perhaps_deleted[key],
                                     f"{key}: nobody deleted it")

    def judge_content(self, service, happened):
        content = {}
        for events in happened.values():
            for event in events:
                content.pop(event["key"], None)
                if event["event"] == "put":
                    content[event["key"]] = event["value"]
        for number in range(WRITERS + 1):
            for n in range(KEYS):
                key = f"storm/{number}/{n}"
                answer = service.get(f"/v1/kv/{key}")
                found = answer.body.decode() if answer.status == 200 else None
                self.assertEqual(found, content.get(key), key)

    def join(self, threads):
        for thread in threads:
            thread.join(librapi.TIMEOUT)
            self.assertFalse(thread.is_alive(), "somebody hangs")

    def test_a_storm_of_kills_takes_nothing_that_was_acknowledged(self):
        seed = os.environ.get("LIBRAPI_SEED") or random.randrange(1 << 32)
        print(f"# seed {seed}", flush=True)
        service = self.service(workers=3, checkpoint_idle_ms=30)
        writers = [Writer(service, n, seed) for n in range(WRITERS + 1)]
        watchers = [Watcher(service) for _ in range(WATCHERS)]
        exporter = Exporter(service)
        storm = Storm(service, random.Random(f"{seed}"))
        stopping = threading.Event()
        crew = [threading.Thread(target=one.run, args=(stopping,), daemon=True)
                for one in (*writers[1:], exporter, *watchers)]
        probe = writers[0]

        begun = time.monotonic()
        for thread in crew:
            thread.start()
        storm.run(ARGS.kills, probe)
        stopping.set()
        self.join(crew[:-WATCHERS])
        librapi.wait_until(lambda: probe.put(f"last {time.monotonic()}"),
                           "a last write is taken", SERVES_AGAIN_S)
        wanted = max(probe.told.values())
        for watcher in watchers:
            watcher.wanted = wanted
        self.join(crew)

        self.assertEqual(watchers[0].events, watchers[1].events)
        happened = self.judge_stream(watchers[0].events)
        self.judge_writes(happened, writers)
        self.judge_deletes(watchers[0].events, writers)
        self.judge_content(service, happened)
        told = sum(len(writer.told) for writer in writers)
        print(f"# {storm.kills()} kills survived {storm.counts}, "
              f"{told} writes acknowledged, "
              f"{sum(writer.unknown for writer in writers)} without answer, "
              f"{exporter.whole} whole exports, "
              f"a write was taken again within {storm.slowest:.1f} s, "
              f"{time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="See the head of this file.")
    parser.add_argument("--kills", type=int, default=200)
    ARGS = parser.parse_args()
    sys.argv[1:] = []
    librapi.main(librapi.FILE_TIMEOUT + ARGS.kills)
