# SPDX-License-Identifier: MIT
"""A hundred concurrent streams of mixed routes on one server: each gets its own answer, and nothing stays behind."""
from __future__ import annotations

import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from processes import children, descriptors, wait_for
from server import WIDTH, Proxy
from wire import Event, text_of

COUNT, WORDS = 100, 50
ROUTES = [
    ("/openai/v1/chat/completions", {}, True),
    ("/v1/messages", {"anthropic-version": "2023-06-01"}, False),
    ("/v1/chat/completions", {"authorization": "Bearer any"}, True),
    ("/v1/chat/completions", {"x-api-key": "any"}, False),
    ("/v1/messages", {}, False),
]


def at_rest(proxy: Proxy) -> dict[int, int]:
    """What is in use when nothing has changed for a while: connections just ended are closed by then."""
    now, until = in_use(proxy), time.monotonic() + 0.3
    while time.monotonic() < until:
        time.sleep(0.05)
        if (then := in_use(proxy)) != now:
            now, until = then, time.monotonic() + 0.3
    return now


def in_use(proxy: Proxy) -> dict[int, int]:
    """The open descriptors of each process of the server."""
    pids = {proxy.process.pid} | children(proxy.process.pid)
    return {pid: descriptors(pid) for pid in pids}


def test_a_hundred_streams(echo: Proxy) -> None:
    """No cross-talk, one end each; the same processes with the same descriptors before and after."""
    tokens = [f"tok-{uuid.uuid4().hex}" for _ in range(COUNT)]

    def one(number: int) -> list[Event]:
        path, headers, _ = ROUTES[number % len(ROUTES)]
        words = " ".join([tokens[number]] * WORDS)
        stream = echo.stream(path, {
            "model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": True,
            "messages": [{"role": "user", "content": f"[[slow:0.06]] {words}"}]}, headers)
        assert stream.status == 200
        events = list(stream)
        stream.close()
        return events

    one(0)
    before = at_rest(echo)
    assert len(before) == 1 + WIDTH
    with ThreadPoolExecutor(COUNT) as threads:
        answers = list(threads.map(one, range(COUNT)))
    for number, events in enumerate(answers):
        text = text_of(events)
        found = re.findall(r"tok-[0-9a-f]{32}", text)
        assert found == [tokens[number]] * WORDS, f"stream {number}: {len(found)} tokens, {len(set(found))} different"
        if ROUTES[number % len(ROUTES)][2]:
            assert [event.data for event in events].count("[DONE]") == 1 and events[-1].data == "[DONE]"
            chunks = [event.data for event in events[:-1]]
            assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]].count("stop") == 1
        else:
            names = [event.name for event in events]
            assert names.count("message_start") == names.count("message_stop") == 1 and names[-1] == "message_stop"
    assert max(events[0].time for events in answers) < min(events[-1].time for events in answers), \
        "all of them were under way at the same time"
    wait_for("the descriptors are given back", lambda: in_use(echo) == before, 5)


def test_one_end_for_each_request(echo: Proxy) -> None:
    """Whole answers too, many on few connections, without a wait between them."""

    def many(worker: int) -> None:
        for i in range(20):
            mine = f"worker-{worker}-{i}"
            path, headers, openai = ROUTES[(worker + i) % len(ROUTES)]
            answer = echo.ask("POST", path, {"model": "claude-sonnet-5-5", "max_tokens": 9,
                                             "messages": [{"role": "user", "content": mine}]}, headers)
            assert answer.status == 200, answer.body
            said = answer.json["choices"][0]["message"]["content"] if openai else answer.json["content"][0]["text"]
            assert said == mine

    before = at_rest(echo)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(many, range(16)))
    wait_for("the descriptors are given back", lambda: in_use(echo) == before, 5)
