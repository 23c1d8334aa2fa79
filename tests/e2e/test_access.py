#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens, through lighttpd, and every way around them that we know."""

import hashlib
import json
import os
import signal
import subprocess
import time

import librapi


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def write_tokens(path, *lines):
    """Replace the file as a Secret is replaced: at once."""
    with open(path + ".new", "w", encoding="ascii") as f:
        f.writelines(f"{digest(token)} {rest}\n" for token, rest in lines)
    os.rename(path + ".new", path)


def bearer(token):
    return {"Authorization": "Bearer " + token}


class Access(librapi.TestCase):
    def open(self, **settings):
        self.tokens = os.path.join(self.folder(), "tokens")
        write_tokens(self.tokens, ("all", "admin"), ("look", "read"),
                     ("app", "write app/"))
        service = self.service(token_file=self.tokens, **settings)
        for key in ("app/x", "other"):
            put = service.request("PUT", "/v1/kv/" + key, b"secret",
                                  bearer("all"))
            self.assertEqual(put.status, 201, put)
        return service

    def status_soon(self, service, token, status):
        librapi.wait_until(
            lambda: service.request("GET", "/v1/kv/app/x", None,
                                    bearer(token)).status == status,
            f"{status} for {token}", 20)

    def test_who_has_no_token_is_told_so(self):
        service = self.open()
        answer = service.get("/v1/kv/app/x")
        self.assert_problem(answer, 401, "unauthorized")
        self.assertEqual(answer["WWW-Authenticate"],
                         'Bearer realm="librapi"')
        answer = service.request("GET", "/v1/kv/app/x", None, bearer("no"))
        self.assert_problem(answer, 401, "unauthorized")
        self.assertIn('error="invalid_token"', answer["WWW-Authenticate"])
        for target in ("/livez", "/readyz", "/hc"):
            self.assertEqual(service.get(target).status, 200, target)

    def test_no_way_around(self):
        service = self.open()
        targets = [
            "/v1/kv/other", "/v1/kv/%6fther", "/v1/%6bv/other",
            "/livez/../v1/kv/other", "/livez/%2e%2e/v1/kv/other",
            "/v1/kv/%2e%2e/livez", "/v1/kv/../livez", "/v1/kv/livez",
            "//v1/kv/other", "/v1//kv/other", "/v1/kv//other",
            "/v1/kv/app/../other", "/v1/kv/app/%2e%2e/other",
            "/v1/kv/other?", "/v1/kv/other?a=/livez", "/v1/kv/other%00",
            "/v1/kv/./other", "/v1/kv", "/v1/kv?prefix=other", "/v1/export",
            "/v1/watch/../kv/other", "/v1/export/../kv/other",
            "/v1/kv/x/../../export", "/v1/watch?wait=0&since=0",
            "/v1/kv/../watch?wait=0&since=0", "/datas/other", "/datas/%6fther",
            "http://x/v1/kv/other", "http://x/v1/export",
            "http://x/livez/../v1/kv/other", "HTTP://x/v1/kv/other",
        ]
        headers = [
            {}, {"Authorization": ""}, {"Authorization": "Bearer"},
            {"Authorization": "Basic YWxsOmFsbA=="},
            {"Authorization": "Bearer no"}, {"X-Authorization": "Bearer all"},
            {"Proxy-Authorization": "Bearer all"},
            {"X-Original-URL": "/livez"}, {"X-Rewrite-URL": "/livez"},
            {"X-HTTP-Method-Override": "OPTIONS"},
            {"X-Forwarded-For": "127.0.0.1"},
        ]
        methods = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"]
        with_all = [(m, t, headers[0]) for m in methods for t in targets] + \
            [("GET", t, h) for t in targets for h in headers[1:]]
        for method, target, fields in with_all:
            body = None if method in ("GET", "HEAD") else b""
            answer = service.request(method, target, body, fields)
            where = f"{method} {target} {fields}: {answer}"
            self.assertIn(answer.status, (400, 401, 404, 405), where)
            self.assertNotIn(b"secret", answer.body, where)
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            for target in ("/v1/kv/other", "/v1/kv/%2e%2e/app/x",
                           "/v1/kv//app/x", "/v1/kv/app"):
                answer = service.request(method, target, None, bearer("app"))
                self.assert_problem(answer, 403, "forbidden")
        left = service.request("GET", "/v1/kv/other", None, bearer("all"))
        self.assertEqual(left.body, b"secret")

    def test_two_fields_are_no_token(self):
        service = self.open()
        for first, second in (("all", "all"), ("no", "all"), ("all", "no")):
            connection = service.connect()
            connection.send(b"GET /v1/kv/other HTTP/1.1\r\nHost: x\r\n"
                            b"Authorization: Bearer %s\r\n"
                            b"authorization: Bearer %s\r\n\r\n"
                            % (first.encode(), second.encode()))
            status, _ = connection.read_head()
            connection.close()
            self.assertIn(status, (400, 401))

    def test_the_field_has_any_case(self):
        service = self.open()
        for fields in ({"AUTHORIZATION": "BEARER all"},
                       {"aUTHORIZATION": "bearer  all "}):
            answer = service.request("GET", "/v1/kv/other", None, fields)
            self.assertEqual(answer.status, 200, answer)

    def test_options_tell_the_methods_and_nothing_else(self):
        service = self.open()
        for target in ("/v1/kv/other", "/v1/kv/absent"):
            answer = service.request("OPTIONS", target)
            self.assertEqual((answer.status, answer.body), (204, b""))
            self.assertIsNone(answer["ETag"])

    def test_one_sees_ones_own(self):
        service = self.open()
        page = service.request("GET", "/v1/kv", None, bearer("app")).json
        self.assertEqual([k["key"] for k in page["keys"]], ["app/x"])
        export = service.request("GET", "/v1/export", None, bearer("app"))
        self.assertIn(b"app/x", export.body)
        self.assertNotIn(b"other", export.body)
        news = service.request("GET", "/v1/watch?wait=0&since=0", None,
                               bearer("app")).json
        self.assertEqual([e["key"] for e in news["events"]], ["app/x"])
        news = service.request("GET", "/v1/watch?prefix=other&wait=0", None,
                               bearer("app"))
        self.assert_problem(news, 403, "forbidden")
        lines = service.request("GET", "/v1/export", None,
                                bearer("all")).body
        answer = service.request("POST", "/v1/import", lines, {
            **bearer("app"), "Content-Type": "application/jsonl"})
        self.assert_problem(answer, 403, "forbidden")
        answer = service.request("POST", "/v1/import?mode=replace",
                                 export.body, {
                                     **bearer("app"),
                                     "Content-Type": "application/jsonl"})
        self.assertEqual(answer.status, 200, answer)
        left = service.request("GET", "/v1/kv/other", None, bearer("all"))
        self.assertEqual(left.body, b"secret")
        batch = json.dumps({"do": [{"put": "app/y", "value": "1"},
                                   {"delete": "other"}]}).encode()
        answer = service.request("POST", "/v1/txn", batch, bearer("app"))
        self.assert_problem(answer, 403, "forbidden")
        answer = service.request("GET", "/v1/kv/app/y", None, bearer("app"))
        self.assertEqual(answer.status, 404)

    def test_another_file_is_read_and_a_broken_one_is_not(self):
        service = self.open(workers=2)
        write_tokens(self.tokens, ("fresh", "read"))
        self.status_soon(service, "fresh", 200)
        self.status_soon(service, "look", 401)
        write_tokens(self.tokens, ("late", "owner"))
        service.wait_log("event=tokens-kept")
        # Also in who is born now: it has what the others have.
        librapi.kill(service.workers())
        for _ in range(8):
            self.status_soon(service, "fresh", 200)
            self.status_soon(service, "look", 401)
            self.status_soon(service, "late", 401)
        self.assertEqual(service.log().count("event=tokens-kept"), 1)
        write_tokens(self.tokens, ("late", "read"))
        os.kill(service.supervisor(), signal.SIGHUP)
        self.status_soon(service, "late", 200)

    def test_who_has_lost_a_token_is_sent_away(self):
        service = self.open(transfers=3)
        for n in range(256):
            service.request("PUT", f"/v1/kv/app/{n:03}", b"v" * 65536,
                            bearer("all"))
        going, staying, narrowed = [
            self.stand(service, "/v1/export", token)
            for token in ("look", "all", "app")]
        for connection in going, staying, narrowed:
            self.assertEqual(connection.read_head()[0], 200)
        watch = self.stand(service, "/v1/watch", "look")
        self.assertEqual(watch.read_head()[0], 200)
        poll = self.stand(service, "/v1/watch?wait=60", "look", "")
        self.stand(service, "/v1/watch", "all").read_head()
        begun = time.monotonic()
        write_tokens(self.tokens, ("all", "admin"), ("app", "write app/1"))
        with self.assertRaises((ConnectionError, ValueError)):
            while True:
                watch.fill()
        self.assertEqual(poll.receive().status, 503)
        # They take nothing, and are ended all the same.
        librapi.wait_until(
            lambda: service.log().count("event=export-cut-off") == 2,
            "two exports end", 10)
        took = time.monotonic() - begun
        print(f"# watch, poll and exports ended within {took:.1f} s")
        for connection in going, narrowed:
            with self.assertRaises((ConnectionError, ValueError)):
                connection.read_chunks()
        lines = staying.read_chunks().splitlines()
        self.assertEqual(json.loads(lines[-1])["count"], 258)

    def stand(self, service, target, token, accept="text/event-stream, */*"):
        connection = service.connect()
        self.addCleanup(connection.close)
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n"
                        f"Authorization: Bearer {token}\r\n"
                        f"Accept: {accept}\r\n\r\n".encode())
        return connection

    def test_a_start_with_a_broken_file_is_refused(self):
        for lines, told in (([("x", "owner")], "line 1 has no role"),
                            (None, "No such file")):
            path = os.path.join(self.folder(), "tokens")
            if lines:
                write_tokens(path, *lines)
            folder = self.folder()
            done = librapi.run(folder, "serve", "--listen",
                               f"unix:{folder}/l.sock", token_file=path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(told, str(done.stderr))
            self.assertFalse(os.path.exists(folder + "/data"))


class NewToken(librapi.TestCase):
    def run_token(self, *words):
        return subprocess.run([librapi.PROGRAM, "token", *words],
                              capture_output=True, text=True,
                              timeout=librapi.TIMEOUT)

    def test_a_new_token_works_with_its_line(self):
        path = os.path.join(self.folder(), "tokens")
        done = self.run_token("new", "--role", "write", "--prefix=a b/")
        self.assertEqual(done.returncode, 0, done)
        _, token, _, line = done.stdout.splitlines()
        self.assertEqual(line, digest(token) + " write a%20b/")
        self.assertRegex(token, "^[A-Za-z0-9_-]{43}$")
        with open(path, "w", encoding="ascii") as f:
            f.write(line + "\n")
        service = self.service(token_file=path)
        put = service.request("PUT", "/v1/kv/a%20b/c", b"1", bearer(token))
        self.assertEqual(put.status, 201, put)
        put = service.request("PUT", "/v1/kv/a", b"1", bearer(token))
        self.assert_problem(put, 403, "forbidden")

    def test_no_two_are_alike(self):
        made = {self.run_token("new", "--role=read").stdout
                for _ in range(5)}
        self.assertEqual(len(made), 5)

    def test_a_wrong_command_line_is_told(self):
        for words in ([], ["old"], ["new"], ["new", "--role"],
                      ["new", "--role=root"], ["new", "--role=read", "x"],
                      ["new", "--role=read", "--prefix=" + "x" * 1025]):
            done = self.run_token(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("librapi token new --role", done.stderr)


if __name__ == "__main__":
    librapi.main()
