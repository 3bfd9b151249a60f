# SPDX-License-Identifier: MIT
"""RUN_DIR may go away while the server runs: it is made again, or health says why not."""
from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Callable

import backend
import pytest
from processes import wait_for
from server import Proxy, environment, free_port
from test_scripts import SCRIPTS, run

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("warm", ["0", "1"])
def test_it_is_made_again_for_the_cli(start: Callable[..., Proxy], warm: str, api: Any) -> None:
    """A request after a logout is served, also by a process that had been started before it."""
    proxy = start(BACKEND="claude-exec", CLAUDE_CLI_PATH=str(backend.STAND_IN), CLAUDE_AUTH="key", ANTHROPIC_API_KEY="dummy",
                  ANTHROPIC_BASE_URL=api.url, CLAUDE_WARM_PROCESSES=warm)
    place = proxy.home / "run"
    assert proxy.ask("POST", "/v1/messages", BODY).status == 200
    shutil.rmtree(place)
    assert proxy.ask("POST", "/v1/messages", BODY).status == 200
    assert place.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(place)
    assert proxy.ask("GET", "/health/ready").status == 200
    assert (place / "empty").is_dir()


def test_it_is_made_again_for_the_buckets(start: Callable[..., Proxy]) -> None:
    """A new pipeline finds no folder for its file."""
    proxy = start(BACKEND="claude-echo")
    shutil.rmtree(proxy.home / "run")
    os.kill(proxy.stages()["rate-limit"], signal.SIGKILL)
    wait_for("a new pipeline serves", lambda: (proxy.home / "run/buckets").exists() and proxy.ask("POST", "/v1/messages", BODY).status == 200)


@pytest.fixture(params=["claude-echo", "claude-http", "claude-exec", "own stages"])
def served(request: pytest.FixtureRequest, api: Any) -> dict[str, str]:
    """The settings of a server of each backend, and of one whose stages are the user's."""
    key = {"ANTHROPIC_API_KEY": "dummy", "ANTHROPIC_BASE_URL": api.url}
    return {
        "claude-echo": {"BACKEND": "claude-echo"},
        "claude-http": {"BACKEND": "claude-http"} | key,
        "claude-exec": {"BACKEND": "claude-exec", "CLAUDE_CLI_PATH": str(backend.STAND_IN), "CLAUDE_AUTH": "key",
                        "CLAUDE_WARM_PROCESSES": "0"} | key,
        "own stages": {"PIPELINE": "claude-echo | sse-encode"},
    }[request.param]


def start_well(start: Callable[..., Proxy], served: dict[str, str], **more: Any) -> Proxy:
    """A server that has found all it needs."""
    proxy = start(**served, **more)
    wait_for("it is well", lambda: proxy.ask("GET", "/health").status == 200)
    return proxy


def check_unusable(proxy: Proxy, why: str) -> None:
    """Every health path says so, but the one that says whether the process lives; none but the detailed one names paths."""
    answers = {path: proxy.ask("GET", path) for path in ("/health", "/health/ready", "/health/detailed")}
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(answers, 503)
    for path, answer in answers.items():
        if path != "/health/ready":
            assert answer.json["error"].startswith("RUN_DIR can't be used: ") and why in answer.json["error"], answer.body
        assert answer.json["status"] == ("not_ready" if path == "/health/ready" else "unhealthy")
        assert path == "/health/detailed" or str(proxy.home) not in answer.body.decode(), answer.body
    assert proxy.ask("GET", "/health/live").status == 200
    assert proxy.log.read_text().count(f"{proxy.home}/run") == 1, "one line in the log says where, however often it is asked"


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/detailed"])
def test_health_makes_it_again(start: Callable[..., Proxy], served: dict[str, str], path: str) -> None:
    """Whatever the backend."""
    proxy = start_well(start, served)
    place = proxy.home / "run"
    shutil.rmtree(place)
    assert proxy.ask("GET", path).status == 200
    assert place.stat().st_mode & 0o777 == 0o700
    assert not list(place.glob("check-*")), "what was tried is removed"


def test_health_says_when_it_cannot_be_made(start: Callable[..., Proxy], served: dict[str, str]) -> None:
    """Here a file is in its place, which stands for a parent that is gone."""
    proxy = start_well(start, served)
    place = proxy.home / "run"
    shutil.rmtree(place)
    place.write_text("")
    check_unusable(proxy, "must be a directory of this user's with mode 0700")
    place.unlink()
    assert proxy.ask("GET", "/health").status == 200


def test_health_says_when_others_may_use_it(start: Callable[..., Proxy], served: dict[str, str]) -> None:
    """As the start does."""
    proxy = start_well(start, served)
    (proxy.home / "run").chmod(0o755)
    check_unusable(proxy, "must be a directory of this user's with mode 0700")


def test_health_says_when_it_is_full(start: Callable[..., Proxy], served: dict[str, str], tmp_path: Path) -> None:
    """The file system that it is on has no room any more, and then it has."""
    wrapped = tmp_path / "wrapped"
    wrapped.mkdir()
    (wrapped / "claude-proxy").write_text(
        "#!/bin/sh\nset -eu\nmkdir -m 700 \"$RUN_DIR\"\nexec unshare -rm sh -euc '"
        "mount -t tmpfs -o size=4m,mode=700 none \"$RUN_DIR\"; exec \"$@\"' sh " + str(SCRIPTS / "claude-proxy") + "\n")
    (wrapped / "claude-proxy").chmod(0o755)
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True).returncode != 0:
        pytest.skip("this system lets us mount nothing, not even in a namespace")
    proxy = start_well(start, served, scripts=wrapped)
    filling = Path(f"/proc/{proxy.process.pid}/root{proxy.home}/run/filling")
    with filling.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    check_unusable(proxy, "No space left on device")
    filling.unlink()
    assert proxy.ask("GET", "/health").status == 200


def test_a_socket_is_made_again(tmp_path: Path) -> None:
    """Its folder too; connections that are open go on."""
    path = tmp_path / "home/run/socket"
    path.parent.mkdir(parents=True, mode=0o700)
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([SCRIPTS / "claude-proxy"], stderr=log, stdin=subprocess.DEVNULL,
                                   env=environment(tmp_path / "home", BACKEND="claude-echo", HOST=f"unix:{path}"))

    def is_served() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
            except OSError:
                return False
            client.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return client.recv(1_000).startswith(b"HTTP/1.1 200 ")

    try:
        wait_for("it serves", is_served)
        shutil.rmtree(path.parent)
        assert not is_served()
        wait_for("it serves again", is_served)
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture(params=["full", "read-only"])
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], str]:
    """A command that runs what follows where RUN_DIR is a file system of that kind, and what the system says of it."""
    mount = tmp_path / "mounted"
    mount.mkdir()
    options = "size=4k,mode=700" if request.param == "full" else "size=64k,mode=700"
    then = f"head -c 4096 /dev/zero >{mount}/filling" if request.param == "full" else f"mount -o remount,ro {mount}"
    command = ["unshare", "-rm", "sh", "-euc", f'mount -t tmpfs -o {options} none {mount}; {then}; exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets us mount nothing, not even in a namespace")
    return command, str(mount)


@pytest.mark.parametrize("words", [[], ["--check"]])
@pytest.mark.parametrize("below", ["", "/new"])
def test_a_place_that_takes_no_file(bad: tuple[list[str], str], words: list[str], below: str) -> None:
    """The start fails, and says which setting and why; as --check does."""
    command, mount = bad
    said = run(*command, SCRIPTS / "claude-proxy", *words, BACKEND="claude-echo", PORT=str(free_port()), RUN_DIR=mount + below)
    assert said.returncode == 78 and "RUN_DIR" in said.stderr and mount in said.stderr, said
    if not below or words:
        assert any(reason in said.stderr for reason in ("No space left", "Read-only", "I/O error")), said
