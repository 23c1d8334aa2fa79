#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Processes that are stopped (SIGSTOP) and go on later, as on a machine that
swaps or a disk that hangs.  The others serve; what only a stopped one could
answer is answered 504 in time; and afterwards everything is right.
"""

import collections
import os
import signal
import threading
import time

import librapi
import stored
import syscalls
import vitals

# Four times both is when lighttpd gives a request up: common.conf.
SETTINGS = {"request_timeout_ms": 250, "lock_timeout_ms": 250}
GIVEN_UP_S = 2
SLACK_S = 6             # lighttpd looks once a second; a machine may be busy


def signal_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def stop(pids):
    signal_all(pids, signal.SIGSTOP)


def go_on(pids):
    signal_all(pids, signal.SIGCONT)


class Clients:
    """Each writes keys of its own, a request a connection, until stopped."""

    def __init__(self, service, count):
        self.service = service
        self.stopping = threading.Event()
        self.statuses = collections.Counter()
        self.longest = 0
        self.written = {}
        self.lock = threading.Lock()
        self.threads = []
        self.begin(count)

    def begin(self, count):
        """So many more of them."""
        for i in range(len(self.threads), len(self.threads) + count):
            self.threads.append(threading.Thread(target=self.run, args=(i,),
                                                 daemon=True))
            self.threads[-1].start()

    def run(self, i):
        n = 0
        while not self.stopping.is_set():
            n += 1
            target = f"/v1/kv/c/{i}/{n}"
            self.written[target] = self.ask("PUT", target, b"x")
            self.ask("GET", "/livez")

    def ask(self, *request):
        begun = time.monotonic()
        status = self.service.request(*request).status
        took = time.monotonic() - begun
        with self.lock:
            self.statuses[status] += 1
            self.longest = max(self.longest, took)
        return status

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(librapi.TIMEOUT)
            assert not thread.is_alive(), "a client hangs"
        return self


class Stopped(librapi.TestCase):
    def setUp(self):
        self.s = self.service(workers=3, **SETTINGS)
        self.s.put("/v1/kv/a", b"1")
        stored.keep(self.s, "/v1/kv/a")     # lighttpd has what that takes
        self.before = vitals.settled_descriptors(self.s)
        self.addCleanup(go_on, self.s.workers())

    def verify(self, clients):
        """
        What was answered 201 is there.  After a 504 it may be or not.  503 is
        for those whose lock a stopped worker has, 500 for the request that a
        worker waited for when it was stopped: with a timeout that wait ends
        with EINTR (signal(7)), and libfcgi gives the connection up.
        """
        self.assertLessEqual(set(clients.statuses), {200, 201, 500, 503, 504},
                             clients.statuses)
        self.assertLessEqual(clients.statuses[500], 3)
        connection = self.s.connect()
        for target, status in clients.written.items():
            if status == 201:
                self.assertEqual(connection.request("GET", target).status,
                                 200, target)
        connection.close()
        librapi.wait_until(
            lambda: vitals.other_descriptors(self.s) == self.before,
            f"descriptors as before, {self.before}", 10)

    def stopped_under_load(self, count, wait_s=1):
        workers = self.s.workers()[:count]
        clients = Clients(self.s, 8)
        time.sleep(0.3)
        stop(workers)
        # One of them may have the requests of all that were there before.
        clients.begin(8)
        time.sleep(0.5)
        at_stop = sum(clients.statuses.values())
        time.sleep(wait_s)
        served = sum(clients.statuses.values()) - at_stop
        go_on(workers)
        time.sleep(0.3)
        clients.stop()
        self.assertLess(clients.longest, GIVEN_UP_S + SLACK_S)
        self.verify(clients)
        print(f"# {count} of 3 stopped: {served} answers meanwhile, "
              f"{dict(clients.statuses)}, {clients.longest:.1f} s at most")
        return served, clients

    def assert_served(self, served, clients):
        """By one worker at least; if a stopped one has the journal's lock,
        each write waits for it in vain, and takes a read behind it along."""
        held = clients.statuses[503] > 0
        self.assertGreater(served, 1 if held else 8)

    def test_one_stopped_worker_keeps_none_but_its_own_requests(self):
        served, clients = self.stopped_under_load(1)
        self.assert_served(served, clients)
        self.assertLessEqual(clients.statuses[504], 8)

    def test_the_last_worker_that_goes_on_serves_all(self):
        served, clients = self.stopped_under_load(2)
        self.assert_served(served, clients)
        self.assertLessEqual(clients.statuses[504], 8)

    def test_with_all_stopped_clients_are_told_in_time(self):
        _, clients = self.stopped_under_load(3, GIVEN_UP_S + 2)
        self.assertGreaterEqual(clients.statuses[504], 8)
        self.assertEqual(self.s.put("/v1/kv/a", b"2").status, 204)

    def test_a_stopped_watcher_and_transfer_stop_nobody_else(self):
        pids = self.s.children("watcher") + self.s.children("transfer") \
            + self.s.children("housekeeper")
        self.addCleanup(go_on, pids)
        stop(pids)
        waiting = [self.s.connect() for _ in range(3)]
        for connection, target in zip(waiting, (
                "/v1/watch?since=0&wait=1", "/v1/export", "/v1/export")):
            connection.send(b"GET " + target.encode()
                            + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for n in range(100):
            self.assertEqual(self.s.put(f"/v1/kv/{n}", b"x").status, 201)
            self.assertEqual(self.s.get(f"/v1/kv/{n}").body, b"x")
        go_on(pids)
        for connection in waiting:
            answer = connection.receive()
            self.assertEqual(answer.status, 200)
            self.assertIn(b'"a"', answer.body)
            connection.close()

    def test_a_stopped_supervisor_keeps_nobody_waiting(self):
        supervisor = self.s.supervisor()
        self.addCleanup(go_on, [supervisor])
        stop([supervisor])
        for n in range(100):
            self.assertEqual(self.s.put(f"/v1/kv/{n}", b"x").status, 201)
        dead = self.s.workers()[0]
        librapi.kill([dead])
        for n in range(100):
            self.assertEqual(self.s.put(f"/v1/kv/{n}", b"y").status, 204)
        go_on([supervisor])
        librapi.wait_until(lambda: dead not in self.s.workers()
                           and len(self.s.workers()) == 3,
                           "the dead worker is replaced", 10)


class Halfway(librapi.TestCase):
    """A worker is stopped in the middle of an answer."""

    def begin(self, connection, raw):
        """Have the worker wait for lighttpd to take more of the answer."""
        stop([self.worker])
        connection.send(raw)

        def it_waits():
            go_on([self.lighttpd])      # until it has passed the request on
            time.sleep(0.1)
            stop([self.lighttpd])
            go_on([self.worker])
            time.sleep(0.1)
            if syscalls.waits_in(self.worker) == "sendmsg":
                return True
            stop([self.worker])
            return False
        librapi.wait_until(it_waits, "the worker has begun to answer")
        stop([self.worker])
        go_on([self.lighttpd])

    def test_a_value_leaves_as_it_comes(self):
        """But for a range: lighttpd has to have all to cut that out."""
        service = self.service(workers=1)
        value = os.urandom(4 << 20)
        service.put("/v1/kv/large", value)
        self.worker, = service.workers()
        self.lighttpd = service.lighttpd.pid
        self.addCleanup(go_on, [self.worker, self.lighttpd])
        connection = service.connect()
        for fields, status, expected in (
                (b"", 200, value), (b"Range: bytes=5-\r\n", 206, value[5:])):
            self.begin(connection, b"GET /v1/kv/large HTTP/1.1\r\nHost: x\r\n"
                       + fields + b"\r\n")
            if status == 200:
                connection.fill()
            go_on([self.worker])
            answer = connection.receive()
            self.assertEqual(answer.status, status)
            self.assertEqual(answer["Accept-Ranges"], "bytes")
            self.assertEqual(answer.body, expected)
        connection.close()


if __name__ == "__main__":
    librapi.main()
