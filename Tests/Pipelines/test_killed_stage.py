# SPDX-License-Identifier: MIT
"""A stage that dies under load: what was in flight fails at once and says so, and the next request is served."""
from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from patience import fair
from processes import alive, wait_for
from server import STAGES, Proxy
from wire import Event, Stream

ROUTES = ["/v1/messages", "/openai/v1/chat/completions"]
STREAMS = 8


def body(prompt: str, stream: bool) -> dict:
    return {"model": "claude-sonnet-5-5", "max_tokens": 500, "stream": stream,
            "messages": [{"role": "user", "content": prompt}]}


def works(proxy: Proxy) -> bool:
    """Whether each route answers now."""
    try:
        return all(proxy.ask("POST", path, body("hello", False)).status == 200 for path in ROUTES)
    except OSError:
        return False


def rest(stream: Stream, begun: list[Event]) -> tuple[list[Event], float]:
    """All events of a stream that has begun, and when it ended. A stream that hangs raises a time-out."""
    events = begun + list(stream)
    return events, time.monotonic()


@pytest.mark.parametrize("victim", STAGES)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["KILL", "TERM"])
def test_killed_stage(start, victim: str, how: signal.Signals) -> None:
    proxy = start(BACKEND="claude-echo")
    stages = proxy.stages()
    assert sorted(stages) == sorted(STAGES)
    streams = [proxy.stream(ROUTES[i % 2], body("[[len:400]] [[slow:0.05]]", True)) for i in range(STREAMS)]
    iterators = [iter(stream) for stream in streams]
    begun = [[next(iterator) for _ in range(4)] for iterator in iterators]
    with ThreadPoolExecutor(STREAMS + 2) as threads:
        # And requests whose answer hasn't begun.
        waiting = [threads.submit(proxy.ask, "POST", path, body("[[len:400]] [[slow:0.05]]", False)) for path in ROUTES]
        ends = [threads.submit(rest, iterator, events) for iterator, events in zip(iterators, begun)]
        time.sleep(0.2)
        os.kill(stages[victim], how)
        killed = time.monotonic()
        while not works(proxy):
            assert fair(killed) < 5, "no request works any more"
        recovered = fair(killed)
        for i, end in enumerate(ends):
            events, ended = end.result(30)
            took = fair(killed, ended)
            assert took < 2.5, f"stream {i} ended {took:.2f} s after the kill"
            if i % 2 == 0:
                assert events[-1].name == "error" and events[-1].data["error"]["message"]
                assert all(event.name != "message_stop" for event in events)
            else:
                assert events[-1].data != "[DONE]" and events[-1].data["error"]["message"]
        for answer in waiting:
            assert answer.result(30).status == 502, answer.result().body
    assert recovered < 1.0, f"a new request worked {recovered:.2f} s after the kill"
    for stream in streams:
        stream.close()
    # Another pipeline, whole, and of the old one nothing.
    wait_for("the old pipeline is gone", lambda: not any(map(alive, stages.values())), 3)
    assert sorted(proxy.stages()) == sorted(STAGES)
    assert all(works(proxy) for _ in range(5))


def test_an_idle_pipeline(start) -> None:
    """Killed while nothing is in flight: no request ever sees it."""
    proxy = start(BACKEND="claude-echo")
    old = proxy.stages()
    os.kill(old["anth2oai"], signal.SIGKILL)
    wait_for("a new pipeline runs", lambda: len(new := proxy.stages()) == len(STAGES) and not set(new.values()) & set(old.values()))
    assert works(proxy)
