#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings of what lies in the journal and in several tables."""

import base64
import random
import re
import threading

import librapi

SMALL = {
    "value_max_bytes": 16384,
    "journal_segment_bytes": 65536,
    "journal_max_bytes": 1048576,
    "table_max_keys": 256,
    "checkpoint_idle_ms": 60000,
    "workers": 3,
}
KEYS = 3000
STAMP = r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"


def bytes_of(entry, name):
    if name in entry:
        return entry[name].encode()
    return base64.b64decode(entry[name + "64"])


def make_keys():
    """Random ones: flat, in folders, and bytes that are no text."""
    generator = random.Random(7)
    keys = set()
    while len(keys) < KEYS:
        n = generator.randrange(KEYS * 10)
        keys.add(generator.choice((
            b"flat-%05d" % n,
            b"dir/%02d/%05d" % (n % 6, n),
            b"dir/%02d/%d/%05d" % (n % 6, n % 3, n),
            b"\xff/%05d" % n,
            b"\xc3\xa9%c%d" % (n & 255, n))))
    return sorted(keys)


def entries_of(keys, prefix, delimiter):
    """What a listing in one page would have, by other means."""
    found = set()
    for key in keys:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        found.add(key if at < 0 else key[:at + len(delimiter)])
    return sorted(found)


class Listing(librapi.TestCase):
    def tables(self, service):
        with open(service.path("data", "MANIFEST"), encoding="ascii") as f:
            return sum(line.startswith("table ") for line in f)

    def filled(self):
        """A service with KEYS keys: most in tables, some in the journal."""
        service = self.service(**SMALL)
        keys = make_keys()
        order = keys[:]
        random.Random(8).shuffle(order)
        recent, old = order[:200], order[200:]
        self.put(service, old)
        librapi.wait_until(lambda: self.tables(service) > 5,
                           "several tables; log: " + service.log())
        self.put(service, recent)
        return service, keys

    def put(self, service, keys):
        connection = service.connect()
        for key in keys:
            answer = connection.request(
                "PUT", "/v1/kv/" + librapi.quote(key), b"value of " + key,
                {"Content-Type": "text/plain"})
            self.assertEqual(answer.status, 201, answer)
        connection.close()

    def pages(self, connection, query, accept="application/json"):
        """All pages, by their Link."""
        target = "/v1/kv" + query
        while target:
            answer = connection.request("GET", target,
                                        headers={"Accept": accept})
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer["Cache-Control"], "no-store")
            yield answer
            link = re.fullmatch('<(.*)>; rel="next"', answer["Link"] or "")
            target = link and link[1]
            if target:
                self.assertTrue(answer.body, "an empty page with a next one")

    def names(self, page):
        names = [bytes_of(entry, "key") for entry in page["keys"]]
        names += [prefix.encode() for prefix in page["prefixes"]]
        names += [base64.b64decode(prefix)
                  for prefix in page.get("prefixes64", [])]
        return sorted(names)

    def test_every_listing_has_each_entry_once(self):
        service, keys = self.filled()
        connection = service.connect()
        for prefix in (b"", b"flat-", b"dir/", b"dir/03/", b"\xff", b"none"):
            for delimiter in (b"", b"/", b"0", b"/1/"):
                wanted = entries_of(keys, prefix, delimiter)
                for limit in (13, 100, 1000):
                    query = f"?prefix={librapi.quote(prefix)}&limit={limit}"
                    if delimiter:
                        query += "&delimiter=" + librapi.quote(delimiter)
                    got = []
                    for answer in self.pages(connection, query):
                        page = answer.json
                        names = self.names(page)
                        self.assertLessEqual(len(names), limit)
                        if answer["Link"]:
                            self.assertEqual(bytes_of(page, "next"),
                                             names[-1])
                        got += names
                    self.assertEqual(got, wanted, query)
                count = connection.request(
                    "GET",
                    "/v1/kv" + query.replace("limit=1000", "limit=0"))
                self.assertEqual(count.json["count"], len(wanted))
        connection.close()

    def test_forms_and_values_are_those_of_the_keys(self):
        service, keys = self.filled()
        connection = service.connect()
        text = b"".join(answer.body for answer in
                        self.pages(connection, "", "text/plain"))
        got = [re.sub(rb"%(..)", lambda m: bytes([int(m[1], 16)]), line)
               for line in text.splitlines()]
        self.assertEqual(got, keys)
        for answer in self.pages(connection, "?values=1&limit=500"):
            for entry in answer.json["keys"]:
                key = bytes_of(entry, "key")
                value = b"value of " + key
                self.assertEqual(bytes_of(entry, "value"), value)
                self.assertEqual(entry["size"], len(value))
                self.assertEqual(entry["type"], "text/plain")
                self.assertRegex(entry["modified"], STAMP)
                self.assertIsNone(entry["expires"])
        some = answer.json["keys"][-1]
        one = connection.request(
            "GET", "/v1/kv/" + librapi.quote(bytes_of(some, "key")))
        self.assertEqual(one.revision, some["rev"])
        connection.close()

    def test_a_page_is_of_one_revision_while_others_write(self):
        """Two keys with folders between them, written in turns."""
        service, keys = self.filled()
        wanted = entries_of(keys + [b"dir/!", b"dir/~"], b"dir/", b"/")
        pair = ("dir/!", "dir/~")
        for key in pair:
            service.put("/v1/kv/" + key, b"0")
        stop = threading.Event()

        def write():
            connection = service.connect()
            n = 0
            while not stop.is_set():
                n += 1
                for key in pair:
                    connection.request("PUT", "/v1/kv/" + key, b"%d" % n)
            connection.close()

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        self.addCleanup(stop.set)
        connection = service.connect()
        seen = set()
        for _ in range(200):
            page = connection.request(
                "GET", "/v1/kv?prefix=dir/&delimiter=/&values=1").json
            self.assertEqual(self.names(page), wanted)
            first, last = page["keys"]
            self.assertEqual((first["key"], last["key"]), pair)
            self.assertIn(int(first["value"]) - int(last["value"]), (0, 1))
            self.assertEqual(page["rev"], max(first["rev"], last["rev"]))
            seen.add(page["rev"])
        stop.set()
        writer.join(librapi.TIMEOUT)
        connection.close()
        self.assertGreater(len(seen), 2, "nothing was written meanwhile")


class Answers(librapi.SharedService):
    settings = {"value_max_bytes": 4 << 20}

    def test_head_is_get_without_the_body(self):
        self.s.put("/v1/kv/head/1", b"x")
        self.s.put("/v1/kv/head/2", b"x")
        target = "/v1/kv?prefix=head/&limit=1"
        connection = self.s.connect()
        head = connection.request("HEAD", target)
        got = connection.request("GET", target)
        connection.close()
        self.assertEqual((head.status, head.body), (200, b""))
        for name in ("content-length", "content-type", "link"):
            self.assertEqual(head[name], got[name], name)
        self.assertIsNone(got["ETag"])

    def test_the_longest_parameters_come_back_in_the_link(self):
        key = b"\xff" * 1023
        for last in (b"\xfd", b"\xfe"):
            self.s.put("/v1/kv/" + librapi.quote(key + last), b"x")
        answer = self.s.get("/v1/kv?limit=1&prefix=" + librapi.quote(key))
        self.assertEqual(answer.status, 200, answer)
        link = answer["Link"].removeprefix("<").split(">")[0]
        last = self.s.get(link)
        self.assertEqual(len(last.json["keys"]), 1)
        self.assertIsNone(last["Link"])

    def test_pages_end_at_a_mebibyte(self):
        for n in range(6):
            self.s.put(f"/v1/kv/big/{n}", b"x" * 400000)
        self.s.put("/v1/kv/big/9", b"\xff" * (3 << 20))
        sizes, target = [], "/v1/kv?prefix=big/&values=1"
        while target:
            answer = self.s.get(target)
            self.assertEqual(answer.status, 200)
            sizes.append(len(answer.json["keys"]))
            if sizes[-1] > 1:
                self.assertLessEqual(len(answer.body), 1 << 20)
            link = answer["Link"]
            target = link and link[1:link.index(">")]
        self.assertEqual(sizes, [2, 2, 2, 1])

    def test_what_is_wrong_is_told(self):
        for query, parameter in (("lmit=1", "lmit"), ("limit=1001", "limit"),
                                 ("limit=1&limit=1", "limit"),
                                 ("values=yes", "values"),
                                 ("delimiter=", "delimiter"),
                                 ("prefix=%", "prefix"),
                                 ("after=%2", "after")):
            problem = self.assert_problem(self.s.get("/v1/kv?" + query), 400,
                                          "invalid-request")
            self.assertEqual(problem["errors"][0]["parameter"], parameter)
        problem = self.assert_problem(
            self.s.get("/v1/kv", accept="image/png"), 406, "not-acceptable")
        self.assertEqual(problem["errors"][0]["header"], "Accept")

    def test_methods(self):
        answer = self.s.request("OPTIONS", "/v1/kv")
        self.assertEqual((answer.status, answer["Allow"]),
                         (204, "GET, HEAD, DELETE, OPTIONS"))
        answer = self.s.request("PUT", "/v1/kv", b"x")
        self.assert_problem(answer, 405, "method-not-allowed")
        self.assertEqual(answer["Allow"], "GET, HEAD, DELETE, OPTIONS")
        self.assert_problem(self.s.get("/v1/kv/"), 400, "invalid-key")

    def test_what_has_expired_is_not_listed(self):
        self.s.put("/v1/kv/brief/1?ttl=1", b"x")
        self.s.put("/v1/kv/brief/2?ttl=600", b"x")
        librapi.wait_until(
            lambda: self.s.get("/v1/kv?prefix=brief/&limit=0")
            .json["count"] == 1, "one has expired")
        entry, = self.s.get("/v1/kv?prefix=brief/").json["keys"]
        self.assertEqual(entry["key"], "brief/2")
        self.assertRegex(entry["expires"], STAMP)


class Deleting(librapi.TestCase):
    def test_a_prefix_goes_in_one_revision(self):
        service = self.service()
        for i in range(50):
            service.put(f"/v1/kv/gone/{i}", b"x")
        rev = service.put("/v1/kv/kept", b"x").revision
        answer = service.delete("/v1/kv?prefix=gone%2F")
        self.assertEqual((answer.status, answer.json),
                         (200, {"deleted": 50, "rev": rev + 1}))
        service.kill()
        service.start()
        got = service.get("/v1/kv").json
        self.assertEqual([k["key"] for k in got["keys"]], ["kept"])
        self.assertEqual(got["rev"], rev + 1)

    def test_it_takes_a_prefix(self):
        service = self.service()
        service.put("/v1/kv/a", b"x")
        for target in ("/v1/kv", "/v1/kv?prefix="):
            self.assert_problem(service.delete(target), 400,
                                "invalid-request")
        self.assertEqual(service.get("/v1/kv/a").status, 200)


if __name__ == "__main__":
    librapi.main()
