# SPDX-License-Identifier: MIT
"""What the whole process tree takes for the bodies that cost the most, and that it gives it back.

Measured is the memory of the server and its stages (PSS) above what they take when idle.
"""
from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import large
import processes
import pytest
from server import PROGRAMS, REPOSITORY, Proxy
from upstream import Request, Upstream, Wire

MAX_BUFFERED = 256 << 20
ANSWER = json.dumps({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                     "stop_sequence": None, "content": [{"type": "text", "text": "hi"}],
                     "usage": {"input_tokens": 1, "output_tokens": 1}}).encode()
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


# A process of its own, which nothing here holds up. Resident pages, as they are cheap to count: of those that are shared
# none come while a server works.
SAMPLER = """
import os, select, sys
files = [os.open(f"/proc/{pid}/statm", os.O_RDONLY) for pid in sys.argv[1:]]
most = 0
while not select.select([0], [], [], 0.002)[0]:
    most = max(most, sum(int(os.pread(file, 99, 0).split()[1]) for file in files))
print(most * os.sysconf("SC_PAGE_SIZE"))
"""


class Watch:
    """The memory of a server's own programs, in bytes: what they take now, and the most while it watches.

    Both are counted from what they took when it was made.
    """

    def __init__(self, proxy: Proxy):
        self.pids = [proxy.process.pid, *set(proxy.stages().values())]
        self.idle = self.now()
        self._before = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)

    def now(self) -> int:
        # Pages of the programs' files are shared with the servers of other tests, so their part changes when those end.
        return sum(processes.memory(pid, "Pss_Anon") for pid in self.pids) << 10

    def __enter__(self) -> Watch:
        self._sampler = subprocess.Popen([sys.executable, "-c", SAMPLER, *map(str, self.pids)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        out, _ = self._sampler.communicate(b"\n")
        self.taken = int(out) - self._before * os.sysconf("SC_PAGE_SIZE")

    def is_back(self) -> bool:
        return self.now() - self.idle <= 20 << 20


def play(wire: Wire, _: Request) -> None:
    wire.answer(200, ANSWER)


@pytest.fixture(scope="module")
def upstream():
    with Upstream(play) as one:
        # It need not keep what it was sent.
        one.requests = type("Forgetful", (list,), {"append": lambda self, request: None})()
        yield one


def warm(proxy: Proxy, path: str) -> None:
    for _ in range(3):
        assert proxy.ask("POST", path, json.loads(large.chat())).status == 200


# How claude-exec sends requests to the CLI: by their own members, turn by turn, and by a transcript.
MODES = ["V", "S", "N"]


def with_cli(mode: str) -> dict[str, str]:
    """A claude-exec whose CLIs are stand-ins: their own memory is no concern of this test."""
    return {"BACKEND": "claude-exec", "CLAUDE_CARRIER": mode, "CLAUDE_CLI_PATH": str(REPOSITORY / "Tests/StandIns/plain-claude"),
            "CLAUDE_AUTH": "key", "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "CLAUDE_WARM_PROCESSES": "0", "LOG_LEVEL": "error"}


def settings(backend: str, upstream: Upstream) -> dict[str, str]:
    more = {"ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "ANTHROPIC_BASE_URL": upstream.url}
    return {"BACKEND": backend, "LOG_LEVEL": "error"} | (more if backend == "claude-http" else {})


@pytest.mark.parametrize("backend, dialect", [("claude-http", "openai"), ("claude-http", "anthropic")])
def test_one_body_takes_six_times_the_largest(start, upstream, backend, dialect):
    proxy = start(**settings(backend, upstream))
    warm(proxy, PATHS[dialect])
    watch, told = Watch(proxy), {}
    for name, body in large.bodies():
        # Where oai2anth or claude-http is as with the first, those that differ most will do.
        if (backend, dialect) != ("claude-http", "openai") and "long string" not in name:
            continue
        assert len(body) <= large.MAX_BODY, name
        data = body.encode()
        processes.wait_for("the memory is back", watch.is_back, 10)
        with watch:
            answer = proxy.ask("POST", PATHS[dialect], data)
            assert answer.status in (200, 400), (name, answer.status, answer.body[:300])
        told[name] = watch.taken / large.MAX_BODY
        print(f"{backend} {dialect} {name}: {answer.status}, {told[name]:.2f} times the largest body")
    processes.wait_for("the memory is back", watch.is_back, 10)
    assert max(told.values()) <= 6, told


# Those of which a backend makes the most; in mode S each turn of many is a message to the CLI and its answer.
WORST = {"V": ["one long string", "empty objects and a long string", "many messages and a long string", "long escapes"],
         "S": ["one long string", "empty objects and a long string", "many parts", "long escapes"],
         "N": ["one long string", "empty objects and a long string", "many messages and a long string", "long escapes"]}


@pytest.fixture(scope="module")
def worst() -> dict[str, bytes]:
    return {name: body.encode() for name, body in large.bodies() if any(name in names for names in WORST.values())}


@pytest.mark.parametrize("mode", MODES)
def test_one_body_for_a_cli_takes_six_times_the_largest(start, worst, mode):
    """By OpenAI's words, since a translation is beside it in memory then."""
    proxy = start(**with_cli(mode))
    warm(proxy, PATHS["openai"])
    watch, told = Watch(proxy), {}
    for name in WORST[mode]:
        processes.wait_for("the memory is back", watch.is_back, 10)
        with watch:
            answer = proxy.ask("POST", PATHS["openai"], worst[name])
            assert answer.status in (200, 400), (name, answer.status, answer.body[:300])
        told[name] = watch.taken / large.MAX_BODY
        print(f"claude-exec {mode} {name}: {answer.status}, {told[name]:.2f} times the largest body")
    processes.wait_for("the memory is back", watch.is_back, 10)
    assert max(told.values()) <= 6, told


def ask_twelve_at_once(proxy: Proxy, bodies: list[bytes]) -> None:
    """Each is answered or refused, together they take at most twice what may be buffered, and then all of it is back."""
    warm(proxy, PATHS["openai"])
    with Watch(proxy) as watch, concurrent.futures.ThreadPoolExecutor(12) as clients:
        asked = [clients.submit(proxy.ask, "POST", PATHS["openai"], bodies[number % len(bodies)]) for number in range(12)]
        statuses = [one.result().status for one in asked]
    print(f"{statuses}: {watch.taken / MAX_BUFFERED:.2f} times MAX_BUFFERED")
    assert set(statuses) <= {200, 400, 529} and 200 in statuses
    assert watch.taken <= 2 * MAX_BUFFERED
    processes.wait_for("the memory is back", watch.is_back, 10)


@pytest.mark.parametrize("mode", MODES)
def test_twelve_for_a_cli_take_twice_what_may_be_buffered(start, worst, mode):
    """Those that wait for a process are held by claude-exec, and count until their answers begin."""
    ask_twelve_at_once(start(**with_cli(mode)), [worst[name] for name in WORST[mode]])


def test_a_large_answer_is_given_back_too(start, upstream):
    """claude-echo says again what it is told: here is one body, and an answer as large."""
    proxy = start(**settings("claude-echo", upstream))
    warm(proxy, PATHS["openai"])
    watch = Watch(proxy)
    assert proxy.ask("POST", PATHS["openai"], large.padded(large.chat()).encode()).status == 200
    processes.wait_for("the memory is back", watch.is_back, 10)


def test_twelve_at_once_take_twice_what_may_be_buffered(start, upstream):
    """Whatever their bodies: each is answered, or refused since there is no room for it now."""
    chosen = [body.encode() for name, body in large.bodies() if "long string" in name or name in ("many tools", "long escapes")]
    ask_twelve_at_once(start(**settings("claude-http", upstream)), chosen)


def test_a_slow_backend_lets_no_more_in(start, upstream):
    """A body counts until its answer begins: what a backend holds is bounded too."""
    release = threading.Event()

    def wait(wire: Wire, _: Request) -> None:
        release.wait(60)
        wire.answer(200, ANSWER)

    data = large.padded(large.chat()).encode()
    with Upstream(wait) as slow:
        slow.requests = type("Forgetful", (list,), {"append": lambda self, request: None})()
        proxy = start(**settings("claude-http", slow))
        with Watch(proxy) as watch, concurrent.futures.ThreadPoolExecutor(12) as clients:
            asked = [clients.submit(proxy.ask, "POST", "/v1/messages", data) for _ in range(12)]
            processes.wait_for("those that find no room are refused", lambda: sum(one.done() for one in asked) >= 4, 60)
            release.set()
            statuses = sorted(one.result().status for one in asked)
        assert statuses == [200] * 7 + [529] * 5 or statuses == [200] * 8 + [529] * 4, statuses
        assert watch.taken <= 2 * MAX_BUFFERED
        processes.wait_for("the memory is back", watch.is_back, 10)


# One of each kind, and objects in each place.
VALUES = [0, "text", None, [], [[]], {}, {"a": 0}, {"a": {"b": {}}}, [{"a": []}, {"b": [1, {"c": None}]}]]


def holding(value: Any, count: int) -> dict[str, Any]:
    """A request that holds this value several times, and as many values in all."""
    body: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "metadata": {}}
    body["x"] = [value] * 20
    body["x"] += [0] * (count - large.nodes(body))
    assert large.nodes(body) == count
    return body


@pytest.mark.parametrize("dialect", PATHS)
def test_a_body_of_too_many_values_is_refused(start, dialect):
    proxy = start(BACKEND="claude-echo", MAX_NODES="1000")
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "x": [{}] * 2000}
    answer = proxy.ask("POST", PATHS[dialect], body)
    error = json.loads(answer.body)["error"]
    assert answer.status == 413 and error["type"] == "request_too_large", answer.body
    assert "1000" in error["message"] and "MAX_NODES" in error["message"]
    for value in VALUES:
        assert proxy.ask("POST", PATHS[dialect], holding(value, 1000)).status == 200, value
        assert proxy.ask("POST", PATHS[dialect], holding(value, 1001)).status == 413, value


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_answer_of_too_many_values_fails_alone(start, is_stream):
    """An upstream may be as hostile as a client."""
    hostile = b"[" + b"{}," * (10 << 20) + b"{}]"

    def answer(wire: Wire, request: Request) -> None:
        if b"good" in request.body:
            wire.answer(200, ANSWER)
        elif is_stream:
            wire.head()
            wire.chunk(b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"m","usage":'
                       b'{"input_tokens":1,"output_tokens":1},"x":' + hostile + b"}}\n\n")
            wire.send(b"0\r\n\r\n")
        else:
            wire.answer(200, ANSWER[:-1] + b',"x":' + hostile + b"}")

    body = {"model": "claude-sonnet-4-5", "stream": is_stream, "messages": [{"role": "user", "content": "bad"}]}
    good = body | {"stream": False, "messages": [{"role": "user", "content": "good"}]}
    with Upstream(answer) as one:
        proxy = start(**settings("claude-http", one))
        warm_body = proxy.ask("POST", PATHS["openai"], good)
        assert warm_body.status == 200
        with Watch(proxy) as watch:
            refused = proxy.ask("POST", PATHS["openai"], body)
            assert b"MAX_NODES" in refused.body, refused.body[:300]
        print(f"{(watch.taken) / large.MAX_BODY:.2f} times the largest body")
        assert watch.taken <= 6 * large.MAX_BODY
        assert proxy.ask("POST", PATHS["openai"], good).status == 200
        processes.wait_for("the memory is back", watch.is_back, 10)


@pytest.mark.parametrize("program", ["oai2anth", "claude-echo"])
def test_a_stage_by_itself_refuses_too_many_values(program):
    """By hand, or under another front, which doesn't count."""
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "x": [{}] * 2000})
    record = '{"rid":"r1","ctx":{"op":"messages","dialect":"openai"},"request":' + body + "}\n"
    made = subprocess.run([PROGRAMS / program, "--max-nodes", "1000"], input=record, capture_output=True, text=True, timeout=20)
    records = [json.loads(line) for line in made.stdout.splitlines()]
    assert [set(record) - {"rid", "ctx"} for record in records] == [{"error"}, {"end"}]
    assert records[0]["error"]["status"] == 413
    assert records[0]["error"]["body"]["error"]["type"] == "request_too_large"


@pytest.mark.parametrize("program", ["model-map", "oai2anth", "resp2anth", "claude-echo"])
def test_the_limit_of_a_body_is_not_that_of_the_model_table(program: str) -> None:
    """A table, built in or the owner's, is larger than some bodies may be."""
    dialect, body = ("responses", {"input": "hi"}) if program == "resp2anth" else (
        "openai", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9})
    record = json.dumps({"rid": "r1", "ctx": {"op": "messages", "dialect": dialect}, "request": {"model": "gpt-4o"} | body})
    for limit in ([] if program == "model-map" else ["--max-nodes", "16"]), []:
        made = subprocess.run([PROGRAMS / program, *limit], input=record + "\n", capture_output=True, text=True, timeout=20)
        assert (made.returncode, made.stderr) == (0, ""), made
        assert not any("error" in json.loads(line) for line in made.stdout.splitlines()), made.stdout


@pytest.mark.parametrize("value", VALUES)
def test_a_stage_by_itself_counts_as_the_front(value: Any) -> None:
    for count, kind in ((1000, "request"), (1001, "error")):
        record = json.dumps({"rid": "r1", "ctx": {"op": "messages", "dialect": "openai"}, "request": holding(value, count)})
        made = subprocess.run([PROGRAMS / "oai2anth", "--max-nodes", "1000"], input=record + "\n", capture_output=True,
                              text=True, timeout=20)
        assert kind in json.loads(made.stdout.splitlines()[0]), (count, made)


def test_the_rig_knows_the_defaults(start) -> None:
    proxy = start(BACKEND="claude-echo")
    in_force = json.loads(proxy.ask("GET", "/health/detailed").body)["configuration"]
    assert (in_force["max_body"], in_force["max_nodes"]) == (large.MAX_BODY, large.MAX_NODES)
