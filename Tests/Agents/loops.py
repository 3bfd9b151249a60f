# SPDX-License-Identifier: MIT
"""The prompts that all libraries get, and the tests of two of them by whichever of their classes asks.

The fixture `model` of a subclass gives the model's object.
"""
from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

MODEL = "claude-sonnet-4-6"
TRIP = {"city": "Tromsø", "days": 3}
CALL = '[[tool:get_weather {"city":"Tromsø"}]] What is the weather?'
TWO_CALLS = '[[tool:get_weather {"city":"Oslo"}]] [[tool:get_weather {"city":"Bergen"}]] And there?'
SAY = "[[say:" + json.dumps(TRIP, ensure_ascii=False) + "]] Plan a trip."
STREAM = "[[say:one two three four]] Count."


class Trip(BaseModel):
    """A trip to somewhere."""

    city: str
    days: int = Field(ge=1, le=30)


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"-4 °C in {city}"


class PydanticAI:
    def test_tool_loop(self, model: Any) -> None:
        from pydantic_ai import Agent

        agent = Agent(model, tools=[get_weather], instructions="Be brief.")
        done = agent.run_sync(CALL)
        assert "-4 °C in Tromsø" in done.output
        again = agent.run_sync(TWO_CALLS, message_history=done.all_messages())
        assert "-4 °C in Oslo" in again.output and "-4 °C in Bergen" in again.output

    @pytest.mark.parametrize("way", ["tool", "native", "prompted"])
    def test_structured(self, model: Any, way: str) -> None:
        from pydantic_ai import Agent, NativeOutput, PromptedOutput

        kinds: dict[str, Any] = {"tool": Trip, "native": NativeOutput(Trip), "prompted": PromptedOutput(Trip)}
        prompt = f"[[tool:final_result {json.dumps(TRIP)}]]" if way == "tool" else SAY
        assert Agent(model, output_type=kinds[way]).run_sync(prompt).output == Trip(**TRIP)

    def test_stream(self, model: Any) -> None:
        from pydantic_ai import Agent

        async def run() -> list[str]:
            async with Agent(model, tools=[get_weather]).run_stream(STREAM) as stream:
                return [text async for text in stream.stream_text(delta=True, debounce_by=None)]

        pieces = asyncio.run(run())
        assert "".join(pieces) == "one two three four" and len(pieces) > 1


class LangChain:
    def test_tool_loop(self, model: Any) -> None:
        from langchain_core.messages import HumanMessage, SystemMessage
        from langchain_core.tools import tool

        weather = tool(get_weather)
        bound = model.bind_tools([weather])
        messages: list[Any] = [SystemMessage("Be brief."), HumanMessage(TWO_CALLS)]
        first = bound.invoke(messages)
        assert [call["args"] for call in first.tool_calls] == [{"city": "Oslo"}, {"city": "Bergen"}]
        messages += [first, *[weather.invoke(call) for call in first.tool_calls]]
        last = bound.invoke(messages)
        assert "-4 °C in Oslo" in last.text and "-4 °C in Bergen" in last.text
        assert last.usage_metadata["total_tokens"] > 0

    def test_structured(self, model: Any) -> None:
        asks = f"[[tool:Trip {json.dumps(TRIP)}]]"
        assert model.with_structured_output(Trip, method="function_calling").invoke(asks) == Trip(**TRIP)
        assert model.with_structured_output(Trip, method="json_schema").invoke(SAY) == Trip(**TRIP)
