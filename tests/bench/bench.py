#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
make bench: librapi and what one would take instead, on this machine, in one
run.  Peers are started together and measured in turns; whoever has no turn
is stopped (SIGSTOP).  Numbers are medians of rounds, and ratios are within
the run: figures of two runs say little about each other.

    bench.py [--quick] [--rounds N] [--out FOLDER] [--peers NAME,...]
             [--only PART,...]

Parts: points, special.  NAME may be the beginning of one.  FOLDER gets results.json, report.md and the plots.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

import load
import peers
import report
import special

MIB = 1 << 20


@dataclasses.dataclass
class Plan:
    """How much is measured, and how long."""

    rounds: int
    seconds: int
    keys: int
    many: int
    # (bytes of a value, keys, connections)
    points: list


FULL = Plan(rounds=5, seconds=2, keys=10000, many=1000000, points=[
    (100, 10000, [1, 16, 64, 256]),
    (10240, 10000, [64]),
    (MIB, 100, [64]),
    (100, 1000000, [64]),
])
QUICK = Plan(rounds=3, seconds=1, keys=10000, many=100000, points=[
    (100, 10000, [64]),
])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = [line.split(":")[1].strip() for line in f
                 if line.startswith("model name")]
    return (f"{time.strftime('%Y-%m-%d %H:%M')}, {len(model)} × {model[0]}, "
            f"Linux {os.uname().release}, load {os.getloadavg()[0]:.1f} "
            "before the run")


def say(line):
    print(f"bench: {line}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, plan, chosen, base):
        self.plan = plan
        self.chosen = chosen
        self.base = base
        self.points = []
        self.special = {}
        self.skipped = []
        self.running = []

    def folder(self):
        return tempfile.mkdtemp(prefix="librapi-", dir=self.base)

    def start(self, kind, **settings):
        peer = kind(self.folder(), **settings)
        self.running.append(peer)
        peer.start()
        return peer

    def end(self, peer):
        peer.kill()
        self.running.remove(peer)
        shutil.rmtree(peer.folder, ignore_errors=True)

    def end_all(self):
        for peer in list(self.running):
            self.end(peer)

    def begin(self, size, keys):
        """All peers, each filled, and stopped until its turn comes."""
        for kind in self.chosen:
            say(f"{kind.name}: filling {keys} keys of {size} bytes")
            peer = self.start(kind)
            peer.fill(keys, size)
            load.pause(peer)

    def turn(self, peer, request, keys, connections, seed):
        load.resume(peer)
        seconds = self.plan.seconds if keys == self.plan.keys else 1
        result = load.Load(peer, request, keys, connections) \
            .run(seconds, seed)
        result["pss"] = load.memory_mib(peer.processes())[0]
        load.pause(peer)
        return result

    def measure(self, size, keys, connections):
        """All rounds of GETs first: meanwhile nothing is changed."""
        self.measure_op("GET", lambda peer: peer.get_request(),
                        size, keys, connections)
        self.measure_op("PUT", lambda peer: peer.put_request(size),
                        size, keys, connections)

    def measure_op(self, op, request_of, size, keys, connections):
        seen = {}
        for seed in range(self.plan.rounds):
            say(f"{op}, {connections} connections, {size} bytes, {keys} "
                f"keys: round {seed + 1} of {self.plan.rounds}")
            for peer in self.running:
                request = request_of(peer)
                if request:
                    seen.setdefault(peer.name, []).append(
                        self.turn(peer, request, keys, connections, seed))
        for name, results in seen.items():
            self.points.append(dict(
                median(results), peer=name, op=op, connections=connections,
                size=size, keys=keys))

    def all_points(self):
        for size, keys, connection_counts in self.plan.points:
            self.begin(size, keys)
            for connections in connection_counts:
                self.measure(size, keys, connections)
            self.end_all()

    def all_special(self):
        plan, found = self.plan, self.special
        say("store alone")
        found.update(special.store_alone(self.folder, plan))
        say("memory when idle, recovery, checkpoints")
        found.update(special.idle_memory(self.folder()))
        found.update(special.recovery(self.folder))
        found.update(special.checkpoints(self.folder(), plan))
        say("transactions")
        small = self.start(peers.Librapi)
        small.fill(plan.keys, 100)
        found.update(special.transactions(small, plan))
        say(f"{plan.many} keys: pages, memory, export and import")
        many = self.start(peers.Librapi)
        many.fill(plan.many, 100)
        found.update(special.page_cost(small, many, plan))
        found.update(special.loaded_memory(many, plan))
        found.update(special.import_export(many, plan))
        self.end_all()


def median(results):
    """Of each number by itself; errors are added up."""
    out = {name: statistics.median(r[name] for r in results)
           for name in ("rate", "p50", "p90", "p99", "p999", "pss")}
    out["errors"] = sum(r["errors"] for r in results)
    out["rates"] = [round(r["rate"]) for r in results]
    out["cpu_us"] = {name: statistics.median(r["cpu_us"].get(name, 0)
                                             for r in results)
                     for name in results[0]["cpu_us"]}
    return out


def choose(names, quick):
    chosen, skipped = [], []
    for kind in peers.ALL:
        if names and not kind.name.startswith(tuple(names)) or \
                quick and not kind.quick:
            continue
        why = peers.why_missing(kind)
        if why:
            skipped.append(f"{kind.name} ({why}; make bench-deps)")
            say("skipped: " + skipped[-1])
        else:
            chosen.append(kind)
    return chosen, skipped


def save(bench, out):
    data = {"machine": bench.machine, "plan": dataclasses.asdict(bench.plan),
            "points": bench.points, "special": bench.special,
            "skipped": bench.skipped}
    results = report.Results(data)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "results.json"), "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
    text = report.text(results)
    with open(os.path.join(out, "report.md"), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    print(text)
    if bench.points:
        print(report.plot(results, out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--out", default="bench")
    parser.add_argument("--peers", default="")
    parser.add_argument("--only", default="points,special")
    options = parser.parse_args()
    if not peers.program("wrk"):
        sys.exit("make bench needs wrk (make bench-deps installs it)")
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(1))
    base = tempfile.mkdtemp(prefix="librapi-bench-")
    names = [name for name in options.peers.split(",") if name]
    chosen, skipped = choose(names, options.quick)
    plan = QUICK if options.quick else FULL
    plan = dataclasses.replace(plan, rounds=options.rounds or plan.rounds)
    bench = Bench(plan, chosen, base)
    bench.skipped = skipped
    bench.machine = machine()
    begun = time.monotonic()
    try:
        if "points" in options.only:
            bench.all_points()
        if "special" in options.only:
            bench.all_special()
        save(bench, options.out)
    finally:
        bench.end_all()
        shutil.rmtree(base, ignore_errors=True)
    say(f"{time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
