# SPDX-License-Identifier: GPL-3.0-or-later
"""
An HTTP client that sends a target byte for byte and keeps a connection open,
and the address of this process where it finds servers.
"""

import json
import os
import socket

from contract import CONTRACT

TIMEOUT = 60            # seconds that a start, a stop or an answer may take

# An address of this process alone: on it nobody else takes a port that was
# free a moment ago, be it for listening or for a connection of its own.
ADDRESS = "127.%d.%d.%d" % (os.getpid() >> 14 & 127 | 128,
                            os.getpid() >> 7 & 127, os.getpid() & 127 | 128)


def free_port():
    with socket.socket() as s:
        s.bind((ADDRESS, 0))
        return s.getsockname()[1]


def quote(key):
    """Percent-encode every byte of a key that a URL can't hold as it is."""
    plain = (b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             b"0123456789-._~/")
    return "".join(chr(c) if c in plain else "%%%02X" % c for c in key)


def to_json(value):
    return json.dumps(value).encode()


class Response:
    """One answer: status, header fields (names in lower case), body."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    def __getitem__(self, name):
        return self.fields.get(name.lower())

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:300]!r}>"

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def revision(self):
        return int(self["ETag"].strip('"'))


class Connection:
    """
    One connection, kept open; what goes out is exactly what is given.

    Where the server says that it closes (lighttpd does so after
    max-keep-alive-requests), request() goes on with another one.  Each answer
    is held against the contract, unless the server promises none (None).
    """

    def __init__(self, port, timeout=TIMEOUT, contract=CONTRACT):
        self.port = port
        self.timeout = timeout
        self.contract = contract
        self.open()

    def open(self):
        self.socket = socket.create_connection((ADDRESS, self.port),
                                               self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.ends = False

    def close(self):
        self.socket.close()

    def send(self, raw):
        self.socket.sendall(raw)

    def fill(self):
        piece = self.socket.recv(1 << 15)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self.pending += piece

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            self.fill()
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            fields[name] = (fields[name] + ", " if name in fields else "") \
                + value
        return int(lines[0].split(" ")[1]), fields

    def read_exactly(self, size):
        pieces = [self.pending]
        have = len(self.pending)
        while have < size:
            # What is more than was asked for is copied: not too much.
            piece = self.socket.recv(max(min(size - have, 1 << 20), 1 << 15))
            if not piece:
                raise ConnectionError("the answer ended early")
            pieces.append(piece)
            have += len(piece)
        data = b"".join(pieces)
        self.pending = data[size:]
        return data[:size]

    def read_chunks(self):
        pieces = []
        while True:
            while b"\r\n" not in self.pending:
                self.fill()
            line, self.pending = self.pending.split(b"\r\n", 1)
            size = int(line.split(b";")[0], 16)
            pieces.append(self.read_exactly(size))
            self.read_exactly(2)
            if size == 0:
                return b"".join(pieces)

    def receive(self, head_only=False):
        status, fields = self.read_head()
        while status < 200:
            status, fields = self.read_head()
        body = b""
        # An event stream has no end: stream.py reads those.
        endless = fields.get("content-type") == "text/event-stream"
        if head_only or endless or status in (204, 304):
            pass
        elif fields.get("transfer-encoding", "").lower() == "chunked":
            body = self.read_chunks()
        elif "content-length" in fields:
            body = self.read_exactly(int(fields["content-length"]))
        else:
            raise AssertionError(f"no length in {status} {fields}")
        self.ends = endless or \
            fields.get("connection", "").lower() == "close"
        return Response(status, fields, body)

    def request(self, method, target, body=None, headers=None):
        if isinstance(target, str):
            target = target.encode("latin-1")
        lines = [method.encode() + b" " + target + b" HTTP/1.1",
                 b"Host: localhost"]
        for name, value in (headers or {}).items():
            lines.append(f"{name}: {value}".encode("latin-1"))
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        if self.ends:
            self.close()
            self.open()
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""))
        answer = self.receive(head_only=method == "HEAD")
        if self.contract:
            self.contract.check(method, target.decode("latin-1"),
                                headers or {}, answer)
        return answer
