# SPDX-License-Identifier: MIT
"""Libraries that people build agents with, each with a tool loop, a structured answer and a stream.

claude-echo answers; the marks in the prompts tell it what. A tool loop is over when the result of the tool has come
back: what it answers to a result is the result.
"""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from loops import CALL, MODEL, SAY, STREAM, TRIP, LangChain, PydanticAI, Trip, get_weather
from pydantic import BaseModel
from server import Proxy

os.environ.setdefault("LANGSMITH_TRACING", "false")


@pytest.fixture
def base(echo: Proxy) -> str:
    """The OpenAI interface's base URL."""
    return echo.url + "/openai/v1"


def no_failures(proxy: Proxy) -> None:
    """The server refused nothing on the way."""
    for line in proxy.log.read_text().splitlines():
        if line.startswith("{") and (entry := json.loads(line)).get("msg") == "request":
            assert entry["status"] < 400, entry


@pytest.fixture(autouse=True)
def nothing_refused(echo: Proxy) -> Iterator[None]:
    yield
    no_failures(echo)


class TestOpenAIParse:
    """The SDK's own helper: types in, types out."""

    @pytest.fixture
    def client(self, base: str) -> Any:
        import openai

        return openai.OpenAI(base_url=base, api_key="any", max_retries=0)

    def test_structured(self, client: Any) -> None:
        done = client.chat.completions.parse(
            model=MODEL, messages=[{"role": "user", "content": SAY}], response_format=Trip)
        assert done.choices[0].message.parsed == Trip(**TRIP)

    def test_tool_loop(self, client: Any) -> None:
        import openai

        class GetWeather(BaseModel):
            city: str

        tools = [openai.pydantic_function_tool(GetWeather, name="get_weather")]
        messages: list[Any] = [{"role": "user", "content": CALL}]
        first = client.chat.completions.parse(model=MODEL, messages=messages, tools=tools)
        [call] = first.choices[0].message.tool_calls
        assert call.function.parsed_arguments == GetWeather(city="Tromsø")
        messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "-4 °C in Tromsø"}]
        second = client.chat.completions.parse(model=MODEL, messages=messages, tools=tools)
        assert "-4 °C in Tromsø" in second.choices[0].message.content

    def test_stream(self, client: Any) -> None:
        with client.chat.completions.stream(
                model=MODEL, messages=[{"role": "user", "content": SAY}], response_format=Trip) as stream:
            kinds = {event.type for event in stream}
            assert stream.get_final_completion().choices[0].message.parsed == Trip(**TRIP)
        assert {"content.delta", "content.done"} <= kinds

    def test_reasoning_goes_back(self, client: Any) -> None:
        """What the accumulator made of a stream with two thoughts and a call is the next turn, as it is."""
        tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}}}}]
        messages: list[Any] = [{"role": "user", "content": "[[thinking]] [[redacted]] " + CALL}]
        with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
            first = stream.get_final_completion().choices[0].message
        kinds = [block["type"] for block in first.model_extra["thinking_blocks"]]
        assert kinds == ["thinking", "redacted_thinking"]
        assert first.model_extra["reasoning_content"]
        messages += [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "-4 °C"}]
        second = client.chat.completions.create(
            model=MODEL, messages=messages, tools=tools, reasoning_effort="low", max_tokens=4000)
        assert "-4 °C" in second.choices[0].message.content


class TestPydanticAI(PydanticAI):
    @pytest.fixture(params=["openai", "anthropic"])
    def model(self, request: Any, echo: Proxy, base: str) -> Any:
        if request.param == "openai":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            return OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base, api_key="any"))
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(base_url=echo.url, api_key="any")
        return AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=client))


class TestLangChain(LangChain):
    @pytest.fixture(params=["openai", "anthropic"])
    def model(self, request: Any, echo: Proxy, base: str) -> Any:
        if request.param == "openai":
            from langchain_openai import ChatOpenAI

            return ChatOpenAI(model=MODEL, base_url=base, api_key="any", max_retries=0, stream_usage=True)
        from langchain_anthropic import ChatAnthropic

        return ChatAnthropic(model=MODEL, base_url=echo.url, api_key="any", max_retries=0, max_tokens=1000)

    def test_stream(self, model: Any) -> None:
        pieces = list(model.stream(STREAM))
        assert "".join(piece.text for piece in pieces) == "one two three four" and len(pieces) > 2
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        assert whole.usage_metadata["output_tokens"] > 0

    def test_stream_of_a_call(self, model: Any) -> None:
        from langchain_core.tools import tool

        pieces = list(model.bind_tools([tool(get_weather)]).stream(CALL))
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        assert [call["args"] for call in whole.tool_calls] == [{"city": "Tromsø"}]


class TestInstructor:
    @pytest.fixture
    def client(self, base: str) -> Any:
        import openai

        return openai.OpenAI(base_url=base, api_key="any", max_retries=0)

    @pytest.mark.parametrize("mode, prompt", [
        ("TOOLS", f"[[tool:Trip {json.dumps(TRIP)}]]"), 
        ("JSON", SAY), ("MD_JSON", SAY), ("JSON_SCHEMA", SAY)])
    def test_structured(self, client: Any, mode: str, prompt: str) -> None:
        import instructor

        asked = instructor.from_openai(client, mode=instructor.Mode[mode])
        got = asked.chat.completions.create(
            model=MODEL, response_model=Trip, max_retries=0, messages=[{"role": "user", "content": prompt}])
        assert got.model_dump() == TRIP

    def test_anthropic(self, echo: Proxy) -> None:
        import anthropic
        import instructor

        asked = instructor.from_anthropic(anthropic.Anthropic(base_url=echo.url, api_key="any"))
        got = asked.messages.create(
            model=MODEL, max_tokens=500, response_model=Trip, max_retries=0,
            messages=[{"role": "user", "content": f"[[tool:Trip {json.dumps(TRIP)}]]"}])
        assert got.model_dump() == TRIP

    def test_tool_loop(self, client: Any) -> None:
        """Its loop is the retry: an answer that isn't valid goes back with what is wrong about it."""
        import instructor

        seen: list[Any] = []
        asked = instructor.from_openai(client)
        asked.on("completion:kwargs", lambda *a, **kw: seen.append(kw))
        with pytest.raises(Exception, match="No tool calls"):
            asked.chat.completions.create(
                model=MODEL, response_model=Trip, max_retries=2,
                messages=[{"role": "user", "content": '[[tool:Trip {"city":"Oslo","days":99}]]'}])
        assert [message["role"] for message in seen[-1]["messages"]][:3] == ["user", "assistant", "tool"]

    def test_stream(self, client: Any) -> None:
        import instructor

        asked = instructor.from_openai(client)
        parts = list(asked.chat.completions.create_partial(
            model=MODEL, response_model=Trip,
            messages=[{"role": "user", "content": f"[[tool:Trip {json.dumps(TRIP)}]]"}]))
        assert parts[-1].model_dump() == TRIP and len(parts) > 1


class TestLLM:
    """The command line tool, with a model of its own configured for our base URL."""

    @pytest.fixture
    def model(self, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
        monkeypatch.setenv("LLM_LOAD_PLUGINS", "")
        (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([{
            "model_id": "echo", "model_name": MODEL, "api_base": base, "api_key_name": "echo",
            "supports_tools": True, "supports_schema": True}]))
        (tmp_path / "keys.json").write_text(json.dumps({"echo": "any"}))
        import llm

        return llm.get_model("echo")

    @pytest.mark.parametrize("stream", [False, True])
    def test_tool_loop(self, model: Any, stream: bool) -> None:
        assert "-4 °C in Tromsø" in model.chain(CALL, tools=[get_weather], stream=stream).text()

    def test_structured(self, model: Any) -> None:
        assert json.loads(model.prompt(SAY, schema=Trip, stream=False).text()) == TRIP

    def test_stream(self, model: Any) -> None:
        pieces = list(model.prompt(STREAM, system="Be brief."))
        assert "".join(pieces) == "one two three four" and len(pieces) > 1
