#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Answers that lighttpd gives out of memory are those that a worker would give,
to the byte; and what may not be given so goes to a worker.  That they are
never stale is for test_stored_fresh.py.
"""

import os
import re
import signal

import librapi
import stored
import test_tls
from librapi import quote
from stored import exchange, given, keep, request, scrape
from test_access import bearer, write_tokens
from test_keys import NAMES

KEY = {"route": "/v1/kv/{key}", "method": "GET"}
UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
SENT_MAX = 15 << 10     # bytes of a value that is certainly kept
PLACE = 16 << 10        # and of one that certainly is not
VALUES = [
    b"", b"x", bytes(range(256)), b"\r\n\r\n\0HTTP/1.1 500 No\r\n\r\n",
    b"\0" * 1000, os.urandom(SENT_MAX),
]
TYPES = [
    "text/plain; charset=utf-8", 'a/b;c="d:e;f, g\\"h"', "x:y/z: 1",
    "multipart/mixed; boundary=\"--:;'\"", "text/plain\t;\tx=y",
    "a" * 127 + "/" + "b" * 127,
]


class Same(librapi.SharedService):
    settings = {"workers": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s.put("/v1/kv/first", b"x")
        keep(cls.s, "/v1/kv/first")

    def twice(self, target, more=1):
        """A worker's answer and a stored one, which have to be the same."""
        before = given(self.s)
        first = exchange(self.s, request("GET", target))
        self.assertEqual(given(self.s), before, target)
        second = exchange(self.s, request("GET", target))
        self.assertEqual(given(self.s), before + more, target)
        self.assertEqual(second, first)
        self.assertEqual(len(first.own), 2)
        self.assertEqual(len(second.own), 2)
        return second

    def test_a_second_answer_is_counted_as_if_a_worker_had_given_it(self):
        self.s.put("/v1/kv/counted", b"x" * 1000)
        before = scrape(self.s)
        self.twice("/v1/kv/counted")
        after = scrape(self.s)
        for name, labels, more in (
                ("librapi_http_requests_total", {**KEY, "status": "200"}, 2),
                ("librapi_http_request_duration_seconds_count", KEY, 2),
                ("librapi_http_response_body_bytes_total", KEY, 2000)):
            self.assertEqual(after.sum(name, **labels) -
                             before.sum(name, **labels), more, name)

    def test_any_value_of_any_type(self):
        for n, value in enumerate(VALUES):
            self.s.put(f"/v1/kv/value/{n}", value)
            self.assertEqual(self.twice(f"/v1/kv/value/{n}").body, value)
        for n, kind in enumerate(TYPES):
            self.s.put(f"/v1/kv/type/{n}", b"x", content_type=kind)
            self.assertIn(b"Content-Type: " + kind.encode(),
                          self.twice(f"/v1/kv/type/{n}").fields)

    def test_any_key_in_any_spelling(self):
        for n, (target, key) in enumerate(NAMES):
            value = b"%d" % n
            # lighttpd, which looks for the dots, takes these for others.
            leaves = key.startswith(b"..")
            self.s.put("/v1/kv/" + quote(key), value)
            self.assertEqual(
                self.twice("/v1/kv/" + target, 0 if leaves else 1).body,
                value)

    def test_a_longer_target_is_a_workers(self):
        for size, more in ((512, 1), (513, 0)):
            target = "/v1/kv/".ljust(size, "k")
            self.s.put(target, b"x")
            before = given(self.s)
            for _ in range(2):
                self.assertEqual(self.s.get(target).body, b"x")
            self.assertEqual(given(self.s) - before, more, size)

    def test_values_of_every_size_around_what_a_place_holds(self):
        """Of small ones and of large ones."""
        for below, above in ((200, 1024), (SENT_MAX, PLACE)):
            while above - below > 1:
                middle = (below + above) // 2
                if self.is_small(middle) if above == 1024 \
                        else self.is_kept(middle):
                    below = middle
                else:
                    above = middle
            for size in range(below - 9, below + 10):
                self.is_kept(size)

    def is_kept(self, size):
        value = os.urandom(size)
        self.s.put("/v1/kv/size", value)
        before = given(self.s)
        for _ in range(3):
            self.assertEqual(self.s.get("/v1/kv/size").body, value)
        times = given(self.s) - before
        self.assertIn(times, (0, 2), size)
        self.assertTrue(times or size > SENT_MAX, size)
        return times

    def is_small(self, size):
        """By what stored.c has of a place, of its head, and of fields."""
        answer = exchange(self.s, request("GET", "/v1/kv/first"))
        fields = sum(len(line) + 2 for line in answer.fields
                     if not line.startswith((b"Content-L", b"Accept-R")))
        return size + fields + len("/v1/kv/size") <= 1024 - 8 - 32

    def test_a_request_id_is_echoed_or_made(self):
        self.s.put("/v1/kv/id", b"x")
        keep(self.s, "/v1/kv/id")
        before = given(self.s)
        connection = self.s.connect()

        def id_of(sent=None):
            fields = {"X-Request-Id": sent} if sent else {}
            return connection.request("GET", "/v1/kv/id", None,
                                      fields)["X-Request-Id"]
        good = ["a", "0-_.:+/=@Z", "x" * 64]
        self.assertEqual([id_of(sent) for sent in good], good)
        bad = ["a b", "a,b", '"', "\xe9", "x" * 2000, "a;b", "<", "\\"]
        made = [id_of(sent) for sent in bad] + [id_of() for _ in range(50)]
        for one in made:
            self.assertRegex(one, UUID)
        self.assertEqual(len(set(made)), len(made))
        self.assertEqual(given(self.s) - before, len(good) + len(made))
        connection.close()

    def test_pipelined_ones_come_in_order(self):
        for n in range(10):
            self.s.put(f"/v1/kv/line/{n}", b"%d" % n)
            keep(self.s, f"/v1/kv/line/{n}")
        before = given(self.s)
        connection = self.s.connect()
        connection.send(b"".join(
            request("GET", f"/v1/kv/line/{n}") for n in range(10)) +
            request("PUT", "/v1/kv/line/9", "Content-Length: 1", body=b"x") +
            request("GET", "/v1/kv/line/9"))
        self.assertEqual([connection.receive().body for _ in range(12)],
                         [b"%d" % n for n in range(10)] + [b"", b"x"])
        self.assertEqual(given(self.s) - before, 10)
        connection.close()

    def test_with_all_workers_stopped_it_is_given_all_the_same(self):
        self.s.put("/v1/kv/stopped", b"x")
        keep(self.s, "/v1/kv/stopped")
        workers = self.s.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(10):
                self.assertEqual(self.s.get("/v1/kv/stopped").body, b"x")
            connection = self.s.connect()
            connection.socket.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                connection.request("GET", "/v1/kv/stopped?")
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        connection.socket.settimeout(librapi.TIMEOUT)
        self.assertEqual(connection.receive().body, b"x")
        connection.close()

    def test_what_looks_like_it_is_not_it(self):
        self.s.put("/v1/kv/like", b"x")
        self.s.put("/v1/kv/like%00", b"other")
        for target in ("/v1/kv/like", "/v1/kv/like%00"):
            keep(self.s, target)
        for target, status in (
                ("/v1/kv/like?x=1", 400), ("/v1/kv/like?ttl=1", 400),
                ("/v1/kv/lik", 404), ("/v1/kv/like/", 404),
                ("/v1/kv/LIKE", 404), ("/v1/kv/%2e%2e/kv/like", 404),
                ("/v1/kv/../kv/like", 404), ("/v1/kv/./like", 404),
                ("/V1/kv/like", 404), ("/v1//kv/like", 404),
                (b"/v1/kv/like\0", 400), (b"/v1/kv/like\0?", 400),
                (b"/v1/kv/like\0more", 400)):
            for _ in range(3):
                answer = exchange(self.s, request("GET", target))
                self.assertIn(b" %d " % status, answer.status, target)
        for target, value in (("/v1/kv/like", b"x"),
                              ("/v1/kv/like%00", b"other")):
            self.assertEqual(keep(self.s, target).body, value)

    def test_a_dotted_key_is_not_what_the_dots_lead_to(self):
        for target in ("/v1/kv/%2e%2e/metrics", "/v1/kv/../livez",
                       "/v1/kv/../../metrics", "/v1/kv/x/../../watch"):
            self.s.put(target, b"mine")
            for _ in range(3):
                self.assertEqual(self.s.get(target).body, b"mine", target)


class Alike(librapi.TestCase):
    """The same requests to a service that stores, and to one that does not."""

    VALUE = bytes(range(100))
    DATE = "Sun, 01 Jan 2023 00:00:00 GMT"
    LATE = "Fri, 01 Jan 2100 00:00:00 GMT"
    # Given out of memory: {} is the value's Last-Modified.
    PLAIN = [
        [], ["Range: bytes=0-0"], ["Range: bytes=90-"], ["Range: bytes=-7"],
        ["Range: bytes=-700"], ["Range: bytes=5-3"], ["Range: bytes=100-"],
        ["Range: bytes=0-1,5-6"], ["Range: items=0-1"], ["Range: bytes=x"],
        ["Range: bytes=1-2", 'If-Range: "1"'],
        ["Range: bytes=1-2", 'If-Range: "2"'],
        ["Range: bytes=1-2", 'If-Range: W/"1"'],
        ["Range: bytes=1-2", "If-Range: {}"],
        ["Range: bytes=1-2", "If-Range: " + DATE], ['If-Range: "1"'],
        ["Accept: application/json"], ["Accept-Encoding: gzip, br"],
        ["Origin: https://a.example"], ["Authorization: Bearer x"],
        ["Cookie: a=b"], ["Connection: close"], ["Expect: 100-continue"],
        ["Upgrade: h2c", "Connection: upgrade"], ["Content-Type: a/b"],
        ["If-None-Match:"], ["Content-Length: 0"],
    ]
    WORKERS = [
        ['If-None-Match: "1"'], ['If-None-Match: "2"'], ["If-None-Match: *"],
        ['If-None-Match: W/"1"'],
        ['If-Match: "1"'], ['If-Match: "2"'], ["If-Match: *"], ["If-Match: x"],
        ["If-Modified-Since: {}"], ["If-Modified-Since: " + DATE],
        ["If-Modified-Since: x"],
        ["If-Unmodified-Since: " + DATE], ["If-Unmodified-Since: " + LATE],
        ['if-none-match: "1"', 'If-Match: "1"'],
        ["Range: bytes=1-2", 'If-None-Match: "1"'],
        ["Range: bytes=1-2", 'If-Match: "2"'],
    ]

    def setUp(self):
        self.services = [self.service(workers=1),
                         self.service(workers=1, stored_bytes=0)]
        self.modified = []
        for service in self.services:
            service.put("/v1/kv/a", self.VALUE, content_type="a/b")
            self.modified.append(service.get("/v1/kv/a")["Last-Modified"])
        keep(self.services[0], "/v1/kv/a")

    def ask(self, method, fields, more, **options):
        """The answers are the same, and lighttpd has given so many more."""
        before = given(self.services[0])
        answers = []
        for service, modified in zip(self.services, self.modified):
            raw = request(method, "/v1/kv/a", "X-Request-Id: same",
                          *(field.format(modified) for field in fields),
                          **options)
            answer = exchange(service, raw, method == "HEAD")
            answer.fields = [line.replace(modified.encode(), b"then")
                             for line in answer.fields]
            answers.append(answer)
        self.assertEqual(*answers, fields)
        self.assertEqual(given(self.services[0]) - before, more, fields)
        return answers[0]

    def test_with_any_field_as_without_memory(self):
        statuses = set()
        for more, all_fields in ((1, self.PLAIN), (0, self.WORKERS)):
            for fields in all_fields:
                answer = self.ask("GET", fields, more)
                statuses.add(int(answer.status.split()[1]))
                self.ask("HEAD", fields, 0)
        self.assertEqual(statuses, {200, 206, 304, 400, 412, 416})
        for fields in (["Connection: keep-alive"], ["Range: bytes=1-2"], []):
            self.ask("GET", fields, 1, version="1.0")

    def test_with_a_body_as_without_memory(self):
        self.ask("GET", ["Content-Length: 3"], 0, body=b"abc")
        self.ask("GET", ["Transfer-Encoding: chunked"], 0,
                 body=b"3\r\nabc\r\n0\r\n\r\n")


class Never(librapi.TestCase):
    def assert_never(self, service, fields=None):
        answers = [service.request("GET", "/v1/kv/a", None, fields or {})
                   for _ in range(4)]
        self.assertEqual([a.status for a in answers], [200] * 4)
        service.settings.setdefault("metrics_open", "true")
        self.assertEqual(given(service), 0)
        return answers[-1]

    def test_without_memory(self):
        service = self.service(stored_bytes=0)
        service.put("/v1/kv/a", b"x")
        self.assert_never(service)
        self.assertEqual(stored.mapped(service), set())
        self.assertFalse(os.path.exists(service.path("run", "stored.sock")))
        with open(f"/proc/{service.lighttpd.pid}/maps",
                  encoding="ascii") as f:
            self.assertNotIn("mod_magnet", f.read())

    def test_with_tokens(self):
        path = os.path.join(self.folder(), "tokens")
        write_tokens(path, ("all", "admin"))
        service = self.service(token_file=path, metrics_open="true")
        service.request("PUT", "/v1/kv/a", b"x", bearer("all"))
        self.assert_never(service, bearer("all"))
        self.assert_problem(service.get("/v1/kv/a"), 401, "unauthorized")
        self.assertFalse(os.path.exists(service.path("run", "stored.sock")))

    def test_where_an_origin_is_told_of_itself(self):
        origins = ["https://a.example", "https://b.example"]
        service = self.service(cors_origin=",".join(origins))
        service.put("/v1/kv/a", b"x")
        for origin in [*origins, *origins]:
            answer = self.assert_never(service, {"Origin": origin})
            self.assertEqual(answer["Access-Control-Allow-Origin"], origin)
            self.assertEqual(answer["Vary"], "Origin")

    def test_where_all_origins_are_told_the_same_it_is_given(self):
        for setting, told in (("*", "*"), ("", None)):
            service = self.service(cors_origin=setting)
            service.put("/v1/kv/a", b"x")
            keep(service, "/v1/kv/a")
            before = given(service)
            for fields in ({}, {"Origin": "https://a.example"}):
                answer = service.request("GET", "/v1/kv/a", None, fields)
                self.assertEqual(answer["Access-Control-Allow-Origin"], told)
            self.assertEqual(given(service), before + 2)


class Full(librapi.TestCase):
    """Memory for forty small responses."""

    OFTEN, ONCE = range(20), range(20, 400)

    def given_of(self, keys):
        before = given(self.s)
        for n in keys:
            self.assertEqual(self.s.get(f"/v1/kv/{n}").body, b"%d" % n)
        return given(self.s) - before

    def test_what_is_asked_for_once_takes_no_place_of_others(self):
        self.s = self.service(workers=2, stored_bytes=64 << 10)
        for n in range(400):
            self.s.put(f"/v1/kv/{n}", b"%d" % n)
        keep(self.s, "/v1/kv/0")
        self.given_of(self.OFTEN)
        kept = self.given_of(self.OFTEN)
        self.assertGreater(kept, 15)
        self.given_of(self.ONCE)
        # A few hashes may have been asked for, as those of others.
        self.assertGreaterEqual(self.given_of(self.OFTEN), kept - 3)
        # What is asked for again does.
        self.given_of(self.ONCE)
        self.assertLess(self.given_of(self.OFTEN), kept / 2)


class Log(librapi.TestCase):
    def test_the_access_log_has_the_id_of_a_stored_answer(self):
        service = self.service(start=False)
        path = service.path("access")
        service.variables = {"LIGHTTPD_ACCESS_LOG": path}
        service.start()
        service.put("/v1/kv/logged", b"x" * 321)
        made = keep(service, "/v1/kv/logged")["X-Request-Id"]
        before = given(service)
        service.get("/v1/kv/logged", x_request_id="my-own-id")
        self.assertEqual(given(service), before + 1)
        service.stop()
        with open(path, encoding="utf-8") as f:
            log = f.read()
        for one in (made, "my-own-id"):
            self.assertRegex(log, re.compile(
                '^time=.* request="GET /v1/kv/logged HTTP/1.1" status=200 '
                rf"bytes_in=\d+ bytes_out=\d+ duration_us=\d+ "
                f'request_id="{one}"$', re.M))


class Http2(librapi.TestCase):
    setUp = test_tls.Tls.setUp

    def test_by_http_2_as_by_http_1(self):
        self.s.start()

        def get(*arguments):
            done = self.s.curl("/v1/kv/a%2Fb", "-i", *arguments)
            head, _, body = done.stdout.partition("\n\n")
            fields = [line.lower() for line in head.split("\n")[1:]]
            own = tuple(name.decode() for name in stored.OWN)
            return sorted(line for line in fields
                          if not line.startswith(own)), body

        def count():
            return int(re.search(rf"^{stored.GIVEN} (\d+)$",
                                 self.s.curl("/metrics").stdout, re.M)[1])
        self.s.curl("/v1/kv/a/b", "-X", "PUT", "--data-binary", "value")
        first = get("--http1.1")
        librapi.wait_until(lambda: get("--http1.1") and count(), "stored")
        before = count()
        self.assertEqual(get("--http2"), first)
        self.assertEqual(first[1], "value")
        self.assertEqual(count(), before + 1)
        # Many at once, over one connection.
        url = f"https://{librapi.ADDRESS}:{self.s.port}/v1/kv/a%2Fb"
        done = self.s.curl("/v1/kv/a%2Fb", "--http2", "--parallel", *[url] * 9)
        self.assertEqual(done.stdout, "value" * 10)
        self.assertEqual(count(), before + 11)
        # A body whose length no field tells is read before the answer.
        done = self.s.curl("/v1/kv/a%2Fb", "--http2", "-X", "GET", "-T", "-",
                           stdin="x" * 100000)
        self.assertEqual((done.stdout, done.stderr), ("value", ""))


if __name__ == "__main__":
    librapi.main()
