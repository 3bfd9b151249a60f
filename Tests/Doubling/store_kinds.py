# SPDX-License-Identifier: MIT
"""Requests and answers of the Responses API, of any size, for responses-store."""
from __future__ import annotations

from typing import Any, Callable

Json = dict[str, Any]
MESSAGE = {"role": "user", "content": "word"}

REQUESTS: dict[str, Callable[[int], Json]] = {
    "items": lambda n: {"input": [MESSAGE] * n},
    "items with ids": lambda n: {"input": [MESSAGE | {"id": f"msg_{number}"} for number in range(n)]},
    "items of one id": lambda n: {"input": [MESSAGE | {"id": "msg_1"}] * n},
    "references": lambda n: {"input": [{"type": "item_reference", "id": f"msg_{number}"} for number in range(n)]},
    "references to one item": lambda n: {"input": [MESSAGE | {"id": "msg_1"}] + [{"type": "item_reference", "id": "msg_1"}] * n},
    "reasoning without seals": lambda n: {"input": [{"type": "reasoning", "id": f"rs_{number}", "summary": []} for number in range(n)]},
    "reasoning with seals": lambda n: {"input": [{"type": "reasoning", "id": f"rs_{number}", "encrypted_content": "cpr1.AA"} for number in range(n)]},
    "members of an item": lambda n: {"input": [MESSAGE | {f"unknown_{number}": number for number in range(n)}]},
    "a long text": lambda n: {"input": "word " * n},
    "a long item": lambda n: {"input": [{"role": "user", "content": "word\n" * n}]},
    "a long id": lambda n: {"input": [MESSAGE | {"id": "i" * n}]},
    "a long previous id": lambda n: {"input": "word", "previous_response_id": "i" * n},
    "members of the request": lambda n: {"input": "word", **{f"unknown_{number}": number for number in range(n)}},
    "escaped members": lambda n: {"input": "word", **{f"unknown\n{number}": number for number in range(n)}},
    "what is no item": lambda n: {"input": ["word"] * n},
}


def response(output: list[Json], **more: Any) -> Json:
    return {"id": "resp_1", "object": "response", "status": "completed", "output": output, **more}


def last(output: list[Json], **more: Any) -> list[Json]:
    return [{"event": {"type": "response.completed", "sequence_number": 1, "response": response(output, **more)}}]


def text(said: str, number: int = 0) -> Json:
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]}


def thought(number: int) -> Json:
    return {"id": f"rs_{number}", "type": "reasoning", "summary": []}


ANSWERS: dict[str, Callable[[int], list[Json]]] = {
    "items": lambda n: last([text("word", number) for number in range(n)]),
    "items without ids": lambda n: last([{"type": "message"}] * n),
    "a long text": lambda n: last([text("word\n" * n)]),
    "sealed items": lambda n: [{"keep": {f"rs_{number}": "cpr1.AA" for number in range(n)}}, *last([thought(number) for number in range(n)])],
    "a long seal": lambda n: [{"keep": {"rs_0": "cpr1." + "A" * n}}, *last([thought(0)])],
    "seals again and again": lambda n: [{"keep": {"rs_0": "cpr1.AA"}}] * n + last([thought(0)]),
    "members of the response": lambda n: last([], **{f"unknown_{number}": number for number in range(n)}),
    "whole": lambda n: [{"response": response([text("word", number) for number in range(n)])}],
    "deltas": lambda n: [{"event": {"type": "response.output_text.delta", "delta": "word"}}] * n + last([]),
    "events of an unknown form": lambda n: [{"event": {"delta": "word", "type": "delta"}}] * n + last([]),
}
