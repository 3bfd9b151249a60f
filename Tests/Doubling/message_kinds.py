# SPDX-License-Identifier: MIT
"""Messages requests of any size: one of each kind of list, map or long text that a backend reads."""
from __future__ import annotations

import itertools
from typing import Any, Callable

Json = dict[str, Any]
Make = Callable[[int], Json]


def body(*messages: Json, **more: Any) -> Json:
    return {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": list(messages) or [user("hi")], **more}


def user(content: Any, **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def assistant(content: Any) -> Json:
    return {"role": "assistant", "content": content}


def text(said: str = "word", **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def unknown(n: int) -> Json:
    return {f"unknown_{number}": number for number in range(n)}


def call(number: int, given: Json | None = None) -> Json:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "f", "input": given or {}}


def result(number: int, content: Any = "ok", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content, **more}


def tool(name: str = "f", properties: Json | None = None) -> Json:
    return {"name": name, "input_schema": {"type": "object", "properties": properties or {}}}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
MARK = {"cache_control": {"type": "ephemeral"}}


def turns(n: int) -> list[Json]:
    said = itertools.cycle([user("question"), assistant("answer")])
    return [*itertools.islice(said, n // 2 * 2), user("hi")]


KINDS: dict[str, Make] = {
    # Messages.
    "turns": lambda n: body(*turns(n)),
    "user messages": lambda n: body(*[user("hi")] * n),
    "system messages": lambda n: body(user("hi"), *[{"role": "system", "content": "s"}] * n, user("hi")),
    "empty answers": lambda n: body(user("hi"), *[assistant([])] * n, user("hi")),
    "members of messages": lambda n: body(user("hi", **unknown(n))),
    "messages with members": lambda n: body(*[user("hi", name="n")] * n),
    # Content.
    "texts": lambda n: body(user([text()] * n)),
    "texts of the assistant": lambda n: body(user("hi"), assistant([text()] * n), user("hi")),
    "marked texts": lambda n: body(user([text(**MARK)] * n)),
    "images": lambda n: body(user([IMAGE] * n)),
    "thoughts": lambda n: body(user("hi"), assistant([{"type": "thinking", "thinking": "hm", "signature": "c2ln"}] * n + [text()]), user("hi")),
    "calls and results": lambda n: body(user("hi"), assistant([call(number) for number in range(n)]), user([result(number) for number in range(n)])),
    "calls in turn": lambda n: body(user("hi"), *[message for number in range(n) for message in (assistant([call(number)]), user([result(number)]))]),
    "the input of a call": lambda n: body(user("hi"), assistant([call(0, unknown(n))]), user([result(0)])),
    "parts of a result": lambda n: body(user("hi"), assistant([call(0)]), user([result(0, [text()] * n)])),
    "images of an error": lambda n: body(user("hi"), assistant([call(0)]), user([result(0, [IMAGE] * n, is_error=True)])),
    "unknown blocks": lambda n: body(user([{"type": f"unknown_{number}"} for number in range(n)])),
    "members of a block": lambda n: body(user([text(**unknown(n))])),
    # Long texts.
    "a long text": lambda n: body(user("word " * n)),
    "a text of escapes": lambda n: body(user("\"\n\\\u0001" * n)),
    "a text beyond ASCII": lambda n: body(user("\u00e4\U0001f388" * n)),
    "white space": lambda n: body(user("hi"), assistant(" \n" * n), user("hi")),
    "no content": lambda n: body(user("hi"), assistant(" " * n + "(no content)" + " " * n), user("hi")),
    "a long model": lambda n: body(model="m" * n),
    # System text.
    "system texts": lambda n: body(system=[text()] * n),
    "a long system text": lambda n: body(system="word\n" * n),
    "attributions": lambda n: body(system="x-anthropic-billing-header: a\n" * n),
    # Tools, and other lists.
    "tools": lambda n: body(tools=[tool(f"f{number}") for number in range(n)]),
    "marked tools": lambda n: body(tools=[tool(f"f{number}") | MARK for number in range(n)]),
    "properties of a tool": lambda n: body(tools=[tool(properties={f"p{number}": {"type": "string"} for number in range(n)})]),
    "stop sequences": lambda n: body(stop_sequences=[f"s{number}" for number in range(n)]),
    "servers": lambda n: body(mcp_servers=[{"type": "url", "name": f"s{number}", "url": "https://localhost"} for number in range(n)]),
    "edits of the context": lambda n: body(context_management={"edits": [{"type": "clear_tool_uses_20250919"}] * n}),
    "members of the metadata": lambda n: body(metadata=unknown(n)),
    "members of the body": lambda n: body(**unknown(n)),
    "one member again and again": lambda n: body(x=[{"a": 1}] * n),
}
