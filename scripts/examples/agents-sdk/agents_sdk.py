#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two agents of the OpenAI Agents SDK, one with a tool: agents_sdk.py [QUESTION]

It asks by the Responses API, as the SDK does by default. OPENAI_BASE_URL says where the proxy is.
"""
import os
import sys

# Before the SDK is loaded: it reads them, and would send its traces to OpenAI.
os.environ.setdefault("OPENAI_BASE_URL", "http://localhost:8000/openai/v1")
os.environ.setdefault("OPENAI_API_KEY", "any")  # AUTH_TOKEN, where the proxy has one
os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

from agents import Agent, Runner, function_tool  # noqa: E402


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"-4 °C and snow in {city}"


model = "claude-sonnet-5-5"
weather = Agent("Weather", instructions="You know the weather.", model=model, tools=[get_weather],
                handoff_description="Knows the weather.")
reception = Agent("Reception", instructions="Hand over to whoever can answer.", model=model, handoffs=[weather])
done = Runner.run_sync(reception, " ".join(sys.argv[1:]) or "Do I need a coat in Oslo?")
print(f"{done.last_agent.name}: {done.final_output}")
