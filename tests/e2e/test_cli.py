#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check, dump and load, and what the program tells about itself."""

import contextlib
import glob
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading

import librapi
from librapi import quote, to_json

PAIRS = [
    (b"plain", b"text", "text/plain"),
    (b"empty", b"", None),
    (b"\xff\x00", bytes(range(256)), "image/png"),
    ("schlüssel/ä".encode(), "wört".encode(), "text/plain; charset=utf-8"),
    (b"long", b"x" * 300000, None),
    (b"k" * 1024, b"1", None),
]


BOLT = os.path.join(librapi.SOURCE, "tests", "bolt", "large.db")


@contextlib.contextmanager
def files_up_to(size):
    """As `ulimit -f`, for those that we start."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Offline(librapi.TestCase):
    def filled(self):
        service = self.service()
        for key, value, type_ in PAIRS:
            headers = {"content_type": type_} if type_ else {}
            answer = service.put("/v1/kv/" + quote(key), value, **headers)
            self.assertEqual(answer.status, 201)
        service.put("/v1/kv/brief?ttl=3600", b"x")
        service.put("/v1/kv/gone", b"x")
        service.delete("/v1/kv/gone")
        return service

    def test_a_dump_loads_into_another_store(self):
        first = self.filled()
        first.stop()
        dump = librapi.run(first.folder, "dump")
        self.assertEqual(dump.returncode, 0, dump)
        second = self.service(start=False)
        load = librapi.run(second.folder, "load", stdin=dump.stdout)
        self.assertEqual(load.returncode, 0, load)
        second.start()
        for key, value, type_ in PAIRS:
            got = second.get("/v1/kv/" + quote(key))
            self.assertEqual(got.body, value, key)
            self.assertEqual(got["Content-Type"],
                             type_ or "application/octet-stream")
        self.assertTrue(second.get("/v1/kv/brief")["Librapi-Expires"])
        self.assertEqual(second.get("/v1/kv/gone").status, 404)
        second.stop()
        again = librapi.run(second.folder, "dump")
        self.assertEqual(len(again.stdout.splitlines()),
                         len(dump.stdout.splitlines()))

    def test_a_killed_service_can_be_dumped(self):
        service = self.filled()
        service.kill()
        dump = librapi.run(service.folder, "dump")
        self.assertEqual(dump.returncode, 0, dump)
        self.assertIn(b'"plain"', dump.stdout)

    def test_a_limit_to_the_size_of_files_is_a_full_disk(self):
        """The journal's files are smaller, as far as that goes."""
        service = self.filled()
        service.stop()
        dump = librapi.run(service.folder, "dump").stdout
        for size, code in ((4 << 20, 0), (300 << 10, 1)):
            with self.subTest(size=size):
                with files_up_to(size):
                    load = librapi.run(self.folder(), "load", stdin=dump)
                self.assertEqual(load.returncode, code, load)
        self.assertIn(b"storage is full", load.stderr)

    def test_a_dump_of_no_store_is_refused_and_makes_none(self):
        folder = self.folder()
        data = os.path.join(folder, "data")
        for _ in range(2):          # without the folder, then in an empty one
            done = librapi.run(folder, "dump")
            self.assertEqual(done.returncode, 1, done)
            self.assertEqual(done.stdout, b"")
            self.assertIn(f"{data} holds no store".encode(), done.stderr)
            os.makedirs(data, exist_ok=True)
            self.assertEqual(os.listdir(data), [])

    def test_a_store_without_its_manifest_is_not_taken_for_none(self):
        service = self.filled()
        service.stop()
        os.unlink(service.path("data", "MANIFEST"))
        before = sorted(os.listdir(service.path("data")))
        done = librapi.run(service.folder, "dump")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(b"restore the data directory", done.stderr)
        self.assertEqual(sorted(os.listdir(service.path("data"))), before)

    def test_an_engine_that_keeps_nothing_is_refused(self):
        for command in ("check", "dump", "load", "import-bolt"):
            with self.subTest(command=command):
                folder = self.folder()
                file = [BOLT] if command == "import-bolt" else []
                done = librapi.run(folder, command, *file, workers=1,
                                   engine="memory")
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(b"engine memory keeps nothing", done.stderr)
                self.assertEqual(done.stdout, b"")
                self.assertEqual(os.listdir(folder), [])

    def test_a_cut_off_dump_does_not_load(self):
        service = self.filled()
        service.stop()
        dump = librapi.run(service.folder, "dump").stdout
        other = self.folder()
        load = librapi.run(other, "load", stdin=dump[:len(dump) // 2])
        self.assertEqual(load.returncode, 1, load)
        self.assertTrue(load.stderr)

    def test_a_value_that_is_too_large_for_a_load_names_the_setting(self):
        """Too large for a value, and too large for a line even."""
        for size in (1001, 100000):
            line = to_json({"key": "a", "value": "x" * size}) + b"\n"
            load = librapi.run(self.folder(), "load", value_max_bytes=1000,
                               stdin=b'{"librapi":1}\n' + line)
            self.assertEqual(load.returncode, 1, load)
            self.assertIn(b"line 2", load.stderr)
            self.assertIn(b"value-max-bytes", load.stderr)

    def test_check_is_content_with_a_sound_store(self):
        service = self.filled()
        service.stop()
        done = librapi.run(service.folder, "check")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_a_check_of_no_store_makes_nothing(self):
        folder = self.folder()
        os.mkdir(os.path.join(folder, "data"))
        done = librapi.run(folder, "check")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(b"holds no store", done.stdout)
        self.assertEqual(os.listdir(os.path.join(folder, "data")), [])

    def test_check_finds_a_changed_byte(self):
        service = self.filled()
        service.stop()
        path = glob.glob(service.path("data", "table-*.gdbm"))[0]
        with open(path, "r+b") as f:
            text = f.read()
            f.seek(text.index(b"x" * 1000) + 500)
            f.write(b"y")
        done = librapi.run(service.folder, "check")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(os.path.basename(path).encode(), done.stdout)

    def test_a_store_in_use_is_refused(self):
        service = self.filled()
        for command in ("dump", "check", "load"):
            done = librapi.run(service.folder, command, lock_timeout_ms=100)
            self.assertEqual(done.returncode, 1, (command, done))
            self.assertIn(str(service.supervisor()).encode(), done.stderr)


class ReadOnly(librapi.TestCase):
    """A store on a file system that can't be written to."""

    def setUp(self):
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        self.inside = ["unshare", "--mount", *root]
        if subprocess.run(self.inside + ["true"], capture_output=True,
                          check=False).returncode:
            self.skipTest("mounting takes root or user namespaces")

    def run_inside(self, folder, *arguments):
        data = os.path.join(folder, "data")
        mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
        return subprocess.run(
            [*self.inside, "sh", "-c", mount + 'exec "$@"', data,
             *librapi.DIES_WITH_US, librapi.PROGRAM, *arguments],
            capture_output=True, env=librapi.environment(folder, {}),
            timeout=librapi.TIMEOUT)

    def test_it_is_checked_with_and_without_its_lock(self):
        folder = self.folder()
        load = librapi.run(folder, "import-bolt", BOLT)
        self.assertEqual(load.returncode, 0, load)
        for _ in range(2):
            done = self.run_inside(folder, "check")
            self.assertEqual(done.returncode, 0, done)
            lock = os.path.join(folder, "data", "LOCK")
            if os.path.exists(lock):
                os.unlink(lock)

    def test_it_is_not_checked_while_it_is_served(self):
        service = self.service()
        done = self.run_inside(service.folder, "check")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(str(service.supervisor()).encode(), done.stderr)

    def test_a_start_says_that_it_is_read_only(self):
        folder = self.folder()
        os.mkdir(os.path.join(folder, "data"))
        done = self.run_inside(folder, "serve",
                               "--listen=unix:" + os.path.join(folder, "s"))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(b"data-dir", done.stderr)
        self.assertIn(b"Read-only file system", done.stderr)
        self.assertNotIn(b"give it to this user", done.stderr)


class Foreign(librapi.TestCase):
    """Root, in the folder of the user that the service runs as."""

    OWNER = 65534

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root is let into folders of others")
        self.home = self.folder()
        os.chmod(self.home, 0o755)
        self.data = os.path.join(self.home, "data")
        os.mkdir(self.data, 0o750)
        os.chown(self.data, self.OWNER, self.OWNER)

    def run_well(self, *arguments, **more):
        """All that is there afterwards belongs to the folder's owner."""
        done = librapi.run(self.home, *arguments, **more)
        self.assertEqual(done.returncode, 0, done)
        strange = []
        for name in os.listdir(self.data):
            status = os.stat(os.path.join(self.data, name))
            if (status.st_uid, status.st_gid) != (self.OWNER, self.OWNER):
                strange.append(name)
        self.assertEqual(strange, [], arguments)
        return done

    def lines(self):
        other = self.folder()
        load = librapi.run(other, "import-bolt", BOLT)
        self.assertEqual(load.returncode, 0, load)
        return librapi.run(other, "dump").stdout

    def test_what_root_does_leaves_the_store_to_its_owner(self):
        lines = self.lines()
        self.run_well("load", stdin=lines)
        for _ in range(2):
            self.run_well("check")
            self.assertEqual(len(self.run_well("dump").stdout), len(lines))

    def test_root_imports_what_only_root_can_read(self):
        own = os.path.join(self.folder(), "bolt.db")
        shutil.copy(BOLT, own)
        os.chmod(own, 0o600)
        done = self.run_well("import-bolt", own)
        self.assertIn(b"201 keys", done.stdout)

    def test_root_does_not_serve_it(self):
        done = librapi.run(self.home, "serve",
                           "--listen=unix:" + os.path.join(self.home, "s"))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(self.data.encode(), done.stderr)
        self.assertIn(b"belongs to user 65534", done.stderr)
        self.assertEqual(os.listdir(self.data), [])

    def test_an_engine_that_keeps_nothing_makes_nothing_there(self):
        service = librapi.Service(self.home, "connect", engine="memory",
                                  workers=1)
        self.addCleanup(service.end)
        service.start()
        self.assertEqual(service.put("/v1/kv/a", b"x").status, 201)
        service.stop()
        self.assertEqual(os.listdir(self.data), [])

    def test_a_file_of_somebody_else_is_told_with_the_remedy(self):
        self.run_well("load", stdin=self.lines())
        remedy = f"chown -R {self.OWNER}:{self.OWNER} {self.data}"
        journal = max(glob.glob(os.path.join(self.data, "journal-*")))
        for name in ("LOCK", "MANIFEST", os.path.basename(journal)):
            with self.subTest(name=name):
                path = os.path.join(self.data, name)
                os.chown(path, 0, 0)
                for command in ("check", "dump"):
                    done = librapi.run(self.home, command)
                    text = done.stderr.decode()
                    self.assertEqual(done.returncode, 1, text)
                    self.assertIn(name, text)
                    self.assertIn(remedy, text)
                os.chown(path, self.OWNER, self.OWNER)
        self.run_well("dump")


class Ping(librapi.TestCase):
    """Whether librapi answers, whatever becomes of lighttpd."""

    def setUp(self):
        self.s = self.service("connect", workers=1)

    def ping(self):
        done = librapi.run(self.s.folder, "ping",
                           listen="unix:" + self.s.path("s"))
        return done.returncode, done.stderr.decode()

    def test_it_answers_when_lighttpd_hangs_or_is_gone(self):
        self.assertEqual(self.ping(), (0, ""))
        os.kill(self.s.lighttpd.pid, signal.SIGSTOP)
        self.assertEqual(self.ping(), (0, ""))
        self.s.lighttpd.kill()
        self.s.lighttpd.wait()
        self.assertEqual(self.ping(), (0, ""))

    def test_a_worker_that_hangs_does_not_answer(self):
        worker, = self.s.workers()
        os.kill(worker, signal.SIGSTOP)
        status, text = self.ping()
        self.assertEqual(status, 1)
        self.assertIn(f"no answer at {self.s.path('s')} within 4 s", text)
        os.kill(worker, signal.SIGCONT)
        self.assertEqual(self.ping(), (0, ""))

    def test_who_is_not_there_does_not_answer(self):
        for end in (self.s.kill, lambda: os.unlink(self.s.path("s"))):
            end()
            status, text = self.ping()
            self.assertEqual(status, 1)
            self.assertIn(self.s.path("s"), text)

    def test_who_speaks_something_else_does_not_answer(self):
        self.s.kill()
        path = self.s.path("s")
        os.unlink(path)
        for said in (b"", b"Status: 200 OK\r\n\r\n", b"x" * 100000,
                     b"\1\6\0\1\0\x20\0\0Status: 503 Busy\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(path)
                other.listen()

                def speak():
                    peer, _ = other.accept()
                    with peer:
                        peer.settimeout(librapi.TIMEOUT)
                        try:
                            peer.sendall(said)
                        except OSError:
                            pass
                thread = threading.Thread(target=speak)
                thread.start()
                status, text = self.ping()
                thread.join()
            os.unlink(path)
            self.assertEqual(status, 1, said[:20])
            self.assertIn(path, text)

    def test_it_takes_no_token(self):
        with open(self.s.path("tokens"), "w", encoding="ascii"):
            pass
        self.s.stop()
        self.s.settings["token_file"] = self.s.path("tokens")
        self.s.start_program()
        librapi.wait_until(self.s.listens, "a socket")
        self.assertEqual(self.ping(), (0, ""))


class Program(librapi.TestCase):
    def test_it_tells_its_version(self):
        done = librapi.run(self.folder(), "--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, rb"^librapi [0-9]+\.[0-9]+")

    def test_help_names_commands_and_settings(self):
        done = librapi.run(self.folder(), "--help")
        self.assertEqual(done.returncode, 0)
        for word in (b"serve", b"check", b"dump", b"load", b"data-dir",
                     b"value-max-bytes"):
            self.assertIn(word, done.stdout)

    def test_it_tells_whether_the_service_runs(self):
        service = self.service("connect")

        def told():
            done = librapi.run(service.folder, "running",
                               listen="unix:" + service.path("s"))
            return done.returncode, done.stdout
        self.assertEqual(told(), (0, b"librapi is running\n"))
        service.kill()
        self.assertTrue(os.path.exists(service.path("s")))
        self.assertEqual(told(), (1, b"librapi is not running\n"))
        os.remove(service.path("s"))
        self.assertEqual(told(), (1, b"librapi is not running\n"))

    def test_the_settings_are_printed_with_where_they_come_from(self):
        folder = self.folder()
        path = os.path.join(folder, "conf")
        with open(path, "w", encoding="ascii") as f:
            f.write("# a comment\nworkers = 3\nround-max = 7\n")
        done = librapi.run(folder, "--print-config", "--log-level=warn",
                           config_file=path, workers=5)
        self.assertEqual(done.returncode, 0, done)
        lines = {line.split(" ")[0]: line
                 for line in done.stdout.decode().splitlines()}
        for name, value, source in (("workers", "5", "environment"),
                                    ("round-max", "7", "file"),
                                    ("log-level", "warn", "flag"),
                                    ("engine", "gdbm", "default")):
            self.assertIn(value, lines[name])
            self.assertIn(source, lines[name])

    def test_check_config_says_what_is_wrong(self):
        self.assertEqual(
            librapi.run(self.folder(), "--check-config").returncode, 0)
        done = librapi.run(self.folder(), "--check-config", workers="x")
        self.assertEqual(done.returncode, 2)
        self.assertTrue(done.stderr)

    def test_an_output_that_can_not_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([librapi.PROGRAM, "--help"], stdout=full,
                                  stderr=subprocess.PIPE,
                                  timeout=librapi.TIMEOUT)
        self.assertEqual(done.returncode, 1)

    def closing(self, redirections, *arguments):
        """A command that is started without some standard descriptors."""
        return ["sh", "-c", f'exec "$@" {redirections}', "sh",
                librapi.PROGRAM, *arguments]

    def test_no_file_of_ours_becomes_a_standard_one(self):
        service = self.service("connect", start=False)
        service.program = service.start_process(
            self.closing("<&- >&- 2>&-", "serve"))
        librapi.wait_until(service.listens, "a socket")
        for fd in range(3):
            link = os.readlink(f"/proc/{service.program.pid}/fd/{fd}")
            self.assertEqual(link, "/dev/null")

    def test_a_dump_to_a_closed_output_is_a_failure(self):
        folder = self.folder()
        load = librapi.run(folder, "import-bolt", BOLT)
        self.assertEqual(load.returncode, 0, load)
        before = librapi.run(folder, "dump").stdout
        for redirections in (">&-", "<&- >&-", "<&- >&- 2>&-"):
            done = subprocess.run(self.closing(redirections, "dump"),
                                  env=librapi.environment(folder, {}),
                                  capture_output=True, check=False,
                                  timeout=librapi.TIMEOUT)
            self.assertEqual(done.returncode, 1, done)
        self.assertEqual(librapi.run(folder, "check").returncode, 0)
        self.assertEqual(librapi.run(folder, "dump").stdout, before)


if __name__ == "__main__":
    librapi.main()
