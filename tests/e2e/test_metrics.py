#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""/metrics: right across all processes, whoever is killed meanwhile."""

import hashlib
import os
import re
import signal
import time

import librapi
from metrics import Metrics

REQUESTS = "librapi_http_requests_total"
DURATION = "librapi_http_request_duration_seconds"
ROLES = {"supervisor": 1, "housekeeper": 1, "watcher": 1, "transfer": 2,
         "worker": 4}
DOCUMENT = os.path.join(librapi.SOURCE, "app", "docs", "metrics.md")


def scrape(service, **fields):
    answer = service.get("/metrics", **fields)
    assert answer.status == 200, answer
    return Metrics(answer.body.decode())


def processes(service):
    """How many there are of each role, as the service counts them."""
    found = scrape(service)
    return {role: found.sum("librapi_processes", role=role) for role in ROLES}


def watch(service):
    """A connection on which the head of a stream of events has come."""
    connection = service.connect()
    connection.send(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n"
                    b"Accept: text/event-stream\r\n\r\n")
    status, _ = connection.read_head()
    assert status == 200, status
    return connection


class Text(librapi.SharedService):
    settings = {"workers": 2}

    def test_the_type_is_prometheus_own(self):
        answer = self.s.get("/metrics", accept="application/openmetrics-text"
                            ";version=1.0.0;q=0.75,text/plain;version=0.0.4"
                            ";q=0.5,*/*;q=0.1")
        self.assertEqual(answer["Content-Type"],
                         "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(answer["Cache-Control"], "no-store")
        head = self.s.request("HEAD", "/metrics")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_the_document_tells_of_each_what_the_program_does(self):
        self.s.put("/v1/kv/told", b"x")
        with open(DOCUMENT, encoding="utf-8") as f:
            rows = re.findall(r"^\| `(\w+)` \| (\w+) \|(.*?)\| (.*) \|$",
                              f.read(), re.M)
        told = {name: (kind, set(re.findall(r"`(\w+)`", labels)), about)
                for name, kind, labels, about in rows}
        self.assertEqual(told, {
            family.name: (family.type, family.labels(), family.about)
            for family in scrape(self.s).families.values()})

    def test_paths_and_methods_of_clients_make_no_series(self):
        def wave(name):
            for i in range(50):
                for method in ("GET", "PUT", "PROPFIND", "MKCOL", "REPORT"):
                    for target in ("/{}", "/v1/kv/{}", "/v1/{}", "/datas/{}",
                                   '/{}"}}\\', "/v1/kv/{}?{}=1"):
                        connection.request(
                            method, target.format(f"{name}{i}", i), b"",
                            {"X-Request-Id": f"{name}{i}"})
        connection = self.s.connect()
        wave("one")
        scrape(self.s)  # is counted itself, in the next
        before = scrape(self.s).series()
        wave("other")
        connection.close()
        self.assertEqual(scrape(self.s).series(), before)
        self.assertLess(len(before), 1000)


class Counting(librapi.TestCase):
    def test_four_workers_count_together(self):
        service = self.service(workers=4)
        service.put("/v1/kv/there", b"12345")
        before = scrape(service)

        def work(n):
            for i in range(50):
                service.put(f"/v1/kv/new{n}/{i}", b"123")
                service.get("/v1/kv/there")
                service.get("/v1/kv/absent")
                service.get(f"/absent{n}")
        librapi.in_parallel(8, work)
        service.get("/v1/export")
        after = scrape(service)
        key = {"route": "/v1/kv/{key}"}
        for labels, more in (
                ({**key, "method": "PUT", "status": "201"}, 400),
                ({**key, "method": "GET", "status": "200"}, 400),
                ({**key, "method": "GET", "status": "404"}, 400),
                ({"route": "other", "method": "GET", "status": "404"}, 400),
                ({"route": "/v1/export", "status": "200"}, 1),
                ({"route": "/metrics"}, 1)):
            self.assertEqual(after.sum(REQUESTS, **labels) -
                             before.sum(REQUESTS, **labels), more, labels)
        for name, labels, more in (
                (DURATION + "_count", {**key, "method": "GET"}, 800),
                ("librapi_http_request_body_bytes_total",
                 {**key, "method": "PUT"}, 1200)):
            self.assertEqual(after.sum(name, **labels) -
                             before.sum(name, **labels), more, name)
        self.assertGreaterEqual(
            after.sum("librapi_http_response_body_bytes_total", **key),
            2000 + before.sum("librapi_http_response_body_bytes_total",
                              **key))
        self.assertGreater(after.sum(DURATION + "_sum", method="PUT"), 0)
        self.assertEqual(after.sum("librapi_store_revision"), 401)
        self.assertEqual(after.sum("librapi_store_commits_total"), 401)
        self.assertEqual(after.sum("librapi_store_sync_commits_sum"), 401)
        self.assertLessEqual(
            after.sum("librapi_store_sync_commits_count"),
            after.sum("librapi_store_sync_duration_seconds_count"))

    def test_whichever_worker_is_asked_the_answer_is_the_same(self):
        service = self.service(workers=3)
        service.put("/v1/kv/a", b"x")
        workers = service.workers()
        counts = []
        for awake in workers:
            for pid in workers:
                if pid != awake:
                    os.kill(pid, signal.SIGSTOP)
            counts.append(scrape(service).counters())
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        for other in counts[1:]:
            self.assertEqual(
                {at: n for at, n in counts[0].items()
                 if ("route", "/metrics") not in at[1]},
                {at: n for at, n in other.items()
                 if ("route", "/metrics") not in at[1]})

    def test_who_is_killed_takes_nothing_along(self):
        service = self.service(workers=4)
        librapi.wait_until(lambda: processes(service) == ROLES,
                           "all are counted")
        at_first = scrape(service)
        for role in ("worker", "watcher", "transfer", "housekeeper",
                     "worker"):
            service.put("/v1/kv/a", b"x")
            service.get("/v1/watch?wait=0")
            service.get("/v1/export")
            before = scrape(service)
            os.kill(service.children(role)[0], signal.SIGKILL)
            librapi.wait_until(
                lambda: scrape(service).sum(
                    "librapi_process_restarts_total", role=role) ==
                before.sum("librapi_process_restarts_total", role=role) + 1
                and len(service.children(role)) == ROLES[role],
                f"a restart of {role} is counted")
            service.put("/v1/kv/a", b"x")
            after = scrape(service).counters()
            for at, number in before.counters().items():
                self.assertGreaterEqual(after.get(at, -1), number, at)
        at_last = scrape(service)
        self.assertEqual(at_last.sum("librapi_process_restarts_total"), 5)
        self.assertEqual(at_last.sum(REQUESTS, route="/v1/watch"), 5)
        self.assertEqual(at_last.sum(REQUESTS, route="/v1/export"), 5)
        self.assertEqual(at_last.sum(REQUESTS, method="PUT"), 10)
        self.assertEqual(
            at_last.sum("librapi_process_start_time_seconds"),
            at_first.sum("librapi_process_start_time_seconds"))
        self.assertLess(abs(time.time() - at_first.sum(
            "librapi_process_start_time_seconds")), 60)

    def test_who_leaves_when_asked_is_no_restart(self):
        service = self.service(workers=2)
        old = service.workers()
        os.kill(service.supervisor(), signal.SIGHUP)
        librapi.wait_until(
            lambda: not set(old) & set(service.workers())
            and service.is_complete(), "new workers")
        metrics = scrape(service)
        self.assertEqual(metrics.sum("librapi_process_restarts_total"), 0)
        self.assertEqual(metrics.sum(REQUESTS, route="/readyz") > 0, True)

    def test_watchers_come_and_go(self):
        service = self.service(watch_heartbeat_ms=100)

        def watchers(count):
            librapi.wait_until(lambda: scrape(service).sum(
                "librapi_watchers") == count, f"{count} watchers")
        watchers(0)
        connections = [watch(service) for _ in range(5)]
        watchers(5)
        connections.pop().close()
        connections.pop().close()
        watchers(3)
        self.assertEqual(scrape(service).sum(
            REQUESTS, route="/v1/watch", status="200"), 5)
        os.kill(service.children("watcher")[0], signal.SIGKILL)
        watchers(0)
        connections.append(watch(service))
        watchers(1)
        for connection in connections:
            connection.close()
        watchers(0)

    def test_the_housekeepers_work_is_counted(self):
        service = self.service(checkpoint_idle_ms=50, expiry_interval_ms=50)
        service.put("/v1/kv/stays", b"x")
        service.put("/v1/kv/goes?ttl=1", b"x")
        librapi.wait_until(lambda: scrape(service).sum(
            "librapi_store_expired_keys_total") == 1, "expiry is counted")
        librapi.wait_until(lambda: scrape(service).sum(
            "librapi_store_keys") == 1, "a checkpoint without the key")
        metrics = scrape(service)
        seconds = "librapi_store_checkpoint_duration_seconds"
        self.assertGreaterEqual(metrics.sum(seconds + "_count"), 1)
        self.assertGreater(metrics.sum(seconds + "_sum"), 0)
        self.assertGreater(metrics.sum("librapi_store_table_bytes"), 0)
        self.assertLess(metrics.sum("librapi_store_journal_bytes"), 1000)
        self.assertEqual(metrics.sum("librapi_store_writable"), 1)

    def test_in_one_process_memory_too(self):
        service = self.service(engine="memory", workers=1)
        service.put("/v1/kv/a", b"x")
        metrics = scrape(service)
        self.assertEqual(metrics.sum("librapi_build_info", engine="memory"),
                         1)
        self.assertEqual(metrics.sum("librapi_store_revision"), 1)
        self.assertEqual(metrics.sum("librapi_processes", role="worker"), 1)


class Access(librapi.TestCase):
    def open(self, **settings):
        path = os.path.join(self.folder(), "tokens")
        with open(path, "w", encoding="ascii") as f:
            for token, rest in (("look", "read nobodys/"), ("all", "admin")):
                digest = hashlib.sha256(token.encode()).hexdigest()
                f.write(f"{digest} {rest}\n")
        return self.service(token_file=path, **settings)

    def test_it_takes_a_token_that_may_read(self):
        service = self.open()
        self.assert_problem(service.get("/metrics"), 401, "unauthorized")
        self.assert_problem(service.get("/metrics",
                                        authorization="Bearer no"), 401)
        for token in ("look", "all"):
            metrics = scrape(service, authorization="Bearer " + token)
            self.assertEqual(metrics.sum(REQUESTS, route="/metrics",
                                         status="401"), 2)

    def test_or_none_when_it_is_open(self):
        service = self.open(metrics_open="true")
        scrape(service)
        for target in ("/v1", "/v1/kv", "/v1/kv/a", "/v1/kv/%2e%2e/metrics",
                       "/metrics/../v1", "/metrics/../v1/kv/a",
                       "/metrics/%2e%2e/v1/kv"):
            self.assertIn(service.get(target).status, (401, 404), target)
        self.assert_problem(service.get("/v1/kv/a"), 401, "unauthorized")


if __name__ == "__main__":
    librapi.main()
