# SPDX-License-Identifier: MIT
"""Hostile and malformed requests, and what each is to be answered: plain data, by topic.

The tests send them to a running server (test_hostile.py); the fuzz target `front` begins with them (Tests/Fuzz/seeds.py).
"""
from __future__ import annotations

from typing import NamedTuple

HOST = b"host: localhost\r\n"
TYPE = b"content-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST + TYPE
GET = b"GET /v1/models HTTP/1.1\r\n" + HOST
# What a smuggler would have us serve.
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
# The end of a body in chunks.
LAST = b"0\r\n\r\n"


class Case(NamedTuple):
    """A request that must not reach the backend."""

    name: str
    data: bytes
    # 0 where the connection is closed without an answer.
    status: int
    # Whether the connection takes the next request.
    goes_on: bool = False
    # The client ends its half of the connection behind it, and sends nothing more.
    ends: bool = False


def post(body: bytes, *headers: bytes) -> bytes:
    """A request that is right but for what is put into it."""
    return POST + b"".join(header + b"\r\n" for header in headers) + b"content-length: %d\r\n\r\n" % len(body) + body


def get(*headers: bytes, path: bytes = b"/v1/models", method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


def at(host: bytes, path: bytes = b"/v1/models") -> bytes:
    """A request with that host header."""
    return b"GET " + path + b" HTTP/1.1\r\nhost: " + host + b"\r\n\r\n"


def chunks(text: bytes, *headers: bytes) -> bytes:
    """A request whose body in chunks is that text, sizes and all."""
    return POST + CHUNKED + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + text
