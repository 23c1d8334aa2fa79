# SPDX-License-Identifier: GPL-3.0-or-later
"""
A service whose disk a test can slow down, or let fail (bad_disk.c).

    service = disk.Service(self.folder(), workers=2)
    service.slow("sync", 50)        from now on, each takes 50 ms longer
"""

import os

import librapi


class Service(librapi.Service):
    def environment(self):
        env = librapi.preloading(super().environment(), "bad_disk.so")
        return dict(env, BAD_DISK=self.folder)

    def slow(self, call, milliseconds):
        """`call` is sync or pwrite; 0 is as fast as ever."""
        with open(self.path(call), "w", encoding="ascii") as f:
            f.write(str(milliseconds))

    def who(self, call):
        """The process that waits for such a call just now, or None."""
        try:
            with open(self.path(call + ".pid"), encoding="ascii") as f:
                text = f.read()
        except FileNotFoundError:
            return None
        return int(text) if text.endswith("\n") else None

    def waiting(self, call):
        """Likewise, once there is one."""
        return librapi.wait_until(lambda: self.who(call),
                                  f"somebody in {call}")

    def fail(self, fails=True):
        """Whether syncs fail."""
        if fails:
            with open(self.path("fails"), "wb"):
                pass
        else:
            os.unlink(self.path("fails"))
