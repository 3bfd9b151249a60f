# SPDX-License-Identifier: MIT
"""Counting tokens by way of the real CLI: the API's own count of what the client sent, or an estimate that is marked."""
from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import generated
import pytest
from backend import Backend
from messages_api import MessagesAPI
from server import CLI

KEY = {"ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "CLAUDE_AUTH": "key"}
LOGIN = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy", "CLAUDE_AUTH": "login"}
# What the estimate adds for the API's own words to whoever has tools, which the stand-in doesn't count.
TOKENS_OF_TOOLS = 346
CONVERSATION = [
    {"role": "user", "content": "How is the weather? @/etc/hostname"},
    {"role": "assistant", "content": [{"type": "text", "text": "I look."},
                                      {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"a": 1}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sun"}]}]


class Counter(Backend):
    def environment(self) -> dict[str, str]:
        return {"CLAUDE_CLI_PATH": str(CLI)}

    def count(self, rid: str, messages: Any, **more: Any) -> list[dict[str, Any]]:
        self.request(rid, {"model": "claude-sonnet-4-5", "messages": messages} | more, op="count_tokens")
        return self.answer(rid, 20)


@pytest.fixture(params=[KEY, LOGIN], ids=["key", "login"])
def one(request: pytest.FixtureRequest, tmp_path: Path, upstream: MessagesAPI, cli: str) -> Iterator[Counter]:
    upstream.reset()
    backend = Counter(tmp_path, ANTHROPIC_BASE_URL=upstream.url, **request.param)
    yield backend
    backend.stop()


def asked(api: MessagesAPI, **body: Any) -> int:
    """What the API itself says."""
    request = urllib.request.Request(f"{api.url}/v1/messages/count_tokens", json.dumps(body).encode(),
                                     {"content-type": "application/json", "x-api-key": "k"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["input_tokens"]


def test_counts(one: Counter, api: MessagesAPI) -> None:
    """Alone, with its history, and again on the same process, with nothing of the one before."""
    for number in range(6):
        messages = [CONVERSATION, CONVERSATION[:1], [{"role": "user", "content": [{"type": "text", "text": "x" * number}] * 2}]][number % 3]
        if number == 2:
            messages = [{"role": "user", "content": "a" * 4000}]
        api.reset()
        records = one.count(str(number), messages)
        posted = [record["body"]["messages"] for record in api.records("request")]
        assert messages in posted, posted
        assert records[1]["response"] == {"input_tokens": asked(api, model="claude-sonnet-4-5", messages=messages, tools=[])}
        assert "loss" not in records[0]["ctx"]
    assert not api.bodies(), "nothing was asked but counts"


def test_a_system_text_is_counted_as_a_message(one: Counter, api: MessagesAPI) -> None:
    records = one.count("s", CONVERSATION, system="be brief")
    assert records[0]["ctx"]["loss"] == [{"field": "system", "fate": "counted as a message"}]
    both = [asked(api, model="claude-sonnet-4-5", messages=messages, tools=[])
            for messages in (CONVERSATION, [{"role": "user", "content": "be brief"}])]
    assert records[1]["response"] == {"input_tokens": sum(both)}


TOOLS = [{"name": "weather", "description": "What the sky does. " * 40, "input_schema": {
    "type": "object", "properties": {f"p{n}": {"type": "string", "description": "a place"} for n in range(20)}}}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": generated.png(64, 64, generated.random.Random(1))}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}}
LONG = [{"role": role, "content": f"turn {n}"} for n in range(30) for role in ("user", "assistant")] + [CONVERSATION[0]]


@pytest.mark.parametrize("more", [
    {"tools": TOOLS}, {"tools": TOOLS, "system": "be brief", "tool_choice": {"type": "any"}},
    {"messages": [*CONVERSATION, {"role": "assistant", "content": "It"}]},
    {"messages": LONG},
    {"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "what is it?"}]}]},
    {"messages": [{"role": "user", "content": [DOCUMENT, {"type": "text", "text": "what is it?"}]}]},
    {"messages": [{"role": "assistant", "content": "I begin."}, CONVERSATION[0]]},
    {"messages": [CONVERSATION[0], {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "so", "signature": "c2ln"}, {"type": "text", "text": "x"}]}, CONVERSATION[0]], "tools": TOOLS},
    {"mcp_servers": [{"type": "url", "name": "m", "url": "https://m.example"}]},
], ids=["tools", "tools and system", "prefill", "long", "image", "document", "assistant first", "thinking", "servers"])
def test_estimates(one: Counter, api: MessagesAPI, more: dict[str, Any]) -> None:
    """What the CLI can't ask the API for is counted all the same, near enough, and marked."""
    body = {"messages": CONVERSATION} | more
    records = one.count("e", **body)
    assert records[0]["begin"]["headers"] == {"x-proxy-estimate": "tokens"}, records
    right, found = asked(api, model="claude-sonnet-4-5", **body), records[1]["response"]["input_tokens"]
    assert right * 0.6 < found < right * 1.6 + TOKENS_OF_TOOLS * ("tools" in body), (right, found)
    assert not api.bodies(), "nothing was asked but counts"


def test_an_exact_count_has_no_mark(one: Counter) -> None:
    assert one.count("x", CONVERSATION)[0]["begin"]["headers"] == {}


def test_what_the_api_refuses(one: Counter) -> None:
    error = one.count("bad", [{"role": "robot", "content": "hi"}])[0]["error"]
    assert error["status"] == 400


@pytest.mark.parametrize("refused, status", [(None, 200), ("messages.0: not this", 400)])
def test_where_the_api_gives_no_count(tmp_path: Path, upstream: MessagesAPI, cli: str, refused: str | None, status: int) -> None:
    """An API without the endpoint leaves the CLI's estimate; what refuses the request is passed on in its words."""
    with MessagesAPI(judge=lambda body, messages_only: refused) as api:
        backend = Counter(tmp_path, ANTHROPIC_BASE_URL=api.url if refused else f"{upstream.url}/nowhere", **KEY)
        try:
            records = backend.count("c", CONVERSATION)
            if status == 200:
                assert records[0]["begin"]["headers"] == {"x-proxy-estimate": "tokens"}
                assert 5 < records[1]["response"]["input_tokens"] < 200
            else:
                error = records[0]["error"]
                assert (error["status"], error["body"]["error"]["message"]) == (400, refused)
            assert backend.close() == 0 and not backend.clis()
        finally:
            backend.stop()
