# SPDX-License-Identifier: MIT
"""Requests that can be told from all others, and the answers that are due to them."""
from __future__ import annotations

import base64
import itertools
import json
import random
from dataclasses import dataclass, field
from typing import Any

from client import Client, Head
from ledger import Wrong

Json = dict[str, Any]
TOKEN = "the-first-of-two-tokens"
OTHER_TOKEN = "the-second-of-two-tokens"
MODEL = "claude-sonnet-4-5"
# Path, headers, and whether it is OpenAI's dialect.
ROUTES: list[tuple[str, Json, bool]] = [
    ("/openai/v1/chat/completions", {"authorization": f"Bearer {TOKEN}"}, True),
    ("/v1/messages", {"x-api-key": TOKEN, "anthropic-version": "2023-06-01"}, False),
    ("/v1/chat/completions", {"authorization": f"Bearer {OTHER_TOKEN}"}, True),
    ("/v1/chat/completions", {"x-api-key": OTHER_TOKEN}, False),
    ("/v1/messages", {"authorization": f"Bearer {TOKEN}"}, False),
]
# Between two words, and within one: what JSON, SSE or a translator could trip over.
SPACES = [" ", " ", " ", "  ", "\n", "\t", "\r\n"]
ODD = ["", "", "", "", "é", "世界", "🦉", '"', "\\n", "\\", "</a>", "\u2028", "data:", "\u0001", "{}"]


def words(rng: random.Random, mark: str, count: int, filling: int) -> str:
    """Words of which no other request has one, each with so many bytes of filling."""
    parts = []
    for number in range(count):
        parts += [f"{mark}.{number}", rng.choice(ODD), "x" * filling, rng.choice(SPACES)]
    return "".join(parts[:-1])


def http(method: str, path: str, headers: Json, body: bytes | None = None, version: str = "1.1",
         chunks: list[bytes] | None = None) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/{version}", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None or chunks is not None:
        lines.append("content-type: application/json")
        lines.append("transfer-encoding: chunked" if chunks is not None else f"content-length: {len(body or b'')}")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    if chunks is None:
        return head + (body or b"")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@dataclass
class Asked:
    """A chat request, and what is due."""

    client: str
    path: str
    headers: Json
    body: bytes
    is_openai: bool
    is_stream: bool
    text: str
    thinking: str = ""
    tools: list[tuple[str, Json]] = field(default_factory=list)
    tokens: int = 0

    def wire(self, version: str = "1.1", chunks: list[bytes] | None = None, **headers: str) -> bytes:
        return http("POST", self.path, self.headers | headers, self.body, version, chunks)

    async def check(self, connection: Client, head: Head, most: int | None = None) -> bool:
        """Reads the answer; says whether it was read to its end: at most so many tokens are, if that is given.

        Throws Wrong where any token isn't the one that was due.
        """
        if head.status != 200:
            raise Wrong(f"{self.client}: status {head.status}: {(await connection.body(head))[:300]!r}")
        reading = Reading(self)
        if not self.is_stream:
            reading.whole(json.loads(await connection.body(head)))
        else:
            if not head.headers.get("content-type", "").startswith("text/event-stream"):
                raise Wrong(f"{self.client}: a stream of type {head.headers.get('content-type')}")
            async for name, data in connection.events(head):
                reading.chunk(data) if self.is_openai else reading.event(name, data)
                if most is not None and reading.tokens >= most and not reading.is_over:
                    return False
        reading.end()
        self.tokens = reading.tokens
        return True


class Reading:
    """Holds an answer, token by token, against the one that was due."""

    def __init__(self, asked: Asked):
        self.asked = asked
        self.tokens = 0
        self.is_over = False
        self._at = {"text": 0, "thinking": 0}
        self._calls: list[tuple[str, str]] = []
        self._finish = ""

    def _take(self, kind: str, piece: str) -> None:
        due, at = getattr(self.asked, kind), self._at[kind]
        if self.is_over or due[at:at + len(piece)] != piece:
            raise Wrong(f"{self.asked.client}: {kind} {at}: {piece[:80]!r}; due was {due[at:at + 80]!r}")
        self._at[kind] = at + len(piece)
        self.tokens += 1

    def whole(self, answer: Json) -> None:
        if self.asked.is_openai:
            [choice] = answer["choices"]
            self._take("text", choice["message"]["content"] or "")
            for call in choice["message"].get("tool_calls") or []:
                self._calls.append((call["function"]["name"], call["function"]["arguments"]))
            self._finish = choice["finish_reason"]
        else:
            for block in answer["content"]:
                if block["type"] == "tool_use":
                    self._calls.append((block["name"], json.dumps(block["input"])))
                else:
                    self._take(block["type"], block[block["type"]])
            self._finish = answer["stop_reason"]
        self.is_over = True

    def event(self, name: str | None, data: Json) -> None:
        if name != data["type"]:
            raise Wrong(f"{self.asked.client}: an event {name} of type {data['type']}")
        if name == "content_block_start" and data["content_block"]["type"] == "tool_use":
            self._calls.append((data["content_block"]["name"], ""))
        elif name == "content_block_delta":
            delta = data["delta"]
            if delta["type"] == "input_json_delta":
                self._argument(delta["partial_json"])
            elif delta["type"] != "signature_delta":
                self._take(delta["type"].removesuffix("_delta"), delta[delta["type"].removesuffix("_delta")])
        elif name == "message_delta":
            self._finish = data["delta"]["stop_reason"]
        elif name == "message_stop":
            self._over()
        elif name == "error":
            raise Wrong(f"{self.asked.client}: an error event: {data}")

    def chunk(self, data: Any) -> None:
        if data == "[DONE]":
            return self._over()
        if "error" in data:
            raise Wrong(f"{self.asked.client}: an error event: {data}")
        for choice in data["choices"]:
            if choice["delta"].get("content"):
                self._take("text", choice["delta"]["content"])
            for call in choice["delta"].get("tool_calls") or []:
                if "id" in call:
                    self._calls.append((call["function"]["name"], ""))
                self._argument(call["function"].get("arguments") or "")
            self._finish = choice["finish_reason"] or self._finish

    def _argument(self, piece: str) -> None:
        name, text = self._calls[-1]
        self._calls[-1] = (name, text + piece)
        self.tokens += 1

    def _over(self) -> None:
        if self.is_over:
            raise Wrong(f"{self.asked.client}: a second end")
        self.is_over = True

    def end(self) -> None:
        """The answer has ended: nothing may lack."""
        asked = self.asked
        if not self.is_over:
            raise Wrong(f"{asked.client}: the stream just stops")
        for kind, at in self._at.items():
            if at != len(getattr(asked, kind)):
                raise Wrong(f"{asked.client}: {kind} ends after {at} of {len(getattr(asked, kind))} characters")
        if [(name, json.loads(text or "{}")) for name, text in self._calls] != asked.tools:
            raise Wrong(f"{asked.client}: the calls are {self._calls}; due were {asked.tools}")
        due = ("tool_calls", "tool_use") if asked.tools else ("stop", "end_turn")
        if self._finish != due[0 if asked.is_openai else 1]:
            raise Wrong(f"{asked.client}: it stops by {self._finish}")


class Maker:
    """Makes requests, each with words of its own."""

    def __init__(self, rng: random.Random, session: str, echoes: bool):
        self._rng, self._session, self._echoes = rng, session, echoes
        self._numbers = itertools.count()

    def client_id(self) -> str:
        return f"{self._session}-{next(self._numbers)}"

    def chat(self, count: int, pace: float = 0, delay: float = 0, extra: str = "", image: int = 0,
             is_stream: bool | None = None, route: int | None = None, filling: int = 0) -> Asked:
        """A chat of so many words. Pace and delay in seconds, image in bytes; the extra is a kind of answer's part."""
        rng, client = self._rng, self.client_id()
        path, headers, is_openai = ROUTES[rng.randrange(len(ROUTES)) if route is None else route]
        stream = rng.random() < 0.6 if is_stream is None else is_stream
        due = words(rng, client, count, filling)
        marks = (f"[[slow:{pace}]]" if pace else "") + (f"[[delay:{delay}]]" if delay else "")
        asked = Asked(client, path, headers | {"x-request-id": client}, b"", is_openai, stream, due)
        if extra == "tool":
            given = {"list": list(range(rng.randrange(9))), "city": client}
            asked.tools = [("weather", given)]
            marks += f"[[tool:weather {json.dumps(given)}]]"
        if extra == "thinking" and not is_openai and self._echoes:
            asked.thinking = f"thoughts of {client}"
            marks += f"[[thinking:{asked.thinking}]]"
        if not self._echoes or rng.random() < 0.3 or extra:
            prompt = f"{marks}[[say:{due}]]"
        else:
            prompt = asked.text = marks + due
        content: Any = prompt
        if image:
            data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(1000) * (image // 1000)).decode()
            part = ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}} if is_openai else
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
            content = [part, {"type": "text", "text": prompt}]
        body: Json = {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": content}]}
        if stream:
            body["stream"] = True
        if extra == "tool":
            schema = {"type": "object", "properties": {"city": {"type": "string"}}}
            body["tools"] = [{"type": "function", "function": {"name": "weather", "parameters": schema}}
                             if is_openai else {"name": "weather", "input_schema": schema}]
        asked.body = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()
        return asked
