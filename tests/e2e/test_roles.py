#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes beside the workers, and which requests lighttpd gives them."""

import os
import signal

import librapi
import stored

# lighttpd resolves the dots and dispatches by that; the key is "../watch" &c.
DETOURS = {
    "watcher": "/v1/kv/%2e%2e/watch",
    "transfer": "/v1/kv/%2e%2e/export",
}


class Roles(librapi.TestCase):
    def stopped(self, service, role):
        """Stop all processes of a role, so that what they get waits."""
        pids = service.children(role)
        self.assertTrue(pids, role)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    def test_every_process_serves_whatever_it_is_given(self):
        for mode in ("spawn", "connect"):
            service = self.service(mode)
            for role, detour in DETOURS.items():
                put = service.put(detour, role.encode())
                self.assertEqual(put.status, 201, put)
                self.assertEqual(service.get(detour).body, role.encode())
            service.stop()

    def test_lighttpd_goes_by_the_normalised_path(self):
        service = self.service(workers=1)
        for role, detour in DETOURS.items():
            pids = self.stopped(service, role)
            connection = service.connect()
            connection.socket.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                connection.request("PUT", detour, b"x")
            self.assertEqual(service.get("/livez").status, 200)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            connection.socket.settimeout(librapi.TIMEOUT)
            self.assertEqual(connection.receive().status, 201)
            connection.close()

    def test_one_that_is_killed_is_replaced(self):
        service = self.service(transfers=3)
        self.assertEqual(len(service.children("transfer")), 3)
        for role, detour in DETOURS.items():
            old = service.children(role)
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            librapi.wait_until(
                lambda: len(service.children(role)) == len(old)
                and not set(old) & set(service.children(role)), role)
            self.assertEqual(service.put(detour, b"x").status, 201)

    def test_their_sockets_can_be_elsewhere(self):
        folder = self.folder()
        service = librapi.Service(
            folder, watch_listen=f"unix:{folder}/w",
            transfer_listen=f"unix:{folder}/t",
            stored_listen=f"unix:{folder}/r")
        self.addCleanup(service.end)
        service.start()
        self.assertEqual(sorted(os.listdir(service.path("run"))),
                         ["librapi.pid"])
        for detour in DETOURS.values():
            self.assertEqual(service.put(detour, b"x").status, 201)
        service.put("/v1/kv/a", b"x")
        stored.keep(service, "/v1/kv/a")
        service.stop()
        self.assertFalse({"w", "t", "r"} & set(os.listdir(folder)))

    def test_in_one_process_memory_all_is_served_by_the_worker(self):
        service = self.service(engine="memory", workers=1)
        self.assertEqual(service.children("transfer"), [])
        service.put("/v1/kv/a", b"1")
        for detour in DETOURS.values():
            self.assertEqual(service.put(detour, b"x").status, 201)
            self.assertEqual(service.get(detour).body, b"x")


if __name__ == "__main__":
    librapi.main()
