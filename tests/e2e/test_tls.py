#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS, HTTP/2 and the access log, which the environment switches on."""

import os
import re
import socket
import ssl
import subprocess
import warnings

import librapi


class TlsService(librapi.Service):
    """Talked to by curl, which knows TLS and HTTP/2."""

    variables = {}

    def environment(self):
        return {**super().environment(), **self.variables}

    def curl(self, path, *arguments):
        return subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "--cacert",
             os.path.join(self.folder, "tls.crt"), *arguments,
             f"https://{librapi.ADDRESS}:{self.port}{path}"],
            capture_output=True, text=True, check=False)

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

    def test_plain_http_is_not_answered(self):
        self.s.start()
        with self.assertRaises(OSError):
            self.s.get("/readyz")


class AccessLog(librapi.TestCase):
    def start(self, **variables):
        service = self.service(start=False)
        service.__class__ = TlsService
        service.ready = lambda: librapi.Service.ready(service)
        service.variables = variables
        service.start()
        return service

    def test_a_line_a_request_when_it_is_on(self):
        folder = self.service(start=False).folder
        path = os.path.join(folder, "access")
        s = self.start(LIGHTTPD_ACCESS_LOG=path)
        answer = s.get('/v1/kv/a%22b"c')
        self.assertEqual(answer.status, 404)
        s.stop()
        with open(path, encoding="utf-8") as f:
            line = next(line for line in f if "a%22b" in line)
        self.assertRegex(line, re.compile(
            r"^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} level=info "
            r"role=lighttpd event=request client=127\.[0-9.]+ "
            r'request="GET /v1/kv/a%22b\\"c HTTP/1\.1" status=404 '
            r"bytes_in=\d+ bytes_out=\d+ duration_us=\d+ "
            f'request_id="{answer["X-Request-Id"]}"\n$'))

    def test_no_line_when_it_is_not(self):
        s = self.start()
        s.get("/v1/kv/a")
        s.stop()
        self.assertNotIn("event=request", s.log())


if __name__ == "__main__":
    librapi.main()
