#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes answers of an upstream into a folder, one file each, with a first byte that says what was asked for.

usage: answer_seeds.py FOLDER
"""
import sys
from pathlib import Path

MESSAGE = b'{"type":"message","model":"m","content":[{"type":"text","text":"a\\ud83d \\u00e9"}],"usage":{"output_tokens":1}}'
ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"later"}}'
EVENTS = [b'{"type":"message_start","message":{"model":"m","usage":{"input_tokens":1}}}', b'{"type": "ping"}',
          b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d"}}',
          b'{"type":"message_delta","delta":{},"usage":{"output_tokens":2}}', b'{"type":"message_stop"}']
STREAM = b"".join(b"event: x\r\ndata: %s\n\n" % event for event in EVENTS)
JSON, SSE = b"content-type: application/json", b"content-type: text/event-stream"


def head(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunked(body: bytes, size: int, trailer: bytes = b"") -> bytes:
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


TE = b"Transfer-Encoding: chunked"
ANSWERS = [(0, head(JSON) + MESSAGE), (0, head(JSON, TE) + chunked(MESSAGE, 7)), (1, head(SSE) + STREAM),
           (1, head(SSE, TE) + chunked(STREAM, 40, b"x: y\r\n")), (1, head(SSE, TE) + chunked(STREAM, 400) + head(JSON)),
           (1, head(SSE) + b"data: %s\n\n" % ERROR), (9, head(JSON) + ERROR), (0, head(SSE) + STREAM), (1, head(JSON) + MESSAGE),
           (0, head(JSON, b"retry-after: 7", b"x-should-retry: true", status=b"529 Over") + ERROR), (0, head(JSON) + b"{}"),
           (2, head(JSON) + b'{"input_tokens":3}'), (4, head(JSON) + b'{"data":[{"id":"m"}]}'), (6, head(JSON) + b'{"id":"m"}'),
           (0, head(b"x: y", status=b"103 Early") + head(JSON) + MESSAGE), (0, head(b"content-length: 0", status=b"204 None")),
           (1, head(SSE) + STREAM[:-60]), (1, head(SSE) + STREAM + STREAM), (0, head(JSON) + b'{"error":{"code":429,"message":"x"}}')]

for number, (flags, answer) in enumerate(ANSWERS):
    (Path(sys.argv[1]) / f"{number:02}").write_bytes(bytes([flags]) + answer)
