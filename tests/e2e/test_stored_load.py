#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Stored responses under load: processes write and read few keys as fast as they
can, each over connections of its own.  Who begins a GET sees no older value
than was acknowledged, or seen by anybody, before; also while workers are
killed and settings are read again.
"""

import multiprocessing
import random
import signal
import time
import traceback

import librapi
from stored import given

KEYS = 4
MANY_KEYS = 24
WRITERS = 2         # a process each, for all keys
READERS = 4
SECONDS = 4
PAUSE_S = 0.002     # between a writer's writes: else nothing is read twice
# Places for small values hold about 1000 bytes, those for large ones 16,000.
SIZES = (0, 0, 100, 2000)


class Shared:
    """What all processes know of each key: revisions."""

    def __init__(self, keys):
        self.keys = keys
        self.acknowledged = multiprocessing.Array("Q", keys)
        self.seen = multiprocessing.Array("Q", keys)
        self.gets = multiprocessing.Value("Q", 0)
        self.stop = multiprocessing.Event()

    def floor(self, key):
        return max(self.acknowledged[key], self.seen[key])


def raise_to(array, key, revision):
    with array.get_lock():
        array[key] = max(array[key], revision)


class Client:
    """Requests that may fail: then there is another connection, and None."""

    def __init__(self, port, forgiving):
        self.port = port
        self.forgiving = forgiving
        self.connection = None

    def request(self, method, key, body=None):
        if not self.connection:
            self.connection = librapi.Connection(self.port, contract=None)
        try:
            answer = self.connection.request(method, f"/v1/kv/key/{key}",
                                             body)
        except OSError:
            self.connection.close()
            self.connection = None
            if not self.forgiving:
                raise
            return None
        if answer.status < 500:
            return answer
        assert self.forgiving, answer
        return None


def write(number, client, shared, made):
    """made is {(key, revision): value}."""
    rng = random.Random()
    n = 0
    while not shared.stop.is_set():
        n += 1
        key = rng.randrange(shared.keys)
        value = b"%d %d " % (number, n) + b"x" * rng.choice(SIZES)
        answer = client.request("PUT", key, value)
        if answer:
            assert answer.status in (201, 204), answer
            raise_to(shared.acknowledged, key, answer.revision)
            made[key, answer.revision] = value
        time.sleep(PAUSE_S)


def read(_number, client, shared, found):
    """found is {(key, revision): value}."""
    rng = random.Random()
    count = 0
    while not shared.stop.is_set():
        key = rng.randrange(shared.keys)
        floor = shared.floor(key)
        answer = client.request("GET", key)
        if not answer:
            continue
        assert answer.status == 200, answer
        assert answer.revision >= floor, \
            f"{key}: {answer.revision} after {floor}"
        raise_to(shared.seen, key, answer.revision)
        count += 1
        known = found.setdefault((key, answer.revision), answer.body)
        assert known == answer.body, f"{key} at {answer.revision}"
    with shared.gets.get_lock():
        shared.gets.value += count


def run(work, number, client, shared, pipe):
    values = {}
    failure = None
    try:
        work(number, client, shared, values)
    except BaseException:
        failure = traceback.format_exc()
    pipe.send((failure, values))


class Load(librapi.TestCase):
    def start(self, keys=KEYS, **settings):
        self.keys = keys
        self.s = self.service("connect", workers=3, **settings)
        for key in range(keys):
            self.s.put(f"/v1/kv/key/{key}", b"first")

    def load(self, meanwhile=None):
        """What part of the GETs were stored ones."""
        shared = Shared(self.keys)
        before = given(self.s)
        context = multiprocessing.get_context("fork")
        pipes, processes = [], []
        for work, count in ((write, WRITERS), (read, READERS)):
            for number in range(count):
                client = Client(self.s.port, meanwhile is not None)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(
                    target=run, args=(work, number, client, shared, theirs),
                    daemon=True)
                process.start()
                self.addCleanup(process.kill)
                theirs.close()
                pipes.append(ours)
                processes.append(process)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.1)
            if meanwhile:
                meanwhile()
        shared.stop.set()
        done = [self.receive(pipe) for pipe in pipes]
        for process in processes:
            process.join(librapi.TIMEOUT)
        self.check(shared, done)
        part = (given(self.s) - before) / shared.gets.value
        print(f"# {shared.gets.value} GETs, {100 * part:.0f} % of them stored,"
              f" while {sum(len(v) for _, v in done[:WRITERS])} were written")
        return part

    def receive(self, pipe):
        self.assertTrue(pipe.poll(librapi.TIMEOUT), "a client hangs")
        return pipe.recv()

    def check(self, shared, done):
        """Each revision has one value, and who looks now sees the last."""
        for failure, _ in done:
            self.assertIsNone(failure, failure)
        values = {}
        for _, some in done:
            for at, value in some.items():
                self.assertEqual(values.setdefault(at, value), value, at)
        for key in range(self.keys):
            for _ in range(3):
                answer = self.s.get(f"/v1/kv/key/{key}")
                self.assertGreaterEqual(answer.revision, shared.floor(key))

    def test_nobody_sees_less_than_was_seen_or_acknowledged(self):
        self.start()
        self.assertGreater(self.load(), 0.5)

    def test_nor_where_there_is_hardly_any_memory(self):
        """
        Eight places for small values, which are taken from each other all the
        time, and none for large ones.
        """
        self.start(MANY_KEYS, stored_bytes=16384)
        self.assertGreater(self.load(), 0.05)

    def test_nor_while_workers_are_killed(self):
        self.start()

        def kill():
            librapi.kill(self.s.workers()[:1])
        self.assertGreater(self.load(kill), 0.1)

    def test_nor_while_settings_are_read_again(self):
        self.start()
        self.load(lambda: self.s.program.send_signal(signal.SIGHUP))


if __name__ == "__main__":
    librapi.main()
