#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A loop with tools, by OpenAI's SDK: openai_tools.py [QUESTION]"""
import json
import os
import sys

import openai

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/openai/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


def get_weather(city: str) -> str:
    return f"-4 °C and snow in {city}"


messages = [{"role": "user", "content": " ".join(sys.argv[1:]) or "Do I need a coat in Oslo, and in Bergen?"}]
while True:
    completion = client.chat.completions.create(model="claude-sonnet-5-5", tools=TOOLS, messages=messages)
    message = completion.choices[0].message
    if not message.tool_calls:
        break
    messages.append(message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": get_weather(**json.loads(call.function.arguments))}
                 for call in message.tool_calls]
print(message.content)
