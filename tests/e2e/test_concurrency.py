#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients and many workers on the same few keys."""

import librapi

CLIENTS = 8
INCREMENTS = 40
KEYS = 3


def increment(connection, target):
    """Add 1 by compare-and-set; returns how often another one was faster."""
    lost = 0
    while True:
        got = connection.request("GET", target)
        if got.status == 404:
            put = connection.request("PUT", target, b"1",
                                     {"If-None-Match": "*"})
        else:
            put = connection.request("PUT", target,
                                     b"%d" % (int(got.body) + 1),
                                     {"If-Match": got["ETag"]})
        if put.status in (201, 204):
            return lost
        assert put.status == 412, put
        lost += 1


class Concurrency(librapi.TestCase):
    def test_increments_by_compare_and_set_add_up(self):
        service = self.service(workers=4)
        self.assertEqual(len(service.workers()), 4)
        lost = [0] * CLIENTS

        def client(i):
            connection = service.connect()
            for n in range(INCREMENTS):
                lost[i] += increment(connection,
                                     f"/v1/kv/counter/{(i + n) % KEYS}")
            connection.close()

        librapi.in_parallel(CLIENTS, client)
        total = sum(int(service.get(f"/v1/kv/counter/{k}").body)
                    for k in range(KEYS))
        self.assertEqual(total, CLIENTS * INCREMENTS)
        self.assertGreater(sum(lost), 0, "the clients never met")

    def test_of_many_creators_one_wins(self):
        service = self.service(workers=4)
        won = []

        def client(i):
            connection = service.connect()
            for n in range(25):
                answer = connection.request("PUT", f"/v1/kv/race/{n}",
                                            b"%d" % i, {"If-None-Match": "*"})
                if answer.status == 201:
                    won.append((n, i))
                else:
                    assert answer.status == 412, answer
            connection.close()

        librapi.in_parallel(CLIENTS, client)
        self.assertEqual(sorted(n for n, _ in won), list(range(25)))
        for n, i in won:
            self.assertEqual(service.get(f"/v1/kv/race/{n}").body, b"%d" % i)

    def test_revisions_have_no_gap_and_no_repeat(self):
        service = self.service(workers=4)
        revisions = []

        def client(i):
            connection = service.connect()
            for n in range(40):
                answer = connection.request("PUT", f"/v1/kv/r/{i}/{n}", b"x")
                revisions.append(answer.revision)
            connection.close()

        librapi.in_parallel(CLIENTS, client)
        self.assertEqual(sorted(revisions),
                         list(range(1, CLIENTS * 40 + 1)))


if __name__ == "__main__":
    librapi.main()
