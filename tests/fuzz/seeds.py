#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Make those seeds of the corpora that are not text: run it after a change to
what it writes, and commit what changed.  (Text is written by hand, and cases
that broke something stay as they were found.)
"""

import os
import struct

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
BOLT_PAGE = 1024


def write(target, name, data):
    os.makedirs(os.path.join(CORPUS, target), exist_ok=True)
    with open(os.path.join(CORPUS, target, name), "wb") as f:
        f.write(data)


def record(revision, expires, mime, value):
    """Without its CRC, which the targets put in."""
    return struct.pack("<IBBHQqq", 0, 1, len(mime), 0, revision, 5,
                       expires) + mime + value


def operation(verb, key, data=b""):
    out = struct.pack("<IBBHII", 0, verb, 0, len(key), len(data), 0)
    out += key + data
    return out + bytes(-len(out) % 8)


def frame(kind, body):
    return struct.pack("<HB", len(body), kind) + body


def entry(key, mime):
    return struct.pack("<IHBBQqqQ", 0, len(key), len(mime), 0, 7, 5, 0,
                       12) + key + mime


def keys(entries):
    offsets, at = [64], 64
    for data in entries:
        at += len(data)
        offsets.append(at)
    head = struct.pack("<8sIIQQQQQII", b"librkeys", 2, 0, 4, 12,
                       len(entries), at, 4096, 0, 0)
    return head + b"".join(entries) + struct.pack(
        f"<{len(offsets)}QII", *offsets, 0, 0)


def fastcgi(kind, content=b"", pad=0):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), pad,
                       0) + content + bytes(pad)


def params(**variables):
    out = b""
    for name, value in variables.items():
        out += bytes([len(name)])
        out += (bytes([len(value)]) if len(value) < 128 else
                struct.pack(">I", len(value) | 1 << 31))
        out += name.encode() + value.encode()
    return out


def request(body=b"", flags=0, role=1, **variables):
    variables.setdefault("CONTENT_LENGTH", str(len(body)))
    out = fastcgi(1, struct.pack(">HB5x", role, flags))
    out += fastcgi(4, params(**variables), 3) + fastcgi(4)
    if body:
        out += fastcgi(5, body)
    return out + fastcgi(5)


def page(number, flags, body, count=1):
    head = struct.pack("<QHHI", number, flags, count, 0)
    return (head + body).ljust(BOLT_PAGE, b"\0")


def leaf(elements):
    """Of (flags, key, value); the place counts from the element itself."""
    heads, data = b"", b""
    for index, (flags, key, value) in enumerate(elements):
        place = 16 * (len(elements) - index) + len(data)
        heads += struct.pack("<IIII", flags, place, len(key), len(value))
        data += key + value
    return heads + data


def bolt(inline):
    """One bucket "b", in a page of its own or within its element."""
    pairs = leaf([(0, b"k", b"\5\x0c\0\2hi"), (0, b"l", b"\4\x0c\0\1x")])
    bucket = struct.pack("<QQ", 0 if inline else 3, 0)
    if inline:
        bucket += struct.pack("<QHHI", 0, 2, 2, 0) + pairs
    meta = struct.pack("<IIIIQQQQQQ", 0xED0CDAED, 2, BOLT_PAGE, 0, 2, 0,
                       4, 4, 1, 0)
    return (page(0, 4, meta, 0) + page(1, 4, b"", 0)
            + page(2, 2, leaf([(1, b"b", bucket)])) + page(3, 2, pairs, 2))


write("record", "text", b"\3key" + record(7, 0, b"text/plain", b"hello"))
write("record", "empty", b"\1k" + record(1, 1800000000000, b"", b""))

put = operation(0, b"key", record(100, 77, b"text/plain", b"hello"))
write("journal", "raw", b"\0" + frame(1, put))
write("journal", "frames", b"\1" + frame(1, put + operation(1, b"gone"))
      + frame(3, operation(2, b"a/\xff") * 3) + frame(2, b""))

write("keys", "none", keys([]))
write("keys", "three", keys([entry(b"a", b"text/plain"), entry(b"b/\xff", b""),
                             entry(b"b/c" * 20, b"t" * 200)]))

write("table", "sound", b"")
write("table", "magic", struct.pack("<HB", 0, 0) + b"\0")
write("table", "directory", struct.pack("<HB8s", 4096, 7, b"\xff" * 8))
write("table", "bucket", struct.pack("<HB4s", 8192 + 16, 3, b"\x7f" * 4))
write("table", "cut", struct.pack("<HB", 5000, 255))

get = dict(REQUEST_METHOD="GET", REQUEST_URI="/v1/kv/a")
write("fastcgi", "get", request(**get))
write("fastcgi", "put", request(b"value", REQUEST_METHOD="PUT",
                                REQUEST_URI="/v1/kv/a",
                                CONTENT_TYPE="text/plain"))
write("fastcgi", "short", request(b"value", REQUEST_METHOD="PUT",
                                  REQUEST_URI="/v1/kv/a",
                                  CONTENT_LENGTH="50"))
write("fastcgi", "import", request(b'{"librapi":1}\n', REQUEST_METHOD="POST",
                                   REQUEST_URI="/v1/import",
                                   CONTENT_TYPE="application/x-ndjson"))
write("fastcgi", "long", request(**get, HTTP_ACCEPT="a/b," * 50))
write("fastcgi", "filter", request(role=3, **get))
write("fastcgi", "abort", fastcgi(1, b"\0\1\1\0\0\0\0\0") + fastcgi(2))
write("fastcgi", "values", fastcgi(9, params(FCGI_MAX_CONNS=""))
      + request(**get))

write("bolt", "page", bolt(False))
write("bolt", "inline", bolt(True))
