# SPDX-License-Identifier: MIT
"""A conversation of three turns through OpenAI's SDK, with thinking, parallel tools and cache marks.

What a client got on one turn goes back on the next: the API refuses a tool turn whose thinking has lost its signature,
and forgets what is cached when a mark is lost. The backend is claude-http, so that what arrives is compared whole.
"""
from __future__ import annotations

import json
from typing import Any, Callable

import openai
import pytest
from messages_api import SIGNATURE, THINKING, MessagesAPI

MODEL = "claude-sonnet-4-5"
MARK = {"cache_control": {"type": "ephemeral"}}
SYSTEM = {"role": "system", "content": [{"type": "text", "text": "Be brief. \"Quotes\", é and 😀 stay.", **MARK}]}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
         for name in ("weather", "time")]
TOOLS[-1] = TOOLS[-1] | MARK
ASK = "[[thinking]] [[say:Let me look.]] [[tool:weather {\"city\":\"Oslo\"}]] [[tool:time {\"city\":\"Oslo\"}]]"


def streamed(client: openai.OpenAI, **request: Any) -> dict[str, Any]:
    """The assistant's message, put together from chunks as agents do that keep the thinking."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "thinking_blocks": [], "tool_calls": []}
    for chunk in client.chat.completions.create(**request, stream=True):
        for choice in chunk.choices:
            delta = choice.delta.model_dump(exclude_none=True)
            message["content"] += delta.get("content", "")
            message["thinking_blocks"] += delta.get("thinking_blocks", [])
            for call in delta.get("tool_calls", []):
                if "id" in call:
                    message["tool_calls"].append({"id": call["id"], "type": "function", "function": {
                        "name": call["function"]["name"], "arguments": ""}})
                message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"].get("arguments", "")
    return {key: value for key, value in message.items() if value}


def whole(client: openai.OpenAI, **request: Any) -> dict[str, Any]:
    return client.chat.completions.create(**request).choices[0].message.model_dump()


@pytest.mark.parametrize("ask", [whole, streamed], ids=["whole", "streamed"])
def test_three_turns(ask: Callable[..., dict[str, Any]], start: Callable[..., Any], api: MessagesAPI) -> None:
    proxy = start(BACKEND="claude-http", ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY="sk-ant-dummy-for-tests")
    messages: list[Any] = [SYSTEM, {"role": "user", "content": [{"type": "text", "text": ASK, **MARK}]}]
    request = {"model": MODEL, "tools": TOOLS, "reasoning_effort": "medium", "max_tokens": 20_000}
    with openai.OpenAI(base_url=proxy.url + "/openai/v1", api_key="unused", max_retries=0) as client:
        for turn in range(2):
            answer = ask(client, messages=messages, **request)
            calls = answer["tool_calls"]
            assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Oslo"}] * 2
            messages += [answer] + [
                {"role": "tool", "tool_call_id": call["id"], "content": f"result {turn}.{number}"}
                for number, call in enumerate(calls)]
            # The user speaks again behind the results, and has the model think and call once more.
            if turn == 0:
                messages.append({"role": "user", "content": [{"type": "text", "text": ASK, **MARK}]})
        last = ask(client, messages=messages, **request)
    assert "result 1.1" in last["content"]

    bodies = api.bodies()
    assert len(bodies) == 3
    thinking = {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE}
    for body in bodies:
        assert body["system"] == [{"type": "text", "text": SYSTEM["content"][0]["text"], **MARK}]
        assert body["tools"][-1]["cache_control"] == MARK["cache_control"] and "cache_control" not in body["tools"][0]
        assert body["thinking"]["type"] == "enabled" and body["messages"][0]["content"][0] == {"type": "text", "text": ASK, **MARK}
    for turn, body in enumerate(bodies[1:], 1):
        assert [message["role"] for message in body["messages"]] == ["user", "assistant"] * turn + ["user"]
        for number in range(turn):
            said, results = body["messages"][2 * number + 1:2 * number + 3]
            assert said["content"][0] == thinking
            assert [block["type"] for block in said["content"]] == ["thinking", "text", "tool_use", "tool_use"]
            ids = [block["id"] for block in said["content"][2:]]
            assert [block["tool_use_id"] for block in results["content"][:2]] == ids
            assert [block["content"] for block in results["content"][:2]] == [f"result {number}.0", f"result {number}.1"]
        assert bodies[turn]["messages"][2]["content"][2] == {"type": "text", "text": ASK, **MARK}
