# SPDX-License-Identifier: MIT
"""One process per connection: under socat, and under a real inetd. It lives as long as its connection."""
from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from processes import name, with_home, wait_for
from server import BUILD, REPOSITORY, environment, free_port
from wire import Stream, ask, connect, text_of

INETD = shutil.which(str(BUILD / "inetd/usr/sbin/inetd")) or shutil.which("inetd", path="/usr/sbin:/sbin")
SCRIPT = REPOSITORY / "scripts" / "claude-proxy-inetd"
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "over here"}]}


class Listener:
    """A program that listens on a port and starts ours for each connection."""

    def __init__(self, kind: str, home: Path):
        self.home, self.port, self.log = home, free_port(), home / "log"
        if kind == "socat":
            command = ["socat", f"TCP-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork", f"EXEC:{SCRIPT}"]
        else:
            assert INETD, "no inetd: scripts/setup test brings one"
            user = pwd.getpwuid(os.getuid()).pw_name
            table = home / "inetd.conf"
            table.write_text(f"127.0.0.1:{self.port} stream tcp nowait {user} {SCRIPT} {SCRIPT.name}\n")
            command = [INETD, "-i", str(table)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(home, BACKEND="claude-echo", LOG_FILE=str(home / "inetd.log")),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for(f"{kind} listens", self.listens)

    def listens(self) -> bool:
        wanted = f" 0100007F:{self.port:04X} 00000000:0000 0A "
        return wanted in Path("/proc/net/tcp").read_text()

    def ours(self) -> set[str]:
        """Our processes that serve a connection now."""
        names = {name(pid) for pid in with_home(self.home) - {self.process.pid}}
        return names - {"socat", "inetd", ""}


@pytest.fixture(params=["socat", "inetd"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    started = Listener(request.param, tmp_path)
    yield started
    started.process.terminate()
    started.process.wait(5)
    wait_for("nothing is left", lambda: not with_home(started.home))


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
