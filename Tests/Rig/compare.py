# SPDX-License-Identifier: MIT
"""Compares what reached the API with what a client sent, field by field.

The CLI may write some things in another of the forms that mean the same: those are made equal here, and nothing
else is. A text is a block of text; the system text comes after the two blocks of the CLI's own, in one piece.
"""
from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# The first words of the system blocks that the CLI puts before ours.
OWN_SYSTEM = ("x-anthropic-billing-header:", "You are Claude Code", "You are a Claude agent")


def as_blocks(content: Any, keep_marks: bool) -> list[Json]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    made = []
    for block in blocks:
        block = {k: v for k, v in block.items() if keep_marks or k != "cache_control"}
        if block["type"] == "tool_result":
            block["content"] = as_blocks(block.get("content", []), keep_marks)
        made.append(block)
    return made


def system_text(system: Any) -> str:
    """The client's part of a system field, as one text."""
    texts = [block["text"] for block in as_blocks(system or [], False)]
    return "\n\n".join(text for text in texts if not text.startswith(OWN_SYSTEM))


def has_marks(value: Any) -> bool:
    """Whether there is a cache_control anywhere in it."""
    if isinstance(value, dict):
        return "cache_control" in value or any(map(has_marks, value.values()))
    return isinstance(value, list) and any(map(has_marks, value))


def check_arrived(sent: Json, wanted: Json) -> None:
    """Fails unless every field of the wanted body reached the API with its value.

    Cache marks count where the client set any: else the CLI may set its own.
    """
    marks = has_marks(wanted)
    for field, value in wanted.items():
        if field == "stream":
            continue  # The CLI always streams.
        assert field in sent, f"{field} was lost; there came {sorted(sent)}"
        if field == "system":
            assert system_text(sent["system"]) == system_text(value)
        elif field == "messages":
            assert [m["role"] for m in sent["messages"]] == [m["role"] for m in value]
            for got, want in zip(sent["messages"], value):
                assert as_blocks(got["content"], marks) == as_blocks(want["content"], marks)
        else:
            assert sent[field] == value, field
    if "tools" not in wanted:
        assert not sent.get("tools"), "tools that the client didn't send"
    if "system" not in wanted:
        assert system_text(sent.get("system")) == "", "system text that the client didn't send"
