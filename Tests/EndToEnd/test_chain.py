# SPDX-License-Identifier: MIT
"""Two backends in one pipe: the owner's login by the real CLI, and a key where the login has no room left."""
from __future__ import annotations

import json
import time
from typing import Any, Callable, Iterator

import pytest
from messages_api import MessagesAPI
from processes import wait_for
from server import Proxy

KEY, TOKEN = "sk-ant-api03-the-key", "sk-ant-oat01-the-login"
TOOLS = [{"name": "look", "description": "d", "input_schema": {"type": "object", "properties": {}}}]


@pytest.fixture
def behind() -> Iterator[MessagesAPI]:
    """The API that the key's backend asks."""
    with MessagesAPI() as one:
        yield one


def ask_for(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 50, "temperature": 0.5, "tools": TOOLS,
            "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "messages": [{"role": "user", "content": text}]} | more


def test_from_the_login_to_the_key(start: Callable[..., Proxy], api: MessagesAPI, behind: MessagesAPI, cli: str) -> None:
    stages = ("model-map", "oai2anth", "claude-exec --auth login --decline 401,429,529",
              f"claude-http --base-url {behind.url}", "anth2oai", "sse-encode")
    proxy = start(PIPELINE=" | ".join(stages), CLAUDE_CLI_PATH=cli, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=KEY,
                  CLAUDE_CODE_OAUTH_TOKEN=TOKEN)
    by_login = proxy.ask("POST", "/v1/messages", ask_for("[[say:by the login]]"))
    assert by_login.status == 200 and b"by the login" in by_login.body and behind.bodies() == []
    assert "system" in by_login.headers["x-proxy-loss"]

    for status in (429, 529, 401):
        api.reset()
        behind.reset()
        body = ask_for(f"[[loginerror:{status}]][[say:by the key]]")
        by_key = proxy.ask("POST", "/v1/messages", body)
        assert by_key.status == 200 and b"by the key" in by_key.body, by_key
        # What the CLI can't carry is no loss of this answer, and the body is the client's own.
        assert "x-proxy-loss" not in by_key.headers
        assert behind.bodies() == [body] and api.bodies()


def test_from_the_key_to_the_login(start: Callable[..., Proxy], api: MessagesAPI, behind: MessagesAPI, cli: str) -> None:
    """The key's errors and their headers are gone when the login answers; after the first event it is too late."""
    stages = ("model-map", "oai2anth", f"claude-http --base-url {behind.url} --decline 401,429,503,529",
              "claude-exec --auth login", "anth2oai", "sse-encode")
    proxy = start(PIPELINE=" | ".join(stages), CLAUDE_CLI_PATH=cli, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=KEY,
                  CLAUDE_CODE_OAUTH_TOKEN=TOKEN)
    by_key = proxy.ask("POST", "/v1/messages", ask_for("[[say:by the key]]"))
    assert by_key.status == 200 and b"by the key" in by_key.body and api.bodies() == []
    for status, stream in ((401, False), (429, True), (503, False), (529, True)):
        body = ask_for(f"[[keyerror:{status}]][[retryafter:9]][[say:by the login {status}]]", stream=stream)
        by_login = proxy.ask("POST", "/v1/messages", body)
        text = "".join(part["text"] for part in texts_of(by_login.body.decode(), stream))
        assert by_login.status == 200 and text == f"by the login {status}", by_login
        assert "retry-after" not in by_login.headers and "system" in by_login.headers["x-proxy-loss"]
    asked = len(api.bodies())
    late = proxy.ask("POST", "/v1/messages", ask_for("[[sse_error:overloaded_error]]", stream=True))
    assert late.status == 200 and b"overloaded_error" in late.body and len(api.bodies()) == asked


def texts_of(body: str, is_stream: bool) -> list[dict[str, Any]]:
    if not is_stream:
        return [block for block in json.loads(body)["content"] if block["type"] == "text"]
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
    return [event["delta"] for event in events if event.get("delta", {}).get("type") == "text_delta"]


def test_the_limits_of_the_login_are_gauges(start: Callable[..., Proxy], api: MessagesAPI, cli: str) -> None:
    """None before the CLI told any; it tells them behind an answer, and they are seen with the next."""
    proxy = start(BACKEND="claude-exec", CLAUDE_CLI_PATH=cli, ANTHROPIC_BASE_URL=api.url, CLAUDE_AUTH="login",
                  CLAUDE_CODE_OAUTH_TOKEN=TOKEN)

    def gauges() -> dict[str, float]:
        lines = proxy.ask("GET", "/metrics").body.decode().splitlines()
        return {name.removeprefix("claude_proxy_login_limit_"): float(value) for name, value in (
            line.rsplit(" ", 1) for line in lines if line.startswith("claude_proxy_login_limit"))}

    assert gauges() == {}
    assert proxy.ask("POST", "/v1/messages", ask_for("Hi [[ratelimit]]")).status == 200

    def is_told() -> bool:
        assert proxy.ask("GET", "/health/ready").status == 200
        return 'utilization{window="five_hour"}' in gauges()

    wait_for("the CLI has told, and health has passed it on", is_told, 5)
    told = gauges()
    assert told['utilization{window="five_hour"}'] == 0.92 and told['utilization{window="seven_day"}'] == 0.31
    assert time.time() < told['reset_timestamp_seconds{window="five_hour"}'] < time.time() + 3700
    assert sum(value for name, value in told.items() if name.startswith("status{")) == 1
