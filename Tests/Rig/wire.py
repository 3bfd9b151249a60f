# SPDX-License-Identifier: MIT
"""A plain HTTP client that shows what is on the wire, and when it came."""
from __future__ import annotations

import http.client
import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any, Iterator, NamedTuple

Json = dict[str, Any]
# How long an answer may be silent, in seconds: with hundreds of requests in line it is.
SILENCE = 300 if os.environ.get("LONG") == "1" else 30


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Event(NamedTuple):
    """One server-sent event, and the monotonic time at which it had come."""

    name: str | None
    data: Any
    time: float


def encode(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def connect(port: int, timeout: float = SILENCE) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None) -> Answer:
    """One request, on a connection of its own unless one is given."""
    used = connection or connect(port)
    try:
        data = encode(body)
        kind = {"content-type": "application/json"} if data is not None else {}
        used.request(method, path, data, kind | (headers or {}))
        response = used.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        if connection is None:
            used.close()


class Stream:
    """A request whose answer is read event by event."""

    def __init__(self, port: int, path: str, body: Json, headers: dict[str, str] | None = None):
        self._connection = connect(port)
        self._connection.connect()
        self._socket = self._connection.sock
        self._connection.request("POST", path, encode(body), {"content-type": "application/json"} | (headers or {}))
        self._response: http.client.HTTPResponse | None = None

    @property
    def response(self) -> http.client.HTTPResponse:
        """The answer, from its head on: waits for the head."""
        if self._response is None:
            self._response = self._connection.getresponse()
        return self._response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> dict[str, str]:
        return {k.lower(): v for k, v in self.response.getheaders()}

    def __iter__(self) -> Iterator[Event]:
        """The events; comments are left out. Ends where the answer ends, raises where it breaks off."""
        kind, lines = None, []
        while line := self.response.readline():
            text = line.decode().rstrip("\r\n")
            if text.startswith("event:"):
                kind = text[6:].strip()
            elif text.startswith("data:"):
                lines.append(text[5:].removeprefix(" "))
            elif not text and lines:
                data = "\n".join(lines)
                yield Event(kind, data if data == "[DONE]" else json.loads(data), time.monotonic())
                kind, lines = None, []
        assert not lines, f"the stream ended within an event: {lines}"

    def go(self) -> float:
        """Close the connection as a client that goes away does. The time at which that was."""
        now = time.monotonic()
        self._socket.shutdown(socket.SHUT_RDWR)
        self.close()
        return now

    def close(self) -> None:
        if self._response:
            self._response.close()
        self._connection.close()
        self._socket.close()


def text_of(events: list[Event]) -> str:
    """The text that a stream of either dialect carried."""
    parts = []
    for event in events:
        if event.data == "[DONE]":
            continue
        if event.name is None:
            parts += [choice["delta"].get("content") or "" for choice in event.data.get("choices", [])]
        elif event.data.get("delta", {}).get("type") == "text_delta":
            parts.append(event.data["delta"]["text"])
    return "".join(parts)
