#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON merge patches through lighttpd."""

import json
import time

import librapi

MERGE = {"Content-Type": "application/merge-patch+json"}
CLIENTS = 8
PATCHES = 30


def patch(connection, target, change, **headers):
    return connection.request("PATCH", target, json.dumps(change).encode(),
                              {**MERGE, **headers})


class Patch(librapi.SharedService):
    def test_a_patch_is_merged_into_the_value(self):
        self.s.put("/v1/kv/doc", b'{"a":1,"b":{"c":2}}')
        answer = patch(self.s, "/v1/kv/doc", {"a": None, "b": {"d": 3}})
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, b'{"b":{"c":2,"d":3}}')
        got = self.s.get("/v1/kv/doc")
        self.assertEqual((got.body, got["ETag"], got["Content-Type"]),
                         (answer.body, answer["ETag"], "application/json"))

    def test_conditions_hold_or_nothing_happens(self):
        put = self.s.put("/v1/kv/cas", b"{}")
        first = patch(self.s, "/v1/kv/cas", {"n": 1},
                      **{"If-Match": put["ETag"]})
        self.assertEqual(first.status, 200)
        second = patch(self.s, "/v1/kv/cas", {"n": 2},
                       **{"If-Match": put["ETag"]})
        self.assert_problem(second, 412, "condition-failed")
        self.assertEqual(second["ETag"], first["ETag"])
        self.assertEqual(self.s.get("/v1/kv/cas").json, {"n": 1})

    def test_what_can_not_be_patched_is_refused(self):
        self.s.put("/v1/kv/text", b"hello")
        self.assert_problem(patch(self.s, "/v1/kv/text", {}), 409, "not-json")
        self.assert_problem(patch(self.s, "/v1/kv/nothing", {}), 404,
                            "key-not-found")
        answer = self.s.request("PATCH", "/v1/kv/text", b"{}",
                                {"Content-Type": "application/json"})
        self.assert_problem(answer, 415, "media-type")
        self.assertEqual(answer["Accept-Patch"],
                         "application/merge-patch+json")
        answer = self.s.request("PATCH", "/v1/kv/text", b"{", MERGE)
        self.assert_problem(answer, 400, "invalid-request")
        self.assertEqual(self.s.get("/v1/kv/text").body, b"hello")

    def test_the_time_to_live_is_kept_unless_one_is_given(self):
        self.s.put("/v1/kv/t?ttl=1", b"{}")
        self.assertEqual(patch(self.s, "/v1/kv/t", {"a": 1}).status, 200)
        self.s.put("/v1/kv/u?ttl=1", b"{}")
        self.assertEqual(patch(self.s, "/v1/kv/u?ttl=0", {}).status, 200)
        time.sleep(1.1)
        self.assertEqual(self.s.get("/v1/kv/t").status, 404)
        self.assertEqual(self.s.get("/v1/kv/u").status, 200)
        self.assert_problem(patch(self.s, "/v1/kv/t", {}), 404)

    def test_options_names_the_format(self):
        answer = self.s.request("OPTIONS", "/v1/kv/doc")
        self.assertIn("PATCH", answer["Allow"])
        self.assertEqual(answer["Accept-Patch"],
                         "application/merge-patch+json")


class Together(librapi.TestCase):
    def test_of_patches_at_one_time_none_is_lost(self):
        service = self.service(workers=4)
        service.put("/v1/kv/doc", b"{}")
        revisions = []

        def client(i):
            connection = service.connect()
            for n in range(PATCHES):
                answer = patch(connection, "/v1/kv/doc", {f"c{i}.{n}": n})
                assert answer.status == 200, answer
                assert f"c{i}.{n}" in answer.json, answer
                revisions.append(answer.revision)
            connection.close()

        librapi.in_parallel(CLIENTS, client)
        self.assertEqual(service.get("/v1/kv/doc").json,
                         {f"c{i}.{n}": n for i in range(CLIENTS)
                          for n in range(PATCHES)})
        self.assertEqual(len(set(revisions)), CLIENTS * PATCHES)


if __name__ == "__main__":
    librapi.main()
