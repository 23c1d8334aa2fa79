#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Requests made at random from the OpenAPI description, most of them wrong in
some way: none is answered with a 5xx, with a status that is not documented
(the client looks at every answer, contract.py), or not at all.

PROPERTY_EXAMPLES=10000 looks longer.  A failing request is made as small as
it can be, and printed with what it takes to send it again.
"""

import os

from hypothesis import HealthCheck, configuration, given, settings, \
    strategies as st

import librapi
from contract import CONTRACT

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "1000"))
ANSWER_S = 10
# Each of these is some twenty or more of 1000 answers, never less than nine in
# 48 runs; any other may be missing by chance.
SURE = {200, 206, 400, 404, 411, 415}
# What Hypothesis keeps of failures, for the next run to begin with.
configuration.set_hypothesis_home_dir(
    os.path.join(librapi.BUILD, "tests", "hypothesis"))

# What a parameter takes, and what it should refuse.
NUMBERS = st.one_of(
    st.integers(0, 3).map(str),
    st.sampled_from(["", "-1", "1000", "1001", "315360000", "315360001", "1e3",
                     "18446744073709551615", "18446744073709551616", "x",
                     "%31", "0x1", " 1", "+1"]))
PIECES = st.sampled_from(
    ["a", "b", "z", "/", ".", "..", "%2F", "%00", "%ff", "%C3%A9", "%", "%zz",
     "+", "&", "=", ";", ":", "~", "%25", "k" * 300])
BYTES = st.lists(PIECES, max_size=5).map("".join)
# Often one that another request was for as well.
KEYS = st.one_of(st.sampled_from(["a", "b", "a/b"]), BYTES)
TAGS = st.sampled_from(['"1"', '"2"', "*", 'W/"1"', '"1", "2"', '"x"', "1",
                        '"1-gzip"', "", '"', ",", '"18446744073709551616"'])
DATES = st.sampled_from(["Tue, 24 Nov 2026 00:00:00 GMT", "yesterday", "",
                         "Thu, 01 Jan 1970 00:00:00 GMT"])
RANGES = st.sampled_from(["bytes=0-0", "bytes=5-", "bytes=-1", "bytes=9-1",
                          "lines=1-2", "bytes=0-0,2-2", ""])
FIELDS = {
    "If-Match": TAGS, "If-None-Match": TAGS, "If-Modified-Since": DATES,
    "If-Unmodified-Since": DATES, "Range": RANGES,
    "Last-Event-ID": NUMBERS,
    "Accept": st.sampled_from(["*/*", "application/json", "text/plain",
                               "application/jsonl", "image/png", "", ";q=",
                               "text/event-stream", "text/*;q=0.5, */*;q=0"]),
    "Content-Type": st.sampled_from(
        ["application/json", "application/merge-patch+json", "text/plain",
         "application/jsonl", "application/x-www-form-urlencoded", "",
         "no type"]),
    "Content-Encoding": st.sampled_from(["identity", "gzip", ""]),
    "Authorization": st.sampled_from(["Bearer x", "Basic eDp5", "Bearer", ""]),
    "Origin": st.sampled_from(["https://a.example", "null", ""]),
}
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5),
              st.sampled_from([0, 1, "*", "a", -1, 2**63, 2**64, 1.5])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(
            ["if", "do", "key", "key64", "rev", "put", "add", "by", "touch",
             "ttl", "delete", "get", "value", "value64", "json", "type",
             "x"]), inner, max_size=4)),
    max_leaves=12)
OPERATIONS = st.lists(st.one_of(
    st.fixed_dictionaries({"put": BYTES, "value": st.text(max_size=5)},
                          optional={"ttl": st.integers(-1, 3)}),
    st.fixed_dictionaries({"add": BYTES}, optional={"by": st.integers()}),
    st.fixed_dictionaries({"touch": BYTES}, optional={"ttl": st.integers(
        -1, 3)}),
    st.fixed_dictionaries({"delete": BYTES}),
    st.fixed_dictionaries({"get": BYTES}), JSON), max_size=4)
CONDITIONS = st.lists(st.fixed_dictionaries(
    {"key": BYTES, "rev": st.sampled_from([0, 1, 2, "*", "x", -1])}),
    max_size=2)
BODIES = st.one_of(
    st.none(), st.binary(max_size=40),
    JSON.map(librapi.to_json), st.fixed_dictionaries(
        {"do": OPERATIONS}, optional={"if": CONDITIONS}).map(librapi.to_json),
    st.fixed_dictionaries({"key": BYTES, "value": st.text(max_size=5)})
    .map(librapi.to_json))


@st.composite
def requests(draw):
    (path, method), operation = draw(st.sampled_from(sorted(
        CONTRACT.operations.items(), key=lambda item: item[1]["id"])))
    target = path.replace("{key}", draw(KEYS))
    query = []
    for parameter in operation["parameters"]:
        if parameter["in"] != "query" or not draw(st.booleans()):
            continue
        numeric = parameter["schema"].get("type") == "integer"
        choices = parameter["schema"].get("enum", [])
        value = draw(NUMBERS if numeric else st.one_of(
            st.sampled_from(choices), BYTES) if choices else BYTES)
        if parameter["name"] == "wait":
            value = draw(st.sampled_from(["0", "1", "x", "301"]))
        query.append(parameter["name"] + "=" + value)
    if draw(st.integers(0, 9)) == 0:
        query.append(draw(st.sampled_from(["x=1", "&", "=", "prefix", "ttl",
                                           "limit=1&limit=1"])))
    if path == "/v1/watch" and not any(q.startswith("wait=") for q in query):
        query.append("wait=0")
    fields = {}
    for name, values in FIELDS.items():
        if draw(st.integers(0, 9)) == 0:
            fields[name] = draw(values)
    body = draw(BODIES) if method in ("put", "post", "patch") else None
    return method.upper(), target + ("?" + "&".join(query) if query else ""), \
        body, fields


class Properties(librapi.SharedService):
    settings = {"value_max_bytes": 65536, "journal_segment_bytes": 1 << 20,
                "journal_max_bytes": 1 << 24}

    def test_no_request_is_answered_in_a_way_that_is_not_documented(self):
        counts = {}

        @settings(max_examples=EXAMPLES, deadline=None, database=None,
                  print_blob=True,
                  suppress_health_check=list(HealthCheck))
        @given(requests())
        def answered(request):
            method, target, body, fields = request
            connection = librapi.Connection(self.s.port, ANSWER_S)
            try:
                answer = connection.request(method, target, body, fields)
            finally:
                connection.close()
            self.assertLess(answer.status, 500, (request, answer))
            counts[answer.status] = counts.get(answer.status, 0) + 1

        answered()
        print(f"# statuses: {dict(sorted(counts.items()))}")
        self.assertLessEqual(SURE, set(counts))
        self.assertEqual(self.s.get("/readyz").status, 200)


if __name__ == "__main__":
    librapi.main()
