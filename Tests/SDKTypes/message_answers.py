# SPDX-License-Identifier: MIT
"""The answers of the walk: a message, or a stream, for each field of Anthropic's types."""
from __future__ import annotations

from typing import Any

import anthropic.types
import anthropic.types.beta
from fields import Variant, Walk, alternatives, label

Json = dict[str, Any]

SAMPLES: dict[str, list[tuple[str, Any]]] = {
    "id": [("", "msg_17")],
    "message.id": [("", "msg_17")],
    "content.input": [("", {"city": "Oslo"})],
    "content_block.input": [("", {"city": "Oslo"})],
    "delta.partial_json": [("", '{"city":"Oslo"}')],
    # Links, of which OpenAI has annotations.
    "content.citations.url": [("", "https://a.example/")],
    "content_block.citations.url": [("", "https://a.example/")],
    "delta.citation.url": [("", "https://a.example/")],
    # Placeholders of the stream's start, which its end replaces.
    "message.content": [("", [])],
    "message.stop_reason": [("", None)],
    "message.stop_sequence": [("", None)],
    "message.stop_details": [("", None)],
}
USAGE = {"input_tokens": 5, "output_tokens": 7}


def samples(path: str) -> list[tuple[str, Any]] | None:
    return SAMPLES.get(path)


def message_variants() -> dict[str, Variant]:
    """A way to each field of a whole answer, of the stable API and of the betas."""
    walk = Walk(samples)
    found: dict[str, Variant] = {}
    for kind in (anthropic.types.Message, anthropic.types.beta.BetaMessage):
        for variant in walk.variants(kind):
            # Beside any other field the plainest content.
            value = variant.value if variant.path.startswith("content[") else variant.value | {"content": []}
            found.setdefault(variant.path, Variant(variant.path, value, variant.leaf))
    return found


def event_variants() -> dict[str, Variant]:
    """A way to each field of a stream's events, by `type.field`."""
    walk = Walk(samples)
    found: dict[str, Variant] = {}
    for kinds in (anthropic.types.RawMessageStreamEvent, anthropic.types.beta.BetaRawMessageStreamEvent):
        for kind in alternatives(kinds):
            for variant in walk.variants(kind):
                path, value = f"{label(kind)}.{variant.path}", variant.value
                if path in ("content_block_start.index", "content_block_start.type"):
                    value = value | {"content_block": {"type": "text", "text": ""}}
                found.setdefault(path, Variant(path, value, variant.leaf))
    return found


def whole(value: Json) -> list[tuple[str, Any]]:
    """The records of a whole answer."""
    if "stop_details" in value and value["stop_details"]:
        value = value | {"stop_reason": "refusal"}
    return [("response", value)]


BLOCK_OF_DELTA: dict[str, Json] = {
    "text_delta": {"type": "text", "text": ""},
    "citations_delta": {"type": "text", "text": ""},
    "input_json_delta": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    "thinking_delta": {"type": "thinking", "thinking": "", "signature": ""},
    "signature_delta": {"type": "thinking", "thinking": "", "signature": ""},
}


def stream(event: Json) -> list[tuple[str, Any]]:
    """The records of a stream in which that event has its place."""
    kind = event["type"]
    start: Json = {"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}}
    delta_kind = event["delta"]["type"] if kind == "content_block_delta" else ""
    block = BLOCK_OF_DELTA.get(delta_kind, {"type": delta_kind.removesuffix("_delta") or "text", "text": ""})
    place = event["index"] if kind == "content_block_delta" else 0
    opened: Json = {"type": "content_block_start", "index": place, "content_block": block}
    closed: Json = {"type": "content_block_stop", "index": place}
    over: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                  "usage": {"output_tokens": 7}}
    events = [start, opened, closed, over, {"type": "message_stop"}]
    if kind == "content_block_delta":
        events.insert(2, event)
    else:
        if (event.get("delta") or {}).get("stop_details"):
            event = event | {"delta": event["delta"] | {"stop_reason": "refusal"}}
        events = [event if one["type"] == kind else one for one in events]
    return [("event", one) for one in events]


# What no SDK knows yet, whole and as a stream.
_NEW = {"type": "hologram", "text": "Look!", "shape": [1, 2]}
_UNKNOWN = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [_NEW],
            "stop_reason": "vanished", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
WHOLE_UNKNOWN: list[tuple[str, Any]] = [("response", _UNKNOWN)]
STREAMED_UNKNOWN: list[tuple[str, Any]] = [("event", event) for event in [
    {"type": "message_start", "message": _UNKNOWN | {"content": [], "stop_reason": None}},
    {"type": "weather", "wind": 3},
    {"type": "content_block_start", "index": 0, "content_block": _NEW | {"text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "hologram_delta", "text": "Look!"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "vanished"}, "usage": _UNKNOWN["usage"]},
    {"type": "message_stop"}]]
