#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key that a URL can carry comes back exactly, and so does its value."""

import os

import librapi
from librapi import quote

BYTE_CLASSES = [
    ("letters", b"k"),
    ("slashes", b"/"),
    ("dots", b"."),
    ("zeros", b"\0"),
    ("0xFF", b"\xff"),
    ("spaces", b" "),
    ("percent signs", b"%"),
    ("plus signs", b"+"),
    ("question marks", b"?"),
    ("UTF-8", "é".encode()),
]

# Targets as sent, and the key that each names.
NAMES = [
    ("a//b", b"a//b"),
    ("a%2Fb", b"a/b"),
    ("a%2fb", b"a/b"),
    ("%00", b"\0"),
    ("%FF", b"\xff"),
    ("..", b".."),
    ("%2e%2e", b".."),
    (".", b"."),
    ("./a", b"./a"),
    ("a/../b", b"a/../b"),
    ("../../livez", b"../../livez"),
    ("%2e%2e/%2e%2e/livez", b"../../livez"),
    ("a/", b"a/"),
    ("/a", b"/a"),
    ("/", b"/"),
    ("//", b"//"),
    ("a%3Fb", b"a?b"),
    ("a%23b", b"a#b"),
    ("a%25b", b"a%b"),
    ("a%2525", b"a%25"),
    ("a+b", b"a+b"),
    ("a%2Bb", b"a+b"),
    ("a%20b", b"a b"),
    ("%0D%0A", b"\r\n"),
    ("~user", b"~user"),
    ("a:b@c;d=e,f&g!h$i'j(k)l*m", b"a:b@c;d=e,f&g!h$i'j(k)l*m"),
    ("%C3%A9", "é".encode()),
    ("\xc3\xa9", "é".encode()),
    ("%41", b"A"),
    ("v1/kv/x", b"v1/kv/x"),
]


def url(key):
    return "/v1/kv/" + quote(key)


def every_byte(key):
    return "/v1/kv/" + "".join("%%%02x" % c for c in key)


class Keys(librapi.SharedService):
    def test_a_target_names_exactly_one_key(self):
        for target, key in NAMES:
            with self.subTest(target=target):
                value = b"value of " + key
                put = self.s.put("/v1/kv/" + target, value)
                self.assertIn(put.status, (201, 204), put)
                for same in ("/v1/kv/" + target, url(key), every_byte(key)):
                    got = self.s.get(same)
                    self.assertEqual(got.status, 200, (same, got))
                    self.assertEqual(got.body, value, same)

    def test_keys_that_look_alike_are_different(self):
        names = [b"x", b"x/", b"/x", b"//x", b"x//", b"./x", b"x/.", b"x/..",
                 b"X", b"x\0", b"x ", b"x%00", b"x?", b"x%2F"]
        for name in names:
            self.assertEqual(self.s.put(url(name), name).status, 201, name)
        for name in names:
            self.assertEqual(self.s.get(url(name)).body, name)
            self.assertEqual(self.s.delete(url(name)).status, 204, name)
            self.assertEqual(self.s.get(url(name)).status, 404, name)

    def test_the_longest_key_of_each_class_of_bytes_is_kept(self):
        for name, piece in BYTE_CLASSES:
            with self.subTest(bytes=name):
                key = piece * (1024 // len(piece))
                self.assertEqual(self.s.put(every_byte(key), b"v").status,
                                 201)
                self.assertEqual(self.s.get(url(key)).body, b"v")

    def test_a_key_of_1025_bytes_is_too_long(self):
        for name, piece in BYTE_CLASSES:
            with self.subTest(bytes=name):
                key = (piece * 1025)[:1025]
                for method in ("GET", "PUT", "DELETE"):
                    answer = self.s.request(method, every_byte(key),
                                            b"" if method == "PUT" else None)
                    self.assert_problem(answer, 414)
                head = self.s.request("HEAD", every_byte(key))
                self.assertEqual(head.status, 414)

    def test_every_single_byte_is_a_key(self):
        connection = self.s.connect()
        for c in range(256):
            key = b"byte" + bytes([c])
            answer = connection.request("PUT", every_byte(key), bytes([c]))
            self.assertEqual(answer.status, 201, key)
        for c in range(256):
            key = b"byte" + bytes([c])
            answer = connection.request("GET", url(key))
            self.assertEqual(answer.body, bytes([c]), key)
        connection.close()

    def test_a_key_that_can_not_be_decoded_is_refused(self):
        for target in ("", "%", "%4", "a%", "%zz", "a%2", "%-1", "%4g"):
            with self.subTest(target=target):
                answer = self.s.get("/v1/kv/" + target)
                self.assert_problem(answer, 400)


class Values(librapi.SharedService):
    def test_values_of_every_size_come_back(self):
        for size in (0, 1, 100, 4095, 8191, 8192, 8193, 65535, 65536, 65537,
                     1 << 20, 8 << 20):
            with self.subTest(size=size):
                value = os.urandom(size)
                target = f"/v1/kv/size{size}"
                self.assertEqual(self.s.put(target, value).status, 201)
                got = self.s.get(target)
                self.assertEqual(got.status, 200)
                self.assertEqual(int(got["Content-Length"]), size)
                self.assertTrue(got.body == value)
                head = self.s.request("HEAD", target)
                self.assertEqual(int(head["Content-Length"]), size)

    def test_a_value_may_hold_every_byte(self):
        value = bytes(range(256)) * 3
        self.s.put("/v1/kv/bytes", value)
        self.assertEqual(self.s.get("/v1/kv/bytes").body, value)

    def test_a_chunked_upload_is_a_value(self):
        connection = self.s.connect()
        connection.send(b"PUT /v1/kv/chunked HTTP/1.1\r\nHost: x\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n"
                        b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        self.assertEqual(connection.receive().status, 201)
        connection.close()
        self.assertEqual(self.s.get("/v1/kv/chunked").body, b"hello world")


class SmallValues(librapi.SharedService):
    settings = {"value_max_bytes": 65536, "txn_max_bytes": 65536}

    def test_a_value_of_the_largest_size_is_kept(self):
        value = b"x" * 65536
        self.assertEqual(self.s.put("/v1/kv/large", value).status, 201)
        self.assertEqual(self.s.get("/v1/kv/large").body, value)

    def test_a_larger_value_is_refused_and_the_old_one_kept(self):
        self.s.put("/v1/kv/old", b"old")
        for size in (65537, 150000, 300000, 1000000):
            with self.subTest(size=size):
                answer = self.s.put("/v1/kv/old", b"x" * size)
                problem = self.assert_problem(answer, 413)
                self.assertEqual(problem["limit"], 65536)
        self.assertEqual(self.s.get("/v1/kv/old").body, b"old")

    def test_what_lighttpd_refuses_is_a_problem_document_too(self):
        answer = self.s.put("/v1/kv/huge", b"x" * (2 << 20))
        self.assert_problem(answer, 413)
        self.assertEqual(self.s.get("/v1/kv/huge").status, 404)


if __name__ == "__main__":
    librapi.main()
