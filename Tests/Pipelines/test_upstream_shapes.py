# SPDX-License-Identifier: MIT
"""claude-http: a success is only what has the shape of what was asked for; everything else is an error with a status."""
from __future__ import annotations

import json
import re
from typing import Any

import pytest
from backend import SECRET, ask_for
from http_backend import BEGUN, MESSAGE, STREAM, run  # noqa: F401
from messages_api import MessagesAPI
from upstream import Request, Upstream, Wire

OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"later"}}'
MODEL = b'{"type":"model","id":"m","display_name":"M","created_at":"2026-01-01T00:00:00Z"}'
# What a gateway may answer with status 200, and the status that the client must get.
NO_MESSAGES = [
    (OVERLOADED, 529), (b'{"error":{"type":"rate_limit_error","message":"slow"}}', 429),
    (b'{"error":{"message":"no","type":"invalid_request_error"},"content":[]}', 400),
    (b'{"error":{"message":"no","code":429}}', 429), (b'{"error":{"message":"no","status":503}}', 503),
    (b'{"error":{"message":"no","code":99999999999999999999}}', 502), (b'{"error":{"message":"no"}}', 502),
    (b'{"error":{"type":"new_error","message":"no"}}', 500), (b'{"error":{}}', 502), (b'{"error":"busy"}', 502),
    (b'{"type":"error"}', 502), (b'{"type":"error","error":null}', 502), (b"{}", 502), (b" { } ", 502), (b"[]", 502),
    (b'"busy"', 502), (b"null", 502), (b"true", 502), (b"7", 502), (b"", 502), (b"<html>hello</html>", 502),
    (b'{"content":[]', 502), (MESSAGE + MESSAGE, 502), (b'{"type":"message"}', 502), (b'{"content":null}', 502),
    (b'{"content":"text"}', 502), (b'{"content":{}}', 502), (b'{"content":["text"]}', 502), (b'{"content":[{}]}', 502),
    (b'{"type":"completion","content":[]}', 502), (b'{"choices":[{"message":{"content":"hi"}}]}', 502),
    (b'{"data":[]}', 502), (b'{"input_tokens":3}', 502), (b"[%s]" % MESSAGE, 502), (b'{"detail":"Not Found"}', 502)]
NO_STREAMS = [
    (b"", 502), (b": nothing\n\n", 502), (b"data: {}\n\n", 502), (b"data: []\n\n", 502), (b"data: [DONE]\n\n", 502),
    (b"event: error\ndata: %s\n\n" % OVERLOADED, 529), (b'data: {"error":{"type":"rate_limit_error"}}\n\n', 429),
    (b'data: {"type":"error"}\n\n', 502), (b'data: {"type":"message_stop"}\n\n', 502),
    (b'data: {"type":"message_start"}\n\n', 502), (b'data: {"type":"message_start","message":null}\n\n', 502),
    (STREAM[STREAM.index(b"event: content_block_delta"):], 502),
    (b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n', 502),
    (b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n', 502), (b"data: %s\n\n" % MESSAGE, 502)]


def error_of(records: list[Any]) -> dict[str, Any]:
    """The one error; nothing was shown before it."""
    assert [list(record)[-1] for record in records] == ["error", "end"], records
    return records[0]["error"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body, status", NO_MESSAGES)
def test_what_is_no_message(run, body: bytes, status: int, stream: bool) -> None:
    with Upstream(lambda wire, _: wire.answer(200, body)) as upstream:
        error = error_of(run(upstream.url).ask("hi", stream=stream))
    assert error["status"] == status and (error["body"]["error"].get("message") or status != 502)
    # The upstream's own words, where it has some.
    if status != 502 or b'"message":"no"' in body:
        assert error["body"] == json.loads(body)


@pytest.mark.parametrize("body, status", NO_STREAMS)
def test_what_is_no_stream(run, body: bytes, status: int) -> None:
    def play(wire: Wire, _: Request) -> None:
        wire.head()
        if body:
            wire.chunk(body)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        assert error_of(run(upstream.url).ask("hi", stream=True))["status"] == status


def test_a_stream_for_a_whole_and_a_whole_for_a_stream(run) -> None:
    def play(wire: Wire, request: Request) -> None:
        if json.loads(request.body).get("stream"):
            return wire.answer(200, MESSAGE)
        wire.head()
        wire.chunk(b"event: error\ndata: %s\n\n" % OVERLOADED if b"error" in request.body else STREAM)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        backend = run(upstream.url)
        for rid, text, stream, status in (("a", "hi", True, 502), ("b", "hi", False, 502), ("c", "error", False, 529)):
            assert error_of(backend.ask(text, rid=rid, stream=stream))["status"] == status


def test_two_messages_in_one_stream(run) -> None:
    """They would become one answer."""
    def play(wire: Wire, _: Request) -> None:
        wire.head()
        wire.chunk(BEGUN + STREAM)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        records = run(upstream.url).ask("hi", stream=True)
    assert [list(record)[-1] for record in records] == ["begin"] + 5 * ["event"] + ["error", "end"]
    assert records[-2]["error"]["status"] == 502 and "second message" in records[-2]["error"]["body"]["error"]["message"]


def test_a_stream_without_its_stop(run) -> None:
    def play(wire: Wire, _: Request) -> None:
        wire.head()
        wire.chunk(BEGUN)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        records = run(upstream.url).ask("hi", stream=True)
    assert records[-2]["error"]["status"] == 502


@pytest.mark.parametrize("op, good, bad", [
    ("count_tokens", b'{"input_tokens":3,"x":1}', [b"{}", b'{"input_tokens":"3"}', b'{"input_tokens":null}', MESSAGE]),
    ("models", b'{"data":[{"type":"model","id":"m"}],"has_more":false}', [
        b"{}", b"[]", b'{"data":{}}', b'{"data":[{}]}', b'{"data":["m"]}', b"<html>", b'{"data":[{"id":"m"}]}', MODEL, MESSAGE,
        b'{"data":[%s,%s]}' % (MODEL, MESSAGE), b'{"data":[{"type":"file","id":"m"}]}', b'{"type":"message","data":[]}']),
    ("models", b'{"object":"list","data":[{"id":"m","object":"model"}]}', [b'{"data":[{"id":"m","object":"file"}]}']),
    ("models", b'{"data":[]}', [b'{"data":[[]]}', b'{"data":null}']),
    ("model", MODEL, [b"{}", b"[]", b'{"id":1}', b'{"data":[]}', b'{"id":"m"}', b'{"type":"model"}', MESSAGE,
                      b'{"type":"model","id":1}', b'{"data":[%s]}' % MODEL, b'{"type":"file","id":"m"}',
                      b'{"type":"message","object":"model","id":"m"}', b'{"id":"m","object":"chat.completion"}']),
    ("model", b'{"id":"m","object":"model","created":1}', [b'{"id":"m","object":"list"}'])])
def test_the_other_operations(run, op: str, good: bytes, bad: list[bytes]) -> None:
    bodies = [good, *bad, OVERLOADED]
    with Upstream(lambda wire, _: wire.answer(200, bodies.pop(0))) as upstream:
        backend = run(upstream.url)
        for number, status in enumerate([200] + len(bad) * [502] + [529]):
            backend.request(f"r{number}", ask_for("hi") if op == "count_tokens" else None, op=op, model_id="m")
            records = backend.answer(f"r{number}")
            if status == 200:
                assert records[1]["response"] == json.loads(good)
            else:
                assert error_of(records)["status"] == status


def test_a_chain_goes_on(run) -> None:
    """An error with status 200 is declined by its own status."""
    def play(wire: Wire, request: Request) -> None:
        wire.answer(200, OVERLOADED if b"error" in request.body else b"{}")

    with Upstream(play) as upstream:
        backend = run(upstream.url, "--decline", "502,529")
        for rid, text in (("a", "error"), ("b", "empty")):
            backend.request(rid, ask_for(text))
            assert "messages" in backend.wait(rid, "request")["request"]


def test_halves_of_surrogate_pairs(run) -> None:
    """They become U+FFFD, in events of any kind and in whole answers; pairs and other escapes stay as they are."""
    odd = rb'\ud83d \uDE00x \ud83d\ud83d\ude00 \\ud83d \u00e9\n\ud83d'
    right = rb'\ufffd \ufffdx \ufffd\ud83d\ude00 \\ud83d \u00e9\n\ufffd'
    events = [b'{"type":"content_block_delta","index":0,"delta":{"type":"%s","%s":"%s"}}' % (kind, key, odd)
              for kind, key in ((b"text_delta", b"text"), (b"thinking_delta", b"thinking"), (b"input_json_delta", b"partial_json"))]

    def play(wire: Wire, request: Request) -> None:
        if not json.loads(request.body)["stream"]:
            return wire.answer(200, b'{"content":[{"type":"text","text":"%s"}]}' % odd)
        wire.head()
        wire.chunk(BEGUN + b"".join(b"data: %s\n\n" % event for event in events) + STREAM[len(BEGUN):])
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        backend = run(upstream.url)
        backend.ask("hi", rid="a", stream=False)
        assert backend.payloads("response") == [b'{"content":[{"type":"text","text":"%s"}]}' % right]
        backend.ask("hi", rid="b", stream=True)
        for event in events:
            assert event.replace(odd, right) in backend.payloads("event")


def test_details_of_an_error(start) -> None:
    """An SDK goes on without threads when it finds this code; each of the stages has to hand it on."""
    body = (b'{"type":"error","error":{"type":"invalid_request_error","message":"no threads here",'
            b'"details":{"error_code":"thread_unsupported_request","n":[1.0]}}}')
    with Upstream(lambda wire, _: wire.answer(400, body)) as upstream:
        proxy = start(BACKEND="claude-http,claude-echo", ANTHROPIC_BASE_URL=upstream.url, ANTHROPIC_API_KEY=SECRET)
        answer = proxy.ask("POST", "/v1/messages", ask_for("hi") | {"thread": {"id": "t_1"}})
        assert answer.status == 400 and answer.json["error"]["details"]["error_code"] == "thread_unsupported_request"
        assert json.loads(upstream.requests[0].body)["thread"] == {"id": "t_1"}
        answer = proxy.ask("POST", "/openai/v1/chat/completions", ask_for("hi"))
        assert answer.status == 400 and answer.json["error"]["message"] == "no threads here"


@pytest.mark.parametrize("decline", [False, True])
@pytest.mark.parametrize("size", [0, 100_000])
def test_the_mark_for_the_cache(run, size: int, decline: bool) -> None:
    """It is put before the last brace where the ctx asks for it, unless the body has one; nothing else changes."""
    text = b"x" * size
    mark = b'"cache_control":{"type":"ephemeral"}'
    bodies = [(b'{"a": 1.0,"t":"%s" }' % text, b'{"a": 1.0,"t":"%s" ,%s}' % (text, mark)), (b"{}", b"{%s}" % mark),
              (b"{ }", b"{ %s}" % mark), (b'{"cache_control":null,"t":"%s"}' % text, None)]
    with Upstream(lambda wire, _: wire.answer(200, MESSAGE)) as upstream:
        backend = run(upstream.url, *(("--decline", "529") if decline else ()))
        for number, (body, expected) in enumerate(bodies):
            for op, cache in (("messages", b'"auto"'), ("messages", b'"no"'), ("count_tokens", b'"auto"')):
                rid = b"%s%s%d" % (op.encode(), re.sub(b'"', b"", cache), number)
                backend.process.stdin.write(b'{"rid":"%s","ctx":{"op":"%s","cache":%s},"request":%s}\n' % (
                    rid, op.encode(), cache, body))
                backend.process.stdin.flush()
                backend.answer(rid.decode())
                marked = (op, cache) == ("messages", b'"auto"') and expected
                assert upstream.requests[-1].body == (expected if marked else body)


def test_numbers_that_are_none(run) -> None:
    """What an upstream says in its headers never ends the program."""
    def play(wire: Wire, _: Request) -> None:
        wire.answer(429, OVERLOADED, **{"retry_after": "99999999999999999999", "retry_after_ms": "1e400",
                                        "keep_alive": "timeout=99999999999999999999, max=-1", "date": "x",
                                        "request_id": "r" * 9_000})

    with Upstream(play) as upstream:
        backend = run(upstream.url, MAX_RETRIES="2")
        for rid in ("a", "b"):
            error = error_of(backend.ask("hi", rid=rid))
            assert error["status"] == 429 and error["headers"] == {
                "retry-after": "99999999999999999999", "retry-after-ms": "1e400"}


def test_a_name_of_a_model_without_end(run, api: MessagesAPI) -> None:
    backend = run(api.url)
    backend.request("a", None, op="model", model_id="m" * 100_000)
    error = error_of(backend.answer("a"))
    assert error["status"] == 404 and len(json.dumps(error)) < 1_000 and not api.records()
