#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first librapi's API: /datas, /hc, and other origins' scripts."""

import json

import librapi


class Datas(librapi.SharedService):
    def send(self, method, target, document, **headers):
        fields = {"Content-Type": "application/json", **headers}
        return self.s.request(method, target, json.dumps(document).encode(),
                              fields)

    def test_a_pair_is_made_read_changed_and_deleted(self):
        made = self.send("POST", "/datas", {"key": "k1", "value": "v1"})
        self.assertEqual(made.status, 201, made)
        got = self.s.get("/datas/k1")
        self.assertEqual((got.status, got.json),
                         (200, {"key": "k1", "value": "v1"}))
        self.assertEqual(
            self.send("PUT", "/datas/k1", {"value": "v2"}).status, 200)
        self.assertEqual(self.s.get("/datas/k1").json["value"], "v2")
        self.assertEqual(self.s.delete("/datas/k1").status, 204)
        self.assert_problem(self.s.get("/datas/k1"), 404, "key-not-found")

    def test_both_apis_see_the_same_keys(self):
        self.send("POST", "/datas", {"key": "a/b é", "value": "wörld"})
        got = self.s.get("/v1/kv/a/b%20%C3%A9")
        self.assertEqual(got.body, "wörld".encode())
        self.s.put("/v1/kv/from-v1", b"plain")
        self.assertEqual(self.s.get("/datas/from-v1").json["value"], "plain")

    def test_a_value_that_is_no_text_is_409_with_its_url(self):
        self.s.put("/v1/kv/binary", b"\xff\x00")
        problem = self.assert_problem(self.s.get("/datas/binary"), 409,
                                      "not-text")
        self.assertIn("/v1/kv/binary", json.dumps(problem))

    def test_every_member_that_is_wrong_is_named(self):
        answer = self.send("POST", "/datas", {"key": 1})
        problem = self.assert_problem(answer, 400)
        self.assertIn("error", problem)
        pointers = {e["pointer"] for e in problem["errors"]}
        self.assertEqual(pointers, {"#/key", "#/value"})

    def test_what_is_no_json_is_400(self):
        for body in (b"", b"{", b"[]", b"null", b'{"key":"a","value":"b"}x',
                     b'{"key":"\xff","value":"b"}'):
            with self.subTest(body=body):
                answer = self.s.request("POST", "/datas", body)
                self.assert_problem(answer, 400)

    def test_health_is_200(self):
        self.assertEqual(self.s.get("/hc").status, 200)

    def test_scripts_of_other_origins_may_use_it(self):
        preflight = self.s.request("OPTIONS", "/datas", headers={
            "Origin": "http://example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type"})
        self.assertEqual(preflight.status, 204)
        self.assertEqual(preflight["Access-Control-Allow-Origin"], "*")
        self.assertIn("POST", preflight["Access-Control-Allow-Methods"])
        self.assertIn("content-type",
                      preflight["Access-Control-Allow-Headers"].lower())
        got = self.s.get("/datas/nobody", origin="http://example.org")
        self.assertEqual(got["Access-Control-Allow-Origin"], "*")


if __name__ == "__main__":
    librapi.main()
