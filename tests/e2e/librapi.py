# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the end-to-end tests share: a real service in a folder of its own, and
test cases that have one.  Its clients are in connection.py.

    class Keys(librapi.TestCase):
        def test_what_was_put_is_read(self):
            service = self.service()
            service.put("/v1/kv/a", b"x")

    if __name__ == "__main__":
        librapi.main()

Test names are sentences.  Everything that a test starts is killed when it
ends, however it ends, and nothing waits for ever.  What fails in a thread of a
test fails the test.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import traceback
import unittest

import tap
# quote and to_json are for the tests, as librapi.quote.
from connection import (ADDRESS, TIMEOUT, Connection, free_port, quote,
                        to_json)
from contract import CONTRACT

BUILD = os.environ.get("LIBRAPI_BUILD_DIR", os.getcwd())
SOURCE = os.environ.get("LIBRAPI_SOURCE_DIR", os.getcwd())
LIGHTTPD = os.environ.get("LIGHTTPD") or shutil.which(
    "lighttpd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
PROGRAM = os.path.join(BUILD, "app", "librapi")

FILE_TIMEOUT = 600      # seconds that all tests of a file may take together
EXECVE_TIMEOUT = 0.1
NOBODY = (0, 2)         # parents of the kernel's threads
# In front of a command: the kernel kills it when we die.
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


def wait_until(true, what, timeout=TIMEOUT):
    """Wait until true() is, and return it."""
    deadline = time.monotonic() + timeout
    while True:
        result = true()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def is_sanitized():
    """Whether the program was built with the address sanitizer."""
    with open(PROGRAM, "rb") as f:
        return b"__asan_init" in f.read()


def environment(folder, settings):
    """The environment with these settings (`value_max_bytes=1`) only."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("LIBRAPI_", "LIGHTTPD_"))}
    env["LIBRAPI_DATA_DIR"] = os.path.join(folder, "data")
    env["LIBRAPI_RUN_DIR"] = os.path.join(folder, "run")
    env["LIBRAPI_DOCS_DIR"] = os.path.join(BUILD, "lighttpd", "docs")
    for name, value in settings.items():
        env["LIBRAPI_" + name.upper()] = str(value)
    return env


def preloading(env, library):
    """The same environment, with one of tests/e2e/*.so before all others."""
    options = env.get("ASAN_OPTIONS", "")
    # The sanitizers' library wants to be the first otherwise.
    return dict(env, LD_PRELOAD=os.path.join(BUILD, "tests", "e2e", library),
                ASAN_OPTIONS=options + ":verify_asan_link_order=0")


def run(folder, *arguments, stdin=None, **settings):
    """Run the program to its end: a CompletedProcess, output as bytes."""
    return subprocess.run(DIES_WITH_US + [PROGRAM, *arguments],
                          input=stdin or b"", capture_output=True,
                          env=environment(folder, settings),
                          timeout=TIMEOUT)


def _stat(pid):
    """(parent, state, name) of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            text = f.read()
    except OSError:
        return None
    name = text[text.index("(") + 1:text.rindex(")")]
    state, parent = text[text.rindex(")") + 2:].split()[:2]
    return int(parent), state, name


def parent(pid):
    return _stat(pid)[0]


def _environ(pid):
    """Bytes; of one amid an execve(2), which has none yet, when it has."""
    deadline = time.monotonic() + EXECVE_TIMEOUT
    while True:
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                text = f.read()
        except OSError:
            return b""
        stat = _stat(pid)
        none_to_come = not stat or stat[0] in NOBODY or stat[1] in "ZX"
        if text or none_to_come or time.monotonic() > deadline:
            return text
        time.sleep(0)


def processes_in(folder):
    """Pids of every librapi and lighttpd that was started in the folder."""
    mark = f"LIBRAPI_DATA_DIR={folder}".encode()
    return [int(entry) for entry in os.listdir("/proc")
            if entry.isdigit() and int(entry) != os.getpid()
            and mark in _environ(entry)]


def kill(pids):
    """
    SIGKILL to all of them, in that order.  When it returns they have let go of
    all that they had open: of a dying process that comes last, a while after
    its memory, and so its environment, has gone.  Returns how many there were.
    """
    ends = []
    try:
        for pid in pids:
            try:
                ends.append(os.pidfd_open(pid))
                signal.pidfd_send_signal(ends[-1], signal.SIGKILL)
            except ProcessLookupError:
                pass
        for end in ends:
            if not select.select([end], [], [], TIMEOUT)[0]:
                raise AssertionError(f"killed, and not gone in {TIMEOUT} s")
        return len(ends)
    finally:
        for end in ends:
            os.close(end)


class Service:
    """
    A service in a folder.  mode "spawn": lighttpd starts librapi, as `make
    run` does; "connect": librapi has a socket of its own, lighttpd connects.
    """

    contract = CONTRACT

    def __init__(self, folder, mode="spawn", **settings):
        self.folder = folder
        self.mode = mode
        self.settings = settings
        self.variables = {}     # of lighttpd/options.sh
        self.port = free_port()
        self.lighttpd = None
        self.program = None
        self.log_path = os.path.join(folder, "log")

    # Starting and stopping

    def environment(self):
        env = environment(self.folder, self.settings)
        env["LIBRAPI_LISTEN"] = "unix:" + self.path("s")
        env["LIGHTTPD_BIND"] = ADDRESS
        env["LIGHTTPD_PORT"] = str(self.port)
        env["LIGHTTPD_PROGRAM"] = PROGRAM
        env["LIGHTTPD_ERRORS"] = os.path.join(BUILD, "lighttpd", "errors")
        env["LIGHTTPD_FRONT"] = os.path.join(BUILD, "app", "front")
        return dict(env, **self.variables)

    def start_process(self, command):
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(DIES_WITH_US + command, stdout=log,
                                    stderr=log, stdin=subprocess.DEVNULL,
                                    env=self.environment())

    def start_program(self):
        self.program = self.start_process([PROGRAM, "serve"])

    def start_lighttpd(self):
        self.lighttpd = self.start_process(
            [LIGHTTPD, "-D", "-f",
             os.path.join(BUILD, "lighttpd", self.mode + ".conf")])

    def start(self):
        if self.mode != "spawn":
            self.start_program()
        self.start_lighttpd()
        # lighttpd that finds nobody there looks again a second later.
        wait_until(self.listens, "a socket; log: " + self.log())
        self.wait_ready()
        return self

    def listens(self):
        self.check_started()
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.path("s")) == 0

    def check_started(self):
        for process in (self.lighttpd, self.program):
            if process and process.poll() is not None:
                raise AssertionError("did not start: " + self.log())

    def wait_ready(self):
        wait_until(self.ready, "ready; log: " + self.log())

    def ready(self):
        self.check_started()
        try:
            return self.request("GET", "/readyz").status == 200 \
                and self.is_complete()
        except OSError:
            return False

    def is_complete(self):
        """One worker is enough to answer; tests may want to see them all."""
        if self.settings.get("engine") == "memory":
            return True
        return all(len(self.children(role)) == count for role, count in (
            ("watcher", 1),
            ("worker", self.settings.get("workers")),
            ("transfer", self.settings.get("transfers"))) if count)

    def stop(self):
        """Gracefully; until the last process has gone."""
        if self.lighttpd:
            self.lighttpd.send_signal(signal.SIGINT)
            self.lighttpd.wait(TIMEOUT)
        if self.program:
            self.program.terminate()
            self.program.wait(TIMEOUT)
        wait_until(lambda: not processes_in(self.folder),
                   "all stopped; log: " + self.log())
        self.lighttpd = self.program = None

    def kill(self):
        """SIGKILL to all, until the last one has gone."""
        deadline = time.monotonic() + TIMEOUT
        ours = [p for p in (self.lighttpd, self.program) if p]
        while True:
            pids = {*processes_in(self.folder),
                    *(p.pid for p in ours if p.poll() is None)}
            if not pids:
                break
            assert time.monotonic() < deadline
            kill(pids)
        self.lighttpd = self.program = None

    # Looking inside

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8",
                      errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def end(self):
        """The end of a test: kill what is left, and look at the log once."""
        self.kill()
        log = self.log()
        for sign in ("Sanitizer", "runtime error:", "Assertion"):
            if sign in log:
                raise AssertionError(log)

    def wait_log(self, text, timeout=TIMEOUT):
        wait_until(lambda: text in self.log(), f"{text!r} in the log",
                   timeout)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def supervisor(self):
        with open(self.path("run", "librapi.pid"), encoding="ascii") as f:
            return int(f.read())

    def children(self, role):
        parent = self.supervisor()
        found = []
        for entry in os.listdir("/proc"):
            stat = _stat(entry) if entry.isdigit() else None
            if stat and stat[0] == parent and stat[1] != "Z" \
                    and stat[2] == role:
                found.append(int(entry))
        return sorted(found)

    def workers(self):
        return self.children("worker")

    # Requests, each on a connection of its own

    def connect(self):
        return Connection(self.port, contract=self.contract)

    def request(self, method, target, body=None, headers=None):
        connection = self.connect()
        try:
            return connection.request(method, target, body, headers)
        finally:
            connection.close()

    def get(self, target, **headers):
        return self.request("GET", target, headers=_names(headers))

    def put(self, target, body, **headers):
        return self.request("PUT", target, body, _names(headers))

    def delete(self, target, **headers):
        return self.request("DELETE", target, headers=_names(headers))


def _names(headers):
    """if_match="…" is the field If-Match."""
    return {name.replace("_", "-").title(): value
            for name, value in headers.items()}


# Failures of threads that nobody has been told of yet.
THREAD_FAILURES = []


def _note_failure(failed):
    THREAD_FAILURES.append("".join(traceback.format_exception(
        failed.exc_type, failed.exc_value, failed.exc_traceback)))


threading.excepthook = _note_failure


class TestCase(unittest.TestCase):
    longMessage = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.addCleanup(self.check_threads)     # the first is done last

    def check_threads(self):
        failures = THREAD_FAILURES[:]
        THREAD_FAILURES.clear()
        if failures:
            self.fail("in a thread:\n" + "\n".join(failures))

    def folder(self):
        folder = tempfile.mkdtemp(prefix="librapi-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def service(self, mode="spawn", start=True, **settings):
        service = Service(self.folder(), mode, **settings)
        self.addCleanup(service.end)
        return service.start() if start else service

    def assert_problem(self, response, status, code=None):
        """An error, told as RFC 9457 wants it."""
        self.assertEqual(response.status, status, response)
        self.assertEqual(response["Content-Type"], "application/problem+json",
                         response)
        problem = response.json
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["title"])
        if code:
            self.assertEqual(problem["code"], code)
        return problem


class SharedService(TestCase):
    """Tests that get by with one service, each with keys of its own."""

    settings = {}
    mode = "spawn"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="librapi-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.s = Service(folder, cls.mode, **cls.settings)
        cls.addClassCleanup(cls.s.end)
        cls.s.start()


def in_parallel(count, work, timeout=TIMEOUT):
    """Run work(0) … work(count - 1) in threads; the first failure is ours."""
    failures = []

    def call(i):
        try:
            work(i)
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=call, args=(i,), daemon=True)
               for i in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
        if thread.is_alive():
            raise AssertionError(f"a thread is not done after {timeout} s")
    if failures:
        raise failures[0]


def main(seconds=FILE_TIMEOUT):
    if LIGHTTPD:
        tap.main(seconds)
    else:
        print("1..0 # SKIP lighttpd is not installed")
