#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as they happen: streams and long polls, through everything."""

import hashlib
import json
import os
import random
import re
import resource
import selectors
import signal
import socket
import subprocess
import threading
import time

import contract
import librapi
import vitals
from stream import Stream, poll

MANY = 2000
MANY_KIB = 32 << 10


class Watch(librapi.SharedService):
    settings = {"workers": 2, "expiry_interval_ms": 50,
                "watch_heartbeat_ms": 200}

    def stream(self, target, last=None):
        stream = Stream(self.s, target, last)
        stream.open()
        self.addCleanup(stream.close)
        return stream

    def next_events(self, stream):
        deadline = time.monotonic() + librapi.TIMEOUT
        while time.monotonic() < deadline:
            events = stream.read()
            if events:
                return events
        raise AssertionError("no event")

    def test_puts_deletes_and_expiries_are_told_as_they_happen(self):
        stream = self.stream("/v1/watch?prefix=told/")
        self.assertEqual(stream.fields["content-type"], "text/event-stream")
        self.assertEqual(stream.fields["cache-control"], "no-store")
        put = self.s.put("/v1/kv/told/a", b"12345")
        self.assertEqual(self.next_events(stream), [
            {"event": "put", "key": "told/a", "rev": put.revision,
             "size": 5}])
        self.s.put("/v1/kv/other/a", b"1")
        self.s.delete("/v1/kv/told/a")
        event, = self.next_events(stream)
        self.assertEqual((event["event"], event["key"]),
                         ("delete", "told/a"))
        self.s.put("/v1/kv/told/b?ttl=1", b"")
        self.assertEqual(self.next_events(stream)[0]["event"], "put")
        event, = self.next_events(stream)
        self.assertEqual((event["event"], event["key"]),
                         ("expire", "told/b"))

    def test_a_list_and_a_watch_from_its_revision_leave_no_gap(self):
        self.s.put("/v1/kv/gap/a", b"1")
        listing = self.s.get("/v1/kv?prefix=gap/").json
        put = self.s.put("/v1/kv/gap/b", b"2", content_type="text/plain")
        answer = self.s.get(
            f"/v1/watch?prefix=gap/&values=1&since={listing['rev']}")
        self.assertEqual(answer.json, {"rev": put.revision, "events": [
            {"event": "put", "key": "gap/b", "rev": put.revision, "size": 1,
             "type": "text/plain", "value": "2"}]})

    def test_a_long_poll_waits_for_an_event_or_its_time(self):
        begun = time.monotonic()
        answer = self.s.get("/v1/watch?prefix=never/&wait=1")
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        self.assertEqual(answer.json["events"], [])
        timer = threading.Timer(
            0.3, lambda: self.s.put("/v1/kv/poll/a", b"1"))
        timer.start()
        begun = time.monotonic()
        answer = self.s.get("/v1/watch?prefix=poll/&wait=30")
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(answer.json["events"][0]["key"], "poll/a")
        timer.join()

    def test_a_long_poll_bears_the_id_of_its_own_request(self):
        """However many others, and of whatever size, came meanwhile."""
        ids = [None, "one", "2" * 100, None]
        waiting = []
        for i, name in enumerate(ids):
            waiting.append(self.s.connect())
            field = f"X-Request-Id: {name}\r\n" if name else ""
            waiting[-1].send(
                f"GET /v1/watch?prefix=ids/{i}&wait=30 HTTP/1.1\r\n"
                f"Host: localhost\r\n{field}\r\n".encode())
        time.sleep(0.2)
        for size in (1, 100, 1000):
            self.s.get("/v1/watch?since=0", x_request_id="other",
                       authorization="Bearer " + "secret" * size)
        for i in range(len(ids)):
            self.s.put(f"/v1/kv/ids/{i}", b"")
        told = [connection.receive()["X-Request-Id"]
                for connection in waiting]
        for connection in waiting:
            connection.close()
        self.assertEqual(len(set(told)), len(ids))
        for name, seen in zip(ids, told):
            self.assertRegex(seen, f"^{name or '[0-9a-f-]{36}'}$")

    def test_a_quiet_stream_is_told_how_far_the_store_is(self):
        stream = self.stream("/v1/watch?prefix=quiet/")
        put = self.s.put("/v1/kv/loud", b"1")
        while stream.last is None or stream.last < put.revision:
            self.assertEqual(stream.read(), [])

    def test_lighttpd_outwaits_the_longest_silence(self):
        """Over HTTP/2 it counts from what the connection was last sent, which
        may be an answer to a request before this one."""
        with open(os.path.join(librapi.BUILD, "lighttpd", "common.conf"),
                  encoding="ascii") as f:
            conf = f.read()
        write_s, keep_s = (
            int(re.search(rf"^server\.{name} = (\d+)$", conf, re.M)[1])
            for name in ("max-write-idle", "max-keep-alive-idle"))
        parameters = contract.load()["components"]["parameters"]
        wait_s = parameters["wait"]["schema"]["maximum"]
        usage = subprocess.run([librapi.PROGRAM, "--help"], check=True,
                               capture_output=True, text=True).stdout
        beat_ms = int(re.search(r"--watch-heartbeat-ms=.*?\(\d+ to (\d+);",
                                usage, re.S)[1])
        self.assertGreater(write_s, max(wait_s, beat_ms / 1000) + keep_s)

    def test_what_is_wrong_is_told(self):
        for target, status, code in (
                ("/v1/watch?since=x", 400, "invalid-request"),
                ("/v1/watch?wait=301", 400, "invalid-request"),
                ("/v1/watch?delimiter=x", 400, "invalid-request"),
                ("/v1/watch?since=999999999", 410, "gone")):
            problem = self.assert_problem(self.s.get(target), status,
                                          code)
            if status == 410:
                self.assertIn("oldest", problem)
        self.assert_problem(self.s.get("/v1/watch", accept="text/html"),
                            406, "not-acceptable")
        self.assert_problem(self.s.request("POST", "/v1/watch", b""),
                            405, "method-not-allowed")
        self.assertEqual(self.s.request("HEAD", "/v1/watch").status, 200)


class Limits(librapi.TestCase):
    def test_past_the_limit_there_is_503_until_somebody_goes(self):
        service = self.service(watchers_max=3, watch_heartbeat_ms=100)
        streams = [Stream(service, "/v1/watch") for _ in range(3)]
        for stream in streams:
            stream.open()
        answer = service.get("/v1/watch?wait=0")
        self.assert_problem(answer, 503, "too-many-watchers")
        self.assertTrue(answer["Retry-After"])
        streams[0].close()
        librapi.wait_until(
            lambda: service.get("/v1/watch?wait=0").status == 200,
            "a watcher that went away is noticed")
        for stream in streams:
            stream.close()

    def test_few_descriptors_are_a_limit_as_well(self):
        service = self.service(workers=1, watch_heartbeat_ms=100)
        watcher, = service.children("watcher")
        resource.prlimit(service.supervisor(), resource.RLIMIT_NOFILE,
                         (150, 150))
        librapi.kill([watcher])
        librapi.wait_until(
            lambda: service.children("watcher") not in ([], [watcher]),
            "another watcher")
        streams = [Stream(service, "/v1/watch") for _ in range(22)]
        for stream in streams:
            stream.open()
            self.addCleanup(stream.close)
            stream.read()
        self.assert_problem(service.get("/v1/watch?wait=0"), 503,
                            "too-many-watchers")
        self.assertIn("few-descriptors", service.log())
        put = service.put("/v1/kv/a", b"1")
        for stream in streams:
            while stream.last < put.revision:
                stream.read()

    def test_what_is_no_longer_kept_is_gone(self):
        service = self.service(
            value_max_bytes=30000, journal_segment_bytes=65536,
            journal_max_bytes=262144, history_bytes=131072,
            checkpoint_idle_ms=50)
        stream = Stream(service, "/v1/watch")
        stream.open()
        stream.read()
        connection = service.connect()

        def oldest():
            for _ in range(10):
                connection.request("PUT", "/v1/kv/a", b"x" * 30000)
            answer = service.get("/v1/watch?since=0&wait=0")
            return answer.status == 410 and answer.json["oldest"]

        first = librapi.wait_until(oldest, "old changes are given up")
        self.assertGreater(first, 0)
        newest = service.get("/v1").json["revision"]
        # Who watched all the while has missed nothing.
        seen = []
        while not seen or seen[-1] < newest:
            seen += [event["rev"] for event in stream.read()]
        self.assertEqual(seen, list(range(1, newest + 1)))
        stream.close()

    def test_a_reader_that_does_not_read_holds_nobody_up(self):
        service = self.service(workers=1, watch_backlog_bytes=65536,
                               watch_heartbeat_ms=100)
        slow = Stream(service, "/v1/watch?values=1")
        slow.open()
        good = Stream(service, "/v1/watch")
        good.open()
        connection = service.connect()
        value = b"v" * 100000
        watcher, = service.children("watcher")
        for n in range(1, 201):
            connection.request("PUT", "/v1/kv/a", value)
        seen = []
        while 200 not in seen:
            seen += [event["rev"] for event in good.read()]
        self.assertEqual(seen, list(range(1, 201)))
        self.assertLess(vitals.pss_bytes(watcher), 16 << 20)
        # It may go on where it was, cut off or not.
        seen = []
        for event in slow.follow(lambda: 200 in seen):
            seen.append(event["rev"])
        self.assertEqual(seen, list(range(1, 201)))
        good.close()


    def test_what_was_removed_does_not_stay_open(self):
        service = self.service(
            workers=1, value_max_bytes=30000, journal_segment_bytes=65536,
            journal_max_bytes=262144, history_bytes=0, checkpoint_idle_ms=50)
        stream = Stream(service, "/v1/watch")
        stream.open()
        stream.read()
        watcher, = service.children("watcher")
        last = service.put("/v1/kv/a", b"x" * 30000).revision
        while stream.last < last:
            stream.read()
        librapi.wait_until(lambda: not vitals.descriptors(watcher)[0],
                           "the segment is closed")
        stream.close()

    def test_a_watcher_that_cannot_read_waits_and_goes_on(self):
        service = self.service(workers=1, watch_heartbeat_ms=100)
        stream = Stream(service, "/v1/watch")
        stream.open()
        stream.read()
        watcher, = service.children("watcher")
        limits = resource.prlimit(watcher, resource.RLIMIT_NOFILE)
        # Nothing that it has not open can be opened.
        resource.prlimit(watcher, resource.RLIMIT_NOFILE, (3, limits[1]))
        used, logged = vitals.cpu_s(watcher), len(service.log())
        put = service.put("/v1/kv/a", b"1")
        time.sleep(3)
        self.assertLess(vitals.cpu_s(watcher) - used, 0.5)
        self.assertLess(len(service.log()) - logged, 4000)
        resource.prlimit(watcher, resource.RLIMIT_NOFILE, limits)
        seen = []
        while not seen:
            seen = stream.read()
        self.assertEqual(seen[0]["rev"], put.revision)
        stream.close()


class Access(librapi.TestCase):
    def tokens(self, path, *lines):
        """Put a file of tokens in the place of another, as a Secret is."""
        with open(path + ".new", "w", encoding="ascii") as f:
            for token, role, prefix in lines:
                digest = hashlib.sha256(token.encode()).hexdigest()
                f.write(f"{digest} {role} {prefix}\n")
        os.rename(path + ".new", path)

    def test_who_watches_sees_what_its_token_is_for_and_not_without(self):
        folder = self.folder()
        path = os.path.join(folder, "tokens")
        admin = {"Authorization": "Bearer admin"}
        reader = {"Authorization": "Bearer reader"}
        self.tokens(path, ("admin", "admin", ""), ("reader", "read", "a/"))
        service = librapi.Service(folder, token_file=path,
                                  watch_heartbeat_ms=100)
        self.addCleanup(service.end)
        service.start()
        # Whatever comes to the watcher's socket is asked for its token.
        for target in ("/v1/watch", "/v1/kv/%2e%2e/watch"):
            self.assert_problem(service.get(target), 401)
        self.assert_problem(service.get("/v1/watch?prefix=b/", **reader), 403)
        for key in ("a/1", "b/1", "a/2"):
            put = service.request("PUT", "/v1/kv/" + key, b"", admin)
            self.assertEqual(put.status, 201, put)
        answer = service.get("/v1/watch?since=0", **reader)
        self.assertEqual([event["key"] for event in answer.json["events"]],
                         ["a/1", "a/2"])
        stream = Stream(service, "/v1/watch", fields=reader)
        stream.open()
        waiting = service.connect()
        waiting.send(b"GET /v1/watch?wait=60 HTTP/1.1\r\nHost: x\r\n"
                     b"Authorization: Bearer reader\r\n\r\n")
        time.sleep(0.3)
        self.tokens(path, ("admin", "admin", ""))
        with self.assertRaises(ConnectionError):
            while True:
                stream.read()
        stream.close()
        answer = waiting.receive()
        self.assert_problem(answer, 503, "busy")
        self.assertEqual(answer["Retry-After"], "1")
        waiting.close()
        self.assert_problem(service.get("/v1/watch", **reader), 401)


class Writers:
    """Clients that write and note what was acknowledged, whatever happens."""

    def __init__(self, service, count):
        self.service = service
        self.stopping = threading.Event()
        self.acknowledged = {}      # revision: keys
        self.threads = [threading.Thread(target=self.work, args=(i,),
                                         daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, i):
        n = 0
        connection = None
        while not self.stopping.is_set():
            n += 1
            keys = [f"w{i}/{n}"]
            try:
                if not connection:
                    connection = self.service.connect()
                if n % 5 == 0:
                    keys = [f"w{i}/{n}/{k}" for k in range(7)]
                    answer = connection.request(
                        "POST", "/v1/txn", json.dumps(
                            {"do": [{"put": key, "value": "x"}
                                    for key in keys]}).encode(),
                        {"Content-Type": "application/json"})
                    revision = answer.status == 200 and answer.json["rev"]
                else:
                    answer = connection.request("PUT", "/v1/kv/" + keys[0],
                                                b"x")
                    revision = answer.status == 201 and answer.revision
            except OSError:
                if connection:
                    connection.close()
                connection = None
                continue
            if revision:
                self.acknowledged[revision] = keys

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(librapi.TIMEOUT)
            assert not thread.is_alive(), "a writer hangs"


class Storm(librapi.TestCase):
    def test_nothing_is_missed_or_repeated_while_processes_die(self):
        service = self.service(
            workers=2, watch_heartbeat_ms=100, checkpoint_idle_ms=50,
            value_max_bytes=30000, journal_segment_bytes=262144,
            journal_max_bytes=1048576)
        stop = threading.Event()
        watchers = [("", []), ("w0/", []), ("w1/", []), ("", [])]
        clients = []
        threads = []
        for i, (prefix, seen) in enumerate(watchers):
            target = f"/v1/watch?prefix={prefix}"
            if i == 3:
                events = poll(service, target, 0, stop.is_set)
            else:
                clients.append(Stream(service, target, last=0))
                events = clients[-1].follow(stop.is_set)
            thread = threading.Thread(target=seen.extend, args=(events,),
                                      daemon=True)
            thread.start()
            threads.append(thread)
        writers = Writers(service, 3)
        rng = random.Random(4)
        for n in range(24):
            time.sleep(0.12)
            role = ("watcher", "worker", "housekeeper", "transfer",
                    "watcher", "reload")[n % 6]
            if role == "reload":
                os.kill(service.supervisor(), signal.SIGHUP)
                continue
            pids = service.children(role)
            if pids:
                os.kill(rng.choice(pids), signal.SIGKILL)
        writers.stop()
        service.put("/v1/kv/w0/end", b"")
        last = service.put("/v1/kv/w1/end", b"").revision
        librapi.wait_until(
            lambda: all(seen and seen[-1]["key"].endswith("/end")
                        for _, seen in watchers)
            and watchers[0][1][-1]["rev"] == last
            and watchers[3][1][-1]["rev"] == last, "all have seen the end")
        stop.set()
        for thread in threads:
            thread.join(librapi.TIMEOUT)
        self.assertGreater(len(writers.acknowledged), 100)
        with open(service.path("data", "MANIFEST"), encoding="ascii") as f:
            self.assertIn("\ntable ", f.read(), "there was no checkpoint")
        self.assertGreater(max(c.connections for c in clients), 3)
        for prefix, seen in watchers:
            self.check(prefix, seen, writers.acknowledged, last)

    def check(self, prefix, seen, acknowledged, last):
        places = [(event["rev"], event["key"]) for event in seen]
        self.assertEqual(len(places), len(set(places)), "repeated")
        revisions = [rev for rev, _ in places]
        self.assertEqual(revisions, sorted(revisions), "out of order")
        if not prefix:
            self.assertEqual(sorted(set(revisions)),
                             list(range(1, last + 1)), "missed")
        by_revision = {}
        for rev, key in places:
            self.assertTrue(key.startswith(prefix))
            by_revision.setdefault(rev, []).append(key)
        for rev, keys in acknowledged.items():
            wanted = sorted(k for k in keys if k.startswith(prefix))
            self.assertEqual(sorted(by_revision.get(rev, [])), wanted, rev)


class Many(librapi.TestCase):
    def request(self, service, target):
        s = socket.create_connection((librapi.ADDRESS, service.port),
                                     librapi.TIMEOUT)
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n"
                  "Accept: text/event-stream\r\n\r\n".encode())
        return s

    def wait_for(self, sockets, text):
        """Until every socket has been sent the text."""
        with selectors.DefaultSelector() as selector:
            for s in sockets:
                selector.register(s, selectors.EVENT_READ, [b""])
            left = len(sockets)
            deadline = time.monotonic() + librapi.TIMEOUT
            while left:
                self.assertLess(time.monotonic(), deadline, f"{left} left")
                for key, _ in selector.select(1):
                    piece = key.fileobj.recv(65536)
                    self.assertTrue(piece, "a stream has ended")
                    key.data[0] += piece
                    if text in key.data[0]:
                        selector.unregister(key.fileobj)
                        left -= 1

    def pss_kib(self, service):
        """Of watcher and lighttpd."""
        watcher, = service.children("watcher")
        return tuple(vitals.pss_bytes(pid) >> 10
                     for pid in (watcher, service.lighttpd.pid))

    def test_two_thousand_watch_within_32_mib(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard < 3 * MANY:
            self.skipTest(f"only {hard} descriptors may be open")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        service = self.service(watchers_max=MANY)
        idle = self.pss_kib(service)
        sockets = []
        self.addCleanup(lambda: [s.close() for s in sockets])
        # Fewer at a time than may be pending at a socket.
        while len(sockets) < MANY:
            some = [self.request(service, f"/v1/watch?prefix=k{n % 2}/")
                    for n in range(200)]
            sockets += some
            self.wait_for(some, b"id: 0\n\n")
        self.assert_problem(service.get("/v1/watch"), 503,
                            "too-many-watchers")
        parked = self.pss_kib(service)
        begun = time.monotonic()
        service.put("/v1/kv/k0/a", b"1")
        service.put("/v1/kv/k1/a", b"1")
        self.wait_for(sockets[0::2], b'"rev":1,')
        self.wait_for(sockets[1::2], b'"rev":2,')
        took = time.monotonic() - begun
        after = self.pss_kib(service)
        print(f"# PSS in KiB of watcher and lighttpd: idle {idle}, "
              f"{MANY} parked {parked}, after an event each {after}; "
              f"all had it within {took * 1000:.0f} ms")
        self.assertLess(sum(parked), MANY_KIB)


if __name__ == "__main__":
    librapi.main()
