#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The contract test.  Runs after all other end-to-end tests: with the errors
that every operation can have added here, nothing that openapi.json promises
may have stayed without an answer that showed it.
"""


import contract
import librapi
from contract import CONTRACT

JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
LINES = {"Content-Type": "application/jsonl"}
LONG = "k" * 1025
TOKEN = "Bearer "

# A request for each operation: method, target, body, header fields.  {} is
# a key.
REQUESTS = {
    "getEntry": ("GET", "/v1/kv/{}", None, {}),
    "headEntry": ("HEAD", "/v1/kv/{}", None, {}),
    "putEntry": ("PUT", "/v1/kv/{}", b"x", {}),
    "patchEntry": ("PATCH", "/v1/kv/{}", b"{}", MERGE),
    "deleteEntry": ("DELETE", "/v1/kv/{}", None, {}),
    "listEntries": ("GET", "/v1/kv", None, {}),
    "headEntries": ("HEAD", "/v1/kv", None, {}),
    "deleteEntries": ("DELETE", "/v1/kv?prefix=none/", None, {}),
    "transact": ("POST", "/v1/txn", b'{"do":[{"get":"a"}]}', JSON),
    "watch": ("GET", "/v1/watch?wait=0", None, {}),
    "exportEntries": ("GET", "/v1/export", None, {}),
    "importEntries": ("POST", "/v1/import?mode=merge", b"", LINES),
    "about": ("GET", "/v1", None, {}),
    "live": ("GET", "/livez", None, {}),
    "ready": ("GET", "/readyz", None, {}),
    "metrics": ("GET", "/metrics", None, {}),
    "openapi": ("GET", "/openapi.json", None, {}),
    "swagger": ("GET", "/swagger.json", None, {}),
    "postData": ("POST", "/datas", b'{"key":"a","value":"b"}', JSON),
    "getData": ("GET", "/datas/{}", None, {}),
    "putData": ("PUT", "/datas/{}", b'{"value":"b"}', JSON),
    "deleteData": ("DELETE", "/datas/{}", None, {}),
    "healthCheck": ("GET", "/hc", None, {}),
}


# What a problem's code is, where an operation has one for the status only.
CODES = {
    400: "invalid-request", 401: "unauthorized", 403: "forbidden",
    404: "key-not-found", 406: "not-acceptable", 412: "condition-failed",
    413: "value-too-large", 414: "key-too-long", 415: "media-type",
    428: "condition-required",
}


def with_query(target, parameter):
    return target + ("&" if "?" in target else "?") + parameter


class Contract(librapi.TestCase):
    def having(self, status):
        """Requests for the operations that may answer so."""
        return [(name, *REQUESTS[name]) for operation
                in CONTRACT.operations.values()
                if status in operation["responses"]
                for name in [operation["id"]]]

    def send(self, service, method, target, body, fields, key="a"):
        return service.request(method, target.replace("{}", key), body,
                               fields)

    def expect(self, answer, status, name):
        self.assertEqual(answer.status, status, name)
        if not name.startswith("head"):
            self.assert_problem(answer, status, CODES[status])

    def test_every_operation_has_its_request(self):
        self.assertEqual(set(REQUESTS), {
            operation["id"] for operation in CONTRACT.operations.values()})

    def test_errors_that_many_operations_can_have(self):
        service = self.service(value_max_bytes=1000)
        for name, method, target, body, fields in self.having("400"):
            answer = self.send(service, method, with_query(target, "tll=1"),
                               body, fields)
            self.expect(answer, 400, name)
        for name, method, target, body, fields in self.having("404"):
            answer = self.send(service, method, target, body, fields,
                               "absent")
            self.expect(answer, 404, name)
        for name, method, target, body, fields in self.having("414"):
            answer = self.send(service, method, target, body, fields, LONG)
            self.expect(answer, 414, name)
        for name, method, target, body, fields in self.having("415"):
            answer = self.send(service, method, target, body,
                               {**fields, "Content-Encoding": "gzip"})
            self.expect(answer, 415, name)
        for name, method, target, body, fields in self.having("406"):
            answer = self.send(service, method, target, body,
                               {**fields, "Accept": "image/png"})
            self.expect(answer, 406, name)

    def test_values_that_are_too_large(self):
        service = self.service(value_max_bytes=1000)
        service.put("/v1/kv/a", b"{}")
        large = b"x" * 2000
        for name, body in (("putEntry", large),
                           ("patchEntry", b'{"a":"%s"}' % large),
                           ("postData", b'{"key":"a","value":"%s"}' % large),
                           ("putData", b'{"value":"%s"}' % large)):
            method, target, _, fields = REQUESTS[name]
            answer = self.send(service, method, target, body, fields)
            self.expect(answer, 413, name)
            self.assertEqual(answer.json["limit"], 1000)

    def test_more_keys_than_one_commit_can_delete(self):
        service = self.service(value_max_bytes=16384,
                               journal_segment_bytes=65536,
                               journal_max_bytes=1048576)
        for i in range(400):
            service.put(f"/v1/kv/many/{i:0300d}", b"")
        answer = service.delete("/v1/kv?prefix=many/")
        self.assert_problem(answer, 413, "batch-too-large")

    def test_what_is_asked_for_less_often(self):
        service = self.service()
        service.put("/v1/kv/a?ttl=60", b"text")
        self.assertTrue(service.request("HEAD", "/v1/kv/a")
                        ["Librapi-Expires"])
        date = {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
        self.assertEqual(service.request("GET", "/v1/kv/a",
                                         headers=date).status, 412)
        answer = service.request("PUT", "/datas/a", b'{"value":"b"}',
                                 {**JSON, "If-None-Match": "*"})
        self.assertEqual(answer.status, 412)
        self.assertEqual(service.get("/v1/kv", accept="application/jsonl")
                         ["Content-Type"], "application/jsonl")

    def test_conditions_that_are_false(self):
        service = self.service()
        service.put("/v1/kv/a", b"{}", content_type="application/json")
        for name, method, target, body, fields in self.having("412"):
            if name == "transact":
                body = b'{"if":[{"key":"a","rev":999}],"do":[{"get":"a"}]}'
            else:
                fields = {**fields, "If-Match": '"999"'}
            answer = self.send(service, method, target, body, fields)
            self.expect(answer, 412, name)
        answer = self.send(service, *REQUESTS["postData"][:3],
                           {**JSON, "If-None-Match": "*"})
        self.assertEqual(answer.status, 412)

    def test_writes_without_a_condition(self):
        service = self.service(require_conditions="true")
        service.put("/v1/kv/a", b"{}", if_none_match="*")
        for name, method, target, body, fields in self.having("428"):
            if name == "transact":
                body = b'{"do":[{"delete":"a"}]}'
            answer = self.send(service, method, target, body, fields)
            self.expect(answer, 428, name)

    def test_values_that_are_not_changed_need_not_be_sent(self):
        service = self.service()
        service.put("/v1/kv/a", b"text")
        for name, method, target, body, fields in self.having("304"):
            answer = self.send(service, method, target, body,
                               {**fields, "If-None-Match": '"1"'})
            self.assertEqual(answer.status, 304, name)

    def test_tokens_are_asked_for_and_looked_at(self):
        done = librapi.run(self.folder(), "token", "new", "--role", "read",
                           "--prefix", "mine/")
        self.assertEqual(done.returncode, 0, done)
        token, line = [line for line
                       in done.stdout.decode().splitlines()
                       if not line.startswith("#")]
        folder = self.folder()
        path = folder + "/tokens"
        with open(path, "w", encoding="ascii") as f:
            f.write(line + "\n")
        service = self.service(token_file=path)
        for name, method, target, body, fields in self.having("401"):
            answer = self.send(service, method, target, body, fields)
            self.expect(answer, 401, name)
        for name, method, target, body, fields in self.having("403"):
            answer = self.send(service, method, with_query(
                target, "prefix=other/") if name in
                ("listEntries", "headEntries", "watch", "exportEntries")
                else target, body,
                {**fields, "Authorization": TOKEN + token})
            self.expect(answer, 403, name)


class WasEverythingSeen(librapi.TestCase):
    """By any test, those above included: classes run in their names' order."""

    maxDiff = None

    def exercised(self):
        return contract.notes() | {tuple(what) for what
                                   in CONTRACT.exercised}

    def test_every_status_was_seen(self):
        exercised = self.exercised()
        missing = [(operation["id"], status)
                   for operation in CONTRACT.operations.values()
                   for status in operation["responses"] if status != "5XX"
                   if (operation["id"], status, "status", "")
                   not in exercised]
        self.assertEqual(missing, [])
        self.assertTrue(any(what[1] == "5XX" for what in exercised))

    def test_every_parameter_was_sent(self):
        exercised = self.exercised()
        missing = [(operation["id"], parameter["name"])
                   for operation in CONTRACT.operations.values()
                   for parameter in operation["parameters"]
                   if (operation["id"], "", "parameter",
                       parameter["in"] + " " + parameter["name"])
                   not in exercised]
        self.assertEqual(missing, [])

    def test_every_header_field_was_seen(self):
        exercised = self.exercised()
        missing = [(operation["id"], status, name)
                   for operation in CONTRACT.operations.values()
                   for status, response in operation["responses"].items()
                   for name in response["headers"] if status != "5XX"
                   if (operation["id"], status, "header", name)
                   not in exercised]
        self.assertEqual(missing, [])

    def test_every_media_type_was_seen(self):
        exercised = self.exercised()
        missing = [(operation["id"], status, media)
                   for operation in CONTRACT.operations.values()
                   if not operation["id"].startswith("head")
                   for status, response in operation["responses"].items()
                   for media in response["content"] if status != "5XX"
                   and media != "text/event-stream"  # test_watch.py reads it
                   if (operation["id"], status, "content", media)
                   not in exercised]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    librapi.main()
