# SPDX-License-Identifier: MIT
"""Signals under load: nobody who was let in is failed, and what must fail says so."""
from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from load import Load
from patience import fair
from processes import alive, children, wait_for, with_home
from server import VICTIMS, WIDTH
from test_settings_file import hang_up
from wire import connect

STREAMS, WHOLES = 60, 20
MODELS = ["claude-opus-4-8", "claude-sonnet-5-5"]


@pytest.mark.parametrize("pipelines", ["1", "2"])
def test_hang_up(start, tmp_path: Path, pipelines: str) -> None:
    """Several times: no request fails, each answer is right, and what is asked afterwards is answered as now set."""
    file = tmp_path / "settings"
    file.write_text(f"DEFAULT_MODEL={MODELS[0]}\n")
    proxy = start(BACKEND="claude-echo", PIPELINES=pipelines, CLAUDE_PROXY_CONFIG=str(file))
    load = Load(proxy, STREAMS, WHOLES, words=20, pace=0.01, keep=10)
    load.wait_begun()
    # When a model was in force, and for whom: what began before the signal may get either.
    changes = [(0.0, 0.0, MODELS[0])]
    for number in range(1, 5):
        time.sleep(0.5)
        file.write_text(f"DEFAULT_MODEL={MODELS[number % 2]}\n")
        sent = time.monotonic()
        hang_up(proxy, "the settings were read again")
        changes.append((sent, time.monotonic(), MODELS[number % 2]))
    # One that can't be put in force is not noticed either.
    file.write_text("DEFAULT_MODEL='\n")
    hang_up(proxy, "the settings and the tokens stay as they are")
    time.sleep(0.6)
    outcomes = load.end()
    assert load.kinds() == {"whole": len(outcomes)} and len(outcomes) > 2 * (STREAMS + WHOLES)
    counted = 0
    for (_, from_, model), (until, _, _) in zip(changes, changes[1:] + [(time.monotonic(), 0, "")]):
        for outcome in outcomes:
            # Begun and answered in between, or begun in between by a client whose pipeline is the new one.
            if from_ < outcome.began and outcome.ended < until:
                assert outcome.model == model
                counted += 1
    last = [outcome for outcome in outcomes if outcome.began > changes[-1][1]]
    assert last and all(outcome.model == changes[-1][2] for outcome in last)
    print(f"{len(outcomes)} requests, {counted + len(last)} between two signals")
    wait_for("one set of stages is left", lambda: len(with_home(proxy.home)) == 1 + int(pipelines) * WIDTH)


def test_terminate(start) -> None:
    """The listener closes at once; whoever was let in is answered to the end; the status is 0."""
    proxy = start(BACKEND="claude-echo")
    load = Load(proxy, STREAMS, WHOLES, words=40, pace=0.04, once=True)
    load.wait_begun()
    late = Load(proxy, 0, 10, words=3, pace=0.01)
    time.sleep(0.2)
    told = time.monotonic()
    proxy.process.terminate()
    wait_for("nobody listens", lambda: refuses(proxy.port))
    closed = fair(told)
    outcomes = load.end()
    assert proxy.process.wait(20) == 0
    ended = time.monotonic()
    assert load.kinds() == {"whole": STREAMS + WHOLES}
    # Those who came all the time: answered, or not let in.
    late.end()
    assert set(late.kinds()) <= {"whole", "refused"}, late.kinds()
    assert late.kinds()["refused"] == 10
    last = max(outcome.ended for outcome in outcomes)
    print(f"closed to others after {closed * 1000:.0f} ms; ended {(ended - last) * 1000:.0f} ms after the last answer")
    assert closed < 0.25 and last - told > 0.5
    assert not with_home(proxy.home)


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return False
    except ConnectionRefusedError:
        return True


def test_terminate_with_new_connections(start) -> None:
    """A client whose connection was made just before gets its answer, though its request came after the signal."""
    proxy = start(BACKEND="claude-echo", GRACE_PERIOD="5")
    fresh = [connect(proxy.port) for _ in range(50)]
    for connection in fresh:
        connection.connect()
    proxy.process.terminate()
    wait_for("nobody listens", lambda: refuses(proxy.port))
    statuses = []
    for connection in fresh:
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        statuses.append((answer.status, answer.getheader("connection")))
        answer.read()
    assert set(statuses) == {(200, "close")}
    assert proxy.process.wait(20) == 0


def test_terminate_beyond_the_grace(start) -> None:
    """What takes longer is cancelled, and says so in its dialect."""
    proxy = start(BACKEND="claude-echo", GRACE_PERIOD="1")
    load = Load(proxy, STREAMS, WHOLES, words=400, pace=0.05, once=True)
    load.wait_begun()
    told = time.monotonic()
    proxy.process.terminate()
    outcomes = load.end()
    assert proxy.process.wait(20) == 0
    assert load.kinds() == {"failed": STREAMS + WHOLES}
    assert {outcome.status for outcome in outcomes if not outcome.is_stream} == {503}
    assert {outcome.error for outcome in outcomes if outcome.is_stream} == {"the server is shutting down"}
    ended = [outcome.ended for outcome in outcomes]
    print(f"cancelled {min(ended) - told:.2f} to {max(ended) - told:.2f} s after the signal")
    assert min(ended) - told > 0.9 and fair(told, max(ended)) < 2.5
    assert not with_home(proxy.home)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal(start, second: signal.Signals) -> None:
    """Ends at once, and leaves no process."""
    proxy = start(BACKEND="claude-echo")
    load = Load(proxy, 20, 5, words=400, pace=0.05, once=True)
    load.wait_begun()
    proxy.process.terminate()
    wait_for("nobody listens", lambda: refuses(proxy.port))
    told = time.monotonic()
    proxy.process.send_signal(second)
    assert proxy.process.wait(20) == 0 and fair(told) < 0.5
    wait_for("no process is left", lambda: not with_home(proxy.home), 2)
    load.end()


@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_stage_of_one_of_two(start, victim: str) -> None:
    """The requests of that pipeline fail, each says so; those of the other are answered to the end."""
    proxy = start(BACKEND="claude-echo", PIPELINES="2")
    load = Load(proxy, STREAMS, WHOLES, words=80, pace=0.03, once=True)
    load.wait_begun()
    stage, old = proxy.stages()[victim], children(proxy.process.pid)
    time.sleep(0.2)
    os.kill(stage, signal.SIGKILL)
    killed = time.monotonic()
    # Before the server has seen it, no request can be kept from that pipeline.
    wait_for("it is seen, and another started", lambda: children(proxy.process.pid) - old)
    probe = Load(proxy, 0, 4, words=2, pace=0.01)
    outcomes = load.end()
    wait_for("there are two again", lambda: len(with_home(proxy.home)) == 1 + 2 * WIDTH)
    probe.end()
    failed = [outcome for outcome in outcomes if outcome.kind == "failed"]
    assert set(load.kinds()) == {"failed", "whole"}, load.kinds()
    # A request goes to the pipeline that has the fewest; one that asks for its health counts too.
    assert abs(len(failed) - (STREAMS + WHOLES) / 2) <= 1
    assert {outcome.status for outcome in failed if not outcome.is_stream} <= {502}
    assert fair(killed, max(outcome.ended for outcome in failed)) < 1
    # With the other one there, the service was never away.
    assert set(probe.kinds()) == {"whole"}, probe.kinds()
    assert fair(killed, min(outcome.ended for outcome in probe.outcomes)) < 1
    print(f"{victim}: {len(failed)} told after at most {max(o.ended for o in failed) - killed:.3f} s")


@pytest.mark.parametrize("victim", VICTIMS if os.environ.get("LONG") == "1" else ["claude-echo"])
def test_stopped_stage(start, victim: str) -> None:
    """A stage that hangs: its requests end by their time-out, and the pipeline is replaced."""
    proxy = start(BACKEND="claude-echo", REQUEST_TIMEOUT="1")
    old = proxy.stages()
    load = Load(proxy, 20, 10, words=400, pace=0.05, once=True)
    load.wait_begun()
    os.kill(old[victim], signal.SIGSTOP)
    stopped = time.monotonic()
    load.end()
    assert set(load.kinds()) == {"failed"}, load.kinds()
    assert {outcome.status for outcome in load.outcomes if not outcome.is_stream} == {504}
    wait_for("another pipeline is there", lambda: proxy.stages() and not set(proxy.stages().values()) & set(old.values()), 40)
    took = time.monotonic() - stopped
    again = Load(proxy, 4, 4, words=3, pace=0.01, once=True)
    again.end()
    assert again.kinds() == {"whole": 8}
    wait_for("the old one is gone", lambda: not any(map(alive, old.values())), 3)
    print(f"{victim}: replaced after {took:.1f} s")


def test_stopped_stage_long_before_the_time_out(start) -> None:
    """A pipeline at work gets health requests: requests that wait for a stuck one fail within seconds.

    Each stage has its own process here, so that answers still flow past the one that is stuck.
    """
    proxy = start(BACKEND="claude-echo", PROCESSES="each")
    assert proxy.ask("GET", "/health/ready").status == 200
    old = proxy.stages()
    # One that takes longer than a check, on a pipeline that is well, is left alone.
    slow = Load(proxy, 4, 4, words=60, pace=0.1, once=True)
    slow.end()
    assert slow.kinds() == {"whole": 8} and proxy.stages() == old
    load = Load(proxy, 10, 10, words=260, pace=0.1, once=True)
    load.wait_begun()
    os.kill(old["oai2anth"], signal.SIGSTOP)
    # Answers that had begun go on to their ends, past the stage that is stuck.
    with ThreadPoolExecutor(1) as threads:
        time.sleep(8)
        message = {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        late = threads.submit(proxy.ask, "POST", "/v1/messages", message)
        load.end(60)
        assert load.kinds() == {"whole": 20}
        assert late.result(60).status == 503
    wait_for("the old one is gone", lambda: not any(map(alive, old.values())), 10)
    again = Load(proxy, 4, 4, words=3, pace=0.01, once=True)
    again.end()
    assert again.kinds() == {"whole": 8}
