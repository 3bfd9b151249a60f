#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A filter in Python: every message request is given one more sentence of its system prompt.

usage: PIPELINE='model-map | oai2anth | scripts/examples/filters/remind.py "Answer in rhymes." | claude-exec | anth2oai | sse-encode'

What makes a good filter: it reads line by line (iterating over a pipe that is opened as text would too, but bytes stay as
they are this way), writes a line before it waits for the next one, and hands on what isn't its own as the bytes that came.
"""
import json
import sys


def reminded(request: dict, sentence: str) -> dict:
    system = request.get("system") or []
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    return request | {"system": [*blocks, {"type": "text", "text": sentence}]}


def main() -> None:
    sentence = " ".join(sys.argv[1:]) or "Be brief."
    for line in sys.stdin.buffer:
        # A look at the bytes is enough for most lines: those of answers never come here, a cancel does.
        if b'"request":' in line:
            try:
                record = json.loads(line)
                if isinstance(record.get("request"), dict) and "messages" in record["request"]:
                    record["request"] = reminded(record["request"], sentence)
                    line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            except (ValueError, AttributeError, TypeError):
                pass  # No record of ours to judge: a later stage says so.
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
