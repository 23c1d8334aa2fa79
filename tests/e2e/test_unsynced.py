#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A disk that can't be synced any more: no write is acknowledged from then on,
/readyz says so, reads go on, and a restart makes it good.
"""

import disk
import librapi


class Unsynced(librapi.TestCase):
    def setUp(self):
        self.s = disk.Service(self.folder(), workers=2)
        self.addCleanup(self.s.end)
        self.s.start()
        self.assertEqual(self.s.put("/v1/kv/a", b"kept").status, 201)

    def refused(self, answer):
        self.assert_problem(answer, 503, "writes-stopped")

    def test_a_failed_sync_stops_writes_until_a_restart(self):
        self.s.fail()
        self.assert_problem(self.s.put("/v1/kv/a", b"lost"), 500,
                            "internal-error")
        self.s.fail(False)
        for _ in range(4):          # to each worker, most likely
            self.refused(self.s.put("/v1/kv/b", b"x"))
        self.refused(self.s.request("DELETE", "/v1/kv/a"))
        self.refused(self.s.request(
            "POST", "/v1/txn", b'{"do":[{"put":"b","value":"x"}]}',
            {"Content-Type": "application/json"}))
        self.refused(self.s.get("/readyz"))
        self.assertEqual(self.s.get("/livez").status, 200)
        self.assertEqual(self.s.get("/v1/kv/a").body, b"kept")
        self.s.kill()
        self.s.start()
        self.assertIn(self.s.get("/v1/kv/a").body, (b"kept", b"lost"))
        self.assertEqual(self.s.put("/v1/kv/b", b"x").status, 201)


if __name__ == "__main__":
    librapi.main()
