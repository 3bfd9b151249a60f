# SPDX-License-Identifier: MIT
"""Responses requests of any size: one of each kind of list, map or long text that one may hold, beside those of chat."""
from __future__ import annotations

import base64
import json
from typing import Any

from request_kinds import Json, Make, arrays, nested, properties, unknown


def body(*items: Json, **more: Any) -> Json:
    return {"model": "claude-sonnet-4-5", "input": list(items) or "hi", **more}


def user(content: Any = "hi", **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def call(number: Any, name: str = "f", arguments: str = "{}", **more: Any) -> Json:
    return {"type": "function_call", "call_id": f"call_{number}", "name": name, "arguments": arguments, **more}


def output(number: Any, given: Any = "ok", **more: Any) -> Json:
    return {"type": "function_call_output", "call_id": f"call_{number}", "output": given, **more}


def tool(name: str = "f", parameters: Json | None = None, **more: Any) -> Json:
    return {"type": "function", "name": name, "parameters": parameters or {"type": "object", "properties": {}}, **more}


def namespace(name: str, *tools: Json, description: str = "words") -> Json:
    return {"type": "namespace", "name": name, "description": description, "tools": list(tools)}


def reasoning(*blocks: Json) -> Json:
    sealed = base64.urlsafe_b64encode(json.dumps(blocks).encode()).decode().rstrip("=")
    return {"type": "reasoning", "summary": [], "encrypted_content": "cpr1." + sealed}


def thinking(number: int) -> Json:
    return {"type": "thinking", "thinking": f"thought {number}", "signature": f"c2ln{number}"}


def image(url: str = "data:image/png;base64,iVBORw0KGgo=") -> Json:
    return {"type": "input_image", "image_url": url}


TEXT = {"type": "input_text", "text": "word"}

KINDS: dict[str, Make] = {
    # Items and their parts.
    "messages": lambda n: body(*(one for _ in range(n) for one in (user(), {"role": "assistant", "content": "yes"}))),
    "messages of one role": lambda n: body(*[user()] * n),
    "system messages": lambda n: body(*(one for _ in range(n) for one in (user(), {"role": "developer", "content": "words"}))),
    "parts": lambda n: body(user([TEXT] * n)),
    "images": lambda n: body(user([image()] * n)),
    "files": lambda n: body(user([{"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}] * n)),
    "a long input": lambda n: body() | {"input": "word " * n},
    "long instructions": lambda n: body(instructions="word " * n),
    "unknown members": lambda n: body(**unknown(n)),
    "unknown members of an item": lambda n: body(user(**unknown(n))),
    "unknown members of items": lambda n: body(*(user(**{f"unknown_{number}": 1}) for number in range(n))),
    "unknown members of reasoning": lambda n: body(reasoning=unknown(n)),
    "annotations": lambda n: body(user(), {"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": [{"type": "file_path", "file_id": "f", "index": 0}] * n}]}, user()),
    "items of servers": lambda n: body(user(), *({"type": "web_search_call", "id": f"ws_{number}", "status": "completed", "action": {"type": "search"}} for number in range(n)), user()),
    "results of a search": lambda n: body(user(), {"type": "file_search_call", "id": "f", "queries": [], "status": "completed", "results": [{"text": "word"}] * n}, user()),
    "references": lambda n: body(*({"type": "item_reference", "id": f"msg_{number}"} for number in range(n))),
    "updates": lambda n: body(*({"type": "configuration_update", "reasoning": {"effort": "low"}} for _ in range(n)), user()),
    # Reasoning.
    "reasoning": lambda n: body(*(one for number in range(n) for one in (user(), reasoning(thinking(number)), {"role": "assistant", "content": "yes"})), user()),
    "reasoning in one turn": lambda n: body(user(), *(one for number in range(n) for one in (reasoning(thinking(number)), {"role": "assistant", "content": "yes"})), user()),
    "reasoning of one item": lambda n: body(user(), reasoning(*map(thinking, range(n))), {"role": "assistant", "content": "yes"}, user()),
    "reasoning again and again": lambda n: body(user(), *[reasoning(thinking(1))] * n, {"role": "assistant", "content": "yes"}, user()),
    "reasoning that nothing follows": lambda n: body(*(one for number in range(n) for one in (user(), reasoning(thinking(number)))), user()),
    "reasoning after the words": lambda n: body(user(), *[{"role": "assistant", "content": "yes"}] * n, reasoning(thinking(1)), call(1), output(1)),
    "reasoning of others": lambda n: body(user(), *({"type": "reasoning", "summary": [], "encrypted_content": f"gAAAA{number}"} for number in range(n)), user()),
    "a long reasoning": lambda n: body(user(), reasoning({"type": "thinking", "thinking": "word " * n, "signature": "c2ln"}), {"role": "assistant", "content": "yes"}, user()),
    "compactions": lambda n: body(user(), *[{"type": "compaction", "encrypted_content": reasoning({"type": "compaction", "content": "so far"})["encrypted_content"]}] * n, user()),
    # Calls.
    "calls": lambda n: body(user(), *(call(number) for number in range(n)), *(output(number) for number in range(n))),
    "turns with a call": lambda n: body(*(one for number in range(n) for one in (user(), call(number), output(number)))),
    "outputs without calls": lambda n: body(user(), *(output(number) for number in range(n))),
    "calls without outputs": lambda n: body(*(one for number in range(n) for one in (user(), call(number)))),
    "one id in many calls": lambda n: body(user(), *[call(1)] * n, *[output(1)] * n),
    "ids that the API refuses": lambda n: body(user(), *(call(f"é {number}") for number in range(n)), *(output(f"é {number}") for number in range(n))),
    "parts of an output": lambda n: body(user(), call(1), output(1, [TEXT] * n)),
    "commands of an output": lambda n: body(user(), {"type": "shell_call", "call_id": "s", "action": {"commands": ["ls"]}}, {"type": "shell_call_output", "call_id": "s", "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}] * n}),
    "local shells": lambda n: body(user(), *(one for number in range(n) for one in ({"type": "local_shell_call", "id": f"l{number}", "call_id": f"c{number}", "action": {"command": ["ls"], "env": {}}}, {"type": "local_shell_call_output", "id": f"l{number}", "output": "a"}))),
    "variables of a shell": lambda n: body(user(), {"type": "local_shell_call", "id": "l", "call_id": "c", "action": {"command": ["ls"], "env": unknown(n)}}),
    "a long patch": lambda n: body(user(), {"type": "apply_patch_call", "call_id": "p", "operation": {"type": "update_file", "path": "a", "diff": "+word\n" * n}}),
    "custom calls": lambda n: body(user(), *({"type": "custom_tool_call", "call_id": f"c{number}", "name": "f", "input": "word"} for number in range(n)), tools=[{"type": "custom", "name": "f"}]),
    "calls in namespaces": lambda n: body(user(), *(call(number, namespace=f"n{number}") for number in range(n))),
    "calls in a namespace": lambda n: body(user(), *(call(number, f"f{number}", namespace="n") for number in range(n))),
    "arguments of many members": lambda n: body(user(), call(1, arguments=json.dumps(unknown(n))), output(1)),
    # Tools.
    "tools": lambda n: body(tools=[tool(f"f{number}") for number in range(n)]),
    "tools of one name": lambda n: body(tools=[tool()] * n),
    "tools that are added": lambda n: body(user(), {"type": "additional_tools", "role": "developer", "tools": [tool(f"f{number}") for number in range(n)]}),
    "tools that are added by items": lambda n: body(user(), *({"type": "additional_tools", "role": "developer", "tools": [tool(f"f{number}")]} for number in range(n))),
    "tools that are changed": lambda n: body(user(), *({"type": "additional_tools", "role": "developer", "tools": [tool(description=f"words {number}")]} for number in range(n))),
    "hosted tools": lambda n: body(tools=[{"type": "mcp", "server_label": f"s{number}"} for number in range(n)]),
    "searches": lambda n: body(tools=[{"type": "web_search"}] * n),
    "domains": lambda n: body(tools=[{"type": "web_search", "filters": {"allowed_domains": [f"d{number}.test" for number in range(n)]}}]),
    "skills": lambda n: body(tools=[{"type": "shell", "environment": {"type": "local", "skills": [{"name": "a", "description": "b", "path": "c"}] * n}}]),
    "namespaces": lambda n: body(tools=[namespace(f"n{number}", tool()) for number in range(n)]),
    "namespaces of one name": lambda n: body(tools=[namespace("n", tool(f"f{number}")) for number in range(n)]),
    "namespaces whose names become one": lambda n: body(tools=[namespace(chr(0x4E00 + number % 20_000) + "." * (number // 20_000), tool()) for number in range(n)]),
    "tools of a namespace": lambda n: body(tools=[namespace("n", *(tool(f"f{number}") for number in range(n)))]),
    "a long description of a namespace": lambda n: body(tools=[namespace("n", tool("a"), tool("b"), description="word " * n)]),
    "a long name of a namespace": lambda n: body(tools=[namespace("n" * n, tool("a"), tool("b"))]),
    "tools that are allowed": lambda n: body(tools=[tool(f"f{number}") for number in range(n)], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": f"f{number}"} for number in range(n)]}),
    "namespaces that are allowed": lambda n: body(tools=[namespace("n", *(tool(f"f{number}") for number in range(n)))], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "n"}] * n}),
    "types that are allowed": lambda n: body(tools=[tool(), {"type": "web_search"}], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}] * n}),
    "unknown members of a tool": lambda n: body(tools=[tool(**unknown(n))]),
    "properties": lambda n: body(tools=[tool(parameters=properties(n))]),
    # Other lists and long texts.
    "include": lambda n: body(include=[f"what.{number}" for number in range(n)]),
    "metadata": lambda n: body(metadata=unknown(n)),
    "output of many properties": lambda n: body(text={"format": {"type": "json_schema", "name": "a", "schema": properties(n)}}),
    "a long name of a model": lambda n: body() | {"model": "m-" * n},
    "a long id before": lambda n: body(previous_response_id="resp_" + "1" * n),
}
# What may not be nested deeper than some 2,000 values, and then comes in many requests.
DEEP: dict[str, Make] = {
    "a nested field": lambda n: body(unknown=arrays(n)),
    "a nested schema": lambda n: body(tools=[tool(parameters=nested(n // 2, {"type": "string"}))]),
    "a nested action": lambda n: body(user(), {"type": "shell_call", "call_id": "s", "action": {"commands": arrays(n)}}),
    "a nested output": lambda n: body(user(), call(1), {"type": "shell_call_output", "call_id": "call_1", "output": [{"stdout": arrays(n)}]}),
}
