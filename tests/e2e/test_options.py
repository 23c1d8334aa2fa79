#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the environment chooses of lighttpd: the access log, the event handler,
how many connections and how large an import; and what settings.sh says when
the environment is not enough.
"""

import os
import re
import resource
import subprocess

import librapi
from stream import Stream


class AccessLog(librapi.TestCase):
    def start(self, **variables):
        service = self.service(start=False)
        service.variables = variables
        return service.start()

    def test_a_line_a_request_when_it_is_on(self):
        folder = self.service(start=False).folder
        path = os.path.join(folder, "access")
        s = self.start(LIGHTTPD_ACCESS_LOG=path)
        answer = s.get('/v1/kv/a%22b"c')
        self.assertEqual(answer.status, 404)
        s.stop()
        with open(path, encoding="utf-8") as f:
            line = next(line for line in f if "a%22b" in line)
        self.assertRegex(line, re.compile(
            r"^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} level=info "
            r"role=lighttpd event=request client=127\.[0-9.]+ "
            r'request="GET /v1/kv/a%22b\\"c HTTP/1\.1" status=404 '
            r"bytes_in=\d+ bytes_out=\d+ duration_us=\d+ "
            f'request_id="{answer["X-Request-Id"]}"\n$'))

    def test_no_line_when_it_is_not(self):
        s = self.start()
        s.get("/v1/kv/a")
        s.stop()
        self.assertNotIn("event=request", s.log())


class EventHandler(librapi.TestCase):
    def start(self, mode="connect", **variables):
        service = self.service(mode, start=False)
        service.variables = variables
        return service.start()

    @staticmethod
    def has_epoll(service):
        folder = f"/proc/{service.lighttpd.pid}/fd"
        return "anon_inode:[eventpoll]" in [
            os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]

    def test_epoll_where_none_is_named(self):
        self.assertTrue(self.has_epoll(self.start()))
        self.assertTrue(self.has_epoll(self.start(LIGHTTPD_EVENT_HANDLER="")))

    def test_epoll_where_it_is_named(self):
        s = self.start(LIGHTTPD_EVENT_HANDLER="epoll")
        self.assertTrue(self.has_epoll(s))

    def test_poll_where_it_is_named(self):
        s = self.start(LIGHTTPD_EVENT_HANDLER="poll")
        self.assertFalse(self.has_epoll(s))
        self.assertEqual(s.put("/v1/kv/a", b"1").status, 201)
        self.assertEqual(s.get("/v1/kv/a").body, b"1")

    def test_with_poll_watches_are_told_and_missed(self):
        s = self.service(start=False, watchers_max=1, watch_heartbeat_ms=100)
        s.variables = {"LIGHTTPD_EVENT_HANDLER": "poll"}
        s.start()
        stream = Stream(s, "/v1/watch")
        stream.open()
        s.put("/v1/kv/a", b"1")
        events = librapi.wait_until(stream.read, "an event")
        self.assertEqual([event["key"] for event in events], ["a"])
        self.assertEqual(s.get("/v1/watch?wait=0").status, 503)
        stream.close()
        librapi.wait_until(lambda: s.get("/v1/watch?wait=0").status == 200,
                           "a watcher that went away is noticed")

    def test_another_one_is_refused_by_name(self):
        with self.assertRaisesRegex(
                AssertionError, "LIGHTTPD_EVENT_HANDLER=select: not an event "
                "handler; epoll and poll are"):
            self.start("spawn", LIGHTTPD_EVENT_HANDLER="select")


class ImportMax(librapi.TestCase):
    MAX = 1 << 20

    def start(self, most, mode="connect"):
        service = self.service(mode, start=False, value_max_bytes=1024,
                               txn_max_bytes=1024)
        service.variables = {"LIGHTTPD_IMPORT_MAX_BYTES": str(most)}
        return service.start()

    def answer(self, s, *fields, body=b""):
        connection = s.connect()
        connection.socket.settimeout(librapi.TIMEOUT)
        connection.send("\r\n".join(("POST /v1/import?mode=merge HTTP/1.1",
                                     "Host: x", *fields, "", "")).encode())
        try:
            connection.send(body)
        except OSError:
            pass    # it is not read to its end
        answer = connection.receive()
        connection.close()
        return answer

    def test_what_is_larger_is_refused_as_soon_as_that_shows(self):
        s = self.start(self.MAX)
        chunk = b"%x\r\n%s\r\n" % (65536, bytes(65536))
        for fields, body in (
                ([f"Content-Length: {self.MAX + 1}"], b""),
                (["Transfer-Encoding: chunked"], chunk * 17)):
            answer = self.answer(s, *fields, body=body)
            self.assert_problem(answer, 413, "request-too-large")

    def test_what_is_as_large_or_any_size_without_it_comes_to_librapi(self):
        for most, size in ((self.MAX, self.MAX), ("", 5 * self.MAX),
                           (0, 5 * self.MAX)):
            s = self.start(most)
            answer = s.request("POST", "/v1/import", b"[" * size)
            self.assert_problem(answer, 400, "invalid-request")

    def test_what_is_no_number_is_refused_by_name(self):
        for wrong in ("1M", "-1", "010", "1" * 17):
            with self.assertRaisesRegex(
                    AssertionError, f"LIGHTTPD_IMPORT_MAX_BYTES={wrong}: not a "
                    "number of bytes; 0 is for any"):
                self.start(wrong, "spawn")


def settings_sh(folder, *before, **variables):
    """What settings.sh says to lighttpd, and to us."""
    env = librapi.environment(folder, {})
    env.update(LIGHTTPD_PROGRAM=librapi.PROGRAM, **variables)
    done = subprocess.run(
        [*before, "sh", os.path.join(librapi.BUILD, "lighttpd",
                                     "settings.sh")],
        env=env, check=False, capture_output=True, text=True,
        timeout=librapi.TIMEOUT)
    return dict(re.findall("^var\\.([a-z_]+) = (.*)$", done.stdout, re.M)), \
        done.stderr


class Connections(librapi.TestCase):
    """Watches, who may stay for ever, leave room for others."""

    # Root without this capability can't raise its limits either.
    LIMITED = ["setpriv", "--bounding-set=-sys_resource"] \
        if os.geteuid() == 0 else []

    def told(self, watchers, hard):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard > most:
            self.skipTest(f"only {most} descriptors may be open")
        told, says = settings_sh(
            self.folder(), "prlimit", f"--nofile=100:{hard}", *self.LIMITED,
            LIBRAPI_WATCHERS_MAX=str(watchers))
        return int(told["connections_max"]), int(told["descriptors_max"]), says

    def test_there_are_8000_more_than_watches(self):
        for watchers, connections in ((1, 8001), (2000, 10000)):
            self.assertEqual(self.told(watchers, 20000),
                             (connections, 2 * connections, ""))

    def test_or_as_many_as_the_hard_limit_allows(self):
        self.assertEqual(self.told(6000, 19000), (14000, 19000, ""))
        connections, descriptors, says = self.told(2000, 4000)
        self.assertEqual((connections, descriptors), (10000, 4000))
        self.assertIn("watchers-max 2000", says)

    def test_lighttpd_takes_them(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        s = self.service(watchers_max=24000)
        limits = resource.prlimit(s.lighttpd.pid, resource.RLIMIT_NOFILE)
        self.assertGreaterEqual(limits[0], min(hard, 64000))


class StoredSocket(librapi.TestCase):
    """Where lighttpd looks is told when it is not where librapi listens."""

    def said(self, folder, seen):
        told, says = settings_sh(folder,
                                 LIGHTTPD_STORED=f"unix:{folder}/{seen}")
        self.assertIn(f"{folder}/run/", told["socket"])
        return says

    def test_one_folder_has_two_names_whether_or_not_it_is_there(self):
        folder = self.folder()
        os.mkdir(os.path.join(folder, "var"))
        os.symlink("..", os.path.join(folder, "var", "link"))
        for _ in range(2):
            self.assertEqual(self.said(folder, "run/stored.sock"), "")
            self.assertEqual(self.said(folder, "var/link/run/stored.sock"), "")
            os.makedirs(os.path.join(folder, "run"), exist_ok=True)

    def test_another_place_is_told(self):
        folder = self.folder()
        for _ in range(2):
            for seen in ("run/other.sock", "other/stored.sock",
                         "other/run/stored.sock"):
                self.assertIn(f"it looks for {folder}/{seen}, not",
                              self.said(folder, seen))
            for name in ("run", "other", "other/run"):
                os.makedirs(os.path.join(folder, name), exist_ok=True)


if __name__ == "__main__":
    librapi.main()
