#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Requests that contradict themselves, that have no end, or that no standard
knows: nothing is stored that was not wholly and clearly sent, and each answer
goes to the request that it is for.
"""

import random
import socket

import abuse
import librapi
from abuse import MIB, TORTURE, Reader, answers, connect, head, put_request


class Misspoken(abuse.Case):
    """
    Requests that contradict themselves, or that no standard knows.  What they
    leave is looked at in the end: lighttpd keeps those that it has refused
    open for some seconds.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.before()

    @classmethod
    def tearDownClass(cls):
        cls.after()

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def answers_to(self, raw):
        """Send it and no more; all answers, whose statuses are returned."""
        s = connect(self.s)
        try:
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        found = answers(s)
        s.close()
        for answer in found:
            if answer.status >= 400:
                self.assert_problem(answer, answer.status)
        return [answer.status for answer in found]

    def test_a_body_larger_than_said_is_not_stored_in_part(self):
        target = "/v1/kv/larger"
        self.assertEqual(
            self.answers_to(put_request(target, b"hello")
                            + b"and more\r\n\r\n"), [201, 400])
        self.assertEqual(self.s.get(target).body, b"hello")

    def test_a_body_smaller_than_said_is_not_stored(self):
        target = "/v1/kv/smaller"
        for size in (0, 1, 99, 100000, MIB):
            raw = head("PUT", target, f"Content-Length: {size + 1}")
            self.assertNotIn(201, self.answers_to(raw + b"x" * size))
        self.assertEqual(self.s.get(target).status, 404)

    def test_a_length_that_makes_no_sense_is_refused(self):
        target = "/v1/kv/length"
        for fields, statuses in (
                (["Content-Length: -1"], (400,)),
                (["Content-Length: +5"], (400,)),
                (["Content-Length: 0x5"], (400,)),
                (["Content-Length: 5 5"], (400,)),
                (["Content-Length: 5, 6"], (400,)),
                (["Content-Length: five"], (400,)),
                (["Content-Length: 5", "Content-Length: 6"], (400,)),
                (["Content-Length: 9223372036854775807"], (400, 413)),
                (["Content-Length: 18446744073709551616"], (400, 413)),
                (["Content-Length: 99999999999"], (413,)),
                (["Content-Length: 5", "Transfer-Encoding: chunked"], (400,)),
                (["Transfer-Encoding: gzip"], (400, 501)),
                (["Transfer-Encoding: chunked, chunked"], (400, 501)),
                (["Transfer-Encoding: xchunked"], (400, 501))):
            with self.subTest(fields=fields):
                found = self.answers_to(
                    head("PUT", target, *fields, "Connection: close")
                    + b"hello")
                self.assertEqual(len(found), 1)
                self.assertIn(found[0], statuses)
        self.assertEqual(self.s.get(target).status, 404)

    def test_chunks_that_make_no_sense_store_nothing(self):
        target = "/v1/kv/chunks"
        for body in (b"hello", b"5\r\nhello", b"5\r\nhello\r\n",
                     b"5\r\nhelloX\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
                     b"g\r\nhello\r\n0\r\n\r\n", b"\r\n5\r\nhello\r\n0\r\n\r\n",
                     b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
                     b"fffffffffffffffff1\r\nhello\r\n0\r\n\r\n",
                     b"7fffffffffffffff\r\nhello\r\n0\r\n\r\n",
                     b"5" + b";x" * 20000 + b"\r\nhello\r\n0\r\n\r\n",
                     random.randbytes(3000)):
            with self.subTest(body=body[:40]):
                found = self.answers_to(
                    head("PUT", target, "Transfer-Encoding: chunked") + body)
                self.assertFalse([s for s in found if s < 400], found)
        self.assertEqual(self.s.get(target).status, 404)

    def test_chunks_that_make_sense_are_the_value(self):
        target = "/v1/kv/chunked"
        found = self.answers_to(
            head("PUT", target, "Transfer-Encoding: chunked")
            + b"5;name=value\r\nhello\r\n0006\r\n world\r\n0\r\nA: b\r\n\r\n")
        self.assertEqual(found, [201])
        self.assertEqual(self.s.get(target).body, b"hello world")

    def test_a_head_that_is_too_much_is_refused(self):
        for name, raw in (
                ("a huge field", head("GET", "/livez", "A: " + "x" * 20000)),
                ("a huge name", head("GET", "/livez", "x" * 20000 + ": A")),
                ("many fields", head("GET", "/livez",
                                     *(f"A{i}: b" for i in range(2000)))),
                ("an endless line", b"GET /" + b"x" * 200000),
                ("an endless field", b"GET / HTTP/1.1\r\nA: "
                 + b"x" * 200000)):
            with self.subTest(name=name):
                self.assertEqual(self.answers_to(raw), [431])

    def test_a_head_that_is_just_small_enough_is_taken(self):
        fields = [f"A{i}: b" for i in range(1000)]
        self.assertEqual(self.answers_to(head("GET", "/livez", *fields)),
                         [200])

    def test_what_is_not_http_is_refused(self):
        for raw in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50,
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 400,
                    b"\x01\x01\x00\x01\x00\x08\x00\x00" * 50, b"\0" * 1000,
                    b"\r\n" * 2000, b"GET\r\n\r\n", random.randbytes(5000)):
            with self.subTest(raw=raw[:20]):
                self.assertFalse([s for s in self.answers_to(raw) if s < 400])
                self.assertLess(self.quickly(), 5)

    def test_pipelined_requests_are_answered_in_order_and_never_mixed(self):
        def client(c):
            s = connect(self.s)
            count = 100 * TORTURE
            s.sendall(b"".join(
                put_request(f"/v1/kv/pipe/{c}/{n}", b"%d of %d" % (n, c))
                + head("GET", f"/v1/kv/pipe/{c}/{n}")
                for n in range(count)))
            reader = Reader(s)
            for n in range(count):
                self.assertEqual(reader.receive().status, 201)
                got = reader.receive()
                self.assertEqual((got.status, got.body),
                                 (200, b"%d of %d" % (n, c)))
            s.close()

        librapi.in_parallel(8, client)


if __name__ == "__main__":
    librapi.main()
