# SPDX-License-Identifier: MIT
"""OpenAI's Responses, as the document says: whole answers, streams, errors, and what is kept."""
from __future__ import annotations

import json
from typing import Any

import document
import pytest
from server import Proxy
from test_document import MARKS, Fault, Json, check

PLACES = ["/openai/v1/responses", "/v1/responses"]


def question(text: str, **more: Any) -> Json:
    return {"model": "claude-sonnet-5-5", "max_output_tokens": 100, "input": text} | more


@pytest.mark.parametrize("path", PLACES)
def test_whole_answers(echo: Proxy, described: Json, fault: Fault, path: str) -> None:
    for text in MARKS.values():
        answer = echo.ask("POST", path, question(text))
        assert answer.status == 200, answer.body
        check(described, fault, path, "post", 200, answer.headers, answer.json)


@pytest.mark.parametrize("path", PLACES)
def test_streams(echo: Proxy, described: Json, fault: Fault, path: str) -> None:
    for text in [*MARKS.values(), "[[sse_error:overloaded_error]]Hello to you"]:
        stream = echo.stream(path, question(text, stream=True, reasoning={"effort": "low", "summary": "auto"}))
        assert stream.status == 200
        events = list(stream)
        assert len(events) > 3 and all(event.name == event.data["type"] for event in events)
        assert [event.data["sequence_number"] for event in events] == list(range(len(events)))
        values = [{"event": event.name, "data": json.dumps(event.data)} for event in events]
        check(described, fault, path, "post", 200, stream.headers, values)
        for event in events:
            wrong = fault("Responses.StreamEvent", event.data)
            assert not wrong, f"{text}: {wrong}: {event.data}"
        stream.close()


@pytest.mark.parametrize("path", PLACES)
def test_errors(echo: Proxy, described: Json, fault: Fault, path: str) -> None:
    for status in document.ERRORS:
        if status != "405":
            answer = echo.ask("POST", path, question(f"[[error:{status}]][[retryafter:7]]"))
            assert answer.status == int(status)
            answer.headers.pop("retry-after")
            check(described, fault, path, "post", answer.status, answer.headers, answer.json)
    for body, headers, status in [(b"{", {}, 400), (b"[]", {}, 400), (b"", {}, 400), (b'{"input":1}', {}, 400),
                                  (b"{}", {"content-type": "text/plain"}, 415)]:
        answer = echo.ask("POST", path, body, headers)
        assert answer.status == status
        check(described, fault, path, "post", status, answer.headers, answer.json)


@pytest.mark.parametrize("path", PLACES)
def test_counts(echo: Proxy, described: Json, fault: Fault, path: str) -> None:
    answer = echo.ask("POST", path + "/input_tokens", {"model": "claude-sonnet-5-5", "input": "Hello"})
    assert answer.status == 200, answer.body
    check(described, fault, path + "/input_tokens", "post", 200, answer.headers, answer.json)


@pytest.mark.parametrize("path", PLACES)
def test_what_is_kept(echo: Proxy, described: Json, fault: Fault, path: str) -> None:
    made = echo.ask("POST", path, question("Hello", instructions="Be kind.")).json
    one, items, cancel = path + "/{id}", path + "/{id}/input_items", path + "/{id}/cancel"

    def ask(method: str, place: str, id: str, status: int) -> Any:
        answer = echo.ask(method, place.replace("{id}", id))
        assert answer.status == status, answer.body
        check(described, fault, place, method.lower(), status, answer.headers, answer.json)
        return answer.json

    assert ask("GET", one, made["id"], 200) == made
    assert ask("GET", items, made["id"], 200)["data"][0]["role"] == "user"
    ask("POST", cancel, made["id"], 400)
    assert ask("DELETE", one, made["id"], 200) == {"id": made["id"], "object": "response", "deleted": True}
    for method, place in [("GET", one), ("GET", items), ("DELETE", one)]:
        ask(method, place, made["id"], 404)


@pytest.mark.parametrize("place", ["/openai/v1", "/v1"])
def test_what_is_refused(echo: Proxy, described: Json, fault: Fault, place: str) -> None:
    """All that a client of OpenAI's may try gets an answer in OpenAI's form, and the message says what to use instead."""
    for method, path, body in [
            ("POST", "/responses/compact", {}), ("GET", "/responses", None), ("POST", "/conversations", {}),
            ("POST", "/conversations", None), ("GET", "/conversations/c", None), ("DELETE", "/conversations/c", None),
            ("POST", "/conversations/c", {}), ("GET", "/conversations/c/items", None), ("POST", "/conversations/c/items", {}),
            ("GET", "/conversations/c/items/i", None), ("DELETE", "/conversations/c/items/i", None)]:
        answer = echo.ask(method, place + path, body)
        assert answer.status == 426 if path == "/responses" else answer.status in (400, 404), (method, path, answer.body)
        assert not fault("OpenAI.ErrorResponse", answer.json), answer.body
