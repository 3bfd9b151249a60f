#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A question about a picture, by OpenAI's SDK: openai_image.py [PNG [QUESTION]]"""
import base64
import os
import sys
import zlib

import openai

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/openai/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one


def png(color: bytes, size: int = 64) -> bytes:
    """A square of one colour, where no file was named."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
    rows = zlib.compress((b"\0" + color * size) * size)
    head = size.to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


image = open(sys.argv[1], "rb").read() if len(sys.argv) > 1 else png(b"\xd0\x20\x20")
data = base64.b64encode(image).decode()
question = " ".join(sys.argv[2:]) or "What do you see?"

completion = client.chat.completions.create(model="claude-sonnet-5-5", messages=[{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    {"type": "text", "text": question}]}])
print(completion.choices[0].message.content)
