#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Export and import, while others write, while processes die."""

import json
import os
import random
import re
import resource
import signal
import subprocess
import threading
import time

import librapi
from librapi import quote

LARGE = 16 << 20            # bytes of the store that exports stand in
VALUE = b"0123456789abcdef" * 4096
BEYOND = 48 << 20           # bytes of a store, and of the memory for it
MEMORY = 32 << 20
MISTAKEN = 32 << 20         # bytes behind a mistake


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
    """
    Puts keys of a small set and deletes some, now and then several at once,
    and keeps what each revision changed.
    """

    def __init__(self, service, seed, stop):
        super().__init__()
        self.random = random.Random(seed)
        self.connection = service.connect()
        self.stop = stop
        self.log = []

    def key(self):
        return f"k{self.random.randrange(300):03}"

    def put(self):
        key, value = self.key(), str(self.random.random())
        answer = self.connection.request("PUT", f"/v1/kv/{key}",
                                         value.encode())
        assert answer.status in (201, 204), answer
        self.log.append((answer.revision, {key: value}))

    def transact(self):
        change = {self.key(): self.random.choice((None, "in a batch"))
                  for _ in range(5)}
        do = [{"put": key, "value": value} if value else {"delete": key}
              for key, value in change.items()]
        answer = self.connection.request("POST", "/v1/txn",
                                         librapi.to_json({"do": do}))
        assert answer.status == 200, answer
        if any(result for result in answer.json["results"]):
            self.log.append((answer.json["rev"], change))

    def run(self):
        while not self.stop.is_set():
            self.random.choice((self.put, self.put, self.transact))()
        self.connection.close()


def model_at(log, revision):
    """What the store holds at a revision, by what each one changed."""
    model = {}
    for rev, change in log:
        if rev <= revision:
            model.update(change)
    return {key: value for key, value in model.items() if value is not None}


def named(disposition):
    """The revision in the name that an export is to be saved under."""
    return int(re.fullmatch(r'attachment; filename="librapi-(\d+)\.jsonl"',
                            disposition).group(1))


class Export(librapi.TestCase):
    def test_it_is_of_one_revision_while_others_write(self):
        service = self.service(
            workers=2, value_max_bytes=131072, journal_segment_bytes=262144,
            journal_max_bytes=1048576, checkpoint_idle_ms=20)
        connection = service.connect()
        fill = {f"z{n:03}": VALUE.decode() for n in range(64)}
        for key in fill:
            connection.request("PUT", "/v1/kv/" + key, VALUE)
        begun = service.get("/v1").json["revision"]
        stop = threading.Event()
        writers = [Writer(service, seed, stop) for seed in range(3)]
        for writer in writers:
            writer.start()
        written = lambda: sum(len(writer.log) for writer in writers)
        exports, standing = [], None
        for n in range(12):
            so_far = written()
            librapi.wait_until(lambda: written() > so_far + 3, "more writes")
            if n == 4:
                # Read to its end when all others have come and gone.
                standing = service.connect()
                standing.send(b"GET /v1/export HTTP/1.1\r\n"
                              b"Host: x\r\n\r\n")
                _, fields = standing.read_head()
                continue
            answer = service.get("/v1/export?prefix=k")
            self.assertEqual(answer.status, 200)
            exports.append((named(answer["Content-Disposition"]),
                            answer.body, {}))
        exports.append((named(fields["content-disposition"]),
                        standing.read_chunks(), fill))
        stop.set()
        for writer in writers:
            writer.join()
        log = sorted((entry for writer in writers for entry in writer.log),
                     key=lambda entry: entry[0])
        self.assertEqual([rev for rev, _ in log],
                         list(range(begun + 1, begun + 1 + len(log))))
        for revision, body, more in exports:
            found, end = records(body)
            self.assertEqual(end["rev"], revision)
            self.assertEqual(found, {**model_at(log, revision), **more})
        self.assertEqual(len({revision for revision, _, _ in exports}), 12)

    def test_a_dump_and_an_export_are_the_same(self):
        service = self.service()
        for key in (b"a", b"\xff\x00", "ä/ö".encode()):
            service.put("/v1/kv/" + quote(key), b"\x00\xff" + key)
        service.put("/v1/kv/ttl?ttl=1000", b"x", content_type="text/plain")
        export = service.get("/v1/export").body
        service.stop()
        self.assertEqual(librapi.run(service.folder, "dump").stdout, export)

    def fill(self, service):
        for key in (b"a", b"\xff\x00", "ä/ö".encode(), b"k" * 1024):
            service.put("/v1/kv/" + quote(key), b"\x00\xff" + key)
        service.put("/v1/kv/text?ttl=1000", "ü\n".encode(),
                    content_type="text/plain")
        service.put("/v1/kv/empty", b"", content_type="x/y")

    def contents(self, lines):
        """All but what is the store's own: revisions, times, its engine."""
        return [{name: value for name, value in json.loads(line).items()
                 if name not in ("rev", "modified")}
                for line in lines.splitlines()[1:-1]]

    def test_what_leaves_one_engine_enters_another(self):
        lines = {}
        for engine in ("gdbm", "memory"):
            service = self.service(engine=engine, workers=1)
            self.fill(service)
            lines[engine] = service.get("/v1/export").body
            service.stop()
            if engine == "gdbm":
                lines["dump"] = librapi.run(service.folder, "dump").stdout
        for source, text in lines.items():
            wanted = self.contents(text)
            self.assertEqual(len(wanted), 6)
            for engine in ("gdbm", "memory"):
                with self.subTest(source=source, target=engine):
                    service = self.service(engine=engine, workers=1)
                    service.put("/v1/kv/other", b"x")
                    answer = service.request(
                        "POST", "/v1/import?mode=replace", text)
                    self.assertEqual(answer.status, 200, answer)
                    self.assertEqual(answer.json, {
                        "count": 6, "deleted": 1, "rev": 2, "atomic": True})
                    self.assertEqual(
                        self.contents(service.get("/v1/export").body), wanted)
                    service.stop()
            with self.subTest(source=source, target="load"):
                folder = self.folder()
                done = librapi.run(folder, "load", stdin=text)
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(
                    self.contents(librapi.run(folder, "dump").stdout), wanted)


class Memory(librapi.TestCase):
    """A store is larger than the memory that those who carry it may have;
    the sanitizers can't live with a limit."""

    def setUp(self):
        self.limit = resource.RLIM_INFINITY if librapi.is_sanitized() \
            else MEMORY

    def test_a_store_larger_than_memory_goes_out_and_in(self):
        service = self.service(transfers=1)
        connection = service.connect()
        for n in range(BEYOND // len(VALUE)):
            connection.request("PUT", f"/v1/kv/{n:04}", VALUE)
        transfer, = service.children("transfer")
        resource.prlimit(transfer, resource.RLIMIT_DATA,
                         (self.limit, self.limit))
        export = service.get("/v1/export")
        self.assertGreater(len(export.body), BEYOND)
        service.delete("/v1/kv?prefix=0")
        answer = service.request("POST", "/v1/import?mode=replace",
                                 export.body)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(service.children("transfer"), [transfer])
        again = service.get("/v1/export")
        service.stop()
        wanted = records(export.body)[0]
        self.assertEqual(records(again.body)[0], wanted)
        folder = self.folder()
        self.run_within(folder, "load", export.body)
        dump = self.run_within(folder, "dump", b"")
        self.assertEqual(records(dump)[0], wanted)

    def run_within(self, folder, command, stdin):
        limit = ["prlimit", f"--data={self.limit}"] \
            if self.limit != resource.RLIM_INFINITY else []
        done = subprocess.run(
            librapi.DIES_WITH_US + limit + [librapi.PROGRAM, command],
            input=stdin, capture_output=True, timeout=librapi.TIMEOUT,
            env=librapi.environment(folder, {}))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class OneProcess(librapi.TestCase):
    def test_who_takes_an_export_slowly_keeps_nobody_waiting(self):
        service = self.service(engine="memory", workers=1)
        connection = service.connect()
        for n in range(LARGE // len(VALUE)):
            connection.request("PUT", f"/v1/kv/large/{n:03}", VALUE)
        connection.close()
        export = librapi.Connection(service.port)
        export.send(b"GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")
        export.read_head()
        answer = service.get("/v1/kv/large/000")
        self.assertEqual(answer.status, 200, answer)
        lines = export.read_chunks().splitlines()
        self.assertEqual(len(lines), LARGE // len(VALUE) + 2)


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

    def test_a_mistake_before_much_more_is_told(self):
        before = self.s.get("/v1").json["revision"]
        lines = b'{"librapi":1}\nno line\n' + bytes(MISTAKEN)
        problem = self.assert_problem(
            self.s.request("POST", "/v1/import", lines),
            400, "invalid-request")
        self.assertIn("line 2: not JSON", problem["detail"])
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

    def test_nothing_else_may_be_of_any_size(self):
        """What lighttpd takes in it keeps, before librapi can refuse it."""
        for method, target in (
                ("PUT", "/v1/import"), ("PATCH", "/v1/import"),
                ("PUT", "/v1/kv/../import"), ("PUT", "/v1/kv/..%2Fimport"),
                ("POST", "/v1/importanything"), ("PUT", "/v1/importanything"),
                ("POST", "/v1/import/"), ("POST", "/v1/import/x"),
                ("POST", "/v1/kv/import"), ("POST", "/v1/export")):
            connection = self.s.connect()
            connection.socket.settimeout(10)
            connection.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n"
                            "Content-Length: 99999999999\r\n\r\n".encode())
            with self.subTest(method=method, target=target):
                self.assert_problem(connection.receive(), 413,
                                    "request-too-large")
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
            librapi.kill(service.children("transfer"))

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
            if not standing:
                self.assertEqual(export.read_head()[0], 200)
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
        found, _ = records(standing[0].read_chunks())
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
        self.assertNotIn('event=child-killed detail="transfer', service.log())

    def test_an_export_whose_process_dies_has_no_end(self):
        service = self.service(transfers=1)
        connection = service.connect()
        for n in range(LARGE // len(VALUE)):
            connection.request("PUT", f"/v1/kv/large/{n:03}", VALUE)
        export = librapi.Connection(service.port)
        export.send(b"GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")
        export.read_head()
        self.assertTrue(snapshots(service))
        librapi.kill(service.children("transfer"))
        with self.assertRaises((ConnectionError, ValueError)):
            export.read_chunks()
        librapi.wait_until(lambda: not snapshots(service),
                           "no snapshot is left behind")
        self.assertEqual(service.get("/v1/export?prefix=none").status, 200)


if __name__ == "__main__":
    librapi.main()
