#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A wall clock that jumps, for librapi and lighttpd alike (clock_shift.c).  What
is to expire goes by the wall clock: forward ends it early, back late.  All
that waits goes by another clock, and no value is lost or changed.
"""

import random
import struct
import time
from email.utils import parsedate_to_datetime

import librapi

HOUR, YEAR = 3600, 365 * 86400


class Service(librapi.Service):
    def environment(self):
        env = librapi.preloading(super().environment(), "clock_shift.so")
        return dict(env, CLOCK_SHIFT_FILE=self.path("shift"))

    def jump(self, seconds):
        with open(self.path("shift"), "r+b") as f:
            f.write(struct.pack("=q", seconds))


class Clock(librapi.TestCase):
    def setUp(self):
        self.s = Service(self.folder(), workers=2, expiry_interval_ms=50,
                         watch_heartbeat_ms=300)
        with open(self.s.path("shift"), "wb") as f:
            f.write(bytes(8))
        self.addCleanup(self.s.end)
        self.s.start()

    def quickly(self, method, target, body=None, most_s=5):
        """An answer, which no jump may hold up."""
        begun = time.monotonic()
        connection = librapi.Connection(self.s.port, timeout=20)
        answer = connection.request(method, target, body)
        connection.close()
        self.assertLess(time.monotonic() - begun, most_s)
        return answer

    def status(self, key):
        return self.quickly("GET", "/v1/kv/" + key).status

    def test_forward_ends_what_was_to_last_and_nothing_else(self):
        self.quickly("PUT", "/v1/kv/hour?ttl=3600", b"x")
        since = self.quickly("PUT", "/v1/kv/ever", b"y").revision
        self.s.jump(2 * HOUR)
        self.assertEqual(self.status("hour"), 404)
        self.assertEqual(self.status("ever"), 200)
        news = self.quickly("GET", f"/v1/watch?since={since}&wait=10").json
        self.assertEqual([(e["event"], e["key"]) for e in news["events"]],
                         [("expire", "hour")])
        self.quickly("PUT", "/v1/kv/new?ttl=60", b"z")
        got = self.quickly("GET", "/v1/kv/new")
        written = parsedate_to_datetime(got["Last-Modified"]).timestamp()
        self.assertAlmostEqual(written, time.time() + 2 * HOUR, delta=30)
        # What has expired stays so when the clock goes back.
        self.s.jump(0)
        self.assertEqual(self.status("hour"), 404)
        self.assertEqual(self.status("new"), 200)

    def test_back_ends_what_was_to_expire_late_and_holds_nothing_up(self):
        made = self.quickly("PUT", "/v1/kv/short?ttl=2", b"x")
        self.s.jump(-YEAR)
        self.assertGreater(self.quickly("PUT", "/v1/kv/a", b"1").revision,
                           made.revision)
        self.quickly("PUT", "/v1/kv/brief?ttl=1", b"x")
        begun = time.monotonic()
        self.quickly("GET", f"/v1/watch?prefix=none&since={made.revision}"
                     "&wait=2", most_s=8)
        self.assertGreater(time.monotonic() - begun, 1.5)
        self.assertEqual(self.status("short"), 200)
        self.assertEqual(self.status("brief"), 404)

    def test_a_stream_of_events_keeps_its_heartbeat(self):
        connection = self.s.connect()
        connection.send(b"GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n"
                        b"Accept: text/event-stream\r\n\r\n")
        connection.read_head()
        for shift in (HOUR, -YEAR, 10 * YEAR, 0):
            self.s.jump(shift)
            begun = time.monotonic()
            heard = 0
            while heard < 2:
                connection.pending = b""
                connection.fill()
                heard += 1
            self.assertLess(time.monotonic() - begun, 5)
        connection.close()

    def test_processes_and_the_service_start_again_at_any_time(self):
        self.quickly("PUT", "/v1/kv/a", b"1")
        for shift in (-YEAR, YEAR):
            self.s.jump(shift)
            librapi.kill(self.s.workers())
            begun = time.monotonic()
            self.s.wait_ready()
            self.assertLess(time.monotonic() - begun, 10)
            self.s.kill()
            self.s.start()
            self.assertEqual(self.status("a"), 200)
        self.s.stop()
        self.s.start()
        self.assertEqual(self.status("a"), 200)

    def test_a_clock_that_never_rests_disturbs_no_request(self):
        ids = set()
        supervisor = self.s.supervisor()
        kept = self.s.connect()
        deadline = time.monotonic() + 2
        n = 0
        while time.monotonic() < deadline:
            n += 1
            self.s.jump(random.randint(-YEAR, YEAR))
            put = self.quickly("PUT", f"/v1/kv/n/{n}", b"%d" % n)
            self.assertEqual(put.status, 201)
            ids.add(put["X-Request-Id"])
            got = kept.request("GET", f"/v1/kv/n/{n}")
            self.assertEqual((got.status, got.body), (200, b"%d" % n))
        kept.close()
        self.assertEqual(len(ids), n)
        self.s.jump(0)
        count = self.quickly("GET", "/v1/kv?prefix=n/&limit=0").json["count"]
        self.assertEqual(count, n)
        # lighttpd would start everything anew when it sees the clock jump.
        self.assertNotIn("restart", self.s.log())
        self.assertEqual(self.s.supervisor(), supervisor)
        print(f"# {n} jumps of up to a year")


if __name__ == "__main__":
    librapi.main()
