# SPDX-License-Identifier: GPL-3.0-or-later
"""
What is compared: each peer is started in a folder of its own, says how a GET
and a PUT of it look, and can be filled with keys.  One that is not installed
says so in `missing`.

All processes of a peer bear LIBRAPI_DATA_DIR in their environment, by which
librapi.processes_in() finds them, whoever started them.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "e2e"))

import librapi      # noqa: E402

PROGRAMS = os.path.join(librapi.BUILD, "tests", "bench")
BOLT = os.path.join(PROGRAMS, "bolt-server")
WORKERS_PLAIN = 4       # the best of 4 to 8, on two cores
FILL_BATCH = 100


def program(name):
    """Where a program is, also when only root has it in PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/sbin:/usr/local/sbin")


def http(method, target, body=None, fields=()):
    """A request for kv.lua."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields]
    if body is None:
        return "\r\n".join(lines + ["", ""])
    size = len(body.replace("{KEY64}", "x" * 12).replace("{KEY}", "x" * 9))
    return "\r\n".join(lines + [f"Content-Length: {size}", "", body])


def value(size):
    return ("0123456789" * (size // 10 + 1))[:size]


class Librapi(librapi.Service):
    """
    The service itself, behind one lighttpd, which polls as long as there are
    but a few hundred connections; also the frame for others behind lighttpd.
    """

    name = "librapi"
    event_handler = "poll"
    missing = None
    durable = True
    contract = None
    quick = True        # no ratio that is to be reached can do without

    def __init__(self, folder, mode="connect", **settings):
        super().__init__(folder, mode, **settings)
        self.address = librapi.ADDRESS
        self.variables = {"LIGHTTPD_EVENT_HANDLER": self.event_handler}

    def processes(self):
        return librapi.processes_in(self.folder)

    def get_request(self):
        return http("GET", "/v1/kv/{KEY}")

    def put_request(self, size):
        return http("PUT", "/v1/kv/{KEY}", value(size))

    def fill(self, keys, size):
        """By transactions, and one by one where values are large."""
        connection = self.connect()
        batch = FILL_BATCH if size < 65536 else 1
        for at in range(0, keys, batch):
            todo = [{"put": f"key{i:06}", "value": value(size)}
                    for i in range(at, min(at + batch, keys))]
            answer = connection.request(
                "POST", "/v1/txn", json.dumps({"do": todo}).encode(),
                {"Content-Type": "application/json"})
            if answer.status in (404, 405):
                self.fill_singly(connection, keys, size)
                break
            assert answer.status == 200, answer
        connection.close()

    @staticmethod
    def fill_singly(connection, keys, size):
        for i in range(keys):
            answer = connection.request("PUT", f"/v1/kv/key{i:06}",
                                        value(size).encode())
            assert answer.status in (201, 204), answer


class LibrapiWorkers(Librapi):
    """With no stored responses: each GET is answered by a worker."""

    name = "librapi, by workers"
    quick = False

    def __init__(self, folder):
        super().__init__(folder, stored_bytes=0)


class LibrapiEpoll(Librapi):
    """As it is unless the environment asks otherwise."""

    name = "librapi, epoll"
    quick = False
    event_handler = "epoll"


class Null(Librapi):
    """A responder that does nothing, behind the same configuration."""

    form = None
    count = 1
    durable = False

    def __init__(self, folder):
        super().__init__(folder, "connect", stored_bytes=0)

    def start_program(self):
        self.program = self.start_process(
            [os.path.join(PROGRAMS, "null"), self.form,
             os.path.join(self.folder, "s"), str(self.count)])

    def is_complete(self):
        return True

    def fill(self, keys, size):
        pass


class NullBest(Null):
    name = "null best"
    form = "best"


class NullPlain(Null):
    name = "null plain"
    form = "plain"
    count = WORKERS_PLAIN


class Static(Librapi):
    """lighttpd with a file, all else as in librapi's configuration."""

    name = "static file"
    durable = False

    def __init__(self, folder):
        super().__init__(folder, stored_bytes=0)

    def environment(self):
        """The only folder that librapi's configuration knows."""
        return dict(super().environment(),
                    LIGHTTPD_ERRORS=self.path("files"))

    def start_lighttpd(self):
        os.makedirs(self.path("files"), exist_ok=True)
        with open(self.path("files", "file"), "w", encoding="ascii") as f:
            f.write(value(100))
        self.lighttpd = self.start_process(
            [librapi.LIGHTTPD, "-D", "-f",
             os.path.join(librapi.BUILD, "lighttpd", "common.conf")])

    def ready(self):
        try:
            return self.request("GET", "/file").status == 200
        except OSError:
            return False

    def get_request(self):
        return http("GET", "/file")

    def put_request(self, size):
        return None

    def fill(self, keys, size):
        pass


class Peer(Librapi):
    """A server of somebody else's, without lighttpd."""

    needs = []

    def __init__(self, folder):
        super().__init__(folder)
        self.others = []

    @classmethod
    def why_missing(cls):
        absent = [name for name in cls.needs if not program(name)]
        return f"{', '.join(absent)}: not installed" if absent else None

    def start_other(self, command):
        self.others.append(self.start_process(command))

    def ready(self):
        for process in self.others:
            if process.poll() is not None:
                raise AssertionError("did not start: " + self.log())
        try:
            return self.request("GET", self.probe).status < 500
        except OSError:
            return False

    probe = "/"

    def processes(self):
        """Redis writes its title over its environment."""
        return sorted({*super().processes(),
                       *(process.pid for process in self.others)})

    def kill(self):
        for process in self.others:
            process.kill()
            process.wait(librapi.TIMEOUT)
        self.others = []
        super().kill()


class BoltKept(Peer):
    name = "Go + BoltDB, kept open"
    form = "kept"
    needs = ["go"]

    @classmethod
    def why_missing(cls):
        """Built here, with the library that Debian has packaged."""
        missing = super().why_missing()
        library = "/usr/share/gocode/src/github.com/boltdb/bolt"
        if missing or os.path.exists(BOLT):
            return missing
        if not os.path.isdir(library):
            return "golang-github-boltdb-bolt-dev: not installed"
        env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode",
                   GOCACHE=os.path.join(PROGRAMS, "go-cache"))
        built = subprocess.run(
            [program("go"), "build", "-o", BOLT, "main.go"],
            cwd=os.path.join(HERE, "bolt"), env=env, stderr=subprocess.PIPE)
        shutil.rmtree(env["GOCACHE"], ignore_errors=True)
        return built.stderr.decode() if built.returncode else None

    def start(self):
        self.start_other([BOLT, self.form, f"{self.address}:{self.port}",
                          self.path("bolt.db")])
        self.wait_ready()
        return self

    def fill(self, keys, size):
        """By the program itself, which then has to have the file alone."""
        self.kill()
        subprocess.run([BOLT, "fill", self.path("bolt.db"), str(keys),
                        str(size)], check=True)
        self.start()

    def get_request(self):
        return http("GET", "/{KEY}")

    def put_request(self, size):
        return http("PUT", "/{KEY}", value(size))


class BoltEach(BoltKept):
    name = "first librapi's way"
    form = "each"


class Etcd(Peer):
    """With its own defaults, which are durable, and more room."""

    name = "etcd"
    needs = ["etcd"]
    probe = "/version"
    quota_bytes = 8 << 30
    batch = 100

    def start(self):
        here = f"http://{self.address}"
        peer = f"{here}:{librapi.free_port()}"
        self.start_other([
            program("etcd"), "--data-dir", self.path("etcd"),
            "--listen-client-urls", f"{here}:{self.port}",
            "--advertise-client-urls", f"{here}:{self.port}",
            "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}",
            "--quota-backend-bytes", str(self.quota_bytes),
            "--log-level", "error"])
        self.wait_ready()
        return self

    def get_request(self):
        return http("POST", "/v3/kv/range", '{"key":"{KEY64}"}')

    def put_request(self, size):
        # Any base64 of that many bytes will do.
        text = ("MDEyMzQ1" * (size // 6 + 1))[:(size + 2) // 3 * 4]
        return http("POST", "/v3/kv/put",
                    '{"key":"{KEY64}","value":"' + text + '"}')

    def fill(self, keys, size):
        text = base64.b64encode(value(size).encode()).decode()
        batch = self.batch if size < 10000 else 1
        connection = self.connect()
        for at in range(0, keys, batch):
            puts = [{"requestPut": {"key": base64.b64encode(
                f"key{i:06}".encode()).decode(), "value": text}}
                for i in range(at, min(at + batch, keys))]
            answer = connection.request(
                "POST", "/v3/kv/txn", json.dumps({"success": puts}).encode())
            assert answer.status == 200, answer
        connection.close()


class Webdis(Peer):
    """Redis syncs before each answer to a write, as librapi does."""

    name = "Webdis + Redis"
    needs = ["webdis", "redis-server"]

    def start(self):
        self.redis_port = librapi.free_port()
        os.makedirs(self.path("redis"), exist_ok=True)
        with open(self.path("webdis.json"), "w", encoding="utf-8") as f:
            json.dump({"redis_host": self.address,
                       "redis_port": self.redis_port,
                       "http_host": self.address, "http_port": self.port,
                       "threads": 2, "pool_size": 20, "daemonize": False,
                       "database": 0, "verbosity": 0,
                       "logfile": self.path("webdis.log")}, f)
        self.start_other([
            program("redis-server"), "--bind", self.address,
            "--port", str(self.redis_port), "--dir", self.path("redis"),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "",
            "--auto-aof-rewrite-percentage", "0", "--loglevel", "warning"])
        librapi.wait_until(self.redis_answers, "redis: " + self.log())
        self.start_other([program("webdis"), self.path("webdis.json")])
        self.wait_ready()
        return self

    probe = "/PING"

    def redis_answers(self):
        try:
            with socket.create_connection((self.address,
                                           self.redis_port)) as s:
                s.sendall(b"PING\r\n")
                return s.recv(100).startswith(b"+PONG")
        except OSError:
            return False

    def get_request(self):
        return http("GET", "/GET/{KEY}.txt")

    def put_request(self, size):
        return http("PUT", "/SET/{KEY}", value(size))

    def fill(self, keys, size):
        with socket.create_connection((self.address, self.redis_port)) as s:
            answers = s.makefile("rb")
            for at in range(0, keys, FILL_BATCH):
                last = min(at + FILL_BATCH, keys)
                text = "".join(
                    f"*3\r\n$3\r\nSET\r\n$9\r\nkey{i:06}\r\n"
                    f"${size}\r\n{value(size)}\r\n" for i in range(at, last))
                s.sendall(text.encode())
                for _ in range(at, last):
                    assert answers.readline() == b"+OK\r\n"


ALL = [Librapi, LibrapiWorkers, LibrapiEpoll, NullBest, NullPlain, Static,
       BoltKept, BoltEach, Etcd, Webdis]


def why_missing(peer):
    if not librapi.LIGHTTPD:
        return "lighttpd: not installed"
    return peer.why_missing() if hasattr(peer, "why_missing") else None
