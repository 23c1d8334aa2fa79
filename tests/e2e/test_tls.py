#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS and HTTP/2, which the environment switches on."""

import os
import select
import signal
import socket
import ssl
import subprocess
import warnings

import librapi


class TlsService(librapi.Service):
    """Talked to by curl, which knows TLS and HTTP/2."""

    def curl(self, path, *arguments, stdin=""):
        return subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "--cacert",
             os.path.join(self.folder, "tls.crt"), *arguments,
             f"https://{librapi.ADDRESS}:{self.port}{path}"],
            input=stdin, capture_output=True, text=True, check=False)

    def ready(self):
        if self.lighttpd and self.lighttpd.poll() is not None:
            raise AssertionError("did not start: " + self.log())
        return "ready" in self.curl("/readyz").stdout


class Tls(librapi.TestCase):
    def setUp(self):
        self.s = self.service(start=False)
        self.s.__class__ = TlsService
        self.s.variables = {"LIGHTTPD_TLS_DIR": self.s.folder}
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=librapi", "-addext",
             "subjectAltName=IP:" + librapi.ADDRESS,
             "-keyout", self.s.path("tls.key"),
             "-out", self.s.path("tls.crt")],
            check=True, capture_output=True)

    def test_clients_speak_http_2_over_tls(self):
        self.s.start()
        done = self.s.curl("/v1/kv/a//..%2F", "--path-as-is", "--http2",
                           "-X", "PUT", "--data-binary", "x", "-w",
                           "%{http_version} %{http_code} %{ssl_verify_result}")
        self.assertEqual(done.stdout, "2 201 0", done.stderr)
        done = self.s.curl("/v1/kv/a%2F%2F..%2F", "--path-as-is",
                           "--http1.1", "-w", " %{http_version}")
        self.assertEqual(done.stdout, "x 1.1", done.stderr)

    def test_a_large_value_passes_both_ways_by_http_2(self):
        self.s.start()
        value = os.urandom(3 << 20)
        with open(self.s.path("value"), "wb") as f:
            f.write(value)
        self.s.curl("/v1/kv/large", "--http2", "-T", self.s.path("value"))
        self.s.curl("/v1/kv/large", "--http2", "-o", self.s.path("back"))
        with open(self.s.path("back"), "rb") as f:
            self.assertEqual(f.read(), value)

    def handshake(self, version):
        context = ssl.create_default_context(cafile=self.s.path("tls.crt"))
        context.check_hostname = False
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with socket.create_connection((librapi.ADDRESS, self.s.port)) as s, \
                context.wrap_socket(s) as tls:
            return tls.version()

    def test_nothing_older_than_tls_1_2_is_spoken(self):
        self.s.start()
        self.assertEqual(self.handshake(ssl.TLSVersion.TLSv1_2), "TLSv1.2")
        self.assertEqual(self.handshake(ssl.TLSVersion.TLSv1_3), "TLSv1.3")
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.handshake(version)

    def test_make_run_says_when_it_is_ready(self):
        process = subprocess.Popen(
            librapi.DIES_WITH_US + [
                "sh", os.path.join(librapi.SOURCE, "lighttpd", "run"),
                librapi.BUILD],
            env=dict(self.s.environment(), LIGHTTPD=librapi.LIGHTTPD),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        self.assertTrue(select.select([process.stdout], [], [],
                                      librapi.TIMEOUT)[0], "no word")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=librapi.TIMEOUT)
        self.assertEqual(process.returncode, 0)
        self.assertIn(f"ready on https://{librapi.ADDRESS}:{self.s.port},",
                      said.decode())

    def test_plain_http_is_not_answered(self):
        self.s.start()
        with self.assertRaises(OSError):
            self.s.get("/readyz")


if __name__ == "__main__":
    librapi.main()
