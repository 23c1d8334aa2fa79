#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""/docs/ for people, /openapi.json and /swagger.json for machines."""

import json
import os
import re
import shutil

import contract
import librapi

PAGES = {"": "text/html; charset=utf-8",
         "docs.js": "text/javascript; charset=utf-8"}
FOLDER = os.path.join(librapi.SOURCE, "lighttpd", "docs")


class Pages(librapi.SharedService):
    def test_a_page_is_the_file_and_runs_only_scripts_of_ours(self):
        for name, type_ in PAGES.items():
            answer = self.s.get("/docs/" + name)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer["Content-Type"], type_)
            self.assertEqual(answer["X-Content-Type-Options"], "nosniff")
            self.assertIn("script-src 'self';",
                          answer["Content-Security-Policy"])
            self.assertIsNone(answer["X-Sendfile"])
            with open(os.path.join(FOLDER, name or "index.html"), "rb") as f:
                self.assertEqual(answer.body, f.read())

    def test_a_page_that_the_client_has_is_not_sent_again(self):
        first = self.s.get("/docs/docs.js")
        again = self.s.get("/docs/docs.js", if_none_match=first["ETag"])
        self.assertEqual((again.status, again.body), (304, b""))

    def test_the_links_of_the_page_need_its_slash(self):
        answer = self.s.get("/docs")
        self.assertEqual((answer.status, answer["Location"]),
                         (308, "/docs/"))

    def test_no_other_file_can_be_had(self):
        for name in ("fetch", "../run", "%2e%2e/run", "index.html", ".",
                     "..", "/etc/passwd", "docs.js/", "x", "%64ocs.js"):
            self.assert_problem(self.s.get("/docs/" + name), 404,
                                "no-such-route")
        self.assert_problem(self.s.request("PUT", "/docs/docs.js", b"x"), 405)

    def test_a_key_that_looks_like_a_page_is_a_key(self):
        key = "/v1/kv/%2e%2e/%2e%2e/docs/docs.js"
        self.assertEqual(self.s.get(key).status, 404)
        self.assertEqual(self.s.put(key, b"mine").status, 201)
        self.assertEqual(self.s.get("/v1/kv/../../docs/docs.js").body,
                         b"mine")


class Absent(librapi.TestCase):
    def test_without_swagger_ui_the_page_tells_how_to_get_it(self):
        folder = self.folder()
        for name in ("index.html", "docs.js"):
            shutil.copy(os.path.join(FOLDER, name), folder)
        service = self.service(docs_dir=folder)
        answer = service.get("/docs/")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"make swagger-ui", answer.body)
        self.assert_problem(service.get("/docs/swagger-ui.css"), 404)
        self.assertEqual(service.get("/v1").status, 200)


class Documents(librapi.SharedService):
    def test_they_are_served_as_they_stand(self):
        for name in ("openapi.json", "swagger.json"):
            answer = self.s.get("/" + name)
            self.assertEqual(answer["Content-Type"], "application/json")
            self.assertEqual(answer.json, contract.load(name))

    def test_they_bear_the_version_of_the_program(self):
        version = self.s.get("/v1").json["version"]
        for name in ("openapi.json", "swagger.json"):
            self.assertEqual(contract.load(name)["info"]["version"], version)

    def test_every_path_has_the_methods_that_it_allows(self):
        for path, methods in contract.CONTRACT.paths.items():
            target = path.replace("{key}", "a")
            allow = self.s.request("OPTIONS", target)["Allow"]
            self.assertEqual(
                set(allow.lower().split(", ")) - {"options", "head"},
                methods - {"head"}, path)

    def test_every_route_of_the_program_is_documented(self):
        with open(os.path.join(librapi.SOURCE, "app", "api", "serve.c"),
                  encoding="utf-8") as f:
            routes = re.findall(r'\{\s*METHOD_([A-Z]+),\s*"([^"]+)"',
                                f.read())
        self.assertGreater(len(routes), 10)
        for method, path in routes:
            if not path.startswith("/docs"):
                self.assertIn((path, method.lower()),
                              contract.CONTRACT.operations)

    def test_swagger_has_the_routes_of_the_first_librapi(self):
        document = contract.load("swagger.json")
        self.assertEqual(document["swagger"], "2.0")
        for path, item in document["paths"].items():
            for method in item:
                self.assertIn((path, method), contract.CONTRACT.operations)
        seed = {(path, method) for path, method
                in contract.CONTRACT.operations
                if path.startswith(("/datas", "/hc"))}
        self.assertEqual(seed, {(path, method) for path, item
                                in document["paths"].items()
                                for method in item})

    def test_every_reference_leads_somewhere(self):
        for name in ("openapi.json", "swagger.json"):
            document = contract.load(name)
            for reference in re.findall(r'"\$ref": "#/([^"]+)"',
                                        json.dumps(document)):
                at = document
                for part in reference.split("/"):
                    at = at[part]


if __name__ == "__main__":
    librapi.main()
