#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The way here from the first librapi: its BoltDB file is imported, and its API
shows the same strings.
"""

import os
import shutil
import subprocess

import librapi

FIXTURES = os.path.join(librapi.SOURCE, "tests", "bolt")
GO_LIBRARIES = "/usr/share/gocode"      # where Debian has Go's


def value(n):
    """As tests/bolt/make.go has it."""
    return f"value {n};" * (1250 if n % 100 == 99 else n % 50)


class ImportBolt(librapi.TestCase):
    def run_import(self, service, path):
        return librapi.run(service.folder, "import-bolt", path)

    def test_what_the_first_librapi_kept_is_served(self):
        service = self.service(start=False)
        path = os.path.join(FIXTURES, "large.db")
        for _ in range(2):
            done = self.run_import(service, path)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn(b"201 keys", done.stdout)
        service.start()
        for n in (0, 1, 49, 99, 150, 199):
            answer = service.get(f"/datas/key/{n:06}")
            self.assertEqual(answer.json, {"key": f"key/{n:06}",
                                           "value": value(n)})
        raw = service.get("/v1/kv/%FF%00")
        self.assertEqual(raw.body, b"no text")
        self.assertEqual(raw["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(service.get("/v1/kv?limit=0").json["count"], 201)

    def test_anything_else_is_refused_with_a_reason(self):
        service = self.service(start=False)
        text = os.path.join(service.folder, "text")
        with open(text, "wb") as f:
            f.write(b"no database\n" * 1000)
        cut = os.path.join(service.folder, "cut")
        with open(os.path.join(FIXTURES, "large.db"), "rb") as f:
            with open(cut, "wb") as out:
                out.write(f.read(40000))
        for path, why in ((text, b"is not a file of BoltDB"),
                          (cut, b"cut off"),
                          (text + "x", b"can't be opened")):
            done = self.run_import(service, path)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(why, done.stderr)
        self.assertFalse(os.path.exists(service.path("data")))
        done = librapi.run(service.folder, "import-bolt")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"takes a FILE", done.stderr)

    def test_what_go_writes_now_is_imported(self):
        go = shutil.which("go")
        if not go or not os.path.isdir(
                os.path.join(GO_LIBRARIES, "src/github.com/boltdb/bolt")):
            self.skipTest("Go and its library bolt are not installed")
        service = self.service(start=False)
        path = os.path.join(service.folder, "go.db")
        env = dict(os.environ, GO111MODULE="off", GOPATH=GO_LIBRARIES,
                   GOFLAGS="", GOCACHE=os.path.join(service.folder, "cache"))
        subprocess.run([go, "run", os.path.join(FIXTURES, "make.go"), path,
                        "20000"], check=True, env=env, timeout=300)
        done = self.run_import(service, path)
        self.assertEqual(done.returncode, 0, done)
        service.start()
        self.assertEqual(service.get("/v1/kv?limit=0").json["count"], 20001)
        for n in (0, 1, 12399, 19999):
            self.assertEqual(service.get(f"/datas/key/{n:06}").json["value"],
                             value(n))


if __name__ == "__main__":
    librapi.main()
