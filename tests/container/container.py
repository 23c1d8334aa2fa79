# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the tests of images and pods share: two images that differ in nothing but
their version, podman, and clients that write while something is replaced.

Run as root.  All containers and all clients are in one network namespace of
the test's own, where nothing but the loopback is, so ports are always free
and nobody else can reach them.  podman calls it "host".  Needs podman, runc,
and mmdebstrap where no registry answers.
"""

import ctypes
import fcntl
import json
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "e2e"))

import librapi      # found by the line above

VERSIONS = ["1.0.0-old", "1.0.0-new"]
OLD, NEW = ["localhost/librapi-test:" + version for version in VERSIONS]
PORT = 8080
WORK = tempfile.TemporaryDirectory(prefix="librapi-container.")


def run(*command, check=True, stdin=None):
    """Run to its end: standard output as text."""
    done = subprocess.run(command, input=stdin, capture_output=True,
                          text=True, timeout=300)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done.stdout


def podman(*arguments, check=True, stdin=None):
    return run("podman", *arguments, check=check, stdin=stdin)


def exit_status(*arguments):
    return subprocess.run(["podman", *arguments], capture_output=True,
                          timeout=300).returncode


def inspect(*arguments):
    return json.loads(podman(*arguments[:-1], "inspect", arguments[-1]))[0]


def configure_podman():
    """
    For root without CAP_SYS_RESOURCE, who can't raise a limit, and a machine
    without systemd or with two kinds of cgroups, which crun refuses.
    """
    limits = []
    for name, number in (("nofile", resource.RLIMIT_NOFILE),
                         ("nproc", resource.RLIMIT_NPROC)):
        most = resource.getrlimit(number)[1]
        most = min(most, 32768) if most > 0 else 32768
        limits.append(f'"{name}={most}:{most}"')
    path = os.path.join(WORK.name, "containers.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write("[containers]\n"
                f"default_ulimits = [{', '.join(limits)}]\n"
                "[engine]\n"
                'runtime = "runc"\n'
                'events_logger = "file"\n'
                'cgroup_manager = "cgroupfs"\n')
    os.environ["CONTAINERS_CONF"] = path


def build(image, version):
    os.environ["CONTAINER_BUILD_ARGS"] = "--network=host"
    os.environ["CONTAINER_ENGINE"] = "podman"
    run(os.path.join(librapi.SOURCE, "kube", "image", "build"),
        librapi.SOURCE, image, version)


def enter_network():
    """A new network namespace with its loopback up (netdevice(7))."""
    clone_newnet, siocsifflags, iff_up = 0x40000000, 0x8914, 1
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newnet):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, siocsifflags, struct.pack("16sh14x", b"lo", iff_up))


def request(method, target, body=None, token=None, timeout=librapi.TIMEOUT):
    connection = librapi.Connection(PORT, timeout)
    try:
        return connection.request(
            method, target, body,
            {"Authorization": "Bearer " + token} if token else {})
    finally:
        connection.close()


def is_ready():
    try:
        return request("GET", "/readyz").status == 200
    except OSError:
        return False


def given():
    """How many answers lighttpd has given out of memory."""
    text = request("GET", "/metrics").body.decode()
    return int(re.search(r"^librapi_http_stored_responses_total (\d+)$", text,
                         re.M)[1])


def wait_ready():
    librapi.wait_until(is_ready, "ready")


class Storm:
    """
    Clients that write keys of their own as fast as they can, each write until
    it is acknowledged, while the service goes away and comes back.
    """

    def __init__(self, clients=8):
        self.stopping = False
        self.acknowledged = [0] * clients
        self.times = [[] for _ in range(clients)]
        self.threads = [threading.Thread(target=self.write, args=[n])
                        for n in range(clients)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def key(client, n):
        return f"/v1/kv/storm/{client}/{n}"

    @staticmethod
    def value(client, n):
        return f"{client} wrote {n}".encode() * 20

    def write(self, client):
        connection = None
        n = 0
        while not self.stopping:
            try:
                if not connection:
                    connection = librapi.Connection(PORT)
                answer = connection.request("PUT", self.key(client, n),
                                            self.value(client, n))
            except OSError:
                connection = None
                time.sleep(0.005)
                continue
            if answer.status in (201, 204):
                n += 1
                self.acknowledged[client] = n
                self.times[client].append(time.monotonic())
            else:
                assert answer.status >= 500, answer
                time.sleep(0.005)

    def wait_for(self, more):
        """Until each client has had so many more acknowledgements."""
        goals = [n + more for n in self.acknowledged]
        librapi.wait_until(
            lambda: all(n >= goal for n, goal
                        in zip(self.acknowledged, goals)),
            f"{more} more writes of each client")

    def stop(self):
        """All end; returns the longest time without an acknowledgement."""
        self.stopping = True
        for thread in self.threads:
            thread.join()
        times = sorted(sum(self.times, []))
        return max(b - a for a, b in zip(times, times[1:]))

    def lost(self):
        """Acknowledged writes that are not there, or not as written."""
        connection = librapi.Connection(PORT)
        lost = []
        for client, count in enumerate(self.acknowledged):
            for n in range(count):
                answer = connection.request("GET", self.key(client, n))
                if answer.body != self.value(client, n):
                    lost.append((client, n, answer))
        return lost


def say(text):
    print("#", text, flush=True)


def main():
    """
    Build the images, enter the network, run the tests.  LIBRAPI_KEEP_IMAGES
    takes those that an earlier run has built.
    """
    configure_podman()
    for image, version in zip((OLD, NEW), VERSIONS):
        if "LIBRAPI_KEEP_IMAGES" not in os.environ:
            build(image, version)
    enter_network()
    librapi.main()
