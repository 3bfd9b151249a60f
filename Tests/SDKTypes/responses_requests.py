# SPDX-License-Identifier: MIT
"""The responses requests of the walk: one for each field of OpenAI's types, among items where it may stand."""
from __future__ import annotations

import base64
import json
from typing import Any

from fields import Variant, Walk, alternatives
from openai.types.responses import input_token_count_params, response_create_params

Json = dict[str, Any]

# It takes the most: sampling, thinking, structured output.
MODEL = "claude-opus-4-6"
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7 none").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOL = {"type": "function", "name": "look", "parameters": SCHEMA}
IMAGE = "https://example.test/cat.png"


def seal(*blocks: Json) -> str:
    """The form in which anth2resp gives blocks out."""
    return "cpr1." + base64.urlsafe_b64encode(json.dumps(blocks).encode()).decode().rstrip("=")


THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}
COMPACTED = {"type": "compaction", "content": "So far."}

# Values that a type alone doesn't tell.
SAMPLES: dict[str, list[tuple[str, Any]]] = {
    "model": [("", MODEL)],
    "include": [("=reasoning.encrypted_content", ["reasoning.encrypted_content"]),
                ("=web_search_call.action.sources", ["web_search_call.action.sources"])],
    "input.content.image_url": [("", IMAGE)], "input.output.image_url": [("", IMAGE)],
    "input.content.file_data": [("", PDF)], "input.output.file_data": [("", PDF)],
    "input.content.file_url": [("", "https://example.test/a.pdf")],
    "input.output.file_url": [("", "https://example.test/a.pdf")],
    "input.arguments": [("", '{"city":"Oslo"}')],
    "input.encrypted_content": [("", seal(THINKING)), ("=foreign", "gAAAAABo")],
    "tools.parameters": [("", SCHEMA)], "tools.tools.parameters": [("", SCHEMA)],
    "tools.filters.allowed_domains": [("", ["example.test"])],
    "text.format.schema": [("", SCHEMA)],
    "input.text.format.schema": [("", SCHEMA)],
    "input.tools": [("", [TOOL])],
    "tool_choice.tools": [("", [{"type": "function", "name": "look"}])],
    "tool_choice.name": [("", "look")],
    "temperature": [("=0.625", 0.625), ("=1.7", 1.7)],
    "top_logprobs": [("=0", 0), ("=3", 3)],
    "max_tool_calls": [("", 3)],
    "user": [("=opaque", "u-17"), ("=personal", "ann@example.test")],
    "safety_identifier": [("=opaque", "u-18"), ("=personal", "+47 22 22 55 55")],
    "metadata": [("=any", {"job": "17"}), ("=user_id", {"user_id": "u-19"})],
    "previous_response_id": [("", "resp_17")],
}


def samples(path: str) -> list[tuple[str, Any]] | None:
    return SAMPLES.get(path)


def variants() -> dict[str, Variant]:
    """A way to each field of OpenAI's responses requests."""
    walk = Walk(samples)
    found: dict[str, Variant] = {}
    for kind in alternatives(response_create_params.ResponseCreateParams):
        for variant in walk.variants(kind):
            found.setdefault(variant.path, variant)
    return found


def count_variants() -> dict[str, Variant]:
    """A way to each field that only the count of tokens has."""
    known = {path.split("[")[0].split(".")[0].split("=")[0] for path in variants()}
    return {variant.path: variant for variant in Walk(samples).variants(input_token_count_params.InputTokenCountParams)
            if variant.path.split("[")[0].split(".")[0].split("=")[0] not in known}


def request(value: Json) -> Json:
    """The value as a request of its own, with what must stand around it."""
    made = {"model": MODEL, "input": "Hello"} | value
    if isinstance(made["input"], list):
        made["input"] = conversation(dict(made["input"][0]))
        for item in made["input"]:
            for part in [*(item.get("content") or []), *(item.get("output") or [])]:
                if isinstance(part, dict) and "filename" in part:
                    part["file_data"] = PDF
        if any(item.get("type", "").endswith("_call") for item in made["input"]):
            made["tools"] = [TOOL]
    if "stream_options" in made:
        made["stream"] = True
    choice = made.get("tool_choice")
    if choice is not None or "parallel_tool_calls" in made:
        kind = choice["type"] if isinstance(choice, dict) else ""
        if kind == "custom":
            made.setdefault("tools", [{"type": "custom", "name": "look"}])
        elif kind and kind not in ("function", "allowed_tools"):
            made.setdefault("tools", [{"type": kind, "name": "look", "server_label": "x"}, TOOL])
        made.setdefault("tools", [TOOL])
    if "summary" in made.get("reasoning", {}):
        made["reasoning"].setdefault("effort", "low")
    return made


def conversation(item: Json) -> list[Json]:
    """An item among others, so that nothing about it is to be repaired."""
    user = {"role": "user", "content": "Hello"}
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if kind == "message":
        return [user, item, user] if item["role"] == "assistant" else [item, user]
    if kind == "compaction":
        if item["encrypted_content"].startswith("cpr1."):
            item["encrypted_content"] = seal(COMPACTED)
        return [user, item, user]
    if kind == "reasoning":
        return [user, item, {"role": "assistant", "content": "Seen."}, user]
    if kind.endswith("_call_output") and kind not in ("computer_call_output",):
        call = {"type": "function_call", "call_id": item.get("call_id") or item.get("id") or "call_1", "name": "look",
                "arguments": "{}"}
        return [user, call, {"call_id": call["call_id"]} | item]
    if kind in ("function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call"):
        return [user, item, {"type": "function_call_output", "call_id": item["call_id"], "output": "done"}]
    return [user, item, user]
