#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Pages of other origins: a preflight and an answer for each operation of
openapi.json, as browsers ask for them, by each form of the setting.
"""

import os

import librapi
from contract import CONTRACT
from test_access import bearer, write_tokens
from test_contract import REQUESTS

ORIGIN = "https://app.example"
OTHER = "https://evil.example"
LIST = "http://localhost:3000," + ORIGIN
# What a page wants to read beyond what browsers show anyway.
EXPOSED = {"ETag", "Link", "Location", "Librapi-Expires", "Allow",
           "Accept-Patch", "Retry-After", "WWW-Authenticate", "X-Request-Id"}


def names(field):
    return {name.strip() for name in (field or "").split(",")}


def cors_fields(answer):
    return {name for name in answer.fields if name.startswith("access-")}


class Cors(librapi.TestCase):
    def operations(self):
        """Of each: method, a target, body, header fields."""
        for operation in CONTRACT.operations.values():
            method, target, body, fields = REQUESTS[operation["id"]]
            yield method, target.replace("{}", "a"), body, fields

    def preflight(self, service, method, target, origin,
                  asked="authorization,content-type,if-match"):
        return service.request("OPTIONS", target, None, {
            "Origin": origin, "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": asked})

    def assert_granted(self, answer, method, origin):
        self.assertEqual((answer.status, answer.body), (204, b""), answer)
        self.assertEqual(answer["Access-Control-Allow-Origin"], origin)
        self.assertIn(method, names(answer["Access-Control-Allow-Methods"]))
        self.assertEqual(answer["Access-Control-Allow-Methods"],
                         answer["Allow"])
        # "*" would not stand for Authorization (fetch 3.3.5).
        self.assertEqual(names(answer["Access-Control-Allow-Headers"]),
                         {"authorization", "content-type", "if-match"})
        self.assertGreater(int(answer["Access-Control-Max-Age"]), 0)
        self.assertIsNone(answer["Access-Control-Allow-Credentials"])

    def assert_readable(self, answer, origin):
        self.assertEqual(answer["Access-Control-Allow-Origin"], origin,
                         answer)
        self.assertLessEqual(
            EXPOSED, names(answer["Access-Control-Expose-Headers"]))

    def test_any_origin_may_ask_and_read_by_default(self):
        service = self.service()
        service.put("/v1/kv/a", b"{}")
        for method, target, body, fields in self.operations():
            with self.subTest(method=method, target=target):
                self.assert_granted(
                    self.preflight(service, method, target, ORIGIN),
                    method, "*")
                answer = service.request(method, target, body,
                                         {**fields, "Origin": ORIGIN})
                self.assert_readable(answer, "*")
                self.assertIsNone(answer["Vary"])

    def test_only_what_may_be_stored_is_told_of_pages_before_one_asks(self):
        service = self.service()
        service.put("/v1/kv/a", b"{}")
        self.assert_readable(service.get("/v1/kv/a"), "*")
        for method, target, body, fields in self.operations():
            with self.subTest(method=method, target=target):
                answer = service.request(method, target, body, fields)
                if "no-store" in answer["Cache-Control"]:
                    self.assertEqual(cors_fields(answer), set())
                else:
                    self.assert_readable(answer, "*")

    def test_of_a_list_each_is_told_of_itself_and_others_of_nothing(self):
        service = self.service(cors_origin=LIST)
        service.put("/v1/kv/a", b"{}")
        for method, target, body, fields in self.operations():
            with self.subTest(method=method, target=target):
                for origin in LIST.split(","):
                    answer = self.preflight(service, method, target, origin)
                    self.assert_granted(answer, method, origin)
                    self.assertEqual(answer["Vary"], "Origin")
                    answer = service.request(method, target, body,
                                             {**fields, "Origin": origin})
                    self.assert_readable(answer, origin)
                    self.assertEqual(answer["Vary"], "Origin")
                for origin in (OTHER, ORIGIN + ":443", "null", LIST):
                    answer = self.preflight(service, method, target, origin)
                    self.assertEqual(answer.status, 204)
                    self.assertEqual(cors_fields(answer), set())
                    self.assertEqual(answer["Vary"], "Origin")
                answer = service.request(method, target, body, fields)
                self.assertEqual(cors_fields(answer), set())
                self.assertEqual(answer["Vary"], "Origin")

    def test_without_origins_nothing_is_told(self):
        service = self.service(cors_origin="")
        service.put("/v1/kv/a", b"{}")
        for method, target, body, fields in self.operations():
            with self.subTest(method=method, target=target):
                for answer in (
                        self.preflight(service, method, target, ORIGIN),
                        service.request(method, target, body,
                                        {**fields, "Origin": ORIGIN})):
                    self.assertEqual(cors_fields(answer), set())
                    self.assertIsNone(answer["Vary"])

    def test_a_page_learns_that_it_needs_a_token(self):
        path = os.path.join(self.folder(), "tokens")
        write_tokens(path, ("t", "read"))
        service = self.service(token_file=path, cors_origin=ORIGIN)
        # A browser sends no token with the preflight.
        self.assert_granted(
            self.preflight(service, "GET", "/v1/kv", ORIGIN), "GET", ORIGIN)
        answer = service.get("/v1/kv", origin=ORIGIN)
        self.assert_problem(answer, 401, "unauthorized")
        self.assert_readable(answer, ORIGIN)
        answer = service.request("GET", "/v1/kv", None,
                                 {"Origin": ORIGIN, **bearer("t")})
        self.assertEqual(answer.status, 200)
        self.assert_readable(answer, ORIGIN)

    def test_a_setting_that_no_browser_would_match_stops_the_start(self):
        for value in (ORIGIN + "/", "app.example", "*," + ORIGIN):
            done = librapi.run(self.folder(), "--check-config",
                               cors_origin=value)
            self.assertEqual(done.returncode, 2, value)
            self.assertIn(b"cors-origin", done.stderr)


if __name__ == "__main__":
    librapi.main()
