#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several lighttpds on one port, which lighttpd/front looks after."""

import os
import signal
import subprocess

import librapi
from test_signals import Clients

FRONT = os.path.join(librapi.BUILD, "lighttpd", "front")
REQUEST = b"PUT /v1/kv/slow HTTP/1.1\r\nHost: localhost\r\n" \
    b"Content-Length: 4\r\n\r\n"
# In the place of lighttpd.
DEAF_ONCE = """#!/usr/bin/python3
import signal, sys, time

def hear(*_):
    print("heard", flush=True)
    sys.exit()

def miss(*_):
    print("missed", flush=True)
    signal.signal(signal.SIGINT, hear)

signal.signal(signal.SIGINT, miss)
print("listening", flush=True)
time.sleep(60)
"""


class Front(librapi.TestCase):
    def front(self):
        self.s = self.service("front", workers=2)
        self.first = self.lighttpds(self.s.lighttpd.pid)[0]
        return self.s

    def lighttpds(self, parent=None):
        """All that live, or the children of one."""
        found = []
        for pid in librapi.processes_in(self.s.folder):
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    name = f.read().strip()
                if name == "lighttpd" and parent in (None,
                                                     librapi.parent(pid)):
                    found.append(pid)
            except (OSError, TypeError):
                continue
        return sorted(found)

    def begun(self):
        """A request of which half has come to a lighttpd."""
        connection = self.s.connect()
        connection.request("GET", "/livez")
        connection.send(REQUEST + b"ha")
        return connection

    def first_is_gone(self):
        return self.first not in librapi.processes_in(self.s.folder)

    def test_two_share_the_port(self):
        service = self.front()
        self.assertEqual(len(self.lighttpds(self.first)), 2)
        librapi.in_parallel(16, lambda i: self.assertEqual(
            service.put(f"/v1/kv/{i}", b"x").status, 201))
        for i in range(16):
            self.assertEqual(service.get(f"/v1/kv/{i}").body, b"x")

    def test_it_stops_without_a_failed_request(self):
        service = self.front()
        clients = Clients(service)
        clients.wait(200)
        service.lighttpd.send_signal(signal.SIGINT)
        self.assertEqual(service.lighttpd.wait(librapi.TIMEOUT), 0)
        clients.stop()
        self.assertFalse(clients.refused)
        self.assertFalse(self.lighttpds())
        service.start_lighttpd()
        service.wait_ready()
        clients.verify(self)

    def test_it_stays_until_what_has_begun_is_finished(self):
        service = self.front()
        connection = self.begun()
        service.lighttpd.send_signal(signal.SIGINT)
        librapi.wait_until(self.first_is_gone, "the first has left")
        self.assertIsNone(service.lighttpd.poll())
        connection.send(b"lf")
        self.assertEqual(connection.receive().status, 201)
        connection.close()
        self.assertEqual(service.lighttpd.wait(librapi.TIMEOUT), 0)

    def test_asked_twice_it_stops_at_once(self):
        service = self.front()
        connection = self.begun()
        service.lighttpd.send_signal(signal.SIGINT)
        librapi.wait_until(self.first_is_gone, "the first has left")
        service.lighttpd.send_signal(signal.SIGINT)
        service.lighttpd.wait(5)
        connection.close()
        self.assertFalse(self.lighttpds())

    def test_sigterm_stops_at_once(self):
        service = self.front()
        connection = self.begun()
        service.lighttpd.terminate()
        service.lighttpd.wait(5)
        connection.close()
        self.assertFalse(self.lighttpds())

    def test_one_that_is_killed_is_replaced(self):
        service = self.front()
        old = self.lighttpds(self.first)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        librapi.wait_until(
            lambda: len(set(self.lighttpds(self.first)) - set(old)) == 2,
            "two others")
        self.assertEqual(service.put("/v1/kv/a", b"x").status, 201)

    def test_the_first_killed_takes_the_others_along(self):
        service = self.front()
        os.kill(self.first, signal.SIGKILL)
        self.assertEqual(service.lighttpd.wait(librapi.TIMEOUT),
                         128 + signal.SIGKILL)
        self.assertFalse(self.lighttpds())
        service.start_lighttpd()
        service.wait_ready()

    def test_one_needs_nobody_to_look_after_it(self):
        service = self.service("connect", start=False)
        env = dict(service.environment(), LIGHTTPD_WORKERS="1",
                   LIGHTTPD=librapi.LIGHTTPD)
        front = subprocess.Popen(librapi.DIES_WITH_US + ["sh", FRONT],
                                 env=env, stderr=subprocess.DEVNULL)
        self.s = service
        librapi.wait_until(lambda: self.lighttpds() == [front.pid],
                           "front has become lighttpd")
        librapi.wait_until(lambda: self.answers(503), "503, without librapi")
        self.assertEqual(self.lighttpds(), [front.pid])
        front.send_signal(signal.SIGINT)
        self.assertEqual(front.wait(librapi.TIMEOUT), 0)

    def test_a_first_one_that_missed_the_signal_is_told_again(self):
        """As lighttpd may, before it begins to wait for its workers."""
        service = self.service("connect", start=False)
        deaf = service.path("deaf")
        with open(deaf, "w", encoding="ascii") as f:
            f.write(DEAF_ONCE)
        os.chmod(deaf, 0o755)
        front = subprocess.Popen(
            librapi.DIES_WITH_US + ["sh", FRONT], stdout=subprocess.PIPE,
            env=dict(service.environment(), LIGHTTPD_WORKERS="2",
                     LIGHTTPD=deaf))
        self.assertEqual(front.stdout.readline(), b"listening\n")
        front.send_signal(signal.SIGINT)
        self.assertEqual(front.wait(10), 0)
        self.assertEqual(front.stdout.read(), b"missed\nheard\n")
        front.stdout.close()

    def answers(self, status):
        try:
            return self.s.get("/livez").status == status
        except OSError:
            return False

    def test_a_number_that_is_none_is_told(self):
        service = self.service("connect", start=False)
        for number in ("0", "two", "-1", "100"):
            done = subprocess.run(
                ["sh", FRONT], capture_output=True, timeout=librapi.TIMEOUT,
                env=dict(service.environment(), LIGHTTPD_WORKERS=number))
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"LIGHTTPD_WORKERS is 1 to 99", done.stderr)


if __name__ == "__main__":
    librapi.main()
