# SPDX-License-Identifier: MIT
"""Twice the input costs a filter twice the time, whatever of it is doubled.

A filter serves all clients one after the other. What takes more than its share for one large input holds up all the
others.
"""
from __future__ import annotations

import json
import sys
from typing import Any, Callable

import answer_kinds
import conftest
import pytest
import request_kinds
import responses_kinds
import store_kinds
from measure import LIMIT, Make, filter_of, ratio

Json = dict[str, Any]
# What is nested deeply is written by a function that calls itself.
sys.setrecursionlimit(20_000)
REQUEST_SIDE = ["rate-limit", "model-map", "oai2anth"]
ANSWER_SIDE = ["anth2oai", "anth2resp", "sse-encode"]
# The dialect that a program translates; to others the answers go in Anthropic's words.
DIALECTS = {"anth2oai": "openai", "anth2resp": "responses"}
# What the request side tells anth2resp: all that makes it do more.
NOTE = {"resp2anth": {"stream": True, "reasoning": True, "summary": True, "encrypted": True}}
CTX = {"op": "messages", "dialect": "openai", "http": {"time": 1_700_000_000_000_000, "peer": "127.0.0.1", "headers": {}},
       "model": {"asked": "claude-sonnet-4-5", "effective": "claude-sonnet-4-5"}}


# The inputs of the kind at hand, by size.
INPUTS: dict[str, dict[tuple[int, int], bytes]] = {}


def lines(records: list[Json], copies: int = 1) -> bytes:
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    return "".join(text.replace('{"rid":"R"', '{"rid":"r%d"' % number) for number in range(copies)).encode()


def request(body: Json, copies: int = 1, **ctx: Any) -> bytes:
    return lines([{"rid": "R", "ctx": CTX | ctx, "request": body}], copies)


def answer(program: str, payloads: answer_kinds.Payloads, ctx: Json = {}, headers: Json = {}, end: Json = {}) -> bytes:
    """An answer as that program gets it: to sse-encode it goes in Anthropic's words, which need no translation."""
    ctx = CTX | {"dialect": DIALECTS.get(program, "anthropic")} | (NOTE if program == "anth2resp" else {}) | ctx
    if payloads[0][0] == "error":
        return lines([{"rid": "R", "ctx": ctx, "error": payloads[0][1]}, {"rid": "R", "end": end}])
    return lines([{"rid": "R", "ctx": ctx, "begin": {"status": 200, "headers": headers}},
                  *({"rid": "R", kind: payload} for kind, payload in payloads), {"rid": "R", "end": end}])


def check(program: str, name: str, make: Make, most: int = 1 << 30) -> None:
    # All programs of a side get the same inputs, one after the other.
    inputs = INPUTS.setdefault(name, {})
    if len(INPUTS) > 1:
        INPUTS.clear()
        INPUTS[name] = inputs

    def made(size: int, times: int) -> bytes:
        return inputs.get((size, times)) or inputs.setdefault((size, times), make(size, times))
    found, cost = ratio(filter_of(program), made, most)
    conftest.FOUND.append((found, program, name))
    assert found <= LIMIT, f"{program}: {found:.2f} times the cost for twice as much ({name}: {cost:.3f} s)"


@pytest.mark.parametrize("program", REQUEST_SIDE)
@pytest.mark.parametrize("name", request_kinds.KINDS)
def test_requests(program: str, name: str) -> None:
    check(program, name, lambda size, times: request(request_kinds.KINDS[name](size * times)))


@pytest.mark.parametrize("program", REQUEST_SIDE)
@pytest.mark.parametrize("name", request_kinds.DEEP)
def test_deep_requests(program: str, name: str) -> None:
    """The depth is doubled; it is limited, so there are as many requests as it takes to be measured."""
    depth = request_kinds.MOST_DEEP // 2
    check(program, name, lambda size, times: request(request_kinds.DEEP[name](depth * times), size))


@pytest.mark.parametrize("name", responses_kinds.KINDS)
def test_responses_requests(name: str) -> None:
    check("resp2anth", "responses: " + name, lambda size, times: request(responses_kinds.KINDS[name](size * times), dialect="responses"))


@pytest.mark.parametrize("name", responses_kinds.DEEP)
def test_deep_responses_requests(name: str) -> None:
    depth = request_kinds.MOST_DEEP // 2
    check("resp2anth", "responses: " + name, lambda size, times: request(responses_kinds.DEEP[name](depth * times), size, dialect="responses"))


@pytest.mark.parametrize("program", REQUEST_SIDE)
@pytest.mark.parametrize("name", [name for name, make in answer_kinds.CONTEXTS.items() if make(1)[0]])
def test_contexts_of_requests(program: str, name: str) -> None:
    check(program, name, lambda size, times: request(request_kinds.body(seed=1), **answer_kinds.CONTEXTS[name](size * times)[0]))


@pytest.mark.parametrize("program", REQUEST_SIDE)
def test_many_requests(program: str) -> None:
    check(program, "requests", lambda size, times: request(request_kinds.body(), size * times))


@pytest.mark.parametrize("program", ANSWER_SIDE)
@pytest.mark.parametrize("name", answer_kinds.KINDS)
def test_answers(program: str, name: str) -> None:
    check(program, name, lambda size, times: answer(program, answer_kinds.KINDS[name](size * times)))


@pytest.mark.parametrize("name", ["text", "requests", "answers"])
def test_stages_in_one_process(name: str) -> None:
    """Each stage has been measured alone; here it is what lies between them."""
    make: dict[str, Make] = {
        "text": lambda size, times: request({"model": "gpt-4o", "messages": [{"role": "user", "content": "word " * (size * times)}]}),
        "requests": lambda size, times: request(request_kinds.body(), size * times),
        "answers": lambda size, times: answer("anth2oai", answer_kinds.deltas(answer_kinds.tool(1), [answer_kinds.json_part("x")] * (size * times)))}
    stages = "anth2oai | sse-encode" if name == "answers" else "rate-limit --requests 0 | model-map | oai2anth | resp2anth"
    check(f"claude-pipe '{stages}'", f"{name} in one process", make[name])


@pytest.mark.parametrize("name, piece", [("keys", '"_a":[{"_a":'), ("keys", "x"), ("custom", '{"input":"'), ("custom", " "), ("custom", "x")])
def test_inputs_that_go_back_in_the_clients_terms(name: str, piece: str) -> None:
    """The names of properties are put back, and the text of a custom tool is taken out, while the input comes in."""
    known = {"f": {"keys": {"_a": "$a"}} if name == "keys" else {"custom": True}}
    for program, note in (("anth2oai", "oai2anth"), ("anth2resp", "resp2anth")):
        check(program, f"{name} {piece}", lambda size, times: answer(program, answer_kinds.deltas(
            answer_kinds.tool(1), [answer_kinds.json_part(piece)] * (size * times)), ctx={note: {"tools": known}}))


@pytest.mark.parametrize("name, make", [
    ("echo", lambda n: {"echo": answer_kinds.unknown(n)}), ("text", lambda n: {"echo": {"instructions": "word " * n}}),
    ("tools", lambda n: {"tools": {f"t{number}": {"name": "f", "namespace": "n"} for number in range(n)}})])
def test_notes_for_a_response(name: str, make: Callable[[int], Json]) -> None:
    check("anth2resp", f"a note of {name}", lambda size, times: answer(
        "anth2resp", answer_kinds.blocks([answer_kinds.tool(1)]), ctx={"resp2anth": make(size * times)}))


def test_thinking_that_a_store_keeps() -> None:
    check("anth2resp", "kept thinking", lambda size, times: answer(
        "anth2resp", answer_kinds.KINDS["thinking blocks"](size * times),
        ctx={"resp2anth": {"stream": True}, "responses-store": {"key": 1}}))


@pytest.mark.parametrize("program", ANSWER_SIDE)
@pytest.mark.parametrize("name", answer_kinds.CONTEXTS)
def test_contexts_of_answers(program: str, name: str) -> None:
    def make(size: int, times: int) -> bytes:
        ctx, headers, end = answer_kinds.CONTEXTS[name](size * times)
        return answer(program, answer_kinds.whole([]), ctx=ctx, headers=headers, end=end)
    check(program, name, make)


@pytest.mark.parametrize("program", ANSWER_SIDE)
def test_many_open_answers(program: str) -> None:
    """All answers begin before the first one goes on."""
    def make(size: int, times: int) -> bytes:
        one = answer(program, answer_kinds.deltas(answer_kinds.TEXT, [answer_kinds.text("word")] * 5)).splitlines(True)
        return b"".join(line.replace(b'{"rid":"r0"', b'{"rid":"r%d"' % number) for line in one for number in range(size * times))
    check(program, "open answers", make, most=8_000)


@pytest.mark.parametrize("name", store_kinds.REQUESTS)
def test_requests_that_are_kept(name: str) -> None:
    check("responses-store load", f"to be kept: {name}", lambda size, times: request(
        {"model": "m", **store_kinds.REQUESTS[name](size * times)}, dialect="responses"))


def test_many_requests_that_are_kept() -> None:
    check("responses-store load", "requests to be kept", lambda size, times: request(
        {"model": "m", "input": "word"}, size * times, dialect="responses"))


@pytest.mark.parametrize("name", store_kinds.ANSWERS)
def test_answers_that_are_kept(name: str) -> None:
    def make(size: int, times: int) -> bytes:
        return lines([{"rid": "R", "ctx": CTX | {"dialect": "responses", "responses-store": {"key": 1}}, "begin": {"status": 200, "headers": {}}},
                      *({"rid": "R", **record} for record in store_kinds.ANSWERS[name](size * times)), {"rid": "R", "end": {}}])
    check("responses-store save", f"kept: {name}", make)
