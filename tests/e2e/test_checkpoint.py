#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints and splitting tables while clients read and write."""

import glob
import os
import random
import re
import shutil
import subprocess
import threading

import librapi

WRITERS = 4
KEYS = 150              # of each writer
ROUNDS = 4

SMALL = {
    "value_max_bytes": 16384,
    "journal_segment_bytes": 65536,
    "journal_max_bytes": 1048576,
    "table_max_keys": 64,
    "checkpoint_idle_ms": 50,
    "workers": 3,
    "stored_bytes": 0,      # reads are to come to the tables
}


def key(i, n):
    return f"/v1/kv/w{i}/{n * 7919 % KEYS:04d}"


def size(entry):
    """Of a table, which a checkpoint may just have replaced."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0


class Checkpoint(librapi.TestCase):
    def tables(self, service):
        with open(service.path("data", "MANIFEST"), encoding="ascii") as f:
            return [line.split()[1] for line in f
                    if line.startswith("table ")]

    def write(self, service, i, model):
        connection = service.connect()
        for r in range(ROUNDS):
            for n in range(KEYS):
                target = key(i, n)
                if r and n % 10 == r:
                    answer = connection.request("DELETE", target)
                    model.pop(target, None)
                    assert answer.status in (204, 404), answer
                    continue
                value = random.randbytes(random.choice((0, 10, 300, 3000)))
                answer = connection.request("PUT", target, value)
                assert answer.status in (201, 204), answer
                model[target] = value
                got = connection.request("GET", target)
                assert got.body == value, f"{target} is not what was put"
        connection.close()

    def read(self, service, stop, models):
        """Nothing that is read was never written."""
        connection = service.connect()
        while not stop.is_set():
            target = key(random.randrange(WRITERS), random.randrange(KEYS))
            got = connection.request("GET", target)
            assert got.status in (200, 404), got
        connection.close()

    def verify(self, service, models):
        connection = service.connect()
        for i, model in enumerate(models):
            for n in range(KEYS):
                target = key(i, n)
                got = connection.request("GET", target)
                if target in model:
                    self.assertEqual(got.body, model[target], target)
                else:
                    self.assertEqual(got.status, 404, target)
        connection.close()

    def test_tables_split_under_load_and_all_values_are_right(self):
        service = self.service(**SMALL)
        models = [{} for _ in range(WRITERS)]
        stop = threading.Event()
        reader = threading.Thread(target=self.read, daemon=True,
                                  args=(service, stop, models))
        reader.start()
        librapi.in_parallel(
            WRITERS, lambda i: self.write(service, i, models[i]), 120)
        stop.set()
        reader.join(librapi.TIMEOUT)
        librapi.wait_until(lambda: len(self.tables(service)) > 3,
                           "several tables; log: " + service.log())
        self.verify(service, models)
        self.read_by_gdbmtool(service)
        service.stop()
        done = librapi.run(service.folder, "check", **SMALL)
        self.assertEqual(done.returncode, 0, done)
        service.start()
        self.verify(service, models)

    def read_by_gdbmtool(self, service):
        """Any table, while the service has it open."""
        tool = shutil.which("gdbmtool")
        if not tool:
            self.skipTest("gdbmtool is not installed")

        def count():
            table = glob.glob(service.path("data", "table-*.gdbm"))[0]
            done = subprocess.run([tool, "-r", table, "count"],
                                  capture_output=True,
                                  timeout=librapi.TIMEOUT)
            return done.returncode == 0 and done.stdout

        self.assertRegex(librapi.wait_until(count, "gdbmtool reads a table"),
                         rb"[1-9][0-9]*")

    def test_a_killed_service_with_many_tables_comes_back(self):
        service = self.service(**SMALL)
        models = [{} for _ in range(WRITERS)]
        librapi.in_parallel(
            WRITERS, lambda i: self.write(service, i, models[i]), 120)
        for _ in range(3):
            service.kill()
            service.start()
            self.verify(service, models)

    def merged(self, service):
        """The revision up to which all is in tables."""
        with open(service.path("data", "MANIFEST"), encoding="ascii") as f:
            return int(re.search(r"^revision (\d+)$", f.read(), re.M)[1])

    def open_tables(self, pid):
        """Of those that are replaced the process has a file without a name."""
        found = set()
        for fd in glob.glob(f"/proc/{pid}/fd/*"):
            try:
                found.update(re.findall(r"/table-0*([0-9.]+)\.gdbm",
                                        os.readlink(fd)))
            except FileNotFoundError:
                pass
        return found

    def test_who_only_says_that_it_lives_lets_go_of_replaced_tables(self):
        """What others write, here an import, is not for it to read."""
        service = self.service(**{**SMALL, "workers": 1})
        connection = service.connect()
        for n in range(10):
            connection.request("PUT", f"/v1/kv/{n}", b"x")
        lines = connection.request("GET", "/v1/export").body
        librapi.wait_until(lambda: self.merged(service) == 10, "a table")
        connection.request("GET", "/v1/kv/1")       # from there
        before = set(self.tables(service))
        worker, = service.workers()
        self.assertEqual(self.open_tables(worker), before)
        imported = connection.request("POST", "/v1/import", lines)
        self.assertEqual(imported.status, 200, imported)

        def let_go():
            self.assertEqual(connection.request("GET", "/livez").status, 200)
            return not before & self.open_tables(worker)

        librapi.wait_until(let_go, f"{before} let go", 10)
        self.assertNotEqual(set(self.tables(service)), before)
        connection.close()

    def test_disk_use_is_bounded_by_what_is_alive(self):
        service = self.service(**SMALL)
        connection = service.connect()
        for n in range(400):
            answer = connection.request("PUT", f"/v1/kv/same{n % 4}",
                                        random.randbytes(8000))
            self.assertIn(answer.status, (201, 204))
        connection.close()

        def used():
            with os.scandir(service.path("data")) as entries:
                return sum(size(entry) for entry in entries
                           if entry.name.startswith("table-"))

        librapi.wait_until(lambda: 0 < used() < 400 * 8000 / 4,
                           "tables of a bounded size", 10)


if __name__ == "__main__":
    librapi.main()
