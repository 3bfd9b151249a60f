# SPDX-License-Identifier: MIT
"""What a client sends to the server, and what an upstream sends to claude-http, of any size, as bytes."""
from __future__ import annotations

import json
from typing import Any, Callable

from answer_kinds import KINDS, TEXT, deltas, text

Make = Callable[[int], bytes]
HOST = b"host: localhost\r\n"
TYPE = b"content-type: application/json\r\n"
LAST = b"connection: close\r\n"


def get(*headers: bytes, path: bytes = b"/health/live") -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(headers) + b"\r\n"


def post(body: bytes, *headers: bytes) -> bytes:
    return (b"POST /v1/messages HTTP/1.1\r\n" + HOST + TYPE + b"".join(headers) + b"content-length: %d\r\n\r\n" % len(body) + body)


def chunked(chunks: list[bytes], *more: bytes, trailers: bytes = b"", extension: bytes = b"") -> bytes:
    head = b"POST /v1/messages HTTP/1.1\r\n" + HOST + TYPE + b"transfer-encoding: chunked\r\n" + b"".join(more) + b"\r\n"
    return head + b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n" + trailers + b"\r\n"


def named(n: int, value: bytes = b"v") -> list[bytes]:
    return [b"x-%d: %s\r\n" % (number, value) for number in range(n)]


def listed(n: int) -> bytes:
    return b",".join(b"a%d" % number for number in range(n))


# What of a request is doubled. A body may be as large as a test wants.
BODIES: dict[str, Make] = {
    "bytes of a body": lambda n: post(b'{"a":"' + b"x" * n + b'"}', LAST),
    "escapes of a body": lambda n: post(b'{"a":"' + rb"\u00e9" * n + b'"}', LAST),
    "white space of a body": lambda n: post(b"{" + b" \n" * n + b"}", LAST),
    "values of a body": lambda n: post(b'{"a":[' + b"1," * n + b"1]}", LAST),
    "members of a body": lambda n: post(b"{" + b",".join(b'"k%d":{}' % number for number in range(n)) + b"}", LAST),
    "chunks of a body": lambda n: chunked([b"{", *[b" "] * n, b"}"], LAST),
    "extensions of chunks": lambda n: chunked([b"{", *[b" "] * n, b"}"], LAST, extension=b";a=b;c=d"),
    "one extension": lambda n: chunked([b"{}"], LAST, extension=b";" + b"a" * n),
    "bytes of a body that is refused": lambda n: post(b'{"a"' + b"x" * n, LAST),
    "a body without a route": lambda n: post(b"x" * n, LAST).replace(b"/v1/messages", b"/v1/nothing"),
    "requests that are answered here": lambda n: get() * n + get(LAST),
    "requests for the pipeline": lambda n: post(b"{}") * n + post(b"{}", LAST),
    "requests that are refused": lambda n: get(path=b"/nothing") * n + get(LAST),
    "line ends between requests": lambda n: get() + b"\r\n" * n + get(LAST),
}
# Heads are limited, so there are as many requests as it takes to be measured: how many, of what size.
MOST_HEADERS, MOST_BYTES = 110, 28_000
HEADS: dict[str, tuple[int, Make]] = {
    "headers": (MOST_HEADERS, lambda n: get(*named(n))),
    "headers of one name": (MOST_HEADERS, lambda n: get(*[b"x: v\r\n"] * n)),
    "headers for the pipeline": (MOST_HEADERS, lambda n: post(b"{}", *named(n))),
    "a long header": (MOST_BYTES, lambda n: get(b"x: " + b"v" * n + b"\r\n")),
    "a long header for the pipeline": (MOST_BYTES, lambda n: post(b"{}", b"anthropic-beta: " + b"v" * n + b"\r\n")),
    "betas": (MOST_BYTES // 8, lambda n: post(b"{}", b"anthropic-beta: " + listed(n) + b"\r\n")),
    "forwarders": (MOST_BYTES // 8, lambda n: get(b"x-forwarded-for: " + listed(n) + b"\r\n")),
    "connection options": (MOST_BYTES // 8, lambda n: get(b"connection: " + listed(n) + b"\r\n")),
    "expectations": (MOST_BYTES // 8, lambda n: get(b"expect: " + listed(n) + b"\r\n")),
    "cookies": (MOST_BYTES // 8, lambda n: get(b"cookie: " + listed(n).replace(b",", b"; ") + b"\r\n")),
    "query parameters": (MOST_BYTES // 8, lambda n: get(path=b"/health/live?" + listed(n).replace(b",", b"=1&"))),
    "query parameters for the pipeline": (MOST_BYTES // 8, lambda n: get(path=b"/v1/models?" + listed(n).replace(b",", b"=1&"))),
    "parts of a path": (MOST_BYTES // 2, lambda n: get(path=b"/a" * n)),
    "empty parts of a path": (MOST_BYTES, lambda n: get(path=b"/" * n + b"v1/models")),
    "prefixes of a path": (MOST_BYTES // 3, lambda n: get(path=b"/v1" * n + b"/models")),
    "escapes of a path": (MOST_BYTES // 3, lambda n: get(path=b"/v1/models/" + b"%41" * n)),
    "a long host": (MOST_BYTES, lambda n: get().replace(b"localhost", b"a" * n)),
    "a long token": (MOST_BYTES, lambda n: get(b"authorization: Bearer " + b"a" * n + b"\r\n")),
    "trailers": (MOST_HEADERS, lambda n: chunked([b"{}"], trailers=b"".join(named(n)))),
}


# The answers of a pipeline: records, whose rid is R.
def records(*made: dict[str, Any], **headers: str) -> bytes:
    http = {"http": {"status": 200, "headers": {"content-type": "text/event-stream", **headers}}}
    return b"".join(json.dumps({"rid": "R"} | one, separators=(",", ":")).encode() + b"\n" for one in (http, *made, {"end": {}}))


RECORDS: dict[str, Make] = {
    "data": lambda n: records(*[{"data": "data: word\n\n"}] * n),
    "a long text": lambda n: records({"data": "word " * n}),
    "a text of escapes": lambda n: records({"data": "\"\n\\\u0001" * n}),
    "a text beyond ASCII": lambda n: records({"data": "\u00e4\U0001f388" * n}),
    "headers": lambda n: records({"data": "x"}, **{f"x-{number}": "v" for number in range(n)}),
    "a long header": lambda n: records({"data": "x"}, x="v" * n),
    "members of the end": lambda n: records({"data": "x"})[:-3] + json.dumps({f"k{number}": 1 for number in range(n)}).encode() + b"}\n",
    "losses": lambda n: records({"data": "x"})[:-3] + json.dumps({"loss": [{"field": f"f{number}", "fate": "dropped"} for number in range(n)]}).encode() + b"}\n",
    "unknown records": lambda n: records(*[{"unknown": number} for number in range(n)], {"data": "x"}),
    "records of nobody": lambda n: b'{"rid":"x","data":"word"}\n' * n + records({"data": "x"}),
    "empty lines": lambda n: b"\n" * n + records({"data": "x"}),
    "lines that are no records": lambda n: b"this is no record\n" * n + records({"data": "x"}),
    "one line that is no record": lambda n: b"x" * n + b"\n" + records({"data": "x"}),
}


# The answers of an upstream.
def sse(payloads: list[tuple[str, Any]]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for _, event in payloads)


def stream(body: bytes, *headers: bytes, size: int = 0) -> bytes:
    """In chunks of that size; or whole, up to the end of the connection."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + b"".join(headers)
    if not size:
        return head + b"connection: close\r\n\r\n" + body
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return head + b"transfer-encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def whole(body: bytes, *headers: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n%s" % (status, b"".join(headers), len(body), body)


WORDS = sse(deltas(TEXT, [text("word")]))
OF_EVENTS = {name: make for name, make in KINDS.items()
             if {kind for kind, _ in make(1)} == {"event"} and all(isinstance(event, dict) for _, event in make(1))}
OF_ANSWERS = {name: make for name, make in KINDS.items() if make(1)[0][0] == "response"}
STREAMS: dict[str, Make] = {name: lambda n, make=make: stream(sse(make(n))) for name, make in OF_EVENTS.items()} | {
    "chunks of one byte": lambda n: stream(sse(deltas(TEXT, [text("word" * n)])), size=1),
    "chunks of an event": lambda n: stream(sse(deltas(TEXT, [text("word")] * n)), size=100),
    "comments": lambda n: stream(b": comment\n" * n + WORDS),
    "comments between events": lambda n: stream(b":\n\n" * n + WORDS),
    "empty lines": lambda n: stream(b"\n" * n + WORDS),
    "ends of lines": lambda n: stream(b"\r\n" * n + WORDS),
    "fields": lambda n: stream(b"".join(b"field%d: x\n" % number for number in range(n)) + WORDS),
    "lines of data": lambda n: stream(b"data: \n" * n + WORDS),
    "a long line": lambda n: stream(b": " + b"x" * n + b"\n" + WORDS),
    "events that are no JSON": lambda n: stream(b"data: x\n\n" * n + WORDS),
    "bytes after the end": lambda n: stream(WORDS + b"x" * n),
}
# The head of an answer is limited too.
ANSWER_HEADS: dict[str, Make] = {
    "headers": lambda n: stream(WORDS, *[b"x-%d: v\r\n" % number for number in range(n)]),
    "headers of one name": lambda n: stream(WORDS, *[b"anthropic-ratelimit-x: v\r\n"] * n),
    "headers that are handed on": lambda n: stream(WORDS, *[b"anthropic-ratelimit-%d: v\r\n" % number for number in range(n)]),
    "a long header": lambda n: stream(WORDS, b"request-id: " + b"v" * n + b"\r\n"),
}
WHOLES: dict[str, Make] = {name: lambda n, make=make: whole(json.dumps(make(n)[0][1]).encode()) for name, make in OF_ANSWERS.items()} | {
    "white space": lambda n: whole(b" " * n + b'{"type":"message","content":[]}'),
    "an error's message": lambda n: whole(json.dumps({"type": "error", "error": {"type": "x", "message": "word " * n}}).encode(), status=400),
    "an error's members": lambda n: whole(json.dumps({"type": "error", "error": {f"k{number}": 1 for number in range(n)}}).encode(), status=400),
    "an error that is no JSON": lambda n: whole(b"<p>" * n, status=503),
}
