# SPDX-License-Identifier: MIT
"""Twice the input costs the server and the backends twice the time, whatever of it is doubled.

These are real processes between stand-ins; what is measured is their own processor time.
"""
from __future__ import annotations

import itertools
import json
from typing import Any, Callable, Iterator

import conftest
import http_kinds
import message_kinds
import pytest
import servers
from measure import LIMIT, Make, Measured, ratio

Json = dict[str, Any]
# A CLI gets the turns of a conversation one by one, and is a process that waits: fewer of them say the same.
MOST_TURNS = 3_000


def check(measured: Measured, name: str, make: Make, most: int = 1 << 30) -> None:
    made: dict[tuple[int, int], bytes] = {}

    def once(size: int, times: int) -> bytes:
        return made.get((size, times)) or made.setdefault((size, times), make(size, times))

    found, cost = ratio(measured, once, most)
    conftest.FOUND.append((found, str(measured), name))
    assert found <= LIMIT, f"{measured}: {found:.2f} times the cost for twice as much ({name}: {cost:.3f} s)"


# MARK: http-frontd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    one = servers.Server(tmp_path_factory.mktemp("server"))
    # What is done once is done.
    one.of_requests(http_kinds.post(b"{}", http_kinds.LAST))
    yield one
    assert one.front.stop() == 0


@pytest.mark.parametrize("name", http_kinds.BODIES)
def test_bodies_and_many_requests(server: servers.Server, name: str) -> None:
    check(server.requests, name, lambda size, times: http_kinds.BODIES[name](size * times))


@pytest.mark.parametrize("name", http_kinds.HEADS)
def test_heads(server: servers.Server, name: str) -> None:
    most, make = http_kinds.HEADS[name]
    check(server.requests, name, lambda size, times: make(most * times) * size + http_kinds.get(http_kinds.LAST))


@pytest.mark.parametrize("name", http_kinds.RECORDS)
def test_records_of_the_pipeline(server: servers.Server, name: str) -> None:
    check(server.answers, name, lambda size, times: http_kinds.RECORDS[name](size * times))


# MARK: claude-http


@pytest.fixture(scope="module")
def claude_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.ClaudeHTTP]:
    one = servers.ClaudeHTTP(tmp_path_factory.mktemp("claude-http"))
    with one.upstream:
        yield one


def requests(make: Callable[[int], Json], n: int, copies: int = 1, **ctx: Any) -> bytes:
    line = json.dumps({"rid": "R", "ctx": {"op": "messages"} | ctx, "request": make(n)}, separators=(",", ":")) + "\n"
    return "".join(line.replace('"R"', f'"r{number}"', 1) for number in range(copies)).encode()


@pytest.mark.parametrize("name", message_kinds.KINDS)
def test_requests_to_an_api(claude_http: servers.ClaudeHTTP, name: str) -> None:
    check(claude_http.requests, name, lambda size, times: requests(message_kinds.KINDS[name], size * times))


def test_many_requests_to_an_api(claude_http: servers.ClaudeHTTP) -> None:
    check(claude_http.requests, "requests", lambda size, times: requests(lambda n: message_kinds.body(), 0, size * times), most=1_000)


CONTEXTS: dict[str, Callable[[int], Json]] = {
    "headers of a request": lambda n: {"http": {"headers": {f"x-{number}": "v" for number in range(n)}}},
    "betas of a request": lambda n: {"http": {"headers": {"anthropic-beta": ",".join(f"b{number}" for number in range(n))}}},
    "losses of a request": lambda n: {"loss": [{"field": f"f{number}", "fate": "dropped"} for number in range(n)]},
    "members of a ctx": message_kinds.unknown,
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts_of_requests_to_an_api(claude_http: servers.ClaudeHTTP, name: str) -> None:
    check(claude_http.requests, name, lambda size, times: requests(
        lambda n: message_kinds.body(), 0, **CONTEXTS[name](size * times)))


@pytest.mark.parametrize("name", http_kinds.STREAMS)
def test_streams_of_an_api(claude_http: servers.ClaudeHTTP, name: str) -> None:
    check(claude_http.answers, name, lambda size, times: http_kinds.STREAMS[name](size * times))


@pytest.mark.parametrize("name", http_kinds.ANSWER_HEADS)
def test_heads_of_an_api(claude_http: servers.ClaudeHTTP, name: str) -> None:
    check(claude_http.answers, name, lambda size, times: http_kinds.ANSWER_HEADS[name](size * times))


@pytest.mark.parametrize("name", http_kinds.WHOLES)
def test_whole_answers_of_an_api(claude_http: servers.ClaudeHTTP, name: str) -> None:
    check(claude_http.wholes, name, lambda size, times: http_kinds.WHOLES[name](size * times))


# MARK: claude-exec


@pytest.fixture(scope="module")
def clis(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[servers.Backend, servers.Backend, servers.Backend]]:
    return {mode: servers.claude_exec(mode, tmp_path_factory.mktemp("claude-exec") / mode) for mode in "VSN"}


# By a transcript a request is read as by turns, and what is written differs in these.
OF_TRANSCRIPTS = ["turns", "calls in turn", "user messages", "texts", "texts of the assistant", "a long text", "a text of escapes",
                  "a long system text", "tools"]


@pytest.mark.parametrize("mode, name", [*itertools.product("VS", message_kinds.KINDS), *itertools.product("N", OF_TRANSCRIPTS)])
def test_requests_to_a_cli(clis: dict[str, Any], mode: str, name: str) -> None:
    most = MOST_TURNS if mode == "S" and name in ("turns", "calls in turn") else 1 << 30
    check(clis[mode][0], name, lambda size, times: requests(message_kinds.KINDS[name], size * times), most)


def test_many_requests_to_a_cli(clis: dict[str, Any]) -> None:
    """They wait for one process, which serves them one after another."""
    check(clis["V"][0], "requests", lambda size, times: requests(lambda n: message_kinds.body(), 0, size * times), most=100)


@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts_of_requests_to_a_cli(clis: dict[str, Any], name: str) -> None:
    check(clis["V"][0], name, lambda size, times: requests(
        lambda n: message_kinds.body(), 0, **CONTEXTS[name](size * times)))


def cli(events: list[tuple[str, Any]], before: bytes = b"", said: bytes = b"") -> bytes:
    """What a CLI prints for an answer; and on its stderr."""
    own = {"session_id": "s", "parent_tool_use_id": None, "uuid": "u"}
    lines = [{"type": "system", "subtype": "init"}, {"type": "system", "subtype": "status", "status": "requesting"}]
    lines += [{"type": "stream_event", "event": event} | own for _, event in events]
    lines += [{"type": "result", "subtype": "success", "is_error": False, "stop_reason": "end_turn"}]
    text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return (said + b"\n" if said else b"") + before + text


WORDS = http_kinds.deltas(http_kinds.TEXT, [http_kinds.text("word")])
LINES: dict[str, Callable[[int], bytes]] = {
    "lines of the system": lambda n: cli(WORDS, b'{"type":"system","subtype":"x"}\n' * n),
    "unknown lines": lambda n: cli(WORDS, b'{"type":"unknown","event":{"type":"x"}}\n' * n),
    "lines that are no JSON": lambda n: cli(WORDS, b"something else\n" * n),
    "empty lines of the CLI": lambda n: cli(WORDS, b"\n" * n),
    "messages of the assistant": lambda n: cli(WORDS, b'{"type":"assistant","message":{"content":[]}}\n' * n),
    "states of the limit": lambda n: cli(WORDS, b'{"type":"rate_limit_event","rate_limit_info":{"status":"allowed"}}\n' * n),
    "events of a side": lambda n: cli(WORDS, b'{"type":"stream_event","event":{"type":"ping"},"parent_tool_use_id":"x"}\n' * n),
    "a long line of the CLI": lambda n: cli(WORDS, b'{"type":"system","x":"' + b"x" * n + b'"}\n'),
    "members of a line": lambda n: cli(WORDS, b'{"type":"system"' + b"".join(b',"k%d":1' % number for number in range(n)) + b"}\n"),
    "lines of stderr": lambda n: cli(WORDS, said=b"something is wrong\n" * n),
    "one line of stderr": lambda n: cli(WORDS, said=b"x" * n + b"\n"),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_of_a_cli(clis: dict[str, Any], name: str) -> None:
    check(clis["V"][1], name, lambda size, times: LINES[name](size * times))


@pytest.mark.parametrize("name", http_kinds.OF_EVENTS)
def test_streams_of_a_cli(clis: dict[str, Any], name: str) -> None:
    check(clis["V"][1], name, lambda size, times: cli(http_kinds.OF_EVENTS[name](size * times)))


@pytest.mark.parametrize("name", http_kinds.OF_EVENTS)
def test_whole_answers_of_a_cli(clis: dict[str, Any], name: str) -> None:
    """The same events are put together."""
    check(clis["V"][2], name, lambda size, times: cli(http_kinds.OF_EVENTS[name](size * times)))


@pytest.mark.parametrize("mode", "SN")
def test_streams_by_other_modes(clis: dict[str, Any], mode: str) -> None:
    check(clis[mode][1], "text deltas", lambda size, times: cli(http_kinds.OF_EVENTS["text deltas"](size * times)))
