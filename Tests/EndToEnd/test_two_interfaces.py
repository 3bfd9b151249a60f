# SPDX-License-Identifier: MIT
"""Both interfaces answer on one server, whole and as a stream, without an SDK: what curl would see."""
from __future__ import annotations

import pytest
from messages_api import ANSWER, MessagesAPI
from server import Proxy
from wire import text_of

# The model is retired: a request for it must work all the same.
RETIRED = "claude-3-5-sonnet-20241022"
BEARER = {"authorization": "Bearer any"}
VERSION = {"anthropic-version": "2023-06-01"}


def hello(**more: object) -> dict:
    return {"model": RETIRED, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 100} | more


def check_headers(headers: dict[str, str], sent: dict) -> None:
    assert headers["x-request-id"]
    assert headers["x-claude-model"] == sent["model"], "the effective model is said"
    assert sent["model"].startswith("claude-sonnet-") and sent["model"] != RETIRED


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_anthropic_whole(proxy: Proxy, api: MessagesAPI, sent, path: str) -> None:
    """Nothing marks the request as OpenAI's, so the answer is a message."""
    answer = proxy.ask("POST", path, hello())
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["type"] == "message" and answer.json["role"] == "assistant"
    assert answer.json["content"] == [{"type": "text", "text": ANSWER}]
    assert answer.json["stop_reason"] == "end_turn"
    assert answer.json["usage"]["cache_read_input_tokens"] == 22
    assert sent()["max_tokens"] == 100
    check_headers(answer.headers, sent())


def test_openai_whole(proxy: Proxy, api: MessagesAPI, sent) -> None:
    answer = proxy.ask("POST", "/openai/v1/chat/completions", hello())
    assert answer.status == 200, answer.body
    body = answer.json
    assert body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-") and body["created"] > 1.7e9
    assert body["model"] == RETIRED, "the name that was asked for"
    [choice] = body["choices"]
    assert choice["message"]["content"] == ANSWER and choice["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 22
    check_headers(answer.headers, sent())


def test_anthropic_stream(proxy: Proxy, api: MessagesAPI, sent) -> None:
    """Each event has its name, in the order of the API, and they begin while most is still to come."""
    stream = proxy.stream("/v1/chat/completions", hello(
        stream=True, messages=[{"role": "user", "content": "[[len:30]] [[slow:0.05]]"}]))
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-cache" and stream.headers["x-accel-buffering"] == "no"
    check_headers(stream.headers, sent())
    events = list(stream)
    names = [event.name for event in events if event.name != "ping"]
    assert names == ["message_start", "content_block_start"] + ["content_block_delta"] * 30 + [
        "content_block_stop", "message_delta", "message_stop"]
    assert all(event.name == event.data["type"] for event in events)
    assert text_of(events).split() == [f"word{i}" for i in range(30)]
    check_early(events[0].time, [e.time for e in events if e.name == "content_block_delta"], api)


def test_openai_stream(proxy: Proxy, api: MessagesAPI, sent) -> None:
    stream = proxy.stream("/openai/v1/chat/completions", hello(
        stream=True, messages=[{"role": "user", "content": "[[len:30]] [[slow:0.05]]"}]))
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    check_headers(stream.headers, sent())
    events = list(stream)
    assert [event.name for event in events] == [None] * len(events)
    assert events[-1].data == "[DONE]"
    chunks = [event.data for event in events[:-1]]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert text_of(events).split() == [f"word{i}" for i in range(30)]
    texts = [e for e in events[:-1] if e.data["choices"][0]["delta"].get("content")]
    check_early(events[0].time, [e.time for e in texts], api)


def check_early(first: float, deltas: list[float], api: MessagesAPI) -> None:
    """The first event came while the API had most of its answer to send, and so did each in its turn."""
    done = api.wait("response_done", 5)["mono"]
    assert done - first > 1.0, f"the first event came {done - first:.2f} s before the last was sent; 1.5 s were due"
    assert len(deltas) == 30, "one text event for each delta: none is joined with another"
    held = [i for i, time in enumerate(deltas) if time - (done - (29 - i) * 0.05) > 0.3]
    assert not held, f"deltas that came 0.3 s or more after they were sent: {held}"


@pytest.mark.parametrize("headers, more, kind", [
    (BEARER, {}, "chat.completion"),
    (BEARER | VERSION, {}, "message"),
    ({"x-api-key": "any"}, {"max_completion_tokens": 9}, "message"),
    ({}, {"max_completion_tokens": 9}, "chat.completion"),
])
def test_auto_dialect(proxy: Proxy, api: MessagesAPI, headers: dict, more: dict, kind: str) -> None:
    """The route that many clients take by mistake answers each in its own form."""
    answer = proxy.ask("POST", "/v1/chat/completions", hello(**more), headers)
    assert answer.status == 200, answer.body
    assert (answer.json.get("object") or answer.json.get("type")) == kind


def test_models(proxy: Proxy) -> None:
    """Both vendors' keys are in one list, and each model can be asked for."""
    for path in ("/v1/models", "/openai/v1/models"):
        answer = proxy.ask("GET", path)
        assert answer.status == 200, answer.body
        assert answer.json["data"], "a list that names no model is of no use"
        for model in answer.json["data"]:
            assert model["id"].startswith("claude-")
            assert (model["object"], model["owned_by"]) == ("model", "anthropic"), "OpenAI's keys"
            if path == "/v1/models":
                assert model["type"] == "model" and model["display_name"], "and Anthropic's"
        first = answer.json["data"][0]["id"]
        assert proxy.ask("GET", f"{path}/{first}").json["id"] == first
