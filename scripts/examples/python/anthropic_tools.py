#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A loop with tools, by Anthropic's SDK: anthropic_tools.py [QUESTION]"""
import os
import sys

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://localhost:8000"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

TOOLS = [{"name": "get_weather", "description": "The weather of a city.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


def get_weather(city: str) -> str:
    return f"-4 °C and snow in {city}"


messages = [{"role": "user", "content": " ".join(sys.argv[1:]) or "Do I need a coat in Oslo, and in Bergen?"}]
while True:
    message = client.messages.create(model="claude-sonnet-5-5", max_tokens=1000, tools=TOOLS, messages=messages)
    calls = [block for block in message.content if block.type == "tool_use"]
    if not calls:
        break
    messages.append({"role": "assistant", "content": message.content})
    messages.append({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": call.id, "content": get_weather(**call.input)} for call in calls]})
print("".join(block.text for block in message.content if block.type == "text"))
