#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions through lighttpd, alone and against one another."""

import base64
import json
import random

import librapi

CLIENTS = 8
ADDS = 40
ACCOUNTS = 10
TRANSFERS = 60
BALANCE = 100


def txn(connection, do, **members):
    body = json.dumps({"do": do, **members}).encode()
    return connection.request("POST", "/v1/txn", body,
                              {"Content-Type": "application/json"})


class Transactions(librapi.SharedService):
    def test_everything_happens_in_one_revision(self):
        self.s.put("/v1/kv/a/old", b"1")
        answer = txn(self.s, [{"put": "a/x", "value": "é"},
                              {"put": "a/j", "json": {"n": [1, 2]}},
                              {"add": "a/n", "by": 5},
                              {"delete": "a/old"}, {"delete": "a/none"},
                              {"get": "a/x"}, {"get": "a/old"}])
        self.assertEqual(answer.status, 200)
        rev = answer.json["rev"]
        self.assertEqual(answer.json["results"], [
            {"rev": rev}, {"rev": rev}, {"value": "5", "rev": rev},
            {"rev": rev}, None,
            {"value": "é", "type": "text/plain; charset=utf-8", "rev": rev},
            None])
        for key in ("x", "j", "n"):
            self.assertEqual(self.s.get(f"/v1/kv/a/{key}").revision, rev)
        self.assertEqual(self.s.get("/v1/kv/a/j").json, {"n": [1, 2]})
        self.assertEqual(self.s.get("/v1/kv/a/old").status, 404)

    def test_any_bytes_go_in_and_out(self):
        key, value = bytes(range(256)), bytes(range(255, -1, -1)) * 3
        key64 = base64.b64encode(key).decode()
        value64 = base64.b64encode(value).decode()
        put = txn(self.s, [{"put64": key64, "value64": value64}])
        self.assertEqual(put.status, 200)
        self.assertEqual(
            self.s.get("/v1/kv/" + librapi.quote(key)).body, value)
        got = txn(self.s, [{"get64": key64}]).json["results"][0]
        self.assertEqual(base64.b64decode(got["value64"]), value)

    def test_a_false_condition_leaves_all_as_it_was(self):
        rev = self.s.put("/v1/kv/c/a", b"1").revision
        answer = txn(self.s, [{"put": "c/a", "value": "2"}],
                     **{"if": [{"key": "c/a", "rev": rev + 1},
                               {"key": "c/a", "rev": rev},
                               {"key": "c/b", "rev": "*"}]})
        problem = self.assert_problem(answer, 412, "condition-failed")
        self.assertEqual(problem["failed"], [{"key": "c/a", "rev": rev},
                                             {"key": "c/b", "rev": 0}])
        self.assertEqual([e["pointer"] for e in problem["errors"]],
                         ["#/if/0", "#/if/2"])
        self.assertEqual(self.s.get("/v1/kv/c/a").body, b"1")

    def test_a_failed_operation_undoes_those_before_it(self):
        self.s.put("/v1/kv/f/text", b"many")
        answer = txn(self.s, [{"put": "f/new", "value": ""},
                              {"add": "f/text"}])
        problem = self.assert_problem(answer, 409, "not-a-number")
        self.assertEqual(problem["errors"][0]["pointer"], "#/do/1/add")
        self.assertEqual(self.s.get("/v1/kv/f/new").status, 404)

    def test_what_is_malformed_is_named(self):
        answer = txn(self.s, [{"put": "m", "value": 1}, {"got": "m"}])
        problem = self.assert_problem(answer, 400, "invalid-request")
        self.assertEqual([e["pointer"] for e in problem["errors"]],
                         ["#/do/0/value", "#/do/1/got"])

    def test_the_limits_are_told(self):
        limits = self.s.get("/v1").json["limits"]
        self.assertEqual((limits["txn_ops"], limits["txn_bytes"]),
                         (1024, 8 << 20))
        self.assertEqual(
            txn(self.s, [{"add": f"l/{i}"} for i in range(1024)]).status, 200)
        answer = txn(self.s, [{"add": f"l/{i}"} for i in range(1025)])
        problem = self.assert_problem(answer, 413, "batch-too-large")
        self.assertEqual(problem["limit"], 1024)
        value = "x" * (1 << 20)
        most = [{"put": f"L{i}", "value": value} for i in range(9)]
        self.assertEqual(txn(self.s, most[:7]).status, 200)
        problem = self.assert_problem(txn(self.s, most), 413,
                                      "batch-too-large")
        self.assertEqual(problem["limit"], 8 << 20)

    def test_escapes_take_no_room_of_a_value(self):
        """Of JSON it is the value that is limited, not how it is written."""
        limit = self.s.get("/v1").json["limits"]["txn_bytes"]
        value = "д" * (limit // 2)
        body = json.dumps({"do": [{"put": "escaped", "value": value}]})
        self.assertGreater(len(body), 3 * limit)
        answer = self.s.request("POST", "/v1/txn", body.encode(),
                                {"Content-Type": "application/json"})
        problem = self.assert_problem(answer, 413, "batch-too-large")
        self.assertEqual(problem["limit"], limit)
        value = value[:-100]        # the limit is for keys too
        body = json.dumps({"do": [{"put": "escaped", "value": value}]})
        answer = self.s.request("POST", "/v1/txn", body.encode(),
                                {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.s.get("/v1/kv/escaped").body, value.encode())

    def test_a_transaction_is_there_after_a_restart(self):
        service = self.service()
        rev = txn(service, [{"put": f"k{i}", "value": f"{i}"}
                            for i in range(100)]).json["rev"]
        service.kill()
        service.start()
        got = txn(service, [{"get": f"k{i}"} for i in range(100)]).json
        self.assertEqual([(r["value"], r["rev"]) for r in got["results"]],
                         [(f"{i}", rev) for i in range(100)])

    def test_small_values_leave_room_for_large_transactions(self):
        service = self.service(value_max_bytes=65536)
        do = [{"put": f"k{i}", "value": "x" * 65536} for i in range(100)]
        self.assertEqual(txn(service, do).status, 200)


class Together(librapi.TestCase):
    def test_of_adds_at_one_time_none_is_lost(self):
        service = self.service(workers=4)
        seen = []

        def client(_):
            connection = service.connect()
            for _ in range(ADDS):
                result = txn(connection, [{"add": "hits"}]).json["results"]
                seen.append(int(result[0]["value"]))
            connection.close()

        librapi.in_parallel(CLIENTS, client)
        self.assertEqual(sorted(seen), list(range(1, CLIENTS * ADDS + 1)))

    def test_transfers_keep_the_sum_that_readers_see(self):
        service = self.service(workers=4)
        accounts = [f"account/{i}" for i in range(ACCOUNTS)]
        txn(service, [{"put": a, "value": str(BALANCE)} for a in accounts])
        sums, running = [], [CLIENTS]

        def transfer(i):
            connection, dice = service.connect(), random.Random(i)
            for _ in range(TRANSFERS):
                giver, taker = dice.sample(accounts, 2)
                by = dice.randint(1, 9)
                answer = txn(connection, [{"add": giver, "by": -by},
                                          {"add": taker, "by": by}])
                assert answer.status == 200, answer
            running[0] -= 1
            connection.close()

        def watch():
            connection, last = service.connect(), 0
            while running[0] > 0 or not sums:
                answer = txn(connection, [{"get": a} for a in accounts])
                assert answer.status == 200, answer
                got = answer.json
                assert got["rev"] >= last, "a revision went back"
                last = got["rev"]
                assert max(r["rev"] for r in got["results"]) <= last
                sums.append(sum(int(r["value"]) for r in got["results"]))
            connection.close()

        librapi.in_parallel(CLIENTS + 2, lambda i: transfer(i)
                            if i < CLIENTS else watch())
        self.assertGreater(len(sums), 10)
        self.assertEqual(set(sums), {ACCOUNTS * BALANCE})
        final = txn(service, [{"get": a} for a in accounts]).json
        self.assertEqual(final["rev"], 1 + CLIENTS * TRANSFERS)

    def test_compare_and_set_over_two_keys_has_one_winner_a_round(self):
        service = self.service(workers=4)
        txn(service, [{"put": "p", "value": "0"}, {"put": "q", "value": "0"}])
        won = []

        def client(i):
            connection = service.connect()
            for _ in range(20):
                p, q = txn(connection, [{"get": "p"},
                                        {"get": "q"}]).json["results"]
                assert p["value"] == q["value"], (p, q)
                value = str(int(p["value"]) + 1)
                answer = txn(connection, [{"put": "p", "value": value},
                                          {"put": "q", "value": value}],
                             **{"if": [{"key": "p", "rev": p["rev"]},
                                       {"key": "q", "rev": q["rev"]}]})
                if answer.status == 200:
                    won.append(int(value))
                else:
                    assert answer.status == 412, answer
            connection.close()

        librapi.in_parallel(CLIENTS, client)
        self.assertEqual(sorted(won), list(range(1, len(won) + 1)))


if __name__ == "__main__":
    librapi.main()
