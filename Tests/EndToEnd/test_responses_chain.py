# SPDX-License-Identifier: MIT
"""`previous_response_id`: the proxy keeps the conversation, and the client sends only what is new."""
from __future__ import annotations

import json
from typing import Any, Callable

import openai
import pytest
from messages_api import SIGNATURE, THINKING, MessagesAPI
from server import Proxy

MODEL = "claude-sonnet-4-5"
TOOLS: list[Any] = [{"type": "function", "name": "weather", "strict": False, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}}}]
ASK = '[[thinking]] [[say:Let me look.]] [[tool:weather {"city":"Oslo"}]]'
THOUGHT = {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE}


def client_of(proxy: Proxy, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=proxy.url + "/openai/v1", api_key=key, max_retries=0, timeout=30)


def whole(client: openai.OpenAI, **request: Any) -> Any:
    return client.responses.create(**request)


def streamed(client: openai.OpenAI, **request: Any) -> Any:
    with client.responses.stream(**request) as stream:
        for _ in stream:
            pass
        return stream.get_final_response()


def result(answer: Any, text: str) -> list[Any]:
    [call] = [item for item in answer.output if item.type == "function_call"]
    return [{"type": "function_call_output", "call_id": call.call_id, "output": text}]


def three_turns(proxy: Proxy, api: MessagesAPI, ask: Callable[..., Any]) -> None:
    request: dict[str, Any] = {"model": MODEL, "tools": TOOLS, "max_output_tokens": 20_000,
                               "reasoning": {"effort": "medium", "summary": "auto"}}
    with client_of(proxy) as client:
        first = ask(client, input=ASK, instructions="Of the first turn alone.", **request)
        second = ask(client, previous_response_id=first.id, input=[
            *result(first, "sun"), {"role": "user", "content": ASK}], **request)
        third = ask(client, previous_response_id=second.id, input=result(second, "rain"), **request)
    assert (second.previous_response_id, third.previous_response_id) == (first.id, second.id)
    assert "rain" in third.output_text
    bodies = api.bodies()
    assert len(bodies) == 3
    for turn, body in enumerate(bodies):
        assert [message["role"] for message in body["messages"]] == ["user", "assistant"] * turn + ["user"]
        assert ("Of the first turn alone." in json.dumps(body.get("system"))) == (turn == 0)
        for number in range(turn):
            said, results = body["messages"][2 * number + 1:2 * number + 3]
            assert said["content"][0] == THOUGHT
            assert [block["type"] for block in said["content"]] == ["thinking", "text", "tool_use"]
            assert results["content"][0]["tool_use_id"] == said["content"][2]["id"]
            assert ("sun", "rain")[number] in json.dumps(results["content"][0])


def test_three_turns(each: Proxy, api: MessagesAPI) -> None:
    """With a tool and thinking on each turn; the API gets each turn whole, and the signed thinking with it."""
    three_turns(each, api, streamed)


def test_three_whole_turns(direct: Proxy, api: MessagesAPI) -> None:
    """The same without a stream."""
    three_turns(direct, api, whole)


def refusal(client: openai.OpenAI, response_id: str) -> Any:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input="And?", previous_response_id=response_id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
    return refused.value


def test_keeping(direct: Proxy, api: MessagesAPI) -> None:
    """A response can be read again, listed by its input, and deleted; then it is unknown."""
    with client_of(direct) as client:
        made = client.responses.create(model=MODEL, input=[{"role": "user", "content": "One"}])
        assert client.responses.retrieve(made.id).output_text == made.output_text
        assert client.responses.retrieve(made.id).model_dump() == made.model_dump()
        [item] = client.responses.input_items.list(made.id).data
        assert item.role == "user" and item.content[0].text == "One"
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
        refusal(client, made.id)
        refusal(client, "resp_unknown")


def test_not_keeping(direct: Proxy, api: MessagesAPI) -> None:
    """`store: false` keeps nothing, and a stream that fails is nothing to go on from."""
    with client_of(direct) as client:
        made = client.responses.create(model=MODEL, input="One", store=False)
        assert made.store is False
        refusal(client, made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)


def test_branches(direct: Proxy, api: MessagesAPI) -> None:
    """Two responses may go on from one, and neither knows of the other."""
    with client_of(direct) as client:
        first = client.responses.create(model=MODEL, input="One")
        for text in ("Left", "Right"):
            client.responses.create(model=MODEL, input=text, previous_response_id=first.id)
    texts = [[block["text"] for message in body["messages"] for block in (
        [{"text": message["content"]}] if isinstance(message["content"], str) else message["content"])] for body in api.bodies()]
    assert [said[-1] for said in texts] == ["One", "Left", "Right"] and "Left" not in texts[2]


def test_keys(start: Callable[..., Proxy], api: MessagesAPI, settings: dict[str, str], tmp_path: Any) -> None:
    """What one key was answered is unknown to another, and outlives a restart of the server."""
    tokens = tmp_path / "tokens"
    tokens.write_text("ada:token-of-ada-0123456789\nbob:token-of-bob-0123456789\n")
    tokens.chmod(0o600)
    chosen = settings | {"BACKEND": "claude-http", "AUTH_TOKENS_FILE": str(tokens), "STATE_DIR": str(tmp_path / "state")}
    proxy = start(**chosen)
    with client_of(proxy, "token-of-ada-0123456789") as ada, client_of(proxy, "token-of-bob-0123456789") as bob:
        made = ada.responses.create(model=MODEL, input="One")
        refusal(bob, made.id)
        with pytest.raises(openai.NotFoundError):
            bob.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):
            bob.responses.delete(made.id)
    # Another server on the same state goes on from it, as one does after a restart.
    with client_of(start(**chosen), "token-of-ada-0123456789") as ada:
        assert ada.responses.create(model=MODEL, input="And?", previous_response_id=made.id).status == "completed"
    assert len(api.bodies()[-1]["messages"]) == 3


def test_off(start: Callable[..., Proxy], api: MessagesAPI, settings: dict[str, str]) -> None:
    """Without a store the answer says so: nothing is forgotten in silence."""
    proxy = start(**settings | {"BACKEND": "claude-http", "RESPONSES_STORE": "off"})
    with client_of(proxy) as client:
        made = client.responses.create(model=MODEL, input="One")
        assert "RESPONSES_STORE" in str(refusal(client, made.id))
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
