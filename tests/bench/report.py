# SPDX-License-Identifier: GPL-3.0-or-later
"""
From numbers to tables: what was measured, the ratios that librapi is to
reach, and plots by gnuplot.
"""

import os
import shutil
import subprocess

FIELDS = ("peer", "op", "connections", "size", "keys")


class Results:
    """Medians by what was measured; None where something is missing."""

    def __init__(self, data):
        self.data = data
        self.points = {tuple(p[f] for f in FIELDS): p for p in data["points"]}
        self.special = data["special"]

    def rate(self, peer, op, connections=64, size=100, keys=None):
        keys = keys or self.data["plan"]["keys"]
        point = self.points.get((peer, op, connections, size, keys))
        return point and point["rate"]

    def errors(self, peer, op):
        return sum(p["errors"] for key, p in self.points.items()
                   if key[:2] == (peer, op))


def ratio(a, b):
    return a / b if a is not None and b else None


def targets(r):
    """(what, "least" or "most", bound, reached)."""
    def to(peer, op):
        return ratio(r.rate("librapi", op), r.rate(peer, op))

    s = r.special.get
    put = r.rate("librapi", "PUT")
    others = [r.rate(peer, "GET") for peer in
              ("Go + BoltDB, kept open", "etcd", "Webdis + Redis")]
    fastest = max([rate for rate in others if rate], default=None)
    bolt = "Go + BoltDB, kept open"
    first = "first librapi's way"
    return [
        ("GET : best null responder", "least", 0.85, to("null best", "GET")),
        ("PUT : best null responder", "least", 0.7, to("null best", "PUT")),
        ("GET : plain null responder", "least", 1.3,
         to("null plain", "GET")),
        ("PUT : plain null responder", "least", 1.1,
         to("null plain", "PUT")),
        (f"PUT : {bolt}", "least", 8, to(bolt, "PUT")),
        (f"GET : {first}", "least", 6, to(first, "GET")),
        (f"PUT : {first}", "least", 6, to(first, "PUT")),
        ("errors of GET and PUT", "most", 0,
         r.errors("librapi", "GET") + r.errors("librapi", "PUT")),
        ("GET : etcd", "least", 3, to("etcd", "GET")),
        ("PUT : etcd", "least", 2, to("etcd", "PUT")),
        ("PUT : Webdis + Redis", "least", 0.9, to("Webdis + Redis", "PUT")),
        (f"GET : {bolt}", "least", 1.1, to(bolt, "GET")),
        ("GET : Webdis + Redis", "least", 0.8, to("Webdis + Redis", "GET")),
        ("keys/s of transactions of 100 gets : fastest peer's GET", "least",
         5, ratio(s("txn_get"), fastest)),
        ("keys/s of transactions of 100 gets : single GET", "least", 20,
         ratio(s("txn_get"), s("single_get"))),
        ("keys/s of import : single PUT", "least", 20,
         ratio(s("import"), put)),
        ("store alone, 16 writers : BoltDB", "least", 8,
         ratio(s("alone_writes"), s("bolt_alone_writes"))),
        ("store alone, reads beside 8 writers : reads", "least", 0.6,
         ratio(s("alone_reads_beside"), s("alone_reads"))),
        (f"page of 100 at {r.data['plan']['many']} keys : at "
         f"{r.data['plan']['keys']}", "most", 1.3, s("page_ratio")),
        ("PSS idle, 8 workers and lighttpd, MiB", "most", 24,
         s("idle_pss")),
        (f"PSS at {r.data['plan']['many']} keys under load, no page cache, "
         "MiB", "most", 96, s("loaded_pss_no_cache")),
        ("recovery after SIGKILL, s per 64 MiB", "most", 1.5,
         s("recovery_s")),
        ("p99 of GET during checkpoints : without", "most", 2,
         ratio(s("p99_checkpoint"), s("p99_without"))),
    ]


def rows(table):
    """A table for people that is Markdown as well."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]

    def line(row):
        return "| " + " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(table[0]), rule] + [line(r) for r in table[1:]])


def verdict(kind, bound, reached):
    if reached is None:
        return "not measured"
    good = reached >= bound if kind == "least" else reached <= bound
    return "pass" if good else "MISS"


def targets_table(r):
    table = [("target (64 connections, 100 bytes)", "bound", "reached", "")]
    for what, kind, bound, reached in targets(r):
        table.append((what, f"{'≥' if kind == 'least' else '≤'} {bound}",
                      "–" if reached is None else f"{reached:.2f}",
                      verdict(kind, bound, reached)))
    return rows(table)


def points_tables(r):
    """One table for each mix of operation, connections, size and keys."""
    mixes = {}
    for p in r.data["points"]:
        mixes.setdefault(tuple(p[f] for f in FIELDS[1:]), []).append(p)
    for (op, connections, size, keys), found in mixes.items():
        ours = r.rate("librapi", op, connections, size, keys)
        table = [("peer", "ok/s", "librapi :", "p50 ms", "p99 ms",
                  "p99.9 ms", "CPU µs", "errors", "PSS MiB")]
        for p in found:
            times = ratio(ours, p["rate"])
            table.append((
                p["peer"], f"{p['rate']:,.0f}",
                "–" if times is None else f"{times:.2f}",
                *(f"{p[name] / 1000:.2f}" for name in
                  ("p50", "p99", "p999")),
                f"{sum(p['cpu_us'].values()):.0f}", str(p["errors"]),
                f"{p['pss']:.0f}"))
        yield (f"{op}, {connections} connections, {size} bytes, "
               f"{keys} keys"), rows(table)


def special_table(r):
    names = sorted(r.special)
    return rows([("also measured", "")] +
                [(name, f"{r.special[name]:,.2f}") for name in names])


def text(r):
    parts = [r.data["machine"], ""]
    for title, table in points_tables(r):
        parts += [title, "", table, ""]
    parts += [special_table(r), "", targets_table(r), ""]
    parts += [f"skipped: {line}" for line in r.data["skipped"]]
    return "\n".join(parts)


PLOT = """
set terminal svg size 760,420 font "sans,12" background "white"
set output "{out}"
set title "{op}, values of 100 bytes, {keys} keys"
set xlabel "connections"
set ylabel "answers per second"
set logscale x 2
set xtics ({tics})
set xrange [0.8:*]
set yrange [0:*]
set key outside right
plot {lines}
"""


def plot(r, folder):
    """GET.svg and PUT.svg: throughput over connections."""
    if not shutil.which("gnuplot"):
        return "gnuplot: not installed, no plots"
    os.makedirs(folder, exist_ok=True)
    keys = r.data["plan"]["keys"]
    for op in ("GET", "PUT"):
        found = {}
        for p in r.data["points"]:
            if (p["op"], p["size"], p["keys"]) == (op, 100, keys):
                found.setdefault(p["peer"], []).append(
                    (p["connections"], p["rate"]))
        blocks = "".join(
            f"$d{i} << EOD\n" +
            "".join(f"{c} {rate:.0f}\n" for c, rate in sorted(points)) +
            "EOD\n" for i, points in enumerate(found.values()))
        lines = ", ".join(
            f'$d{i} with linespoints lw {3 if peer == "librapi" else 1} '
            f'title "{peer}"' for i, peer in enumerate(found))
        tics = ", ".join(str(c) for c in sorted(
            {c for points in found.values() for c, _ in points}))
        script = blocks + PLOT.format(out=os.path.join(folder, op + ".svg"),
                                      op=op, keys=keys, tics=tics,
                                      lines=lines)
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return f"plots: {folder}/GET.svg and PUT.svg"
