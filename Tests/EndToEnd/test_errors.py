# SPDX-License-Identifier: MIT
"""What a client sees when something is wrong: a status, a body of its dialect, a request id. Never a 200."""
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from messages_api import MessagesAPI
from server import REPOSITORY, Proxy
from wire import Answer, Stream, connect

OPENAI, ANTHROPIC, AUTO = "/openai/v1/chat/completions", "/v1/messages", "/v1/chat/completions"
POSTS = pytest.mark.parametrize("path", [OPENAI, ANTHROPIC, AUTO])
TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
         413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def check(answer: Answer, status: int, path: str, *mentions: str) -> dict[str, Any]:
    """The answer is this error, in the dialect of its path, and its message has these words in it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"]
    error = answer.json["error"]
    assert isinstance(error["message"], str) and error["message"] and isinstance(error["type"], str)
    for word in mentions:
        assert word in error["message"], error["message"]
    if path.startswith("/openai/"):
        assert {"message", "type", "param", "code"} <= error.keys()
    else:
        assert answer.json["type"] == "error"
        assert answer.json["request_id"] == answer.headers["x-request-id"]
    return error


def ask_for(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": prompt}]} | more


class TestOfTheClient:
    """What the client did wrong; none of it reaches the API."""

    @pytest.fixture(autouse=True)
    def nothing_reaches_the_api(self, api: MessagesAPI):
        yield
        assert api.bodies() == []

    @POSTS
    @pytest.mark.parametrize("body", [
        b"", b"{", b"hello", b'{"messages":[1,2}', b'{"a":1}{"b":2}', b'{"a":"\xff"}', b'{"a":1} x'])
    def test_not_json(self, proxy: Proxy, path: str, body: bytes) -> None:
        assert check(proxy.ask("POST", path, body), 400, path)["type"] == TYPES[400]

    @POSTS
    @pytest.mark.parametrize("body", [b"[1]", b'"text"', b"3", b"null"])
    def test_no_object(self, proxy: Proxy, path: str, body: bytes) -> None:
        assert check(proxy.ask("POST", path, body), 400, path, "object")["type"] == TYPES[400]

    @POSTS
    def test_no_messages(self, proxy: Proxy, path: str) -> None:
        answer = proxy.ask("POST", path, {"model": "claude-haiku-4-5", "max_tokens": 50})
        assert check(answer, 400, path, "messages")["type"] == TYPES[400]

    @pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/openai/v1/nowhere", "/v1/messages/nowhere"])
    def test_unknown_path(self, proxy: Proxy, path: str) -> None:
        for method, body in (("GET", None), ("POST", ask_for("Hi"))):
            error = check(proxy.ask(method, path, body), 404, "")
            assert error["type"] == TYPES[404] and {"param", "code"} <= error.keys()

    @pytest.mark.parametrize("method, path, allowed", [
        ("GET", OPENAI, "POST"), ("DELETE", ANTHROPIC, "POST"), ("PUT", AUTO, "POST"),
        ("POST", "/v1/models", "GET"), ("POST", "/openai/v1/models/claude-haiku-4-5", "GET"), ("DELETE", "/health", "GET")])
    def test_wrong_method(self, proxy: Proxy, method: str, path: str, allowed: str) -> None:
        answer = proxy.ask(method, path, {} if method == "POST" else None)
        assert {"param", "code"} <= check(answer, 405, "").keys()
        assert allowed in answer.headers["allow"] and method not in answer.headers["allow"]

    @POSTS
    def test_body_over_the_limit(self, proxy: Proxy, settings: dict[str, str], path: str) -> None:
        """The limit itself passes; a byte more is refused, whether it is announced or comes in chunks."""
        limit = int(settings["MAX_BODY"])

        def padded(size: int) -> bytes:
            head, tail = b'{"max_tokens":50,"messages":', b"}"
            return head + b" " * (size - len(head) - len(tail) - 2) + b"[]" + tail

        assert proxy.ask("POST", path, padded(limit)).status == 400, "no messages, but not too large"
        assert check(proxy.ask("POST", path, padded(limit + 1)), 413, path)["type"] == TYPES[413]
        connection = connect(proxy.port)
        try:
            body = padded(limit + 1)
            connection.request("POST", path, (body[i:i + 9000] for i in range(0, len(body), 9000)),
                               {"content-type": "application/json"}, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It needn't read all of what it refuses.
        response = connection.getresponse()
        headers = {k.lower(): v for k, v in response.getheaders()}
        check(Answer(response.status, headers, response.read()), 413, path)
        connection.close()

    def test_the_connection_lives_on(self, proxy: Proxy) -> None:
        """An error is an answer: the next request on the same connection is served."""
        connection = connect(proxy.port)
        for body, status in ((b"{", 400), (b"[1]", 400), (b"{}", 400)):
            connection.request("POST", ANTHROPIC, body, {"content-type": "application/json"})
            response = connection.getresponse()
            assert response.status == status and response.read()
        connection.request("GET", "/health/live")
        assert connection.getresponse().status == 200
        connection.close()


class TestOfTheMachine:
    """No CLI, or one that isn't logged in: the answer says what to do."""

    def test_no_cli(self, start, tmp_path: Path, settings: dict[str, str]) -> None:
        """Installed elsewhere, so that not even the build folder has one. The paths of the machine aren't told."""
        prefix = tmp_path / "prefix"
        subprocess.run(["make", "-s", "-C", REPOSITORY, "install", f"PREFIX={prefix}"], check=True)
        proxy = start(scripts=prefix / "bin", **settings | {"CLAUDE_CLI_PATH": str(tmp_path / "none"), "PATH": "/usr/bin:/bin"})
        for path in (OPENAI, ANTHROPIC):
            error = check(proxy.ask("POST", path, ask_for("Hi")), 503, path, "CLI")
            assert str(tmp_path) not in error["message"]
        health = proxy.ask("GET", "/health")
        assert health.status == 503 and health.json["status"] == "unhealthy"

    def test_not_logged_in(self, start, settings: dict[str, str], api: MessagesAPI) -> None:
        """The CLI itself says so; we say it with the command to run."""
        chosen = {k: v for k, v in settings.items() if k != "ANTHROPIC_API_KEY"}
        proxy = start(**chosen | {"CLAUDE_AUTH": "login"})
        for path in (OPENAI, ANTHROPIC):
            error = check(proxy.ask("POST", path, ask_for("Hi")), 401, path, "claude", "login")
            assert error["type"] == TYPES[401]
        assert api.bodies() == []


class TestOfTheAPI:
    """What the API refuses keeps its status and its type."""

    @pytest.mark.parametrize("code", [400, 401, 404, 429, 500, 529])
    @pytest.mark.parametrize("path, stream", [(OPENAI, True), (ANTHROPIC, False)], ids=["openai", "anthropic"])
    def test_before_the_answer(self, proxy: Proxy, api: MessagesAPI, code: int, path: str, stream: bool) -> None:
        answer = proxy.ask("POST", path, ask_for(f"[[error:{code}]] [[errmsg:odd thing]]", stream=stream))
        error = check(answer, code, path)
        assert error["type"] == TYPES[code]
        if code == 400:
            assert "odd thing" in error["message"], "the API's own words"
        if path == OPENAI and code in CODES:
            assert error["code"] == CODES[code]

    @pytest.mark.parametrize("mark", ["[[sse_error:overloaded_error]]", "[[disconnect]]"])
    def test_in_mid_stream(self, proxy: Proxy, api: MessagesAPI, mark: str) -> None:
        """The stream ends with an error event, and with nothing that could be taken for an end."""
        streams = {path: Stream(proxy.port, path, ask_for("[[len:20]] " + mark, stream=True))
                   for path in (OPENAI, ANTHROPIC)}
        last = {path: list(stream) for path, stream in streams.items()}
        assert [stream.status for stream in streams.values()] == [200, 200]
        assert set(last[OPENAI][-1].data["error"]) >= {"message", "type"}
        assert all(event.data != "[DONE]" for event in last[OPENAI])
        assert all(not choice["finish_reason"] for event in last[OPENAI] for choice in event.data.get("choices", []))
        assert last[ANTHROPIC][-1].name == "error" and last[ANTHROPIC][-1].data["type"] == "error"
        names = [event.name for event in last[ANTHROPIC]]
        assert "content_block_delta" in names and not {"message_delta", "message_stop"} & set(names)

    def test_the_sdks_raise(self, proxy: Proxy, api: MessagesAPI) -> None:
        """Each SDK raises its own exception, with the request id that our log has."""
        with openai.OpenAI(base_url=proxy.url + "/openai/v1", api_key="any", max_retries=0) as client:
            with pytest.raises(openai.RateLimitError) as limited:
                client.chat.completions.create(model="claude-haiku-4-5", messages=[{"role": "user", "content": "[[error:429]]"}])
            assert limited.value.request_id
        with anthropic.Anthropic(base_url=proxy.url, api_key="any", max_retries=0) as client:
            with pytest.raises(anthropic.OverloadedError) as overloaded:
                client.messages.create(**ask_for("[[error:529]]"))
            assert overloaded.value.request_id
            with pytest.raises(anthropic.APIStatusError) as broken:
                for _ in client.messages.create(**ask_for("[[len:9]] [[sse_error:overloaded_error]]"), stream=True):
                    pass
            assert broken.value.body["error"]["type"] == "overloaded_error"
