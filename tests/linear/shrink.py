# SPDX-License-Identifier: GPL-3.0-or-later
"""
The few operations that show that a history has no order.

Only what keeps a right history right is done to it: who has an order for all
operations has one for a beginning of the history, for what they did to some of
the keys, for all but some that changed nothing, and for the same with outcomes
forgotten.  So what is left is wrong in the history itself, and not for the want
of what was taken away.
"""

import dataclasses
import itertools
import time

import checker
from history import ANY

CONFIGURATIONS_MOST = 20_000    # of a history that may be a smaller one


def step_on(step, keys):
    """A step as far as it is about these keys; None: not at all."""
    name, key, *rest = step
    if name == "list":
        return (name, key, rest[0] if rest[0] == ANY else
                {k: value for k, value in rest[0].items() if k in keys})
    if name == "delete-prefix":
        return name, key, ANY
    return step if key in keys else None


def only_about(operations, keys):
    """What they did to these keys."""
    left = []
    for o in operations:
        steps = [step_on(step, keys) for step in o.steps]
        found = tuple(f for f in o.found if f[0] in keys)
        o = dataclasses.replace(
            o, steps=tuple(step for step in steps if step), found=found,
            conditions=tuple(c for c in o.conditions if c[0] in keys))
        if found if o.outcome == "refused" else o.steps or o.conditions:
            left.append(o)
    return left


def about_few_keys(operations):
    """The same, of as few keys as will do."""
    ((_, keys),) = checker.components(operations)
    for size in range(1, len(keys)):
        for some in itertools.combinations(sorted(keys), size):
            fewer = only_about(operations, set(some))
            if is_wrong(fewer):
                return fewer
    return operations


def until(operations, moment):
    """What the clients knew at that moment."""
    known = []
    for o in operations:
        if o.call > moment:
            continue
        if o.unknown or o.end <= moment:
            known.append(o)
        elif o.writes:
            known.append(o.made_unknown())
    return known


def first_wrong_moment(operations):
    """The end of the operation whose answer nothing explains any more."""
    moments = sorted(o.end for o in operations if not o.unknown)
    low, high = 0, len(moments) - 1
    while low < high:
        middle = (low + high) // 2
        if checker.is_linearizable(until(operations, moments[middle])):
            low = middle + 1
        else:
            high = middle
    return moments[low]


def without(operations, some):
    """Forget these: what changed nothing goes, of a write its outcome."""
    left = []
    for i, o in enumerate(operations):
        if i not in some:
            left.append(o)
        elif o.writes:
            left.append(o.made_unknown())
    return left


def is_wrong(operations):
    """... as far as a search that is not too long can tell."""
    try:
        return not checker.is_linearizable(operations, CONFIGURATIONS_MOST)
    except checker.Undecided:
        return False


def forget(operations, deadline):
    """Forget as many as can be, in pieces that get smaller."""
    size = len(operations)
    while size >= 1:
        begin = 0
        while begin < len(operations):
            if time.monotonic() > deadline:
                return operations
            some = {i for i in range(begin, min(begin + size,
                                                len(operations)))
                    if not operations[i].unknown}
            fewer = without(operations, some)
            if some and is_wrong(fewer):
                operations = fewer
            else:
                begin += size
        size //= 2
    return operations


def shrink(operations, seconds=20):
    """
    Operations that still have no order, and how many others are not among
    them because they wrote, if at all, what is not seen in these.
    """
    deadline = time.monotonic() + seconds
    left = until(operations, first_wrong_moment(operations))
    left = about_few_keys(sorted(left, key=lambda o: o.call))
    left = forget(left, deadline)
    seen = set().union(*(o.seen() for o in left if not o.unknown))
    shown = [o for o in left if not o.unknown or o.written() & seen
             or any(step[0] == "add" for step in o.steps)]
    return shown, len(left) - len(shown)
