#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The answer side of another API in front, called mini: translates Messages answers to mini answers.

usage: anth2mini.py        (README.md beside it has the whole pipeline)

A whole answer is {"said": "text", "stopped": "end_turn"}. A stream is an event {"piece": "text"} for each piece, and
{"done": "end_turn"} at its end. An error is {"error": {"type": …, "message": …, "param": …}}, as the server's own are.
"""
import json
import sys

OWN = "mini"
# The answers that have begun, and not ended.
under_way = set()


def written(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def mini_error(error):
    said = error.get("body", {}).get("error", {})
    fields = {name: said.get(name) for name in ("type", "message", "param")}
    return error | {"body": {"error": fields}}


def mini_event(event):
    """The mini event for an event; None if mini has none."""
    if event.get("type") == "content_block_delta" and event["delta"].get("type") == "text_delta":
        return {"piece": event["delta"]["text"]}
    if event.get("type") == "message_delta" and event["delta"].get("stop_reason"):
        return {"done": event["delta"]["stop_reason"]}
    return None


def mini_response(message):
    text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    return {"said": text, "stopped": message["stop_reason"]}


def translated(line):
    """What is written for a line: the line itself, unless it belongs to an answer for mini."""
    record = json.loads(line)
    rid, ctx = record["rid"], record.get("ctx")
    # Only the first record of an answer has a context.
    if ctx is not None:
        if ctx.get("dialect") != OWN or "translated" in ctx:
            return line
        ctx["translated"] = OWN
    elif rid not in under_way:
        return line
    if "begin" in record:
        under_way.add(rid)
    elif "event" in record:
        event = mini_event(record["event"])
        return written({"rid": rid, "event": event}) if event else b""
    elif "response" in record:
        record["response"] = mini_response(record["response"])
    elif "error" in record:
        record["error"] = mini_error(record["error"])
    elif "end" in record:
        under_way.discard(rid)
        return line
    else:
        return line
    return written(record)


def main():
    for line in sys.stdin.buffer:
        try:
            line = translated(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # A later stage reports what is wrong with the line.
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    # The backend has ended, so no more records of these answers will come.
    for rid in under_way:
        error = {"type": "api_error", "message": "the answer ended before it was complete", "param": None}
        sys.stdout.buffer.write(written({"rid": rid, "error": {"status": 502, "headers": {}, "body": {"error": error}}}))
        sys.stdout.buffer.write(written({"rid": rid, "end": {}}))


if __name__ == "__main__":
    main()
