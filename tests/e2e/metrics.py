# SPDX-License-Identifier: GPL-3.0-or-later
"""
Prometheus' text format 0.0.4, read strictly: what its description lets pass
but nobody should write (a name without HELP, a family in two pieces, a
histogram that does not add up) is an error here.
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (\S+)")
TYPES = ("counter", "gauge", "histogram", "summary")
PARTS = {"histogram": ("_bucket", "_sum", "_count"),
         "summary": ("_sum", "_count")}


def require(true, what):
    if not true:
        raise AssertionError("metrics: " + what)


class Family:
    """A metric: samples are {(part, ((label, value), …)): number}."""

    def __init__(self, name, about):
        self.name = name
        self.about = about
        self.type = None
        self.samples = {}

    def labels(self):
        return {label for _, labels in self.samples for label, _ in labels} \
            - {"le"}

    def add(self, line):
        match = SAMPLE.fullmatch(line)
        require(match, f"no sample: {line!r}")
        part = match[1].removeprefix(self.name)
        require(match[1].startswith(self.name) and
                part in PARTS.get(self.type, ("",)),
                f"{match[1]} is no part of the {self.type} {self.name}")
        labels = tuple(re.findall(LABEL, match[2] or ""))
        names = [name for name, _ in labels]
        require(len(set(names)) == len(names), f"a label twice: {line}")
        require((part, labels) not in self.samples, f"twice: {line}")
        number = float(match[7])
        require(not math.isnan(number), f"no number: {line}")
        self.samples[part, labels] = number

    def check(self):
        require(self.type, f"{self.name} has no TYPE")
        require(self.name.endswith("_total") == (self.type == "counter"),
                f"{self.name} is a {self.type}")
        if self.type != "gauge":
            require(all(n >= 0 for n in self.samples.values()),
                    f"{self.name} is negative")
        if self.type in PARTS:
            for labels in {tuple(p for p in labels if p[0] != "le")
                           for _, labels in self.samples}:
                self.check_parts(labels)

    def check_parts(self, labels):
        where = f"{self.name}{dict(labels)}"
        require(("_sum", labels) in self.samples, f"{where} has no sum")
        require(("_count", labels) in self.samples, f"{where} has no count")
        if self.type != "histogram":
            return
        buckets = [(dict(of)["le"], number)
                   for (part, of), number in self.samples.items()
                   if part == "_bucket" and
                   tuple(p for p in of if p[0] != "le") == labels]
        bounds = [float(bound) for bound, _ in buckets]
        counts = [number for _, number in buckets]
        require(bounds and bounds[-1] == math.inf, f"{where} has no +Inf")
        require(all(a < b for a, b in zip(bounds, bounds[1:])),
                f"{where} is in no order")
        require(all(a <= b for a, b in zip(counts, counts[1:])),
                f"{where} goes back")
        require(counts[-1] == self.samples["_count", labels],
                f"{where} has another count than its buckets")


def read(text):
    """{name: Family}."""
    require(text.endswith("\n"), "the last line has no end")
    families = {}
    family = None
    for line in text[:-1].split("\n"):
        match = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        require(match or not line.startswith("#"), f"what is {line!r}?")
        if not match:
            require(family and family.type, f"before its TYPE: {line}")
            family.add(line)
        elif match[1] == "HELP":
            require(match[2] not in families, f"{match[2]} comes twice")
            family = families[match[2]] = Family(match[2], match[3])
        else:
            require(family and family.name == match[2] and not family.type,
                    f"out of place: {line}")
            require(match[3] in TYPES, f"no type: {line}")
            family.type = match[3]
    for family in families.values():
        require(family.name.startswith("librapi_"), family.name)
        family.check()
    return families


class Metrics:
    """One scrape: metrics["librapi_x_total", {"label": "value"}]."""

    def __init__(self, text):
        self.families = read(text)

    def numbers(self, name, **labels):
        """All samples of the name that have these labels."""
        for family in self.families.values():
            if name.startswith(family.name):
                found = [number for (part, of), number
                         in family.samples.items()
                         if family.name + part == name
                         and labels.items() <= dict(of).items()]
                if found:
                    return found
        return []

    def sum(self, name, **labels):
        return sum(self.numbers(name, **labels))

    def series(self):
        return {(family.name + part, labels)
                for family in self.families.values()
                for part, labels in family.samples}

    def counters(self):
        """Everything that must never go back."""
        return {(family.name + part, labels): number
                for family in self.families.values()
                if family.type != "gauge"
                for (part, labels), number in family.samples.items()}
