# SPDX-License-Identifier: MIT
"""The document says what the server does: its routes, and answers of all shapes."""
from __future__ import annotations

import json
import re
from typing import Any, Callable

import document
import pytest
import responses_api
from openapi_spec_validator import validate
from server import REPOSITORY, Proxy

Json = dict[str, Any]
Fault = Callable[[Any, Any], "str | None"]
JSON, EVENTS = document.JSON, document.EVENTS
CHAT = "/openai/v1/chat/completions"
MESSAGES = "/v1/messages"
EITHER = "/v1/chat/completions"
MARKS = {
    "text": "Hello", "many words": "[[len:40]]", "thinking": "[[thinking]]", "redacted": "[[redacted]]",
    "tool": '[[tool:weather {"city":"Oslo"}]]', "two tools alone": '[[notext]][[tool:a {}]][[tool:b {"x":[1]}]]',
    "all": '[[thinking]][[redacted]][[say:Well]][[tool:a {"b":null}]]', "length": "[[stop:max_tokens]]",
    "refusal": "[[stop:refusal]]", "sequence": "[[stop:stop_sequence]]", "pause": "[[stop:pause_turn]]",
}


def test_the_file_is_what_its_makers_make() -> None:
    assert document.FILE.read_text() == document.text_of(document.document()), "make it anew: scripts/openapi"


def test_it_is_valid(described: Json) -> None:
    assert described["openapi"].startswith("3.1.")
    validate(described)


def table() -> list[tuple[str, str, str]]:
    """The routes that are built in: method, path and operation. OpenAI's Responses stand below two base URLs."""
    source = (REPOSITORY / "Sources/HTTPFront/RouteTable.swift").read_text()
    source = source[source.index("static let builtInLines"):]
    lines = re.findall(r"^ +([A-Z]+) +(/\S*) +([a-z_]+) +[a-z]+$", source, re.MULTILINE)
    twice = ("/responses", "/conversations")
    return [(method.lower(), place + path, op) for method, path, op in lines
            for place in (["/openai/v1", "/v1"] if path.startswith(twice) else [""])]


def test_it_has_the_routes_that_there_are(described: Json) -> None:
    routes = table()
    assert len(routes) == len(set(routes)) > 40
    offered = {(path, method) for method, path, op in routes if op not in responses_api.REFUSED}
    assert {(path, method) for path, ways in described["paths"].items() for method in ways} == offered
    assert {op for _, _, op in routes} > responses_api.REFUSED


def test_the_server_gives_it(echo: Proxy, described: Json) -> None:
    answer = echo.ask("GET", "/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == JSON and "max-age" in answer.headers["cache-control"]
    assert answer.body == document.FILE.read_bytes()
    head = echo.ask("HEAD", "/openapi.json")
    assert head.status == 200 and head.body == b"" and head.headers["content-length"] == str(len(answer.body))
    wrong = echo.ask("POST", "/openapi.json", {})
    assert wrong.status == 405 and wrong.headers["allow"] == "GET, HEAD, OPTIONS"
    page = echo.ask("GET", "/").body.decode()
    assert "/openapi.json" in page
    assert json.loads(answer.body)["info"]["version"] in page


def test_it_stays_open_where_there_are_tokens(start: Callable[..., Proxy]) -> None:
    proxy = start(BACKEND="claude-echo", AUTH_TOKEN="a-token-of-the-test-0123456789")
    assert proxy.ask("GET", "/openapi.json").status == 200
    assert proxy.ask("GET", "/v1/models").status == 401


def check(described: Json, fault: Fault, path: str, method: str, status: int, headers: dict[str, str], body: Any) -> None:
    """Holds an answer against what the document says of its operation, status and content type."""
    said = described["paths"][path][method]["responses"][str(status)]
    if "$ref" in said:
        said = described["components"]["responses"][said["$ref"].rsplit("/", 1)[1]]
    for name, one in said["headers"].items():
        header = described["components"]["headers"][one["$ref"].rsplit("/", 1)[1]]
        assert name in headers or not header["required"], name
    unknown = set(headers) - set(said["headers"]) - {"content-type", "content-length", "transfer-encoding", "connection"}
    assert not unknown, unknown
    schema = said["content"][headers["content-type"].split(";")[0]]["schema"]
    # A stream's schema is that of each event, whose data is text of another.
    values = body if headers["content-type"].startswith(EVENTS) else [body]
    for value in values:
        assert not (wrong := fault(schema, value)), f"{path} {status}: {wrong}: {json.dumps(value)[:500]}"


def question(text: str, stream: bool = False) -> Json:
    return {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}], "stream": stream}


@pytest.mark.parametrize("path", [CHAT, MESSAGES, EITHER])
def test_whole_answers(echo: Proxy, described: Json, fault: Fault, path: str) -> None:
    for text in MARKS.values():
        answer = echo.ask("POST", path, question(text))
        assert answer.status == 200
        check(described, fault, path, "post", 200, answer.headers, answer.json)
        kind = "OpenAI.ChatCompletion" if path == CHAT else "Anthropic.Message"
        assert not fault(kind, answer.json)


@pytest.mark.parametrize("path, kind, error", [
    (CHAT, "OpenAI.ChatCompletionChunk", "OpenAI.ErrorResponse"),
    (MESSAGES, "Anthropic.RawMessageStreamEvent", "Anthropic.ErrorResponse"),
    (EITHER, "Anthropic.RawMessageStreamEvent", "Anthropic.ErrorResponse")])
def test_streams(echo: Proxy, described: Json, fault: Fault, path: str, kind: str, error: str) -> None:
    for text in [*MARKS.values(), "[[sse_error:overloaded_error]]Hello to you"]:
        body = question(text, stream=True)
        if path == CHAT:
            body["stream_options"] = {"include_usage": True}
        stream = echo.stream(path, body)
        assert stream.status == 200
        events = list(stream)
        assert len(events) > 2
        values = [{"event": event.name or "message",
                   "data": event.data if event.data == "[DONE]" else json.dumps(event.data)} for event in events]
        check(described, fault, path, "post", 200, stream.headers, values)
        for number, event in enumerate(events):
            is_error = "sse_error" in text and number == len(events) - 1
            if event.data != "[DONE]":
                wrong = fault(error if is_error else kind, event.data)
                assert not wrong, f"{text}: {wrong}: {event.data}"
            assert event.name in (None, event.data["type"] if event.name else None)
        stream.close()


def test_errors(echo: Proxy, described: Json, fault: Fault) -> None:
    statuses = [status for status in document.ERRORS if status != "405"]
    for path, kind in [(CHAT, "OpenAI.ErrorResponse"), (MESSAGES, "Anthropic.ErrorResponse"), (EITHER, None)]:
        for status in statuses:
            answer = echo.ask("POST", path, question(f"[[error:{status}]][[retryafter:7]]"))
            assert answer.status == int(status)
            answer.headers.pop("retry-after")
            check(described, fault, path, "post", answer.status, answer.headers, answer.json)
            assert kind is None or not fault(kind, answer.json)
        for body, headers, status in [(b"{", {}, 400), (b"[]", {}, 400), (b"{}", {}, 400),
                                      (b"{}", {"content-type": "text/plain"}, 415)]:
            answer = echo.ask("POST", path, body, headers)
            assert answer.status == status
            check(described, fault, path, "post", status, answer.headers, answer.json)
    for path in described["paths"]:
        answer = echo.ask("PATCH", path.replace("{id}", "some"))
        assert answer.status == 405 and not fault("Error", answer.json)
        methods = {name.upper() for name in described["paths"][path]}
        assert set(answer.headers["allow"].split(", ")) == methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    assert not fault("Error", echo.ask("GET", "/nothing").json)


def test_what_is_asked_by_get(echo: Proxy, described: Json, fault: Fault) -> None:
    for path, ways in described["paths"].items():
        if "get" in ways and "responses" not in ways["get"]["tags"]:
            for name, status in [("sonnet", 200), *([("none-such", 404)] if "{id}" in path else [])]:
                answer = echo.ask("GET", path.replace("{id}", name))
                assert answer.status == status
                body = answer.json if answer.headers["content-type"] == JSON else answer.body.decode()
                check(described, fault, path, "get", status, answer.headers, body)


def test_health_when_nothing_can_serve(start: Callable[..., Proxy], described: Json, fault: Fault) -> None:
    proxy = start(BACKEND="claude-exec", CLAUDE_CLI_PATH="/nowhere/claude")
    for path in ["/health", "/health/ready", "/health/detailed"]:
        answer = proxy.ask("GET", path)
        assert answer.status == 503, path
        check(described, fault, path, "get", 503, answer.headers, answer.json)
