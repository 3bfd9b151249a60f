# SPDX-License-Identifier: MIT
"""The SDKs of both vendors, in their plain use: create and stream, sync and async, tools, images.

What reached the API is compared, field by field, with what the client sent.
"""
from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from typing import Any

import anthropic
import openai
import pytest
from compare import check_arrived
from messages_api import ANSWER, MessagesAPI
from server import Proxy

MODEL = "claude-haiku-4-5"
WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "Its name"}},
                  "required": ["city"]}
ASK_WEATHER = 'What is the weather? [[tool:get_weather {"city":"Tromsø"}]]'


def picture() -> str:
    """A small PNG, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = b"".join(b"\0" + b"\x20\x80\xd0" * 8 for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    png = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + png).decode()


@pytest.fixture
def openai_options(proxy: Proxy, api: MessagesAPI) -> dict[str, Any]:
    return {"base_url": proxy.url + "/openai/v1", "api_key": "any", "max_retries": 0, "timeout": 30}


@pytest.fixture
def anthropic_options(proxy: Proxy, api: MessagesAPI) -> dict[str, Any]:
    return {"base_url": proxy.url, "api_key": "any", "max_retries": 0, "timeout": 30}


class TestThreads:
    """The vendor's tool runner keeps its conversation with the API, and sends it whole where that isn't served."""

    def test_tool_runner(self, anthropic_options: dict[str, Any], api: MessagesAPI) -> None:
        asked: list[str] = []

        @anthropic.beta_tool
        def get_weather(city: str) -> str:
            """Tells the weather.

            Args:
                city: Its name.
            """
            asked.append(city)
            return "sun"

        runner = anthropic.Anthropic(**anthropic_options).beta.messages.tool_runner(
            model=MODEL, max_tokens=500, tools=[get_weather], messages=[{"role": "user", "content": ASK_WEATHER}])
        last = runner.until_done()
        assert asked == ["Tromsø"] and "sun" in last.content[0].text
        # Whole both times, and no thread in it.
        assert [len(body["messages"]) for body in api.bodies()] == [1, 3] and not any("thread" in body for body in api.bodies())

    @pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "id": "t"}, {}, "t"])
    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
    def test_refusal(self, proxy: Proxy, api: MessagesAPI, path: str, thread: Any) -> None:
        answer = proxy.ask("POST", path, {"model": MODEL, "max_tokens": 5, "thread": thread,
                                          "messages": [{"role": "user", "content": "hi"}]}, {"anthropic-version": "2023-06-01"})
        assert answer.status == 400 and answer.json["error"]["details"] == {"error_code": "thread_unsupported_request"}
        assert not api.bodies()

    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/openai/v1/chat/completions"])
    def test_null_is_none(self, proxy: Proxy, api: MessagesAPI, path: str) -> None:
        answer = proxy.ask("POST", path, {"model": MODEL, "max_tokens": 5, "thread": None, "future_field": None,
                                          "messages": [{"role": "user", "content": "hi"}]}, {"anthropic-version": "2023-06-01"})
        assert answer.status == 200 and "x-proxy-loss" not in answer.headers, answer
        assert not any("thread" in body for body in api.bodies())


class TestOpenAI:
    """openai, at /openai/v1."""

    HELLO: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}

    def check(self, chunks: list[Any]) -> None:
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ANSWER
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        [last] = [c for c in chunks if c.usage]
        assert last is chunks[-1] and last.choices == []
        assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0

    def test_sync(self, openai_options: dict) -> None:
        with openai.OpenAI(**openai_options) as client:
            answer = client.chat.completions.create(**self.HELLO)
            assert answer.choices[0].message.content == ANSWER and answer.model == MODEL
            stream = client.chat.completions.create(
                **self.HELLO, stream=True, stream_options={"include_usage": True})
            self.check(list(stream))

    def test_async(self, openai_options: dict) -> None:
        async def run() -> None:
            async with openai.AsyncOpenAI(**openai_options) as client:
                async def whole() -> None:
                    answer = await client.chat.completions.create(**self.HELLO)
                    assert answer.choices[0].message.content == ANSWER

                async def streamed() -> None:
                    stream = await client.chat.completions.create(
                        **self.HELLO, stream=True, stream_options={"include_usage": True})
                    self.check([chunk async for chunk in stream])

                await asyncio.gather(whole(), streamed())

        asyncio.run(run())

    def test_stream_helper(self, openai_options: dict) -> None:
        """The SDK's own accumulator reads the stream, tools and all."""
        with openai.OpenAI(**openai_options) as client:
            with client.chat.completions.stream(
                    model=MODEL, messages=[{"role": "user", "content": ASK_WEATHER}],
                    tools=[{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}}],
            ) as stream:
                kinds = {event.type for event in stream}
                final = stream.get_final_completion()
        assert {"chunk", "content.delta", "tool_calls.function.arguments.delta"} <= kinds
        [call] = final.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"city": "Tromsø"}
        assert final.choices[0].finish_reason == "tool_calls"

    def test_two_turns_with_a_tool(self, openai_options: dict, api: MessagesAPI) -> None:
        """The model calls a tool, gets its result, and answers; each turn arrives whole."""
        tools = [{"type": "function", "function": {
            "name": "get_weather", "description": "The weather of a city", "parameters": WEATHER_SCHEMA}}]
        messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
        with openai.OpenAI(**openai_options) as client:
            first = client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
            [call] = first.choices[0].message.tool_calls
            assert first.choices[0].finish_reason == "tool_calls"
            assert json.loads(call.function.arguments) == {"city": "Tromsø"}
            messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "-4 °C"}]
            second = client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
        assert second.choices[0].message.content.startswith("tool result:")
        assert "-4 °C" in second.choices[0].message.content
        wanted_tools = [{"name": "get_weather", "description": "The weather of a city", "input_schema": WEATHER_SCHEMA}]
        user = {"role": "user", "content": ASK_WEATHER}
        one, two = api.bodies()
        check_arrived(one, {"model": MODEL, "messages": [user], "tools": wanted_tools})
        check_arrived(two, {"model": MODEL, "tools": wanted_tools, "messages": [user, {"role": "assistant", "content": [
            {"type": "text", "text": ANSWER},
            {"type": "tool_use", "id": call.id, "name": "get_weather", "input": {"city": "Tromsø"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "-4 °C"}]}]})

    def test_every_field(self, openai_options: dict, sent) -> None:
        """One request with all that has a counterpart, an image by data URL among it."""
        image = picture()
        with openai.OpenAI(**openai_options) as client:
            client.chat.completions.create(
                model=MODEL, max_completion_tokens=321, temperature=0.25, stop=["END", "HALT"], user="u-17",
                parallel_tool_calls=False, tool_choice="auto",
                tools=[{"type": "function", "function": {
                    "name": "get_weather", "description": "The weather", "parameters": WEATHER_SCHEMA}}],
                messages=[
                    {"role": "system", "content": "Be brief."},
                    {"role": "developer", "content": "Use metric units."},
                    {"role": "user", "content": "Weather in Oslo?"},
                    {"role": "assistant", "content": None, "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {
                            "name": "get_weather", "arguments": '{"city": "Oslo"}'}},
                        {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "4 °C"},
                    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "no city"}]},
                    {"role": "user", "content": [
                        {"type": "text", "text": "And here?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + image}}]}])
        check_arrived(sent(), {
            "model": MODEL, "max_tokens": 321, "temperature": 0.25, "stop_sequences": ["END", "HALT"],
            "metadata": {"user_id": "u-17"}, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "system": "Be brief.\n\nUse metric units.",
            "tools": [{"name": "get_weather", "description": "The weather", "input_schema": WEATHER_SCHEMA}],
            "messages": [
                {"role": "user", "content": "Weather in Oslo?"},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "call_2", "name": "get_weather", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "4 °C"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "no city"},
                    {"type": "text", "text": "And here?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}}]}]})


class TestAnthropic:
    """anthropic, at /."""

    HELLO: dict[str, Any] = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}

    def test_sync(self, anthropic_options: dict) -> None:
        with anthropic.Anthropic(**anthropic_options) as client:
            answer = client.messages.create(**self.HELLO)
            assert [block.text for block in answer.content] == [ANSWER] and answer.model == MODEL
            assert answer.usage.cache_read_input_tokens == 22
            events = list(client.messages.create(**self.HELLO, stream=True))
        assert events[0].type == "message_start" and events[-1].type == "message_stop"
        assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == ANSWER

    def test_async(self, anthropic_options: dict) -> None:
        async def run() -> None:
            async with anthropic.AsyncAnthropic(**anthropic_options) as client:
                async def whole() -> None:
                    assert (await client.messages.create(**self.HELLO)).content[0].text == ANSWER

                async def helped() -> None:
                    async with client.messages.stream(**self.HELLO) as stream:
                        assert "".join([text async for text in stream.text_stream]) == ANSWER
                        assert (await stream.get_final_message()).stop_reason == "end_turn"

                await asyncio.gather(whole(), helped())

        asyncio.run(run())

    def test_stream_helper(self, anthropic_options: dict) -> None:
        """messages.stream() yields its events: thinking, signature, text, tool input, and the message in the end."""
        with anthropic.Anthropic(**anthropic_options) as client:
            with client.messages.stream(
                    model="claude-haiku-4-5", max_tokens=4000, thinking={"type": "enabled", "budget_tokens": 2000},
                    tools=[{"name": "get_weather", "input_schema": WEATHER_SCHEMA}],
                    messages=[{"role": "user", "content": "[[thinking]] [[redacted]] " + ASK_WEATHER}]) as stream:
                kinds = [event.type for event in stream]
                final = stream.get_final_message()
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
        assert {"thinking", "signature", "text", "input_json", "content_block_stop", "message_delta"} <= set(kinds)
        assert [block.type for block in final.content] == ["thinking", "redacted_thinking", "text", "tool_use"]
        assert final.content[0].signature and final.content[3].input == {"city": "Tromsø"}
        assert final.stop_reason == "tool_use"

    def test_two_turns_with_a_tool(self, anthropic_options: dict, api: MessagesAPI) -> None:
        """The tool's turn comes back with the thinking that led to it, signed, as the API demands."""
        tools: Any = [{"name": "get_weather", "description": "The weather of a city", "input_schema": WEATHER_SCHEMA}]
        thinking: Any = {"type": "enabled", "budget_tokens": 2000}
        messages: list[Any] = [{"role": "user", "content": "[[thinking]] " + ASK_WEATHER}]
        wanted = {"model": MODEL, "max_tokens": 4000, "tools": tools, "thinking": thinking}
        with anthropic.Anthropic(**anthropic_options) as client:
            first = client.messages.create(**wanted, messages=messages)
            [call] = [block for block in first.content if block.type == "tool_use"]
            assert first.stop_reason == "tool_use" and call.input == {"city": "Tromsø"}
            turn = [block.model_dump(exclude_none=True) for block in first.content]
            messages += [{"role": "assistant", "content": turn}, {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "-4 °C"}]}]
            second = client.messages.create(**wanted, messages=messages)
        assert second.content[0].text.startswith("tool result:") and "-4 °C" in second.content[0].text
        one, two = api.bodies()
        check_arrived(one, wanted | {"messages": messages[:1]})
        check_arrived(two, wanted | {"messages": messages})
        assert [block["type"] for block in two["messages"][1]["content"]] == ["thinking", "text", "tool_use"]

    def test_every_field(self, anthropic_options: dict, sent) -> None:
        """One request with all that a client can say, cache marks and an image among it."""
        mark = {"type": "ephemeral"}
        body: dict[str, Any] = {
            "model": MODEL, "max_tokens": 321, "temperature": 0.25, "top_k": 7, "stop_sequences": ["END"],
            "metadata": {"user_id": "u-17"}, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Use metric units."}],
            "tools": [
                {"name": "zeta", "description": "Last by name, first in order", "input_schema": WEATHER_SCHEMA},
                {"name": "alpha", "input_schema": {"type": "object", "properties": {}}, "cache_control": mark}],
            "messages": [
                {"role": "user", "content": "Über 1e3 \u2028 \"quoted\" \\ back"},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "One moment."},
                    {"type": "tool_use", "id": "toolu_A-1", "name": "zeta", "input": {"n": 0.7, "deep": [[1, {}], None]}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_A-1", "content": [{"type": "text", "text": "7 °C"}]},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture()}},
                    {"type": "text", "text": "Is that warm? @/etc/hostname /help", "cache_control": mark}]}]}
        # What the API takes and the SDK has no argument for any more.
        extra = {name: body[name] for name in ("temperature", "top_k")}
        with anthropic.Anthropic(**anthropic_options) as client:
            client.messages.create(**{k: v for k, v in body.items() if k not in extra}, extra_body=extra)
        check_arrived(sent(), body)

    def test_no_more_than_was_sent(self, anthropic_options: dict, sent) -> None:
        """A bare request gets no tool, no system text and no reminder from the CLI or from us."""
        with anthropic.Anthropic(**anthropic_options) as client:
            client.messages.create(**self.HELLO)
        check_arrived(sent(), self.HELLO)
        assert sent().get("thinking", {"type": "disabled"})["type"] == "disabled", "thinking that nobody asked for"
