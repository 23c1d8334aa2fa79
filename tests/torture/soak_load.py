# SPDX-License-Identifier: GPL-3.0-or-later
"""
The load of make soak: clients of all kinds that know what they have written.

Each writer has keys of its own, so that its model is exact: what a key holds
is one of a few values, more than one only after an answer that never came.
Values expire, too: a key with a time to live is known to be there until then,
and gone afterwards.
"""

import base64
import json
import random
import threading
import time

import librapi

WRITERS = 5
KEYS = 150              # of each writer
SLACK_S = 1.0           # about the moment of expiry nothing is said
ABSENT = None


class Unknown(Exception):
    """No answer, or one that leaves open what was done."""


class Client:
    """Requests of one thread, timed and counted."""

    def __init__(self, load, name):
        self.load = load
        self.name = name
        self.connection = None

    def request(self, *request):
        begun = time.monotonic()
        try:
            if not self.connection:
                self.connection = self.load.service.connect()
            answer = self.connection.request(*request)
        except OSError as e:
            self.connection = None
            self.load.note_failure()
            raise Unknown from e
        self.load.note((time.monotonic() - begun) * 1000)
        if answer.status >= 500:
            self.load.note_failure()
            raise Unknown
        return answer

    def run(self):
        while time.monotonic() < self.load.until:
            try:
                self.step()
            except Unknown:
                time.sleep(0.05)
            except Exception as e:
                self.load.fail(f"{self.name}: {e!r}")
                return

    def require(self, true, what):
        if not true:
            self.load.fail(f"{self.name}: {what}")


class Writer(Client):
    def __init__(self, load, name):
        super().__init__(load, name)
        self.keys = [f"{name}/{i:04}" for i in range(KEYS)]
        # Of each key: values that it may hold, with the two times between
        # which each expires.
        self.states = {key: [(ABSENT, None)] for key in self.keys}
        self.random = random.Random(f"{name} {random.random()}")

    def value(self):
        size = int(self.random.lognormvariate(7, 1.6))
        return self.random.randbytes(min(size, 200000))

    def target(self, key):
        return "/v1/kv/" + key

    def step(self):
        kind = self.random.choices(
            (self.read, self.put, self.remove, self.put_for_a_while,
             self.transact, self.page), (40, 30, 6, 8, 6, 4))[0]
        kind(self.random.choice(self.keys))

    def change(self, changes, ttl, *request):
        """Either all of the changes or none; which, if there is no answer?"""
        begun = time.time()

        def state(value, latest):
            return value, (begun + ttl, latest + ttl) if ttl else None

        try:
            answer = self.request(*request)
        except Unknown:
            for key, value in changes.items():
                self.states[key] = self.states[key] \
                    + [state(value, float("inf"))]
            raise
        for key, value in changes.items():
            self.states[key] = [state(value, time.time())]
        return answer

    def put(self, key):
        value = self.value()
        answer = self.change({key: value}, 0, "PUT", self.target(key), value)
        self.require(answer.status in (201, 204), answer)

    def put_for_a_while(self, key):
        ttl = self.random.randint(2, 6)
        value = self.value()
        answer = self.change({key: value}, ttl, "PUT",
                             f"{self.target(key)}?ttl={ttl}", value)
        self.require(answer.status in (201, 204), answer)

    def remove(self, key):
        answer = self.change({key: ABSENT}, 0, "DELETE", self.target(key))
        self.require(answer.status in (204, 404), answer)

    def transact(self, _):
        keys = self.random.sample(self.keys, 3)
        changes = {keys[0]: self.value(), keys[1]: self.value(),
                   keys[2]: ABSENT}
        body = {"do": [{"delete": key} if value is ABSENT else
                       {"put": key, "value64":
                        base64.b64encode(value).decode()}
                       for key, value in changes.items()]}
        answer = self.change(changes, 0, "POST", "/v1/txn",
                             json.dumps(body).encode(),
                             {"Content-Type": "application/json"})
        self.require(answer.status == 200, answer)

    def possible(self, key, asked, answered):
        """What the key may hold, read between these two moments."""
        found = []
        for value, expires in self.states[key]:
            if not expires or asked < expires[1] + SLACK_S:
                found.append(value)
            if expires and answered > expires[0] - SLACK_S:
                found.append(ABSENT)
        return found

    def read(self, key):
        asked = time.time()
        answer = self.request("GET", self.target(key))
        self.look(key, asked, answer.body if answer.status == 200 else ABSENT)

    def look(self, key, asked, value):
        possible = self.possible(key, asked, time.time())
        self.require(value in possible, f"{key} holds "
                     + ("nothing" if value is ABSENT
                        else f"{len(value)} bytes")
                     + f", which is none of {len(possible)} possible values")

    def page(self, _):
        """A listing with values of all that is ours."""
        asked = time.time()
        found = {}
        after = ""
        while True:
            answer = self.request("GET", f"/v1/kv?prefix={self.name}/"
                                  f"&values=1&limit=1000{after}")
            self.require(answer.status == 200, answer)
            for entry in answer.json["keys"]:
                found[entry["key"]] = base64.b64decode(entry["value64"]) \
                    if "value64" in entry else entry["value"].encode()
            if "next" not in answer.json:
                break
            after = "&after=" + answer.json["next"]
        for key in self.keys:
            self.look(key, asked, found.get(key, ABSENT))


class Watcher(Client):
    """Long polls: revisions only rise."""

    since = 0

    def step(self):
        answer = self.request(
            "GET", f"/v1/watch?since={self.since}&wait=2")
        if answer.status == 410:
            self.since = self.request("GET", "/v1").json["revision"]
            return
        self.require(answer.status == 200, answer)
        last = self.since
        for event in answer.json["events"]:
            self.require(event["rev"] >= last, "a revision came too late")
            last = event["rev"]
        self.require(answer.json["rev"] >= last, "the revision went back")
        self.since = answer.json["rev"]
        time.sleep(0.2)


class Mover(Client):
    """Exports what it has and imports it again, over what it changed."""

    def export(self):
        """Complete, which its last line tells: its process may be killed."""
        answer = self.request("GET", f"/v1/export?prefix={self.name}/")
        self.require(answer.status == 200, answer)
        if b'"crc32c"' not in answer.body[answer.body[:-1].rfind(b"\n"):]:
            self.load.note_failure()
            raise Unknown
        return answer

    def step(self):
        prefix = "/v1/kv/" + self.name + "/"
        for n in range(20):
            self.request("PUT", f"{prefix}{n}", b"x" * random.randint(1, 9999))
        exported = self.export()
        self.request("PUT", f"{prefix}{random.randrange(20)}", b"other")
        self.request("PUT", f"{prefix}more", b"more")
        done = self.request("POST", "/v1/import?mode=replace", exported.body)
        self.require(done.status == 200, done)
        again = self.export()
        self.require(strip(again.body) == strip(exported.body),
                     "the import is not what was exported")
        time.sleep(2)


def strip(lines):
    """An export's entries without what an import gives anew."""
    entries = [json.loads(line) for line in lines.splitlines()[1:-1]]
    return [(e["key"], e.get("value"), e.get("value64")) for e in entries]


class Load:
    def __init__(self, service, until):
        self.service = service
        self.lock = threading.Lock()
        self.latencies = []
        self.wrong = []
        self.requests = self.failures = self.failures_taken = 0
        self.clients = [Writer(self, f"w{i}") for i in range(WRITERS)] \
            + [Watcher(self, "watch"), Mover(self, "move")]
        self.start(until)

    def start(self, until):
        self.until = until
        self.threads = [threading.Thread(target=client.run, daemon=True)
                        for client in self.clients]
        for thread in self.threads:
            thread.start()

    def is_running(self):
        return time.monotonic() < self.until and not self.wrong

    def wait(self):
        """Until all clients have ended, their connections closed."""
        if self.wrong:
            self.until = 0
        for client, thread in zip(self.clients, self.threads):
            thread.join(max(0, self.until - time.monotonic())
                        + 2 * librapi.TIMEOUT)
            if thread.is_alive():
                self.fail(f"{client.name} hangs")
            if client.connection:
                client.connection.close()
                client.connection = None
        return list(self.wrong)

    def note(self, ms):
        with self.lock:
            self.latencies.append(ms)
            self.requests += 1

    def note_failure(self):
        with self.lock:
            self.failures += 1

    def fail(self, sentence):
        with self.lock:
            self.wrong.append(sentence)

    def take_latencies(self):
        with self.lock:
            taken, self.latencies = self.latencies, []
            failures = self.failures - self.failures_taken
            self.failures_taken = self.failures
        return taken, failures

    def verify(self):
        """Every key against the model, nobody else writing."""
        before = len(self.wrong)
        for writer in self.clients[:WRITERS]:
            writer.page(None)
            for key in writer.keys:
                writer.read(key)
            writer.connection.close()
            writer.connection = None
        return self.wrong[before:]

    def describe(self):
        return f"{WRITERS * KEYS} keys as the model has them"
