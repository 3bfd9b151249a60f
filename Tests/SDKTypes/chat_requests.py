# SPDX-License-Identifier: MIT
"""The chat requests of the walk: one for each field of OpenAI's types, in a conversation in which it may stand."""
from __future__ import annotations

import base64
from typing import Any

from anthropic.types.beta import BetaContentBlockParam
from anthropic.types.beta import message_create_params as anthropic_beta
from anthropic.types import message_create_params as anthropic_params
from fields import Variant, Walk, label, members, alternatives
from openai.types.chat import completion_create_params as openai_params

Json = dict[str, Any]

# It takes the most: sampling, thinking, structured output.
MODEL = "claude-opus-4-6"
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7 none").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}

# Values that a type alone doesn't tell.
SAMPLES: dict[str, list[tuple[str, Any]]] = {
    "model": [("", MODEL)],
    "messages.content.image_url.url": [("", "https://example.test/cat.png")],
    "messages.content.file.file_data": [("", PDF)],
    "messages.function_call.arguments": [("", '{"city":"Oslo"}')],
    "messages.tool_calls.function.arguments": [("", '{"city":"Oslo"}')],
    "functions.parameters": [("", SCHEMA)],
    "tools.function.parameters": [("", SCHEMA)],
    "response_format.json_schema.schema": [("", SCHEMA)],
    "tool_choice.allowed_tools.tools": [("", [{"type": "function", "function": {"name": "look"}}])],
    "tool_choice.function.name": [("", "look")],
    "tool_choice.custom.name": [("", "look")],
    "function_call.name": [("", "look")],
    "n": [("=1", 1), ("=2", 2)],
    "modalities": [("=text", ["text"]), ("=text,audio", ["text", "audio"])],
    "temperature": [("=0.625", 0.625), ("=1.7", 1.7)],
    "user": [("=opaque", "u-17"), ("=personal", "ann@example.test")],
    "safety_identifier": [("=opaque", "u-18"), ("=personal", "+47 22 22 55 55")],
    "metadata": [("=any", {"job": "17"}), ("=user_id", {"user_id": "u-19"})],
    "stop": [("=text", "END"), ("=list", ["END", "HALT"])],
    "frequency_penalty": [("=0", 0.0), ("=0.5", 0.5)],
    "presence_penalty": [("=0", 0.0), ("=0.5", 0.5)],
    "top_logprobs": [("=0", 0), ("=3", 3)],
    "logit_bias": [("=none", {}), ("=some", {"50256": -100})],
}


def samples(path: str) -> list[tuple[str, Any]] | None:
    return SAMPLES.get(path)


def variants() -> dict[str, Variant]:
    """A way to each field of OpenAI's chat requests."""
    walk = Walk(samples)
    found: dict[str, Variant] = {}
    for kind in alternatives(openai_params.CompletionCreateParams):
        for variant in walk.variants(kind):
            found.setdefault(variant.path, variant)
    return found


def extra_variants() -> dict[str, Variant]:
    """A way to each of Anthropic's own fields, which clients send by `extra_body`."""
    known = {name for kind in alternatives(openai_params.CompletionCreateParams) for name in members(kind)}
    known |= {"max_tokens", "betas"}  # The betas are a header.
    walk = Walk()
    found: dict[str, Variant] = {}
    for kinds in (anthropic_params.MessageCreateParams, anthropic_beta.MessageCreateParams):
        for kind in alternatives(kinds):
            for name, (hint, _) in members(kind).items():
                if name not in known and name not in found:
                    value = walk.sample(hint, name)
                    found[name] = Variant(name, {name: value}, value)
    return found


# The blocks that only an assistant says.
SAID = ("thinking", "redacted_thinking", "tool_use")


def part_variants() -> dict[str, list[Variant]]:
    """Anthropic's content blocks as parts of an OpenAI message: for each type, all the ways to fill it."""
    walk = Walk()
    found: dict[str, list[Variant]] = {}
    for kind in alternatives(BetaContentBlockParam):
        if (name := label(kind)) != "text":
            found.setdefault(name, []).extend(
                Variant(f"[{name}].{v.path}", {"messages": [
                    {"role": "assistant" if name in SAID else "user", "content": [v.value]}]}, v.value)
                for v in walk.variants(kind))
    return found


def request(value: Json) -> Json:
    """The value as a request of its own, with what must stand around it."""
    made = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]} | value
    if "messages" in value:
        made["messages"] = conversation(value["messages"][0])
        for part in made["messages"][-1]["content"] if isinstance(made["messages"][-1].get("content"), list) else []:
            if "filename" in part.get("file", {}):
                part["file"]["file_data"] = PDF
    if "json_schema" in made.get("response_format", {}):
        made["response_format"]["json_schema"].setdefault("schema", SCHEMA)
    if any("tool_calls" in message or "function_call" in message or message["role"] == "tool"
           for message in made["messages"]):
        made["tools"] = [TOOL]
    if "stream_options" in made:
        made["stream"] = True
    if ("tool_choice" in made or "parallel_tool_calls" in made) and "tools" not in made:
        made["tools"] = [TOOL]
    if "function_call" in made and "functions" not in made:
        made["functions"] = [TOOL["function"]]
    return made


def conversation(message: Json) -> list[Json]:
    """A message among others, so that nothing about it is to be repaired."""
    user = {"role": "user", "content": "Hello"}
    if message["role"] in ("system", "developer"):
        return [message, user]
    if message["role"] == "tool":
        call = {"id": message["tool_call_id"], "type": "function", "function": {"name": "look", "arguments": "{}"}}
        return [user, {"role": "assistant", "content": None, "tool_calls": [call]}, message]
    if message["role"] == "function":
        call = {"name": message["name"], "arguments": "{}"}
        return [user, {"role": "assistant", "content": None, "function_call": call}, message]
    if message["role"] == "assistant":
        content = message.get("content")
        calls = list(message.get("tool_calls") or [])
        calls += [part for part in content if part.get("type") == "tool_use"] if isinstance(content, list) else []
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in calls]
        if call := message.get("function_call"):
            results.append({"role": "function", "name": call["name"], "content": "done"})
        return [user, message, *results, user]
    parts = message["content"] if isinstance(message.get("content"), list) else []
    if ids := [part["tool_use_id"] for part in parts if part.get("type") == "tool_result"]:
        calls = [{"id": one, "type": "function", "function": {"name": "look", "arguments": "{}"}} for one in ids]
        return [user, {"role": "assistant", "content": None, "tool_calls": calls}, message]
    return [message]
