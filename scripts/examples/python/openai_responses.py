#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A conversation that the proxy keeps, by OpenAI's Responses API, with a tool: openai_responses.py [QUESTION]..."""
import json
import os
import sys

import openai

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/openai/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

TOOLS = [{"type": "function", "name": "get_weather", "description": "The weather of a city.", "strict": False,
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


def get_weather(city: str) -> str:
    return f"-4 °C and snow in {city}"


last = None
for question in sys.argv[1:] or ["Do I need a coat in Oslo, and in Bergen?", "And tomorrow?"]:
    sent = [{"role": "user", "content": question}]
    while sent:
        # Only what is new is sent: the proxy has the rest.
        with client.responses.stream(
                model="claude-sonnet-5-5", tools=TOOLS, input=sent, previous_response_id=last) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    print(event.delta, end="", flush=True)
            response = stream.get_final_response()
        last = response.id
        sent = [{"type": "function_call_output", "call_id": call.call_id, "output": get_weather(**json.loads(call.arguments))}
                for call in response.output if call.type == "function_call"]
    print()
