#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands between responses-store load and save: what the translators and a backend would make of a request.

The answer's text says how many items came in, and the id of the first. ``metadata.do`` asks for an answer of another
kind. The requests that came are written to the file that is named.
"""
from __future__ import annotations

import json
import sys
from typing import Any, Iterator

Json = dict[str, Any]


def output(core: str, body: Json) -> list[Json]:
    items = body["input"] if isinstance(body["input"], list) else [{}]
    said = f"{len(items)} items from {items[0].get('id') if items else None} on "
    text = said + "x" * body.get("metadata", {}).get("length", 0)
    return [{"id": f"rs_{core}_0", "type": "reasoning", "summary": []},
            {"id": f"msg_{core}_1", "type": "message", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": text, "annotations": []}]}]


def answer(rid: str, ctx: Json, body: Json) -> Iterator[Json]:
    do = body.get("metadata", {}).get("do")
    core = body.get("metadata", {}).get("core", rid)
    head = {"rid": rid, "ctx": ctx | {"translated": "responses"}}
    if do == "error":
        yield head | {"error": {"status": 500, "headers": {}, "body": {}}}
        yield {"rid": rid, "end": {}}
        return
    yield head | {"begin": {"status": 200, "headers": {}}}
    state = {"failed": "failed", "incomplete": "incomplete"}.get(do, "completed")
    response = {"id": f"resp_{core}", "object": "response", "status": state, "error": None, "output": output(core, body),
                "previous_response_id": body.get("previous_response_id"), "usage": {"input_tokens": 1}}
    if do == "broken":
        yield {"rid": rid, "event": {"type": "response.created", "sequence_number": 0, "response": response | {"output": []}}}
    else:
        if "responses-store" in ctx and state != "failed":
            yield {"rid": rid, "keep": {f"rs_{core}_0": f"cpr1.{core}"}}
        if body.get("stream"):
            yield {"rid": rid, "event": {"type": "response.output_text.delta", "sequence_number": 0, "delta": "…"}}
            yield {"rid": rid, "event": {"type": f"response.{state}", "sequence_number": 1, "response": response}}
        else:
            yield {"rid": rid, "response": response}
    yield {"rid": rid, "end": {}}


def main() -> None:
    seen = open(sys.argv[1], "ab", buffering=0) if len(sys.argv) > 1 else None
    for line in sys.stdin.buffer:
        # What is no request of the dialect passes: answers of load, and cancels, which would end at the backend.
        record = json.loads(line)
        if record["rid"].startswith("held") and "request" in record:
            continue
        if "request" not in record or record["ctx"].get("dialect") != "responses":
            sys.stdout.buffer.write(line)
        else:
            if seen:
                seen.write(line)
            for made in answer(record["rid"], record["ctx"], record["request"]):
                sys.stdout.buffer.write(json.dumps(made, separators=(",", ":")).encode() + b"\n")
        sys.stdout.buffer.flush()


main()
