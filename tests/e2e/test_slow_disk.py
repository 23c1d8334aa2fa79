#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A disk that is so slow, or whose user is stopped for so long, that others wait
for it: they are told so in time (503 busy), and what comes to a service that
is about to stop is answered, too (503 draining of /readyz).
"""

import os
import signal
import threading
import time

import disk
import librapi

LOCK_MS = 200
SLOW_MS = 1500
SLACK_S = 1.5       # a machine may be busy


class InBackground:
    """A request whose answer is waited for later."""

    def __init__(self, service, *request):
        self.answer = None
        self.thread = threading.Thread(target=self.run, daemon=True,
                                       args=(service, request))
        self.thread.start()

    def run(self, service, request):
        self.answer = service.request(*request)

    def get(self):
        self.thread.join(librapi.TIMEOUT)
        assert self.answer, "no answer"
        return self.answer


class SlowDisk(librapi.TestCase):
    def start(self, mode="spawn", **settings):
        # Without stored responses: the reads are to be the workers'.
        self.s = disk.Service(self.folder(), mode, stored_bytes=0,
                              lock_timeout_ms=LOCK_MS, **settings)
        self.addCleanup(self.s.end)
        self.s.start()
        self.assertEqual(self.s.put("/v1/kv/a", b"1").status, 201)

    def put_slowly(self, call):
        """(the worker, its request), which has the lock of that call."""
        self.s.slow(call, SLOW_MS)
        put = InBackground(self.s, "PUT", "/v1/kv/a", b"2")
        pid = self.s.waiting(call)
        self.s.slow(call, 0)
        return pid, put

    def assert_busy(self, target):
        begun = time.monotonic()
        answer = self.s.put(target, b"x")
        self.assert_problem(answer, 503, "busy")
        self.assertLess(time.monotonic() - begun, LOCK_MS / 1000 + SLACK_S)

    def test_who_waits_for_a_slow_disk_is_told_busy(self):
        self.start(workers=2)
        _, put = self.put_slowly("sync")
        self.assert_busy("/v1/kv/b")
        self.assertEqual(self.s.get("/v1/kv/a").body, b"1")
        self.assertEqual(put.get().status, 204)
        self.assertEqual(self.s.get("/v1/kv/a").body, b"2")
        self.assertIn(self.s.put("/v1/kv/b", b"x").status, (201, 204))

    def test_who_waits_for_a_stopped_holder_of_a_lock_is_told_busy(self):
        for call in ("pwrite", "sync"):
            with self.subTest(call=call):
                self.start(workers=2)
                pid, put = self.put_slowly(call)
                os.kill(pid, signal.SIGSTOP)
                try:
                    for _ in range(3):
                        self.assert_busy("/v1/kv/b")
                    self.assertEqual(self.s.get("/v1/kv/a").body, b"1")
                finally:
                    os.kill(pid, signal.SIGCONT)
                self.assertEqual(put.get().status, 204)
                self.assertIn(self.s.put("/v1/kv/b", b"x").status, (201, 204))
                self.s.end()

    def test_what_comes_before_the_last_worker_stops_is_answered(self):
        self.start("connect", workers=1)
        _, put = self.put_slowly("sync")
        ready = InBackground(self.s, "GET", "/readyz")
        late = InBackground(self.s, "PUT", "/v1/kv/b", b"x")
        time.sleep(0.3)         # lighttpd has connected by then
        self.s.program.terminate()
        self.assertEqual(put.get().status, 204)
        self.assert_problem(ready.get(), 503, "draining")
        self.assertEqual(late.get().status, 201)
        self.s.stop()


if __name__ == "__main__":
    librapi.main()
