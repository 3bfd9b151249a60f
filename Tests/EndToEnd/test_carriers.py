# SPDX-License-Identifier: MIT
"""What reaches the API from claude-exec and the real CLI, by each carrier, and that no request sees another."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Iterator

import pytest
from backend import Backend
from messages_api import MessagesAPI
from server import CLI

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


class Exec(Backend):
    def environment(self) -> dict[str, str]:
        return {"CLAUDE_CLI_PATH": str(CLI), "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "CLAUDE_AUTH": "key"}


@pytest.fixture
def one(request: pytest.FixtureRequest, tmp_path: Path, upstream: MessagesAPI, cli: str) -> Iterator[Exec]:
    upstream.reset()
    backend = Exec(tmp_path, *getattr(request, "param", []), ANTHROPIC_BASE_URL=upstream.url)
    yield backend
    backend.stop()


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


@pytest.mark.parametrize("one", [["--carrier", "N"]], indirect=True, ids=["N"])
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


@pytest.mark.parametrize("one", [["--max-processes", "4", "--queue-timeout", "100"]], indirect=True, ids=["4"])
def test_no_secret_of_another(one: Exec, api: MessagesAPI) -> None:
    """80 requests over four processes, each with a word of its own in every part of it."""
    kinds = ["", "[[tool:weather {}]]", "[[error:529]]", "[[stop:max_tokens]]", "[[len:80]][[slow:0.05]]", "[[error:400]]",
             "[[thinking]]", "[[sse_error:overloaded_error]]"]
    for number in range(80):
        word = f"secret-{number}-end"
        one.request(f"t{number}", {
            "model": "claude-sonnet-4-5", "max_tokens": 99, "system": word, "stream": number % 2 == 0,
            "metadata": {"user_id": word}, "stop_sequences": [word],
            "tools": [{"name": "weather", "description": word, "input_schema": {"type": "object"}}],
            "messages": [{"role": "user", "content": f"{word} [[say:{word}]]{kinds[number % 8]}"}]})
    for number in range(80):
        if kinds[number % 8].startswith("[[len"):
            if number % 2 == 0:
                one.wait(f"t{number}", "event", 60)
            one.send({"rid": f"t{number}", "cancel": True})
    for number in range(80):
        text = json.dumps(one.answer(f"t{number}", 100))
        assert set(re.findall(r"secret-(\d+)-end", text)) <= {str(number)}
        if number % 8 == 0:
            assert f"secret-{number}-end" in text
    asked = set()
    for body in api.bodies():
        words = set(re.findall(r"secret-(\d+)-end", json.dumps(body)))
        assert len(words) == 1, f"a body with the words of {words}"
        asked |= words
    assert len(asked) >= 70
    for pid in one.clis():
        assert b"secret-" not in Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    assert len(one.clis()) <= 4 and "secret-" not in one.log.read_text()
    assert one.close() == 0 and not one.clis()
