# SPDX-License-Identifier: MIT
"""A client that goes away costs nothing more: its CLI process dies and the API's connection is closed."""
from __future__ import annotations

import time

import pytest
from messages_api import MessagesAPI
from processes import alive, wait_for
from server import Proxy

SLOW = "[[len:200]] [[slow:0.1]]"


@pytest.mark.parametrize("path, prompt, stream", [
    ("/openai/v1/chat/completions", SLOW, True),
    ("/v1/messages", SLOW, True),
    ("/v1/messages", SLOW, False),
    ("/v1/messages", "[[delay:20]]", True),
], ids=["openai-stream", "anthropic-stream", "whole", "nothing-yet"])
def test_client_gone(proxy: Proxy, api: MessagesAPI, path: str, prompt: str, stream: bool) -> None:
    """Within one second of the client's going, whether it has seen some of the answer or nothing yet."""
    wait_for("no CLI of an earlier test works", lambda: not proxy.cli_processes())
    stages = proxy.stages()
    asked = proxy.stream(path, {"model": "claude-haiku-4-5", "max_tokens": 500, "stream": stream,
                                "messages": [{"role": "user", "content": prompt}]})
    api.wait("request", 10)
    if stream and prompt is SLOW:
        events = iter(asked)
        for _ in range(4):
            next(events)
    [cli] = wait_for("the CLI works for us", proxy.cli_processes)
    gone = asked.go()
    closed = api.wait("client_abort", 3)["mono"] - gone
    wait_for("the CLI process is dead", lambda: not alive(cli), 3)
    died = time.monotonic() - gone
    assert closed < 1.0, f"the API's connection was closed {closed:.2f} s after the client had gone"
    assert died < 1.0, f"the CLI process was dead {died:.2f} s after the client had gone"
    assert proxy.stages() == stages, "the pipeline went on"
    assert len(api.bodies()) == 1, "nothing was asked a second time"
