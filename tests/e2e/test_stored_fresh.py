#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Answers that lighttpd gives out of memory are never stale: who has been told
of a change, by whatever request, sees it with the next GET, also over other
connections, and also when the service is killed and another one comes.
"""

import json
import os
import shutil
import signal
import socket
import time

import librapi
from librapi import to_json
from stored import exchange, given, keep, mapped, request, sockets

CONNECTIONS = 3
TIMES = 15          # of each kind of change
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/jsonl"}
# All of them are the key "dir/a b".  lighttpd takes off what stands before the
# path, so that the last two are not stored by themselves, as the others are.
SPELLINGS = ["/v1/kv/dir/a%20b", "/v1/kv/dir%2Fa%20b", "/v1/kv/dir%2fa%20b",
             "/v1/kv/%64ir/a%20b", "/v1/kv/dir/a%20b?",
             "http://localhost/v1/kv/dir/a%20b",
             "http://localhost/v1/kv/%64ir/a%20b"]


class Changes(librapi.TestCase):
    """Whatever changes the key "dir/a"."""

    TARGET = "/v1/kv/dir/a"
    settings = {"workers": 3}

    def setUp(self):
        self.s = self.service(**self.settings)
        self.writer = self.s.connect()
        self.readers = [self.s.connect() for _ in range(CONNECTIONS)]
        for connection in [self.writer, *self.readers]:
            self.addCleanup(connection.close)
        self.put(b"0")
        keep(self.s, self.TARGET)

    def send(self, method, target, body=None, fields=None, status=(200,)):
        answer = self.writer.request(method, target, body, fields or {})
        self.assertIn(answer.status, status, answer)
        return answer

    def put(self, value):
        self.send("PUT", self.TARGET, value, status=(201, 204))

    def import_lines(self, mode, *values):
        """The key has that value, or is not there, below dir/."""
        lines = self.send("GET", "/v1/export?prefix=none/").body.splitlines()
        head = {**json.loads(lines[0]), "prefix": "dir/"}
        folder = self.s.path("import")
        rows = [to_json({"key": "dir/a", "rev": 1, "value": value,
                         "modified": "2026-01-01T00:00:00.000Z",
                         "expires": None, "type": "text/plain"}) + b"\n"
                for value in values]
        body = to_json(head) + b"\n" + b"".join(rows)
        with open(folder, "wb") as f:
            f.write(body)
        end = {"count": len(rows), "rev": 1, "crc32c": crc32c(body)}
        self.send("POST", "/v1/import?mode=" + mode,
                  body + to_json(end) + b"\n", LINES)

    def txn(self, **operation):
        self.send("POST", "/v1/txn", to_json({"do": [
            {"put": "other", "value": "x"}, operation]}), JSON)

    def assert_seen_after(self, change, value=None):
        """For all, at once; value(n) is what is there, or None."""
        stored = given(self.s)
        for n in range(1, TIMES + 1):
            for connection in self.readers:
                connection.request("GET", self.TARGET)
            change(n)
            for connection in [*self.readers, self.writer]:
                answer = connection.request("GET", self.TARGET)
                self.assertEqual(
                    (answer.status, answer.body if value else b""),
                    (200, value(n)) if value else (404, b""), n)
            if not value:
                self.put(b"back")
        # So it was not a worker who gave the right ones.
        self.assertGreaterEqual(given(self.s) - stored, TIMES)

    def test_a_put(self):
        self.assert_seen_after(lambda n: self.put(b"%d" % n),
                               lambda n: b"%d" % n)

    def test_a_delete(self):
        self.assert_seen_after(
            lambda n: self.send("DELETE", self.TARGET, status=(204,)))

    def test_a_patch(self):
        self.put(b"{}")
        self.assert_seen_after(
            lambda n: self.send("PATCH", self.TARGET, to_json({"n": n}),
                                MERGE), lambda n: b'{"n":%d}' % n)

    def test_a_transaction(self):
        self.assert_seen_after(
            lambda n: self.txn(put="dir/a", value=str(n)),
            lambda n: b"%d" % n)
        self.assert_seen_after(lambda n: self.txn(delete="dir/a"))

    def test_an_import(self):
        self.assert_seen_after(
            lambda n: self.import_lines("merge", f"m{n}"),
            lambda n: b"m%d" % n)
        self.assert_seen_after(
            lambda n: self.import_lines("replace", f"r{n}"),
            lambda n: b"r%d" % n)
        self.assert_seen_after(lambda n: self.import_lines("replace"))

    def test_deleting_a_prefix(self):
        self.assert_seen_after(
            lambda n: self.send("DELETE", "/v1/kv?prefix=dir/"))

    def test_the_first_librapis_requests(self):
        target = "/datas/dir%2Fa"
        self.assert_seen_after(
            lambda n: self.send("PUT", target, to_json({"value": str(n)}),
                                JSON), lambda n: b"%d" % n)
        self.assert_seen_after(
            lambda n: self.send("POST", "/datas", to_json(
                {"key": "dir/a", "value": f"p{n}"}), JSON, (200, 201)),
            lambda n: b"p%d" % n)
        self.assert_seen_after(
            lambda n: self.send("DELETE", target, status=(204,)))

    def test_a_time_to_live_and_its_end(self):
        stored = given(self.s)
        self.send("PUT", self.TARGET + "?ttl=1", b"ends", status=(204,))
        begun = asked = time.monotonic()
        last = None
        while asked < begun + 1.2:
            asked = time.monotonic()
            last = self.readers[0].request("GET", self.TARGET)
            if last.status == 200:
                self.assertEqual(last.body, b"ends")
                self.assertTrue(last["Librapi-Expires"])
                self.assertLess(asked, begun + 1.1)
        self.assertEqual(last.status, 404)
        self.assertEqual(given(self.s), stored)
        # One that has an end no more is kept again, and the other way round.
        self.assert_seen_after(
            lambda n: self.send("PUT", self.TARGET + "?ttl=60" * (n % 2),
                                b"%d" % n, status=(201, 204)),
            lambda n: b"%d" % n)

    def test_a_change_through_any_spelling_is_seen_through_all(self):
        reader = self.readers[0]
        for n in range(3 * len(SPELLINGS)):
            value = b"%d" % n
            changed = SPELLINGS[n % len(SPELLINGS)]
            self.send("PUT", changed, value, status=(201, 204))
            for more in (2, len(SPELLINGS)):
                before = given(self.s)
                for spelling in SPELLINGS:
                    self.assertEqual(reader.request("GET", spelling).body,
                                     value, (changed, spelling))
                self.assertEqual(given(self.s) - before, more)

    def test_what_was_refused_changes_nothing(self):
        stored = given(self.s)
        for n in range(TIMES):
            self.send("PUT", self.TARGET, b"no", {"If-Match": '"99999"'},
                      (412,))
            self.send("POST", "/v1/txn", to_json({
                "if": [{"key": "other", "rev": 99999}],
                "do": [{"put": "dir/a", "value": "no"}]}), JSON, (409, 412))
            self.assertEqual(
                self.readers[0].request("GET", self.TARGET).body, b"0")
        self.assertEqual(given(self.s) - stored, TIMES)


class InMemory(Changes):
    settings = {"engine": "memory", "workers": 1}

    def test_a_process_takes_along_what_it_has_said(self):
        worker, = self.s.workers()
        os.kill(worker, signal.SIGKILL)
        librapi.wait_until(lambda: self.s.workers() not in ([], [worker]),
                           "another worker")
        for connection in self.readers:
            self.assertEqual(connection.request("GET", self.TARGET).status,
                             404)
        for n in range(TIMES):
            self.put(b"%d" % n)
            for connection in self.readers:
                self.assertEqual(
                    connection.request("GET", self.TARGET).body, b"%d" % n)


def crc32c(data):
    """As FORMAT.md has it, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


class Restart(librapi.TestCase):
    """lighttpd lives on, whatever becomes of librapi."""

    TARGET = "/v1/kv/a"

    def start(self, **settings):
        self.s = self.service("connect", workers=2, **settings)
        self.s.put(self.TARGET, b"old")
        keep(self.s, self.TARGET)

    def kill(self):
        """All of librapi, at once."""
        lighttpd = self.s.lighttpd.pid
        librapi.kill([pid for pid in librapi.processes_in(self.s.folder)
                      if pid != lighttpd])
        self.s.program.wait(librapi.TIMEOUT)

    def start_again(self):
        """Until then it is 503 or the old, and from then on the new."""
        seen = set()
        self.s.start_program()

        def ready():
            answer = self.s.get(self.TARGET)
            seen.add((answer.status, answer.body
                      if answer.status == 200 else b""))
            return self.s.ready()
        librapi.wait_until(ready, "ready; log: " + self.s.log())
        return seen

    def assert_new(self, value):
        """By a worker, and out of the memory of now."""
        self.assertEqual(self.s.get(self.TARGET).body, value)
        self.assertEqual(keep(self.s, self.TARGET).body, value)
        self.assertEqual(len(mapped(self.s)), 2)
        self.assertEqual(sockets(self.s), 1)

    def test_after_a_kill_new_values_are_given(self):
        self.start()
        value = b"old"
        for n in range(4):
            self.kill()
            self.assertLessEqual(self.start_again(),
                                 {(200, value), (503, b"")})
            self.assert_new(value)
            value = b"%d" % n
            self.s.put(self.TARGET, value)
            self.assert_new(value)

    def other_data(self):
        """Data whose revision is ours, and whose value is another one."""
        other = self.service("connect", workers=2)
        other.put(self.TARGET, b"new")
        other.stop()
        return other.path("data")

    def test_after_a_kill_the_data_may_be_others(self):
        other = self.other_data()
        self.start()
        self.kill()
        os.rename(self.s.path("data"), self.s.path("data.old"))
        shutil.copytree(other, self.s.path("data"))
        self.start_again()
        self.assert_new(b"new")

    def test_after_a_kill_the_data_may_be_gone(self):
        self.start()
        self.kill()
        shutil.rmtree(self.s.path("data"))
        self.start_again()
        self.assertEqual(self.s.get(self.TARGET).status, 404)
        self.s.put(self.TARGET, b"new")
        self.assert_new(b"new")

    def test_the_run_dir_may_be_another_one(self):
        other = self.other_data()
        for leave in (shutil.rmtree,
                      lambda path: os.rename(path, path + ".old")):
            self.start()
            self.kill()
            leave(self.s.path("run"))
            shutil.rmtree(self.s.path("data"))
            shutil.copytree(other, self.s.path("data"))
            self.start_again()
            self.assert_new(b"new")
            self.s.end()

    def test_without_its_name_the_memory_is_not_looked_at(self):
        self.start()
        os.unlink(self.s.path("run", "stored.sock"))
        time.sleep(0.01)
        before = given(self.s)
        for _ in range(5):
            self.assertEqual(self.s.get(self.TARGET).body, b"old")
        self.assertEqual(given(self.s), before)
        self.assertEqual(mapped(self.s), set())

    def test_after_a_graceful_stop_nothing_is_given(self):
        self.start()
        for _ in range(3):
            self.s.program.terminate()
            self.assertEqual(self.s.program.wait(librapi.TIMEOUT), 0)
            for _ in range(5):
                self.assert_problem(self.s.get(self.TARGET), 503)
            self.start_again()
            self.assert_new(b"old")

    def test_lighttpd_may_be_started_again_too(self):
        self.start()
        self.s.lighttpd.send_signal(signal.SIGINT)
        self.s.lighttpd.wait(librapi.TIMEOUT)
        self.s.start_lighttpd()
        self.s.wait_ready()
        before = given(self.s)
        self.assert_new(b"old")
        self.assertGreater(given(self.s), before)

    def test_who_says_nothing_at_the_socket_keeps_nobody_waiting(self):
        """A supervisor that is stopped, or something else altogether."""
        self.start()
        os.unlink(self.s.path("run", "stored.sock"))
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(self.s.path("run", "stored.sock"))
            silent.listen(1)
            begun = time.monotonic()
            for n in range(100):
                self.s.put(self.TARGET, b"%d" % n)
                self.assertEqual(self.s.get(self.TARGET).body, b"%d" % n)
            self.assertLess(time.monotonic() - begun, 10)


class Reload(librapi.TestCase):
    def test_what_was_kept_by_old_settings_is_not_given(self):
        service = self.service("connect", start=False, workers=2)
        path = service.path("librapi.conf")
        service.settings["config_file"] = path

        def write(origin):
            with open(path, "w", encoding="ascii") as f:
                f.write(f"cors-origin = {origin}\n")
        write("*")
        service.start()
        service.put("/v1/kv/a", b"x")
        for n in range(6):
            old = service.workers()
            told = b"Access-Control-Allow-Origin: *"
            keep(service, "/v1/kv/a")
            write("" if n % 2 == 0 else "*")
            service.program.send_signal(signal.SIGHUP)
            librapi.wait_until(
                lambda: service.get("/v1/kv/a") and service.is_complete()
                and not set(old) & set(service.workers()), "new workers")
            before = given(service)
            for _ in range(5):
                answer = exchange(service, request("GET", "/v1/kv/a"))
                self.assertEqual(told in answer.fields, n % 2 == 1, n)
            self.assertGreater(given(service), before)


if __name__ == "__main__":
    librapi.main()
