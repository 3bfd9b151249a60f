# SPDX-License-Identifier: MIT
"""Names of tools and properties that the API refuses go there and come back, and custom tools with them.

However a stream is cut, the client gets its own names, and in the next turn they go out as before.
"""
from __future__ import annotations

import json
import random
from typing import Any

import pytest
from filters import pipe
from messages_api import refusal
from openai.lib.streaming._deltas import accumulate_delta

Json = Any
TEXT = {"type": "string"}
USER = {"role": "user", "content": "hi"}
NAMES = ["plain", "$top", "filter[name]", "filter(name)", "filter_name_", "filter_name__2", "a b", "", "日本", "中国", "é", "e\u0301",
         "x" * 64, "x" * 65, "x" * 64 + "y", "@odata.type", "a/b", "a~1b", 'quote"', "back\\slash", "tab\t", "😀", "per%25cent", "_", "__"]


def sent(tools: list[Json], messages: list[Json], **members: Json) -> Json:
    """The record of a request that the API takes."""
    body = {"model": "claude-sonnet-4-5", "messages": messages, "tools": tools, **members}
    made, = pipe("oai2anth", [json.dumps({"rid": "r", "ctx": {"op": "messages", "dialect": "openai"}, "request": body})])
    assert "request" in made, made
    assert refusal(made["request"]) is None, refusal(made["request"])
    return made


def function(name: str, schema: Json) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def calls_of(ctx: Json, blocks: list[Json], chance: random.Random | None = None) -> list[Json]:
    """The calls that a client gets, whole or (with chance) of a stream that is cut anywhere."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "tool_use",
               "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    lines: list[Json] = [{"rid": "r", "ctx": ctx, "begin": {"stream": chance is not None}}]
    if chance is None:
        lines.append({"rid": "r", "response": {**message, "content": blocks}})
    else:
        events: list[Json] = [{"type": "message_start", "message": message}]
        for i, block in enumerate(blocks):
            events.append({"type": "content_block_start", "index": i, "content_block": {**block, "input": {}}})
            text = json.dumps(block["input"], ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 1]))
            while text:
                size = chance.randint(0, chance.choice([1, 3, 30]))
                events.append({"type": "content_block_delta", "index": i, "delta": {"type": "input_json_delta", "partial_json": text[:size]}})
                text = text[size:]
            events.append({"type": "content_block_stop", "index": i})
        events += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}, {"type": "message_stop"}]
        lines += [{"rid": "r", "event": event} for event in events]
    made = pipe("anth2oai", [json.dumps(line) for line in [*lines, {"rid": "r", "end": {}}]])
    if chance is None:
        return made[1]["response"]["choices"][0]["message"]["tool_calls"]
    whole: dict[object, object] = {}
    for one in made:
        if isinstance(one.get("event"), dict):
            for choice in one["event"]["choices"]:
                accumulate_delta(whole, choice["delta"])
    calls: Any = whole["tool_calls"]
    return [{k: v for k, v in call.items() if k != "index"} for call in calls]


def value(chance: random.Random, names: list[str], depth: int) -> Json:
    """An input that uses the names at any depth, and has them in its texts too."""
    match chance.choice(["text", "number", "object", "array"] if depth else ["text", "number"]):
        case "text":
            return chance.choice([*names, '{"$top":1}', '"', "\\", "\u2028😀"])
        case "number":
            return chance.choice([1, -2.5, True, None])
        case "object":
            return {name: value(chance, names, depth - 1) for name in chance.sample(names, chance.randint(0, min(4, len(names))))}
        case _:
            return [value(chance, names, depth - 1) for _ in range(chance.randint(0, 3))]


def schema_of(names: list[str], chance: random.Random) -> Json:
    """A schema that declares the names at several depths."""
    inner = {"type": "object", "properties": {name: {"description": "d"} for name in names[::2]}, "required": names[:1]}
    return {"type": "object", "required": names[:2], "properties": {
        **{name: chance.choice([TEXT, {"type": "array", "items": inner}, inner, True, {"$ref": "#/$defs/in[ner]"}]) for name in names}},
        "$defs": {"in[ner]": {"anyOf": [inner, {"type": "null"}]}}, "dependentRequired": {names[0]: names[1:2]}}


@pytest.mark.parametrize("seed", range(12))
def test_properties_there_and_back(seed: int) -> None:
    chance = random.Random(seed)
    names = chance.sample(NAMES, chance.randint(2, len(NAMES)))
    tools = [function("plain", {"type": "object", "properties": {"$top": TEXT}}), function("to.ol", schema_of(names, chance))]
    inputs = [{"a": 1, **{name: value(chance, names, 3) for name in chance.sample(names, chance.randint(0, len(names)))}} for _ in range(8)]
    history = [USER, {"role": "assistant", "tool_calls": [
        {"id": f"c{i}", "type": "function", "function": {"name": "to.ol", "arguments": json.dumps(given)}} for i, given in enumerate(inputs)]},
        *({"role": "tool", "tool_call_id": f"c{i}", "content": "ok"} for i in range(len(inputs)))]
    made = sent(tools, history)
    assert made == sent(tools, history)
    blocks = [block for message in made["request"]["messages"] for block in message["content"] if block["type"] == "tool_use"]
    declared = made["request"]["tools"][1]
    assert all(block["name"] == declared["name"] == "to_ol" for block in blocks)
    assert len(declared["input_schema"]["properties"]) == len(names)
    for block in blocks:
        assert set(block["input"]) <= {"a", *declared["input_schema"]["properties"]}
    for chosen in (None, chance, chance, chance):
        calls = calls_of(made["ctx"], blocks, chosen)
        assert [call["function"]["name"] for call in calls] == ["to.ol"] * len(inputs)
        assert [json.loads(call["function"]["arguments"]) for call in calls] == inputs


def test_names_of_tools() -> None:
    names = ["a.b", "a_b", "a b", "", "é", "x" * 200, "x" * 201, "mcp:tool/do", "fine-1"]
    tools = [function(name, {"type": "object", "properties": {}}) for name in names]
    made = sent(tools, [USER, {"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "gone.tool", "arguments": "{}"}}]}],
        tool_choice={"type": "function", "function": {"name": "mcp:tool/do"}})
    declared = [tool["name"] for tool in made["request"]["tools"]]
    assert declared[1] == "a_b" and declared[8] == "fine-1" and len(set(declared)) == len(names)
    assert made["request"]["tool_choice"] == {"type": "tool", "name": declared[7]}
    assert made["request"]["messages"][1]["content"][0]["name"] == "gone_tool"
    assert any(entry["field"] == "tools.function.name" for entry in made["ctx"]["loss"])
    blocks = [{"type": "tool_use", "id": f"t{i}", "name": name, "input": {"a": 1}} for i, name in enumerate(declared)]
    for chance in (None, random.Random(1)):
        assert [call["function"]["name"] for call in calls_of(made["ctx"], blocks, chance)] == names
    narrowed = sent(tools, [USER], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "a.b"}}, {"type": "function", "name": "é"}]}})
    assert [tool["name"] for tool in narrowed["request"]["tools"]] == [declared[0], declared[4]]


GRAMMAR = {"syntax": "lark", "definition": "start: /.+/"}
CUSTOM = {
    "flat": {"type": "custom", "name": "ApplyPatch", "description": "d", "format": {"type": "grammar", **GRAMMAR}},
    "nested": {"type": "custom", "custom": {"name": "ApplyPatch", "description": "d", "format": {"type": "grammar", "grammar": GRAMMAR}}},
    "nested flat grammar": {"type": "custom", "custom": {"name": "ApplyPatch", "description": "d", "format": {"type": "grammar", **GRAMMAR}}},
}


@pytest.mark.parametrize("form", CUSTOM)
def test_custom_tools_there_and_back(form: str) -> None:
    texts = ["*** Begin Patch\n\"a\\b\" \t é 😀 \u2028\n*** End", "", "{}", '{"input":"x"}', "x" * 5000]
    history = [USER, {"role": "assistant", "tool_calls": [
        {"id": f"c{i}", "type": "custom", "custom": {"name": "ApplyPatch", "input": text}} for i, text in enumerate(texts)]},
        *({"role": "tool", "tool_call_id": f"c{i}", "content": "ok"} for i in range(len(texts)))]
    made = sent([CUSTOM[form]], history, tool_choice={"type": "custom", "custom": {"name": "ApplyPatch"}})
    tool, = made["request"]["tools"]
    assert tool == {"name": "ApplyPatch", "description": "d\n\nThe input must match this Lark grammar:\n\nstart: /.+/",
                    "input_schema": {"type": "object", "properties": {"input": TEXT}, "required": ["input"]}}
    assert made["request"]["tool_choice"] == {"type": "tool", "name": "ApplyPatch"}
    blocks = made["request"]["messages"][1]["content"]
    assert [block["input"] for block in blocks] == [{"input": text} for text in texts]
    for chance in [None, *map(random.Random, range(6))]:
        assert calls_of(made["ctx"], blocks, chance) == history[1]["tool_calls"]


def test_a_custom_call_that_the_model_writes_otherwise_is_shown_as_it_is() -> None:
    ctx = sent([CUSTOM["flat"]], [USER])["ctx"]
    for given, shown in [({}, ""), ({"patch": "x"}, '{"patch":"x"}'), ({"input": 5}, '{"input":5}'), ({"input": "x", "more": 1}, "x"),
                         ({"input2": "x"}, '{"input2":"x"}')]:
        block = {"type": "tool_use", "id": "t", "name": "ApplyPatch", "input": given}
        for chance in [None, *map(random.Random, range(4))]:
            call, = calls_of(ctx, [block], chance)
            text = call["custom"]["input"]
            assert text == shown or json.loads(text) == given


def test_a_custom_tools_call_may_come_back_as_a_functions() -> None:
    for arguments, text in [("*** Begin", "*** Begin"), ('{"input":"x"}', "x"), ('{"a":1}', '{"a":1}')]:
        made = sent([CUSTOM["flat"]], [USER, {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "ApplyPatch", "arguments": arguments}}]}])
        assert made["request"]["messages"][1]["content"][0]["input"] == {"input": text}


@pytest.mark.parametrize("tools, choice", [
    ([function("f", {})], {"type": "function", "function": {"name": "g"}}), ([function("f", {})], {"type": "function", "name": "g"}),
    ([function("f", {})], {"type": "custom", "custom": {"name": "g"}}), ([function("f", {})], {"type": "tool", "name": "g"}),
    ([], {"type": "function", "function": {"name": "g"}}), (None, {"type": "function", "name": "g"}),
    ([function("f", {})], {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}}),
    ([function("f", {})], {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "g"}]}),
    ([function("g", {}), function("g", {"type": "object", "properties": {"a": TEXT}})], "auto"),
])
def test_a_name_that_fits_nothing_is_refused(tools: Json, choice: Json) -> None:
    body = {"model": "claude-sonnet-4-5", "messages": [USER], "tools": tools, "tool_choice": choice}
    made = pipe("oai2anth", [json.dumps({"rid": "r", "ctx": {"op": "messages", "dialect": "openai"}, "request": body})])
    assert made[0]["error"]["status"] == 400 and " g" in made[0]["error"]["body"]["error"]["message"]


def test_a_tool_that_is_declared_twice_is_sent_once() -> None:
    made = sent([function("f", {}), function("g", {}), function("f", {})], [USER])
    assert [tool["name"] for tool in made["request"]["tools"]] == ["f", "g"]
    assert made["ctx"]["loss"] == [{"field": "tools", "fate": "approximated: a tool that is declared twice is sent once"}]


def test_no_tools_at_all() -> None:
    for tools in (None, []):
        assert "tools" not in sent(tools, [USER])["request"]
