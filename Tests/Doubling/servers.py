# SPDX-License-Identifier: MIT
"""What the two ends of the pipe, and the server before it, cost on an input: real processes between stand-ins.

Each has ``cost(given)``, the processor time of its own process in seconds, for the bytes that a test doubles.
"""
from __future__ import annotations

import functools
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Callable

import processes
from front import Front
from measure import BIN, VALGRIND
from upstream import Upstream, Wire

STAND_IN = Path(__file__).resolve().parents[1] / "StandIns/plain-claude"
PATH = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
SECONDS = 60


def own_time(pid: int) -> float:
    """The processor time of a process that has ended, and is not yet reaped: without that of its children."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Backend:
    """claude-exec or claude-http: reads the records, asks its stand-in, and ends."""

    def __init__(self, program: str, name: str, environment: dict[str, str], prepare: Callable[[bytes], bytes]):
        self.program, self.name, self.prepare = program, name, prepare
        self.environment = {"PATH": PATH} | environment

    def __str__(self) -> str:
        return self.name

    def cost(self, given: bytes) -> float:
        with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as said:
            file.write(self.prepare(given))
            file.seek(0)
            child = subprocess.Popen([BIN / self.program], stdin=file, stdout=said, stderr=subprocess.DEVNULL, env=self.environment)
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            time = own_time(child.pid)
            assert child.wait() == 0, f"{self.program} ended with status {child.returncode}"
            said.seek(0)
            assert b',"end":' in said.read(), "no answer has ended"
        return time

    @functools.cached_property
    def start_up(self) -> float:
        return min(self.cost(b"") for _ in range(5))

    def instructions(self, given: bytes) -> int:
        def count(given: bytes) -> int:
            run = subprocess.run([VALGRIND, "--tool=callgrind", "--callgrind-out-file=/dev/null", BIN / self.program],
                                 input=self.prepare(given), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True,
                                 env=self.environment)
            return int(re.findall(rb"Collected : (\d+)", run.stderr)[-1])
        return count(given) - count(b"")


REQUEST = {"rid": "r", "ctx": {"op": "messages"}, "request": {
    "model": "claude-sonnet-4-5", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}}


def record(streams: bool = True) -> bytes:
    return json.dumps(REQUEST | {"request": REQUEST["request"] | {"stream": streams}}).encode() + b"\n"


def claude_exec(mode: str, home: Path) -> tuple[Backend, Backend, Backend]:
    """By what its input is: the records, the lines of the CLI for a stream, and those for a whole answer."""
    home.mkdir(mode=0o700)
    environment = {"HOME": str(home), "RUN_DIR": str(home / "run"), "CLAUDE_CLI_PATH": str(STAND_IN), "CLAUDE_AUTH": "key",
                   "CLAUDE_CARRIER": mode, "ANTHROPIC_API_KEY": "sk-ant-dummy", "CLAUDE_WARM_PROCESSES": "0",
                   "CLAUDE_MAX_PROCESSES": "1", "QUEUE_TIMEOUT": "100"}
    answer, log = home / "answer.ndjson", home / "answer.log"

    def requests(given: bytes) -> bytes:
        answer.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        return given or record()

    def answers(given: bytes, streams: bool) -> bytes:
        # What precedes an empty line goes to the CLI's stderr.
        said, gap, lines = given.partition(b"\n\n")
        log.write_bytes(said if gap else b"")
        answer.write_bytes((lines if gap else given) or (STAND_IN.parent / "recordings/text.ndjson").read_bytes())
        return record(streams)

    name = f"claude-exec {mode}"
    return (Backend("claude-exec", name, environment, requests),
            Backend("claude-exec", name, environment, lambda given: answers(given, True)),
            Backend("claude-exec", f"{name}, whole", environment, lambda given: answers(given, False)))


class ClaudeHTTP:
    """claude-http before an upstream that answers with the bytes at hand."""

    EMPTY = json.dumps({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "end_turn",
                        "usage": {"input_tokens": 1, "output_tokens": 1}}).encode()
    WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(EMPTY), EMPTY)

    def __init__(self, home: Path) -> None:
        self.answer = self.WHOLE
        self.upstream = Upstream(self.play)
        self.upstream.requests = type("Forgetful", (list,), {"append": lambda self, request: None})()
        environment = {"HOME": str(home), "ANTHROPIC_API_KEY": "sk-ant-dummy", "ANTHROPIC_BASE_URL": self.upstream.url}
        self.requests = Backend("claude-http", "claude-http", environment, self.of_requests)
        self.answers = Backend("claude-http", "claude-http", environment, self.of_answers)
        self.wholes = Backend("claude-http", "claude-http", environment, lambda given: self.of_answers(given, False))

    def play(self, wire: Wire, _: object) -> bool:
        wire.send(self.answer)
        return b"content-length" not in self.answer[:4096]

    def of_requests(self, given: bytes) -> bytes:
        self.answer = self.WHOLE
        return given or record(False)

    def of_answers(self, given: bytes, streams: bool = True) -> bytes:
        self.answer = given or self.WHOLE
        return record(streams)


class Part:
    """One side of the server, which has started long before."""

    start_up, instructions, name = 0.0, None, "http-frontd"

    def __init__(self, cost: Callable[[bytes], float]):
        self.cost = cost

    def __str__(self) -> str:
        return self.name


class Server:
    """http-frontd before a stage that answers each request with the records of a file."""

    def __init__(self, home: Path) -> None:
        self.records = home / "records"
        stage = f"{shlex.quote(sys.executable)} -u {shlex.quote(str(Path(__file__).parent / 'stage.py'))}"
        self.front = Front(str(home), "--log-level", "error", pipeline=stage, env={"STAGE_RECORDS": str(self.records)})
        self.requests, self.answers = Part(self.of_requests), Part(self.of_records)

    def of_requests(self, given: bytes) -> float:
        """The bytes of a client, the last of whose requests closes the connection."""
        self.records.write_bytes(b"")
        return self.time(given)

    def of_records(self, given: bytes) -> float:
        """The records of the pipeline, for one request."""
        self.records.write_bytes(given)
        return self.time(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                         b"content-length: 2\r\nconnection: close\r\n\r\n{}")

    def time(self, sent: bytes) -> float:
        before = processes.cpu_time_exact(self.front.process.pid)
        with self.front.socket() as client:
            client.settimeout(SECONDS)
            sender = threading.Thread(target=self.send, args=(client, sent), daemon=True)
            sender.start()
            first = b""
            while piece := client.recv(1 << 20):
                first = first or piece
            sender.join()
        assert first.startswith(b"HTTP/1.1 "), first[:100]
        return processes.cpu_time_exact(self.front.process.pid) - before

    @staticmethod
    def send(client: socket.socket, sent: bytes) -> None:
        try:
            client.sendall(sent)
        except OSError:
            pass
