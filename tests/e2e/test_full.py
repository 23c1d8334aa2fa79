#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A disk without room, seen through HTTP: filled to the last byte, out of
inodes, over quota.  Puts are answered with 507; reads and deletes go on, which
give room back when it was our own data that took it; and once there is room,
nobody needs to restart anything, nothing is lost and no half-made file is
left.

The disks are small tmpfs in a mount namespace of our own, which is gone with
us, and ext4 and Btrfs on loop devices.  Where one can't be had (no root, no
user namespaces), that is skipped.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import time

import librapi

INSIDE = "LIBRAPI_TEST_MOUNTS"      # set where we may mount

SMALL = {
    "value_max_bytes": 16384,
    "journal_segment_bytes": 262144,
    "journal_max_bytes": 1048576,
    "history_bytes": 131072,
    "table_max_bytes": 131072,
    "table_max_keys": 64,
    "checkpoint_idle_ms": 100,
    "workers": 2,
    "lock_timeout_ms": 30000,   # who waits for a checkpoint is to outwait it
}
TIDY_S = 20     # that a checkpoint may take beside other work


def mount(folder, options):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none",
                           folder], capture_output=True, text=True,
                          check=False)
    return done.stderr.strip() if done.returncode else None


def limit(folder, size):
    """Now and then Btrfs refuses once on a busy machine: its reason is told."""
    def limited():
        done = subprocess.run(["btrfs", "qgroup", "limit", size, folder],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"# limit {size}: {done.stderr.strip()}", flush=True)
        return done.returncode == 0

    librapi.wait_until(limited, f"a limit of {size}", 10)


class Full(librapi.TestCase):
    def setUp(self):
        if INSIDE not in os.environ:
            self.skipTest("mounting takes root or user namespaces")
        seed = random.randrange(1 << 32)
        print(f"# seed {seed}")
        self.random = random.Random(seed)
        self.model = {}
        self.asked = None

    def service_on(self, options, **settings):
        """A service on a disk of its own, not started."""
        folder = self.folder()
        data = os.path.join(folder, "data")
        os.mkdir(data)
        trouble = mount(data, options)
        if trouble:
            self.skipTest(f"no tmpfs with {options}: {trouble}")
        self.addCleanup(subprocess.run, ["umount", "-l", data], check=False)
        service = librapi.Service(folder, **settings)
        self.addCleanup(service.end)
        return service

    def start_on(self, options):
        return self.service_on(options, **SMALL).start()

    def ask(self, service, *request):
        """On one connection, as long as it is the same service."""
        if self.asked is not service.lighttpd:
            self.asked = service.lighttpd
            self.connection = service.connect()
            self.addCleanup(self.connection.close)
        return self.connection.request(*request)

    # What a client does; the model has what was acknowledged

    def put(self, service, n, size=None):
        target = f"/v1/kv/{n}"
        value = self.random.randbytes(size or self.random.choice((10, 15000)))
        answer = self.ask(service, "PUT", target, value)
        if answer.status in (201, 204):
            self.model[target] = value
            return True
        self.assert_problem(answer, 507, "storage-full")
        return False

    def delete(self, service, target):
        answer = self.ask(service, "DELETE", target)
        self.assertEqual(answer.status, 204, f"{answer} {service.log()}")
        del self.model[target]

    def put_until_full(self, service, first=0, size=None):
        """New keys, until nothing at all goes any more."""
        refused = 0
        for n in range(first, first + 5000):
            refused = 0 if self.put(service, n, size) else refused + 1
            if refused == 15:
                return
        self.fail("it is never full")

    def put_so_many(self, service, first, count, size=None):
        """New keys; those that are refused while it tidies up don't count."""
        n = first
        until = time.monotonic() + TIDY_S
        while n < first + count:
            if self.put(service, n, size):
                n += 1
                until = time.monotonic() + TIDY_S
            else:
                self.assertLess(time.monotonic(), until,
                                f"{n - first} of {count} were put")
                time.sleep(0.02)

    def verify(self, service):
        for target, value in self.model.items():
            got = self.ask(service, "GET", target)
            self.assertEqual((got.status, got.body), (200, value), target)

    def deletes_go_on(self, service, count):
        for target in list(self.model)[:count]:
            self.delete(service, target)

    def wait_for_room(self, service):
        """Nobody restarts it."""
        before = service.supervisor()
        librapi.wait_until(lambda: self.put(service, "room", 8000),
                           "there is room; log: " + service.log(), TIDY_S)
        self.assertEqual(service.supervisor(), before)

    def nothing_is_left_over(self, service):
        """After a checkpoint only what MANIFEST names, and history."""
        data = service.path("data")

        def strange():
            with open(os.path.join(data, "MANIFEST"), encoding="ascii") as f:
                text = f.read()
            tables = set(re.findall(r"^table ([0-9.]+) ", text, re.M))
            found = []
            for name in os.listdir(data):
                table = re.fullmatch(r"table-0*([0-9.]+)\.(gdbm|keys)", name)
                if table and table[1] in tables or name in (
                        "LOCK", "MANIFEST", "RESERVE", "filler",
                        "lost+found") or name.startswith("journal-"):
                    continue
                found.append(name)
            return found

        self.put(service, "last", 10)
        librapi.wait_until(lambda: not strange(),
                           f"nothing left over: {strange()}", 10)

    def ends_well(self, service):
        self.nothing_is_left_over(service)
        self.verify(service)
        service.stop()
        done = librapi.run(service.folder, "check", **SMALL)
        self.assertEqual(done.returncode, 0, done)
        service.start()
        self.verify(service)

    # What takes the room

    def fill(self, service):
        """To the last byte."""
        with open(service.path("data", "filler"), "wb", 0) as f:
            size = 65536
            while size:
                try:
                    f.write(bytes(size))
                except OSError:
                    size //= 2

    def empty(self, service):
        os.unlink(service.path("data", "filler"))

    def test_a_new_store_needs_no_room_for_a_whole_segment(self):
        """With default settings, by which a segment has 64 MiB."""
        for size in ("50m", "8m"):
            with self.subTest(size=size):
                service = self.service_on("size=" + size)
                service.start()
                for n in range(20):
                    self.assertTrue(self.put(service, n, 15000))
                service.stop()
                dump = librapi.run(service.folder, "dump")
                self.assertEqual(dump.returncode, 0, dump)
                other = self.service_on("size=" + size)
                load = librapi.run(other.folder, "load", stdin=dump.stdout)
                self.assertEqual(load.returncode, 0, load)
                other.start()
                self.verify(other)

    def test_its_own_data_fill_the_disk(self):
        service = self.start_on("size=3m")
        for turn in range(2):
            self.put_until_full(service, 10000 * turn)
            self.verify(service)
            self.deletes_go_on(service, 30)
            mount(service.path("data"), f"remount,size={6 + 3 * turn}m")
            self.wait_for_room(service)
        self.ends_well(service)

    def test_deletes_bring_room_back_on_a_disk_that_its_own_data_fill(self):
        service = self.start_on("size=8m")
        for turn in range(3):
            self.put_until_full(service, 10000 * turn)
            self.verify(service)
            half = self.random.sample(sorted(self.model),
                                      len(self.model) // 2)
            for target in half:
                self.delete(service, target)
            self.wait_for_room(service)
            self.put_so_many(service, 10000 * turn + 5000, len(half) // 2)
        self.ends_well(service)

    def test_filled_to_the_last_byte_at_random_moments(self):
        service = self.start_on("size=5m")
        for turn in range(3):
            for n in range(self.random.randrange(1, 60)):
                self.put(service, f"{turn}/{n}")
            if turn % 2:
                time.sleep(0.2)             # a checkpoint comes in between
            self.fill(service)
            self.put_until_full(service, 10000 * turn)
            self.verify(service)
            self.deletes_go_on(service, 20)
            self.empty(service)
            self.wait_for_room(service)
        self.ends_well(service)

    def test_a_start_without_room_has_what_was_held(self):
        service = self.start_on("size=3m")
        for n in range(50):
            self.put(service, n)
        service.kill()
        self.fill(service)
        done = librapi.run(service.folder, "check", **SMALL)
        self.assertEqual(done.returncode, 0, done)
        done = librapi.run(service.folder, "dump", **SMALL)
        self.assertEqual(done.returncode, 0, done)
        self.assertGreaterEqual(done.stdout.count(b"\n"), len(self.model))
        for _ in range(2):
            service.start()
            self.verify(service)
            self.deletes_go_on(service, 5)
            service.kill()
        service.start()
        self.empty(service)
        self.wait_for_room(service)
        self.ends_well(service)

    def test_without_inodes_it_is_full_too(self):
        service = self.start_on("size=16m,nr_inodes=400")
        names = []
        for turn in range(2):
            for n in range(40):
                self.put(service, f"{turn}/{n}")
            try:
                while True:
                    names.append(service.path("data", f"x{len(names)}"))
                    with open(names[-1], "wb"):
                        pass
            except OSError:
                names.pop()
            self.put_until_full(service, 10000 * turn)
            self.verify(service)
            self.deletes_go_on(service, 10)
            while names:
                os.unlink(names.pop())
            self.wait_for_room(service)
        self.ends_well(service)

    def test_deletes_bring_inodes_back(self):
        """ext4, where their number is fixed; each table takes two."""
        service = self.service(start=False, **SMALL)
        data = self.disk(service.folder, 32, "mkfs.ext4", "-q", "-N", "192")
        service.start()
        for turn in range(2):
            self.put_until_full(service, 10000 * turn, 10)
            left = os.statvfs(data)
            self.assertLess(left.f_ffree, 200)
            self.assertGreater(left.f_bfree * left.f_bsize, 8 << 20)
            self.verify(service)
            half = sorted(self.model)[len(self.model) // 2:]
            for target in half:             # no table is left of these
                self.delete(service, target)
            self.wait_for_room(service)
            self.put_so_many(service, 10000 * turn + 5000, len(half) // 2, 10)
        self.ends_well(service)

    def test_over_quota_it_is_full_too(self):
        service = self.service(start=False, **SMALL)
        data = self.quota_folder(service.folder)
        limit(data, "4m")
        service.start()
        self.put_until_full(service)
        self.assertIn("Disk quota exceeded", service.log())
        self.verify(service)
        limit(data, "none")
        self.wait_for_room(service)
        self.ends_well(service)

    def quota_folder(self, folder):
        """
        The data folder, on a Btrfs that limits it.  It copies what is written
        over, so that without room not even a delete is sure to be taken.
        """
        disk = self.disk(folder, 128, "mkfs.btrfs", "-q", name="disk")
        data = os.path.join(disk, "data")
        self.tool("btrfs", "quota", "enable", disk)
        self.tool("btrfs", "subvolume", "create", data)
        os.symlink(data, os.path.join(folder, "data"))
        return data

    def disk(self, folder, size_mb, *make, name="data"):
        """A file system of its own, which `make` makes, on a loop device."""
        image = os.path.join(folder, "image")
        disk = os.path.join(folder, name)
        os.mkdir(disk)
        with open(image, "wb") as f:
            f.truncate(size_mb << 20)
        self.tool(*make, image)
        self.tool("mount", "-o", "loop", image, disk)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        return disk

    def tool(self, *command):
        if not shutil.which(command[0]):
            self.skipTest(command[0] + " is not installed")
        done = subprocess.run(command, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            self.skipTest(f"{command[0]}: {done.stderr.strip()}")


def go_inside():
    """Begin again where we may mount, if there is such a place."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--mount", *root]
    done = subprocess.run(command + ["true"], capture_output=True, check=False)
    if done.returncode == 0:
        os.environ[INSIDE] = "yes"
        os.execvp(command[0], command + [sys.executable, *sys.argv])


if __name__ == "__main__":
    if INSIDE not in os.environ:
        go_inside()
    librapi.main()
