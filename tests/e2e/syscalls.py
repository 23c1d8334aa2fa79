# SPDX-License-Identifier: GPL-3.0-or-later
"""Which system call a process sleeps in."""

import platform

# As /proc names those that somebody asks for.
NAMES = {
    "x86_64": {"18": "pwrite64", "46": "sendmsg", "75": "fdatasync"},
    "aarch64": {"68": "pwrite64", "211": "sendmsg", "83": "fdatasync"},
}.get(platform.machine(), {})


def waits_in(pid):
    """Its name; None when the process runs, has gone, or is in another."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
            return NAMES.get(f.read().split(" ")[0])
    except OSError:
        return None
