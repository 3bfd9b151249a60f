# SPDX-License-Identifier: MIT
"""What a client can make http-frontd keep in memory: bounded, whatever it sends and however little it reads."""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time

import pytest
from front import Front, eventually, read_until, request, start
from patience import fair
from processes import memory

GET = b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n"


def quiet(server: Front) -> socket.socket:
    """A client that reads nothing by itself, and has little room for what comes."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", server.port))
    return client


def pour(client: socket.socket, data: bytes, seconds: float, most: int) -> int:
    """Sends the same again and again as long as it is taken; how many bytes were."""
    client.setblocking(False)
    sent, until, block = 0, time.monotonic() + seconds, data * (1 << 16)
    while time.monotonic() < until and sent < most:
        try:
            sent += client.send(block[sent % len(data):])
        except BlockingIOError:
            time.sleep(0.05)
    client.settimeout(20)
    return sent


@pytest.mark.parametrize("path", [b"/nothing", b"/openapi.json", b"/", b"/v1/models/a/b", b"/" + b"a" * 2_000])
@pytest.mark.parametrize("options", [[], ["--tokens"]], ids=["open", "guarded"])
def test_a_client_that_sends_and_never_reads(start, tmp_path, path, options):
    """However many requests it sends ahead: their answers are not made before it has taken those before."""
    if options:
        (tmp_path / "tokens").touch(mode=0o600)
        (tmp_path / "tokens").write_text("secret\n")
        options = ["--tokens", str(tmp_path / "tokens")]
    server = start(*options, "--log-level", "error")
    before = memory(server.process.pid, "Pss_Anon")
    with quiet(server) as client:
        pour(client, GET % path, 3, 100_000_000)
        grown = memory(server.process.pid, "Pss_Anon") - before
        assert server.ask("GET", "/health/live")[0] == 200
    assert grown < 8_000, f"{grown} kB"
    assert server.ask("GET", "/health/live")[0] == 200


def test_many_clients_that_send_and_never_read(start):
    server = start("--log-level", "error", "--max-buffered", "40000000")
    before = memory(server.process.pid, "Pss_Anon")
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(quiet(server)) for _ in range(100)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                pour(client, GET % b"/openapi.json", 0.3, 1_000_000)
        grown = memory(server.process.pid, "Pss_Anon") - before
        assert server.post({})[0] == 200
    assert grown < 60_000, f"{grown} kB"


def test_what_was_kept_back_is_served_in_order(start):
    """When the client reads after all: each answer, whole, and in the order of the requests."""
    server = start("--log-level", "error")
    count = 3_000
    paths = [b"/%d/%s" % (number, b"a" * (number % 250)) for number in range(count)]
    with quiet(server) as client:
        data, sent, got = b"".join(GET % path for path in paths), 0, b""
        client.setblocking(False)
        began, last = time.monotonic(), b"there is nothing at %s\"" % paths[-1]
        while last not in got[-1_000:] and fair(began) < 60:
            with contextlib.suppress(BlockingIOError):
                sent += client.send(data[sent:sent + 100_000])
            with contextlib.suppress(BlockingIOError):
                got += client.recv(65_536)
    places = [got.find(b"there is nothing at %s\"" % path) for path in paths]
    assert -1 not in places and places == sorted(places)


def test_a_hundred_requests_at_once_behind_a_slow_one(start):
    """They wait as the bytes that they are, not as a hundred requests, and then each is answered."""
    server = start("--log-level", "error")
    ahead = b"".join(request({"number": number}) for number in range(100))
    with server.socket() as client:
        client.sendall(request({"model": "stream", "n": 10, "pace": 0.1}) + ahead)
        time.sleep(0.5)
        assert len(server.seen()) == 1
        got = read_until(client, b'"number": 99}')
    assert [record["request"].get("number") for record in server.seen()[1:101]] == list(range(100))
    assert got.count(b"HTTP/1.1 200") == 101


def test_memory_of_what_is_sent_ahead(start):
    """Many clients, each with as many small requests as the server accepts while an answer is under way."""
    server = start("--log-level", "error", "--grace", "1")
    before = memory(server.process.pid, "Pss_Anon")
    with contextlib.ExitStack() as held:
        for _ in range(50):
            client = held.enter_context(server.socket())
            client.sendall(request({"model": "hang"}))
            pour(client, GET % b"/", 0.05, 500_000)
        grown = memory(server.process.pid, "Pss_Anon") - before
    # 64 KiB that were read for each, and as many again; made into requests they would be tens of times as large.
    assert grown < 50 * 400, f"{grown} kB"


@pytest.mark.parametrize("how", ["ended", "gone"])
def test_a_client_that_ends_with_much_sent_ahead(start, how):
    server = start()
    with server.socket() as client:
        client.sendall(request({"model": "hang"}))
        eventually(lambda: len(server.seen()) == 1)
        # More than is read from it, and no more than the system takes for us: its end would come after the rest.
        client.sendall(GET % b"/" * 3_000)
        if how == "ended":
            client.shutdown(socket.SHUT_WR)
    eventually(lambda: any("cancel" in record for record in server.seen()))
    assert server.post({})[0] == 200


def test_endless_chunk_extensions(start):
    server = start("--body-timeout", "2", "--log-level", "error")
    before = memory(server.process.pid, "Pss_Anon")
    head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    with server.socket() as client:
        client.sendall(head + b"1;")
        with contextlib.suppress(ConnectionError):
            pour(client, b"a=b;", 6, 2_000_000_000)
        grown = memory(server.process.pid, "Pss_Anon") - before
    assert grown < 8_000, f"{grown} kB"
    assert server.ask("GET", "/health/live")[0] == 200


# Clients that read slowly


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_slow_client_gets_a_large_answer(start, version):
    """24 MB that come at once and are read over seconds: there is room for them."""
    server = start()
    with quiet(server) as client:
        client.sendall(request({"model": "large", "n": 24_000_000}, "connection: close", version=version))
        time.sleep(4)
        assert server.post({})[0] == 200
        answer = http.client.HTTPResponse(client)
        answer.begin()
        size = 0
        while piece := answer.read(1_000_000):
            size += len(piece)
            time.sleep(0.02)
    assert size == 24_000_000


def test_a_slow_client_gives_way_where_room_is_short(start):
    """To a body that finds none; its share is 16 MiB then."""
    server = start("--max-buffered", "60000000", "--max-body", "40000000")
    with quiet(server) as client:
        client.sendall(request({"model": "large", "n": 40_000_000}))
        eventually(lambda: any(line["msg"] == "request" for line in server.log()))
        assert server.post({"model": "error", "text": "x" * 30_000_000})[0] == 429
        assert any("the connection of the slowest is closed" in line["msg"] for line in server.log())
    assert server.post({})[0] == 200


def test_small_shares_do_not_give_way_to_bodies(start):
    server = start("--max-buffered", "21000000", "--max-body", "20000000")
    with quiet(server) as client:
        client.sendall(request({"model": "large", "n": 10_000_000}, "connection: close"))
        eventually(lambda: any(line["msg"] == "request" for line in server.log()))
        with server.socket() as first:
            first.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                          b"content-length: 15000000\r\nconnection: close\r\n\r\n{\"a\":\"" + b"x" * 14_000_000)
            time.sleep(1)
            first.sendall(b"x" * 999_992 + b"\"}")
            assert b" 200 " in read_until(first, b"\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert len(answer.read()) == 10_000_000


# Descriptors


def limited(most: int, tmp_path, *options: str) -> Front:
    """A server that may open so many files."""
    return Front(tmp_path, *options, wrapper=["prlimit", f"--nofile={most}:{most}"])


@pytest.mark.parametrize("most", [64, 256])
def test_few_descriptors(tmp_path, most):
    """Idle clients get as many as are left, and never those that a new pipeline needs."""
    server = limited(most, tmp_path)
    try:
        assert any("fewer connections than MAX_CONNECTIONS" in line["msg"] for line in server.log())
        possible = json.loads(server.ask("GET", "/health/detailed")[2])["configuration"]["max_connections"]
        assert most // 5 < possible < most - 30
        with contextlib.ExitStack() as held:
            idle = []
            for _ in range(most):
                client = held.enter_context(server.socket())
                with contextlib.suppress(ConnectionError):
                    client.sendall(GET % b"/health/live")
                    if client.recv(65_536):
                        idle.append(client)
            assert len(idle) == possible
            # Each of them twice, so that what the last one left open would be missed.
            for number in [0, 1, 0, 1]:
                old = server.stages()
                os.kill(old[number], signal.SIGKILL)
                eventually(lambda: len(server.stages()) == 2 and not set(server.stages()) & set(old))
                idle[0].sendall(request({"a": number}))
                assert b'"a": %d' % number in read_until(idle[0], b"}}")
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: any(line["msg"] == "the settings were read again" for line in server.log()))
            idle[1].sendall(request({"a": 2}))
            assert b'"a": 2' in read_until(idle[1], b"}}")
    finally:
        assert server.stop() == 0


def test_no_descriptor_at_all(tmp_path):
    """Where not even one is left to accept with, it waits instead of trying all the time."""
    server = Front(tmp_path)
    try:
        open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--nofile={open_now}:"], check=True)

        def used() -> float:
            fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        with contextlib.ExitStack() as held:
            for _ in range(20):
                held.enter_context(server.socket())
            before = used()
            time.sleep(3)
            assert used() - before < 0.3
            subprocess.run(["prlimit", f"--pid={server.process.pid}", "--nofile=1000:"], check=True)
        eventually(lambda: server.ask("GET", "/health/live")[0] == 200)
    finally:
        assert server.stop() == 0
