# SPDX-License-Identifier: MIT
"""claude-http: how it tries again, how long it waits for a first byte, and keys that come from files."""
from __future__ import annotations

import itertools
import json
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

import pytest
from backend import PATH, PROGRAMS, SECRET, ask_for
from http_backend import BEGUN, MESSAGE, STREAM, run  # noqa: F401
from messages_api import MessagesAPI
from patience import fair
from processes import wait_for
from server import REPOSITORY, environment, free_port
from upstream import Request, Upstream, Wire

OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"later"}}'
Play = Callable[[Wire, Request], "bool | None"]


def reset(wire: Wire, _: Request) -> bool:
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def good(wire: Wire, _: Request) -> None:
    wire.head(request_id="req_good")
    wire.chunk(STREAM)
    wire.send(b"0\r\n\r\n")


def error_event(wire: Wire, _: Request) -> None:
    wire.head(request_id="req_bad")
    wire.chunk(b"data: %s\n\n" % OVERLOADED)
    wire.send(b"0\r\n\r\n")


def failing(status: int, **headers: str) -> Play:
    return lambda wire, _: wire.answer(status, OVERLOADED, request_id="req_bad", **headers)


def in_turn(*plays: Play) -> Play:
    """One after the other, and the last for all others."""
    numbers = itertools.count()
    return lambda wire, request: plays[min(next(numbers), len(plays) - 1)](wire, request)


@pytest.mark.parametrize("play", [failing(529), failing(500), failing(429, retry_after="0"), reset, error_event,
                                  lambda wire, _: wire.answer(200, b"<html>", "text/html")])
def test_what_may_pass_is_tried_again_if_asked_for(run, play: Play) -> None:
    """Though not unless; and nothing of a try that failed is in the answer."""
    with Upstream(in_turn(play, play, good)) as upstream:
        records = run(upstream.url).ask("hi", stream=True)
        assert "error" in records[-2] and len(upstream.requests) == 1
    with Upstream(in_turn(play, play, good)) as upstream:
        backend = run(upstream.url, MAX_RETRIES="2")
        records = backend.ask("x" * 200_000, stream=True)
        assert records[0]["begin"] == {"status": 200, "headers": {"request-id": "req_good"}}, records
        assert [list(record)[-1] for record in records] == ["begin"] + 6 * ["event"] + ["end"]
        assert len({request.body for request in upstream.requests}) == 1 and len(upstream.requests) == 3
        assert backend.close() == 0


def test_only_as_often_and_only_what_may_pass(run) -> None:
    for play, tries in ((failing(529, retry_after_ms="10"), 4), (failing(400), 1), (failing(401), 1),
                        (failing(529, x_should_retry="false"), 1), (failing(403, x_should_retry="true"), 4),
                        (failing(429, retry_after="3600"), 1)):
        with Upstream(play) as upstream:
            error = run(upstream.url, "--max-retries", "3").error("hi", stream=True)
            assert len(upstream.requests) == tries and error["body"]["error"]["message"] == "later"
            assert error["headers"]["request-id"] == "req_bad"


def test_never_after_the_first_event(run) -> None:
    def broken(wire: Wire, request: Request) -> bool:
        wire.head()
        wire.chunk(BEGUN)
        return reset(wire, request)

    def late(wire: Wire, _: Request) -> None:
        wire.head()
        wire.chunk(BEGUN + b"data: %s\n\n" % OVERLOADED)
        wire.send(b"0\r\n\r\n")

    for play, status in ((broken, 502), (late, 529)):
        with Upstream(play) as upstream:
            records = run(upstream.url, MAX_RETRIES="3").ask("hi", stream=True)
            assert "begin" in records[0] and records[-2]["error"]["status"] == status and len(upstream.requests) == 1


def test_when_it_is_told_to(run) -> None:
    times: list[float] = []

    def play(wire: Wire, request: Request) -> None:
        times.append(time.monotonic())
        (good if len(times) > 2 else failing(429, **{"retry_after": "1"} if len(times) == 1 else {}))(wire, request)

    with Upstream(play) as upstream:
        run(upstream.url, MAX_RETRIES="2").ask("hi", stream=True)
    # As the first said; then twice half a second, less up to a quarter.
    assert times[1] - times[0] > 0.99 and times[2] - times[1] > 0.74, times
    assert fair(*times[:2]) < 1.3 and fair(*times[1:]) < 1.3, times


def test_tried_again_and_then_declined(run) -> None:
    with Upstream(failing(529, retry_after_ms="5")) as upstream:
        backend = run(upstream.url, "--decline", "529", MAX_RETRIES="2")
        line = b'{"rid":"a", "ctx" : {"op":"messages"}, "request" : {"stream":true}}\n'
        backend.process.stdin.write(line)
        backend.process.stdin.flush()
        backend.wait("a", "request")
        assert backend.raw == [line] and len(upstream.requests) == 3


def test_a_cancel_between_two_tries(run) -> None:
    with Upstream(failing(429, retry_after="1")) as upstream:
        backend = run(upstream.url, MAX_RETRIES="2")
        backend.request("a", ask_for("hi"))
        wait_for("the first try", lambda: len(upstream.requests) == 1)
        time.sleep(0.1)
        backend.send({"rid": "a", "cancel": True})
        assert backend.answer("a") == [{"rid": "a", "end": {"cancelled": True}}]
        time.sleep(1.2)
        assert len(upstream.requests) == 1 and backend.close() == 0


def test_a_connection_that_can_t_be_had_is_tried_again(run) -> None:
    port = free_port()
    backend = run(f"http://127.0.0.1:{port}", MAX_RETRIES="8")
    backend.request("a", ask_for("hi", stream=True))
    wait_for("the first try", lambda: "failed" in backend.log.read_text())
    with socket.create_server(("127.0.0.1", port)) as listener:
        def serve() -> None:
            connection, _ = listener.accept()
            wire = Wire(connection)
            good(wire, wire.read())
        threading.Thread(target=serve, daemon=True).start()
        assert "begin" in backend.answer("a", 20)[0]


def test_the_time_for_a_first_byte(run) -> None:
    """It counts until the head, and neither after it nor for an answer that comes as a whole."""
    def play(wire: Wire, request: Request) -> bool | None:
        if b"never" in request.body:
            wire.wait_closed()
            return True
        if b"whole" in request.body:
            time.sleep(1.6)
            return wire.answer(200, MESSAGE)
        wire.head()
        time.sleep(1.6)
        wire.chunk(STREAM)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        for backend in (run(upstream.url, "--first-byte-timeout", "1"), run(upstream.url, FIRST_BYTE_TIMEOUT="1")):
            began = time.monotonic()
            for rid, stream in (("never", True), ("late", True), ("whole", False)):
                backend.request(rid, ask_for(rid, stream=stream))
            error = backend.answer("never")[0]["error"]
            assert error["status"] == 504 and "begin to answer within 1 s" in error["body"]["error"]["message"]
            assert 0.9 < time.monotonic() - began and fair(began) < 1.5
            assert "end" in backend.answer("late")[-1] and "begin" in backend.answer("late")[0]
            assert "response" in backend.answer("whole")[1]


def test_keys_of_files_are_read_again(run, tmp_path: Path) -> None:
    """At SIGHUP; the requests under way go on, and a file that can't be read changes nothing."""
    key, token = tmp_path / "key", tmp_path / "token"
    key.write_text("sk-ant-first\n")
    token.write_text(" first-token\n")
    held = threading.Event()

    def play(wire: Wire, request: Request) -> None:
        wire.head()
        wire.chunk(BEGUN)
        if b"held" in request.body:
            held.wait(10)
        wire.chunk(STREAM[len(BEGUN):])
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        backend = run(upstream.url, ANTHROPIC_API_KEY="", ANTHROPIC_API_KEY_FILE=str(key),
                      ANTHROPIC_AUTH_TOKEN_FILE=str(token))

        def sent(rid: str) -> tuple[str | None, str | None]:
            backend.ask("hi", rid=rid, stream=True)
            return upstream.requests[-1].headers["x-api-key"], upstream.requests[-1].headers["authorization"]

        backend.request("held", ask_for("held", stream=True))
        backend.wait("held", "event")
        assert sent("a") == ("sk-ant-first", "Bearer first-token")
        key.write_text("sk-ant-second")
        assert sent("b") == ("sk-ant-first", "Bearer first-token")
        backend.process.send_signal(signal.SIGHUP)
        wait_for("it was read", lambda: "read again" in backend.log.read_text())
        assert sent("c") == ("sk-ant-second", "Bearer first-token")
        for number, spoil in enumerate((key.unlink, lambda: key.write_text(""), lambda: key.write_text("a\nb"))):
            spoil()
            backend.process.send_signal(signal.SIGHUP)
            wait_for("it said so", lambda: backend.log.read_text().count("stay as they were") == number + 1)
            assert sent(f"d{number}") == ("sk-ant-second", "Bearer first-token")
        held.set()
        assert "end" in backend.answer("held")[-1]
        for secret in ("sk-ant-first", "sk-ant-second", "first-token"):
            assert secret not in backend.log.read_text() and secret.encode() not in b"".join(backend.raw)
        assert backend.close() == 0


def test_without_files_the_signal_ends_it(run, api: MessagesAPI) -> None:
    backend = run(api.url)
    backend.ask("hi")
    backend.process.send_signal(signal.SIGHUP)
    assert backend.process.wait(20) == 0


@pytest.mark.parametrize("settings, told", [
    ({"ANTHROPIC_API_KEY": SECRET, "ANTHROPIC_API_KEY_FILE": "/dev/null"}, "both"),
    ({"ANTHROPIC_API_KEY_FILE": "/nonexistent/key"}, "No such file"), ({"ANTHROPIC_AUTH_TOKEN_FILE": "/dev/null"}, "nothing in it"),
    ({"ANTHROPIC_API_KEY_FILE": "/dev/zero"}, "longer than"), ({"ANTHROPIC_API_KEY_FILE": "/"}, "directory"),
    ({"MAX_RETRIES": "11"}, "MAX_RETRIES"), ({"CONNECT_TIMEOUT": "0"}, "CONNECT_TIMEOUT"),
    ({"FIRST_BYTE_TIMEOUT": "x"}, "FIRST_BYTE_TIMEOUT")])
def test_settings_that_are_none(settings: dict[str, str], told: str) -> None:
    said = subprocess.run([PROGRAMS / "claude-http"], env={"PATH": PATH} | settings, input=b"", capture_output=True, timeout=10)
    assert said.returncode == 78 and told in said.stderr.decode() and SECRET not in said.stderr.decode(), said


def test_a_file_of_settings_may_name_them_all(tmp_path: Path) -> None:
    settings, key = tmp_path / "settings", tmp_path / "key"
    key.write_text("sk-ant-of-the-file")
    settings.write_text(f"BACKEND=claude-http\nPORT=0\nRUN_DIR={tmp_path}/run\nANTHROPIC_API_KEY_FILE={key}\nCONNECT_TIMEOUT=5\n"
                        "FIRST_BYTE_TIMEOUT=60\nMAX_RETRIES=2\nall_proxy=http://127.0.0.1:9\nSSL_CERT_FILE=/dev/null\n")
    check = [REPOSITORY / "scripts/claude-proxy", "--config", settings, "--check"]
    said = subprocess.run(check, env=environment(tmp_path), capture_output=True, timeout=30)
    assert said.returncode == 0 and b"sk-ant" not in said.stdout + said.stderr, said
    settings.write_text(settings.read_text().replace("MAX_RETRIES=2", "MAX_RETRIES=two"))
    said = subprocess.run(check, env=environment(tmp_path), capture_output=True, timeout=30)
    assert said.returncode == 78 and b"MAX_RETRIES" in said.stdout + said.stderr, said


def test_a_key_of_a_file_serves_the_whole_proxy(start, tmp_path: Path) -> None:
    """A new one from SIGHUP on, without a request that fails meanwhile."""
    key = tmp_path / "key"
    key.write_text("sk-ant-first")
    with Upstream(lambda wire, _: wire.answer(200, b'{"type":"message","content":[]}')) as upstream:
        proxy = start(BACKEND="claude-http", ANTHROPIC_BASE_URL=upstream.url, ANTHROPIC_API_KEY_FILE=str(key))

        def used() -> str:
            assert proxy.ask("POST", "/v1/messages", ask_for("hi")).status == 200
            return upstream.requests[-1].headers["x-api-key"]

        assert used() == "sk-ant-first" and proxy.ask("GET", "/health").json["status"] == "healthy"
        key.write_text("sk-ant-second")
        proxy.process.send_signal(signal.SIGHUP)
        wait_for("the new key is used", lambda: used() == "sk-ant-second", 10)
    assert "sk-ant" not in proxy.log.read_text()
