# SPDX-License-Identifier: MIT
"""Hostile and malformed requests: what each is answered, whether its connection goes on, and that none gets through.

The cases are those of RFC 9112 (2.2, 3, 5, 6, 7.1, 11.2), of PortSwigger's request-smuggling list
(https://portswigger.net/web-security/request-smuggling) and of https://github.com/narfindustries/http-garden.
"""
from __future__ import annotations

import re

import pytest
from front import Front, read_all

HOST = b"host: localhost\r\n"
TYPE = b"content-type: application/json\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST + TYPE
GET = b"GET /v1/models HTTP/1.1\r\n" + HOST
# What a smuggler would have us serve.
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"

# name, what is sent, status, whether the connection goes on
CASES = [
    # Two lengths, or none that can be relied on (RFC 9112, 6.3)
    ("length and chunks", POST + b"content-length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, 400, False),
    ("chunks and length", POST + CHUNKED + b"content-length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED, 400, False),
    ("two lengths", POST + b"content-length: 2\r\ncontent-length: 9\r\n\r\n{}" + SMUGGLED, 400, False),
    ("two equal lengths", POST + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}", 400, False),
    ("a list of lengths", POST + b"content-length: 2, 2\r\n\r\n{}", 400, False),
    ("a signed length", POST + b"content-length: +2\r\n\r\n{}", 400, False),
    ("a negative length", POST + b"content-length: -2\r\n\r\n{}", 400, False),
    ("a hexadecimal length", POST + b"content-length: 0x2\r\n\r\n{}", 400, False),
    ("an empty length", POST + b"content-length:\r\n\r\n{}", 400, False),
    ("a fraction", POST + b"content-length: 2.0\r\n\r\n{}", 400, False),
    ("a length with a space in it", POST + b"content-length: 1 2\r\n\r\n{}", 400, False),
    ("a length beyond 64 bits", POST + b"content-length: 99999999999999999999\r\n\r\n{}", 400, False),
    ("a length beyond the limit", POST + b"content-length: 99999999999\r\n\r\n{}", 413, False),
    ("a length in letters", POST + b"content-length: two\r\n\r\n{}", 400, False),
    # Codings (6.1)
    ("an unknown coding", POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400, False),
    ("identity", POST + b"transfer-encoding: identity\r\n\r\n{}", 400, False),
    ("chunked, then another", POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400, False),
    ("chunked twice", POST + CHUNKED + b"transfer-encoding: x\r\n\r\n0\r\n\r\n", 400, False),
    ("chunked behind a vertical tab", POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, False),
    ("chunked in quotes", POST + b'transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n', 400, False),
    ("a space before the colon", POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400, False),
    ("chunks of an old version", POST.replace(b"1.1", b"1.0", 1) + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n", 400, False),
    # Chunks (7.1)
    ("a chunk without a size", POST + CHUNKED + b"\r\n\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk size that is none", POST + CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a signed chunk size", POST + CHUNKED + b"\r\n+2\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk size with 0x", POST + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk size beyond 64 bits", POST + CHUNKED + b"\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk longer than its size", POST + CHUNKED + b"\r\n1\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk that ends with LF", POST + CHUNKED + b"\r\n2\r\n{}\n0\r\n\r\n", 400, False),
    ("a chunk size that ends with LF", POST + CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk size behind a space", POST + CHUNKED + b"\r\n 2\r\n{}\r\n0\r\n\r\n", 400, False),
    ("a chunk extension with LF", POST + CHUNKED + b"\r\n2;a\n{}\r\n0\r\n\r\n", 400, False),
    # Heads (2.2, 5)
    ("a folded header", GET + b"x: a\r\n b\r\n\r\n", 400, False),
    ("a fold before all headers", b"GET /v1/models HTTP/1.1\r\n " + HOST + b"\r\n", 400, False),
    ("lines that end with LF", GET.replace(b"\r\n", b"\n") + b"\n", 400, False),
    ("a line that ends with CR", b"GET /v1/models HTTP/1.1\rhost: localhost\r\n\r\n", 400, False),
    ("a header with CR in it", GET + b"x: a\rb\r\n\r\n", 400, False),
    ("a header with NUL in it", GET + b"x: a\0b\r\n\r\n", 400, False),
    ("a header without a colon", GET + b"x\r\n\r\n", 400, False),
    ("a header without a name", GET + b": x\r\n\r\n", 400, False),
    ("a name with a space in it", GET + b"x y: z\r\n\r\n", 400, False),
    ("a name with brackets", GET + b"(x): z\r\n\r\n", 400, False),
    ("a name beyond ASCII", GET + b"x\xc3\xa9: z\r\n\r\n", 400, False),
    ("a head too large", GET + b"x: " + b"a" * 70_000 + b"\r\n\r\n", 431, False),
    ("too many headers", GET + b"x: y\r\n" * 300 + b"\r\n", 431, False),
    ("a path too long", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, False),
    # Request lines (3)
    ("no version", b"GET /v1/models\r\n\r\n", 400, False),
    ("version 0.9", b"GET /v1/models HTTP/0.9\r\n\r\n", 400, False),
    ("version 1.2", b"GET /v1/models HTTP/1.2\r\n" + HOST + b"\r\n", 400, False),
    ("version 2.0", b"GET /v1/models HTTP/2.0\r\n" + HOST + b"\r\n", 400, False),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, False),
    ("a version in small letters", b"GET /v1/models http/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a method in small letters", b"get /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a method that is none", b"G=T /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a space before the method", b" GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a path with NUL in it", b"GET /v1/mod\0els HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a path with a space in it", b"GET /v1/ models HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a TLS greeting", b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", 400, False),
    ("CONNECT", b"CONNECT localhost:1 HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("TRACE", b"TRACE /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", 405, True),
    ("PUT", b"PUT /v1/messages HTTP/1.1\r\n" + HOST + TYPE + b"content-length: 2\r\n\r\n{}", 405, True),
    ("a path upwards", b"GET /v1/../v1/models HTTP/1.1\r\n" + HOST + b"\r\n", 404, True),
    ("a path in escapes", b"GET /v1%2Fmodels HTTP/1.1\r\n" + HOST + b"\r\n", 404, True),
    ("a path with two slashes", b"GET //v1/models HTTP/1.1\r\n" + HOST + b"\r\n", 404, True),
    # Hosts and pages (RFC 9110, 7.2)
    ("no host", b"GET /v1/models HTTP/1.1\r\n\r\n", 400, True),
    ("two hosts", GET + b"host: evil.example\r\n\r\n", 400, True),
    ("a host with a user", b"GET /v1/models HTTP/1.1\r\nhost: a@localhost\r\n\r\n", 400, True),
    ("another's host", b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n", 403, True),
    ("another's page", POST + b"origin: https://evil.example\r\ncontent-length: 2\r\n\r\n{}", 403, True),
    ("a form", b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"content-type: text/plain\r\ncontent-length: 2\r\n\r\n{}",
     415, True),
    ("no type", b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"content-length: 2\r\n\r\n{}", 415, True),
    # Bodies
    ("no body", POST + b"content-length: 0\r\n\r\n", 400, True),
    ("a body that breaks out", POST + b'content-length: 24\r\n\r\n{}}\n{"rid":"r1","end":{}', 400, True),
    ("half a body of JSON", POST + b'content-length: 5\r\n\r\n{"a":', 400, True),
    ("NUL in a body", POST + b"content-length: 3\r\n\r\n{\0}", 400, True),
    ("a body of many brackets", POST + b"content-length: 100000\r\n\r\n" + b"[" * 100_000, 400, True),
    ("no UTF-8", POST + b'content-length: 4\r\n\r\n{"\xff"', 400, True),
]


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    server = Front(tmp_path_factory.mktemp("hostile"))
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("data, status, goes_on", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_hostile(front, data, status, goes_on):
    before = len(front.seen())
    with front.socket() as client:
        client.sendall(data)
        # Served only where the connection goes on.
        client.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 %d " % status) or answer.startswith(b"HTTP/1.0 %d " % status), answer[:300]
    assert len(re.findall(rb"HTTP/1\.[01] \d{3} ", answer)) == (2 if goes_on else 1), answer
    assert (b'"status":"alive"' in answer) == goes_on
    assert len(front.seen()) == before


def test_an_offer_of_another_protocol(front):
    """Java's HttpClient makes one with every first request: it is passed over."""
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
    for data in [GET + offer + b"\r\n", POST + offer + b"content-length: 2\r\n\r\n{}"]:
        before = len(front.seen())
        answer = front.raw(data)
        assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer
        assert len([record for record in front.seen()[before:] if "request" in record]) == 1


def test_there_are_enough():
    assert len(CASES) == len({case[0] for case in CASES}) >= 60
