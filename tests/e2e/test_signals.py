#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping and reloading while clients are at work."""

import os
import signal
import threading
import time

import librapi
import stored


class Clients:
    """Clients that put new keys until told to stop, or nobody answers."""

    def __init__(self, service, count=4):
        self.service = service
        self.stopping = threading.Event()
        self.done = []
        self.refused = []
        self.threads = [threading.Thread(target=self.work, args=(i,),
                                         daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, i):
        n = 0
        while not self.stopping.is_set():
            n += 1
            target = f"/v1/kv/c{i}/{n}"
            try:
                connection = self.service.connect()
            except (ConnectionRefusedError, ConnectionResetError):
                return      # reset: the socket was closed with us in its queue
            try:
                answer = connection.request("PUT", target, target.encode())
            except OSError:
                return
            finally:
                connection.close()
            (self.done if answer.status == 201 else self.refused).append(
                (target, answer))

    def wait(self, count):
        librapi.wait_until(lambda: len(self.done) >= count,
                           f"{count} writes; log: " + self.service.log())

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(librapi.TIMEOUT)
            assert not thread.is_alive(), "a client hangs"

    def verify(self, test):
        connection = self.service.connect()
        for target, _ in self.done:
            got = connection.request("GET", target)
            test.assertEqual(got.body, target.encode(), target)
        connection.close()


class Stop(librapi.TestCase):
    def test_lighttpd_stops_gracefully_without_a_failed_request(self):
        service = self.service(workers=3)
        clients = Clients(service)
        clients.wait(200)
        service.stop()
        clients.stop()
        self.assertFalse(clients.refused)
        self.assertIn("event=stopped", service.log())
        service.start()
        clients.verify(self)

    def test_a_supervisor_that_is_told_to_stop_drains(self):
        service = self.service("connect", workers=3)
        clients = Clients(service)
        clients.wait(200)
        service.program.terminate()
        self.assertEqual(service.program.wait(librapi.TIMEOUT), 0)
        self.assertFalse(os.path.exists(service.path("s")))
        self.assertFalse(os.path.exists(service.path("run", "librapi.pid")))
        clients.stop()
        for _, answer in clients.refused:
            self.assert_problem(answer, 503)
        self.assertNotIn("event=child-killed", service.log())
        service.start_program()
        service.wait_ready()
        clients.verify(self)

    def test_after_a_clean_stop_the_tables_have_everything(self):
        service = self.service()
        for n in range(10):
            service.put(f"/v1/kv/{n}", b"x")
        service.stop()
        with open(service.path("data", "MANIFEST"), encoding="ascii") as f:
            self.assertIn("\nrevision 10\n", f.read())

    def test_a_worker_that_does_not_stop_is_killed_in_time(self):
        service = self.service("connect", workers=2, drain_timeout_ms=300)
        os.kill(service.workers()[0], signal.SIGSTOP)
        service.program.terminate()
        self.assertEqual(service.program.wait(10), 0)
        self.assertIn("event=child-killed", service.log())

    def test_lighttpd_killed_takes_the_service_along(self):
        service = self.service()
        service.put("/v1/kv/a", b"1")
        service.lighttpd.kill()
        service.lighttpd.wait()
        librapi.wait_until(
            lambda: not librapi.processes_in(service.folder), "all gone")
        self.assertIn("event=stopped", service.log())


class Reload(librapi.TestCase):
    def service_with_file(self, text, **settings):
        service = self.service("connect", start=False, workers=3, **settings)
        self.file = service.path("librapi.conf")
        service.settings["config_file"] = self.file
        self.rewrite(text)
        return service.start()

    def rewrite(self, text):
        with open(self.file, "w", encoding="ascii") as f:
            f.write(text)

    def origin(self, service):
        """That of the setting: of the others the answer says nothing."""
        origins = [service.get("/hc", origin=f"http://{name}.example")[
            "Access-Control-Allow-Origin"] for name in ("one", "two")]
        return origins[0] or origins[1]

    def test_workers_get_new_settings_and_no_request_fails(self):
        service = self.service_with_file("cors-origin = http://one.example\n")
        before = service.workers()
        self.assertEqual(self.origin(service), "http://one.example")
        clients = Clients(service)
        clients.wait(50)
        self.rewrite("cors-origin = http://two.example\n"
                     "table-max-keys = 1000\n")
        service.program.send_signal(signal.SIGHUP)
        librapi.wait_until(
            lambda: not set(before) & set(service.workers()),
            "new workers; log: " + service.log())
        clients.wait(len(clients.done) + 50)
        clients.stop()
        self.assertFalse(clients.refused)
        self.assertEqual(len(service.workers()), 3)
        self.assertEqual(self.origin(service), "http://two.example")
        log = service.log()
        self.assertIn("event=reloaded", log)
        self.assertIn("setting=table_max_keys", log)
        self.assertNotIn("event=child-died", log)
        clients.verify(self)

    def test_what_was_kept_by_other_settings_is_not_given(self):
        service = self.service_with_file("cors-origin = *\n")
        service.put("/v1/kv/a", b"1")
        kept = stored.keep(service, "/v1/kv/a")
        self.assertEqual(kept["Access-Control-Allow-Origin"], "*")
        self.rewrite("cors-origin = http://one.example\n")
        before = service.workers()
        service.program.send_signal(signal.SIGHUP)
        librapi.wait_until(
            lambda: not set(before) & set(service.workers()),
            "new workers; log: " + service.log())
        got = service.get("/v1/kv/a")
        self.assertEqual(got.body, b"1")
        self.assertIsNone(got["Access-Control-Allow-Origin"])

    def test_a_bad_file_leaves_everything_as_it_was(self):
        service = self.service_with_file("cors-origin = http://one.example\n")
        before = service.workers()
        self.rewrite("cors-orgin = http://two.example\n")
        service.program.send_signal(signal.SIGHUP)
        service.wait_log("event=reload-failed")
        self.assertIn("cors-orgin", service.log())
        time.sleep(0.1)
        self.assertEqual(service.workers(), before)
        self.assertEqual(self.origin(service), "http://one.example")

    def test_what_is_kept_in_memory_stays_where_it_is(self):
        service = self.service("connect", engine="memory", workers=1)
        before = service.workers()
        service.put("/v1/kv/a", b"1")
        for _ in range(3):
            service.program.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        service.wait_log("event=reloaded")
        self.assertIn("event=restart-needed", service.log())
        self.assertEqual(service.get("/v1/kv/a").body, b"1")
        self.assertEqual(service.workers(), before)


if __name__ == "__main__":
    librapi.main()
