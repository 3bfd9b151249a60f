# SPDX-License-Identifier: MIT
"""http-frontd under pressure: what may wait in all, slow clients, and several pipelines."""
from __future__ import annotations

import http.client
import json
import signal
import socket
import time

import pytest
from front import JSON, Front, eventually, read_all, read_until, request, start
from patience import fair
from processes import memory


def head(length: int) -> bytes:
    return (f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {length}\r\nconnection: close\r\n\r\n").encode()


def body(size: int) -> bytes:
    text = b'{"model":"error","messages":"' + b"x" * size
    return text[: size - 2] + b'"}'


SMALL = ["--max-body", "1000000", "--max-buffered", "1000000"]


def test_a_body_waits_for_room(start):
    """Not read on meanwhile, and answered when there is room."""
    server = start(*SMALL)
    with server.socket() as first, server.socket() as second:
        first.sendall(head(900_000) + body(900_000)[:700_000])
        time.sleep(0.3)
        second.sendall(head(600_000))
        second.setblocking(False)
        sent = 0
        until = time.monotonic() + 1.5
        whole = body(600_000)
        while sent < len(whole) and time.monotonic() < until:
            try:
                sent += second.send(whole[sent:])
            except BlockingIOError:
                time.sleep(0.05)
        assert server.post({})[0] == 200, "a small one finds room"
        first.sendall(body(900_000)[700_000:])
        assert b" 429 " in read_all(first)
        second.setblocking(True)
        second.sendall(whole[sent:])
        assert b" 429 " in read_all(second)
    assert [len(json.dumps(record)) > 500_000 for record in server.seen()].count(True) == 2


def test_a_body_that_finds_no_room_is_refused(start):
    server = start(*SMALL)
    with server.socket() as first, server.socket() as second:
        first.sendall(head(900_000) + body(900_000)[:700_000])
        time.sleep(0.3)
        second.sendall(head(600_000) + body(600_000)[:400_000])
        began = time.monotonic()
        answer = read_until(second, b"overloaded_error")
        assert answer.startswith(b"HTTP/1.1 529 ") and b"retry-after: 5\r\n" in answer
        assert 4 < time.monotonic() - began and fair(began) < 9
        first.sendall(body(900_000)[700_000:])
        assert b" 429 " in read_all(first)
    assert server.post({})[0] == 200


def test_the_slowest_client_is_given_up(start):
    """Where all that clients leave is too much; others are served as before."""
    server = start(*SMALL)
    slow = server.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(head(18) + b'{"model":"flood" }')
    eventually(lambda: any("the connection of the slowest is closed" in line["msg"] for line in server.log()), 20)
    for _ in range(5):
        assert server.post({})[0] == 200
    slow.close()
    lines = [line for line in server.log() if line.get("path") == "/v1/messages"]
    assert [line["error"] for line in lines if line.get("error")] == ["client_gone"]


@pytest.mark.parametrize("options, version, headers", [
    ([], "1.0", []), ([], "1.1", ["connection: close"]), ([], "1.1", []), (["--keep-alive-timeout", "3"], "1.1", [])],
    ids=["HTTP/1.0", "close", "keep-alive", "shorter than the answer takes"])
def test_a_client_that_reads_late(start, options, version, headers):
    """It costs the bytes that wait for it, however small the pieces were, and gets them all, be it slow or fast."""
    server = start(*options)
    before = memory(server.process.pid, "Pss_Anon")
    count = 16_000
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(20)
    slow.connect(("127.0.0.1", server.port))
    with slow:
        slow.sendall(request({"model": "small", "n": count}, *headers, version=version))
        eventually(lambda: any(line["msg"] == "request" for line in server.log()), 60)
        grown = memory(server.process.pid, "Pss_Anon") - before
        assert server.ask("GET", "/health/ready")[0] == 200
        answer, data, began = http.client.HTTPResponse(slow), [], time.monotonic()
        answer.begin()
        while piece := answer.read(20_000):
            data.append(piece)
            # For longer than the time-out, where one is given.
            while options and 20_000 * len(data) > 1_000_000 * (time.monotonic() - began):
                time.sleep(0.01)
    assert b"".join(data) == b"".join(b"data: %08d%s\n\n" % (number, b"x" * 284) for number in range(count))
    # All of it is 4.8 MB; the system has a part of it, and a buffer doubles.
    assert grown < 12_000, f"{grown} kB"


def test_pipelines_beside_each_other(start):
    """A request goes to the least busy; a stage's end fails only what that pipeline has."""
    server = start("--pipelines", "3")
    assert len(server.stages()) == 6
    streams = []
    for number in range(2):
        connection = server.connect()
        connection.request("POST", "/v1/messages", json.dumps({"model": "stream", "n": 60, "pace": 0.02}), JSON)
        streams.append(connection.getresponse())
    assert server.post({"model": "die"})[0] == 502
    assert server.post({})[0] == 200
    for answer in streams:
        assert answer.read().endswith(b'{"i":59}\n\n')
    eventually(lambda: len(server.stages()) == 6)


def test_all_pipelines_are_replaced(start):
    server = start("--pipelines", "2")
    before = set(server.stages())
    connection = server.connect()
    connection.request("POST", "/v1/messages", json.dumps({"model": "stream", "n": 20, "pace": 0.03}), JSON)
    answer = connection.getresponse()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.stages()) >= 6)
    assert server.post({})[0] == 200
    assert answer.read().endswith(b'{"i":19}\n\n')
    eventually(lambda: len(server.stages()) == 4)
    assert not before & set(server.stages())
    assert server.stop() == 0


@pytest.mark.parametrize("options", [["--pipelines", "0"], ["--pipelines", "65"], ["--max-buffered", "1000"]])
def test_wrong_options(tmp_path, options):
    with pytest.raises(AssertionError):
        Front(tmp_path, *options)
    assert "--" in (tmp_path / "log").read_text()
