# SPDX-License-Identifier: MIT
"""Requests of any size: one of each kind of list, map or long text that a chat request may hold."""
from __future__ import annotations

import json
from typing import Any, Callable

Json = dict[str, Any]
Make = Callable[[int], Json]

def body(*messages: Json, **more: Any) -> Json:
    return {"model": "claude-sonnet-4-5", "messages": list(messages) or [user("hi")], **more}


def user(content: Any, **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def unknown(n: int) -> Json:
    return {f"unknown_{number}": number for number in range(n)}


def call(number: Any, name: str = "f", arguments: str = "{}") -> Json:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*made: Json) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(made)}


def result(number: Any, content: Any = "ok") -> Json:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": content}


def tool(name: str = "f", parameters: Json | None = None, **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {"type": "object", "properties": {}}, **more}}


def properties(n: int, key: str = "p{}", value: Json | None = None) -> Json:
    return {"type": "object", "properties": {key.format(number): value or {"type": "string"} for number in range(n)}}


def nested(n: int, value: Any = 1) -> Any:
    for _ in range(n):
        value = {"type": "object", "properties": {"a": value}}
    return value


def arrays(n: int) -> Any:
    made: Any = []
    for _ in range(n):
        made = [made]
    return made


def schema(made: Json) -> Json:
    return body(response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": made}})


PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
KINDS: dict[str, Make] = {
    # Members that no table knows.
    "unknown fields": lambda n: body(**unknown(n)),
    "unknown members of a message": lambda n: body(user("hi", **unknown(n))),
    "unknown members of many messages": lambda n: body(*(user("hi", **{f"unknown_{number}": 1}) for number in range(n))),
    "unknown members of a part": lambda n: body(user([{"type": "text", "text": "hi", **unknown(n)}])),
    "unknown members of many parts": lambda n: body(user([{"type": "text", "text": "hi", f"unknown_{number}": 1} for number in range(n)])),
    "unknown members of an image": lambda n: body(user([{"type": "image_url", "image_url": {"url": PIXEL, **unknown(n)}}])),
    "unknown members of a tool": lambda n: body(tools=[tool() | unknown(n)]),
    "unknown members of a function": lambda n: body(tools=[tool(**unknown(n))]),
    "unknown members of many tools": lambda n: body(tools=[tool(f"f{number}", **{f"unknown_{number}": 1}) for number in range(n)]),
    "unknown members of a call": lambda n: body(user("hi"), calls(call(1) | unknown(n)), result(1)),
    "unknown members of many calls": lambda n: body(user("hi"), calls(*(call(number) | {f"unknown_{number}": 1} for number in range(n)))),
    "unknown members of stream_options": lambda n: body(stream=True, stream_options=unknown(n)),
    "unknown members of response_format": lambda n: body(response_format={"type": "json_object", **unknown(n)}),
    "unknown members of tool_choice": lambda n: body(tools=[tool()], tool_choice={"type": "function", "function": {"name": "f"}, **unknown(n)}),
    "unknown types of parts": lambda n: body(user([{"type": f"unknown_{number}"} for number in range(n)])),
    "unknown types of tools": lambda n: body(tools=[{"type": f"unknown_{number}"} for number in range(n)]),
    "an unknown field of many members": lambda n: body(unknown=unknown(n)),
    "metadata": lambda n: body(metadata={f"key_{number}": "value" for number in range(n)}),
    "logit_bias": lambda n: body(logit_bias={str(number): 1 for number in range(n)}),
    # Messages.
    "user messages": lambda n: body(*(user(f"word {number}") for number in range(n))),
    "turns": lambda n: body(*(user("hi") if number % 2 == 0 else {"role": "assistant", "content": "ho"} for number in range(n | 1))),
    "assistant messages": lambda n: body(user("hi"), *({"role": "assistant", "content": "ho"} for _ in range(n))),
    "system messages": lambda n: body(*({"role": "system", "content": f"rule {number}"} for number in range(n)), user("hi")),
    "system messages amid others": lambda n: body(*({"role": ("developer", "user")[number % 2], "content": "word"} for number in range(n)), user("hi")),
    "parts of a system message": lambda n: body({"role": "system", "content": [{"type": "text", "text": "rule"}] * n}, user("hi")),
    "empty messages": lambda n: body(*(user(" ") for _ in range(n)), user("hi")),
    "names of messages": lambda n: body(*(user("hi", name=f"name_{number}") for number in range(n))),
    "text parts": lambda n: body(user([{"type": "text", "text": "word"}] * n)),
    "refusals": lambda n: body(user("hi"), {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}] * n}, user("hi")),
    "cache marks": lambda n: body(user([{"type": "text", "text": "word", "cache_control": {"type": "ephemeral"}}] * n)),
    "cache marks of messages": lambda n: body(*(user([{"type": "text", "text": "word", "cache_control": {"type": "ephemeral"}}]) for _ in range(n))),
    "images": lambda n: body(user([{"type": "image_url", "image_url": {"url": PIXEL}}] * n)),
    "addresses of images": lambda n: body(user([{"type": "image_url", "image_url": {"url": f"https://example.com/{number}.png"}} for number in range(n)])),
    "files": lambda n: body(user([{"type": "file", "file": {"filename": f"{number}.txt", "file_data": "data:text/plain;base64,aGk="}} for number in range(n)])),
    "thinking": lambda n: body(user("hi"), {"role": "assistant", "content": "ho", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}] * n}, user("hi")),
    "unsigned thinking": lambda n: body(user("hi"), {"role": "assistant", "content": "ho", "thinking_blocks": [{"type": "thinking", "thinking": f"hm {number}"} for number in range(n)]}, user("hi")),
    # Calls and results.
    "calls with results": lambda n: body(user("hi"), calls(*map(call, range(n))), *map(result, range(n))),
    "calls with results, turn by turn": lambda n: body(user("hi"), *(one for number in range(n) for one in (calls(call(number)), result(number)))),
    "results in another order": lambda n: body(user("hi"), calls(*map(call, range(n))), *map(result, reversed(range(n)))),
    "calls without results": lambda n: body(user("hi"), calls(*map(call, range(n))), user("go on")),
    "results without calls": lambda n: body(user("hi"), *map(result, range(n))),
    "results without calls amid others": lambda n: body(user("hi"), calls(call("x")), result("x"), *(one for number in range(n) for one in (user("hi"), result(number)))),
    "one id in many calls": lambda n: body(user("hi"), calls(*(call(1) for _ in range(n))), *(result(1) for _ in range(n))),
    "one id in many turns": lambda n: body(user("hi"), *(one for _ in range(n) for one in (calls(call(1)), result(1)))),
    "one id in many results": lambda n: body(user("hi"), calls(call(1)), *(result(1) for _ in range(n))),
    "ids that the API refuses": lambda n: body(user("hi"), calls(*(call(f"é {number}") for number in range(n))), *(result(f"é {number}") for number in range(n))),
    "ids that become one": lambda n: body(user("hi"), calls(*(call(chr(0x4E00 + number % 20_000) + "." * (number // 20_000)) for number in range(n)))),
    "empty ids": lambda n: body(user("hi"), calls(*({**call(1), "id": ""} for _ in range(n)))),
    "a long id": lambda n: body(user("hi"), calls(call("x" * n)), result("x" * n)),
    "names of functions that the API refuses": lambda n: body(user("hi"), calls(*(call(number, f"f é {number}") for number in range(n)))),
    "parts of a result": lambda n: body(user("hi"), calls(call(1)), result(1, [{"type": "text", "text": "word"}] * n)),
    "arguments of many members": lambda n: body(user("hi"), calls(call(1, arguments=json.dumps(unknown(n)))), result(1)),
    "arguments that are no JSON": lambda n: body(user("hi"), calls(call(1, arguments="{" * n)), result(1)),
    "calls of old": lambda n: body(user("hi"), *(one for _ in range(n) for one in (
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}, {"role": "function", "name": "f", "content": "ok"}))),
    # Tools and schemas.
    "functions": lambda n: body(functions=[{"name": f"f{number}", "parameters": {"type": "object"}} for number in range(n)]),
    "tools": lambda n: body(tools=[tool(f"f{number}") for number in range(n)]),
    "tools of one name": lambda n: body(tools=[tool("f")] * n),
    "tools whose names the API refuses": lambda n: body(tools=[tool(f"f é {number}") for number in range(n)]),
    "strict tools": lambda n: body(tools=[tool(f"f{number}", strict=True) for number in range(n)]),
    "flat tools": lambda n: body(tools=[{"type": "function", "name": f"f{number}", "parameters": {"type": "object"}} for number in range(n)]),
    "custom tools": lambda n: body(tools=[{"type": "custom", "custom": {"name": f"f{number}"}} for number in range(n)]),
    "tools that are allowed by their types": lambda n: body(tools=[{"type": f"web_search_{number}", "name": f"f{number}"} for number in range(n)], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": f"web_search_{number}"} for number in range(n)]}),
    "tools that are allowed": lambda n: body(tools=[tool()], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": f"f{number}"}} for number in range(n)]}}),
    "properties": lambda n: body(tools=[tool(parameters=properties(n))]),
    "properties of a strict tool": lambda n: body(tools=[tool(parameters=properties(n), strict=True)]),
    "properties whose keys the API refuses": lambda n: body(tools=[tool(parameters=properties(n, "p é {}"))]),
    "keys that become one": lambda n: body(tools=[tool(parameters={"type": "object", "properties": {chr(0x4E00 + number % 20_000) + " " * (number // 20_000): {} for number in range(n)}})]),
    "required": lambda n: body(tools=[tool(parameters=properties(n) | {"required": [f"p{number}" for number in range(n)]})]),
    "required in properties": lambda n: body(tools=[tool(parameters=properties(n, value={"type": "string", "required": True}))]),
    "free objects": lambda n: body(tools=[tool(parameters=properties(n, value={"type": "object"}), strict=True)]),
    "$defs": lambda n: body(tools=[tool(parameters={"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(n)}})]),
    "$defs that all are used": lambda n: body(tools=[tool(parameters=properties(n, value=None) | {"properties": {f"p{number}": {"$ref": f"#/$defs/d{number}"} for number in range(n)}, "$defs": {f"d{number}": {"type": "string"} for number in range(n)}})]),
    "enum": lambda n: body(tools=[tool(parameters={"type": "object", "properties": {"a": {"enum": [f"value {number}" for number in range(n)]}}})]),
    "enums": lambda n: body(tools=[tool(parameters=properties(n, value={"enum": ["a", "b"]}))]),
    "prefixItems": lambda n: body(tools=[tool(parameters={"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "string"}] * n}}})]),
    "anyOf": lambda n: body(tools=[tool(parameters={"anyOf": [{"type": "object", "properties": {f"p{number}": {"type": "string"}}} for number in range(n)]})]),
    "allOf": lambda n: body(tools=[tool(parameters={"allOf": [{"type": "object", "properties": {f"p{number}": {"type": "string"}}, "required": [f"p{number}"]} for number in range(n)]})]),
    "variants by reference": lambda n: body(tools=[tool(parameters={"anyOf": [{"$ref": f"#/$defs/d{number}"} for number in range(n)], "$defs": {f"d{number}": properties(1, f"p{number}") for number in range(n)}})]),
    "arguments with keys that the API refuses": lambda n: body(user("hi"), calls(call(1, arguments=json.dumps({f"k{number}": {"$a": number} for number in range(n)}))), result(1), tools=[tool(parameters=properties(1, "$a"))]),
    "calls of tools whose names the API refuses": lambda n: body(user("hi"), calls(*(call(number, f"f.{number}") for number in range(n)))),
    "oneOf of one property": lambda n: body(tools=[tool(parameters={"oneOf": [{"type": "object", "properties": {"p": {"const": number}}} for number in range(n)]})]),
    "unknown words of a schema": lambda n: body(tools=[tool(parameters=properties(1) | unknown(n))]),
    "output of many properties": lambda n: schema(properties(n) | {"required": [f"p{number}" for number in range(n)]}),
    "output of free objects": lambda n: schema(properties(n, value={"type": "object"})),
    "output of maps": lambda n: schema(properties(n, value={"type": "object", "additionalProperties": {"type": "string"}})),
    "output of formats": lambda n: schema(properties(n, value={"type": "string", "format": "email", "minLength": 1, "pattern": "a+"})),
    "output of patternProperties": lambda n: schema({"type": "object", "patternProperties": {f"^p{number}": {"type": "string"} for number in range(n)}}),
    "output of an enum": lambda n: schema({"type": "object", "properties": {"a": {"enum": [f"value {number}" for number in range(n)]}}}),
    "output of anyOf": lambda n: schema({"type": "object", "properties": {"a": {"anyOf": [{"type": "string", "maxLength": number} for number in range(n)]}}}),
    "output of $defs": lambda n: schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(n)}}),
    "output of $defs that lead back": lambda n: schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {f"d{number}": {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": f"#/$defs/d{(number + 1) % n}"}}} for number in range(n)}}),
    # Other lists and long texts.
    "stop sequences": lambda n: body(stop=[f"stop {number}" for number in range(n)]),
    "modalities": lambda n: body(modalities=["text"] * n),
    "a long text": lambda n: body(user("word " * n)),
    "a text of escapes": lambda n: body(user("\"\n\\é\u0001" * n)),
    "a text of white space": lambda n: body(user(" \n" * n)),
    "a long system text": lambda n: body({"role": "system", "content": "word\n" * n}, user("hi")),
    "a long image": lambda n: body(user([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * n}}])),
    "a long image in lines": lambda n: body(user([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K\n" * n}}])),
    "a long name of a model": lambda n: body() | {"model": "m-" * n},
    "a long name of a tool": lambda n: body(tools=[tool("f" * n)]),
    "a long key": lambda n: body(**{"k" * n: 1}),
    "a long user": lambda n: body(user="u" * n),
}
# What may not be nested deeper than some 2,000 values, and then comes in many requests.
MOST_DEEP = 1800
DEEP: dict[str, Make] = {
    "a nested field": lambda n: body(unknown=arrays(n)),
    "a nested schema": lambda n: body(tools=[tool(parameters=nested(n // 2, {"type": "string"}))]),
    "a nested schema of a strict tool": lambda n: body(tools=[tool(parameters=nested(n // 2, {"type": "string"}), strict=True)]),
    "a nested output": lambda n: schema(nested(n // 2, {"type": "string"})),
    "variants within variants": lambda n: body(tools=[tool(parameters=json.loads('{"anyOf":[' * (n // 2) + json.dumps(properties(50)) + "]}" * (n // 2)))]),
    "an output of all of all": lambda n: schema({"type": "object", "properties": {"a": json.loads('{"allOf":[' * (n // 2 - 8) + json.dumps(properties(50)) + "]}" * (n // 2 - 8))}}),
    "nested arguments": lambda n: body(user("hi"), calls(call(1, arguments="[" * n + "]" * n)), result(1)),
}
