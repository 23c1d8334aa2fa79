#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
What holds for each route of openapi.json alike: the methods, Allow, and what
is refused, with its code.
"""

import re

import librapi
from contract import CONTRACT
from test_contract import REQUESTS, with_query

METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "PROPFIND",
           "LOCK")
# Answered in one of these only; all others are as they are.
TYPES = {"/v1/kv": {"application/json", "application/jsonl", "text/plain"},
         "/v1/watch": {"application/json", "text/event-stream"},
         "/v1/export": {"application/jsonl", "application/x-ndjson"}}
# Takes any type, and a form only as what curl says of anything.
ANY_TYPE = {"putEntry", "importEntries"}


class Routes(librapi.SharedService):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s.put("/v1/kv/a", b'{"b":1}', content_type="application/json")

    def requests(self):
        """Of each operation: its id and status codes, and a request."""
        for operation in CONTRACT.operations.values():
            method, target, body, fields = REQUESTS[operation["id"]]
            yield (operation["id"], set(operation["responses"]), method,
                   target.replace("{}", "a"), body, fields)

    def test_another_method_is_405_and_allow_is_what_is_documented(self):
        for path, methods in CONTRACT.paths.items():
            target = path.replace("{key}", "a")
            allowed = {method.upper() for method in methods} | {"OPTIONS"}
            if "GET" in allowed:
                allowed.add("HEAD")
            answer = self.s.request("OPTIONS", target)
            self.assertEqual(answer.status, 204, target)
            self.assertEqual(set(re.split(", *", answer["Allow"])), allowed,
                             target)
            self.assertEqual(answer["Accept-Patch"],
                             "application/merge-patch+json"
                             if "PATCH" in allowed else None)
            for method in METHODS:
                if method in allowed:
                    continue
                with self.subTest(method=method, target=target):
                    answer = self.s.request(method, target, b"")
                    self.assertEqual(answer.status, 405)
                    if method != "HEAD":
                        self.assert_problem(answer, 405, "method-not-allowed")
                    self.assertEqual(set(re.split(", *", answer["Allow"])),
                                     allowed)

    def test_an_unknown_parameter_is_400_and_named(self):
        for name, _, method, target, body, fields in self.requests():
            if method == "HEAD":
                continue
            for wrong, named in (("tll=60", "tll"), ("x", "x"),
                                 ("Limit=1&TTL=1", "Limit")):
                with self.subTest(name=name, wrong=wrong):
                    answer = self.s.request(
                        method, with_query(target, wrong), body, fields)
                    problem = self.assert_problem(answer, 400,
                                                  "invalid-request")
                    self.assertEqual(problem["errors"][0]["parameter"],
                                     named)
        self.assertEqual(self.s.get("/v1/kv/a").json, {"b": 1})

    def test_a_parameter_that_comes_twice_is_400(self):
        for operation in CONTRACT.operations.values():
            method, target, body, fields = REQUESTS[operation["id"]]
            for parameter in operation["parameters"]:
                if parameter["in"] != "query" or method == "HEAD":
                    continue
                name = parameter["name"]
                twice = f"{target.split('?')[0]}?{name}=1&{name}=1"
                with self.subTest(method=method, target=twice):
                    self.assert_problem(
                        self.s.request(method, twice.replace("{}", "a"),
                                       body, fields),
                        400, "invalid-request")

    def test_what_accept_does_not_allow_is_406(self):
        for name, statuses, method, target, body, fields in self.requests():
            types = TYPES.get(target.split("?")[0], ())
            if method not in ("GET", "HEAD"):
                continue
            with self.subTest(name=name):
                self.assertEqual("406" in statuses, bool(types))
                if not types:
                    continue
                for accept in ("image/png", "text/html;q=1, image/*", ",".join(
                        type_ + ";q=0" for type_ in types)):
                    answer = self.s.request(method, target, body,
                                            {**fields, "Accept": accept})
                    self.assertEqual(answer.status, 406, accept)
                    if method == "GET":
                        self.assert_problem(answer, 406, "not-acceptable")
                for type_ in types - {"text/event-stream"}:
                    answer = self.s.request(method, target, body,
                                            {**fields, "Accept": type_})
                    self.assertEqual(answer.status, 200, type_)
                    self.assertEqual(
                        answer["Content-Type"].split(";")[0], type_)

    def test_a_body_of_another_type_or_compressed_is_415(self):
        for name, statuses, method, target, body, fields in self.requests():
            if method not in ("PUT", "POST", "PATCH"):
                continue
            with self.subTest(name=name):
                self.assertIn("415", statuses)
                answer = self.s.request(method, target, body, {
                    **fields, "Content-Encoding": "gzip"})
                self.assert_problem(answer, 415, "media-type")
                self.assertEqual(answer["Accept-Encoding"], "identity")
                if name in ANY_TYPE:
                    continue
                answer = self.s.request(method, target, body, {
                    **fields, "Content-Type": "text/html"})
                self.assert_problem(answer, 415, "media-type")
                if method == "PATCH":
                    self.assertEqual(answer["Accept-Patch"],
                                     "application/merge-patch+json")
        answer = self.s.request(
            "POST", "/v1/import", b"",
            {"Content-Type": "multipart/form-data; boundary=x"})
        self.assert_problem(answer, 415, "media-type")
        self.assertEqual(self.s.get("/v1/kv/a").json, {"b": 1})

    def test_every_answer_has_an_id_and_says_what_caches_may_do(self):
        for name, _, method, target, body, fields in self.requests():
            if method == "DELETE":
                continue
            with self.subTest(name=name):
                answer = self.s.request(method, target, body, fields)
                self.assertTrue(answer["X-Request-Id"])
                value = name in ("getEntry", "headEntry")
                self.assertEqual(answer["Cache-Control"],
                                 "no-cache" if value else "no-store")
                content = answer.body or method == "HEAD"
                self.assertEqual(answer["X-Content-Type-Options"],
                                 "nosniff" if content else None)
                self.assertEqual(answer["Content-Security-Policy"],
                                 "default-src 'none'; sandbox" if content
                                 else None)


if __name__ == "__main__":
    librapi.main()
