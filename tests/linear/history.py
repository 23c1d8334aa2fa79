# SPDX-License-Identifier: GPL-3.0-or-later
"""
Histories: what clients asked for, when, and what they were told.

Whatever the request was, an operation is a small transaction: conditions,
then steps, all at one moment between `call` and `end`.

    conditions   (key, test, value); test is "is" (the value is there),
                 "absent" or "exists"
    steps        ("put", key, value, existed)
                 ("delete", key, existed)
                 ("get", key, value)              None: not there
                 ("add", key, by, result)
                 ("list", prefix, {key: value})
                 ("delete-prefix", prefix, count)
    outcome      "ok"       it took place, with these results; a result that
                            is ANY was not told
                 "refused"  a condition was false: `found` has the value that
                            was there instead, for each that was
                 "unknown"  nobody knows: it may take place at any time after
                            `call`, or never; its results are ANY

Two writes never write the same value, counters aside, so a value tells who
wrote it.
"""

import dataclasses
import json

ANY = "(any)"
WRITES = {"put", "delete", "add", "delete-prefix"}


@dataclasses.dataclass(frozen=True)
class Operation:
    client: int
    call: int           # ns
    end: int            # ns; meaningless when the outcome is unknown
    steps: tuple
    conditions: tuple = ()
    outcome: str = "ok"
    found: tuple = ()   # (key, value) pairs

    @property
    def unknown(self):
        return self.outcome == "unknown"

    @property
    def writes(self):
        """Whether it may have changed something."""
        return self.outcome != "refused" \
            and any(step[0] in WRITES for step in self.steps)

    def keys(self, everything):
        """The keys that it touches, of all those there are."""
        keys = {key for key, *_ in self.conditions}
        for name, key, *_ in self.steps:
            if name in ("list", "delete-prefix"):
                keys |= {k for k in everything if k.startswith(key)}
            else:
                keys.add(key)
        return keys

    def written(self):
        return {step[2] for step in self.steps if step[0] == "put"}

    def seen(self):
        """Every value that it knows of without having written it."""
        values = {value for _, test, value in self.conditions if test == "is"}
        values |= {value for _, value in self.found}
        for step in self.steps:
            if step[0] == "get":
                values.add(step[2])
            elif step[0] == "list" and step[2] != ANY:
                values |= set(step[2].values())
        return values

    def made_unknown(self):
        """The same, when nobody was told what came of it."""
        blank = {"put": lambda s: s[:3] + (ANY,),
                 "delete": lambda s: s[:2] + (ANY,),
                 "get": lambda s: s[:2] + (ANY,),
                 "add": lambda s: s[:3] + (ANY,),
                 "list": lambda s: s[:2] + (ANY,),
                 "delete-prefix": lambda s: s[:2] + (ANY,)}
        return dataclasses.replace(
            self, outcome="unknown", found=(),
            steps=tuple(blank[step[0]](step) for step in self.steps))

    def __str__(self):
        words = [f"{key} {test}" + (f" {value}" if test == "is" else "")
                 for key, test, value in self.conditions]
        text = f"if {' and '.join(words)}: " if words else ""
        text += ", ".join(map(say_step, self.steps))
        if self.outcome == "refused":
            text += " -> refused" + "".join(
                f", {key} is {value}" for key, value in self.found)
        return text


def say_step(step):
    name, key, *rest = step
    results = {True: "was there", False: "was not there", ANY: "?"}
    if name == "put":
        return f"put {key}={rest[0]} ({results[rest[1]]})"
    if name == "delete":
        return f"delete {key} ({results[rest[0]]})"
    if name == "get":
        return f"get {key} -> {rest[0]}"
    if name == "add":
        return f"add {rest[0]} to {key} -> {rest[1]}"
    return f"{name} {key} -> {rest[0]}"


def show(operations):
    """A line each, in the order of their calls; times in ms."""
    begun = min((o.call for o in operations), default=0)
    lines = []
    for o in sorted(operations, key=lambda o: o.call):
        end = "       ?" if o.unknown else f"{(o.end - begun) / 1e6:8.2f}"
        lines.append(f"{(o.call - begun) / 1e6:8.2f} to {end}  "
                     f"client {o.client:2}  {o}")
    return lines


def save(path, operations):
    with open(path, "w", encoding="utf-8") as f:
        for o in operations:
            f.write(json.dumps(dataclasses.asdict(o)) + "\n")


def load(path):
    def tuples(lists):
        return tuple(tuple(one) for one in lists)

    with open(path, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return [Operation(**{**row, "steps": tuples(row["steps"]),
                         "conditions": tuples(row["conditions"]),
                         "found": tuples(row["found"])}) for row in rows]
