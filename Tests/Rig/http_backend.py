# SPDX-License-Identifier: MIT
"""claude-http by its pipe, and the stream that upstreams written byte by byte send."""
from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path
from typing import Callable, Iterator

import pytest
from backend import SECRET, Backend
from upstream import Request, Wire

STREAM = (b'event: message_start\ndata: {"type":"message_start","message":{"id":"m\\u0031","model":"m-1",'
          b'"usage":{"input_tokens":10,"output_tokens":1}}}\n\nevent: ping\ndata: {"type": "ping"}\n\n'
          b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
          b'"text":"\\u00e9 \xc3\xa9\\/"},"future":[1.50,1e400,-0.0]}\n\n'
          b'event: new_kind\ndata: {"type":"new_kind"}\n\n'
          b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":7}}\n\n'
          b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
MESSAGE = b'{"type":"message","model":"m-1","content":[{"type":"text","text":"whole"}],"usage":{"output_tokens":1}}'
BEGUN = STREAM[:STREAM.index(b"event: message_stop")]


class HTTPBackend(Backend):
    """A running claude-http."""

    program = "claude-http"

    def environment(self) -> dict[str, str]:
        return {"ANTHROPIC_API_KEY": SECRET}

    def payloads(self, kind: str) -> list[bytes]:
        """The payloads of that kind as the bytes that were written."""
        return re.findall(rb'"%s":(.*)\}\n' % kind.encode(), b"".join(self.raw))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., HTTPBackend]]:
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def run_one(url: str, *arguments: str, **settings: str) -> HTTPBackend:
            one = HTTPBackend(tmp_path / f"home{next(numbers)}", *arguments, ANTHROPIC_BASE_URL=url, **settings)
            started.callback(one.stop)
            return one

        yield run_one


def stream_in_chunks(size: int) -> Callable[[Wire, Request], None]:
    def play(wire: Wire, _: Request) -> None:
        wire.head(request_id="req_1")
        for at in range(0, len(STREAM), size):
            wire.chunk(STREAM[at:at + size])
        wire.send(b"0\r\n\r\n")
    return play
