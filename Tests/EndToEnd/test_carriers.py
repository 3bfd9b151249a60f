# SPDX-License-Identifier: MIT
"""What reaches the API from claude-exec and the real CLI."""
from __future__ import annotations

import json
from typing import Any, Callable

import pytest
from carriers import Exec
from messages_api import MessagesAPI

# What the CLI adds where the client has none: the API's own defaults.
DEFAULTS: dict[str, Any] = {"system": [], "metadata": {}, "tools": [], "stream": True}
MARK = {"cache_control": {"type": "ephemeral"}}
TOOLS = [{"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {"b": {}, "a": {}}}},
         {"type": "web_search_20250305", "name": "web_search"}]
THOUGHT = {"type": "thinking", "thinking": "so", "signature": "c2ln"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"a": 1.5, "b": "\u00e9\u2028\"\\"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sun"}], "is_error": True}
BODIES: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "plain"}]},
    {"system": "be brief", "messages": [{"role": "user", "content": [{"type": "text", "text": "x", **MARK}]}]},
    {"system": [{"type": "text", "text": "one", **MARK}, {"type": "text", "text": "two"}], "temperature": 0.25,
     "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
    {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "weather"}, "stop_sequences": ["\n\n", "END"], "messages": [
        {"role": "user", "content": "@/etc/hostname /help !ls #memory"}, {"role": "assistant", "content": [THOUGHT, CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "go on"}]}]},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096, "metadata": {"user_id": "someone"},
     "messages": [{"role": "user", "content": "think"}]},
    {"top_p": 0.5, "messages": [{"role": "user", "content": "p"}]},
    {"top_k": 5, "temperature": 1, "service_tier": "auto", "messages": [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "beginning"}]},
]


@pytest.fixture
def one(request: pytest.FixtureRequest, run: Callable[..., Exec]) -> Exec:
    return run(*getattr(request, "param", []))


def test_verbatim(one: Exec, api: MessagesAPI) -> None:
    """The body that reached the API is the client's, with the API's own defaults where it had nothing."""
    for turn in range(2):
        for number, body in enumerate(BODIES):
            body = {"model": ["claude-sonnet-4-5", "claude-opus-5-5", "claude-haiku-4-5"][(number + turn) % 3],
                    "max_tokens": 99} | body
            api.reset()
            one.request(f"{turn}-{number}", body)
            assert "loss" not in one.answer(f"{turn}-{number}", 20)[0]["ctx"]
            [sent] = api.bodies()
            # Which depend on the model, and are what it would do by itself.
            added = {key: sent.pop(key) for key in ("thinking", "temperature") if key not in body and key in sent}
            assert added.get("temperature", 1) == 1
            assert added.get("thinking", {"type": "disabled"}) in ({"type": "disabled"}, {"type": "adaptive"})
            assert not ("top_p" in body and "temperature" in added)
            assert sent == DEFAULTS | body


@pytest.mark.parametrize("one", [["key-N"]], indirect=True, ids=["N"])
def test_native_with_a_key(one: Exec, api: MessagesAPI) -> None:
    """The other carrier answers as well; the CLI's own system blocks come first."""
    body = {"model": "claude-sonnet-4-5", "max_tokens": 99, "temperature": 0.5} | BODIES[3]
    one.request("a", body, loss=[])
    one.answer("a", 20)
    [sent] = api.bodies()
    assert sent["messages"] == body["messages"] and sent["tools"] == body["tools"]
    assert "Agent SDK" in json.dumps(sent["system"])
    assert one.error("[[error:429]]", rid="e")["status"] == 429
    one.ask("[[tool:weather {\"a\":1}]]", rid="t", seconds=20)
    one.wait_gone()
