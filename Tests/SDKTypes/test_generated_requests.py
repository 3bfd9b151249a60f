# SPDX-License-Identifier: MIT
"""Responses requests made by chance, of a seed: each is refused, or made one that the Messages API takes."""
from __future__ import annotations

import json
import random
import re
from typing import Any

import generated
import pipe
import pytest
from messages_api import refusal
from responses_requests import COMPACTED, IMAGE, PDF, SCHEMA, THINKING, seal

Json = dict[str, Any]
MODELS = ["claude-opus-4-6", "claude-haiku-4-5", "claude-opus-5-5", "claude-sonnet-4-5", "gpt-5.6", "unknown"]
NAMES = ["look", "get.weather", "größe", "web_search", "shell", "a__b", "b", "x" * 140, ""]
PNG = "data:image/png;base64,iVBORw0KGgo="
REDACTED = {"type": "redacted_thinking", "data": "aGlkZGVu"}
SEALS = [seal(THINKING), seal(THINKING, REDACTED), seal(REDACTED), seal(), "gAAAAABo", "", seal(THINKING)[:-3],
         seal({"type": "thinking", "thinking": "unsigned"}), seal({"type": "text", "text": "x"}), seal(COMPACTED)]


class Maker:
    def __init__(self, seed: int):
        self.source = random.Random(seed)
        self.ids = [f"call_{number}" for number in range(3)] + ["call:1", ""]

    def any(self, *choices: Any) -> Any:
        return self.source.choice(choices)

    def text(self) -> str:
        return generated.text(self.source, 3) if self.source.random() < 0.8 else self.any("", " \n", "\t")

    def parts(self) -> list[Json]:
        return [self.any(
            {"type": "input_text", "text": self.text()}, {"type": "output_text", "text": self.text(), "annotations": []},
            {"type": "input_image", "image_url": self.any(PNG, IMAGE, PNG.replace("png", "jpeg"))},
            {"type": "input_file", "file_data": PDF, "filename": self.text()},
            {"type": "input_text", "text": self.text(), "cache_control": {"type": "ephemeral"}},
            {"type": "refusal", "refusal": self.text()}) for _ in range(self.source.randint(0, 4))]

    def content(self, role: str) -> Any:
        texts = [part for part in self.parts() if role == "user" or "text" in part["type"] or part["type"] == "refusal"]
        return self.any(self.text(), texts)

    def arguments(self) -> str:
        return self.any("{}", "", "[1]", "{", json.dumps({"a": generated.value(self.source)}))

    def item(self) -> Json:
        kind = self.source.randrange(16)
        call = self.any(*self.ids)
        if kind < 4:
            role = self.any("user", "user", "assistant", "developer", "system")
            return {"role": role, "content": self.content(role)}
        if kind < 6:
            made = {"type": "function_call", "call_id": call, "name": self.any(*NAMES), "arguments": self.arguments()}
            return made | self.any({}, {"namespace": self.any("crm", "mcp__x__", "größe")})
        if kind < 8:
            parts = [part for part in self.parts() if part["type"].startswith("input")]
            return {"type": "function_call_output", "call_id": call, "output": self.any(self.text(), parts)}
        return self.any(
            {"type": "custom_tool_call", "call_id": call, "name": self.any(*NAMES), "input": self.text()},
            {"type": "custom_tool_call_output", "call_id": call, "output": self.text()},
            {"type": "reasoning", "summary": [], "encrypted_content": self.any(*SEALS)},
            {"type": "reasoning", "summary": [], "encrypted_content": seal(THINKING)},
            {"type": "compaction", "encrypted_content": seal(COMPACTED)},
            {"type": "shell_call", "call_id": call, "action": {"commands": [self.text()]}},
            {"type": "shell_call_output", "call_id": call, "output": [{"stdout": self.text(), "stderr": ""}]},
            {"type": "local_shell_call", "id": "l", "call_id": call, "action": {"type": "exec", "command": [], "env": {}}},
            {"type": "local_shell_call_output", "id": "l", "output": self.text()},
            {"type": "apply_patch_call", "call_id": call, "operation": {"type": "delete_file", "path": "a"}},
            {"type": "apply_patch_call_output", "call_id": call, "status": self.any("completed", "failed")},
            {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search"}},
            {"type": "mcp_call", "id": "m", "server_label": "s", "name": "n", "arguments": "{}", "output": self.text()},
            {"type": "additional_tools", "role": "developer", "tools": [self.tool()]},
            {"type": "configuration_update", "reasoning": {"effort": "high"}},
            {"type": "item_reference", "id": "msg_1"} if self.source.random() < 0.05 else {"role": "user", "content": "go"})

    def tool(self, inner: bool = False) -> Json:
        name = self.any(*NAMES[:-1])
        if inner or self.source.random() < 0.5:
            made: Json = {"type": "function", "name": name,
                          "parameters": self.any(None, {}, SCHEMA, {"anyOf": [SCHEMA, {"type": "object"}]},
                                                 {"type": "object", "properties": {"a$": {"type": "string"}}})}
            return made | self.any({}, {"strict": True}, {"defer_loading": True}, {"description": self.text()})
        return self.any(
            {"type": "custom", "name": name, "format": {"type": "grammar", "syntax": "regex", "definition": "a"}},
            {"type": "namespace", "name": self.any("crm", "mcp__x__", "größe"), "description": self.text(),
             "tools": [self.tool(inner=True)]},
            {"type": "web_search", "filters": {"allowed_domains": ["example.test"]}}, {"type": "web_search_preview"},
            {"type": "shell"}, {"type": "local_shell"}, {"type": "apply_patch"}, {"type": "mcp", "server_label": "s"},
            {"type": "code_interpreter", "container": "c"})

    def request(self) -> Json:
        made: Json = {"model": self.any(*MODELS), "input": self.any(self.text(), *[
            [self.item() for _ in range(self.source.randint(1, 12))] for _ in range(4)])}
        tools = [self.tool() for _ in range(self.source.randint(0, 5))]
        # Two tools of one name are refused, which shows nothing.
        names = [tool.get("name") for tool in tools]
        made["tools"] = [tool for number, tool in enumerate(tools)
                         if tool.get("name") is None or tool["name"] not in names[:number]]
        choices = [tool for tool in made["tools"] if tool["type"] in ("function", "custom", "shell", "web_search_preview")]
        for name, value in [
            ("instructions", self.text()), ("reasoning", {"effort": self.any("none", "minimal", "high", "max"),
                                                           "summary": self.any(None, "auto")}),
            ("temperature", self.any(0, 0.7, 2)), ("top_p", self.any(0.5, 1)), ("max_output_tokens", self.any(1, 1024, 2000)),
            ("tool_choice", self.any("auto", "none", "required", *[
                {key: tool[key] for key in ("type", "name") if key in tool} for tool in choices])),
            ("parallel_tool_calls", self.any(True, False)), ("user", self.text()), ("stream", True),
            ("text", {"format": self.any({"type": "json_schema", "name": "n", "schema": SCHEMA}, {"type": "json_object"})}),
        ]:
            if self.source.random() < 0.4:
                made[name] = value
        return made


def refused(body: Json) -> str | None:
    """Why the API would refuse it, by what the stand-in knows and by the rules for turns, thinking and tools."""
    roles = [message["role"] for message in body["messages"]]
    if roles[0] != "user" or any(one == two for one, two in zip(roles, roles[1:])):
        return f"roles don't take turns: {roles}"
    thinks = body.get("thinking", {}).get("type") in ("adaptive", "enabled")
    for number, message in enumerate(body["messages"]):
        kinds = [block["type"] for block in message["content"]]
        if not kinds:
            return f"messages.{number} is empty"
        if message["role"] == "assistant":
            if kinds[-1] in ("thinking", "redacted_thinking"):
                return f"messages.{number}: the final block in an assistant message cannot be thinking"
            if any(kind.endswith("thinking") for kind in kinds):
                said = kinds[len(kinds) - kinds[::-1].index("compaction"):] if "compaction" in kinds else kinds
                if any(kind.endswith("thinking") for kind in said) and not said[0].endswith("thinking"):
                    return f"messages.{number}: thinking must come first: {kinds}"
            elif thinks and "tool_use" in kinds:
                return f"messages.{number}: expected thinking before tool_use"
        elif any(kind.endswith("thinking") or kind == "tool_use" for kind in kinds):
            return f"messages.{number}: {kinds} in a turn of {message['role']}"
        elif "tool_result" in kinds and kinds.index("tool_result") != 0:
            return f"messages.{number}: results must come first"
    names = [tool["name"] for tool in body.get("tools", [])]
    if len(set(names)) != len(names) or not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name) for name in names):
        return f"tools: names {names}"
    choice = body.get("tool_choice", {})
    if choice.get("type") == "tool" and choice["name"] not in names:
        return f"tool_choice: {choice} of {names}"
    if thinks and choice.get("type") in ("any", "tool"):
        return "thinking may not be enabled when tool_choice forces tool use"
    budget = body.get("thinking", {}).get("budget_tokens")
    if budget is not None and not 1024 <= budget < body["max_tokens"]:
        return f"thinking.budget_tokens: {budget} of {body['max_tokens']}"
    if thinks and ("temperature" in body or body.get("top_p", 1) < 0.95):
        return "temperature may only be set to 1 when thinking is enabled"
    return refusal(body)


@pytest.mark.parametrize("batch", range(4))
def test_what_the_api_would_refuse_is_never_sent(batch: int) -> None:
    seeds = range(batch * 1000, batch * 1000 + 1000)
    bodies = [Maker(seed).request() for seed in seeds]
    # An unknown name must pass as it is, with no capability assumed.
    taken = 0
    for seed, given, records in zip(seeds, bodies, pipe.ask(bodies, dialect="responses")):
        assert len(records) == (1 if "request" in records[0] else 2), seed
        if "error" in records[0]:
            error = records[0]["error"]
            assert error["status"] == 400 and error["body"]["error"]["message"], (seed, error)
            assert "resp2anth" in records[0]["ctx"], seed
            continue
        taken += 1
        why = refused(records[0]["request"])
        assert why is None, f"seed {seed}: {why}\nof {json.dumps(given)}\nto {json.dumps(records[0]['request'])}"
    assert taken > 700, taken
