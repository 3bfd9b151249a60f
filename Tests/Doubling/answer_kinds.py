# SPDX-License-Identifier: MIT
"""Answers of any size: one of each kind of list, map or long text that an answer may hold, as payloads by kind."""
from __future__ import annotations

from typing import Any, Callable

Json = dict[str, Any]
Payloads = list[tuple[str, Any]]
Make = Callable[[int], Payloads]

START = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                                              "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}
END = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}, {"type": "message_stop"}]
TEXT, THINKING = {"type": "text", "text": ""}, {"type": "thinking", "thinking": "", "signature": ""}


def stream(events: list[Json], start: Json = START) -> Payloads:
    return [("event", event) for event in [start, *events, *END]]


def whole(content: list[Json], **more: Any) -> Payloads:
    return [("response", {**START["message"], "content": content, "stop_reason": "end_turn", **more})]


def error(**members: Any) -> Payloads:
    return [("error", {"status": 400, "headers": {}, "body": {"type": "error", "error": {
        "type": "invalid_request_error", "message": "m"} | members}})]


def unknown(n: int) -> Json:
    return {f"unknown_{number}": number for number in range(n)}


def tool(number: Any, given: Json | None = None) -> Json:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "f", "input": given or {}}


def start(index: int, block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, part: Json) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": part}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def deltas(block: Json, parts: list[Json]) -> Payloads:
    return stream([start(0, block), *(delta(0, part) for part in parts), stop(0)])


def blocks(made: list[Json]) -> Payloads:
    return stream([event for index, block in enumerate(made) for event in (start(index, block), stop(index))])


def mixed(block: Callable[[int], Json], part: Json, n: int) -> Payloads:
    """All blocks are open at once, and end in the order that keeps the others waiting for longest."""
    return stream([*(start(index, block(index)) for index in range(n)), *(delta(index, part) for index in range(n)),
                   *(delta(index, part) for index in range(n)), *(stop(index) for index in reversed(range(n)))])


def text(said: str) -> Json:
    return {"type": "text_delta", "text": said}


def thought(said: str) -> Json:
    return {"type": "thinking_delta", "thinking": said}


def json_part(said: str) -> Json:
    return {"type": "input_json_delta", "partial_json": said}


CITATION = {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "x"}}
LINK = {"type": "web_search_result_location", "url": "https://a.example/", "title": "T", "cited_text": "x", "encrypted_index": "e"}


def search(number: int) -> Json:
    return {"type": "server_tool_use", "id": f"s{number}", "name": "web_search", "input": {}}


def found(number: int, n: int = 1) -> Json:
    return {"type": "web_search_tool_result", "tool_use_id": f"s{number}", "content": [
        {"type": "web_search_result", "url": "https://a.example/", "title": "T", "encrypted_content": "e"}] * n}


def searches(n: int) -> Payloads:
    """All searches begin before the first result comes."""
    return stream([event for index in range(n) for event in (start(index, search(index)), stop(index))]
                  + [event for index in range(n) for event in (start(n + index, found(index)), stop(n + index))])


def linked(n: int) -> Payloads:
    """Blocks of one text, each with a citation, between letters of several bytes."""
    return stream([event for index in range(n) for event in (
        start(index, TEXT), delta(index, text("naïve 🐟 ")), delta(index, CITED), stop(index))])


CITED = {"type": "citations_delta", "citation": LINK}
COMPACTION = {"type": "compaction", "content": None}
KINDS: dict[str, Make] = {
    # What only responses have a place for.
    "links": lambda n: deltas(TEXT, [text("word"), CITED] * n),
    "texts with a link each": linked,
    "whole texts with a link each": lambda n: whole([TEXT | {"text": "naïve", "citations": [LINK]}] * n),
    "searches": searches,
    "searches and their results": lambda n: blocks([block for number in range(n) for block in (search(number), found(number))]),
    "searches without a result": lambda n: blocks([search(number) for number in range(n)]),
    "results of a search": lambda n: blocks([search(1), found(1, n)]),
    "queries of a search": lambda n: deltas(search(1), [json_part("1")] * n),
    "compactions": lambda n: blocks([COMPACTION | {"content": "word"}] * n),
    "compaction deltas": lambda n: deltas(COMPACTION, [{"type": "compaction_delta", "content": "word"}] * n),
    "blocks of all kinds in turn": lambda n: blocks([TEXT | {"text": "a"}, THINKING | {"thinking": "b"}, tool(1)] * n),
    "text and calls at once": lambda n: mixed(lambda index: tool(index) if index % 2 else TEXT, {"type": "odd"}, n),
    # Parts of a block.
    "text deltas": lambda n: deltas(TEXT, [text("word")] * n),
    "thinking deltas": lambda n: deltas(THINKING, [thought("some word of a thought")] * n),
    "signature deltas": lambda n: deltas(THINKING, [{"type": "signature_delta", "signature": "c2ln"}] * n),
    "input deltas": lambda n: deltas(tool(1), [json_part("1")] * n),
    "input deltas of a server tool": lambda n: deltas({"type": "server_tool_use", "id": "s", "name": "f", "input": {}}, [json_part("1")] * n),
    "citation deltas": lambda n: deltas(TEXT, [CITATION] * n),
    "unknown deltas": lambda n: deltas(TEXT, [{"type": f"unknown_{number}", "text": "a"} for number in range(n)]),
    "deltas of no block": lambda n: stream([delta(7, text("word")) for _ in range(n)]),
    "deltas without an index": lambda n: stream([{"type": "content_block_delta", "delta": thought("word")} for _ in range(n)]),
    "halves of escapes": lambda n: deltas(tool(1), [json_part("\\"), json_part("ud83d")] * n),
    # Blocks.
    "text blocks": lambda n: blocks([TEXT | {"text": "word"}] * n),
    "thinking blocks": lambda n: blocks([THINKING | {"thinking": "hm", "signature": "c2ln"}] * n),
    "redacted blocks": lambda n: blocks([{"type": "redacted_thinking", "data": "AA=="}] * n),
    "tool blocks": lambda n: blocks([tool(number) for number in range(n)]),
    "unknown blocks": lambda n: blocks([{"type": f"unknown_{number}", "text": "a"} for number in range(n)]),
    "blocks of an unknown type": lambda n: blocks([{"type": "unknown"}] * n),
    "blocks at one index": lambda n: stream([start(0, TEXT | {"text": "a"}) for _ in range(n)]),
    "blocks without an index": lambda n: stream([{"type": "content_block_start", "content_block": tool(number)} for number in range(n)]),
    "blocks that have no end": lambda n: stream([start(index, THINKING) for index in range(n)]),
    "ends of no block": lambda n: stream([stop(index) for index in range(n)]),
    "texts at once": lambda n: mixed(lambda index: TEXT, text("word"), n),
    "thinking at once": lambda n: mixed(lambda index: THINKING, thought("word"), n),
    "tools at once": lambda n: mixed(tool, json_part("1"), n),
    "unknown blocks at once": lambda n: mixed(lambda index: {"type": f"unknown_{index}"}, text("word"), n),
    "a text that waits": lambda n: stream([start(0, TEXT), start(1, TEXT), *(delta(1, text("word")) for _ in range(n))]),
    "a thought that waits": lambda n: stream([start(0, THINKING), start(1, THINKING), *(delta(1, thought("word")) for _ in range(n))]),
    # Other events, and members of events.
    "pings": lambda n: stream([{"type": "ping"}] * n),
    "unknown events": lambda n: stream([{"type": f"unknown_{number}"} for number in range(n)]),
    "ends of the message": lambda n: stream([END[0]] * n),
    "reports of usage": lambda n: stream([{**END[0], "usage": {f"tokens_{number}": 1}} for number in range(n)])[:-2],
    "members of usage": lambda n: stream([], {**START, "message": {**START["message"], "usage": unknown(n)}}),
    "members of a start": lambda n: stream([], {**START, "message": START["message"] | unknown(n)}),
    "members of a block": lambda n: blocks([THINKING | unknown(n)]),
    "members of an event": lambda n: stream([{"type": "ping"} | unknown(n)]),
    "details of a stop": lambda n: stream([{**END[0], "delta": {"stop_reason": "refusal", "stop_details": unknown(n)}}]),
    # Whole answers.
    "texts": lambda n: whole([TEXT | {"text": "word"}] * n),
    "texts with citations": lambda n: whole([TEXT | {"text": "word", "citations": [CITATION["citation"]]}] * n),
    "citations": lambda n: whole([TEXT | {"text": "word", "citations": [CITATION["citation"]] * n}]),
    "thoughts": lambda n: whole([THINKING | {"thinking": "hm"}] * n),
    "calls": lambda n: whole([tool(number, {"a": 1}) for number in range(n)]),
    "the input of a call": lambda n: whole([tool(1, unknown(n))]),
    "unknown contents": lambda n: whole([{"type": f"unknown_{number}", "text": "a"} for number in range(n)]),
    "usage": lambda n: whole([], usage=unknown(n)),
    "members of an answer": lambda n: whole([], **unknown(n)),
    "models": lambda n: [("response", {"data": [{"type": "model", "id": f"m{number}", "created_at": "2026-01-01T00:00:00Z"} for number in range(n)]})],
    # Errors.
    "an error's message": lambda n: error(message="word " * n),
    "an error's members": lambda n: error(**unknown(n)),
    "an error's param": lambda n: error(param="p" * n),
    "an error's headers": lambda n: [("error", {**error()[0][1], "headers": {f"x-{number}": "v" for number in range(n)}})],
    # Long texts.
    "a long text": lambda n: deltas(TEXT, [text("word " * n)]),
    "a text of escapes": lambda n: deltas(TEXT, [text("\"\n\\\u0001" * n)]),
    "a text of halves of pairs": lambda n: deltas(TEXT, [text("\ud83d\n" * n)]),
    "input of halves of pairs": lambda n: deltas(tool(1), [json_part("\\ud83d" * n)]),
    "a long whole text": lambda n: whole([TEXT | {"text": "word\n" * n}]),
    "a long type": lambda n: blocks([{"type": "t" * n}]),
    "literal data": lambda n: [("event", "line\n\r" * n)],
}
# What the ctx, `begin` and `end` may hold: what is added to the ctx, the head, and the end.
CONTEXTS: dict[str, Callable[[int], tuple[Json, Json, Json]]] = {
    "losses": lambda n: ({"loss": [{"field": f"field_{number}", "fate": "dropped"} for number in range(n)]}, {}, {}),
    "unknown losses": lambda n: ({"loss": [{"field": f"field_{number}", "fate": "dropped", "unknown": True} for number in range(n)]}, {}, {}),
    "long losses": lambda n: ({"loss": [{"field": "f" * n, "fate": "dropped" * n}]}, {}, {}),
    "losses of the end": lambda n: ({}, {}, {"loss": [{"field": f"field_{number}", "fate": "dropped"} for number in range(n)]}),
    "headers of the ctx": lambda n: ({"headers": {f"x-{number}": "v" for number in range(n)}}, {}, {}),
    "a long header of the ctx": lambda n: ({"headers": {"x-a": "v" * n}}, {}, {}),
    "headers": lambda n: ({}, {f"x-{number}": "v" for number in range(n)}, {}),
    "one header": lambda n: ({}, {"x-a": "v" * n}, {}),
    "members of the ctx": lambda n: (unknown(n), {}, {}),
    "members of the end": lambda n: ({}, {}, unknown(n)),
    "a long model": lambda n: ({"model": {"asked": "m" * n, "effective": "m" * n}}, {}, {}),
}
