#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions, times to live, types, methods and ranges, through lighttpd."""

import os
import re
import time
from email.utils import parsedate_to_datetime

import librapi

UUID = re.compile("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class Conditions(librapi.SharedService):
    def test_a_put_answers_the_revision_that_a_get_shows(self):
        put = self.s.put("/v1/kv/rev", b"1")
        self.assertEqual(put.status, 201)
        self.assertEqual(put["Location"], "/v1/kv/rev")
        self.assertRegex(put["ETag"], '^"[0-9]+"$')
        self.assertEqual(self.s.get("/v1/kv/rev")["ETag"], put["ETag"])
        again = self.s.put("/v1/kv/rev", b"2")
        self.assertEqual(again.status, 204)
        self.assertGreater(again.revision, put.revision)

    def test_only_the_right_revision_can_be_replaced(self):
        tag = self.s.put("/v1/kv/cas", b"1")["ETag"]
        stale = self.s.put("/v1/kv/cas", b"x", if_match='"1000000000"')
        self.assert_problem(stale, 412, "condition-failed")
        self.assertEqual(stale["ETag"], tag)
        self.assertEqual(
            self.s.put("/v1/kv/cas", b"2", if_match=tag).status, 204)
        self.assert_problem(self.s.put("/v1/kv/cas", b"3", if_match=tag),
                            412, "condition-failed")
        self.assertEqual(self.s.get("/v1/kv/cas").body, b"2")

    def test_a_list_a_weak_tag_and_a_gzip_tag_match(self):
        for form in ('"{0}"', 'W/"{0}"', '"{0}-gzip"', '"7", "{0}"',
                     '"7" ,\tW/"{0}"', "*"):
            with self.subTest(form=form):
                revision = self.s.put("/v1/kv/forms", b"x").revision
                answer = self.s.put("/v1/kv/forms", b"y",
                                    if_match=form.format(revision))
                self.assertEqual(answer.status, 204, answer)

    def test_create_only_creates_once(self):
        first = self.s.put("/v1/kv/once", b"1", if_none_match="*")
        self.assertEqual(first.status, 201)
        second = self.s.put("/v1/kv/once", b"2", if_none_match="*")
        self.assert_problem(second, 412, "condition-failed")
        self.assertEqual(self.s.get("/v1/kv/once").body, b"1")

    def test_if_match_star_wants_the_key_to_be_there(self):
        self.assert_problem(
            self.s.put("/v1/kv/absent", b"1", if_match="*"),
            412, "condition-failed")
        self.assertEqual(self.s.get("/v1/kv/absent").status, 404)

    def test_a_delete_can_have_a_condition(self):
        tag = self.s.put("/v1/kv/del", b"1")["ETag"]
        self.assert_problem(
            self.s.delete("/v1/kv/del", if_match='"1000000000"'),
            412, "condition-failed")
        self.assertEqual(self.s.delete("/v1/kv/del", if_match=tag).status,
                         204)
        self.assert_problem(self.s.delete("/v1/kv/del"), 404)

    def test_an_unchanged_value_is_not_sent_again(self):
        tag = self.s.put("/v1/kv/same", b"body")["ETag"]
        for form in (tag, "W/" + tag, "*", '"1", ' + tag):
            got = self.s.get("/v1/kv/same", if_none_match=form)
            self.assertEqual((got.status, got.body), (304, b""), form)
            self.assertEqual(got["ETag"], tag)
        changed = self.s.get("/v1/kv/same", if_none_match='"1000000000"')
        self.assertEqual(changed.body, b"body")

    def test_a_malformed_condition_changes_nothing(self):
        self.s.put("/v1/kv/bad", b"1")
        for form in ("7", '"7', '"7" "8"', "**", "W/7"):
            with self.subTest(form=form):
                self.assert_problem(
                    self.s.put("/v1/kv/bad", b"2", if_match=form), 400)
        self.assertEqual(self.s.get("/v1/kv/bad").body, b"1")


class RequiredConditions(librapi.SharedService):
    settings = {"require_conditions": "true"}

    def test_a_write_without_a_condition_is_428(self):
        self.assert_problem(self.s.put("/v1/kv/a", b"1"),
                            428, "condition-required")
        made = self.s.put("/v1/kv/a", b"1", if_none_match="*")
        self.assertEqual(made.status, 201)
        self.assert_problem(self.s.delete("/v1/kv/a"),
                            428, "condition-required")
        self.assertEqual(
            self.s.delete("/v1/kv/a", if_match=made["ETag"]).status, 204)

    def txn(self, do, *ifs):
        body = librapi.to_json({"if": ifs, "do": do})
        return self.s.request("POST", "/v1/txn", body)

    def test_a_transaction_has_one_for_each_key_it_puts_or_deletes(self):
        put, delete = {"put": "t/p", "value": ""}, {"delete": "t/d"}
        for ifs in ((), ({"key": "t/p", "rev": 0},),
                    ({"key": "t/other", "rev": 0},)):
            problem = self.assert_problem(
                self.txn([{"get": "t/p"}, put, delete], *ifs),
                428, "condition-required")
            self.assertEqual(
                [error["pointer"] for error in problem["errors"]],
                ["#/do/2"] if ifs and ifs[0]["key"] == "t/p"
                else ["#/do/1", "#/do/2"])
        self.assertEqual(self.s.get("/v1/kv/t/p").status, 404)
        self.assertEqual(self.txn([delete, put], {"key": "t/p", "rev": 0},
                                  {"key64": "dC9k", "rev": 0}).status, 200)
        # What builds on what is there needs none.
        self.assertEqual(self.txn([{"add": "t/n"}, {"get": "t/p"},
                                   {"touch": "t/p", "ttl": 60}]).status, 200)

    def test_what_can_have_none_is_refused(self):
        self.s.put("/v1/kv/w/a", b"1", if_none_match="*")
        self.assert_problem(self.s.delete("/v1/kv?prefix=w/"), 428,
                            "condition-required")
        self.assert_problem(self.s.request("POST", "/v1/import", b""), 428,
                            "condition-required")
        self.assert_problem(self.s.delete("/v1/kv"), 400)
        self.assertEqual(self.s.get("/v1/kv/w/a").body, b"1")


class Expiry(librapi.SharedService):
    def test_a_value_with_a_time_to_live_expires(self):
        self.assertEqual(self.s.put("/v1/kv/brief?ttl=1", b"x").status, 201)
        got = self.s.get("/v1/kv/brief")
        self.assertEqual(got.status, 200)
        self.assertTrue(got["Librapi-Expires"])
        time.sleep(1.1)
        self.assertEqual(self.s.get("/v1/kv/brief").status, 404)
        made = self.s.put("/v1/kv/brief", b"y", if_none_match="*")
        self.assertEqual(made.status, 201)

    def test_a_put_without_ttl_never_expires(self):
        self.s.put("/v1/kv/kept?ttl=1", b"x")
        self.s.put("/v1/kv/kept", b"y")
        time.sleep(1.1)
        got = self.s.get("/v1/kv/kept")
        self.assertEqual(got.body, b"y")
        self.assertIsNone(got["Librapi-Expires"])

    def test_a_bad_ttl_or_parameter_stores_nothing(self):
        for query in ("ttl=0", "ttl=-1", "ttl=", "ttl=x", "ttl=1.5", "ttl=+1",
                      "ttl=315360001", "ttl=99999999999999999999", "tll=60",
                      "ttl=1&ttl=2", "ttl"):
            with self.subTest(query=query):
                self.assert_problem(
                    self.s.put("/v1/kv/none?" + query, b"x"), 400)
        self.assertEqual(self.s.get("/v1/kv/none").status, 404)

    def test_the_longest_ttl_is_taken(self):
        answer = self.s.put("/v1/kv/long?ttl=315360000", b"x")
        self.assertEqual(answer.status, 201)


class Representation(librapi.SharedService):
    def test_the_content_type_comes_back_as_it_was(self):
        for type_ in ("text/plain", "application/json; charset=utf-8",
                      "image/png", 'x/y; z="a b"'):
            self.s.put("/v1/kv/type", b"x", content_type=type_)
            got = self.s.get("/v1/kv/type")
            self.assertEqual(got["Content-Type"], type_)

    def test_no_type_or_the_default_of_curl_is_a_stream_of_bytes(self):
        self.s.put("/v1/kv/untyped", b"x")
        got = self.s.get("/v1/kv/untyped")
        self.assertEqual(got["Content-Type"], "application/octet-stream")
        self.s.put("/v1/kv/untyped", b"x",
                   content_type="application/x-www-form-urlencoded")
        got = self.s.get("/v1/kv/untyped")
        self.assertEqual(got["Content-Type"], "application/octet-stream")

    def test_an_encoded_body_is_refused(self):
        self.assert_problem(
            self.s.put("/v1/kv/zip", b"x", content_encoding="gzip"), 415)
        self.assertEqual(
            self.s.put("/v1/kv/zip", b"x",
                       content_encoding="identity").status, 201)

    def test_a_value_is_never_a_page_of_ours(self):
        self.s.put("/v1/kv/page", b"<script>", content_type="text/html")
        got = self.s.get("/v1/kv/page")
        self.assertEqual(got["X-Content-Type-Options"], "nosniff")
        self.assertEqual(got["Content-Security-Policy"],
                         "default-src 'none'; sandbox")
        self.assertEqual(got["Cache-Control"], "no-cache")

    def test_last_modified_is_the_time_of_the_write(self):
        before = int(time.time())
        self.s.put("/v1/kv/when", b"x")
        stamp = parsedate_to_datetime(
            self.s.get("/v1/kv/when")["Last-Modified"]).timestamp()
        self.assertTrue(before <= stamp <= time.time(), stamp)

    def test_head_is_get_without_the_body(self):
        self.s.put("/v1/kv/head", b"12345", content_type="text/plain")
        connection = self.s.connect()
        head = connection.request("HEAD", "/v1/kv/head")
        got = connection.request("GET", "/v1/kv/head")
        connection.close()
        self.assertEqual((head.status, head.body), (200, b""))
        for name in ("content-length", "content-type", "etag",
                     "last-modified", "cache-control"):
            self.assertEqual(head[name], got[name], name)
        self.assertEqual(self.s.request("HEAD", "/v1/kv/no").status, 404)

    def test_a_range_is_cut_out_of_a_large_value(self):
        """Of what lighttpd has in a file."""
        value = os.urandom(3 << 20)
        self.s.put("/v1/kv/range", value)
        for first, last in ((0, 0), (5, 104), (len(value) // 2, 1700000),
                            (len(value) - 100, len(value) - 1)):
            got = self.s.get("/v1/kv/range", range=f"bytes={first}-{last}")
            self.assertEqual(got.status, 206)
            self.assertEqual(got.body, value[first:last + 1])

    def test_a_range_is_cut_out(self):
        tag = self.s.put("/v1/kv/range", b"0123456789")["ETag"]
        for wanted, body in (("bytes=0-0", b"0"), ("bytes=2-4", b"234"),
                             ("bytes=7-", b"789"), ("bytes=-2", b"89")):
            got = self.s.get("/v1/kv/range", range=wanted)
            self.assertEqual((got.status, got.body), (206, body), wanted)
            self.assertTrue(got["Content-Range"].endswith("/10"))
        self.assert_problem(self.s.get("/v1/kv/range", range="bytes=10-"),
                            416)
        same = self.s.get("/v1/kv/range", range="bytes=1-1", if_range=tag)
        self.assertEqual((same.status, same.body), (206, b"1"))
        changed = self.s.get("/v1/kv/range", range="bytes=1-1",
                             if_range='"7"')
        self.assertEqual((changed.status, changed.body),
                         (200, b"0123456789"))


class Methods(librapi.SharedService):
    def test_options_tells_what_is_allowed(self):
        answer = self.s.request("OPTIONS", "/v1/kv/a")
        self.assertEqual(answer.status, 204)
        allowed = set(re.split(", *", answer["Allow"]))
        self.assertLessEqual({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"},
                             allowed)

    def test_another_method_is_405_and_says_what_is_allowed(self):
        for method, target in (("POST", "/v1/kv/a"), ("PROPFIND", "/v1/kv/a"),
                               ("DELETE", "/v1"), ("PUT", "/livez"),
                               ("DELETE", "/datas")):
            with self.subTest(method=method, target=target):
                answer = self.s.request(method, target,
                                        b"" if method != "DELETE" else None)
                self.assert_problem(answer, 405)
                self.assertIn("OPTIONS", answer["Allow"])

    def test_an_unknown_path_is_404(self):
        for target in ("/", "/v2", "/v1/", "/v1/k", "/v1/kvx", "/livez/",
                       "/index.html"):
            self.assert_problem(self.s.get(target), 404, "no-such-route")

    def test_an_absent_key_is_404(self):
        self.assert_problem(self.s.get("/v1/kv/nobody"), 404,
                            "key-not-found")

    def test_the_service_describes_itself(self):
        answer = self.s.get("/v1")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(answer.json["name"], "librapi")
        before = answer.json["revision"]
        made = self.s.put("/v1/kv/more", b"x").revision
        self.assertEqual(made, before + 1)
        self.assertEqual(self.s.get("/v1").json["revision"], made)

    def test_it_is_alive_and_ready(self):
        self.assertEqual(self.s.get("/livez").status, 200)
        self.assertEqual(self.s.get("/readyz").status, 200)


class RequestIds(librapi.SharedService):
    settings = {"log_level": "debug"}

    def test_a_request_has_an_id(self):
        self.assertRegex(self.s.get("/livez")["X-Request-Id"], UUID)

    def test_the_id_of_the_client_is_kept_and_logged(self):
        answer = self.s.get("/v1/kv/nobody", x_request_id="abc-123:x/y")
        self.assertEqual(answer["X-Request-Id"], "abc-123:x/y")
        self.assertIn("abc-123:x/y", answer.json["instance"])
        self.s.wait_log("abc-123:x/y")

    def test_an_id_that_could_forge_a_log_line_is_replaced(self):
        for bad in ('a" level=error', "a b", "x" * 129, "é", "a\tb"):
            answer = self.s.get("/livez", x_request_id=bad)
            self.assertRegex(answer["X-Request-Id"], UUID, bad)

    def test_the_trace_id_is_logged(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        self.s.get("/v1/kv/traced",
                   traceparent=f"00-{trace}-b7ad6b7169203331-01")
        self.s.wait_log(trace)


if __name__ == "__main__":
    librapi.main()
