#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A question and its answer, whole, by Anthropic's SDK: anthropic_chat.py [QUESTION]"""
import os
import sys

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://localhost:8000"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

message = client.messages.create(
    model="claude-sonnet-5-5", max_tokens=1000, system="Be brief.",
    messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "What is a Unix pipe?"}])
print("".join(block.text for block in message.content if block.type == "text"))
print(f"{message.usage.input_tokens} tokens in, {message.usage.output_tokens} out", file=sys.stderr)
