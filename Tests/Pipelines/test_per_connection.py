# SPDX-License-Identifier: MIT
"""One process per connection: under socat, and under a real inetd. It lives as long as its connection."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from listener import SCRIPT, Listener
from processes import name, wait_for, with_home
from prometheus import promtool, samples
from server import environment
from wire import Stream, ask, connect, text_of

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "over here"}]}


@pytest.fixture(params=["socat", "inetd"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    started = Listener(request.param, tmp_path)
    yield started
    started.stop()


def test_two_answers_on_one_connection(listener: Listener, tmp_path: Path) -> None:
    """curl keeps its connection: the first request made one, the second none. Then our processes end."""
    (tmp_path / "body").write_text(json.dumps(BODY))
    urls = [f"http://127.0.0.1:{listener.port}{path}" for path in ("/v1/messages", "/v1/messages")]
    said = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-H", "content-type: application/json", "-d", f"@{tmp_path}/body",
         "-w", "\n%{num_connects} %{http_code}\n", *urls], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said
    first, first_counts, second, second_counts = said.stdout.splitlines()
    assert (first_counts, second_counts) == ("1 200", "0 200")
    for answer in (first, second):
        assert "over here" in json.loads(answer)["content"][0]["text"]
    wait_for("the processes are gone", lambda: not listener.ours())


def test_both_dialects_and_a_stream(listener: Listener) -> None:
    """The same connection serves whole answers, a stream, an error, and a page, in turn."""
    connection = connect(listener.port)
    for path, body, status in (("/openai/v1/chat/completions", BODY, 200), ("/v1/messages", b"{", 400),
                               ("/nowhere", None, 404), ("/v1/messages", BODY, 200)):
        answer = ask(listener.port, "POST" if body else "GET", path, body, connection=connection)
        assert answer.status == status, answer.body
    assert {"http-frontd", "claude-echo", "sse-encode"} <= listener.ours()
    connection.close()
    stream = Stream(listener.port, "/openai/v1/chat/completions", BODY | {"stream": True})
    events = list(stream)
    assert events[-1].data == "[DONE]" and "over here" in text_of(events)
    stream.close()
    wait_for("the processes are gone", lambda: not listener.ours())


def test_client_gone(listener: Listener) -> None:
    """A client that goes in mid-stream takes the processes of its connection with it."""
    stream = Stream(listener.port, "/v1/messages", BODY | {"stream": True, "messages": [
        {"role": "user", "content": "[[len:500]] [[slow:0.1]]"}]})
    events = iter(stream)
    for _ in range(5):
        next(events)
    assert listener.ours()
    stream.go()
    wait_for("the processes are gone", lambda: not listener.ours(), 3)


def test_ten_at_once(listener: Listener) -> None:
    """Each connection has its own processes, and its own answer."""
    streams = [Stream(listener.port, "/v1/messages", BODY | {"stream": True, "messages": [
        {"role": "user", "content": f"[[slow:0.05]] this is number {i} of ten"}]}) for i in range(10)]
    for i, stream in enumerate(streams):
        assert f"number {i} of" in text_of(list(stream))
        stream.close()
    wait_for("the processes are gone", lambda: not listener.ours())


@pytest.mark.parametrize("listener", ["inetd"], indirect=True)
def test_the_log_stays_out_of_the_answer(listener: Listener) -> None:
    """Under inetd fd 2 is the connection: what is logged must not be read as HTTP, but be in LOG_FILE."""
    connection = connect(listener.port)
    for _ in range(3):
        assert ask(listener.port, "POST", "/v1/messages", BODY, connection=connection).status == 200
    connection.close()
    wait_for("the log has its lines", lambda: (listener.home / "inetd.log").read_text().count("/v1/messages") >= 3)


# What the processes count together


def figures(listener: Listener) -> dict[str, float]:
    text = ask(listener.port, "GET", "/metrics").body.decode()
    promtool("check", "metrics", text=text)
    return samples(text)


def fronts(listener: Listener) -> set[int]:
    return {pid for pid in with_home(listener.home) if name(pid) == "http-frontd"}


def test_any_of_them_counts_all(listener: Listener) -> None:
    """Twenty clients at once, each with a process of its own: not one answer is missing in the sum."""
    streams = [Stream(listener.port, "/v1/messages", BODY | {"stream": True}) for _ in range(20)]
    for stream in streams:
        assert "over here" in text_of(list(stream))
        stream.close()
    for _ in range(3):
        assert ask(listener.port, "POST", "/v1/messages", b"{").status == 400
    wait_for("the processes are gone", lambda: not listener.ours())
    got = figures(listener)
    assert got['claude_proxy_requests_total{route="/v1/messages",status="200"}'] == 20
    assert got['claude_proxy_requests_total{route="/v1/messages",status="400"}'] == 3
    assert got["claude_proxy_request_duration_seconds_count"] == 23
    assert got['claude_proxy_request_duration_seconds_bucket{le="+Inf"}'] == 23
    assert got['claude_proxy_errors_total{type="invalid_request_error"}'] == 3
    assert got['claude_proxy_tokens_total{model="claude-sonnet-5-5",kind="output"}'] >= 20
    detailed = ask(listener.port, "GET", "/health/detailed").json["components"]["api_server"]
    assert (detailed["requests_processed"], detailed["errors"]) == (24, 3)


def test_those_that_were_killed_are_not_in_flight(listener: Listener) -> None:
    """A gauge that a dead process left behind would never go down again; its counts stay."""
    streams = []
    slow = BODY | {"stream": True, "messages": [{"role": "user", "content": "[[len:500]] [[slow:0.1]]"}]}
    for _ in range(3):
        streams.append(Stream(listener.port, "/v1/messages", slow))
        next(iter(streams[-1]))
    assert figures(listener)["claude_proxy_in_flight"] == 3
    victim, *_ = fronts(listener)
    os.kill(victim, signal.SIGKILL)
    wait_for("it is missed", lambda: figures(listener)["claude_proxy_in_flight"] == 2)
    for stream in streams:
        stream.go()
    wait_for("none is left", lambda: figures(listener)["claude_proxy_in_flight"] == 0)
    wait_for("both were counted", lambda: figures(listener).get(
        'claude_proxy_requests_total{route="/v1/messages",status="200"}') == 2)


@pytest.mark.parametrize("listener", ["socat"], indirect=True)
def test_a_file_that_holds_no_counters(listener: Listener) -> None:
    """It stays as it is, and so does the service."""
    folder = listener.home / "run"
    folder.mkdir(mode=0o700)
    (folder / "counters").write_bytes(b"something else" * 100)
    assert ask(listener.port, "POST", "/v1/messages", BODY).status == 200
    assert figures(listener)["claude_proxy_in_flight"] == 0
    assert (folder / "counters").read_bytes().startswith(b"something else")
    assert "holds no counters of this version" in listener.log.read_text()


# Who is at the other end, as whoever holds the connection tells it: socat, and UCSPI servers such as s6-tcpserver.
TOLD = [{"SOCAT_PEERADDR": "{peer}", "SOCAT_SOCKADDR": "{local}"}, {"TCPREMOTEIP": "{peer}", "TCPLOCALIP": "{local}"}]


def through_a_pipe(home: Path, told: dict[str, str], host: str, **settings: str) -> subprocess.CompletedProcess[str]:
    request = f"GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    return subprocess.run([SCRIPT], input=request, capture_output=True, text=True, timeout=20,
                          env=environment(home, BACKEND="claude-echo", **told, **settings))


@pytest.mark.parametrize("told", TOLD, ids=["socat", "ucspi"])
def test_the_told_addresses_count(tmp_path: Path, told: dict[str, str]) -> None:
    def ends(peer: str, local: str) -> dict[str, str]:
        return {name: value.format(peer=peer, local=local) for name, value in told.items()}

    good = through_a_pipe(tmp_path, ends("127.0.0.1", "127.0.0.1"), "localhost")
    assert good.stdout.startswith("HTTP/1.1 200 "), good
    assert '"peer":"127.0.0.1"' in good.stderr
    # A page that has made its name stand for 127.0.0.1.
    rebound = through_a_pipe(tmp_path, ends("127.0.0.1", "127.0.0.1"), "evil.example")
    assert rebound.stdout.startswith("HTTP/1.1 403 "), rebound
    # Another machine, and no token.
    open_to_others = through_a_pipe(tmp_path, ends("192.0.2.7", "192.0.2.1"), "192.0.2.1")
    assert (open_to_others.returncode, open_to_others.stdout) == (78, ""), open_to_others
    assert "192.0.2.1 is open to other machines; set AUTH_TOKEN" in open_to_others.stderr
    # And on purpose: its address is known, and counted.
    meant = through_a_pipe(tmp_path, ends("192.0.2.7", "192.0.2.1"), "192.0.2.1", ALLOW_UNAUTHENTICATED="1")
    assert meant.stdout.startswith("HTTP/1.1 200 ") and '"peer":"192.0.2.7"' in meant.stderr, meant


def test_socat_tells_an_ipv6_address_in_brackets(tmp_path: Path) -> None:
    told = {name: "[0000:0000:0000:0000:0000:0000:0000:0001]" for name in TOLD[0]}
    said = through_a_pipe(tmp_path, told, "[::1]")
    assert said.stdout.startswith("HTTP/1.1 200 ") and '"peer":"::1"' in said.stderr, said
