# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who follow the changes of a service: streams of events, long polls."""

import json
import time


class Stream:
    """
    A client of a stream of events, as EventSource is one: it comes back with
    the last id that it has.  Events of a revision count when its id has come,
    so what was cut off in the middle of one is not seen twice.
    """

    def __init__(self, service, target, last=None, fields=None):
        self.service = service
        self.target = target
        self.extra = fields or {}
        self.last = last
        self.connection = None
        self.connections = 0
        self.text = b""

    def open(self):
        fields = "Accept: text/event-stream\r\n"
        for name, value in self.extra.items():
            fields += f"{name}: {value}\r\n"
        if self.last is not None:
            fields += f"Last-Event-ID: {self.last}\r\n"
        self.connection = self.service.connect()
        self.connections += 1
        self.connection.send(
            f"GET {self.target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        status, self.fields = self.connection.read_head()
        if status != 200:
            raise ConnectionError(f"status {status}")
        self.text = b""
        self.pending = []

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def read_chunk(self):
        connection = self.connection
        while b"\r\n" not in connection.pending:
            connection.fill()
        line, connection.pending = connection.pending.split(b"\r\n", 1)
        size = int(line, 16)
        piece = connection.read_exactly(size)
        connection.read_exactly(2)
        if not size:
            raise ConnectionError("the stream has ended")
        return piece

    def read_block(self):
        while b"\n\n" not in self.text:
            self.text += self.read_chunk()
        block, self.text = self.text.split(b"\n\n", 1)
        return dict(line.split(": ", 1) for line in
                    block.decode().split("\n"))

    def read(self):
        """The events up to the next id."""
        while True:
            block = self.read_block()
            if "data" in block:
                event = json.loads(block["data"])
                event["event"] = block["event"]
                self.pending.append(event)
            if "id" in block:
                self.last = int(block["id"])
                events, self.pending = self.pending, []
                return events

    def follow(self, done):
        """Events for ever, on as many connections as it takes."""
        while not done():
            try:
                if not self.connection:
                    self.open()
                yield from self.read()
            except (OSError, ValueError):
                self.close()
                time.sleep(0.02)
        self.close()


def poll(service, target, since, done):
    """The same by long polls."""
    connection = None
    while not done():
        try:
            if not connection:
                connection = service.connect()
            answer = connection.request(
                "GET", f"{target}{'&' if '?' in target else '?'}"
                       f"since={since}&wait=1")
            if answer.status != 200:
                raise OSError(answer)
            since = answer.json["rev"]
            yield from answer.json["events"]
        except (OSError, AssertionError):
            if connection:
                connection.close()
            connection = None
            time.sleep(0.02)
