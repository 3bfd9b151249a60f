#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The request side of another API in front, called mini: translates mini requests to Messages requests.

usage: mini2anth.py [ID=TEXT]...        (README.md beside it has the whole pipeline)

A mini request is {"say": "text", "stream": true}. This filter answers GET /mini/notes/{id} with the notes of the command
line. Without notes it passes the request on, and the backend answers that no stage of the pipeline answers it.
"""
import json
import sys

OWN = "mini"


def write(**record):
    sys.stdout.buffer.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def refuse(rid, ctx, status, kind, message, param=None):
    """Writes an error in Anthropic's form, which the translator on the answer side translates to mini."""
    error = {"type": kind, "message": message} | ({"param": param} if param else {})
    body = {"type": "error", "error": error, "request_id": rid}
    write(rid=rid, ctx=ctx, error={"status": status, "headers": {}, "body": body})
    write(rid=rid, end={})


def translate(rid, ctx, request):
    say, stream = request.get("say"), request.get("stream", False)
    if not isinstance(say, str) or not say:
        return refuse(rid, ctx, 400, "invalid_request_error", "say: expected a text that is not empty", "say")
    if not isinstance(stream, bool):
        return refuse(rid, ctx, 400, "invalid_request_error", "stream: expected true or false", "stream")
    # model-map, an earlier stage, has put the model into the body.
    known = {"say", "stream", "model"}
    # The header x-proxy-loss names each field without a counterpart.
    loss = [{"field": name, "fate": "dropped", "unknown": True} for name in request if name not in known]
    if loss:
        ctx["loss"] = (ctx.get("loss", []) + loss)[:64]
    model = {"model": request["model"]} if "model" in request else {}
    write(rid=rid, ctx=ctx, request=model | {
        "max_tokens": 4096, "stream": stream, "messages": [{"role": "user", "content": say}]})


def note(rid, ctx, notes):
    if ctx.get("id") not in notes:
        return refuse(rid, ctx, 404, "not_found_error", f"the note {ctx.get('id')} does not exist")
    # With this mark the translator on the answer side passes the answer on.
    write(rid=rid, ctx=ctx | {"translated": OWN}, begin={"status": 200, "headers": {}})
    write(rid=rid, response={"id": ctx["id"], "note": notes[ctx["id"]]})
    write(rid=rid, end={})


def take(line, notes):
    """Answers or translates a mini request; returns False for any other line."""
    # Most other lines are not parsed, only searched.
    if b'"request":' not in line or b'"dialect":"mini"' not in line:
        return False
    try:
        record = json.loads(line)
        rid, ctx, request = record["rid"], record["ctx"], record["request"]
        op, dialect = ctx.get("op", "messages"), ctx.get("dialect")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False  # A later stage reports what is wrong with the line.
    if dialect != OWN:
        return False
    if op == "messages" and isinstance(request, dict):
        translate(rid, ctx, request)
    elif op == "note" and notes:
        note(rid, ctx, notes)
    else:
        return False
    return True


def main():
    notes = dict(word.split("=", 1) for word in sys.argv[1:])
    for line in sys.stdin.buffer:
        if not take(line, notes):
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
