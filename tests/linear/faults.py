# SPDX-License-Identifier: GPL-3.0-or-later
"""
What happens to a service while clients talk to it: processes are killed, and
stopped for a while, at any moment or, worse, while they hold a lock.  A worker
that is in pwrite(2) has the journal's lock, one in fdatasync(2) that of the
sync; which call a process is in is read from /proc, which knows it only of those
who sleep.  Where the disk is slow (disk.py), whoever waits for it says so.
"""

import os
import signal
import time

import disk
import librapi
import syscalls

HOLDING = {"pwrite64": "journal", "fdatasync": "sync"}
SLOW = {"pwrite": "journal", "sync": "sync"}    # disk.py's calls
LOOK_SECONDS = 0.1      # how long to look for somebody who holds a lock


def lock_of(pid):
    """The lock that a worker has, if it has one."""
    return HOLDING.get(syscalls.waits_in(pid))


class Faults:
    def __init__(self, service, rng):
        self.service = service
        self.rng = rng
        self.counts = {}
        self.stopped = []       # (pid, when to let it go on)

    def strike(self, pid, what, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        self.counts[what] = self.counts.get(what, 0) + 1
        return True

    def workers(self):
        try:
            return self.service.workers()
        except (OSError, ValueError):
            return []           # no supervisor just now

    def slow_lock_of(self, pid):
        if isinstance(self.service, disk.Service):
            for call, lock in SLOW.items():
                if self.service.who(call) == pid:
                    return lock
        return None

    def holder(self):
        """A worker that has a lock, and which; or any."""
        deadline = time.monotonic() + LOOK_SECONDS
        workers = self.workers()
        while workers and time.monotonic() < deadline:
            held = {lock_of(pid) or self.slow_lock_of(pid): pid
                    for pid in workers}
            for lock in ("journal", "sync"):    # the rarer one first
                if lock in held:
                    return held[lock], lock
        return (self.rng.choice(workers), "nothing") if workers else (0, "")

    def kill_worker(self):
        workers = self.workers()
        if workers:
            self.strike(self.rng.choice(workers), "workers killed",
                        signal.SIGKILL)

    def kill_holder(self):
        pid, lock = self.holder()
        if pid:
            self.strike(pid, f"holders of {lock} killed", signal.SIGKILL)

    def stop_holder(self):
        pid, lock = self.holder()
        if pid and self.strike(pid, f"holders of {lock} stopped",
                               signal.SIGSTOP):
            self.stopped.append(
                (pid, time.monotonic() + self.rng.uniform(0.02, 0.4)))

    def kill_housekeeper(self):
        try:
            pids = self.service.children("housekeeper")
        except (OSError, ValueError):
            pids = []
        for pid in pids:
            self.strike(pid, "housekeepers killed", signal.SIGKILL)

    def kill_supervisor(self):
        try:
            pid = self.service.supervisor()
        except (OSError, ValueError):
            return
        self.strike(pid, "supervisors killed", signal.SIGKILL)

    def let_go(self, everybody=False):
        for pid, when in list(self.stopped):
            if everybody or time.monotonic() >= when:
                self.stopped.remove((pid, when))
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass

    def run(self, until):
        """Strike every now and then until that moment."""
        what = {Faults.kill_worker: 4, Faults.kill_holder: 5,
                Faults.stop_holder: 8, Faults.kill_housekeeper: 2,
                Faults.kill_supervisor: 0.7}
        try:
            while time.monotonic() < until:
                self.let_go()
                time.sleep(self.rng.uniform(0.02, 0.2))
                self.rng.choices(list(what), list(what.values()))[0](self)
        finally:
            self.let_go(everybody=True)
        librapi.wait_until(self.workers, "workers")
        return self.counts
