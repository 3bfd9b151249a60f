# SPDX-License-Identifier: MIT
"""Hostile and malformed requests: what each is answered, whether its connection goes on, and that none gets through.

The requests, and the public lists that they are from, stand in hostile/.
"""
from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest
from front import Front, read_all
from hostile import GET, SMUGGLED, bodies, chunked, framing, heads
from hostile.odd import ODD
from processes import wait_for

CASES = [case for topic in (framing, chunked, heads, bodies) for case in topic.CASES]
# Served only where the connection goes on.
NEXT = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
SDKS = [openai.OpenAI(api_key="x"), anthropic.Anthropic(api_key="x")]


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case[0] for case in cases])


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    server = Front(tmp_path_factory.mktemp("hostile"))
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that wants a token."""
    server = Front(tmp_path_factory.mktemp("guarded"), env={"AUTH_TOKEN": "sesame"})
    yield server
    assert server.stop() == 0


def answers(data):
    """Cuts what a client got into answers: status, headers, body."""
    found = []
    while data:
        head, gap, data = data.partition(b"\r\n\r\n")
        assert gap, head
        # Nothing that a terminal or another reader of headers would stumble over.
        assert re.fullmatch(rb"HTTP/1\.[01] \d{3} [\x20-\x7e]*(\r\n[a-z-]+: [\x20-\x7e]+)*", head), head
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        assert len(headers) == len(lines) - 1, head
        length = int(headers.get("content-length", 0))
        found.append((int(lines[0].split()[1]), headers, data[:length]))
        assert len(data) >= length, data
        data = data[length:]
    return found


def check_refusal(status, headers, body):
    """An error that both vendors' clients read, and that is named as the log names it."""
    assert re.fullmatch(rb"[^\x00-\x1f\x7f]*", body) and headers["content-type"] == "application/json"
    error = json.loads(body)
    assert set(error) == {"type", "error", "request_id"} and error["type"] == "error"
    assert set(error["error"]) == {"type", "message", "param", "code"} and error["error"]["message"]
    assert error["request_id"] == headers["x-request-id"] == headers["request-id"]
    assert not {"set-cookie", "x-evil", "x-injected"} & set(headers)
    response = httpx2.Response(status, headers=headers, content=body, request=httpx2.Request("POST", "http://localhost/"))
    for sdk in SDKS:
        raised = sdk._make_status_error_from_response(response)
        assert raised.status_code == status and raised.request_id == error["request_id"]
        assert raised.body.get("error", raised.body) == error["error"]


def check(front, case):
    before = len(front.seen())
    with front.socket() as client:
        client.sendall(case.data + (b"" if case.ends else NEXT))
        if case.ends:
            client.shutdown(socket.SHUT_WR)
        got = answers(read_all(client))
    statuses = [status for status, _, _ in got]
    assert statuses == ([case.status] if case.status else []) + ([200] if case.goes_on else []), got
    if case.status:
        check_refusal(*got[0])
        assert (got[0][1].get("connection") == "close") == (not case.goes_on)
    if case.goes_on:
        assert b'"status":"alive"' in got[-1][2]
    assert front.seen()[before:] == []


@named(CASES)
def test_hostile(front, case):
    check(front, case)


@named(bodies.TOKENS)
def test_tokens(guarded, case):
    check(guarded, case)


@named(ODD)
def test_odd(front, case):
    """What is right is served, once; what stands in it is served by nobody."""
    name, data, body, goes_on = case
    before = len(front.seen())
    with front.socket() as client:
        client.sendall(data + NEXT)
        got = answers(re.sub(rb"^HTTP/1.1 100 Continue\r\n\r\n", b"", read_all(client)))
    assert [status for status, _, _ in got] == [200, 200][: 1 + goes_on], got
    if goes_on:
        assert b'"status":"alive"' in got[1][2]
    else:
        assert got[0][1]["connection"] == "close"
    assert [record.get("request") for record in front.seen()[before:]] == [body]


def has_read(front, client):
    """Whether nothing waits in the server's socket: what is sent now comes to it as another piece."""
    ends = f" 0100007F:{front.port:04X} 0100007F:{client.getsockname()[1]:04X} "
    [queues] = [line.split()[4] for line in Path("/proc/net/tcp").read_text().splitlines() if ends in line]
    return queues.endswith(":00000000")


@pytest.mark.parametrize("place", ["path", "name", "value"])
@pytest.mark.parametrize("cut", [None, 1_500, 2_100, 2_900])
def test_a_head_with_two_faults(tmp_path, place, cut):
    """Malformed and too large: it is refused for one of them, whichever cut decides, and nothing after it is served."""
    long = b"a" * 3_000 + b"\x01"
    data = {"path": b"GET /" + long + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", "name": GET + long + b": x\r\n\r\n",
            "value": GET + b"x: " + long + b"\r\n\r\n"}[place] + SMUGGLED
    front = Front(tmp_path, "--max-header", "2048")
    try:
        with front.socket() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(data[:cut])
            if cut:
                wait_for("the server has read it", lambda: has_read(front, client))
                client.sendall(data[cut:])
            [(status, headers, body)] = answers(read_all(client))
        # A piece that ends beyond the limit is counted there, and a value that ends in the fault is counted before it.
        assert status == (431 if place == "value" or cut and cut > 2_048 else 400), body
        assert headers["connection"] == "close"
        check_refusal(status, headers, body)
        assert front.seen() == []
    finally:
        front.stop()


def test_nothing_behind_what_was_refused(front):
    """The bytes behind a request whose end isn't known are nobody's request."""
    before = len(front.seen())
    for case in CASES:
        if case.status and not case.goes_on and case.status != 431:
            answered = answers(front.raw(case.data + SMUGGLED + GET + b"\r\n"))
            assert [status for status, _, _ in answered] == [case.status], case.name
    assert len(front.seen()) == before


def test_there_are_enough():
    assert len(CASES) == len({case.name for case in CASES}) == len({case.data for case in CASES}) >= 120
