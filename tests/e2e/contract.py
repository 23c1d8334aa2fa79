# SPDX-License-Identifier: GPL-3.0-or-later
"""
The contract: app/api/openapi.json, held against every answer that the
end-to-end tests get.  librapi.Connection calls check() for each; what was
exercised is noted in the build folder, where test_contract.py, which runs
last, looks whether anything was left out.

What lighttpd answers by itself has no X-Request-Id and stands in no
operation: it has to be a problem document, and no more is asked of it.
"""

import atexit
import json
import os
import re
import sys
import threading

import jsonschema

BUILD = os.environ.get("LIBRAPI_BUILD_DIR", os.getcwd())
SOURCE = os.environ.get("LIBRAPI_SOURCE_DIR", os.getcwd())
NOTES = os.path.join(BUILD, "tests", "contract")
METHODS = ("get", "head", "put", "post", "patch", "delete")
# Made by lighttpd out of an answer of ours, which loses no field but these.
MADE_BY_LIGHTTPD = {206, 416}


def load(name="openapi.json"):
    with open(os.path.join(SOURCE, "app", "api", name),
              encoding="utf-8") as f:
        return json.load(f)


class Contract:
    def __init__(self):
        self.document = load()
        self.exercised = set()
        self.lock = threading.Lock()
        self.validators = {}
        self.operations = {}
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    self.operations[path, method] = self.operation(
                        item, item[method])
        self.paths = {path: {m for p, m in self.operations if p == path}
                      for path in self.document["paths"]}

    def resolve(self, part):
        while "$ref" in part:
            at = self.document
            for name in part["$ref"].removeprefix("#/").split("/"):
                at = at[name]
            part = at
        return part

    def operation(self, item, operation):
        """The operation without references: parameters and responses."""
        parameters = [self.resolve(p) for p in item.get("parameters", [])
                      + operation.get("parameters", [])]
        responses = {}
        for status, response in operation["responses"].items():
            response = self.resolve(response)
            responses[status] = {
                "headers": {name: self.resolve(header) for name, header
                            in response.get("headers", {}).items()},
                "content": response.get("content", {})}
        return {"parameters": parameters, "responses": responses,
                "id": operation["operationId"]}

    # Checking

    def find(self, target):
        """The path of the document that a request's target is for."""
        path = target.split("?")[0]
        if re.match("[a-z]+://", path):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        if path in self.paths and "{" not in path:
            return path
        for prefix in ("/v1/kv/", "/datas/"):
            if path.startswith(prefix):
                return prefix + "{key}"
        return None

    def check(self, method, target, fields, answer):
        """Raise an AssertionError when the answer is not in the contract."""
        ours = "x-request-id" in answer.fields
        path = self.find(target)
        if target.startswith("/docs"):  # for people
            return
        if not ours and answer.status not in MADE_BY_LIGHTTPD:
            self.require(answer.status >= 400, method, target, answer,
                         "has no X-Request-Id")
            return
        if method == "OPTIONS":
            self.require(answer.status >= 400 or answer["Allow"], method,
                         target, answer, "has no Allow")
            return
        if path is None:
            self.require(answer.status in (400, 404), method, target, answer,
                         "is for a path that is not in the document")
            return
        name = method.lower()
        if name == "head" and "head" not in self.paths[path]:
            name = "get"
        if name not in self.paths[path]:
            self.require(answer.status in (400, 404, 405), method, target,
                         answer, "is for a method that is not documented")
            return
        operation = self.operations[path, name]
        self.check_response(operation, method, target, fields, answer)

    def require(self, true, method, target, answer, what):
        if not true:
            raise AssertionError(
                f"contract: {method} {target!r}: {answer!r} {what}")

    def check_response(self, operation, method, target, fields, answer):
        status = str(answer.status)
        if status not in operation["responses"]:
            if answer.status in MADE_BY_LIGHTTPD and "Range" in fields:
                return
            status = status[0] + "XX"
        response = operation["responses"].get(status)
        self.require(response is not None, method, target, answer,
                     "has a status that is not documented")
        for name, header in response["headers"].items():
            value = answer[name]
            self.require(value is not None or not header.get("required"),
                         method, target, answer, f"has no {name}")
            if value is None:
                continue
            pattern = header["schema"].get("pattern")
            self.require(not pattern or re.search(pattern, value), method,
                         target, answer, f"has a {name} of another form")
            self.note(operation["id"], status, "header", name)
        if method != "HEAD" and status not in ("304", "416"):
            self.check_body(operation, status, response, method, target,
                            answer)
        self.note(operation["id"], status, "status", "")
        self.note_parameters(operation, target, fields)

    def check_body(self, operation, status, response, method, target, answer):
        content = response["content"]
        if not content:
            self.require(not answer.body, method, target, answer,
                         "has a body")
            return
        media = (answer["Content-Type"] or "").split(";")[0].strip().lower()
        schema = content.get(media) or content.get("*/*")
        self.require(schema is not None, method, target, answer,
                     "is of a type that is not documented")
        self.note(operation["id"], status, "content",
                  media if media in content else "*/*")
        if not media.endswith(("/json", "+json")) or "*/*" in content:
            return
        errors = list(self.validator(schema["schema"])
                      .iter_errors(json.loads(answer.body)))
        self.require(not errors, method, target, answer,
                     f"does not fit its schema: {errors[:1]}")

    def validator(self, schema):
        """For a schema of the document, whose references are to be found."""
        name = json.dumps(schema, sort_keys=True)
        if name not in self.validators:
            self.validators[name] = jsonschema.Draft202012Validator(
                {"components": self.document["components"], "allOf": [schema]})
        return self.validators[name]

    # Noting

    def note_parameters(self, operation, target, fields):
        query = target.partition("?")[2]
        sent = {("query", part.partition("=")[0])
                for part in query.split("&") if part}
        sent |= {("header", name.lower()) for name in fields}
        for parameter in operation["parameters"]:
            name, where = parameter["name"], parameter["in"]
            known = name.lower() if where == "header" else name
            if where == "path" or (where, known) in sent:
                self.note(operation["id"], "", "parameter",
                          where + " " + name)

    def note(self, *what):
        if what not in self.exercised:
            with self.lock:
                self.exercised.add(what)

    def write_notes(self):
        if not self.exercised:
            return
        os.makedirs(NOTES, exist_ok=True)
        name = os.path.basename(sys.argv[0]).removesuffix(".py")
        with open(os.path.join(NOTES, name), "w", encoding="utf-8") as f:
            for what in sorted(self.exercised):
                f.write("\t".join(what) + "\n")


def notes():
    """All that any test has exercised."""
    found = set()
    for name in os.listdir(NOTES):
        with open(os.path.join(NOTES, name), encoding="utf-8") as f:
            found |= {tuple(line.rstrip("\n").split("\t")) for line in f}
    return found


CONTRACT = Contract()
atexit.register(CONTRACT.write_notes)
