# SPDX-License-Identifier: MIT
"""Nobody waits for the reader of the log: a pipe, a socket, a terminal, and what only a thread can write."""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
import tty
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from processes import wait_for
from server import PROGRAMS, environment, free_port
from test_scripts import SCRIPTS
from wire import ask

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
FILTERS = ["rate-limit", "model-map", "oai2anth", "anth2oai", "sse-encode", "claude-echo", "claude-http", "claude-exec"]
KINDS = ["pipe", "named pipe", "stream socket", "datagram socket", "terminal", "closed pipe"]
# Each of them is a line of the log.
BAD = b'{"rid":"r1"}\n'


class Reader:
    """One kind of standard error, and its other end, which reads only on request."""

    def __init__(self, kind: str, folder: Path):
        self.kind = kind
        # What a program is started by: root opens everything, unless that is taken from it.
        self.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        if kind in ("pipe", "closed pipe"):
            self.ours, self.theirs = os.pipe()
            if kind == "closed pipe":
                # It can't be opened anew, as a pipe of another user can't: a thread has to write.
                os.fchmod(self.theirs, 0)
        elif kind == "named pipe":
            os.mkfifo(folder / "fifo")
            self.ours = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
            self.theirs = os.open(folder / "fifo", os.O_WRONLY)
        elif kind == "terminal":
            self.ours, self.theirs = pty.openpty()
            tty.setraw(self.theirs)
        else:
            of = socket.SOCK_STREAM if kind == "stream socket" else socket.SOCK_SEQPACKET
            self.ours, self.theirs = (end.detach() for end in socket.socketpair(socket.AF_UNIX, of))
        self.flags = fcntl.fcntl(self.theirs, fcntl.F_GETFL)
        self.said = b""

    def read(self) -> bytes:
        """All that is there now."""
        while select.select([self.ours], [], [], 0)[0]:
            try:
                piece = os.read(self.ours, 65_536)
            except OSError:
                break
            if not piece:
                break
            self.said += piece
        return self.said

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read().decode().split("\n")[:-1]]

    def close(self) -> None:
        for end in (self.ours, self.theirs):
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture(params=KINDS)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    made = Reader(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["pipe", "stream socket", "terminal", "closed pipe"])
def usual(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    made = Reader(request.param, tmp_path)
    yield made
    made.close()


@contextlib.contextmanager
def server(reader: Reader, home: Path, **settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    process = subprocess.Popen([*reader.prefix, SCRIPTS / "claude-proxy"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=reader.theirs, env=environment(home, BACKEND="claude-echo", PORT=str(port), **settings))
    try:
        wait_for("it listens", lambda: b'"msg":"listening"' in reader.read(), 10)
        yield port, process
    finally:
        process.kill()
        process.wait()


def test_a_server_whose_log_is_not_read(reader: Reader, tmp_path: Path) -> None:
    """It goes on serving, stays live, counts dropped lines, logs their number when it is read again, and ends on SIGTERM."""
    with server(reader, tmp_path) as (port, process):
        long = "/" + "x" * 3_000
        for _ in range(1_000):
            assert ask(port, "GET", long).status == 404
        assert ask(port, "POST", "/v1/messages", BODY).status == 200
        assert ask(port, "GET", "/health/live").status == 200
        [dropped] = [int(line.split()[1]) for line in ask(port, "GET", "/metrics").body.decode().splitlines()
                     if line.startswith("claude_proxy_log_dropped_total ")]
        assert dropped > 0
        wait_for("it says how many lines are missing", lambda: b'"dropped":' in reader.read(), 10)
        assert ask(port, "GET", "/after").status == 404
        wait_for("what comes later is logged", lambda: b'"path":"/after"' in reader.read(), 10)
        told = [line["dropped"] for line in reader.lines() if "dropped" in line]
        assert sum(told) >= dropped and all(line["level"] == "warning" for line in reader.lines() if "dropped" in line)
        assert fcntl.fcntl(reader.theirs, fcntl.F_GETFL) == reader.flags, "others share that descriptor"
        for _ in range(200):
            ask(port, "GET", long)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("program", FILTERS)
def test_a_stage_whose_log_is_not_read(usual: Reader, program: str, tmp_path: Path) -> None:
    """It takes all lines however many it complains of, and ends in time."""
    env = environment(tmp_path, ANTHROPIC_API_KEY="dummy", CLAUDE_CLI_PATH="/nonexistent", CLAUDE_WARM_PROCESSES="0")
    process = subprocess.Popen([*usual.prefix, PROGRAMS / program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=usual.theirs, env=env)
    marker = b'{"rid":"last","novelty":{}}\n'
    process.stdin.write(BAD * 3_000 + marker)
    process.stdin.flush()
    output = b""
    while not output.endswith(marker):
        assert select.select([process.stdout], [], [], 20)[0], "it waits for the reader of its log"
        piece = os.read(process.stdout.fileno(), 1 << 20)
        assert piece, output[-200:]
        output += piece
    process.stdin.close()
    assert process.wait(10) == 0


@pytest.mark.parametrize("program", ["oai2anth", "claude-echo"])
def test_nothing_is_lost_on_a_reader_that_reads(usual: Reader, program: str, tmp_path: Path) -> None:
    """Also one that is slow at first, when the program has already ended its work."""
    process = subprocess.Popen([*usual.prefix, PROGRAMS / program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=usual.theirs,
                               env=environment(tmp_path))
    # More than a pipe holds, and less than what waits beside it.
    process.stdin.write(BAD * 700)
    process.stdin.close()
    time.sleep(0.2)
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        usual.read()
        time.sleep(0.005)
    assert process.wait(1) == 0
    lines = usual.lines()
    assert sum(line.get("dropped", 0) for line in lines) == 0
    assert len(lines) == 700


@pytest.mark.parametrize("program", ["oai2anth", "claude-echo"])
def test_a_reader_that_has_gone(program: str, tmp_path: Path) -> None:
    """The log's reader may die; the filter serves on."""
    reader = Reader("pipe", tmp_path)
    os.close(reader.ours)
    said = subprocess.run([PROGRAMS / program], input=BAD + b'{"rid":"last","novelty":{}}\n', stdout=subprocess.PIPE, stderr=reader.theirs,
                          env=environment(tmp_path), timeout=20)
    os.close(reader.theirs)
    assert said.returncode == 0 and said.stdout.endswith(b'{"rid":"last","novelty":{}}\n')


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    """Each is one write of at most 4,096 bytes, whatever was asked."""
    reader = Reader("pipe", tmp_path)
    bad = b'{"rid":"' + b"r" * 9_000 + b'"}\n'
    processes = [subprocess.Popen([PROGRAMS / "oai2anth"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=reader.theirs,
                                  env=environment(tmp_path)) for _ in range(4)]
    for process in processes:
        process.stdin.write(bad * 50)
        process.stdin.close()
    while any(process.poll() is None for process in processes):
        reader.read()
        time.sleep(0.005)
    lines = reader.read().split(b"\n")[:-1]
    assert len(lines) == 200 and all(len(line) < 4_096 for line in lines)
    assert all(json.loads(line)["id"].endswith("…") for line in lines)
    reader.close()


def test_a_line_stays_in_its_place(start: Callable[..., Any]) -> None:
    """A path of control characters, signs that turn the text round, and any length: one JSON line below 4,096 bytes."""
    proxy = start(BACKEND="claude-echo")
    odd = "\x80\x9b\u202e\u2066\u200f\u061c\u2028\u2029\U000e0041"
    ids = [odd + "a", "\"\\\\" * 60, "é" * 2_000, "x" * 5_000]
    for text in ids:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
            client.sendall(b"GET /" + b"%22" * 3_000 + b"?key=secret HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-request-id: "
                           + text.encode() + b"\r\n\r\n")
            while client.recv(65_536):
                pass
    wait_for("all are logged", lambda: proxy.log.read_bytes().count(b'"status":4') >= len(ids))
    raw = proxy.log.read_bytes()
    for line in raw.splitlines():
        assert len(line) < 4_096 and json.loads(line)
        assert not set(line.decode()) & set(odd), line
    assert b"secret" not in raw
