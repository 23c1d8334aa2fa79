#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service manager hears (sd_notify(3)), as with Type=notify."""

import os
import signal
import socket
import subprocess
import threading
import time

import librapi

UNIT = os.path.join(librapi.BUILD, "app", "host", "librapi.service")


class Manager:
    """A NOTIFY_SOCKET; collects what arrives, in order."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.heard.append(self.socket.recv(4096).decode())

    def wait_for(self, line, count=1):
        def said():
            return sum(line in message.split("\n")
                       for message in self.heard) >= count
        librapi.wait_until(said, f"{line} after {self.heard}")


class Notify(librapi.TestCase):
    def start(self, **variables):
        self.folder = self.service(start=False).folder
        self.manager = Manager(self.folder)
        environment = librapi.environment(self.folder, {"workers": 2})
        environment["NOTIFY_SOCKET"] = self.manager.path
        environment.update(variables)
        process = subprocess.Popen(
            librapi.DIES_WITH_US + [librapi.PROGRAM, "serve"],
            env=environment, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_it_is_ready_when_it_serves_and_stops_when_told(self):
        process = self.start()
        self.manager.wait_for("READY=1")
        self.assertTrue(os.path.exists(
            os.path.join(self.folder, "run", "librapi.sock")))
        process.terminate()
        self.manager.wait_for("STOPPING=1")
        self.assertEqual(process.wait(librapi.TIMEOUT), 0)
        self.assertFalse(any("WATCHDOG=1" in m for m in self.manager.heard))

    def test_it_is_not_ready_when_it_can_not_start(self):
        process = self.start(LIBRAPI_DATA_DIR="/proc/none")
        self.assertEqual(process.wait(librapi.TIMEOUT), 1)
        self.assertEqual(self.manager.heard, [])

    def test_a_manager_that_was_busy_hears_that_it_is_ready(self):
        path = os.path.join(self.service(start=False).folder, "full")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as busy, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            busy.bind(path)
            busy.settimeout(librapi.TIMEOUT)
            other.setblocking(False)
            try:
                while True:
                    other.sendto(b"something", path)
            except BlockingIOError:
                pass
            process = self.start(NOTIFY_SOCKET=path)
            pid_file = os.path.join(self.folder, "run", "librapi.pid")
            librapi.wait_until(lambda: os.path.exists(pid_file), "a start")
            time.sleep(0.5)
            while b"READY=1" not in busy.recv(4096).split(b"\n"):
                pass
            process.terminate()
            self.assertEqual(process.wait(librapi.TIMEOUT), 0)

    def test_a_reload_is_over_when_all_have_the_new_settings(self):
        process = self.start()
        self.manager.wait_for("READY=1")
        process.send_signal(signal.SIGHUP)
        self.manager.wait_for("RELOADING=1")
        self.manager.wait_for("READY=1", 2)
        reloading = [m for m in self.manager.heard if "RELOADING=1" in m]
        self.assertRegex(reloading[0], "MONOTONIC_USEC=[0-9]+$")

    def test_the_watchdog_hears_from_it_until_it_hangs(self):
        process = self.start(WATCHDOG_USEC="200000")
        self.manager.wait_for("WATCHDOG=1", 5)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        before = len(self.manager.heard)
        time.sleep(0.5)
        self.assertEqual(len(self.manager.heard), before)


class Unit(librapi.TestCase):
    """The unit for systemd, as systemd reads it."""

    def print_config(self, **of_file):
        """What is in force with these variables in /etc/default/librapi."""
        with open(UNIT, encoding="ascii") as f:
            lines = [line.strip().partition("=") for line in f]
        (command,) = [value for name, _, value in lines
                      if name == "ExecStart"]
        env = {}
        for name, _, value in lines:
            if name == "Environment":
                env.update(pair.split("=", 1) for pair in value.split())
            if name == "EnvironmentFile":
                env.update(of_file)
        done = subprocess.run(
            [librapi.PROGRAM, *command.split()[1:], "--print-config"],
            env=env, check=True, capture_output=True, text=True,
            timeout=librapi.TIMEOUT)
        return dict(line.split("  #")[0].split(" = ", 1)
                    for line in done.stdout.split("\n") if " = " in line)

    def test_its_folders_are_those_that_systemd_makes(self):
        config = self.print_config()
        self.assertEqual(config["data-dir"], "/var/lib/librapi")
        self.assertEqual(config["run-dir"], "/run/librapi")

    def test_every_variable_of_its_file_counts(self):
        config = self.print_config(LIBRAPI_DATA_DIR="/srv/librapi",
                                   LIBRAPI_RUN_DIR="/run/librapi/other",
                                   LIBRAPI_WORKERS="3")
        self.assertEqual(config["data-dir"], "/srv/librapi")
        self.assertEqual(config["run-dir"], "/run/librapi/other")
        self.assertEqual(config["workers"], "3")


if __name__ == "__main__":
    librapi.main()
