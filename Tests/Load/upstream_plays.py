# SPDX-License-Identifier: MIT
"""The upstream of the soak of claude-http: each request says what is to be done wrong with it.

usage: upstream_plays.py        (prints its port, and serves until its input ends)
"""
from __future__ import annotations

import json
import random
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Rig")]

from upstream import Request, Upstream, Wire  # noqa: E402

HUGE = 1 << 20
ERRORS = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}


def tokens_of(name: str, count: int) -> list[str]:
    """The text of an answer, token by token; the whole of it is in no other answer."""
    return [f"{name}/{number} é\\\"\n" for number in range(count)]


def event(kind: str, **members: Any) -> bytes:
    return json.dumps({"type": kind} | members, ensure_ascii=False).encode()


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def events_of(name: str, count: int) -> list[bytes]:
    usage = {"input_tokens": 3, "output_tokens": 1}
    return [event("message_start", message={"id": name, "model": "m", "usage": usage}),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *map(delta, tokens_of(name, count)), event("content_block_stop", index=0),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": count}),
            event("message_stop")]


class Play:
    """Each method plays one answer; what the client must see of it stands in upstream_soak.OUTCOMES."""

    def __init__(self, wire: Wire, asked: dict[str, Any]):
        self.wire, self.name, self.count, self.gap = wire, asked["name"], asked["count"], asked["gap"]
        self.random = random.Random(self.name)
        self.events = events_of(self.name, self.count)

    def stream(self, events: list[bytes], form: bytes = b"event: x\ndata: %s\n\n") -> None:
        self.wire.head(request_id=f"req_{self.name}")
        for data in events:
            self.wire.chunk(form % data)
            time.sleep(self.gap * self.random.uniform(0.5, 1.5))

    def end(self) -> None:
        self.wire.send(b"0\r\n\r\n")

    def reset(self) -> bool:
        time.sleep(0.02)
        self.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return True

    def good(self) -> None:
        self.stream(self.events)
        self.end()

    def closing(self) -> bool:
        """Good, and the connection is closed behind it, though nothing said so."""
        self.good()
        return True

    def idle(self) -> None:
        """Good, and the connection is closed when it has been idle for a moment."""
        self.good()
        self.wire.socket.settimeout(self.random.uniform(0.001, 0.5))

    def dying(self) -> bool:
        """Good, and the connection is closed when the next request has come on it, which fails then."""
        self.good()
        if request := self.wire.read():
            seen(request)
        return self.random.random() < 0.5 or self.reset()

    def surplus(self) -> None:
        """Good, and there is one more answer in the same segment, which nobody must get."""
        self.stream(self.events)
        stream = b"".join(b"data: %s\n\n" % data for data in events_of("surplus", 3))
        status = self.random.choice([b"200 OK", b"408 Request Timeout"])
        self.wire.send(b"0\r\n\r\nHTTP/1.1 %s\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s" % (
            status, len(stream), stream))

    def odd(self) -> None:
        """Good, as far as the standard goes: all line ends, comments, data in several lines, other fields."""
        self.wire.head()
        for number, data in enumerate(self.events):
            newline = (b"\n", b"\r\n", b"\r")[number % 3]
            # A comma with a blank behind it stands between members, and nowhere in our texts.
            lines = newline.join(b"data: " + line for line in data.replace(b', "', b',\n"').split(b"\n"))
            self.wire.chunk(b": a comment" + newline + b"id: 7" + newline + lines + newline + newline)
            time.sleep(self.gap)
        self.end()

    def trickle(self) -> None:
        """Good, byte by byte, each in a chunk of its own."""
        self.wire.head()
        for data in self.events:
            for byte in b"data: %s\r\n\r\n" % data:
                self.wire.chunk(bytes([byte]))
            time.sleep(self.gap)
        self.end()

    def huge(self) -> None:
        self.wire.head()
        for data in [*self.events[:2], delta(self.name * (HUGE // len(self.name))), *self.events[2:]]:
            self.wire.chunk(b"data: %s\n\n" % data)
        self.end()

    def whole(self) -> None:
        time.sleep(self.gap * self.count)
        text = "".join(tokens_of(self.name, self.count))
        self.wire.answer(200, json.dumps({"model": "m", "content": [{"type": "text", "text": text}]}).encode())

    def refused(self) -> bool:
        return self.reset()

    def broken(self) -> bool:
        self.stream(self.events[:-3])
        return self.reset()

    def stalled(self) -> bool:
        self.stream(self.events[:-3])
        self.wire.wait_closed(60)
        return True

    def silent(self) -> bool:
        self.wire.wait_closed(60)
        return True

    def garbage(self) -> bool:
        self.wire.send(self.random.randbytes(200) + b"\r\n\r\n")
        return True

    def bad_event(self) -> None:
        self.stream([*self.events[:-3], b'{"type":"x"}},"error":{', *self.events[-3:]])
        self.end()

    def half_chunk(self) -> bool:
        self.stream(self.events[:-3])
        self.wire.send(b"fff\r\ndata: {")
        return True

    def ended_early(self) -> None:
        self.stream(self.events[:-1])
        self.end()

    def late_error(self) -> None:
        self.stream([*self.events[:-3], event("error", error={"type": "overloaded_error", "message": "x"})])
        self.end()

    def page(self) -> None:
        self.wire.answer(200, b"<html>welcome</html>", "text/html")

    def error(self, status: int) -> None:
        body = {"type": "error", "error": {"type": ERRORS[status], "message": self.name}}
        self.wire.answer(status, json.dumps(body).encode(), retry_after="7", request_id=f"req_{self.name}")

    def cancelled(self) -> None:
        self.stream(self.events[:-1] + 40 * [event("ping")] + self.events[-1:])
        self.end()


names: set[str] = set()


def seen(request: Request) -> bool:
    """Whether the request came before: each is to be sent once."""
    name = json.loads(json.loads(request.body)["messages"][0]["content"])["name"]
    if name in names:
        return True
    names.add(name)
    return False


def play(wire: Wire, request: Request) -> bool | None:
    wire.socket.settimeout(None)
    if seen(request):
        return wire.answer(500, b'{"error":{"type":"api_error","message":"this request came twice"}}')
    asked = json.loads(json.loads(request.body)["messages"][0]["content"])
    kind, _, status = asked["kind"].partition(" ")
    one = Play(wire, asked)
    return one.error(int(status)) if status else getattr(one, kind)()


if __name__ == "__main__":
    with Upstream(play) as upstream:
        print(upstream.port, flush=True)
        sys.stdin.read()
