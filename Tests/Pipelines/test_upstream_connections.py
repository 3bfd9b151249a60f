# SPDX-License-Identifier: MIT
"""claude-http and its connections: each answer is that to its own request, and a request goes out as often as allowed."""
from __future__ import annotations

import collections
import contextlib
import json
import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from backend import ask_for
from http_backend import MESSAGE, STREAM, HTTPBackend, run  # noqa: F401
from patience import fair
from processes import memory, wait_for
from tls import Authority
from upstream import Request, Upstream, Wire

REQUESTS = 600


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, dict[str, str]]:
    """What a server with TLS needs, and the setting of a client that trusts it."""
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority(folder)
    return authority.context(folder / "server"), {"SSL_CERT_FILE": str(authority.certificate)}


def message(text: str) -> bytes:
    return json.dumps({"content": [{"type": "text", "text": text}]}).encode()


def whole(text: str, status: int = 200, is_chunked: bool = False) -> bytes:
    """An answer as bytes."""
    body = message(text) if status == 200 else b'{"error":{"type":"timeout_error","message":"%s"}}' % text.encode()
    if not is_chunked:
        return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)
    return b"HTTP/1.1 %d X\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (status, len(body), body)


def asked(request: Request) -> str:
    return json.loads(request.body)["messages"][0]["content"]


def reset(wire: Wire) -> bool:
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


# As on a long way to the upstream: what comes at the last moment can't be seen before, and acknowledgements take long.
FAR = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
ssize_t recv(int socket, void *buffer, size_t length, int flags) {
  ssize_t (*real)(int, void *, size_t, int) = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
  if (flags & MSG_PEEK) return errno = EAGAIN, -1;
  return real(socket, buffer, length, flags);
}
int getsockopt(int socket, int level, int option, void *value, socklen_t *length) {
  int (*real)(int, int, int, void *, socklen_t *) = (int (*)(int, int, int, void *, socklen_t *))dlsym(RTLD_NEXT, "getsockopt");
  int result = real(socket, level, option, value, length);
  if (result == 0 && level == IPPROTO_TCP && option == TCP_INFO) ((struct tcp_info *)value)->tcpi_bytes_acked = 1;
  return result;
}
"""
HANGING = """
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  sleep(30);
  return EAI_AGAIN;
}
"""


def preloaded(folder: Path, text: str) -> dict[str, str]:
    """The settings under which a program has those functions in the place of the system's."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    (folder / "shim.c").write_text(text)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c"], check=True, timeout=60)
    return {"LD_PRELOAD": str(folder / "shim.so")}


# MARK: Surplus answers

@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("by_tls", [False, True])
@pytest.mark.parametrize("status", [200, 408])
@pytest.mark.parametrize("when", ["same segment", "in halves", "split body", "a moment later", "much later"])
def test_a_surplus_answer(run, context, when: str, status: int, by_tls: bool, is_chunked: bool) -> None:
    """Nobody gets it: neither the next client nor those after it."""
    def play(wire: Wire, request: Request) -> None:
        right, surplus = whole(asked(request), is_chunked=is_chunked), whole("surplus", status)
        if when == "same segment":
            return wire.send(right + surplus)
        if when == "in halves":
            wire.send(right + surplus[:40])
            time.sleep(0.02)
            return wire.send(surplus[40:])
        if when == "split body":
            # libcurl reads no more than the body then: by TLS the rest stays in the record that it took.
            head, body = right.split(b"\r\n\r\n", 1)
            wire.send(head + b"\r\n\r\n")
            time.sleep(0.02)
            return wire.send(body + surplus)
        wire.send(right)
        time.sleep(0.005 if when == "a moment later" else 0.1)
        wire.send(surplus)

    tls, trusting = context if by_tls else (None, {})
    with Upstream(play, tls) as upstream:
        backend = run(upstream.url, **trusting)
        for number in range(4):
            [_, response, _] = backend.ask(f"text {number}", rid=f"r{number}")
            assert response["response"]["content"][0]["text"] == f"text {number}"
            time.sleep(0.2 if when == "much later" else 0.05)
        assert len(upstream.requests) == 4 and backend.close() == 0


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"])
def test_what_follows_an_answer_without_a_body(run, body: bytes) -> None:
    """libcurl doesn't say whether there was something, so the connection is not used again."""
    with Upstream(lambda wire, _: wire.send(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n" + body)) as upstream:
        backend = run(upstream.url)
        for number in range(3):
            assert backend.error("hi", rid=f"r{number}")["status"] == 500
        assert upstream.connections == 3


def test_a_surplus_answer_that_comes_at_the_last_moment(run, tmp_path: Path) -> None:
    """The connection was quiet when it was looked at. But what comes before the request has arrived is no answer to it."""
    shim = preloaded(tmp_path, FAR)

    def play(wire: Wire, request: Request) -> None:
        wire.send(whole(asked(request)))
        time.sleep(0.02)
        wire.send(whole("surplus"))

    with Upstream(play) as upstream:
        backend = run(upstream.url, **shim)
        assert backend.ask("first", rid="a")[1]["response"]["content"][0]["text"] == "first"
        time.sleep(0.1)
        error = backend.error("second", rid="b")
        assert error["status"] == 502 and "before it had the request" in error["body"]["error"]["message"]
        # On a new connection.
        assert backend.ask("third", rid="c")[1]["response"]["content"][0]["text"] == "third"


def test_after_a_surplus_answer_connections_are_used_once(run, tmp_path: Path) -> None:
    """An upstream that answers too often costs one request, not every other one; the log says so once."""
    shim = preloaded(tmp_path, FAR)

    def play(wire: Wire, request: Request) -> None:
        wire.send(whole(asked(request)))
        time.sleep(0.02)
        with contextlib.suppress(OSError):
            wire.send(whole("surplus"))

    with Upstream(play) as upstream:
        backend = run(upstream.url, **shim)
        assert "response" in backend.ask("first", rid="first")[1]
        time.sleep(0.1)
        assert backend.error("second", rid="second")["status"] == 502
        for number in range(6):
            records = backend.ask(f"text {number}", rid=f"r{number}")
            assert records[1]["response"]["content"][0]["text"] == f"text {number}", records
            time.sleep(0.1)
        # One for the first two, and one for each of the rest.
        assert upstream.connections == 7
        assert backend.log.read_text().count("an answer that no request asked for") == 1


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("is_late", [False, True])
def test_one_surplus_answer_is_enough(run, is_chunked: bool, is_late: bool) -> None:
    """Good answers after it don't make up for it."""
    def play(wire: Wire, request: Request) -> None:
        surplus = whole("surplus", is_chunked=is_chunked) if asked(request) == "bad" else b""
        if not is_late:
            return wire.send(whole(asked(request), is_chunked=is_chunked) + surplus)
        wire.send(whole(asked(request), is_chunked=is_chunked))
        time.sleep(0.02)
        if surplus:
            wire.send(surplus)

    with Upstream(play) as upstream:
        backend = run(upstream.url)
        for number, text in enumerate(["good", "good", "bad", "good", "good", "good"]):
            assert backend.ask(text, rid=f"r{number}")[1]["response"]["content"][0]["text"] == text
            time.sleep(0.1)
        # libcurl itself drops what follows a body of a known length, and doesn't tell.
        assert upstream.connections == (2 if not is_late and not is_chunked else 4)


def test_good_connections_are_kept(run, context) -> None:
    for tls, trusting in ((None, {}), context):
        for is_chunked in (False, True):
            with Upstream(lambda wire, request: wire.send(whole(asked(request), is_chunked=is_chunked)), tls) as upstream:
                backend = run(upstream.url, **trusting)
                for number in range(10):
                    assert "response" in backend.ask("hi", rid=f"r{number}")[1]
                    time.sleep(0.01)
                assert upstream.connections == 1


# MARK: Requests that go out once

def test_a_kept_connection_that_was_closed(run) -> None:
    """A request for it goes out on a new one, the body too."""
    def play(wire: Wire, request: Request) -> bool:
        wire.send(whole("x"))
        return True

    with Upstream(play) as upstream:
        backend = run(upstream.url)
        for number, size in enumerate([10, 10, 500_000, 500_000]):
            assert "response" in backend.ask("x" * size, rid=f"r{number}")[1]
            time.sleep(0.02)


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("retries", [0, 2])
def test_connections_that_die_with_a_request(run, resets: bool, size: int, retries: int) -> None:
    """A request that the upstream has read is sent again as often as the setting says, and no oftener."""
    counts: collections.Counter[str] = collections.Counter()

    def play(wire: Wire, request: Request) -> bool:
        counts[asked(request)] += 1
        if asked(request).startswith("warm"):
            wire.send(whole("x"))
            request = wire.read()
            counts[asked(request)] += 1
        return reset(wire) if resets else True

    with Upstream(play) as upstream:
        backend = run(upstream.url, MAX_RETRIES=str(retries))
        for number in range(5):
            assert "response" in backend.ask(f"warm {number}", rid=f"w{number}")[1]
            text = f"{number} " + "x" * size
            records = backend.ask(text, rid=f"r{number}")
            error = records[0]["error"]
            assert error["status"] == 502 and "may have been processed" in error["body"]["error"]["message"]
            assert counts[text] == 1 + retries, number


def test_a_body_that_was_cut_is_sent_again(run) -> None:
    """The upstream can't have processed half of it."""
    counts: collections.Counter[str] = collections.Counter()

    def play(wire: Wire, request: Request) -> bool:
        counts[asked(request)[:1]] += 1
        wire.send(whole("x"))
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wire.socket.recv(1_000)
        return reset(wire)

    with Upstream(play) as upstream:
        backend = run(upstream.url)
        for number in range(3):
            assert "response" in backend.ask(f"{number}" + "x" * 8_000_000, rid=f"r{number}")[1]
    assert set(counts.values()) == {1}


class Closing:
    """An upstream that closes each kept connection after a random time without a request."""

    def __init__(self, longest: float):
        self.random, self.longest = random.Random(1), longest
        self.counts: collections.Counter[str] = collections.Counter()

    def __call__(self, wire: Wire, request: Request) -> None:
        self.counts[asked(request)] += 1
        wire.send(whole(asked(request)))
        wire.socket.settimeout(self.random.uniform(0, self.longest))


def closed_at_random(backend: HTTPBackend, upstream: Closing, requests: int, at_once: int = 20) -> dict[str, Any]:
    """Many requests in waves; what came of them."""
    chance = random.Random(2)
    failed = wrong = 0
    for wave in range(requests // at_once):
        names = [f"r{wave}.{number}" for number in range(at_once)]
        for name in names:
            backend.request(name, ask_for(name))
        for name in names:
            records = backend.answer(name)
            if "error" in records[0]:
                assert records[0]["error"]["status"] == 502, records
                failed += 1
            elif records[1]["response"]["content"][0]["text"] != name:
                wrong += 1
        time.sleep(chance.uniform(0, upstream.longest))
    return {"requests": requests, "failed": failed, "wrong": wrong,
            "sent_twice": sum(count > 1 for count in upstream.counts.values())}


def test_idle_connections_that_close_at_random(run) -> None:
    """Never is a request sent twice; and hardly one fails."""
    closing = Closing(0.02)
    with Upstream(closing) as upstream:
        report = closed_at_random(run(upstream.url), closing, REQUESTS)
        assert report["sent_twice"] == 0 and report["wrong"] == 0, report
        assert report["failed"] <= REQUESTS / 50, report
        assert upstream.connections > 20


# MARK: Bounds

def endless(wire: Wire, first: bytes, again: bytes) -> int:
    """Sends until the other side has closed; how many bytes that were."""
    sent = 0
    wire.socket.settimeout(20)
    try:
        wire.send(first)
        while sent < 50_000_000:
            wire.send(again)
            sent += len(again)
    except OSError:
        pass
    return sent


ENDLESS = {
    "trailers": (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"x: y\r\n" * 1_000),
    "a trailer": (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: ", b"y" * 8_000),
    "an extension": (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2;", b"y" * 8_000),
    "a size": (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n", b"0" * 8_000),
    "headers": (b"HTTP/1.1 200 X\r\n", b"x: y\r\n" * 1_000),
    "a header": (b"HTTP/1.1 200 X\r\nx: ", b"y" * 8_000),
    "early heads": (b"", b"HTTP/1.1 103 Early\r\nx: y\r\n\r\n" * 300),
    "a status line": (b"HTTP/1.1 200 ", b"y" * 8_000),
    "trailers of a stream": (b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                             + b"%x\r\n%s\r\n0\r\n" % (len(STREAM), STREAM), b"x: y\r\n" * 1_000),
    "more after the stop": (b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n" + STREAM, b": more\n\n" * 1_000),
    "an error's body": (b"HTTP/1.1 500 X\r\n\r\n", b"y" * 8_000)}


@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_that_does_not_end(run, what: str) -> None:
    """It is cut off by the byte: the client has an error, unless the answer was there, and the connection closes."""
    sent: list[int] = []

    def play(wire: Wire, _: Request) -> bool:
        sent.append(endless(wire, *ENDLESS[what]))
        return True

    with Upstream(play) as upstream:
        backend = run(upstream.url)
        records = backend.ask("hi", stream="stream" in what or "stop" in what)
        if "stream" in what or "stop" in what:
            assert "error" not in records[-2]
        else:
            assert records[0]["error"]["status"] == (500 if what == "an error's body" else 502), records
        wait_for("the connection has closed", lambda: sent, 20)
        # What the buffers of the two sockets hold is sent as well.
        assert sent[0] < 20_000_000
        assert memory(backend.process.pid, "Pss_Anon") < 20_000


def test_the_budget(run) -> None:
    """Requests and answers that are held are bounded together; one that is alone has room."""
    go = threading.Event()

    def play(wire: Wire, request: Request) -> None:
        go.wait(20)
        wire.send(whole("x" * (400_000 if "large" in asked(request) else 1)))

    with Upstream(play) as upstream:
        for backend in (run(upstream.url, MAX_BUFFERED="1000000"), run(upstream.url, "--max-buffered", "1000000")):
            go.clear()
            for number in range(4):
                backend.request(f"r{number}", ask_for("x" * 300_000))
            error = backend.answer("r3")[0]["error"]
            assert error["status"] == 529 and error["headers"]["retry-after"], error
            go.set()
            for number in range(3):
                assert "response" in backend.answer(f"r{number}")[1]
            # All is given back.
            assert "response" in backend.ask("x" * 2_000_000, rid="alone")[1]
            go.clear()
            for number in range(5):
                backend.request(f"l{number}", ask_for("large"))
            go.set()
            kinds = [list(backend.answer(f"l{number}")[0])[-1] for number in range(5)]
            assert "begin" in kinds
            for number in range(3):
                assert "response" in backend.ask("hi", rid=f"s{number}")[1]


# MARK: Look-ups that hang

@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings under which every look-up of a name hangs for half a minute."""
    return preloaded(tmp_path_factory.mktemp("resolver"), HANGING)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_look_up_that_hangs(run, resolver: dict[str, str], scheme: str) -> None:
    """Cancels are answered at once, health too, time-outs in time, and the end comes when it is asked for."""
    backend = run(f"{scheme}://api.example", CONNECT_TIMEOUT="1", **resolver)
    began = time.monotonic()
    for number in range(10):
        backend.request(f"r{number}", ask_for("hi"))
    time.sleep(0.2)
    gone = time.monotonic()
    backend.send(*({"rid": f"r{number}", "cancel": True} for number in range(5)))
    for number in range(5):
        assert backend.answer(f"r{number}") == [{"rid": f"r{number}", "end": {"cancelled": True}}]
    backend.request("h", None, op="health")
    assert "begin" in backend.answer("h")[0] and fair(gone) < 0.5
    for number in range(5, 10):
        assert backend.answer(f"r{number}")[0]["error"]["status"] == 504
    assert fair(began) < 3
    assert backend.close() == 0 and fair(began) < 4


def test_look_ups_that_hang_are_few(run, resolver: dict[str, str]) -> None:
    """Clients that come and go don't fill the process with threads."""
    backend = run("http://api.example", **resolver)
    for number in range(300):
        backend.request(f"r{number}", ask_for("hi"))
        # Read together with its cancel, a request would not come to its look-up.
        time.sleep(0.004)
        backend.send({"rid": f"r{number}", "cancel": True})
        backend.wait(f"r{number}", "end")
    threads = int(Path(f"/proc/{backend.process.pid}/status").read_text().split("Threads:")[1].split()[0])
    assert threads < 80
    assert backend.error("hi", rid="last")["status"] == 502
