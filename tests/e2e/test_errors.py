#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lighttpd answers by itself, and what malformed requests get."""

import resource

import librapi


class Lighttpd(librapi.SharedService):
    def raw(self, request):
        connection = self.s.connect()
        connection.send(request)
        try:
            return connection.receive()
        finally:
            connection.close()

    def test_a_malformed_request_line_is_400(self):
        for line in (b"GET\r\n\r\n", b"GET /livez\x01 HTTP/1.1\r\n\r\n",
                     b"GET /livez NONSENSE/1.1\r\nHost: x\r\n\r\n",
                     b"GET /livez HTTP/1.1\r\n\r\n"):
            with self.subTest(line=line):
                self.assert_problem(self.raw(line), 400)

    def test_a_malformed_length_is_400(self):
        for length in (b"-1", b"x", b"1 2", b"0x10",
                       b"99999999999999999999999"):
            with self.subTest(length=length):
                answer = self.raw(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\n"
                                  b"Content-Length: " + length +
                                  b"\r\n\r\nx")
                self.assertIn(answer.status, (400, 413), answer)
                self.assert_problem(answer, answer.status)

    def test_a_raw_nul_does_not_name_another_key(self):
        self.s.put("/v1/kv/nul", b"before")
        answer = self.raw(b"PUT /v1/kv/nul\0b HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: 5\r\n\r\nafter")
        self.assert_problem(answer, 400)
        self.assertEqual(self.s.get("/v1/kv/nul").body, b"before")

    def test_a_head_that_is_too_large_is_431(self):
        answer = self.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " +
                          b"x" * 70000 + b"\r\n\r\n")
        self.assert_problem(answer, 431)

    def test_a_target_that_is_too_long_is_refused(self):
        answer = self.s.get("/v1/kv/" + "a" * 8000)
        self.assert_problem(answer, 414)

    def test_pipelined_requests_are_answered_in_order(self):
        connection = self.s.connect()
        requests = b""
        for i in range(20):
            requests += (b"PUT /v1/kv/pipe HTTP/1.1\r\nHost: x\r\n"
                         b"Content-Length: 2\r\n\r\n%02d" % i)
            requests += b"GET /v1/kv/pipe HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.send(requests)
        for i in range(20):
            self.assertIn(connection.receive().status, (201, 204))
            self.assertEqual(connection.receive().body, b"%02d" % i)
        connection.close()

    def test_a_client_that_goes_away_in_its_body_changes_nothing(self):
        connection = self.s.connect()
        connection.send(b"PUT /v1/kv/half HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: 100\r\n\r\nonly this")
        connection.close()
        self.assertEqual(self.s.get("/v1/kv/half").status, 404)


class NoMemory(librapi.TestCase):
    def test_without_memory_it_is_overloaded(self):
        if librapi.is_sanitized():
            self.skipTest("the sanitizers can't live with a limit")
        service = self.service(workers=1)
        worker, = service.workers()
        limit = 4 << 20
        resource.prlimit(worker, resource.RLIMIT_DATA, (limit, limit))
        self.assert_problem(service.put("/v1/kv/large", bytes(7 << 20)), 503,
                            "overloaded")
        self.assertEqual(service.put("/v1/kv/small", b"x").status, 201)
        self.assertEqual(service.workers(), [worker])


class NoWorkers(librapi.TestCase):
    def test_without_a_backend_the_answer_is_503(self):
        service = self.service("connect", start=False)
        service.start_lighttpd()
        librapi.wait_until(lambda: self.answers(service), "lighttpd is up")
        self.assert_problem(service.get("/v1/kv/a"), 503)

    def answers(self, service):
        try:
            return service.get("/livez").status
        except OSError:
            return None


if __name__ == "__main__":
    librapi.main()
