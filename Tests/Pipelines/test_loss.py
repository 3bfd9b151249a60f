# SPDX-License-Identifier: MIT
"""What can't be translated exactly is told to the caller, in the log and in the metrics; with STRICT it is refused."""
from __future__ import annotations

import json
import re
from typing import Any

from processes import wait_for
from server import Proxy

CHAT = "/openai/v1/chat/completions"
LOSSY: dict[str, Any] = {
    "model": "claude-sonnet-4-5", "temperature": 1.7, "seed": 7, "logit_bias": {"50256": -100}, "brand_new": 1,
    "messages": [{"role": "user", "content": "[[say:fine]]", "name": "ann"}]}
LOST = {"messages.name": "dropped", "temperature": "clamped", "seed": "dropped", "logit_bias": "dropped"}
EXACT: dict[str, Any] = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "[[say:fine]]"}]}


def log_line(proxy: Proxy, rid: str) -> dict[str, Any]:
    """The line of the access log about that request."""

    def find() -> dict[str, Any] | None:
        for line in proxy.log.read_text().splitlines():
            if line.startswith("{") and rid in line and "status" in (entry := json.loads(line)):
                return entry
        return None

    return wait_for("the request is in the log", find)


def lost(proxy: Proxy) -> dict[str, int]:
    text = proxy.ask("GET", "/metrics").body.decode()
    return {field: int(count) for field, count
            in re.findall(r'^claude_proxy_loss_total\{field="([^"]*)"\} (\d+)$', text, re.M)}


def test_a_loss_is_told_three_times(echo: Proxy) -> None:
    """In the header, in the log, in a metric; whole answers and streams alike, and exact ones say nothing."""
    before = lost(echo)
    whole = echo.ask("POST", CHAT, LOSSY)
    stream = echo.stream(CHAT, LOSSY | {"stream": True})
    assert whole.status == stream.status == 200
    list(stream)
    for headers in (whole.headers, stream.headers):
        told = dict(entry.strip().split("=") for entry in headers["x-proxy-loss"].split(","))
        assert told == LOST | {"unknown": "1"}
        logged = log_line(echo, headers["x-request-id"])["loss"]
        assert {entry.split()[0] for entry in logged} >= set(LOST), logged
    after = lost(echo)
    for field in LOST:
        assert after[field] == before.get(field, 0) + 2, field
    exact = echo.ask("POST", CHAT, EXACT)
    assert exact.status == 200 and "x-proxy-loss" not in exact.headers
    assert not log_line(echo, exact.headers["x-request-id"]).get("loss")


def test_strict_refuses_and_lists_all_at_once(start) -> None:
    proxy = start(BACKEND="claude-echo", STRICT="1")
    refused = proxy.ask("POST", CHAT, LOSSY)
    assert refused.status == 400
    error = refused.json["error"]
    assert error["type"] == "invalid_request_error"
    for field in [*LOST, "brand_new"]:
        assert field in error["message"], error
    assert proxy.ask("POST", CHAT, EXACT).status == 200
