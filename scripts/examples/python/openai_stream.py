#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An answer as it is written, by OpenAI's SDK: openai_stream.py [QUESTION]"""
import os
import sys

import openai

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/openai/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

stream = client.chat.completions.create(
    model="claude-sonnet-5-5", stream=True, stream_options={"include_usage": True},
    messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "Count to twenty in words."}])
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
    if chunk.usage:
        print(f"\n{chunk.usage.completion_tokens} tokens", file=sys.stderr)
print()
