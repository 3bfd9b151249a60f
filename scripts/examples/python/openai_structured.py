#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An answer of a given form, by OpenAI's SDK: openai_structured.py [QUESTION]"""
import os
import sys

import openai
from pydantic import BaseModel

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/openai/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one


class Trip(BaseModel):
    city: str
    days: int


completion = client.chat.completions.parse(
    model="claude-sonnet-5-5", response_format=Trip,
    messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "Plan a short trip to the north of Norway."}])
trip = completion.choices[0].message.parsed
print(f"{trip.days} days in {trip.city}")
