# SPDX-License-Identifier: MIT
"""A stage that dies under load: what was in flight fails at once and says so, and the next request is served."""
from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from patience import fair
from load import is_error
from processes import alive, wait_for
from server import STAGES, VICTIMS, Proxy
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


@pytest.mark.parametrize("victim", VICTIMS)
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


@pytest.fixture
def many_descriptors():
    """Lets this process hold as many connections as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_streams(start) -> None:
    """The pipeline is killed: each client is told in its dialect, and the next answer comes within 0.2 s."""
    count = 1000
    proxy = start(BACKEND="claude-echo")
    data = json.dumps(body("[[len:400]] [[slow:1]]", True)).encode()
    streams = []
    for number in range(count):
        stream = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
        stream.sendall(f"POST {ROUTES[number % 2]} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
                       f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        streams.append(stream)
    begun = []
    for stream in streams:
        answer = b""
        while b"\ndata: " not in answer:
            assert (piece := stream.recv(65536)), answer
            answer += piece
        begun.append(answer)
    victim = proxy.stages()["claude-echo"]
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    while not works(proxy):
        assert fair(killed) < 5, "no request works any more"
    recovered, recovered_fair = time.monotonic() - killed, fair(killed)
    for number, (stream, answer) in enumerate(zip(streams, begun)):
        with stream:
            while piece := stream.recv(65536):
                answer += piece
        last = json.loads(re.findall(rb"^data: (.*)$", answer, re.M)[-1])
        assert answer.startswith(b"HTTP/1.1 200 ") and is_error(ROUTES[number % 2], last), (number, answer[-500:])
        assert answer.endswith(b"\r\n0\r\n\r\n"), "the answer has its regular end"
    told = time.monotonic() - killed
    print(f"the next answers after {recovered:.3f} s; all {count} clients told after at most {told:.3f} s")
    assert recovered_fair < 0.2 and fair(killed) < 2.5
    wait_for("the old pipeline is gone", lambda: not alive(victim), 3)
