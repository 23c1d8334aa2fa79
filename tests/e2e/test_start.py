#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the service from starting, and that it says so in a sentence."""

import collections
import ctypes
import os
import signal
import socket
import subprocess

import librapi

RUN = os.path.join(librapi.SOURCE, "lighttpd", "run")
PR_SET_CHILD_SUBREAPER = 36      # of prctl(2)


class Refusals(librapi.TestCase):
    def refused(self, folder, *arguments, says, status=1, **settings):
        done = librapi.run(folder, "serve", *arguments, **settings)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, status, text)
        for piece in says:
            self.assertIn(piece, text)
        return text

    def listen(self, folder):
        return "--listen=unix:" + os.path.join(folder, "s")

    def test_an_unknown_setting_is_refused(self):
        self.refused(self.folder(), status=2, tabel_max_keys=1,
                     says=["LIBRAPI_TABEL_MAX_KEYS"])
        self.refused(self.folder(), "--tabel-max-keys=1", status=2,
                     says=["tabel-max-keys"])

    def test_a_bad_value_is_refused_with_what_is_allowed(self):
        for name, value in (("workers", "many"), ("workers", "-1"),
                            ("workers", "100000"), ("log_level", "loud"),
                            ("value_max_bytes", ""), ("listen", "tcp:80"),
                            ("require_conditions", "maybe"),
                            ("engine", "etcd")):
            with self.subTest(name=name, value=value):
                flag = name.replace("_", "-")
                text = self.refused(self.folder(), status=2, says=[],
                                    **{name: value})
                self.assertTrue(flag in text or name.upper() in text, text)

    def test_sockets_that_can_not_be_are_refused(self):
        folder = self.folder()
        self.refused(folder, "--check-config", "--run-dir=run", status=2,
                     says=["run-dir must begin with /"])
        self.refused(folder, "--check-config", self.listen(folder),
                     watch_listen=self.listen(folder).partition("=")[2],
                     status=2, says=["watch-listen", "listen"])

    def test_an_unknown_command_is_refused(self):
        done = librapi.run(self.folder(), "server")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"server", done.stderr)

    def test_a_data_folder_that_can_not_be_written_is_refused(self):
        folder = self.folder()
        data = os.path.join(folder, "data")
        os.mkdir(data, 0o555)
        command = librapi.DIES_WITH_US + [librapi.PROGRAM, "serve",
                                          self.listen(folder)]
        if os.geteuid() == 0:
            nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"]
            os.chmod(folder, 0o755)
            command[1:1] = nobody
            reachable = subprocess.run(
                ["setpriv", *nobody, librapi.PROGRAM, "--version"],
                capture_output=True, timeout=librapi.TIMEOUT)
            if reachable.returncode:
                self.skipTest("nobody can't run the program where it is")
        done = subprocess.run(command, capture_output=True,
                              timeout=librapi.TIMEOUT,
                              env=librapi.environment(folder, {}))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(data.encode(), done.stderr)
        self.assertIn(b"data-dir", done.stderr)

    def test_a_data_folder_that_is_a_file_is_refused(self):
        folder = self.folder()
        with open(os.path.join(folder, "data"), "w", encoding="ascii"):
            pass
        self.refused(folder, self.listen(folder),
                     says=[os.path.join(folder, "data")])

    def test_a_foreign_or_damaged_manifest_is_refused_and_kept(self):
        for text, says in (("not ours\n", "MANIFEST"),
                           ("librapi-manifest 999\n", "another format version")):
            folder = self.folder()
            path = os.path.join(folder, "data", "MANIFEST")
            os.mkdir(os.path.dirname(path))
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
            self.refused(folder, self.listen(folder), says=[says])
            with open(path, encoding="ascii") as f:
                self.assertEqual(f.read(), text)

    def test_a_second_service_on_the_data_is_refused_naming_the_first(self):
        service = self.service()
        service.put("/v1/kv/a", b"1")
        pid = service.supervisor()
        self.refused(service.folder, "--listen=unix:" + service.path("t"),
                     says=[str(pid)], lock_timeout_ms=100)
        self.assertEqual(service.supervisor(), pid)
        self.assertEqual(service.get("/v1/kv/a").body, b"1")

    def test_a_socket_in_use_is_refused_naming_its_owner(self):
        folder = self.folder()
        path = os.path.join(folder, "s")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen()
            self.refused(folder, self.listen(folder),
                         says=[path, str(os.getpid())])
            self.assertTrue(os.path.exists(path))

    def test_a_path_that_is_no_socket_is_left_alone(self):
        folder = self.folder()
        path = os.path.join(folder, "s")
        with open(path, "w", encoding="ascii") as f:
            f.write("precious")
        self.refused(folder, self.listen(folder), says=[path])
        with open(path, encoding="ascii") as f:
            self.assertEqual(f.read(), "precious")

    def assert_all_are_answered(self, service):
        """From when lighttpd listens on."""
        service.start_lighttpd()
        statuses = collections.Counter()
        while not statuses:
            try:
                for _ in range(20):
                    statuses[service.get("/readyz").status] += 1
            except ConnectionRefusedError:
                pass
        self.assertEqual(statuses, {200: 20})

    def test_lighttpd_makes_the_folder_that_the_sockets_are_in(self):
        """As /run/librapi on a host, which no reboot leaves."""
        service = self.service(start=False)
        service.variables = {"LIBRAPI_LISTEN": ""}
        self.assertFalse(os.path.exists(service.path("run")))
        service.start_lighttpd()
        service.wait_ready()
        self.assertEqual(os.stat(service.path("run")).st_mode & 0o777, 0o750)
        self.assertEqual(service.put("/v1/kv/a", b"1").status, 201)

    def test_requests_that_are_too_early_wait(self):
        service = self.service(start=False)
        for _ in range(3):
            self.assert_all_are_answered(service)
            service.stop()
            self.assertEqual(os.listdir(service.path("run")), [])
            self.assertFalse(os.path.lexists(service.path("s")))
            self.assertFalse(os.path.exists(service.path("start.sock-0")))

    def test_nor_are_they_refused_when_all_were_killed(self):
        service = self.service()
        for _ in range(3):
            service.kill()
            self.assert_all_are_answered(service)

    def test_who_ends_late_leaves_its_successor_the_sockets(self):
        service = self.service(workers=2)
        service.put("/v1/kv/a", b"1")
        first, stopped = service.supervisor(), service.workers()[0]
        os.kill(stopped, signal.SIGSTOP)        # so the first one takes longer
        service.lighttpd.terminate()
        service.lighttpd.wait(librapi.TIMEOUT)
        service.start_lighttpd()
        librapi.wait_until(service.listens, "the second one listens")
        os.kill(stopped, signal.SIGCONT)
        librapi.wait_until(lambda: not os.path.exists(f"/proc/{first}"),
                           "the first one is gone")
        service.wait_ready()
        self.assertEqual(service.get("/v1/kv/a").body, b"1")
        self.assertEqual(service.get("/v1/watch?wait=0").status, 200)
        self.assertEqual(service.get("/v1/export").status, 200)

    def test_who_ends_late_leaves_its_successor_the_pid_file(self):
        first = self.service("connect", workers=2, drain_timeout_ms=100000)
        pid, stopped = first.supervisor(), first.workers()[0]
        os.kill(stopped, signal.SIGSTOP)        # so it takes longer
        first.program.terminate()
        librapi.wait_until(lambda: not os.path.exists(first.path("s")),
                           "nobody can connect to the first one")
        second = self.service("connect", start=False)
        second.settings["run_dir"] = first.path("run")
        second.start_program()
        librapi.wait_until(lambda: first.supervisor() != pid,
                           "the second one's number")
        os.kill(stopped, signal.SIGCONT)
        first.program.wait(librapi.TIMEOUT)
        self.assertEqual(first.supervisor(), second.program.pid)
        second.program.terminate()
        second.program.wait(librapi.TIMEOUT)
        self.assertEqual(os.listdir(first.path("run")), [])

    def test_a_socket_that_is_left_over_is_replaced(self):
        service = self.service("connect")
        service.put("/v1/kv/a", b"1")
        service.kill()
        self.assertTrue(os.path.exists(service.path("s")))
        service.start()
        self.assertEqual(service.get("/v1/kv/a").body, b"1")

    def test_where_no_file_may_grow_it_is_as_on_a_full_disk(self):
        service = self.service(
            "connect", start=False, stored_bytes=0, value_max_bytes=16384,
            journal_segment_bytes=1 << 20, journal_max_bytes=4 << 20)
        service.program = service.start_process(
            ["prlimit", "--fsize=262144", librapi.PROGRAM, "serve"])
        service.start_lighttpd()
        librapi.wait_until(service.listens, "a socket; log: " + service.log())
        service.wait_ready()
        self.assert_problem(service.put("/v1/kv/a", b"1"), 507, "storage-full")
        self.assertEqual(service.get("/v1/kv/a").status, 404)
        self.assertNotIn("event=child-died", service.log())


class Run(librapi.TestCase):
    """`make run`, without make."""

    def start(self, folder, port, build=librapi.BUILD, **variables):
        """A variable that is None is not set."""
        env = librapi.environment(folder, {})
        env.update(LIGHTTPD=librapi.LIGHTTPD, LIGHTTPD_PORT=str(port),
                   LIGHTTPD_BIND=librapi.ADDRESS, **variables)
        env = {name: value for name, value in env.items() if value is not None}
        return subprocess.Popen(
            librapi.DIES_WITH_US + ["sh", RUN, build], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait_serving(self, service):
        """Wherever its pid file may be, which wait_ready() would look into."""
        def serves():
            try:
                return service.get("/readyz").status == 200
            except OSError:
                return False
        librapi.wait_until(serves, "/readyz is 200")

    def first(self, **variables):
        """One that serves, with a=first."""
        service = self.service(start=False)
        process = self.start(service.folder, service.port, **variables)
        self.wait_serving(service)
        service.put("/v1/kv/a", b"first")
        return service, process

    def interrupt(self, process):
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=librapi.TIMEOUT)
        self.assertEqual(process.returncode, 0, output)
        return output

    def assert_not_begun(self, second, process, says):
        output, _ = process.communicate(timeout=librapi.TIMEOUT)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn(says.encode(), output)
        self.assertNotIn(b"librapi is ready", output)
        self.assertFalse(librapi.processes_in(second.folder))

    def test_a_second_one_with_a_port_and_data_serves_its_own(self):
        build = self.folder()
        for name in ("app", "lighttpd"):
            os.symlink(os.path.join(librapi.BUILD, name),
                       os.path.join(build, name))
        first, process = self.first(build=build, LIBRAPI_RUN_DIR=None)
        second = self.service(start=False)
        other = self.start(second.folder, second.port, build=build,
                           LIBRAPI_RUN_DIR=None)
        self.wait_serving(second)
        self.assertEqual(second.get("/v1/kv/a").status, 404)
        self.assertEqual(second.put("/v1/kv/a", b"second").status, 201)
        self.assertEqual(first.get("/v1/kv/a").body, b"first")
        for each in (other, process):
            self.interrupt(each)

    def test_a_folder_for_sockets_that_another_one_has_is_refused(self):
        first, process = self.first()
        second = self.service(start=False)
        run_dir = first.path("run")
        other = self.start(second.folder, second.port, LIBRAPI_RUN_DIR=run_dir)
        self.assert_not_begun(
            second, other, f"process {first.supervisor()}, another librapi, "
            f"has its sockets in {run_dir}; set LIBRAPI_RUN_DIR")
        self.assertNotIn(b"listen-failed", self.interrupt(process))

    def test_who_has_been_killed_does_not_keep_the_folder(self):
        service = self.service(start=False)
        os.mkdir(service.path("run"))
        with subprocess.Popen(["true"]) as gone:
            pass
        for pid in (gone.pid, os.getpid(), ""):
            with open(service.path("run", "librapi.pid"), "w",
                      encoding="ascii") as f:
                f.write(f"{pid}\n")
            process = self.start(service.folder, service.port)
            service.wait_ready()
            self.interrupt(process)

    def test_what_another_one_answers_does_not_make_it_ready(self):
        first, process = self.first()
        second = self.service(start=False)
        sockets = {
            name: f"unix:{first.path('run', file)}" for name, file in (
                ("LIBRAPI_LISTEN", "librapi.sock"),
                ("LIBRAPI_WATCH_LISTEN", "watch.sock"),
                ("LIBRAPI_TRANSFER_LISTEN", "transfer.sock"))}
        other = self.start(second.folder, second.port, **sockets)
        # lighttpd goes as well when librapi is gone before it has looked.
        self.assert_not_begun(second, other, "could not start; the reason")
        self.assertEqual(first.get("/v1/kv/a").body, b"first")
        self.interrupt(process)

    def test_a_port_in_use_is_refused(self):
        with socket.socket() as s:
            s.bind((librapi.ADDRESS, 0))
            s.listen()
            port = s.getsockname()[1]
            process = self.start(self.folder(), port)
            output, _ = process.communicate(timeout=librapi.TIMEOUT)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn(f"port {port} is in use".encode(), output)

    def test_it_serves_until_it_is_interrupted_and_loses_nothing(self):
        service = self.service(start=False)
        for value in (b"first", b"second"):
            process = self.start(service.folder, service.port)
            service.wait_ready()
            if value == b"second":
                self.assertEqual(service.get("/v1/kv/a").body, b"first")
            service.put("/v1/kv/a", value)
            self.interrupt(process)
            self.assertFalse(librapi.processes_in(service.folder))
        dump = librapi.run(service.folder, "dump")
        self.assertIn(b"second", dump.stdout)

    def test_it_ends_though_nobody_takes_note_of_the_dead(self):
        """As in a container, whose first process may be anything."""
        libc = ctypes.CDLL(None)
        service = self.service(start=False)
        self.assertEqual(libc.prctl(PR_SET_CHILD_SUBREAPER, 1), 0)
        try:
            process = self.start(service.folder, service.port)
            service.wait_ready()
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=20)
        finally:
            libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
        self.assertEqual(process.returncode, 0, output)
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break


if __name__ == "__main__":
    librapi.main()
