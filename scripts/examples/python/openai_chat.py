#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A question and its answer, whole, by OpenAI's SDK: openai_chat.py [QUESTION]"""
import os
import sys

import openai

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/openai/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one

completion = client.chat.completions.create(
    model="claude-sonnet-5-5",
    messages=[{"role": "system", "content": "Be brief."},
              {"role": "user", "content": " ".join(sys.argv[1:]) or "What is a Unix pipe?"}])
print(completion.choices[0].message.content)
print(f"{completion.usage.prompt_tokens} tokens in, {completion.usage.completion_tokens} out", file=sys.stderr)
