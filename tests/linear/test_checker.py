#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Does the checker tell right from wrong?  Histories that are known to have an
order, and ones that are known to have none; then histories that were made by
chance, which a search through all permutations decides as well.
"""

import dataclasses
import itertools
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))

import checker
import history
import librapi      # found by the line above
import shrink
from history import ANY, Operation


def put(call, end, key, value, existed=ANY):
    return Operation(1, call, end, (("put", key, value, existed),))


def get(call, end, key, value):
    return Operation(2, call, end, (("get", key, value),))


def delete(call, end, key, existed=ANY):
    return Operation(1, call, end, (("delete", key, existed),))


def swap(call, end, key, old, new, found=None):
    """Compare-and-set; `found`: refused, because of that."""
    return Operation(3, call, end, (("put", key, new, ANY),),
                     ((key, "is", old),), "refused" if found else "ok",
                     ((key, found),) if found else ())


def batch(call, end, *steps):
    return Operation(4, call, end, steps)


def listing(call, end, prefix, **entries):
    return Operation(5, call, end, (("list", prefix, entries),))


def unknown(operation):
    return operation.made_unknown()


RIGHT = {
    "nothing at all": [],
    "one after the other":
        [put(1, 2, "a", "x", False), get(3, 4, "a", "x"),
         delete(5, 6, "a", True), get(7, 8, "a", None)],
    "a read beside a write sees either":
        [put(1, 10, "a", "x"), get(2, 3, "a", None), get(4, 5, "a", "x")],
    "two writes at a time, in the other order than called":
        [put(1, 10, "a", "x"), put(2, 9, "a", "y"), get(11, 12, "a", "x")],
    "a write like the one before it, which two deletions need":
        [put(1, 2, "a", "x"), put(3, 20, "a", "y"),
         delete(10, 12, "a", True), delete(14, 16, "a", True)],
    "keys do not mind each other":
        [put(1, 2, "a", "x"), get(3, 4, "b", None), put(5, 6, "b", "y")],
    "an unknown write that took place late":
        [unknown(put(1, 2, "a", "x")), get(3, 4, "a", None),
         get(5, 6, "a", "x")],
    "an unknown write that never took place":
        [unknown(put(1, 2, "a", "x")), get(3, 4, "a", None)],
    "unknown adds, of which two took place":
        [unknown(batch(i, i, ("add", "n", 1, ANY))) for i in range(20)]
        + [get(30, 31, "n", "2")],
    "one of two swaps is refused":
        [put(1, 2, "a", "x"), swap(3, 9, "a", "x", "y"),
         swap(4, 8, "a", "x", "z", found="y")],
    "a swap is refused for what an unknown one wrote":
        [put(1, 2, "a", "x"), unknown(swap(3, 4, "a", "x", "y")),
         swap(5, 6, "a", "x", "z", found=ANY)],
    "a look at what two unknown writes wrote":
        [unknown(put(1, 2, "a", "x")), unknown(put(1, 2, "b", "y")),
         batch(3, 4, ("get", "a", "x"), ("get", "b", "y"))],
    "a batch and a listing":
        [batch(1, 2, ("put", "g/a", "x", False), ("put", "g/b", "y", False)),
         listing(3, 4, "g/", **{"g/a": "x", "g/b": "y"}),
         batch(5, 6, ("get", "g/a", "x"), ("add", "g/n", 2, "2"))],
    "a prefix deleted":
        [put(1, 2, "g/a", "x"), put(3, 4, "g/b", "y"),
         batch(5, 6, ("delete-prefix", "g/", 2)), listing(7, 8, "g/")],
}

WRONG = {
    "a read of what nobody wrote": [get(1, 2, "a", "x")],
    "a stale read": [put(1, 2, "a", "x"), put(3, 4, "a", "y"),
                     get(5, 6, "a", "x")],
    "a lost write": [put(1, 2, "a", "x"), get(3, 4, "a", None)],
    "there and back":
        [put(1, 10, "a", "x"), get(2, 3, "a", "x"), get(4, 5, "a", None)],
    "two readers that disagree of two writes":
        [put(1, 10, "a", "x"), put(1, 10, "a", "y"), get(11, 12, "a", "x"),
         get(13, 14, "a", "y")],
    "both of two swaps":
        [put(1, 2, "a", "x"), swap(3, 9, "a", "x", "y"),
         swap(4, 8, "a", "x", "z")],
    "a swap refused for no reason":
        [put(1, 2, "a", "x"), swap(3, 4, "a", "x", "y", found="x")],
    "created twice":
        [put(1, 2, "a", "x", False), put(3, 4, "a", "y", False)],
    "half a batch":
        [batch(1, 10, ("put", "a", "x", ANY), ("put", "b", "y", ANY)),
         batch(2, 3, ("get", "a", "x"), ("get", "b", None))],
    "a listing of two moments":
        [put(1, 2, "g/a", "x"), put(3, 4, "g/b", "y"),
         put(5, 6, "g/a", "z"),
         listing(3, 9, "g/", **{"g/a": "z"})],
    "an unknown write seen before its call":
        [get(1, 2, "a", "x"), unknown(put(3, 4, "a", "x"))],
    "an unknown write that took place twice":
        [unknown(put(1, 2, "a", "x")), get(3, 4, "a", "x"),
         put(5, 6, "a", "y"), get(7, 8, "a", "y"), get(9, 10, "a", "x")],
    "more added than there were":
        [unknown(batch(i, i, ("add", "n", 1, ANY))) for i in range(3)]
        + [get(30, 31, "n", "4")],
    "a prefix that was not wholly deleted":
        [put(1, 2, "g/a", "x"), put(3, 4, "g/b", "y"),
         batch(5, 6, ("delete-prefix", "g/", 2)),
         listing(7, 8, "g/", **{"g/b": "y"})],
}


def by_permutation(operations):
    """The definition, word by word; for a handful of operations."""
    keys = {"a", "b", "n"}
    index = {key: i for i, key in enumerate(sorted(keys))}
    known = [o for o in operations if not o.unknown]
    others = [o for o in operations if o.unknown]
    for size in range(len(others) + 1):
        for some in itertools.combinations(others, size):
            for order in itertools.permutations(known + list(some)):
                if explains(order, index):
                    return True
    return False


def explains(order, index):
    state = (None,) * len(index)
    for i, o in enumerate(order):
        if any(not later.unknown and later.end < o.call
               for later in order[i + 1:]):
            return False
        state = checker.apply(o, state, index)
        if state is None:
            return False
    return True


def random_answer(rng, state, i, key):
    """An operation without times, as it is answered in this state."""
    there = state[key]
    value = f"v{i}"
    kind = rng.choice(["put", "get", "look", "delete", "swap", "both", "add"])
    if kind == "look":
        return batch(0, 0, *(("get", key, there)
                             for key, there in state.items()))
    if kind == "add":
        state["n"] = str(int(state["n"] or "0") + 1)
        return batch(0, 0, ("add", "n", 1, state["n"]))
    if kind == "get":
        return get(0, 0, key, there)
    if kind == "swap" and there != "v0":
        return swap(0, 0, key, "v0", value, found=there or ANY) if there \
            else get(0, 0, key, None)
    state[key] = None if kind == "delete" else value
    if kind == "delete":
        return delete(0, 0, key, there is not None)
    if kind == "swap":
        return swap(0, 0, key, "v0", value)
    if kind == "put":
        return put(0, 0, key, value, there is not None)
    other = "ab".replace(key, "")
    return batch(0, 0, ("get", other, state[other]),
                 ("put", key, value, there is not None))


def random_history(rng):
    """Of clients that were told the truth, or half of the time not quite."""
    state = {"a": None, "b": None, "n": None}
    operations = []
    for i in range(rng.randint(3, 6)):
        o = random_answer(rng, state, i, rng.choice("ab"))
        moment = 10 * i
        o = dataclasses.replace(o, call=moment - rng.randrange(25),
                                end=moment + 1 + rng.randrange(25))
        operations.append(unknown(o) if o.writes and rng.random() < 0.4
                          else o)
    if rng.random() < 0.6:
        i = rng.randrange(len(operations))
        operations[i] = get(operations[i].call, operations[i].end,
                            rng.choice("ab"), rng.choice([None, "v0", "v1"]))
    return operations


def stale_read_in_a_crowd(rng, count):
    """A right history of one register, but for one read near its end."""
    operations = []
    values = [None]
    for i in range(count):
        at = i * 10
        end = at + rng.randint(5, 35)   # some clients at a time
        if rng.random() < 0.5:
            values.append(f"v{i}")
            operations.append(put(at, end, "a", values[-1]))
            operations.append(put(at + 1, end, "b", f"b{i}"))
        else:
            operations.append(get(end + 1, end + 45, "c", None))
    operations.append(get(count * 10 + 100, count * 10 + 101, "a",
                          values[-20]))
    return operations


class Checker(librapi.TestCase):
    def test_histories_that_have_an_order(self):
        for name, operations in RIGHT.items():
            with self.subTest(name):
                self.assertTrue(checker.is_linearizable(operations))

    def test_histories_that_have_none(self):
        for name, operations in WRONG.items():
            with self.subTest(name):
                self.assertFalse(checker.is_linearizable(operations))

    def test_it_agrees_with_a_search_through_all_permutations(self):
        seed = int(os.environ.get("LIBRAPI_SEED") or 1)
        rng = random.Random(seed)
        counts = {True: 0, False: 0}
        for n in range(1000):
            operations = random_history(rng)
            right = by_permutation(operations)
            counts[right] += 1
            self.assertEqual(checker.is_linearizable(operations), right,
                             f"history {n} of seed {seed}: " + "\n".join(
                                 history.show(operations)))
        self.assertGreater(min(counts.values()), 100, counts)

    def test_what_is_shrunk_is_small_and_has_no_order(self):
        for n in range(5):
            operations = stale_read_in_a_crowd(random.Random(n), 200)
            self.assertFalse(checker.is_linearizable(operations))
            group = checker.find_wrong(operations)
            shown, _ = shrink.shrink(group)
            self.assertFalse(checker.is_linearizable(shown))
            self.assertLess(len(shown), 5, "\n".join(history.show(shown)))

    def test_a_history_is_the_same_when_it_comes_from_a_file(self):
        operations = sum([*RIGHT.values(), *WRONG.values()], [])
        with tempfile.NamedTemporaryFile() as f:
            history.save(f.name, operations)
            self.assertEqual(history.load(f.name), operations)

    def test_a_search_without_end_is_given_up_and_said(self):
        with self.assertRaises(checker.Undecided):
            checker.is_linearizable(
                [unknown(batch(0, 1, ("add", "a", 3 ** i, ANY)))
                 for i in range(12)] + [get(50, 51, "a", "2")], most=50)


if __name__ == "__main__":
    librapi.main()
