#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Export and import, while others write, while processes die."""

import json
import os
import random
import signal
import threading
import time

import librapi
from librapi import quote

LARGE = 16 << 20            # bytes of the store that exports stand in
VALUE = b"0123456789abcdef" * 4096


def records(lines):
    """{key: value} of an export, and its last line."""
    parsed = [json.loads(line) for line in lines.splitlines()]
    assert parsed[0]["librapi"] == 1
    found = {r["key"]: r["value"] for r in parsed[1:-1]}
    assert len(found) == parsed[-1]["count"] == len(parsed) - 2
    assert list(found) == sorted(found)
    return found, parsed[-1]


def crc32c(data):
    """Slow and small: for lines that tests make themselves."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = _table()


def lines_of(pairs):
    body = b'{"librapi":1}\n' + b"".join(
        json.dumps({"key": key, "value": value}).encode() + b"\n"
        for key, value in sorted(pairs.items()))
    return body + b'{"count":%d,"crc32c":"%08x"}\n' % (len(pairs),
                                                       crc32c(body))


def private_memory(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f
                   if line.startswith("Private_")) << 10


def snapshots(service):
    return [name for name in os.listdir(service.path("data"))
            if name.startswith("snapshot")]


class Writer(threading.Thread):
    """Puts keys of a small set, and keeps what each revision was."""

    def __init__(self, service, seed, stop):
        super().__init__()
        self.random = random.Random(seed)
        self.connection = service.connect()
        self.stop = stop
        self.log = []

    def run(self):
        while not self.stop.is_set():
            key = f"k{self.random.randrange(300):03}"
            value = str(self.random.random())
            answer = self.connection.request("PUT", f"/v1/kv/{key}",
                                             value.encode())
            assert answer.status in (201, 204), answer
            self.log.append((answer.revision, key, value))
        self.connection.close()


class Export(librapi.TestCase):
    def test_it_is_of_one_revision_while_others_write(self):
        service = self.service(workers=2)
        stop = threading.Event()
        writers = [Writer(service, seed, stop) for seed in range(3)]
        for writer in writers:
            writer.start()
        exports = []
        for _ in range(12):
            so_far = sum(len(writer.log) for writer in writers)
            librapi.wait_until(
                lambda: sum(len(writer.log) for writer in writers)
                > so_far + 3, "more writes")
            answer = service.get("/v1/export")
            self.assertEqual(answer.status, 200)
            exports.append((answer.revision, answer.body))
        stop.set()
        for writer in writers:
            writer.join()
        log = sorted(entry for writer in writers for entry in writer.log)
        for revision, body in exports:
            found, end = records(body)
            self.assertEqual(end["rev"], revision)
            model = {key: value for rev, key, value in log
                     if rev <= revision}
            self.assertEqual(found, model)
        self.assertEqual(len({revision for revision, _ in exports}), 12)

    def test_a_dump_and_an_export_are_the_same(self):
        service = self.service()
        for key in (b"a", b"\xff\x00", "ä/ö".encode()):
            service.put("/v1/kv/" + quote(key), b"\x00\xff" + key)
        service.put("/v1/kv/ttl?ttl=1000", b"x", content_type="text/plain")
        export = service.get("/v1/export").body
        service.stop()
        self.assertEqual(librapi.run(service.folder, "dump").stdout, export)

    def test_what_the_command_line_dumps_is_imported(self):
        first = self.service()
        for n in range(50):
            first.put(f"/v1/kv/{n}", b"%d" % n)
        first.stop()
        dump = librapi.run(first.folder, "dump").stdout
        for engine in ("gdbm", "memory"):
            second = self.service(engine=engine, workers=1)
            second.put("/v1/kv/other", b"x")
            answer = second.request("POST", "/v1/import?mode=replace", dump)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json, {"count": 50, "deleted": 1,
                                           "rev": 2, "atomic": True})
            self.assertEqual(records(second.get("/v1/export").body)[0],
                             records(dump)[0])
            second.stop()


class Import(librapi.SharedService):
    settings = {"workers": 2}

    def test_an_upload_that_is_cut_off_changes_nothing(self):
        before = self.s.get("/v1").json["revision"]
        lines = lines_of({"cut": "x" * 100000})
        for sent in (0, 1, 1000, len(lines) - 1):
            connection = self.s.connect()
            connection.send(b"POST /v1/import HTTP/1.1\r\nHost: x\r\n"
                            b"Content-Length: %d\r\n\r\n" % len(lines))
            connection.send(lines[:sent])
            connection.close()
            problem = self.assert_problem(
                self.s.request("POST", "/v1/import", lines[:sent]),
                400, "invalid-request")
            self.assertIn("nothing was changed", problem["detail"])
        self.assertEqual(self.s.get("/v1").json["revision"], before)

    def test_it_is_many_times_as_fast_as_single_writes(self):
        connection = self.s.connect()
        begun = time.monotonic()
        for n in range(200):
            connection.request("PUT", f"/v1/kv/single/{n}", b"value")
        single = 200 / (time.monotonic() - begun)
        lines = lines_of({f"speed/{n:06}": "value" for n in range(40000)})
        begun = time.monotonic()
        answer = connection.request("POST", "/v1/import", lines)
        many = 40000 / (time.monotonic() - begun)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json["count"], answer.json["atomic"]),
                         (40000, False))
        connection.close()
        print(f"# {single:.0f} single writes a second, {many:.0f} imported")
        self.assertGreater(many, 5 * single)

    def test_an_upload_whose_length_is_not_told_is_imported(self):
        lines = lines_of({f"chunked/{n}": "v" * 1000 for n in range(300)})
        connection = self.s.connect()
        connection.send(b"POST /v1/import HTTP/1.1\r\nHost: x\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(lines), 10000):
            piece = lines[at:at + 10000]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        answer = connection.receive()
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["count"], 300)
        connection.close()

    def test_expiry_is_a_time_and_is_kept(self):
        body = (b'{"librapi":1}\n'
                b'{"key":"old","value":"x","expires":"2020-01-01T00:00:00Z"}\n'
                b'{"key":"new","value":"x","expires":"2100-01-01T00:00:00Z"}\n')
        body += b'{"count":2,"crc32c":"%08x"}\n' % crc32c(body)
        answer = self.s.request("POST", "/v1/import", body)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.s.get("/v1/kv/old").status, 404)
        self.assertIn("2100", self.s.get("/v1/kv/new")
                      ["Librapi-Expires"])


class Long(librapi.TestCase):
    def test_one_that_is_killed_can_be_repeated(self):
        service = self.service(transfers=1)
        pairs = {f"k{n:06}": "v" * 1000 for n in range(40000)}
        lines = lines_of(pairs)
        service.put("/v1/kv/other", b"x")

        def kill_it():
            librapi.wait_until(
                lambda: service.get("/v1").json["revision"] > 20, "begun")
            for pid in service.children("transfer"):
                os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_it)
        killer.start()
        answer = service.request("POST", "/v1/import?mode=replace", lines)
        killer.join()
        self.assertGreaterEqual(answer.status, 500, answer)
        answer = service.request("POST", "/v1/import?mode=replace", lines)
        self.assertEqual(answer.status, 200, answer)
        self.assertFalse(answer.json["atomic"])
        self.assertEqual(records(service.get("/v1/export").body)[0], pairs)
        self.assertEqual([name for name in os.listdir(service.path("data"))
                          if "import" in name or "snapshot" in name], [])

    def test_those_that_stand_keep_no_short_request_waiting(self):
        service = self.service(workers=2, transfers=2)
        connection = service.connect()
        for n in range(LARGE // len(VALUE)):
            connection.request("PUT", f"/v1/kv/large/{n:03}", VALUE)
        standing = []
        for _ in range(4):
            export = librapi.Connection(service.port)
            export.send(b"GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")
            upload = librapi.Connection(service.port)
            upload.send(b"POST /v1/import HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: 1000\r\n\r\n{")
            standing += [export, upload]
        time.sleep(0.5)
        begun = time.monotonic()
        for n in range(20):
            self.assertEqual(
                connection.request("GET", f"/v1/kv/large/{n:03}").body,
                VALUE)
            connection.request("PUT", "/v1/kv/small", b"x")
        self.assertLess(time.monotonic() - begun, 5)
        for pid in service.children("transfer"):
            self.assertLess(private_memory(pid), 8 << 20)
        for connection in standing[2:]:
            connection.close()
        # The first one goes on where it stood, to its end.
        found, _ = records(standing[0].receive().body)
        self.assertNotIn("small", found)
        self.assertEqual(len(found), LARGE // len(VALUE))
        librapi.wait_until(lambda: not snapshots(service),
                           "no snapshot is left behind")

    def test_new_settings_wait_for_those_that_stand(self):
        service = self.service("connect", transfers=1, drain_timeout_ms=500)
        connection = service.connect()
        for n in range(LARGE // len(VALUE)):
            connection.request("PUT", f"/v1/kv/large/{n:03}", VALUE)
        export = librapi.Connection(service.port)
        export.send(b"GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = export.read_head()
        self.assertEqual(answer[0], 200)
        before = service.workers() + service.children("transfer")
        service.program.send_signal(signal.SIGHUP)
        librapi.wait_until(lambda: not set(before) & set(service.workers()),
                           "new workers; log: " + service.log())
        time.sleep(1)
        found, _ = records(export.read_chunks())
        self.assertEqual(len(found), LARGE // len(VALUE))
        librapi.wait_until(
            lambda: service.children("transfer")
            and not set(before) & set(service.children("transfer")),
            "a new transfer; log: " + service.log())
        self.assertEqual(service.get("/v1/export?prefix=none").status, 200)
        self.assertNotIn("child-killed", service.log())

    def test_an_export_whose_process_dies_has_no_end(self):
        service = self.service(transfers=1)
        connection = service.connect()
        for n in range(LARGE // len(VALUE)):
            connection.request("PUT", f"/v1/kv/large/{n:03}", VALUE)
        export = librapi.Connection(service.port)
        export.send(b"GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")
        export.read_head()
        self.assertTrue(snapshots(service))
        for pid in service.children("transfer"):
            os.kill(pid, signal.SIGKILL)
        with self.assertRaises((ConnectionError, ValueError)):
            export.read_chunks()
        librapi.wait_until(lambda: not snapshots(service),
                           "no snapshot is left behind")
        self.assertEqual(service.get("/v1/export?prefix=none").status, 200)


if __name__ == "__main__":
    librapi.main()
