# SPDX-License-Identifier: MIT
"""What a client of the Responses API sees when something is wrong: the SDK's exceptions, and the codes that Codex reads."""
from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from messages_api import MessagesAPI
from responses import check_stream
from server import Proxy
from wire import Event, Stream

MODEL = "claude-sonnet-4-5"
TOO_LONG = "[[error:400]] [[errmsg:prompt is too long: 250000 tokens > 200000 maximum]]"


def client_of(proxy: Proxy) -> openai.OpenAI:
    return openai.OpenAI(base_url=proxy.url + "/openai/v1", api_key="any", max_retries=0, timeout=30)


def events_of(proxy: Proxy, prompt: str) -> tuple[Stream, list[Event]]:
    stream = Stream(proxy.port, "/openai/v1/responses", {"model": MODEL, "input": prompt, "stream": True, "store": False})
    return stream, list(stream) if stream.status == 200 else []


@pytest.mark.parametrize("status, raised, code", [
    (400, openai.BadRequestError, None), (401, openai.AuthenticationError, "invalid_api_key"),
    (403, openai.PermissionDeniedError, None), (404, openai.NotFoundError, "model_not_found"),
    (429, openai.RateLimitError, "rate_limit_exceeded"), (500, openai.InternalServerError, None),
    (529, openai.InternalServerError, "server_is_overloaded")])
def test_the_sdk_raises(most: Proxy, api: MessagesAPI, status: int, raised: type, code: str | None) -> None:
    """Whole and streamed alike, before the answer has begun."""
    with client_of(most) as client:
        for stream in (False, True):
            with pytest.raises(raised) as error:
                client.responses.create(model=MODEL, input=f"[[error:{status}]]", stream=stream, store=False)
            assert error.value.status_code == status and error.value.request_id
            if code:
                assert error.value.code == code


def test_rate_limit(direct: Proxy, api: MessagesAPI) -> None:
    """The header says how long to wait, and so does the message. The CLI doesn't tell claude-exec of that header."""
    stream, _ = events_of(direct, "[[error:429]] [[retryafter:7]]")
    assert stream.status == 429 and stream.headers["retry-after"] == "7"
    error = json.loads(stream.response.read())["error"]
    assert error["code"] == "rate_limit_exceeded" and "try again in 7s" in error["message"]


def test_too_long(most: Proxy, api: MessagesAPI) -> None:
    """Codex reads this code inside a stream only; whole, it is a 400."""
    stream, events = events_of(most, TOO_LONG)
    assert stream.status == 200
    assert check_stream(events)["status"] == "failed" and len(events) == 3
    assert events[-1].data["response"]["error"]["code"] == "context_length_exceeded"
    with client_of(most) as client, pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model=MODEL, input=TOO_LONG, store=False)
    assert error.value.code == "context_length_exceeded"


def test_no_money(most: Proxy, api: MessagesAPI) -> None:
    """The same of an account that is out of credit."""
    stream, events = events_of(most, "[[error:402]]")
    assert stream.status == 200
    assert check_stream(events)["status"] == "failed" and len(events) == 3
    assert events[-1].data["response"]["error"]["code"] == "insufficient_quota"


def check_failed(proxy: Proxy, mark: str) -> None:
    stream, events = events_of(proxy, f"[[len:20]] {mark}")
    assert stream.status == 200 and "response.output_text.delta" in [event.name for event in events]
    failed = check_stream(events)
    assert failed["status"] == "failed" and failed["error"]["code"] == "server_error" and failed["error"]["message"]


@pytest.mark.parametrize("mark", ["[[sse_error:overloaded_error]]", "[[sse_error:api_error]]", "[[disconnect]]"])
def test_in_mid_stream(most: Proxy, api: MessagesAPI, mark: str) -> None:
    """The stream ends with response.failed, as an error that may be tried again."""
    check_failed(most, mark)
    with client_of(most) as client:
        kinds = [event.type for event in client.responses.create(
            model=MODEL, input=f"[[len:21]] {mark}", stream=True, store=False)]
    assert kinds[-1] == "response.failed" and "response.completed" not in kinds


@pytest.mark.parametrize("way", ["key-N", "login-N"])
def test_in_mid_stream_by_a_transcript(served_by: Any, api: MessagesAPI, way: str) -> None:
    check_failed(served_by(way), "[[disconnect]]")


@pytest.mark.parametrize("path", ["/openai/v1/responses", "/v1/responses", "/responses"])
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"{}", b'{"model":"claude-sonnet-4-5"}'])
def test_of_the_client(direct: Proxy, api: MessagesAPI, path: str, body: bytes) -> None:
    """What the client did wrong is a 400 in OpenAI's form, on each of the paths."""
    answer = direct.ask("POST", path, body)
    assert answer.status == 400 and answer.headers["x-request-id"]
    error = answer.json["error"]
    assert error["type"] == "invalid_request_error" and {"message", "param", "code"} <= error.keys()
    assert not api.bodies()
