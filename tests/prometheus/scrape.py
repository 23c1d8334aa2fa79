#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
/metrics as Prometheus itself takes it: promtool finds nothing to say of the
text, and a server scrapes it with a token, by a configuration as the README
has it, and answers queries about what it got.

Run by .ci/run, not by make check: it takes the Debian package prometheus.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))

import librapi  # noqa: E402

TOKEN = {"Authorization": "Bearer all"}
CONFIG = """
global: {{ scrape_interval: 500ms }}
scrape_configs:
  - job_name: librapi
    static_configs: [{{ targets: ["{address}:{port}"] }}]
    authorization: {{ credentials_file: {folder}/librapi.token }}
  - job_name: stranger
    static_configs: [{{ targets: ["{address}:{port}"] }}]
"""


class Prometheus:
    def __init__(self, test, service):
        folder = test.folder()
        with open(folder + "/librapi.token", "w", encoding="ascii") as f:
            f.write("scraper")
        with open(folder + "/prometheus.yml", "w", encoding="ascii") as f:
            f.write(CONFIG.format(address=librapi.ADDRESS, folder=folder,
                                  port=service.port))
        subprocess.run(["promtool", "check", "config",
                        folder + "/prometheus.yml"], check=True,
                       stdout=subprocess.DEVNULL)
        self.address = f"{librapi.ADDRESS}:{librapi.free_port()}"
        self.server = subprocess.Popen(
            librapi.DIES_WITH_US + [
                "prometheus", f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={self.address}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        test.addCleanup(self.server.wait)
        test.addCleanup(self.server.kill)

    def query(self, text):
        """{labels: number}, of a query's result; {} while there is none."""
        url = f"http://{self.address}/api/v1/query?" + \
            urllib.parse.urlencode({"query": text})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=librapi.TIMEOUT) as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            return {}
        return {tuple(sorted(one["metric"].items())): float(one["value"][1])
                for one in result}

    def number(self, text):
        numbers = list(self.query(text).values())
        return numbers[0] if len(numbers) == 1 else None


class Scrape(librapi.TestCase):
    def open(self):
        path = os.path.join(self.folder(), "tokens")
        with open(path, "w", encoding="ascii") as f:
            for token, rest in (("scraper", "read prometheus/"),
                                ("all", "admin")):
                digest = hashlib.sha256(token.encode()).hexdigest()
                f.write(f"{digest} {rest}\n")
        service = self.service(token_file=path, workers=3,
                               checkpoint_idle_ms=50)
        for i in range(100):
            service.request("PUT", f"/v1/kv/{i}", b"x", TOKEN)
            service.request("GET", f"/v1/kv/{i}", None, TOKEN)
            service.request("PROPFIND", f"/{i}", None, TOKEN)
        return service

    def test_promtool_has_nothing_to_say(self):
        answer = self.open().request("GET", "/metrics", None, TOKEN)
        self.assertEqual(answer.status, 200)
        done = subprocess.run(["promtool", "check", "metrics"],
                              input=answer.body, capture_output=True,
                              timeout=librapi.TIMEOUT)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, b"", b""))

    def test_a_server_scrapes_and_knows(self):
        service = self.open()
        prometheus = Prometheus(self, service)

        def told(query, number):
            librapi.wait_until(
                lambda: prometheus.number(query) == number,
                f"{query} is {number}, not {prometheus.query(query)}")
        told('up{job="librapi"}', 1)
        told('up{job="stranger"}', 0)
        put = '{route="/v1/kv/{key}",method="PUT"}'
        told(f"sum(librapi_http_requests_total{put})", 100)
        told(f"librapi_http_request_duration_seconds_count{put}", 100)
        told("librapi_store_revision", 100)
        told("librapi_store_sync_commits_sum", 100)
        told('librapi_processes{role="worker"}', 3)
        told("count(librapi_build_info)", 1)
        for i in range(50):
            service.request("PUT", f"/v1/kv/{i}", b"y", TOKEN)
        told(f"sum(librapi_http_requests_total{put})", 150)
        slowest = prometheus.number(
            "histogram_quantile(0.99, sum by (le) ("
            f"librapi_http_request_duration_seconds_bucket{put}))")
        self.assertTrue(0 < slowest < 10, slowest)
        started = prometheus.number("librapi_process_start_time_seconds")
        self.assertLess(abs(time.time() - started), 120)


if __name__ == "__main__":
    librapi.main()
