#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
/docs/ in a real Chromium: Swagger UI shows every operation, stores a value
with a token, and no script or request is kept back by the page's policy.

Run by .ci/run, not by make check: it takes the Debian packages chromium and
chromium-driver.  The browser is driven by WebDriver (W3C), in JSON over HTTP.
SCREENSHOT=FILE keeps a picture of what was seen.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))

import librapi  # noqa: E402
from contract import CONTRACT  # noqa: E402

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver 11
SELECT_ALL = "\ue009a\ue000"  # Control and a, WebDriver 17.4.2
OPTIONS = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu",
                    "--disable-dev-shm-usage", "--no-proxy-server",
                    "--window-size=1200,1600"]}


class Browser:
    def __init__(self, test):
        port = librapi.free_port()
        self.driver = subprocess.Popen(
            librapi.DIES_WITH_US + ["chromedriver", f"--port={port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        test.addCleanup(self.driver.wait)
        test.addCleanup(self.driver.kill)
        self.url = f"http://127.0.0.1:{port}"
        librapi.wait_until(self.is_up, "chromedriver")
        session = self.call("POST", "/session", {"capabilities": {
            "alwaysMatch": {"goog:chromeOptions": OPTIONS,
                            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + session["sessionId"]
        test.addCleanup(self.call, "DELETE", self.session)

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=librapi.TIMEOUT) as answer:
            return json.load(answer)["value"]

    def is_up(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def go(self, url):
        self.call("POST", self.session + "/url", {"url": url})

    def find(self, css):
        """All elements that a selector finds."""
        return [e[ELEMENT] for e in self.call(
            "POST", self.session + "/elements",
            {"using": "css selector", "value": css})]

    def wait_for(self, css):
        return librapi.wait_until(lambda: self.find(css), css)[0]

    def click(self, css):
        element = self.wait_for(css)
        self.script("arguments[0].scrollIntoView({block: 'center'})",
                    {ELEMENT: element})
        self.call("POST", f"{self.session}/element/{element}/click", {})

    def write(self, css, text):
        element = self.wait_for(css)
        self.call("POST", f"{self.session}/element/{element}/value",
                  {"text": SELECT_ALL + text})

    def text(self, css):
        element = self.wait_for(css)
        return self.call("GET", f"{self.session}/element/{element}/text")

    def script(self, script, *arguments):
        return self.call("POST", self.session + "/execute/sync",
                         {"script": script, "args": arguments})

    def complaints(self):
        """What the console has of the policy and of scripts that failed."""
        return [entry["message"] for entry in self.call(
            "POST", self.session + "/se/log", {"type": "browser"})
            if "Content Security Policy" in entry["message"]
            or entry["source"] == "javascript"]

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(
                self.call("GET", self.session + "/screenshot")))


class SwaggerUi(librapi.TestCase):
    def start(self):
        done = librapi.run(self.folder(), "token", "new", "--role=write",
                           "--prefix=web/")
        self.assertEqual(done.returncode, 0, done)
        token, line = [line for line
                       in done.stdout.decode().splitlines()
                       if not line.startswith("#")]
        path = os.path.join(self.folder(), "tokens")
        with open(path, "w", encoding="ascii") as f:
            f.write(line + "\n")
        service = self.service(token_file=path)
        browser = Browser(self)
        browser.go(f"http://{librapi.ADDRESS}:{service.port}/docs/")
        return service, browser, token

    def test_every_operation_is_shown_and_a_value_is_stored(self):
        service, browser, token = self.start()
        librapi.wait_until(
            lambda: len(browser.find(".opblock")) ==
            len(CONTRACT.operations), "a block for each operation")
        self.assertEqual(browser.find("#absent"), [])

        put = "#operations-entries-putEntry "
        browser.click(put + ".opblock-summary-control")
        browser.click(put + ".try-out__btn")
        browser.write(put + "tr[data-param-name=key] input", "web/flag")
        browser.write(put + ".body-param textarea", "on")
        browser.click(put + ".execute")
        status = put + ".live-responses-table tbody .response-col_status"
        self.assertIn("401", browser.text(status))

        browser.click(".auth-wrapper .authorize")
        browser.write(".auth-container input", token)
        browser.click(".auth-btn-wrapper .authorize")
        browser.click(".auth-btn-wrapper .btn-done")
        browser.click(put + ".execute")
        librapi.wait_until(lambda: "201" in browser.text(status), "201")

        stored = service.get("/v1/kv/web/flag",
                             authorization="Bearer " + token)
        self.assertEqual((stored.status, stored.body), (200, b"on"))
        if os.environ.get("SCREENSHOT"):
            browser.screenshot(os.environ["SCREENSHOT"])
        self.assertEqual([c for c in browser.complaints()
                          if "401" not in c], [])


if __name__ == "__main__":
    librapi.main()
