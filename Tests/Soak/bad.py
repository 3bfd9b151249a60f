# SPDX-License-Identifier: MIT
"""Clients that don't behave: they vanish, stall, stop halfway, send what is none. Nobody else may feel it."""
from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Awaitable, Callable

from asked import MODEL, TOKEN, Asked, http
from client import Client
from good import Session
from ledger import Wrong
from hostile import GET, POST
from test_hostile import CASES

# Those that begin as good requests do, so that our token can be put in; and that get an answer.
REFUSED = [case for case in CASES if case.data.startswith((GET, POST)) and case.status and not case.ends]
# What the server is told, in seconds; and how much later than that it may be, on a machine that does much else.
HEADER_TIMEOUT, BODY_TIMEOUT, KEEP_ALIVE_TIMEOUT, LATE = 8, 8, 25, 60
# The largest body, in bytes: above an image of five megabytes in base64.
MAX_BODY = 8 << 20


async def go(s: Session, client: Client) -> None:
    """Leave, in one of the ways in which clients leave."""
    way = s.rng.choice(["RST", "FIN", "half"])
    s.ledger.came(s.kind, way)
    if way == "RST":
        return client.reset()
    if way == "half":
        client.end_requests()
        await client.until_closed(LATE)
    client.close()


def some_chat(s: Session) -> Asked:
    return s.make.chat(s.rng.randint(1, 60), pace=s.rng.choice([0, 0.01, 0.05]), delay=s.rng.choice([0, 0, 0.5]))


async def vanish_asking(s: Session, client: Client) -> None:
    """Before, within or just after the request."""
    asked = some_chat(s)
    wire = asked.wire()
    body = wire.index(b"\r\n\r\n") + 4
    cut = s.rng.choice([0, s.rng.randrange(body), body, s.rng.randrange(body, len(wire)), len(wire)])
    await s.ask(client, asked.client, wire[:cut], "at most once")
    await asyncio.sleep(s.rng.choice([0, 0, 0.01, 0.2]))
    await go(s, client)


async def vanish_answered(s: Session, client: Client) -> None:
    """Within the answer, or just at its end; what came until then must be right."""
    asked = s.make.chat(s.rng.randint(5, 60), pace=s.rng.choice([0, 0.01, 0.05]), is_stream=True)
    await s.chat(client, asked, most=s.rng.randint(1, 30))
    await go(s, client)


async def vanish_pipelining(s: Session, client: Client) -> None:
    """With requests that nobody has looked at yet."""
    several = [some_chat(s) for _ in range(s.rng.randint(2, 6))]
    for asked in several:
        s.ledger.ask(s.kind, asked.client, "at most once")
    wire = b"".join(asked.wire() for asked in several)
    await client.send(wire[:s.rng.randrange(1, len(wire) + 1)])
    await asyncio.sleep(s.rng.choice([0, 0.05, 0.3]))
    await go(s, client)


async def garbage_behind(s: Session, client: Client) -> None:
    """A good request, and behind it what is none: the good one may be answered, and must end."""
    asked = s.make.chat(s.rng.randint(5, 30), pace=s.rng.choice([0, 0.02, 0.1]))
    await s.ask(client, asked.client, asked.wire() + s.rng.choice([b"\0\1\2\3\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", asked.body]))
    await client.until_closed(LATE)
    s.ledger.came(s.kind, "closed")


async def garbage(s: Session, client: Client) -> None:
    """The requests that must be refused, with our token in them."""
    case = s.rng.choice(REFUSED)
    status, data = case.status, case.data.replace(b"host: localhost\r\n", b"host: localhost\r\nx-api-key: " + TOKEN.encode() + b"\r\n", 1)
    s.ledger.sent[s.kind] += 1
    await client.send(data + b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    head = await client.head()
    if head.status != status:
        raise Wrong(f"{data[:200]!r} is answered by {head.status}; due was {status}")
    s.ledger.came(s.kind, "refused")
    await client.until_closed(LATE)


async def noise(s: Session, client: Client) -> None:
    """Bytes that are nothing at all."""
    s.ledger.sent[s.kind] += 1
    await client.send(s.rng.randbytes(s.rng.choice([1, 100, 5000])) + b"\r\n\r\n")
    await client.until_closed(KEEP_ALIVE_TIMEOUT + LATE)
    s.ledger.came(s.kind, "closed")


async def too_large(s: Session, client: Client) -> None:
    """A body that says so, one that doesn't, and a head."""
    asked = s.make.chat(1)
    which = s.rng.choice(["length", "length", "head", "head", "chunks"])
    status = 431 if which == "head" else 413
    if which == "length":
        wire = http("POST", asked.path, asked.headers | {"content-length": str(MAX_BODY + 1)}, b"").replace(
            b"content-length: 0\r\n", b"") + b"{" * 50_000
    elif which == "head":
        wire = asked.wire(x="y" * 70_000)
    else:
        wire = asked.wire(chunks=[b'{"a":"'] + [b"x" * (1 << 20)] * 9)
    s.ledger.ask(s.kind, asked.client, "at most once")
    try:
        if which == "chunks":
            async with s.large:
                await client.send(wire)
        else:
            await client.send(wire)
        head = await client.head()
        if head.status != status:
            raise Wrong(f"{asked.client}: {which} too large, answered by {head.status}")
        s.ledger.came(s.kind, str(status))
    except (ConnectionError, asyncio.IncompleteReadError):
        # Who is still sending when the server has closed is reset, and may have lost the answer.
        s.ledger.came(s.kind, "reset")
    await client.until_closed(LATE)


async def drip(s: Session, client: Client) -> None:
    """A head that never comes to its end, or a body that stops: 408, and the end."""
    asked = s.make.chat(9)
    wire = asked.wire()
    body = wire.index(b"\r\n\r\n") + 4
    if s.rng.random() < 0.5:
        s.ledger.sent[s.kind] += 1
        first = s.rng.randrange(1, body - 40)
        await client.send(wire[:first])
        answer = asyncio.create_task(client.head())
        for at in range(first, body - 2):
            if (await asyncio.wait([answer], timeout=0.4))[0]:
                break
            await client.send(wire[at:at + 1])
    else:
        await s.ask(client, asked.client, wire[:s.rng.randrange(body, len(wire))])
        answer = asyncio.create_task(client.head())
    head = await answer
    if head.status != 408:
        raise Wrong(f"{asked.client}: a slow one is answered by {head.status}")
    s.ledger.came(s.kind, "408")
    await client.until_closed(LATE)


async def slow_body(s: Session, client: Client) -> None:
    """A body that takes its time, and comes to its end: it is a good request."""
    asked = s.make.chat(20)
    wire = asked.wire()
    body = wire.index(b"\r\n\r\n") + 4
    began = await s.ask(client, asked.client, wire[:body])
    for at in range(body, len(wire), len(asked.body) // 12 + 1):
        await asyncio.sleep(0.25)
        await client.send(wire[at:at + len(asked.body) // 12 + 1])
    await s.answer(client, asked, began)


async def idle(s: Session, client: Client) -> None:
    """Many connections, left open: the server closes them."""
    many = [client] + [await Client.open(s.port) for _ in range(19)]
    try:
        # A third has asked something before.
        for one in many[::3]:
            await s.chat(one, s.make.chat(2))
        closed = [asyncio.create_task(one.until_closed(KEEP_ALIVE_TIMEOUT + LATE)) for one in many]
        ending = asyncio.create_task(s.ending.wait())
        while (left := [task for task in closed if not task.done()]) and not ending.done():
            await asyncio.wait([*left, ending], return_when=asyncio.FIRST_COMPLETED)
        for task in (*left, ending):
            task.cancel()
        await asyncio.gather(*(task for task in closed if task not in left))
        s.ledger.came(s.kind, "left" if left else "closed")
    finally:
        for one in many[1:]:
            one.close()


async def stall(s: Session, _: Client) -> None:
    """It stops reading, for long, and then takes all that was left: nothing may be lost, also where it was the last."""
    client = await Client.open(s.port, room=4096)
    way = s.rng.choice(["keep-alive", "close", "HTTP/1.0"])
    try:
        # More than the system takes for it; the stand-in for the API is slow with many pieces.
        count, filling = (5000, 600) if s.echoes else (250, 12_000)
        asked = s.make.chat(count, filling=filling, is_stream=s.rng.random() < 0.7)
        wire = asked.wire("1.0") if way == "HTTP/1.0" else asked.wire(connection=way)
        began = await s.ask(client, asked.client, wire)
        await asyncio.sleep(s.rng.uniform(2, 8))
        await s.answer(client, asked, began)
        if way != "keep-alive" and await client.until_closed(LATE):
            raise Wrong(f"{asked.client}: something came after the answer")
    finally:
        client.close()


async def leave_behind(s: Session, size: tuple[int, int], seconds: float) -> None:
    """Asks for so many pieces of so many bytes, and reads none of them, until the server must have given it up."""
    client = await Client.open(s.port, room=4096)
    try:
        asked = s.make.chat(1, is_stream=True)
        # The stand-in takes two milliseconds for each.
        marks = (f"[[len:{size[0]}]][[pad:{size[1]}]]" if s.echoes else
                 f"[[say:{('x' * (20 * size[1]) + ' ') * (size[0] // 20)}]]")
        asked.body = json.dumps({"model": MODEL, "max_tokens": 9, "stream": True,
                                 "messages": [{"role": "user", "content": marks}]}).encode()
        await s.ask(client, asked.client, asked.wire())
        await s.head(client, asked.client)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(s.ending.wait(), seconds)
        if s.ending.is_set():
            s.ledger.came(s.kind, "RST")
            return client.reset()
        # What our own system has taken can be read; then it must be over.
        await client.until_closed(LATE)
        s.ledger.came(s.kind, "given up")
    finally:
        client.close()


async def never_read(s: Session, _: Client) -> None:
    """It takes nothing: the server lets it go after a minute."""
    await leave_behind(s, (5000, 500), 75)


async def flood(s: Session, _: Client) -> None:
    """It takes nothing of more than may wait for one client."""
    await leave_behind(s, (1100, 17_000), 10)


def many(s: Session, count: int) -> dict[str, object]:
    """The members of a body that holds one kind of thing so many times."""
    text = [{"role": "user", "content": "hi"}]
    call = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    return s.rng.choice([
        {"messages": text} | {f"unknown_{number}": number for number in range(count)},
        {"messages": [{"role": "user", "content": "hi", f"unknown_{number}": 1} for number in range(count)]},
        {"messages": text + [{"role": "assistant", "tool_calls": call},
                             {"role": "tool", "tool_call_id": "call_1", "content": "x"}] * (count // 2)},
        {"messages": text + [{"role": "tool", "tool_call_id": f"none_{n}", "content": "x"} for n in range(count)]},
        {"messages": text, "tools": [{"type": "function", "function": {"name": f"f{n}", f"unknown_{n}": 1}}
                                     for n in range(count)]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", f"unknown_{number}": 1}
                                                   for number in range(count)]}]}])


async def quadratic(s: Session, client: Client) -> None:
    """Thousands of one thing in a body: it may be refused, and it may hold up nobody."""
    asked = s.make.chat(1, is_stream=False, route=0)
    body = {"model": MODEL, "max_tokens": 9} | many(s, s.rng.choice([2000, 5000, 10_000]))
    asked.body = json.dumps(body).encode()
    began = await s.ask(client, asked.client, asked.wire())
    head = await s.head(client, asked.client)
    if head.status not in (200, 400, 413):
        raise Wrong(f"{asked.client}: thousands of one thing are answered by {head.status}")
    await client.body(head)
    s.ledger.came(s.kind, str(head.status), time.monotonic() - began)


async def surplus(s: Session, client: Client) -> None:
    """Its upstream says more than was asked for; the answer is good, and what is too much reaches nobody.

    Both come in one piece. What comes when the next request is under way can't be told from its answer.
    """
    asked = s.make.chat(s.rng.randint(1, 9))
    asked.body = asked.body.replace(b"[[say:", b"[[surplus]][[say:", 1)
    await s.chat(client, asked)


KINDS: list[tuple[Callable[[Session, Client], Awaitable[None]], int]] = [
    (vanish_asking, 30), (vanish_answered, 20), (vanish_pipelining, 8), (garbage_behind, 6), (garbage, 20), (noise, 5),
    (too_large, 4), (drip, 5), (slow_body, 4), (idle, 2), (stall, 1), (quadratic, 3)]
# Those that need an upstream which does as it is told.
UPSTREAM_KINDS = [(surplus, 10)]
