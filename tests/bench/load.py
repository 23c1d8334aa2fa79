# SPDX-License-Identifier: GPL-3.0-or-later
"""Load by wrk, and what it cost: processor time and memory."""

import json
import os
import signal
import subprocess
import tempfile

import peers

LUA = os.path.join(peers.HERE, "kv.lua")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    """Of processes that live: {their name: seconds}."""
    used = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
                text = f.read()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        used[name] = used.get(name, 0) + \
            (int(fields[11]) + int(fields[12])) / TICKS
    return used


def memory_mib(pids):
    """(PSS, PSS without what is mapped from files) of the processes."""
    total = cached = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                sizes = {line.split(":")[0]: int(line.split()[1])
                         for line in f if line.rstrip().endswith("kB")}
        except OSError:
            continue
        total += sizes["Pss"]
        cached += sizes["Pss_File"]
    return total / 1024, (total - cached) / 1024


class Load:
    """Requests of one kind to one peer, ready to be sent."""

    def __init__(self, peer, request, keys, connections):
        self.peer = peer
        self.keys = keys
        self.connections = connections
        fd, self.file = tempfile.mkstemp(dir=peer.folder)
        with open(fd, "w", encoding="ascii", newline="") as f:
            f.write(request)

    def command(self, seconds, seed):
        return ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s",
                "--timeout", "10s", "-s", LUA,
                f"http://{self.peer.address}:{self.peer.port}", "--",
                self.file, str(self.keys), str(seed)]

    def start(self, seconds, seed=1):
        return subprocess.Popen(self.command(seconds, seed),
                                stdout=subprocess.PIPE, text=True)

    def run(self, seconds, seed=1):
        """wrk's numbers, and per second only what was answered well."""
        pids = self.peer.processes()
        before = cpu_seconds(pids)
        return self.result(self.start(seconds, seed), pids, before)

    @staticmethod
    def result(wrk, pids=(), before=None):
        out, _ = wrk.communicate()
        assert wrk.returncode == 0, out
        result = json.loads([line for line in out.splitlines()
                             if line.startswith("{")][-1])
        good = result["requests"] - result["bad_status"]
        result["errors"] = result["bad_status"] + result["broken"]
        result["rate"] = good / (result["us"] / 1e6)
        if before is not None:
            after = cpu_seconds(pids)
            result["cpu_us"] = {
                name: (after[name] - before.get(name, 0)) * 1e6 /
                max(1, result["requests"]) for name in after}
        return result


def pause(peer):
    """What is not measured shall not run either."""
    for pid in peer.processes():
        os.kill(pid, signal.SIGSTOP)


def resume(peer):
    for pid in peer.processes():
        os.kill(pid, signal.SIGCONT)
