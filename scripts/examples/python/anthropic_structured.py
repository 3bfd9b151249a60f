#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An answer of a given form, by Anthropic's SDK: anthropic_structured.py [QUESTION]"""
import os
import sys

import anthropic
from pydantic import BaseModel

client = anthropic.Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://localhost:8000"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one


class Trip(BaseModel):
    city: str
    days: int


message = client.messages.parse(
    model="claude-sonnet-5-5", max_tokens=1000, output_format=Trip,
    messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "Plan a short trip to the north of Norway."}])
trip = message.parsed_output
print(f"{trip.days} days in {trip.city}")
