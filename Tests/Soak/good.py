# SPDX-License-Identifier: MIT
"""Clients that behave: each answer of theirs must be the one that was due."""
from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from typing import Awaitable, Callable

from asked import MODEL, ROUTES, TOKEN, Asked, Json, Maker, http
from client import Client, Head
from ledger import Ledger, Times, Wrong

KEY = {"x-api-key": TOKEN}


@dataclass
class Session:
    """One client: what it may use."""

    port: int
    ledger: Ledger
    rng: random.Random
    make: Maker
    kind: str
    # Set when the time is over: who only waits goes.
    ending: asyncio.Event
    echoes: bool
    large: asyncio.Semaphore

    async def ask(self, client: Client, name: str, wire: bytes, times: Times = "once") -> float:
        """Sends a request, and tells the ledger. Returns the time."""
        self.ledger.ask(self.kind, name, times)
        began = time.monotonic()
        await client.send(wire)
        return began

    async def head(self, client: Client, name: str) -> Head:
        head = await client.head()
        self.ledger.answered(name, head.rid, head.status)
        return head

    async def chat(self, client: Client, asked: Asked, wire: bytes | None = None, most: int | None = None) -> bool:
        """Asks, and holds the answer against what is due; says whether it was read to its end."""
        began = await self.ask(client, asked.client, wire or asked.wire())
        return await self.answer(client, asked, began, most)

    async def answer(self, client: Client, asked: Asked, began: float, most: int | None = None) -> bool:
        head = await self.head(client, asked.client)
        delay = time.monotonic() - began
        whole = await asked.check(client, head, most)
        self.ledger.tokens += asked.tokens
        self.ledger.came(self.kind, "good" if whole else "left", delay)
        return whole

    async def plain(self, client: Client, method: str, path: str, headers: Json, body: bytes | None, status: int,
                    wire: bytes | None = None, **more: str) -> bytes:
        """A request whose answer isn't a message."""
        name = self.make.client_id()
        headers = headers | {"x-request-id": name} | more
        began = await self.ask(client, name, wire or http(method, path, headers, body))
        head = await self.head(client, name)
        delay = time.monotonic() - began
        said = b"" if method == "HEAD" else await client.body(head)
        if head.status != status:
            raise Wrong(f"{name}: {method} {path}: status {head.status}, due was {status}: {said[:300]!r}")
        if status >= 400 and method != "HEAD":
            answer = json.loads(said)
            ids = (head.rid, head.headers.get("request-id"))
            if "error" not in answer or answer.get("request_id", head.rid) not in ids:
                raise Wrong(f"{name}: {method} {path}: an error of another form: {said[:300]!r}")
        self.ledger.came(self.kind, str(status), delay)
        return said


async def small(s: Session, client: Client) -> None:
    await s.chat(client, s.make.chat(s.rng.randint(1, 20)))


async def paced(s: Session, client: Client) -> None:
    await s.chat(client, s.make.chat(s.rng.randint(5, 40), pace=s.rng.choice([0.01, 0.03, 0.05]),
                                     delay=s.rng.choice([0, 0, 0.2])))


async def parts(s: Session, client: Client) -> None:
    """Calls of tools, and thinking."""
    extra = s.rng.choice(["tool", "thinking"])
    await s.chat(client, s.make.chat(s.rng.randint(1, 9), extra=extra, pace=s.rng.choice([0, 0, 0.01])))


async def image(s: Session, client: Client) -> None:
    """Five megabytes, beside all the small ones."""
    async with s.large:
        await s.chat(client, s.make.chat(s.rng.randint(1, 9), image=5_000_000))


async def chunked(s: Session, client: Client) -> None:
    """A body in chunks, some of them later, or one that was asked for by 100 (Continue)."""
    asked, rng = s.make.chat(s.rng.randint(1, 20)), s.rng
    if rng.random() < 0.3:
        whole = asked.wire(expect="100-continue")
        at = whole.index(b"\r\n\r\n") + 4
        began = await s.ask(client, asked.client, whole[:at])
        if not (said := await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 "):
            raise Wrong(f"{asked.client}: no 100 but {said!r}")
        await client.send(whole[at:])
    else:
        cuts = sorted({0, len(asked.body), *(rng.randrange(1, len(asked.body)) for _ in range(rng.randint(0, 9)))})
        whole = asked.wire(chunks=[asked.body[a:b] for a, b in zip(cuts, cuts[1:])])
        at = rng.randrange(1, len(whole))
        began = await s.ask(client, asked.client, whole[:at])
        await asyncio.sleep(rng.choice([0, 0, 0.05]))
        await client.send(whole[at:])
    await s.answer(client, asked, began)


async def old(s: Session, client: Client) -> None:
    """HTTP/1.0: the end of the connection is the end of the answer."""
    other = await Client.open(s.port)
    try:
        asked = s.make.chat(s.rng.randint(1, 20))
        await s.chat(other, asked, asked.wire("1.0"))
        if await other.until_closed(30):
            raise Wrong(f"{asked.client}: something came after the answer")
    finally:
        other.close()


async def pipelined(s: Session, client: Client) -> None:
    """Several requests at once, answered in order."""
    several = [s.make.chat(s.rng.randint(1, 9), pace=s.rng.choice([0, 0.01])) for _ in range(s.rng.randint(2, 5))]
    for asked in several:
        s.ledger.ask(s.kind, asked.client, "once")
    began = time.monotonic()
    await client.send(b"".join(asked.wire() for asked in several))
    for asked in several:
        await s.answer(client, asked, began)


async def other_routes(s: Session, client: Client) -> None:
    """What isn't a chat: models, counts, health, metrics."""
    which = s.rng.randrange(8)
    if which == 0:
        asked = s.make.chat(9, is_stream=False, route=1)
        said = json.loads(await s.plain(client, "POST", "/v1/messages/count_tokens", KEY, asked.body, 200))
        if s.echoes and said != {"input_tokens": len(asked.body) // 4} or said["input_tokens"] < 1:
            raise Wrong(f"a count of {said} for {len(asked.body)} bytes")
    elif which == 1:
        said = json.loads(await s.plain(client, "GET", s.rng.choice(["/v1/models", "/openai/v1/models"]), KEY, None, 200))
        if MODEL.removesuffix("-4-5") not in json.dumps(said):
            raise Wrong(f"the models are {said}")
    elif which == 2:
        said = json.loads(await s.plain(client, "GET", "/v1/models/claude-haiku-4-5", KEY, None, 200))
        if said["id"] != "claude-haiku-4-5":
            raise Wrong(f"the model is {said}")
    elif which == 3:
        await s.plain(client, "HEAD", "/v1/models", KEY, None, 200)
    elif which == 4:
        said = json.loads(await s.plain(client, "GET", "/health/detailed", KEY, None, 200))
        if said["status"] != "healthy":
            raise Wrong(f"the health is {said}")
    elif which == 5:
        if b"claude_proxy_in_flight" not in await s.plain(client, "GET", "/metrics", KEY, None, 200):
            raise Wrong("no metrics")
    else:
        await s.plain(client, "GET", s.rng.choice(["/", "/health", "/health/live", "/health/ready"]), {}, None, 200)


async def refused(s: Session, client: Client) -> None:
    """Requests that are wrong, each with the answer that is due to it; the connection goes on."""
    path, headers, _ = s.rng.choice(ROUTES)
    good = s.make.chat(3, is_stream=False, route=1).body
    marks = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": f"[[error:529]]{s.make.client_id()}"}]}
    cases: list[tuple[str, str, Json, bytes | None, int]] = [
        ("POST", path, headers, good[:-1], 400), ("POST", path, headers, b'{"a":' + b"[" * 5000, 400),
        ("POST", path, headers, good + b"}", 400), ("POST", path, headers, b"[1]", 400),
        ("POST", path, headers, b'{"model":"x","max_tokens":1}', 400), ("POST", path, headers, b"", 400),
        ("POST", path, headers, b'{"messages":"\xff"}', 400), ("POST", path, headers, json.dumps(marks).encode(), 529),
        ("POST", path, {"x-api-key": "wrong"}, good, 401), ("POST", path, {"authorization": "Bearer " + TOKEN[:-1]}, good, 401),
        ("POST", path, {}, good, 401), ("GET", "/metrics", {}, None, 401), ("GET", "/v1/models", {"x-api-key": ""}, None, 401),
        ("GET", "/nothing", KEY, None, 404), ("GET", "/v1/models/none-such", KEY, None, 404),
        ("DELETE", path, headers, None, 405), ("POST", path, headers | {"origin": "https://evil.example"}, good, 403),
    ]
    await s.plain(client, *s.rng.choice(cases))


async def late_error(s: Session, client: Client) -> None:
    """A stream that fails when it has begun."""
    asked = s.make.chat(1, is_stream=True)
    name = asked.client
    content = f"[[sse_error:overloaded_error]][[say:{name} more words]]"
    body = {"model": MODEL, "max_tokens": 99, "stream": True, "messages": [{"role": "user", "content": content}]}
    asked.body = json.dumps(body).encode()
    await s.ask(client, name, asked.wire())
    head = await s.head(client, name)
    got = [data async for _, data in client.events(head)]
    first = "".join(c["delta"].get("content") or "" for data in got for c in data.get("choices", [])) if asked.is_openai \
        else "".join(data["delta"]["text"] for data in got if data["type"] == "content_block_delta")
    if head.status != 200 or first != f"{name} " or "error" not in got[-1] or [d for d in got[:-1] if "error" in d]:
        raise Wrong(f"{name}: it fails by {got}")
    s.ledger.came(s.kind, "error event")
    # It is the backend's failure, not the connection's.
    await s.chat(client, s.make.chat(2))


# How often each is chosen.
KINDS: list[tuple[Callable[[Session, Client], Awaitable[None]], int]] = [
    (small, 50), (paced, 16), (parts, 8), (chunked, 6), (old, 3), (pipelined, 5), (other_routes, 10), (refused, 8),
    (late_error, 2)]
