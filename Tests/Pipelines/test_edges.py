# SPDX-License-Identifier: MIT
"""The edges of each filter: descriptors that are closed, full or gone, and lines that are too long."""
from __future__ import annotations

import itertools
import json
import signal
import subprocess
from typing import Any

import pytest
from processes import memory, wait_for
from server import PROGRAMS

FILTERS = ["rate-limit", "model-map", "oai2anth", "anth2oai", "sse-encode"]
ALL = [*FILTERS, "claude-echo"]
BODY = '{"model":"m","messages":[{"role":"user","content":"hi"}]}\n'


def shell(command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-uc", command], capture_output=True, text=True, timeout=20,
                          env={"PATH": f"{PROGRAMS}:/usr/bin:/bin"}, **more)


@pytest.mark.parametrize("program", ALL)
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "<&-", "</"])
def test_what_cannot_be_read_or_written_is_74(program: str, redirection: str) -> None:
    said = shell(f"{program} {redirection}", input=BODY)
    assert said.returncode == 74 and said.stdout == "", said
    log = json.loads(said.stderr)
    assert log["level"] == "error" and log["program"] == program, said


@pytest.mark.parametrize("program", ["model-map", "oai2anth", "claude-echo"])
@pytest.mark.parametrize("goes_on", [False, True], ids=["then nothing", "then small ones"])
def test_a_large_record_is_not_paid_for_ever_after(program: str, goes_on: bool) -> None:
    """Its buffers stay for a second, whether or not there is more to do then."""
    process = subprocess.Popen([PROGRAMS / program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def ask(number: int, text: str) -> None:
        body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": text}]}
        process.stdin.write(json.dumps({"rid": f"r{number}", "request": body}).encode() + b"\n")
        process.stdin.flush()

    ask(0, "x" * (8 << 20))
    wait_for("it has the large one", lambda: memory(process.pid, "Pss_Anon") > 8 << 10)
    numbers = itertools.count(1)

    def is_small() -> bool:
        if goes_on:
            ask(next(numbers), "hi")
        return memory(process.pid, "Pss_Anon") < 4 << 10

    wait_for("the buffers are given back", is_small)
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize("program", ALL)
@pytest.mark.parametrize("ignored", [signal.SIG_DFL, signal.SIG_IGN], ids=["default", "ignored"])
def test_a_reader_that_goes_away_ends_it_quietly(program: str, ignored: signal.Handlers) -> None:
    """Also where SIGPIPE came ignored through exec, as Python leaves it."""
    process = subprocess.Popen([PROGRAMS / program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, restore_signals=False,
                               preexec_fn=lambda: signal.signal(signal.SIGPIPE, ignored))
    process.stdout.close()
    process.stdin.write(BODY.encode())
    process.stdin.flush()
    assert process.wait(20) == (0 if program == "claude-echo" else -signal.SIGPIPE)
    assert process.stderr.read() == b""


@pytest.mark.parametrize("program", ALL)
def test_options(program: str) -> None:
    for command, status in [("--help", 0), ("--version", 0), ("--no-such-option", 64), ("extra", 64)]:
        said = shell(f"{program} {command}", input="")
        assert said.returncode == status and bool(said.stdout) == (status == 0), (command, said)


@pytest.mark.parametrize("program", ALL)
def test_a_line_beyond_the_limit_is_413(program: str) -> None:
    """And it takes no more memory than the limit, and the next line is served."""
    long = b'{"rid":"r1","ctx":{"dialect":"anthropic"},"request":"' + b"a" * (65 << 20) + b'"}\n'
    said = subprocess.run([PROGRAMS / program], input=long + b'{"rid":"r2","novelty":1}\n', capture_output=True, timeout=20)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 0
    assert (lines[0].get("error") or lines[0]["http"])["status"] == 413
    account = {"error": "request_too_large"} if program == "sse-encode" else {}
    assert lines[-2:] == [{"rid": "r1", "end": account}, {"rid": "r2", "novelty": 1}]


@pytest.mark.parametrize("program", ALL)
def test_what_is_known_is_written_before_more_is_read(program: str) -> None:
    """A line comes out while the input is still open."""
    with subprocess.Popen([PROGRAMS / program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for number in range(3):
            process.stdin.write(b'{"rid":"r%d","novelty":1}\n' % number)
            process.stdin.flush()
            assert process.stdout.readline() == b'{"rid":"r%d","novelty":1}\n' % number
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signals_end_claude_echo(name: str) -> None:
    process = subprocess.Popen([PROGRAMS / "claude-echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b'{"stream":true,"messages":[{"role":"user","content":"[[slow:9]]a b"}]}\n')
    process.stdin.flush()
    assert b"message_start" in process.stdout.readline()
    process.send_signal(getattr(signal, name))
    assert process.wait(20) == 0
