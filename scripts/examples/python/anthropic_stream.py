#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An answer as it is written, by Anthropic's SDK: anthropic_stream.py [QUESTION]"""
import os
import sys

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://localhost:8000"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

with client.messages.stream(
        model="claude-sonnet-5-5", max_tokens=1000,
        messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "Count to twenty in words."}]) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
print("stopped for", stream.get_final_message().stop_reason, file=sys.stderr)
