#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Is there an order of the operations, each at one moment between its call and
its answer, that explains all answers?  (Herlihy and Wing, "Linearizability",
1990.)  The search is that of Wing and Gong with the memory of Lowe ("Testing
for linearizability", 2017): go through the orders depth first, and never twice
through the same operations done with the same state reached.  Besides:

- Keys that no operation ties together are looked at one by one.
- Of what could come next, an operation that can't change anything and is right
  is taken at once: it can't be in anybody's way.
- An operation of unknown outcome may come at any time after its call, or
  never.  It is tried last, and what comes next has to touch a key of its own:
  otherwise it might as well come later.  Equal ones are taken in the order of
  their calls; and of two ways to the same place the one that needed fewer of
  them is the better one, so the other is not gone.
- A value that nobody has seen is like any other such value.

    checker.py FILE     looks at a history that a test has kept
"""

import dataclasses
import sys

import history
from history import ANY

CONFIGURATIONS_MOST = 300_000
UNSEEN = "(unseen)"
NOTHING = frozenset()


class Undecided(Exception):
    """The search was given up."""


# What an operation makes of a state: another one, the same one, or None when
# its answer can't be had from this state.  A state is a tuple of values, None
# where a key is absent; `index` knows the place of each key.

def condition_holds(state, condition, index):
    key, test, value = condition
    there = state[index[key]]
    if test == "is":
        return there == value
    return (there is None) == (test == "absent")


def take_step(values, step, index):
    """Do it to the list of values; False: not with this result."""
    name, key, *rest = step
    if name in ("list", "delete-prefix"):
        return take_many(values, name, key, rest[0], index)
    i = index[key]
    there = values[i]
    if name == "get":
        return rest[0] in (ANY, there)
    if name == "add":
        values[i] = str(int(there or "0") + rest[0])
        return rest[1] in (ANY, values[i])
    values[i] = rest[0] if name == "put" else None
    return rest[-1] in (ANY, there is not None)


def take_many(values, name, prefix, result, index):
    there = {key: values[i] for key, i in index.items()
             if key.startswith(prefix) and values[i] is not None}
    if name == "list":
        return result in (ANY, there)
    for key in there:
        values[index[key]] = None
    return result in (ANY, len(there))


def refused_rightly(state, operation, index):
    """One condition at least is false, and `found` is what is there."""
    found = dict(operation.found)
    for condition in operation.conditions:
        holds = condition_holds(state, condition, index)
        if holds == (condition[0] in found):
            return False
        if not holds and found[condition[0]] not in (
                ANY, state[index[condition[0]]]):
            return False
    return bool(found)


def apply(operation, state, index):
    if operation.outcome == "refused":
        return state if refused_rightly(state, operation, index) else None
    for condition in operation.conditions:
        if not condition_holds(state, condition, index):
            return state if operation.unknown else None
    values = list(state)
    for step in operation.steps:
        if not take_step(values, step, index):
            return None
    after = tuple(values)
    return state if after == state else after


def blur(operations):
    """The same, with one value for all that nobody has seen."""
    seen = set().union(*(o.seen() for o in operations))

    def blurred(step):
        if step[0] == "put" and step[2] not in seen:
            return ("put", step[1], UNSEEN, step[3])
        return step

    return [dataclasses.replace(o, steps=tuple(map(blurred, o.steps)))
            for o in operations]


class Search:
    """The search for an order of the operations on some keys."""

    def __init__(self, operations, keys, most=CONFIGURATIONS_MOST):
        self.most = most
        self.index = {key: i for i, key in enumerate(sorted(keys))}
        operations = blur(operations)
        self.known = sorted((o for o in operations if not o.unknown),
                            key=lambda o: o.call)
        self.unknown = sorted((o for o in operations if o.unknown),
                              key=lambda o: o.call)
        self.keys = {id(o): frozenset(o.keys(keys)) for o in operations}
        self.twins = self.find_twins()
        self.tried = {}         # place -> sets of unknown ones used
        self.configurations = 0

    def find_twins(self):
        """For each unknown one the equal one before it, if there is one."""
        last = {}
        twins = []
        for i, o in enumerate(self.unknown):
            same = (o.conditions, o.steps)
            twins.append(last.get(same))
            last[same] = i
        return twins

    def is_new(self, place, used):
        self.configurations += 1
        if self.configurations > self.most:
            raise Undecided(f"{len(self.known)} operations and "
                            f"{len(self.unknown)} unknown ones: no answer "
                            f"after {self.most} configurations")
        others = self.tried.setdefault(place, [])
        if any(other & used == other for other in others):
            return False
        others[:] = [o for o in others if o & used != used] + [used]
        return True

    def candidates(self, base, mask):
        """Known operations that may come next, and until when."""
        found = []
        until = None
        for i in range(base, len(self.known)):
            o = self.known[i]
            if until is not None and o.call > until:
                break
            if not mask >> (i - base) & 1:
                found.append(i)
                if until is None or o.end < until:
                    until = o.end
        return found, until

    def settle(self, base, mask, state):
        """
        Take what is right and only looks, as long as there is such.  A write
        that changes nothing now may have to come later.
        Returns the place, whether anything was taken, until when others may
        come, and which may: (end, known operation, state after it).
        """
        any_taken = False
        while True:
            while mask & 1:
                mask >>= 1
                base += 1
            found, until = self.candidates(base, mask)
            steps = []
            taken = False
            for i in found:
                after = apply(self.known[i], state, self.index)
                if after is state and not self.known[i].writes:
                    mask |= 1 << (i - base)
                    taken = any_taken = True
                elif after is not None:
                    steps.append((self.known[i].end, i, after))
            if not taken:
                steps.sort(key=lambda step: step[:2])
                return base, mask, any_taken, until, steps

    def branches(self, place, used, until, steps):
        """
        What can come next.  `owed` has the keys of each unknown one that was
        just taken and that nothing has touched since.
        """
        base, mask, state, owed = place
        for _, i, after in steps:
            keys = self.keys[id(self.known[i])]
            if all(keys & others for others in owed):
                yield base, mask | 1 << (i - base), after, used, NOTHING
        for u, o in enumerate(self.unknown):
            if o.call > until:
                break
            twin = self.twins[u]
            if used >> u & 1 or twin is not None and not used >> twin & 1:
                continue
            after = apply(o, state, self.index)
            if after is not None and after is not state:
                keys = self.keys[id(o)]
                yield (base, mask, after, used | 1 << u, frozenset(
                    [keys, *(other for other in owed if not other & keys)]))

    def run(self):
        """True when there is an order."""
        start = (0, 0, (None,) * len(self.index), 0, NOTHING)
        stack = [iter([start])]
        while stack:
            place = next(stack[-1], None)
            if place is None:
                stack.pop()
                continue
            base, mask, state, used, owed = place
            base, mask, taken, until, steps = self.settle(base, mask, state)
            if base == len(self.known):
                return True
            place = base, mask, state, NOTHING if taken else owed
            if self.is_new(place, used):
                stack.append(self.branches(place, used, until, steps))
        return False


def components(operations):
    """[(operations, keys)], such that no operation has keys of two."""
    everything = set()
    for o in operations:
        everything |= {key for key, *_ in o.conditions}
        for step in o.steps:
            if step[0] == "list":
                everything |= set(step[2]) if step[2] != ANY else set()
            elif step[0] != "delete-prefix":
                everything.add(step[1])
    parent = {key: key for key in everything}

    def root(key):
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    touched = [o.keys(everything) for o in operations]
    for keys in touched:
        first, *rest = keys or [None]
        for key in rest:
            parent[root(key)] = root(first)
    groups = {}
    for o, keys in zip(operations, touched):
        if keys:
            groups.setdefault(root(next(iter(keys))), []).append(o)
    return [(group, {key for key in everything if root(key) == name})
            for name, group in sorted(groups.items())]


def is_linearizable(operations, most=CONFIGURATIONS_MOST):
    return all(Search(group, keys, most).run()
               for group, keys in components(operations))


def find_wrong(operations):
    """The operations of the first group of keys that have no order, or []."""
    for group, keys in components(operations):
        if not Search(group, keys).run():
            return group
    return []


def main():
    operations = history.load(sys.argv[1])
    wrong = find_wrong(operations)
    print(f"{len(operations)} operations: "
          + ("no order explains them" if wrong else "linearizable"))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
