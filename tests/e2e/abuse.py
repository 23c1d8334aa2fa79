# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the tests of abuse share: sockets that send any bytes at all, and a test
case that looks whether the service has got over what was done to it.
"""

import os
import shutil
import socket
import struct
import tempfile
import time

import librapi
import vitals

TORTURE = 10 if os.environ.get("LIBRAPI_TORTURE") else 1
MIB = 1 << 20
# Memory that all processes together may take, whatever clients do.
MEMORY_MAX_MIB = 256
BURST = 200
PATIENCE = ("max-read-idle", "max-write-idle", "max-keep-alive-idle")


class Service(librapi.Service):
    """
    With upload files that we can see, and a lighttpd whose patience with
    clients is patience_s, or what it is everywhere.
    """

    patience_s = 0

    def environment(self):
        """The sanitizers' library keeps what was freed; not too much of it,
        since memory is looked at."""
        return dict(super().environment(),
                    ASAN_OPTIONS="quarantine_size_mb=1")

    def start_lighttpd(self):
        conf = self.path("lighttpd")
        if not os.path.isdir(conf):
            shutil.copytree(os.path.join(librapi.BUILD, "lighttpd"), conf,
                            ignore=shutil.ignore_patterns("docs", "errors"))
            with open(os.path.join(conf, "abuse.conf"), "w",
                      encoding="ascii") as f:
                f.write('include "spawn.conf"\n'
                        f'server.upload-dirs = ("{self.path("uploads")}")\n')
                for what in PATIENCE if self.patience_s else ():
                    f.write(f"server.{what} := {self.patience_s}\n")
        self.lighttpd = self.start_process(
            [librapi.LIGHTTPD, "-D", "-f", os.path.join(conf, "abuse.conf")])


def connect(service, small_window=False):
    s = socket.socket()
    if small_window:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(librapi.TIMEOUT)
    s.connect((librapi.ADDRESS, service.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def vanish(s):
    """With a reset, and not with a goodbye."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 struct.pack("ii", 1, 0))
    s.close()


def head(method, target, *fields):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost",
                        *fields, "", ""]).encode("latin-1")


def put_request(target, body):
    return head("PUT", target, f"Content-Length: {len(body)}") + body


def everything(s):
    """All bytes that come until the server closes."""
    pieces = []
    try:
        while True:
            piece = s.recv(1 << 16)
            if not piece:
                break
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


class Reader(librapi.Connection):
    """Of the answers that come over a socket."""

    def __init__(self, s):
        self.socket = s
        self.pending = b""
        self.ends = False


def answers(s):
    """All answers that come before the server closes, or says that it will."""
    reader = Reader(s)
    found = []
    while not reader.ends:
        try:
            found.append(reader.receive())
        except ConnectionError:
            break
    return found


class Case(librapi.TestCase):
    """
    Tests that share a service, and look after each whether it is as before:
    descriptors, upload files, processes, and the speed; and how much memory
    was taken meanwhile.
    """

    patience_s = 0

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="librapi-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        os.makedirs(os.path.join(folder, "uploads"))
        cls.s = Service(folder, workers=3)
        cls.s.patience_s = cls.patience_s
        cls.addClassCleanup(cls.s.end)
        cls.s.start()
        cls.reference = max(cls.rate() for _ in range(3))

    @classmethod
    def rate(cls):
        """Requests a second, of one client that reads and writes."""
        begun = time.monotonic()
        connection = cls.s.connect()
        for n in range(BURST):
            target = f"/v1/kv/rate/{n // 2}"
            answer = connection.request("PUT", target, b"x") if n % 2 == 0 \
                else connection.request("GET", target)
            assert answer.status in (200, 201, 204), answer
        connection.close()
        return BURST / (time.monotonic() - begun)

    @classmethod
    def before(cls):
        """Once the clients of before are forgotten."""
        librapi.wait_until(
            lambda: vitals.descriptors(cls.s.lighttpd.pid)[1] <= 12,
            "lighttpd has let go of its clients", 10)
        cls.descriptors = vitals.settled_descriptors(cls.s)
        cls.workers = cls.s.workers()
        cls.peak = vitals.Peak(cls.s).__enter__()

    @classmethod
    def after(cls):
        cls.peak.__exit__()
        librapi.wait_until(
            lambda: vitals.other_descriptors(cls.s) == cls.descriptors,
            f"descriptors as before, {cls.descriptors}", 10)
        assert cls.s.workers() == cls.workers, "a worker died"
        assert os.listdir(cls.s.path("uploads")) == []
        librapi.wait_until(lambda: cls.rate() > cls.reference / 3,
                           f"a third of {cls.reference:.0f} requests/s", 20)
        assert sum(cls.peak.mib.values()) < MEMORY_MAX_MIB, cls.peak.mib
        print(f"# at most MiB {cls.peak.mib}")

    def setUp(self):
        self.before()

    def tearDown(self):
        self.after()

    def quickly(self, target="/livez"):
        """Somebody else's request; how long it took."""
        begun = time.monotonic()
        connection = librapi.Connection(self.s.port, timeout=10)
        answer = connection.request("GET", target)
        connection.close()
        self.assertEqual(answer.status, 200, answer)
        return time.monotonic() - begun
