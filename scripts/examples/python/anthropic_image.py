#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A question about a picture, by Anthropic's SDK: anthropic_image.py [PNG [QUESTION]]"""
import base64
import os
import sys
import zlib

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://localhost:8000"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "any"))  # AUTH_TOKEN, where the proxy has one


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

message = client.messages.create(model="claude-sonnet-5-5", max_tokens=1000, messages=[{"role": "user", "content": [
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
    {"type": "text", "text": question}]}])
print("".join(block.text for block in message.content if block.type == "text"))
