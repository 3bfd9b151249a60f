# SPDX-License-Identifier: MIT
"""Carrier S: a login's conversation, said again to a process that serves many requests, with the real CLI."""
from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from backend import Backend, ask_for
from messages_api import MessagesAPI
from server import CLI

MARK = {"cache_control": {"type": "ephemeral"}}
TOOLS = [{"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {"b": {}, "a": {}}}}]
THOUGHT = {"type": "thinking", "thinking": "so", "signature": "c2ln"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"a": 1.5, "b": "\u00e9\u2028\"\\"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sun"}], "is_error": True}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


BODIES: list[dict[str, Any]] = [
    {"messages": [user("plain")]},
    {"system": "be brief", "messages": [user([{"type": "text", "text": "x", **MARK}, {"type": "text", "text": "y"}])]},
    {"system": "be brief", "temperature": 0.25, "messages": [user("a"), assistant("b"), user("c")]},
    {"tools": TOOLS, "tool_choice": {"type": "auto"}, "stop_sequences": ["\n\n", "END"], "messages": [
        user("@/etc/hostname /help !ls #memory"), assistant([THOUGHT, CALL]),
        user([RESULT, {"type": "text", "text": "/compact @/etc/hostname"}])]},
    {"messages": [message for n in range(9) for message in (user(f"q{n}"), assistant(f"a{n}"))] + [user("last")]},
    {"messages": [user([{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                        {"type": "text", "text": "what?"}]), assistant([{"type": "text", "text": " spaced \n"}]),
                  user("  spaced\n")]},
]


class Login(Backend):
    def environment(self) -> dict[str, str]:
        return {"CLAUDE_CLI_PATH": str(CLI), "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy", "CLAUDE_AUTH": "login"}

    def warm(self) -> set[int]:
        """The processes, when one has served."""
        self.ask("warm", "warm", seconds=20)
        return self.clis()


@pytest.fixture
def one(request: pytest.FixtureRequest, tmp_path: Path, upstream: MessagesAPI, cli: str) -> Iterator[Login]:
    upstream.reset()
    backend = Login(tmp_path, *getattr(request, "param", []), ANTHROPIC_BASE_URL=upstream.url)
    yield backend
    backend.stop()


def own_turns(messages: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """The turns without the CLI's own reminders and cache marks, text as blocks."""
    turns = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        kept = [{key: value for key, value in block.items() if value != {"type": "ephemeral", "ttl": "1h"}}
                for block in blocks if not block.get("text", "").startswith("<system-reminder>")]
        if message["role"] != "system":
            turns.append((message["role"], kept))
    return turns


@pytest.mark.parametrize("one", [["--max-processes", "2", "--warm-processes", "1"]], indirect=True, ids=["2"])
def test_conversations(one: Login, api: MessagesAPI) -> None:
    """Each conversation reaches the API turn by turn, by few processes, none with anything of another."""
    for turn in range(3):
        for number, body in enumerate(BODIES):
            body = {"model": ["claude-sonnet-4-5", "claude-opus-4-8"][(number + turn) % 2], "max_tokens": 99} | body
            api.reset()
            one.request(f"{turn}-{number}", body)
            records = one.answer(f"{turn}-{number}", 20)
            assert "loss" not in records[0]["ctx"] and "error" not in records[0], records
            [sent] = api.bodies()
            assert own_turns(sent["messages"]) == own_turns(body["messages"])
            texts = [block["text"] for block in sent["system"]]
            assert texts[2:] == ([body["system"]] if "system" in body else [])
            assert "Agent SDK" in texts[1]
            for name in set(body) - {"messages", "system"}:
                assert sent[name] == body[name]
    assert len(one.clis()) <= 2
    assert one.close() == 0 and not one.clis() and not one.files()


@pytest.mark.parametrize("body", [
    {"messages": [user("q"), assistant("The answer is")]},
    {"messages": [user([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}])]},
    {"messages": [message for n in range(12) for message in (user(f"q{n}"), assistant(f"a{n}"))] + [user("last")]},
], ids=["prefill", "image", "long"])
def test_what_does_not_fit_goes_by_a_transcript(one: Login, api: MessagesAPI, body: dict[str, Any]) -> None:
    before = one.warm()
    api.reset()
    one.request("n", {"model": "claude-sonnet-4-5", "max_tokens": 99} | body)
    one.answer("n", 20)
    [sent] = api.bodies()
    assert own_turns(sent["messages"])[:len(body["messages"])] == own_turns(body["messages"])
    assert before & one.clis() == before


def test_callers_and_system_texts_have_processes_of_their_own(one: Login, api: MessagesAPI) -> None:
    """A process that served one caller serves no other, and one that had a system text serves none without."""
    sessions: dict[str, set[str]] = {}
    for number in range(12):
        caller = "ann" if number % 2 else "bob"
        system = {"system": f"of {caller}"} if number % 3 else {}
        api.reset()
        one.request(f"r{number}", ask_for("hi", **system), http={"key": caller})
        one.answer(f"r{number}", 20)
        [sent] = api.bodies()
        assert [block["text"] for block in sent["system"]][2:] == list(system.values())
        [asked] = api.records("request")
        sessions.setdefault(caller, set()).add(dict(asked["headers"])["X-Claude-Code-Session-Id"])
    assert not sessions["ann"] & sessions["bob"]


def test_ends(one: Login, api: MessagesAPI) -> None:
    """After a tool call and an error the process serves on; after max_tokens and a cancel nothing is asked again."""
    one.warm()
    assert one.ask('[[tool:weather {"a":1}]]', "tool", tools=TOOLS)[-2]["response"]["stop_reason"] == "tool_use"
    assert one.error("[[error:529]]", "error")["status"] == 529
    assert one.ask("[[stop:max_tokens]]", "max")[-2]["response"]["stop_reason"] == "max_tokens"
    assert one.error("[[sse_error:overloaded_error]]", "broken")["status"] == 529
    one.request("long", ask_for("[[len:200]][[slow:0.05]]", stream=True))
    one.wait("long", "event")
    one.send({"rid": "long", "cancel": True})
    assert one.answer("long")[-1]["end"]["cancelled"] is True
    api.reset()
    assert one.ask("[[say:after]]", "after")[-2]["response"]["content"][0]["text"] == "after"
    time.sleep(0.3)
    [sent] = api.bodies()
    assert own_turns(sent["messages"]) == [("user", [{"type": "text", "text": "[[say:after]]"}])]


def test_fast_when_warm(one: Login, api: MessagesAPI) -> None:
    """A waiting process has the request at the API long before a new one could, which a transcript needs."""
    one.warm()
    times: dict[str, list[float]] = {"S": [], "N": []}
    for number in range(10):
        carrier = "SN"[number % 2]
        messages = [user("hi")] + ([assistant("The answer is")] if carrier == "N" else [])
        api.reset()
        began = time.monotonic()
        one.ask("", f"r{number}", seconds=20, system="be brief", messages=messages)
        times[carrier].append(api.records("request")[0]["mono"] - began)
    assert statistics.median(times["S"]) < statistics.median(times["N"]) / 2, times
