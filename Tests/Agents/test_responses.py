# SPDX-License-Identifier: MIT
"""Libraries that speak the Responses API: the OpenAI Agents SDK as it is by default, and the classes of two others."""
from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from loops import CALL, MODEL, SAY, STREAM, TRIP, TWO_CALLS, LangChain, PydanticAI, Trip, get_weather
from messages_api import MessagesAPI
from server import Proxy

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")


class TestAgentsSDK:
    """The OpenAI Agents SDK asks by the Responses API unless it is told otherwise."""

    @pytest.fixture
    def model(self, direct: Proxy) -> Any:
        from agents import OpenAIResponsesModel
        from openai import AsyncOpenAI

        return OpenAIResponsesModel(MODEL, AsyncOpenAI(base_url=direct.url + "/openai/v1", api_key="any", max_retries=0))

    def test_by_default(self, direct: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing but the two variables of OpenAI's SDK."""
        from agents import Agent, Runner

        monkeypatch.setenv("OPENAI_BASE_URL", direct.url + "/openai/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        done = Runner.run_sync(Agent("Plain", instructions="Be brief.", model=MODEL), "[[say:one two]]")
        assert done.final_output == "one two"
        assert done.context_wrapper.usage.output_tokens > 0

    def test_tools(self, model: Any, api: MessagesAPI) -> None:
        from agents import Agent, Runner, function_tool

        agent = Agent("Weather", instructions="Be brief.", model=model, tools=[function_tool(get_weather)])
        done = Runner.run_sync(agent, TWO_CALLS)
        assert "-4 °C in Oslo" in done.final_output and "-4 °C in Bergen" in done.final_output
        # The session that the application keeps goes on.
        more = Runner.run_sync(agent, [*done.to_input_list(), {"role": "user", "content": "[[say:Cold.]] So?"}])
        assert more.final_output == "Cold." and len(api.bodies()[-1]["messages"]) == 5

    def test_previous_response_id(self, model: Any, api: MessagesAPI) -> None:
        """The proxy keeps the conversation, and the SDK sends what is new."""
        from agents import Agent, Runner, function_tool

        agent = Agent("Weather", model=model, tools=[function_tool(get_weather)])
        done = Runner.run_sync(agent, CALL, auto_previous_response_id=True)
        assert "-4 °C in Tromsø" in done.final_output
        more = Runner.run_sync(agent, "[[say:Cold.]] So?", previous_response_id=done.last_response_id)
        assert more.final_output == "Cold." and len(api.bodies()[-1]["messages"]) == 5

    def test_handoff(self, model: Any) -> None:
        from agents import Agent, Runner

        other = Agent("Other", instructions="You answer.", model=model, handoff_description="Answers.")
        first = Agent("First", instructions="You hand over.", model=model, handoffs=[other])
        done = Runner.run_sync(first, "[[tool:transfer_to_other {}]] Hand over.")
        assert done.last_agent.name == "Other" and "assistant" in done.final_output

    def test_structured(self, model: Any) -> None:
        from agents import Agent, Runner

        assert Runner.run_sync(Agent("Trips", model=model, output_type=Trip), SAY).final_output == Trip(**TRIP)

    def test_stream(self, model: Any) -> None:
        from agents import Agent, Runner, function_tool

        async def run(prompt: str) -> tuple[list[str], list[str], str]:
            result = Runner.run_streamed(Agent("Counter", model=model, tools=[function_tool(get_weather)]), prompt)
            pieces, items = [], []
            async for event in result.stream_events():
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                    pieces.append(event.data.delta)
                elif event.type == "run_item_stream_event":
                    items.append(event.item.type)
            return pieces, items, result.final_output

        async def both() -> None:
            pieces, _, output = await run(STREAM)
            assert "".join(pieces) == output == "one two three four" and len(pieces) > 1
            _, items, output = await run(CALL)
            assert items.count("tool_call_item") == items.count("tool_call_output_item") == 1 and "-4 °C in Tromsø" in output

        asyncio.run(both())

    def test_reasoning(self, model: Any, api: MessagesAPI) -> None:
        """The signed thinking goes back with the call that it led to."""
        from agents import Agent, ModelSettings, Runner, function_tool
        from openai.types.shared import Reasoning

        settings = ModelSettings(reasoning=Reasoning(effort="medium", summary="auto"), store=False, max_tokens=20_000,
                                 response_include=["reasoning.encrypted_content"])
        agent = Agent("Thinker", model=model, model_settings=settings, tools=[function_tool(get_weather)])
        assert "-4 °C in Tromsø" in Runner.run_sync(agent, "[[thinking]] " + CALL).final_output
        assert [block["type"] for block in api.bodies()[1]["messages"][1]["content"]] == ["thinking", "text", "tool_use"]


class TestPydanticAI(PydanticAI):
    @pytest.fixture
    def model(self, direct: Proxy) -> Any:
        from pydantic_ai.models.openai import OpenAIResponsesModel
        from pydantic_ai.providers.openai import OpenAIProvider

        return OpenAIResponsesModel(MODEL, provider=OpenAIProvider(base_url=direct.url + "/openai/v1", api_key="any"))

    def test_reasoning(self, direct: Proxy, api: MessagesAPI) -> None:
        """Its profiles don't say of Claude's names that the reasoning may be sealed: the application does."""
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider

        model = OpenAIResponsesModel(MODEL, provider=OpenAIProvider(base_url=direct.url + "/openai/v1", api_key="any"),
                                     profile=OpenAIModelProfile(openai_supports_encrypted_reasoning_content=True))
        settings = OpenAIResponsesModelSettings(openai_reasoning_effort="medium", openai_reasoning_summary="auto", max_tokens=20_000)
        agent = Agent(model, tools=[get_weather], model_settings=settings)
        done = agent.run_sync("[[thinking]] " + CALL)
        assert any(part.part_kind == "thinking" and part.content for message in done.all_messages() for part in message.parts)
        assert [block["type"] for block in api.bodies()[1]["messages"][1]["content"]] == ["thinking", "text", "tool_use"]


class TestLangChain(LangChain):
    @pytest.fixture
    def model(self, direct: Proxy) -> Any:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=MODEL, base_url=direct.url + "/openai/v1", api_key="any", max_retries=0, use_responses_api=True)

    @pytest.mark.parametrize("prompt, calls", [(STREAM, []), (CALL, [{"city": "Tromsø"}])])
    def test_stream(self, model: Any, prompt: str, calls: list[Any]) -> None:
        from langchain_core.tools import tool

        pieces = list(model.bind_tools([tool(get_weather)]).stream(prompt))
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        assert [call["args"] for call in whole.tool_calls] == calls and len(pieces) > 2
        assert calls or whole.text == "one two three four"
        assert whole.usage_metadata["output_tokens"] > 0

    def test_previous_response_id(self, direct: Proxy, api: MessagesAPI) -> None:
        """The class chains by itself: it sends what came after the last response."""
        from langchain_core.messages import HumanMessage
        from langchain_openai import ChatOpenAI

        model = ChatOpenAI(model=MODEL, base_url=direct.url + "/openai/v1", api_key="any", max_retries=0,
                           use_responses_api=True, use_previous_response_id=True)
        first = model.invoke([HumanMessage("[[say:One.]] Count.")])
        last = model.invoke([HumanMessage("[[say:One.]] Count."), first, HumanMessage("[[say:Two.]] On.")])
        assert last.text == "Two." and [message["role"] for message in api.bodies()[1]["messages"]] == ["user", "assistant", "user"]
