# SPDX-License-Identifier: MIT
"""The log as an operator reads it: JSON for programs, words for a person."""
from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import subprocess
from pathlib import Path
from typing import Callable

import pytest
from processes import wait_for
from server import PROGRAMS, Proxy, environment, free_port
from test_scripts import SCRIPTS, run
from wire import ask

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "secret thoughts"}]}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
FILTERS = ["rate-limit", "model-map", "oai2anth", "anth2oai", "sse-encode", "claude-echo"]


def test_words(start: Callable[..., Proxy]) -> None:
    """Each line has its time, level and program; a request's says what an operator asks for, on one line."""
    proxy = start(BACKEND="claude-echo", LOG_FORMAT="text")
    assert proxy.ask("POST", "/v1/messages", BODY, {"x-request-id": "my own \"id\" [2J"}).status == 200
    assert proxy.ask("GET", "/nothing%20here?a=b").status == 404
    wait_for("both are logged", lambda: proxy.log.read_text().count(" info http-frontd: request ") >= 3)
    text = proxy.log.read_text()
    for line in text.splitlines():
        assert re.match(rf"{TIME} (debug|info|warning|error) [a-z0-9-]+: ", line), line
    assert "\x1b" not in text and "secret" not in text
    [line] = [line for line in text.splitlines() if " method=POST " in line]
    assert re.search(
        r'request id=\S+ method=POST path=/v1/messages status=200 duration_ms=[\d.]+ ttft_ms=[\d.]+ bytes=\d+ '
        r'peer=127\.0\.0\.1 client_id="my own \\"id\\" \[2J" model=\S+ tokens_input=\d+ tokens_output=\d+', line), line
    assert re.search(r"path=/nothing%20here status=404 .*error=not_found_error", text)


def test_json_unless_told_otherwise(echo: Proxy) -> None:
    echo.ask("GET", "/health/live")
    wait_for("it is logged", lambda: '"msg":"request"' in echo.log.read_text())
    for line in echo.log.read_text().splitlines():
        assert {"ts", "level", "program", "msg"} <= json.loads(line).keys()


@pytest.mark.parametrize("kind", ["socket", "pipe"])
def test_the_log_where_systemd_puts_it(tmp_path: Path, kind: str) -> None:
    """Standard output and error are the same there, the journal's socket: no client's, and no reason to be silent."""
    ours, theirs = (end.detach() for end in socket.socketpair()) if kind == "socket" else os.pipe()
    port = free_port()
    process = subprocess.Popen([SCRIPTS / "claude-proxy"], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env=environment(tmp_path, BACKEND="claude-echo", PORT=str(port)))
    os.close(theirs)
    said = b""

    def is_logged(what: bytes) -> bool:
        nonlocal said
        if select.select([ours], [], [], 0)[0]:
            said += os.read(ours, 65_536)
        return what in said

    try:
        wait_for("it says that it listens", lambda: is_logged(b'"msg":"listening"'), 10)
        assert ask(port, "GET", "/health/live").status == 200
        wait_for("the request is logged", lambda: is_logged(b'"path":"/health/live"'), 10)
    finally:
        process.terminate()
        process.wait(10)
        os.close(ours)


@pytest.mark.parametrize("level, shown", [("warning", []), ("info", ["info"]), ("debug", ["info"])])
def test_level(start: Callable[..., Proxy], level: str, shown: list[str]) -> None:
    """LOG_LEVEL is the front's too: a server that starts says so by info lines."""
    proxy = start(BACKEND="claude-echo", LOG_LEVEL=level)
    levels = [json.loads(line)["level"] for line in proxy.log.read_text().splitlines()]
    assert sorted({*levels} - {"debug"}) == shown
    arguments = Path(f"/proc/{proxy.process.pid}/cmdline").read_text().split("\0")
    assert arguments[arguments.index("--log-level") + 1] == level


@pytest.mark.parametrize("program", FILTERS)
def test_every_filter(program: str, tmp_path: Path) -> None:
    """A line that can't be read is one line of the log, in the form asked for."""
    for form, pattern in (("text", rf"{TIME} \w+ {program}: "), ("json", rf'{{"ts":"{TIME}","level":"\w+","program":"{program}"')):
        said = subprocess.run(
            [PROGRAMS / program, "--strict-input"], input=b'{"rid":7}\n', capture_output=True, timeout=20,
            env=environment(tmp_path, LOG_FORMAT=form))
        lines = said.stderr.decode().splitlines()
        assert lines and all(re.match(pattern, line) for line in lines), said


@pytest.mark.parametrize("settings, is_coloured", [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_on_a_terminal(tmp_path: Path, settings: dict[str, str], is_coloured: bool) -> None:
    ours, theirs = pty.openpty()
    subprocess.run([PROGRAMS / "sse-encode", "--strict-input"], input=b'{"rid":7}\n', stdout=subprocess.DEVNULL,
                   stderr=theirs, timeout=20, env=environment(tmp_path, LOG_FORMAT="text", **settings))
    os.close(theirs)
    said = b""
    while not said.endswith(b"\n"):
        said += os.read(ours, 4_096)
    os.close(ours)
    assert (b"\x1b[31merror\x1b[0m sse-encode: " in said) == is_coloured and (b"\x1b" in said) == is_coloured, said


def test_a_form_that_is_none(tmp_path: Path) -> None:
    said = run(SCRIPTS / "claude-proxy", "--check", LOG_FORMAT="xml")
    assert said.returncode == 78 and "LOG_FORMAT" in said.stderr


@pytest.mark.parametrize("path, body, wanted", [
    ("/openai/v1/chat/completions", {"model": "x", "messages": [{"role": "robot", "content": "hi"}]}, {"error": "invalid_request_error", "param": "messages[0].role"}),
    ("/v1/messages", BODY | {"messages": [{"role": "user", "content": "[[error:529]]"}]}, {"error": "overloaded_error"}),
    ("/openai/v1/chat/completions", BODY | {"messages": [{"role": "user", "content": "[[error:429]]"}]}, {"error": "rate_limit_error"}),
    ("/openai/v1/chat/completions", BODY | {"stream": True, "messages": [{"role": "user", "content": "[[error:500]]"}]}, {"error": "api_error"}),
])
def test_why_a_request_failed(start: Callable[..., Proxy], path: str, body: dict, wanted: dict[str, str]) -> None:
    """Errors of the pipeline too, by their type and the field that was wrong."""
    proxy = start(BACKEND="claude-echo")
    assert proxy.ask("POST", path, body).status >= 400
    wait_for("it is logged", lambda: '"method":"POST"' in proxy.log.read_text())
    [line] = [line for line in map(json.loads, proxy.log.read_text().splitlines()) if line.get("method") == "POST"]
    assert {name: line.get(name) for name in ("error", "param")} == {"param": None} | wanted, line


def test_losses_that_are_only_counted(start: Callable[..., Proxy]) -> None:
    """Of a hundred unknown fields the log names some, and says how many more there were."""
    proxy = start(BACKEND="claude-echo")
    body = {"model": "x", "messages": [{"role": "user", "content": "hi"}]} | {f"unknown_{number}": 1 for number in range(100)}
    assert proxy.ask("POST", "/openai/v1/chat/completions", body).status == 200
    wait_for("it is logged", lambda: '"method":"POST"' in proxy.log.read_text())
    raw = next(line for line in proxy.log.read_text().splitlines() if '"method":"POST"' in line)
    loss = json.loads(raw)["loss"]
    more = re.fullmatch(r"and (\d+) more", loss[-1])
    assert len(raw) < 4_096 and more and len(loss) > 10, loss
