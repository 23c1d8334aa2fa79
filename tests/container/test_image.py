#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image: what it says of itself, and that an update keeps the data."""

import os
import signal
import time

import container
import librapi

SIZE_MAX = 20 << 20
CONFINED = ["--network=host", "--read-only", "--cap-drop=ALL",
            "--security-opt=no-new-privileges"]


class Image(librapi.TestCase):
    def setUp(self):
        self.name = f"librapi-test-{os.getpid()}-{self._testMethodName}"[:60]
        self.containers = []
        self.addCleanup(self.remove)

    def remove(self):
        for name in self.containers:
            container.podman("rm", "-f", "-t", "0", name, check=False)
        container.podman("volume", "rm", "-f", self.name, check=False)

    def start(self, image, *command, name="", options=(), wait=True):
        name = self.name + name
        container.podman("run", "-d", "--name", name, *CONFINED,
                         "-v", self.name + ":/var/lib/librapi", *options,
                         image, *command)
        self.containers.append(name)
        if wait:
            container.wait_ready()
        return name

    def replace(self, image):
        container.podman("rm", "-f", "-t", "30", self.name)
        self.start(image)

    def log(self, name=""):
        return container.run("sh", "-c", 'podman logs "$1" 2>&1', "sh",
                             self.name + name)

    def put(self, key, value):
        self.assertIn(container.request("PUT", "/v1/kv/" + key, value).status,
                      (201, 204))

    def get(self, key):
        return container.request("GET", "/v1/kv/" + key).body

    def assert_stored(self, key, value):
        """It is the value, and lighttpd comes to give it out of memory."""
        before = container.given()

        def given():
            self.assertEqual(self.get(key), value)
            return container.given() > before
        librapi.wait_until(given, "a stored answer")

    def test_it_tells_what_it_is_and_how_to_run_it(self):
        about = container.inspect("image", container.NEW)
        config = about["Config"]
        self.assertEqual(config["User"], "10001:10001")
        self.assertEqual(config["StopSignal"], "SIGINT")
        self.assertEqual(config["ExposedPorts"], {"8080/tcp": {}})
        self.assertNotIn("Volumes", config)
        labels = {name.removeprefix("org.opencontainers.image."): value
                  for name, value in config["Labels"].items()}
        self.assertEqual(labels["version"], container.VERSIONS[1])
        self.assertEqual(labels["licenses"], "GPL-3.0-or-later")
        self.assertIn("/health", str(about["Healthcheck"]
                                     if "Healthcheck" in about
                                     else config["Healthcheck"]))
        container.say(f"image size {about['Size'] / 1e6:.1f} MB")
        self.assertLess(about["Size"], SIZE_MAX)

    def test_versions_are_different_images(self):
        old, new = (container.inspect("image", image)
                    for image in (container.OLD, container.NEW))
        self.assertNotEqual(old["Id"], new["Id"])
        self.assertNotEqual(old["RootFS"], new["RootFS"])

    def test_nothing_in_it_gives_privileges_or_can_be_replaced(self):
        found = container.podman(
            "run", "--rm", "--network=host", "--user=0", container.NEW,
            "find", "/etc", "/usr", "(", "-perm", "-4000", "-o", "-perm",
            "-2000", "-o", "!", "-user", "0", "-o", "-perm", "-2", "!",
            "-type", "l", ")")
        self.assertEqual(found, "")

    def test_it_serves_confined_and_a_large_upload_too(self):
        self.start(container.NEW)
        about = container.request("GET", "/v1").json
        self.assertEqual(about["version"], container.VERSIONS[1])
        large = os.urandom(5 << 20)
        self.put("large", large)
        self.assertEqual(self.get("large"), large)

    def test_stopping_writes_the_last_checkpoint(self):
        self.start(container.NEW)
        self.put("a", b"x")
        began = time.monotonic()
        container.podman("stop", "-t", "30", self.name)
        self.assertLess(time.monotonic() - began, 10)
        state = container.inspect("container", self.name)["State"]
        self.assertEqual(state["ExitCode"], 0)
        self.assertIn("event=checkpoint revision=1", self.log())
        container.podman("start", self.name)
        container.wait_ready()
        self.assertIn("revision=1 replayed=0", self.log())
        self.assertEqual(self.get("a"), b"x")

    def test_the_health_check_asks_the_service(self):
        self.start(container.NEW)
        container.podman("healthcheck", "run", self.name)
        self.assert_unhealthy_when_stopped("librapi serve")

    def test_the_health_check_asks_where_lighttpd_listens(self):
        self.start(container.NEW, options=["-e", "LIGHTTPD_BIND=[::1]"],
                   wait=False)
        self.wait_healthy()
        self.assert_unhealthy_when_stopped("librapi serve")

    def test_the_health_check_speaks_tls(self):
        folder = os.path.join(container.WORK.name, self.name)
        os.mkdir(folder)
        container.run("openssl", "req", "-x509", "-newkey", "rsa:2048",
                      "-nodes", "-subj", "/CN=librapi.example",
                      "-keyout", folder + "/tls.key",
                      "-out", folder + "/tls.crt")
        os.chmod(folder + "/tls.key", 0o644)
        os.chmod(container.WORK.name, 0o755)
        self.start(container.NEW, wait=False, options=[
            "-v", folder + ":/tls:ro", "-e", "LIGHTTPD_TLS_DIR=/tls"])
        self.wait_healthy()
        self.assert_unhealthy_when_stopped("librapi serve")

    def test_the_health_check_knows_a_librapi_by_itself(self):
        self.start(container.NEW, "librapi", "serve", wait=False)
        self.wait_healthy()
        # The first process of a container can't be stopped from inside.
        state = container.inspect("container", self.name)["State"]
        os.kill(state["Pid"], signal.SIGSTOP)
        self.assertTrue(container.exit_status("healthcheck", "run",
                                              self.name))

    def wait_healthy(self):
        librapi.wait_until(
            lambda: not container.exit_status("healthcheck", "run",
                                              self.name), "healthy")

    def assert_unhealthy_when_stopped(self, command):
        container.podman("exec", self.name, "kill", "-STOP",
                         *self.processes(command))
        with self.assertRaises(AssertionError):
            container.podman("healthcheck", "run", self.name)

    def processes(self, command):
        lines = container.podman("exec", self.name, "ps").splitlines()
        return [line.split()[0] for line in lines if command in line]

    def test_what_librapi_refuses_stops_the_container(self):
        self.start(container.NEW, wait=False,
                   options=["-e", "LIBRAPI_VALUE_MAX_BYTES=0"])
        self.assertNotEqual(container.podman("wait", self.name).strip(), "0")
        self.assertIn("value-max-bytes", self.log())

    def test_each_command_has_a_container_of_its_own(self):
        shared = ["-v", self.name + "-run:/run/librapi"]
        self.addCleanup(container.podman, "volume", "rm", "-f",
                        self.name + "-run", check=False)
        self.start(container.NEW, "librapi", "serve", name="-app",
                   options=shared, wait=False)
        self.start(container.NEW, "lighttpd", "-D", "-f", "connect.conf",
                   name="-web", options=shared)
        self.put("a", b"x")
        self.assert_stored("a", b"x")
        container.podman("restart", "-t", "30", self.name + "-app")
        container.wait_ready()
        self.assert_stored("a", b"x")
        self.put("a", b"y")
        self.assert_stored("a", b"y")
        container.podman("kill", "-s", "KILL", self.name + "-app")
        container.podman("wait", self.name + "-app")
        container.podman("start", self.name + "-app")
        container.wait_ready()
        self.put("a", b"z")
        self.assert_stored("a", b"z")
        container.podman("restart", "-t", "30", self.name + "-web")
        container.wait_ready()
        self.assert_stored("a", b"z")

    def test_backups_can_be_loaded_and_the_oldest_goes(self):
        self.start(container.NEW)
        values = {f"key/{n}": os.urandom(n) for n in range(100)}
        for key, value in values.items():
            self.put(key, value)
        for volume in ("-backup", "-restored"):
            self.addCleanup(container.podman, "volume", "rm", "-f",
                            self.name + volume, check=False)

        def tool(*command):
            return container.podman(
                "run", "--rm", *CONFINED, "--tmpfs=/tmp",
                "-v", self.name + "-backup:/var/lib/librapi",
                "-v", self.name + "-restored:/restored:U",
                "-e", "FOLDER=/var/lib/librapi", "-e", "KEEP=2",
                "-e", f"URL=http://127.0.0.1:{container.PORT}",
                container.NEW, *command)
        names = []
        for _ in range(3):
            told = tool("/usr/libexec/librapi/backup")
            names.append(told.split("/")[-1].split(",")[0])
            time.sleep(1)       # the name has the second
        self.assertEqual(tool("ls", "/var/lib/librapi").split(), names[1:])
        tool("sh", "-c", f"zcat /var/lib/librapi/{names[2]} | librapi load "
                         "--data-dir=/restored/data")
        container.podman("rm", "-f", "-t", "30", self.name)
        self.start(container.NEW, name="-again", options=[
            "-v", self.name + "-restored:/restored",
            "-e", "LIBRAPI_DATA_DIR=/restored/data"])
        self.assertEqual({key: self.get(key) for key in values}, values)

    def backup(self, *options, command="/usr/libexec/librapi/backup"):
        """As the chart's CronJob, or another command at its volume."""
        volume = self.name + "-backup"
        self.addCleanup(container.podman, "volume", "rm", "-f", volume,
                        check=False)
        return container.podman(
            "run", "--rm", *CONFINED, "--tmpfs=/tmp",
            "-v", volume + ":/var/lib/librapi",
            "-e", "FOLDER=/var/lib/librapi", "-e", "KEEP=2",
            "-e", f"URL=http://127.0.0.1:{container.PORT}", *options,
            container.NEW, "sh", "-c", command)

    def backups(self):
        return self.backup(command="ls -A /var/lib/librapi").split()

    def test_a_backup_without_the_service_leaves_nothing_behind(self):
        with self.assertRaises(AssertionError):
            self.backup()
        self.assertEqual(self.backups(), [])

    def test_what_a_killed_backup_left_goes_with_the_next(self):
        self.start(container.NEW)
        left = "/var/lib/librapi/.librapi-20260102T030405Z.jsonl"
        self.backup(command=f"echo >{left}; echo >{left}.gz")
        self.assertEqual(len(self.backups()), 2)
        self.backup()
        kept, = self.backups()
        self.assertRegex(kept, r"^librapi-.*\.jsonl\.gz$")

    def test_a_backup_goes_by_the_settings_of_the_service(self):
        settings = ["-e", "LIBRAPI_VALUE_MAX_BYTES=10000000"]
        self.start(container.NEW, options=settings)
        self.put("large", os.urandom(9000000))
        self.backup(*settings)
        self.assertEqual(len(self.backups()), 1)

    def test_the_access_log_goes_where_the_log_goes(self):
        self.start(container.NEW,
                   options=["-e", "LIGHTTPD_ACCESS_LOG=/dev/stderr"])
        self.get("seen")
        container.podman("stop", "-t", "30", self.name)
        self.assertIn('request="GET /v1/kv/seen HTTP/1.1"', self.log())

    def test_a_newer_image_has_the_data_of_the_older(self):
        self.start(container.OLD)
        values = {f"key/{n}": os.urandom(n) for n in range(200)}
        for key, value in values.items():
            self.put(key, value)
        self.replace(container.NEW)
        self.assertEqual(container.request("GET", "/v1").json["version"],
                         container.VERSIONS[1])
        self.assertEqual({key: self.get(key) for key in values}, values)

    def test_a_killed_container_loses_nothing(self):
        self.start(container.OLD)
        storm = container.Storm()
        storm.wait_for(50)
        container.podman("kill", "-s", "KILL", self.name)
        container.podman("wait", self.name)
        container.podman("rm", "-f", self.name)
        self.start(container.NEW)
        storm.wait_for(50)
        self.report("SIGKILL, new container", storm)

    def test_an_update_in_a_storm_of_writes_loses_nothing(self):
        self.start(container.OLD)
        storm = container.Storm()
        storm.wait_for(200)
        self.replace(container.NEW)
        storm.wait_for(200)
        self.report("update of the container", storm)

    def report(self, what, storm):
        without = storm.stop()
        container.say(f"{what}: {without * 1000:.0f} ms without service, "
                      f"{sum(storm.acknowledged)} writes acknowledged")
        self.assertEqual(storm.lost(), [])


if __name__ == "__main__":
    container.main()
