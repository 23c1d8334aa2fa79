#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Clients that are slow, idle, go away in the middle, or come in thousands.
Others are served meanwhile, nothing is stored that was not wholly sent, and
afterwards the service has the descriptors and the speed that it had before.

LIBRAPI_TORTURE=1 makes ten times as many.
"""

import collections
import hashlib
import os
import random
import resource
import select
import signal
import time

import abuse
import librapi
from abuse import (MIB, TORTURE, Reader, connect, everything, head, put_request,
                   vanish)


# How long large answers to all the others may keep the workers busy.
AHEAD_S = 6 * TORTURE


class Slow(abuse.Case):
    def test_requests_that_come_byte_by_byte_are_answered(self):
        clients = [connect(self.s) for _ in range(60 * TORTURE)]
        requests = [put_request(f"/v1/kv/slow/{i:06}", b"value %06d" % i)
                    for i in range(len(clients))]
        longest = 0
        for at in range(len(requests[0])):
            for client, request in zip(clients, requests):
                client.send(request[at:at + 1])
            if at % 10 == 0:
                longest = max(longest, self.quickly())
        for i, client in enumerate(clients):
            self.assertEqual(Reader(client).receive().status, 201)
            client.close()
            self.assertEqual(self.s.get(f"/v1/kv/slow/{i:06}").body,
                             b"value %06d" % i)
        self.assertLess(longest, 5)
        print(f"# {len(clients)} slow clients; others waited "
              f"{longest * 1000:.0f} ms at most")

    def test_slow_readers_of_large_values_get_every_byte(self):
        value = random.randbytes(6 * MIB)
        digest = hashlib.sha256(value).digest()
        self.s.put("/v1/kv/large", value)
        clients = [connect(self.s, small_window=True)
                   for _ in range(8 * TORTURE)]
        for client in clients:
            client.sendall(head("GET", "/v1/kv/large"))
        longest = max(self.quickly() for _ in range(50))
        self.assertLess(longest, AHEAD_S)
        # A piece at a time from each, so that nobody is left idle.
        got = {client: bytearray() for client in clients}
        left = set(clients)
        while left:
            for client in list(left):
                got[client] += client.recv(1 << 18)
                at = got[client].find(b"\r\n\r\n") + 4
                if at > 3 and len(got[client]) == at + len(value):
                    self.assertEqual(
                        hashlib.sha256(got[client][at:]).digest(), digest)
                    left.remove(client)
        for client in clients:
            client.close()
        print(f"# {len(clients)} readers of 6 MiB each; others waited "
              f"{longest * 1000:.0f} ms at most")

    def test_many_large_uploads_at_once_stay_out_of_memory(self):
        """lighttpd keeps them in files; a worker has one at a time."""
        count = 24 * TORTURE
        value = random.randbytes(2 * MIB)
        clients = [connect(self.s) for _ in range(count)]
        requests = [memoryview(put_request(f"/v1/kv/up/{i % 24}", value))
                    for i in range(count)]
        step = 256 << 10
        for at in range(0, len(requests[0]), step):
            for client, request in zip(clients, requests):
                client.sendall(request[at:at + step])
        for client in clients:
            self.assertIn(Reader(client).receive().status, (201, 204))
            client.close()
        self.assertEqual(self.s.get("/v1/kv/up/1").body, value)
        print(f"# {count} uploads of 2 MiB at once")


class Idle(abuse.Case):
    patience_s = 1

    def test_half_a_request_is_given_up(self):
        target = "/v1/kv/half"
        whole = put_request(target, b"x" * 1000)
        clients = []
        for at in (1, 20, whole.index(b"\r\n\r\n") + 2,
                   whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            for _ in range(20 * TORTURE):
                client = connect(self.s)
                client.sendall(whole[:at])
                clients.append(client)
        begun = time.monotonic()
        self.assertLess(self.quickly(), 5)
        for client in clients:
            self.assertNotIn(b" 20", everything(client)[:13])
            client.close()
        took = time.monotonic() - begun
        self.assertLess(took, self.patience_s + 4)
        self.assertEqual(self.s.get(target).status, 404)
        print(f"# {len(clients)} half requests, given up within {took:.1f} s")

    def test_a_reader_that_takes_nothing_is_cut_off(self):
        self.s.put("/v1/kv/large", random.randbytes(8 * MIB))
        clients = [connect(self.s, small_window=True)
                   for _ in range(8 * TORTURE)]
        for client in clients:
            client.sendall(head("GET", "/v1/kv/large"))
        # What it has for them is in files, until it has sent or given it up.
        librapi.wait_until(
            lambda: len(select.select(clients, [], [], 0)[0]) == len(clients),
            "each has begun to come", AHEAD_S)
        librapi.wait_until(
            lambda: not os.listdir(self.s.path("uploads")),
            "lighttpd has given the answers up", self.patience_s + AHEAD_S)
        for client in clients:
            self.assertLess(len(everything(client)), 8 * MIB)
            vanish(client)


class Vanishing(abuse.Case):
    def test_clients_that_vanish_in_the_middle_of_an_answer(self):
        self.s.put("/v1/kv/large", random.randbytes(8 * MIB))
        for n in range(40 * TORTURE):
            client = connect(self.s, small_window=True)
            client.sendall(head("GET", "/v1/kv/large"))
            if n % 2:
                client.recv(1000)
            vanish(client)
        self.assertLess(self.quickly(), 5)

    def test_clients_that_vanish_in_the_middle_of_an_upload(self):
        for n in range(60 * TORTURE):
            client = connect(self.s)
            raw = put_request(f"/v1/kv/upload/{n}", b"x" * MIB)
            client.sendall(raw[:random.randrange(len(raw))])
            vanish(client)
        answer = self.s.get("/v1/kv?prefix=upload/&limit=0")
        self.assertEqual(answer.json["count"], 0)

    def test_clients_that_vanish_after_a_request_may_have_stored(self):
        for n in range(100 * TORTURE):
            client = connect(self.s)
            client.sendall(put_request(f"/v1/kv/gone/{n}", b"x" * 100))
            vanish(client)
        page = self.s.get("/v1/kv?prefix=gone/&values=1&limit=1000").json
        for entry in page["keys"]:
            self.assertEqual(entry["value"], "x" * 100)

    def test_watchers_and_exports_that_vanish_leave_nothing(self):
        for n in range(20):
            self.s.put(f"/v1/kv/ex/{n}", random.randbytes(MIB))
        for n in range(20 * TORTURE):
            for raw in (head("GET", "/v1/export"),
                        head("GET", "/v1/watch?wait=300&since=0"),
                        head("GET", "/v1/watch",
                             "Accept: text/event-stream"),
                        head("POST", "/v1/import", "Content-Length: 9999")
                        + b'{"librapi":1,"engine":"gdbm"}\n'):
                client = connect(self.s, small_window=True)
                client.sendall(raw)
                if n % 2:
                    time.sleep(0.01)
                vanish(client)
        known = {"LOCK", "MANIFEST", "RESERVE"}
        librapi.wait_until(
            lambda: not [name for name in os.listdir(self.s.path("data"))
                         if name not in known
                         and not name.startswith(("journal-", "table-"))],
            "the snapshots of the exports are gone", 10)


class Thousands(abuse.Case):
    """10,000 connections, as far as we may have so many ourselves."""

    def setUp(self):
        super().setUp()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.count = min(10000, hard - 500, self.connections_max())

    def connections_max(self):
        """What lighttpd makes of its limits: two descriptors for each."""
        with open(f"/proc/{self.s.lighttpd.pid}/limits",
                  encoding="ascii") as f:
            for line in f:
                if line.startswith("Max open files"):
                    return int(line.split()[3]) // 2 - 100
        raise AssertionError("no limit of open files")

    def send_all(self, requests):
        """Each over a connection of its own, all at one time."""
        clients = [connect(self.s) for _ in requests]
        for client, request in zip(clients, requests):
            client.sendall(request)
        return clients

    def receive_all(self, clients):
        """The status that each was answered; 0 where there was no answer."""
        found = {}
        poll = select.poll()
        for client in clients:
            poll.register(client, select.POLLIN)
        left = {client.fileno(): client for client in clients}
        deadline = time.monotonic() + librapi.TIMEOUT
        while left and time.monotonic() < deadline:
            for fd, _ in poll.poll(1000):
                client = left.pop(fd)
                poll.unregister(fd)
                answer = client.recv(1 << 16)
                found[client] = int(answer.split()[1]) if answer else 0
                client.close()
        self.assertFalse(left, f"{len(left)} without an answer")
        return [found[client] for client in clients]

    def insist(self, requests, status):
        """
        Each again until it is answered so; yields those that were not.  When
        more wait than the queue of the workers takes (net.core.somaxconn),
        lighttpd tries some again, though without their bodies, and refuses
        others.
        """
        left = requests
        while left:
            found = self.receive_all(self.send_all(left))
            self.assertLessEqual(set(found), {status, 500, 503, 0})
            left = [request for request, had in zip(left, found)
                    if had != status]
            yield left

    def put_all(self, prefix):
        """What is refused is not done.  How many were."""
        refused = 0
        for left in self.insist([put_request(f"/v1/kv/{prefix}{n}", b"x")
                                 for n in range(self.count)], 201):
            page = self.s.get(f"/v1/kv?prefix={prefix}&limit=0").json
            self.assertEqual(page["count"], self.count - len(left))
            refused += len(left)
        return refused

    def test_ten_thousand_connections_are_all_served(self):
        begun = time.monotonic()
        refused = sum(map(len, self.insist(
            [head("GET", "/livez")] * self.count, 200)))
        read_s = time.monotonic() - begun
        begun = time.monotonic()
        refused += self.put_all("ten/")
        write_s = time.monotonic() - begun
        self.assertLess(self.quickly(), 5)
        print(f"# {self.count} connections: a GET each in {read_s:.1f} s, "
              f"then a PUT each in {write_s:.1f} s, {refused} of them again")

    def test_more_requests_than_may_wait_are_told_to_come_again(self):
        workers = self.s.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        clients = self.send_all([head("GET", "/livez")] * self.count)
        time.sleep(1)
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        found = collections.Counter(self.receive_all(clients))
        self.assertLessEqual(set(found), {200, 500, 503, 0})
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as f:
            self.assertGreaterEqual(found[200], min(self.count, int(f.read())))
        self.put_all("more/")
        print(f"# {self.count} requests at workers that are stopped: "
              + ", ".join(f"{n} answered {status}"
                          for status, n in sorted(found.items())))


if __name__ == "__main__":
    librapi.main()
