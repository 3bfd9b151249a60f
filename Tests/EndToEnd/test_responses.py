# SPDX-License-Identifier: MIT
"""OpenAI's SDK on the Responses API, in its plain use, by each backend and each way of claude-exec."""
from __future__ import annotations

import asyncio
import json
from typing import Any, Iterator

import openai
import pytest
from messages_api import ANSWER, SIGNATURE, THINKING, MessagesAPI
from pydantic import BaseModel
from responses import check_stream, check_whole
from server import Proxy
from wire import Stream

MODEL = "claude-sonnet-4-5"
WEATHER = {"type": "function", "name": "get_weather", "description": "The weather of a city", "strict": False,
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
ASK_WEATHER = '[[tool:get_weather {"city":"Tromsø"}]] What is the weather?'


class Trip(BaseModel):
    city: str
    days: int


def client_of(proxy: Proxy) -> openai.OpenAI:
    return openai.OpenAI(base_url=proxy.url + "/openai/v1", api_key="any", max_retries=0, timeout=30)


@pytest.fixture
def client(most: Proxy) -> Iterator[openai.OpenAI]:
    with client_of(most) as made:
        yield made


@pytest.fixture
def client_of_each(each: Proxy) -> Iterator[openai.OpenAI]:
    with client_of(each) as made:
        yield made


def test_create(client: openai.OpenAI, api: MessagesAPI) -> None:
    """A string, with what most clients set; the request's members are repeated in the answer."""
    answer = client.responses.create(model=MODEL, instructions="Be brief.", input="Hi", max_output_tokens=500,
                                     temperature=0.5, metadata={"a": "b"}, store=False)
    assert answer.output_text == ANSWER and answer.status == "completed" and answer.error is None
    assert (answer.instructions, answer.max_output_tokens, answer.temperature, answer.metadata, answer.store) == (
        "Be brief.", 500, 0.5, {"a": "b"}, False)
    check_whole(json.loads(answer.model_dump_json(exclude_unset=True)))
    [body] = api.bodies()
    assert "Be brief." in json.dumps(body["system"]) and body["max_tokens"] == 500


def test_stream(client: openai.OpenAI, api: MessagesAPI) -> None:
    """The SDK's accumulator and the raw stream both end with the whole response."""
    with client.responses.stream(model=MODEL, input="Hi", store=False) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == ANSWER
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") > 1
    pieces = [event.delta for event in client.responses.create(model=MODEL, input="Hi", stream=True, store=False)
              if event.type == "response.output_text.delta"]
    assert "".join(pieces) == ANSWER


def test_async(most: Proxy) -> None:
    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=most.url + "/openai/v1", api_key="any", max_retries=0, timeout=30) as client:
            async def whole() -> None:
                assert (await client.responses.create(model=MODEL, input="Hi", store=False)).output_text == ANSWER

            async def streamed() -> None:
                async with client.responses.stream(model=MODEL, input="Hi", store=False) as stream:
                    async for _ in stream:
                        pass
                    assert (await stream.get_final_response()).output_text == ANSWER

            await asyncio.gather(whole(), streamed())

    asyncio.run(run())


def test_parse(client: openai.OpenAI, api: MessagesAPI) -> None:
    """Types in, types out, whole and streamed."""
    asked: dict[str, Any] = {"model": MODEL, "input": '[[say:{"city":"Oslo","days":3}]] A trip.', "store": False}
    assert client.responses.parse(text_format=Trip, **asked).output_parsed == Trip(city="Oslo", days=3)
    with client.responses.stream(text_format=Trip, **asked) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_parsed == Trip(city="Oslo", days=3)
    assert all(set(body["output_config"]["format"]["schema"]["properties"]) == {"city", "days"} for body in api.bodies())


def test_count(client: openai.OpenAI, api: MessagesAPI) -> None:
    """The count of the translated request: more input, more tokens."""
    few = client.responses.input_tokens.count(model=MODEL, input="Hi")
    many = client.responses.input_tokens.count(model=MODEL, input="Hi " * 500, instructions="Be brief.", tools=[WEATHER])
    assert few.object == "response.input_tokens" and 0 < few.input_tokens < many.input_tokens
    assert not api.bodies()


def test_tools(client_of_each: openai.OpenAI, api: MessagesAPI) -> None:
    """Two calls at once, their results, and an answer. The client sends back what it got."""
    asked: list[Any] = [{"role": "user", "content": ASK_WEATHER + ' [[tool:get_weather {"city":"Oslo"}]]'}]
    first = client_of_each.responses.create(model=MODEL, input=asked, tools=[WEATHER], store=False)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Tromsø"}, {"city": "Oslo"}]
    asked += first.output
    asked += [{"type": "function_call_output", "call_id": calls[0].call_id, "output": "-4 °C"},
              {"type": "function_call_output", "call_id": calls[1].call_id, "output": [
                  {"type": "input_text", "text": "-1 °C"}]}]
    last = client_of_each.responses.create(model=MODEL, input=asked, tools=[WEATHER], store=False)
    assert "-4 °C" in last.output_text and "-1 °C" in last.output_text
    body = api.bodies()[1]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    uses = [block for block in body["messages"][1]["content"] if block["type"] == "tool_use"]
    results = body["messages"][2]["content"]
    assert [block["tool_use_id"] for block in results] == [block["id"] for block in uses]


def test_custom_tools(client: openai.OpenAI, api: MessagesAPI) -> None:
    """A tool whose input is one text, with a grammar, and one in a namespace; both come back in their own form."""
    grammar = {"type": "grammar", "syntax": "regex", "definition": "[0-9+]+"}
    tools: list[Any] = [
        {"type": "custom", "name": "sum", "description": "Adds.", "format": grammar},
        {"type": "namespace", "name": "clock", "description": "Of time.", "tools": [
            {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": False}]}]
    asked = '[[tool:sum {"input":"1+2"}]] [[tool:clock__now {}]] Add.'
    with client.responses.stream(model=MODEL, input=asked, tools=tools, store=False) as stream:
        kinds = {event.type for event in stream}
        first = stream.get_final_response()
    assert "response.custom_tool_call_input.delta" in kinds
    [custom] = [item for item in first.output if item.type == "custom_tool_call"]
    [call] = [item for item in first.output if item.type == "function_call"]
    assert (custom.name, custom.input) == ("sum", "1+2")
    assert (call.name, call.namespace, call.arguments) == ("now", "clock", "{}")
    last = client.responses.create(model=MODEL, tools=tools, store=False, input=[
        {"role": "user", "content": asked}, *first.output,
        {"type": "custom_tool_call_output", "call_id": custom.call_id, "output": "three"},
        {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}])
    assert "three" in last.output_text and "noon" in last.output_text
    declared = {tool["name"]: tool for tool in api.bodies()[0]["tools"]}
    assert "[0-9+]+" in declared["sum"]["description"] and "clock__now" in declared


def test_reasoning(client_of_each: openai.OpenAI, api: MessagesAPI) -> None:
    """The summary is shown where it was asked for; the sealed thinking goes back and reaches the API as it was signed."""
    asked: list[Any] = [{"role": "user", "content": "[[thinking]] [[redacted]] " + ASK_WEATHER}]
    more: dict[str, Any] = {"model": MODEL, "tools": [WEATHER], "reasoning": {"effort": "medium", "summary": "auto"},
                            "include": ["reasoning.encrypted_content"], "store": False, "max_output_tokens": 20_000}
    with client_of_each.responses.stream(input=asked, **more) as stream:
        for _ in stream:
            pass
        first = stream.get_final_response()
    thoughts = [item for item in first.output if item.type == "reasoning"]
    assert "".join(part.text for part in thoughts[0].summary) == THINKING
    assert thoughts[-1].encrypted_content or thoughts[0].encrypted_content
    [call] = [item for item in first.output if item.type == "function_call"]
    client_of_each.responses.create(**more, input=[*asked, *first.output, {
        "type": "function_call_output", "call_id": call.call_id, "output": "-4 °C"}])
    said = api.bodies()[1]["messages"][1]["content"]
    assert [block["type"] for block in said] == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert (said[0]["thinking"], said[0]["signature"]) == (THINKING, SIGNATURE)
    # Asked for without a summary, it is thought, and not shown.
    quiet = client_of_each.responses.create(model=MODEL, input="[[thinking]] Hi", reasoning={"effort": "low"}, store=False)
    assert [item.type for item in quiet.output] == ["reasoning", "message"] and not quiet.output[0].summary


@pytest.mark.parametrize("stop, status, reason", [
    ("max_tokens", "incomplete", "max_output_tokens"), ("refusal", "incomplete", "content_filter"),
    ("stop_sequence", "completed", None), ("pause_turn", "completed", None)])
def test_ends(most: Proxy, api: MessagesAPI, stop: str, status: str, reason: str | None) -> None:
    """Each way in which an answer ends, whole and streamed, and what the raw stream is made of."""
    body = {"model": MODEL, "input": f"[[stop:{stop}]] [[len:20]] Go.", "store": False}
    streamed = check_stream(Stream(most.port, "/v1/responses", body | {"stream": True}))
    whole = check_whole(most.ask("POST", "/responses", body).json)
    for answer in (whole, streamed):
        assert answer["status"] == status
        assert (answer["incomplete_details"] or {}).get("reason") == reason
