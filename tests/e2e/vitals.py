# SPDX-License-Identifier: GPL-3.0-or-later
"""
What a service holds: descriptors and memory of each of its processes, and
the disk that its folder takes.  For tests that want to know whether all of it
is given back, and for those that look at it for a long time.

    with vitals.Peak(service) as peak:
        ...
    print(peak.mib)         {"lighttpd": 3.1, "worker": 9.8, ...}

Memory is PSS: a page that n processes share counts as an n-th to each, so
what is here can be added up.
"""

import os
import threading
import time

import librapi

ROLES = ("lighttpd", "supervisor", "worker", "watcher", "transfer",
         "housekeeper")


def processes(service):
    """{role: pids} of what is alive now."""
    found = {role: service.children(role) for role in ROLES[2:]}
    found["lighttpd"] = [service.lighttpd.pid]
    found["supervisor"] = [service.supervisor()]
    return found


# lighttpd has these open now and then.
PASSING = ("stored.lua", "stored.sock")


def descriptors(pid):
    """Those that are open on files of a store, and all others but PASSING."""
    files = others = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if os.path.basename(target).startswith(("journal-", "table-")):
            files += 1
        elif os.path.basename(target) not in PASSING:
            others += 1
    return files, others


def pss_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def cpu_s(pid):
    """Seconds that it has worked, for itself and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _by_role(service, measure):
    """Sums; a process that goes away meanwhile counts for nothing."""
    sums = {}
    for role, pids in processes(service).items():
        for pid in pids:
            try:
                sums[role] = sums.get(role, 0) + measure(pid)
            except OSError:
                pass
    return sums


def other_descriptors(service):
    """
    By role.  Files of the store are not counted: a process opens them when it
    comes to need them, keeps some, and closes those that were replaced when
    it has nothing else to do.
    """
    return _by_role(service, lambda pid: descriptors(pid)[1])


def settled_descriptors(service):
    """
    The same, once a moment changes nothing: lighttpd and a worker may not have
    closed the last connection yet.
    """
    found = [other_descriptors(service)]

    def same():
        time.sleep(0.2)
        found.append(other_descriptors(service))
        return found[-1] == found[-2]
    librapi.wait_until(same, "descriptors that stay")
    return found[-1]


def store_descriptors(service):
    return _by_role(service, lambda pid: descriptors(pid)[0])


def all_pss(service):
    return _by_role(service, pss_bytes)


def disk_bytes(folder):
    """What the files in a folder take, holes and the like not counted."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                pass
    return total


def mib(sums):
    return {role: round(size / (1 << 20), 1) for role, size in sums.items()}


class Peak:
    """The most memory that each role was seen to take inside the block."""

    def __init__(self, service, every_s=0.1):
        self.service = service
        self.every_s = every_s
        self.pss = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def look(self):
        for role, size in all_pss(self.service).items():
            self.pss[role] = max(size, self.pss.get(role, 0))

    def run(self):
        while not self.stopping.wait(self.every_s):
            self.look()

    def __enter__(self):
        self.look()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.look()

    @property
    def mib(self):
        return mib(self.pss)
