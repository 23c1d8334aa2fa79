# SPDX-License-Identifier: GPL-3.0-or-later
"""
Clients that do one thing after another to a few keys, each in a process of its
own, and write down what they asked for and what they were told.

    linear/0 ... linear/3           only ever one at a time
    group/N/a, b, c and n           also in transactions and lists of the
                                    group; n is a number that is added to

An answer of 5xx, or none, leaves what was asked for unknown; the client then
waits until the service is ready, and goes on as somebody else.
"""

import dataclasses
import multiprocessing
import random
import time

import librapi
from history import ANY, Operation

SINGLES = [f"linear/{i}" for i in range(4)]
GROUPS = [f"group/{i}/" for i in range(3)]
TIMEOUT = 20        # seconds that an answer may take


def body_of(value):
    """A value with a tail that its name tells, so that a mixture shows."""
    return f"{value} ".encode() + b"." * (sum(value.encode()) * 7 % 400)


def value_of(body):
    text = body.decode("latin-1")
    value = text.split(" ")[0]
    return value if body == body_of(value) or value.isdecimal() \
        else "(mixed up) " + text


class Client:
    def __init__(self, port, number, seed):
        self.number = number
        self.rng = random.Random(f"{seed} {number}")
        self.connection = librapi.Connection(port, TIMEOUT)
        self.count = 0
        self.history = []
        self.memory = {}    # key -> (revision, value) that it saw last
        self.told = []      # (key, revision, value): what revisions mean
        self.written = []   # (call, end, revision) of writes

    # Asking

    def value(self):
        self.count += 1
        return f"{self.number}.{self.count}"

    def ask(self, method, target, body=None, headers=None):
        """(call, end, answer); no answer when nobody knows what came of it"""
        call = time.monotonic_ns()
        try:
            answer = self.connection.request(method, target, body, headers)
        except OSError:
            answer = None
        end = time.monotonic_ns()
        if answer is None or answer.status >= 500:
            self.wait_ready()
            return call, end, None
        return call, end, answer

    def wait_ready(self):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                self.connection.close()
                self.connection.open()
                if self.connection.request("GET", "/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("the service does not become ready again")

    def note(self, call, end, *steps, **more):
        self.history.append(Operation(self.number, call, end, steps, **more))

    def learn(self, key, revision, value):
        self.memory[key] = revision, value
        self.told.append((key, revision, value))

    # One key

    def get(self, key):
        call, end, answer = self.ask("GET", "/v1/kv/" + key)
        if answer is None:
            return
        if answer.status == 404:
            self.note(call, end, ("get", key, None))
            self.memory.pop(key, None)
            return
        assert answer.status == 200, answer
        value = value_of(answer.body)
        self.note(call, end, ("get", key, value))
        self.learn(key, answer.revision, value)

    def write(self, method, key, step, headers=None, conditions=()):
        """A PUT or a DELETE; `step` without its result."""
        body = body_of(step[2]) if method == "PUT" else None
        call, end, answer = self.ask(method, "/v1/kv/" + key, body, headers)
        if answer is None:
            self.note(call, end, step + (ANY,), conditions=conditions,
                      outcome="unknown")
        elif answer.status == 412:
            found = f"revision {answer.revision}" if answer["ETag"] else None
            self.refused(call, end, step, conditions, found)
        elif answer.status == 404 and conditions:
            self.refused(call, end, step, conditions, None)
        else:
            assert answer.status in (201, 204, 404), answer
            existed = answer.status == 204
            self.note(call, end, step + (existed,), conditions=conditions)
            if method == "PUT":
                self.learn(key, answer.revision, step[2])
                self.written.append((call, end, answer.revision))

    def refused(self, call, end, step, conditions, found):
        self.note(call, end, step + (ANY,), conditions=conditions,
                  outcome="refused", found=((conditions[0][0], found),))

    def put(self, key):
        self.write("PUT", key, ("put", key, self.value()))

    def create(self, key):
        self.write("PUT", key, ("put", key, self.value()),
                   {"If-None-Match": "*"}, ((key, "absent", None),))

    def delete(self, key):
        self.write("DELETE", key, ("delete", key))

    def swap(self, key, method="PUT"):
        """Compare-and-set, or a DELETE of what it knows."""
        if key not in self.memory:
            self.get(key)
        if key not in self.memory:
            return
        revision, value = self.memory[key]
        step = ("put", key, self.value()) if method == "PUT" \
            else ("delete", key)
        self.write(method, key, step, {"If-Match": f'"{revision}"'},
                   ((key, "is", value),))

    def delete_known(self, key):
        self.swap(key, "DELETE")

    # Several keys

    def condition(self, key):
        """(for the request, for the history)"""
        if key in self.memory and self.rng.random() < 0.7:
            revision, value = self.memory[key]
            return {"key": key, "rev": revision}, (key, "is", value)
        if self.rng.random() < 0.5:
            return {"key": key, "rev": 0}, (key, "absent", None)
        return {"key": key, "rev": "*"}, (key, "exists", None)

    def step(self, key):
        """(for the request, for the history without its result)"""
        if key.endswith("n"):
            by = self.rng.randint(1, 3)
            return {"add": key, "by": by}, ("add", key, by)
        kind = self.rng.choice(["put", "put", "get", "delete"])
        if kind == "put":
            value = self.value()
            return ({"put": key, "value": body_of(value).decode()},
                    ("put", key, value))
        return {kind: key}, (kind, key)

    def transaction(self, group):
        keys = [group + name for name in "abcn"]
        self.rng.shuffle(keys)
        conditions = [self.condition(key) for key in keys[:2]
                      if not key.endswith("n")
                      and self.rng.random() < 0.25]
        steps = [self.step(key) for key in keys[:self.rng.randint(2, 4)]]
        self.send_transaction(conditions, steps)

    def read_all(self, group):
        keys = [group + name for name in "abcn"]
        self.send_transaction([], [({"get": key}, ("get", key))
                                   for key in keys])

    def send_transaction(self, conditions, steps):
        body = librapi.to_json({"if": [c[0] for c in conditions],
                                "do": [s[0] for s in steps]})
        wanted = tuple(c[1] for c in conditions)
        call, end, answer = self.ask("POST", "/v1/txn", body, {
            "Content-Type": "application/json"})
        if answer is not None and answer.status == 200:
            results = tuple(map(self.result, (s[1] for s in steps),
                                answer.json["results"]))
            self.note(call, end, *results, conditions=wanted)
            if any(step[0] in ("put", "add") for step in results):
                self.written.append((call, end, answer.json["rev"]))
            return
        blank = tuple(step[1] + (ANY,) for step in steps)
        if answer is None:
            self.note(call, end, *blank, conditions=wanted,
                      outcome="unknown")
            return
        assert answer.status == 412, answer
        found = tuple((f["key"], f"revision {f['rev']}" if f["rev"] else None)
                      for f in answer.json["failed"])
        self.note(call, end, *blank, conditions=wanted, outcome="refused",
                  found=found)

    def result(self, step, result):
        """The step with what came of it."""
        name, key = step[:2]
        if name == "put":
            self.learn(key, result["rev"], step[2])
            return step + (ANY,)
        if name == "delete":
            return step + (result is not None,)
        if name == "add":
            return step + (result["value"],)
        if result is None:
            self.memory.pop(key, None)
            return step + (None,)
        value = value_of(result["value"].encode("latin-1"))
        self.learn(key, result["rev"], value)
        return step + (value,)

    def list(self, group):
        call, end, answer = self.ask("GET", f"/v1/kv?prefix={group}&values=1")
        if answer is None:
            return
        assert answer.status == 200, answer
        entries = {}
        for entry in answer.json["keys"]:
            value = value_of(entry["value"].encode("latin-1"))
            entries[entry["key"]] = value
            self.learn(entry["key"], entry["rev"], value)
        self.note(call, end, ("list", group, entries))

    def delete_all(self, group):
        call, end, answer = self.ask("DELETE", f"/v1/kv?prefix={group}")
        if answer is None:
            self.note(call, end, ("delete-prefix", group, ANY),
                      outcome="unknown")
            return
        assert answer.status == 200, answer
        self.note(call, end, ("delete-prefix", group,
                              answer.json["deleted"]))

    # A life

    ONE = {get: 6, put: 5, swap: 6, create: 2, delete: 1, delete_known: 1}
    MANY = {transaction: 8, read_all: 4, list: 3, delete_all: 0.3}

    def act(self):
        if self.rng.random() < 0.6:
            key = self.rng.choice(
                SINGLES + [group + name for group in GROUPS for name in "abc"])
            what = self.ONE
        else:
            key = self.rng.choice(GROUPS)
            what = self.MANY
        self.rng.choices(list(what), list(what.values()))[0](self, key)


def live(port, number, seed, until, pipe):
    """A client's process."""
    client = Client(port, number, seed)
    error = None
    try:
        while time.monotonic() < until:
            client.act()
    except Exception as e:
        error = f"client {number}: {type(e).__name__}: {e}"
    pipe.send((client.history, client.told, client.written, error))


class Crowd:
    """Clients until a moment; then what they know, together."""

    def __init__(self, port, count, seed, until):
        fork = multiprocessing.get_context("fork")
        self.pipes = []
        self.processes = []
        for number in range(count):
            ours, theirs = fork.Pipe(duplex=False)
            process = fork.Process(target=live, daemon=True,
                                   args=(port, number, seed, until, theirs))
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def gather(self):
        """(history, told, written); raises when one of them has failed."""
        history, told, written = [], [], []
        for pipe in self.pipes:
            if not pipe.poll(3 * TIMEOUT):
                raise AssertionError("a client hangs")
            h, t, w, error = pipe.recv()
            if error:
                raise AssertionError(error)
            history += h
            told += t
            written += w
        for process in self.processes:
            process.join(TIMEOUT)
        return history, told, written


def resolve(history, told):
    """Put values where a refusal told a revision, if anybody knows it."""
    values = {(key, revision): value for key, revision, value in told}

    def known(key, found):
        if found is None:
            return key, None
        return key, values.get((key, int(found.split(" ")[1])), ANY)

    return [dataclasses.replace(o, found=tuple(known(*f) for f in o.found))
            for o in history]
