#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Files of the store are damaged on disk while a service reads and writes them:
bits flip, bytes turn to zero.  Each answer is right or says that it can't be
had (500, with the file and its bytes in the log); none is wrong, no key that
is there is called absent, and no process dies of it.  A checkpoint does not
take the damage over as if it were right, and a start refuses it, or serves
what is right and nothing else.

LIBRAPI_SEED=N repeats the places; LIBRAPI_TORTURE=1 tries many more.
"""

import os
import random
import re
import signal

import librapi

TORTURE = "LIBRAPI_TORTURE" in os.environ
TIMES = 12 if TORTURE else 1
TRIES = 6           # of a service that is damaged and mended
KEYS = 120
IN_JOURNAL = 40     # of these, that many have been written since
MOST = 600          # bytes that are damaged at once
ROLES = {"worker": 2, "transfer": 2, "watcher": 1, "housekeeper": 1}
# Every GET has to look at the files.
SETTINGS = {"workers": 2, "transfers": 2, "stored_bytes": 0,
            "value_max_bytes": 8192,
            "journal_segment_bytes": 65536, "journal_max_bytes": 1048576,
            "table_max_keys": 16, "checkpoint_idle_ms": 3600000}


def flip(data, rng):
    return bytes(byte ^ 1 << rng.randrange(8) for byte in data)


def zero(data, _rng):
    return bytes(len(data))


class Damage:
    """Bytes [at, end) of a file, changed where they lie."""

    def __init__(self, path, at, end, kind, rng):
        self.path, self.at, self.end = path, at, end
        with open(path, "rb") as f:
            f.seek(at)
            self.before = f.read(end - at)
        self.write(kind(self.before, rng))

    def write(self, data):
        with open(self.path, "r+b") as f:
            f.seek(self.at)
            f.write(data)

    def undo(self):
        self.write(self.before)

    def is_told(self, log):
        """Whether a line has the file, and bytes of it that are among ours."""
        for line in log.splitlines():
            if os.path.basename(self.path) not in line:
                continue
            for begin, last in re.findall(
                    r'bytes[ =]"?(\d+)(?: to |-)(\d+)', line):
                if int(begin) < self.end and int(last) >= self.at:
                    return True
        return False

    def __repr__(self):
        return f"{os.path.basename(self.path)}, bytes {self.at} to " \
            f"{self.end - 1}"


class Damaged(librapi.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("LIBRAPI_SEED")
                        or random.randrange(1 << 32))
        self.rng = random.Random(self.seed)
        self.denied = self.given = 0

    # A service, and what it has to hold

    def put(self, key, size):
        self.count += 1
        value = f"{key} {self.count} ".encode() + self.rng.randbytes(size)
        answer = self.connection.request("PUT", "/v1/kv/" + key, value)
        self.assertIn(answer.status, (201, 204), answer)
        self.model[key] = value

    def begin(self):
        """Tables, and a journal behind them: overwritten, new and deleted."""
        self.s = self.service(mode="connect", **SETTINGS)
        self.connection = self.s.connect()
        self.model, self.count = {}, 0
        for n in range(KEYS):
            self.put(f"k/{n:03}", self.rng.choice((0, 20, 300, 2000)))
        self.connection.close()
        self.s.stop()
        self.s.start()
        self.connection = self.s.connect()
        for n in range(0, KEYS, 9):
            self.connection.request("DELETE", f"/v1/kv/k/{n:03}")
            self.model.pop(f"k/{n:03}")
        for n in range(IN_JOURNAL):
            self.put(f"k/{n * 3 + 1:03}", self.rng.choice((0, 20, 1000)))
        self.know_processes()

    def pids(self):
        return [self.s.children(role) for role in ROLES]

    def know_processes(self, others_than=()):
        """Wait until all are there, and none of those."""
        def are_there():
            self.processes = self.pids()
            return [len(pids) for pids in self.processes] == \
                list(ROLES.values()) and not set(others_than).intersection(
                    pid for pids in self.processes for pid in pids)
        librapi.wait_until(are_there, "all processes")

    def renew(self):
        """Processes that remember nothing of the files."""
        before = [pid for pids in self.processes for pid in pids]
        os.kill(self.s.supervisor(), signal.SIGHUP)
        self.know_processes(others_than=before)

    def files(self, begin, end=""):
        return sorted(self.s.path("data", name)
                      for name in os.listdir(self.s.path("data"))
                      if name.startswith(begin) and name.endswith(end))

    # What it says

    def accept(self, answer, right, what):
        """Right, or refused; anything else fails."""
        if answer.status == 500:
            self.assert_problem(answer, 500, "internal-error")
            self.denied += 1
        else:
            self.assertTrue(right(answer), f"{what}: {answer}; seed "
                            f"{self.seed}; {self.damage}")
            self.given += 1

    def read_one(self, key):
        value = self.model.get(key)
        self.accept(self.connection.request("GET", "/v1/kv/" + key),
                    lambda a: a.status == 404 if value is None
                    else a.status == 200 and a.body == value, key)

    def read_all(self):
        """Each key that there was ever, the listing, and an export."""
        for n in range(KEYS):
            self.read_one(f"k/{n:03}")
        self.accept(self.connection.request("GET", "/v1/kv?limit=1000"),
                    lambda a: [e["key"] for e in a.json["keys"]]
                    == sorted(self.model), "listing")
        for key in self.rng.sample(sorted(self.model), 5):
            self.accept(self.connection.request(
                "PUT", "/v1/kv/" + key, b"new", {"If-None-Match": "*"}),
                lambda a: a.status == 412, key)
        self.assertEqual(self.pids(), self.processes,
                         f"somebody died; seed {self.seed}; {self.damage}")

    # Damage

    def do_damage(self, path, value=None):
        """At a random place, or in the middle of a value that is there."""
        with open(path, "rb") as f:
            data = f.read()
        used = len(data.rstrip(b"\0"))     # a value may end with some of them
        while True:
            kind = self.rng.choice((flip, zero))
            at = self.rng.randrange(used)
            size = self.rng.choice((1, 1, 4, 64, MOST))
            if value:
                at, size = data.index(value) + len(value) // 2, 1
            end = min(at + size, max(used, at + 1))
            if kind is flip or data[at:end].strip(b"\0"):
                break
        self.damage = Damage(path, at, end, kind, self.rng)

    def value_in(self, path):
        """A value that stands in that file as it is, if one does."""
        with open(path, "rb") as f:
            data = f.read()
        values = [v for v in self.model.values() if v in data]
        return self.rng.choice(values) if values else None

    def try_and_undo(self, path, value):
        """
        What a worker keeps in memory may stay wrong when the file is right
        again; so new ones begin each try.
        """
        denied, before = self.denied, len(self.s.log())
        self.do_damage(path, value)
        self.done.append(self.damage)
        self.read_all()
        log = self.s.log()[before:]
        if self.denied > denied:
            self.assertTrue(any(damage.is_told(log) for damage in self.done),
                            f"{self.done}: {log}")
        self.damage.undo()
        self.read_all()
        return self.damage.is_told(log)

    def try_kind(self, files):
        """Some of the files, aimed at a value and not, by turns."""
        aimed = told = 0
        for _ in range(TIMES):
            self.begin()
            self.done = []
            for i, path in enumerate(self.rng.choices(files(self), k=TRIES)):
                self.renew()
                value = self.value_in(path) if i % 2 == 0 else None
                noticed = self.try_and_undo(path, value)
                aimed += value is not None
                told += value is not None and noticed
            self.s.end()
        print(f"# {self.given} right, {self.denied} refused, {aimed} values "
              f"damaged and {told} of these told, seed {self.seed}")
        self.assertGreater(self.denied, 0)
        self.assertGreaterEqual(2 * told, aimed)

    def test_a_damaged_table_gives_what_is_right_or_nothing(self):
        self.try_kind(lambda t: t.files("table-", ".gdbm"))

    def test_a_damaged_keys_file_gives_what_is_right_or_nothing(self):
        self.try_kind(lambda t: t.files("table-", ".keys"))

    def test_a_damaged_journal_gives_what_is_right_or_nothing(self):
        self.try_kind(lambda t: t.files("journal-")[-1:])

    # Damage that stays

    def checkpoints(self):
        """How many there were, and how many failed."""
        return [self.s.log().count(f"event={name} ")
                for name in ("checkpoint", "checkpoint-failed")]

    def checkpoint(self):
        """Enough writes for one, in each table's range; wait for its end."""
        before = self.checkpoints()
        answer = None
        for n in range(40):
            key = f"k/{n * 3:03}"
            value = b"%d " % n + self.rng.randbytes(4000)
            answer = self.connection.request("PUT", "/v1/kv/" + key, value)
            if answer.status in (201, 204):
                self.model[key] = value
            else:
                self.assertEqual(answer.status, 500, answer)
        librapi.wait_until(lambda: self.checkpoints() != before,
                           "a checkpoint, or that it failed")

    def start_again(self):
        """True, or it was refused with a sentence that names the file."""
        before = len(self.s.log())
        try:
            self.s.start()
        except AssertionError:
            log = self.s.log()[before:]
            self.assertIn(os.path.basename(self.damage.path), log)
            self.s.kill()
            return False
        self.connection = self.s.connect()
        self.know_processes()
        return True

    def stays(self, begin, end, stop):
        """Read, checkpoint over it, read, stop or kill, start, read."""
        self.begin()
        path = self.rng.choice(self.files(begin, end))
        self.do_damage(path, self.value_in(path))
        self.read_all()
        self.checkpoint()
        self.read_all()
        self.connection.close()
        stop(self.s)
        if not self.start_again():
            return "refused"
        self.read_all()
        self.connection.close()
        self.s.end()
        return "served"

    def test_damage_does_not_pass_a_checkpoint_and_a_start(self):
        ends = {}
        for begin, end in (("table-", ".gdbm"), ("table-", ".keys"),
                           ("journal-", ""), ("MANIFEST", "")) * TIMES:
            stop = self.rng.choice((librapi.Service.stop,
                                    librapi.Service.kill))
            what = begin + end, stop.__name__, self.stays(begin, end, stop)
            ends[what] = ends.get(what, 0) + 1
        print(f"# {ends}, {self.given} right, {self.denied} refused, "
              f"seed {self.seed}")
        self.assertGreater(self.denied, 0)


if __name__ == "__main__":
    librapi.main()
