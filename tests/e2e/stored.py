# SPDX-License-Identifier: GPL-3.0-or-later
"""
What the tests of stored responses share: how many lighttpd has given, an
answer that surely is one of them, and answers with their bytes as they came.
"""

import os

import librapi
from metrics import Metrics

GIVEN = "librapi_http_stored_responses_total"
# Each answer has its own.
OWN = (b"date:", b"x-request-id:")


def scrape(service):
    return Metrics(service.get("/metrics").body.decode())


def given(service):
    return scrape(service).sum(GIVEN)


def keep(service, target):
    """GET it until the answer is a stored one, which is returned."""
    def get():
        before = given(service)
        answer = service.get(target)
        return answer if given(service) > before else None
    return librapi.wait_until(get, f"{target} is stored")


def request(method, target, *fields, version="1.1", body=b""):
    """Its bytes."""
    if isinstance(target, str):
        target = target.encode("latin-1")
    lines = [f"{method} ".encode() + target + f" HTTP/{version}".encode(),
             b"Host: localhost", *(f.encode("latin-1") for f in fields)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Raw:
    """
    An answer as it came: `status` is the whole line, `fields` are lines in the
    order of their bytes, but those of OWN, which are in `own`.
    """

    def __init__(self, connection, head_only=False):
        while b"\r\n\r\n" not in connection.pending:
            connection.fill()
        head = connection.pending.split(b"\r\n\r\n")[0]
        self.status, *lines = head.split(b"\r\n")
        self.own = [line for line in lines if line.lower().startswith(OWN)]
        self.fields = sorted(set(lines) - set(self.own))
        self.body = connection.receive(head_only).body

    def __eq__(self, other):
        return vars(self).keys() == vars(other).keys() and all(
            vars(self)[name] == vars(other)[name]
            for name in vars(self) if name != "own")

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.own} {self.body[:99]}>"


def exchange(service, raw, head_only=False):
    """The answer to those bytes, on a connection of its own."""
    connection = service.connect()
    try:
        connection.send(raw)
        return Raw(connection, head_only)
    finally:
        connection.close()


def mapped(service):
    """Which of librapi's memory lighttpd can see: inodes."""
    with open(f"/proc/{service.lighttpd.pid}/maps", encoding="ascii") as f:
        return {line.split()[4] for line in f if "memfd:librapi-" in line}


def sockets(service):
    """How often lighttpd has the place of the memory open."""
    folder = f"/proc/{service.lighttpd.pid}/fd"
    count = 0
    for fd in os.listdir(folder):
        try:
            place = os.readlink(os.path.join(folder, fd))
        except FileNotFoundError:
            continue
        count += place.startswith(service.path("run", "stored.sock"))
    return count
