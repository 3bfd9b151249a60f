# SPDX-License-Identifier: MIT
"""A client that goes away costs nothing more: the API's connection is closed, and its CLI process dies or is free."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Callable

import pytest
from messages_api import MessagesAPI
from patience import again_if_busy, fair
from processes import alive, wait_for
from server import Proxy

SLOW = "[[len:200]] [[slow:0.1]]"
WAYS = pytest.mark.parametrize("path, prompt, stream", [
    ("/openai/v1/chat/completions", SLOW, True),
    ("/v1/messages", SLOW, True),
    ("/v1/messages", SLOW, False),
    ("/v1/messages", "[[delay:20]]", True),
], ids=["openai-stream", "anthropic-stream", "whole", "nothing-yet"])


def ask_and_go(proxy: Proxy, api: MessagesAPI, path: str, prompt: str, stream: bool) -> float:
    """The time at which the client had gone. The API's connection is closed within a second of it."""
    asked = proxy.stream(path, {"model": "claude-haiku-4-5", "max_tokens": 500, "stream": stream,
                                "messages": [{"role": "user", "content": prompt}]})
    api.wait("request")
    if stream and prompt is SLOW:
        events = iter(asked)
        for _ in range(4):
            next(events)
    gone = asked.go()
    closed = fair(gone, api.wait("client_abort")["mono"])
    assert closed < 1.0, f"the API's connection was closed {closed:.2f} s after the client had gone"
    return gone


@WAYS
def test_its_process_dies(start: Callable[..., Proxy], settings: dict[str, str], api: MessagesAPI, path: str,
                          prompt: str, stream: bool) -> None:
    """Where a process serves one request."""
    proxy = start(**settings | {"CLAUDE_CARRIER": "N"})
    stages = proxy.stages()
    gone = ask_and_go(proxy, api, path, prompt, stream)
    wait_for("the CLI process is dead", lambda: not any(map(alive, proxy.cli_processes())))
    died = fair(gone)
    assert died < 1.0, f"the CLI process was dead {died:.2f} s after the client had gone"
    assert proxy.stages() == stages, "the pipeline went on"
    assert len(api.bodies()) == 1, "nothing was asked a second time"


@WAYS
@again_if_busy
def test_its_process_serves_the_next(start: Callable[..., Proxy], settings: dict[str, str], api: MessagesAPI, path: str,
                                     prompt: str, stream: bool) -> None:
    """Where a process serves many: none more is needed."""
    api.reset()
    proxy = start(**settings | {"CLAUDE_WARM_PROCESSES": "0", "CLAUDE_MAX_PROCESSES": "1"})
    stages = proxy.stages()
    ask_and_go(proxy, api, path, prompt, stream)
    before = proxy.cli_processes()
    answer = proxy.ask("POST", "/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [
        {"role": "user", "content": "[[say:next]]"}]})
    assert answer.json["content"] == [{"type": "text", "text": "next"}]
    assert len(before) == 1 and proxy.cli_processes() == before
    assert proxy.stages() == stages and len(api.bodies()) == 2
