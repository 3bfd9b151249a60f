# SPDX-License-Identifier: MIT
"""Requests that look hostile and are right: each is served, once, and nothing else that stands in it."""
from __future__ import annotations

from . import CHUNKED, GET, HOST, LAST, POST, SMUGGLED, chunks, get, post

OFFER = [b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAEAAEAA"]

# name, what is sent, the body that reaches the backend, whether the connection goes on
ODD = [
    # RFC 9112, 7.1: sizes and extensions; RFC 9110, 6.5: trailers may be passed over
    ("chunks", chunks(b"1\r\n{\r\n1\r\n}\r\n" + LAST), {}, True),
    ("a chunk extension", chunks(b'2;a;b=c;d="e\\"f"\r\n{}\r\n0;last\r\n\r\n'), {}, True),
    ("sizes with zeros before them", chunks(b"00000002\r\n{}\r\n000\r\n\r\n"), {}, True),
    ("a size in capitals", chunks(b'A\r\n{"a":"bc"}\r\n' + LAST), {"a": "bc"}, True),
    ("a trailer", chunks(b"2\r\n{}\r\n0\r\nx-checksum: 1\r\n\r\n"), {}, True),
    ("chunked in capitals", POST + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n" + LAST, {}, True),
    ("chunked between spaces", POST + b"transfer-encoding:\t chunked  \r\n\r\n2\r\n{}\r\n" + LAST, {}, True),
    ("a length with zeros before it", POST + b"content-length: 002\r\n\r\n{}", {}, True),
    ("a length between spaces", POST + b"content-length:\t 2  \r\n\r\n{}", {}, True),
    ("a body in no coding", post(b"{}", b"content-encoding: identity"), {}, True),
    # A body of GET is read to its end, and means nothing (RFC 9110, 9.3.1): CL.0
    ("a request in a body of GET", GET + b"content-length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, None, True),
    ("a request in a chunk of GET", GET + CHUNKED + b"\r\n%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n" + LAST, None, True),
    ("a request in a string", post(b'{"a":"%s"}' % SMUGGLED.replace(b"\r\n", b"\\r\\n")),
     {"a": SMUGGLED.decode()}, True),
    # RFC 9112, 2.2 and 3.2.2
    ("empty lines before it", b"\r\n\r\n" + GET + b"\r\n", None, True),
    ("our own host in the target", get(path=b"http://localhost/v1/models"), None, True),
    ("our own host in capitals", get(path=b"HTTP://LOCALHOST/v1/models"), None, True),
    ("a host between spaces", b"GET /v1/models HTTP/1.1\r\nhost:  localhost  \r\n\r\n", None, True),
    ("our own host before a query", get(path=b"http://localhost/v1/models?a=://evil.example/?b"), None, True),
    # Two slashes are what a base URL with one at its end makes
    ("a path with two slashes", get(path=b"//v1/models"), None, True),
    ("a target with two slashes", get(path=b"http://localhost//v1/models"), None, True),
    ("a path with a slash at its end", get(path=b"/v1/models/"), None, True),
    ("a path with a prefix twice", get(path=b"/openai/v1/v1/models"), None, True),
    ("an old version", b"GET /v1/models HTTP/1.0\r\n\r\n", None, False),
    # RFC 9110, 7.8: whoever offers another protocol may be served by this one (Java's HttpClient offers it first of all)
    ("an offer of HTTP/2", get(*OFFER), None, False),
    ("an offer of HTTP/2 with a body", post(b"{}", *OFFER), {}, False),
    ("an offer of a socket", get(b"connection: Upgrade", b"upgrade: websocket"), None, False),
    ("an offer without its connection header", get(b"upgrade: h2c"), None, True),
    ("an offer of an old version",
     b"GET /v1/models HTTP/1.0\r\n" + HOST + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n", None, False),
    # RFC 9110, 10.1.1
    ("a promise that is not waited for", post(b"{}", b"expect: 100-continue"), {}, True),
    ("a promise in capitals", post(b"{}", b"Expect: 100-Continue"), {}, True),
    # RFC 8259
    ("line ends between the tokens", post(b'\r\n{\r\n"a"\n:\r1}\r\n'), {"a": 1}, True),
    ("two members of one name", post(b'{"rid":"r1","rid":"r2"}'), {"rid": "r2"}, True),
    ("names of a record", post(b'{"rid":"r1","cancel":true,"end":{}}'), {"rid": "r1", "cancel": True, "end": {}}, True),
]
