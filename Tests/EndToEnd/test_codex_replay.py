# SPDX-License-Identifier: MIT
"""What the real Codex CLI was recorded to send goes through the whole proxy, and is answered as Codex must read it.

The CLI itself is tried by `make test-agents`: it is a download of 380 MB.
"""
from __future__ import annotations

import json
from typing import Any

import pytest
from codex_replay import NAMES, Recording
from messages_api import SIGNATURE, THINKING, MessagesAPI, blocks_of
from responses import check_stream
from server import Proxy
from wire import Stream

Json = dict[str, Any]
# The call that each recording begins with, as Codex must get it back.
CALLS = {"claude": ("function_call", "exec_command", None), "compaction": ("function_call", "exec_command", None),
         "patch": ("custom_tool_call", "apply_patch", None), "code_mode": ("custom_tool_call", "exec", "functions")}
THOUGHT = {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE}


def ask(proxy: Proxy, recording: Recording, answer: Json | None) -> Json:
    """The next recorded request, and the whole response that its stream ends with."""
    stream = Stream(proxy.port, "/openai/v1/responses", recording.next(answer), recording.headers)
    assert stream.status == 200, stream.response.read()
    return check_stream(stream)


def play(proxy: Proxy, name: str) -> list[Json]:
    recording = Recording(name)
    answers: list[Json] = []
    for _ in range(len(recording)):
        answers.append(ask(proxy, recording, answers[-1] if answers else None))
    return answers


def check_first_call(name: str, answers: list[Json]) -> None:
    """The tool that was called comes back by its own name, and its result was answered."""
    call, last = answers[0]["output"][-1], answers[1]["output"][-1]
    assert (call["type"], call["name"], call.get("namespace")) == CALLS[name]
    assert "h" in call.get("arguments", "") + call.get("input", "")
    assert last["type"] == "message" and "tool result" in last["content"][0]["text"]


def check_session(answers: list[Json], bodies: list[Json]) -> None:
    """A command, the next prompt, and a tool of a namespace: the signed thinking of the first turn is there each time."""
    assert answers[0]["output"][0]["encrypted_content"]
    for body in bodies[1:]:
        [turn] = [message for message in body["messages"] if any(block["type"] == "thinking" for block in blocks_of(message))]
        assert turn["role"] == "assistant" and [block["type"] for block in turn["content"]] == ["thinking", "text", "tool_use"]
        assert turn["content"][0] == THOUGHT
    names = {tool.get("name") for tool in bodies[0]["tools"]}
    assert {"exec_command", "multi_agent_v1__spawn_agent", "multi_agent_v1__close_agent"} <= names
    call = answers[2]["output"][-1]
    assert (call["name"], call["namespace"], json.loads(call["arguments"])) == ("close_agent", "multi_agent_v1", {"target": "nobody"})
    asked = [message for message in bodies[3]["messages"] if message["role"] == "user"][-1]
    assert [block["type"] for block in asked["content"]] == ["tool_result"]


def check_picture(answers: list[Json], bodies: list[Json]) -> None:
    """What `codex exec -i FILE --output-schema FILE` sends reaches the API as an image and as an output format."""
    assert json.loads(answers[0]["output"][-1]["content"][0]["text"]) == {"city": "Oslo"}
    assert any(block["type"] == "image" for message in bodies[0]["messages"] for block in blocks_of(message))
    assert bodies[0]["output_config"]["format"]["schema"]["properties"] == {"city": {"type": "string"}}


def try_session(proxy: Proxy, api: MessagesAPI, name: str) -> None:
    answers = play(proxy, name)
    assert len(api.bodies()) == len(answers)
    for answer in answers:
        assert answer["status"] == "completed"
        # Codex keeps a conversation by the reasoning item, and older ones wait for it wherever they asked for one.
        assert [item["type"] for item in answer["output"]].count("reasoning") == 1 and answer["output"][0]["type"] == "reasoning"
    if name in CALLS:
        check_first_call(name, answers)
    {"claude": check_session, "picture": check_picture}.get(name, lambda *_: None)(answers, api.bodies())


@pytest.mark.parametrize("name", ["claude", "picture"])
def test_session_by_each_backend(each: Proxy, api: MessagesAPI, name: str) -> None:
    try_session(each, api, name)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"claude", "picture"}))
def test_session(most: Proxy, api: MessagesAPI, name: str) -> None:
    """Custom tools, tools in the input, and the summary that Codex has the model write of a long conversation."""
    try_session(most, api, name)
