#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The request side of a front format of your own, called mini: makes Messages requests of mini requests.

usage: mini2anth.py [ID=TEXT]...        (README.md beside it has the whole pipeline)

A mini request is {"say": "text", "stream": true}. GET /mini/notes/{id} is answered here, with the notes that the
command line gives. Without any it is passed on, and the backend says that no stage answers it.
"""
import json
import sys

OWN = "mini"


def write(**record):
    sys.stdout.buffer.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def refuse(rid, ctx, status, kind, message, param=None):
    """Errors are in Anthropic's form up to the translator on the answer side, which makes mini's of them."""
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
    # Nothing is lost in silence: what has no counterpart is told in the header x-proxy-loss.
    loss = [{"field": name, "fate": "dropped", "unknown": True} for name in request if name not in known]
    if loss:
        ctx["loss"] = (ctx.get("loss", []) + loss)[:64]
    model = {"model": request["model"]} if "model" in request else {}
    write(rid=rid, ctx=ctx, request=model | {
        "max_tokens": 4096, "stream": stream, "messages": [{"role": "user", "content": say}]})


def note(rid, ctx, notes):
    if ctx.get("id") not in notes:
        return refuse(rid, ctx, 404, "not_found_error", f"there is no note {ctx.get('id')}")
    # An answer that is mini's already: the mark keeps the translator on the answer side away from it.
    write(rid=rid, ctx=ctx | {"translated": OWN}, begin={"status": 200, "headers": {}})
    write(rid=rid, response={"id": ctx["id"], "note": notes[ctx["id"]]})
    write(rid=rid, end={})


def take(line, notes):
    """Whether the line was a request of mini's, which is then answered or translated."""
    # A look at the bytes is enough for all others.
    if b'"request":' not in line or b'"dialect":"mini"' not in line:
        return False
    try:
        record = json.loads(line)
        rid, ctx, request = record["rid"], record["ctx"], record["request"]
        op, dialect = ctx.get("op", "messages"), ctx.get("dialect")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False  # A later stage says what is wrong with it.
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
