# SPDX-License-Identifier: MIT
"""Counting tokens by way of the real CLI: the API's own count of what the client sent, or an error."""
from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import pytest
from backend import Backend
from messages_api import MessagesAPI
from server import CLI

KEY = {"ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "CLAUDE_AUTH": "key"}
LOGIN = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy", "CLAUDE_AUTH": "login"}
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


def test_what_cannot_be_counted(one: Counter) -> None:
    """A 501 before the CLI is asked; and no estimate for a count."""
    for number, more in enumerate([{"tools": [{"name": "f", "input_schema": {"type": "object"}}]},
                                   {"messages": [*CONVERSATION, {"role": "assistant", "content": "It"}]}]):
        error = one.count(str(number), **({"messages": CONVERSATION} | more))[0]["error"]
        assert error["status"] == 501 and error["body"]["error"]["type"] == "api_error"
    error = one.count("bad", [{"role": "robot", "content": "hi"}])[0]["error"]
    assert error["status"] == 400


def test_an_estimate_is_no_count(tmp_path: Path, upstream: MessagesAPI, cli: str) -> None:
    """The API answers 404: the CLI would say a number all the same."""
    backend = Counter(tmp_path, ANTHROPIC_BASE_URL=f"{upstream.url}/nowhere", **KEY)
    try:
        error = backend.count("c", CONVERSATION)[0]["error"]
        assert error["status"] == 502 and "no count" in error["body"]["error"]["message"]
        assert backend.close() == 0 and not backend.clis()
    finally:
        backend.stop()
