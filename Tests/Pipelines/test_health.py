# SPDX-License-Identifier: MIT
"""/health, its sisters and /metrics in every state: a table, for a server and for a process of one connection."""
from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import backend
import pytest
from patience import fair
from processes import wait_for, with_home
from prometheus import promtool, samples
from server import PROGRAMS, environment

FRONT = PROGRAMS / "http-frontd"
EXEC = f"{shlex.quote(str(PROGRAMS / 'claude-exec'))} | {shlex.quote(str(PROGRAMS / 'sse-encode'))}"
HTTP = EXEC.replace("claude-exec", "claude-http")
CLI = {"CLAUDE_CLI_PATH": str(backend.STAND_IN), "CLAUDE_AUTH": "key", "CLAUDE_WARM_PROCESSES": "0"}
KEY = {"ANTHROPIC_API_KEY": "sk-ant-dummy"}

# State: pipeline, settings, a file in its home; what /health says: status, some of its members; the CLI's metric; the
# CLI's component.
STATES: dict[str, tuple[str, dict[str, str], tuple[str, str] | None, int, dict[str, Any], int | None, dict[str, Any] | None]] = {
    "well": (EXEC, CLI | KEY, None, 200, {"status": "healthy", "claude_cli_available": True, "backend": "claude-exec"},
             1, {"status": "available", "authenticated": True, "path": str(backend.STAND_IN), "version": "2.1.330"}),
    "no CLI": (EXEC, {"CLAUDE_CLI_PATH": "", "CLAUDE_AUTH": "key"}, None, 503, {
        "status": "unhealthy", "claude_cli_available": False, "error": "Claude CLI not found in PATH",
        "claude_cli_status": "not_found"}, 0, {"status": "not_found"}),
    "too old": (EXEC, CLI | KEY, ("fake-version", "2.1.99"), 503, {
        "status": "unhealthy", "claude_cli_available": False, "claude_cli_status": "too_old"}, 0,
        {"status": "too_old", "version": "2.1.99"}),
    "not logged in": (EXEC, CLI | {"CLAUDE_AUTH": "login"}, None, 503, {
        "status": "unhealthy", "claude_cli_available": True, "claude_cli_status": "not_authenticated"}, 0,
        {"status": "not_authenticated", "authenticated": False}),
    "no CLI needed": (HTTP, KEY, None, 200, {"status": "healthy", "claude_cli_available": False, "backend": "claude-http"},
                      None, None),
    "pipeline down": ("false", {}, None, 503, {"status": "unhealthy"}, None, None),
    "pipeline stuck": ("sleep 1000 | cat", {}, None, 503, {"status": "unhealthy"}, None, None),
}
PATHS = ["/health", "/health/live", "/health/ready", "/health/detailed", "/metrics"]
Asker = Callable[[str], tuple[int, str]]


@pytest.fixture(params=list(STATES))
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A state's name, and the environment that makes it."""
    _, settings, file, *_ = STATES[request.param]
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool, place in (("python3", os.path.realpath(sys.executable)), ("env", shutil.which("env")),
                        ("setpriv", shutil.which("setpriv")), ("cat", shutil.which("cat")),
                        ("sleep", shutil.which("sleep")), ("false", shutil.which("false"))):
        if place:
            (tools / tool).symlink_to(place)
    if request.param == "no CLI" and any(Path(path).exists() for path in ("/usr/local/bin/claude", "/usr/bin/claude")):
        pytest.skip("a CLI is installed on this machine")
    if file:
        (tmp_path / file[0]).write_text(file[1])
    yield request.param, environment(tmp_path, **settings) | {"PATH": str(tools)}
    wait_for("nothing is left", lambda: not with_home(tmp_path))


@contextlib.contextmanager
def server(pipeline: str, env: dict[str, str], folder: Path) -> Iterator[Asker]:
    """One for many clients."""
    ready, told = os.pipe()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [FRONT, "--listen", "127.0.0.1:0", "--notify-fd", str(told), "--pipeline", pipeline], env=env, stderr=log,
            pass_fds=[told], stdin=subprocess.DEVNULL)
    os.close(told)
    with os.fdopen(ready) as pipe:
        port = int(pipe.readline())

    def ask(path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    try:
        yield ask
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def one_connection(pipeline: str, env: dict[str, str], folder: Path) -> Iterator[Asker]:
    """A process for each request, as inetd starts it."""

    def ask(path: str) -> tuple[int, str]:
        ours, theirs = socket.socketpair()
        with ours, theirs, open(folder / "log", "ab") as log:
            process = subprocess.Popen([FRONT, "--counters", folder / "counters", "--pipeline", pipeline], env=env,
                                       stdin=theirs, stdout=theirs, stderr=log)
            theirs.close()
            ours.settimeout(20)
            ours.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(ours)
            answer.begin()
            text = answer.read().decode()
            answer.close()
        process.wait(10)
        return answer.status, text

    yield ask


@pytest.mark.parametrize("way", [server, one_connection])
def test_every_state(state: tuple[str, dict[str, str]], way: Any, tmp_path: Path) -> None:
    """Always an answer, in time; 200 or 503 as the backend can serve or not; paths in the detailed one alone."""
    name, env = state
    pipeline, _, _, status, members, metric, component = STATES[name]
    began = time.monotonic()
    with way(pipeline, env, tmp_path) as ask, concurrent.futures.ThreadPoolExecutor() as several:
        answers = dict(zip(PATHS, several.map(ask, PATHS)))
    assert fair(began) < 12, "a request hung"
    assert {path: code for path, (code, _) in answers.items()} == {
        "/health": status, "/health/live": 200, "/health/ready": status, "/health/detailed": status, "/metrics": 200}

    health = json.loads(answers["/health"][1])
    assert members.items() <= health.items() and health["service"] == "claude-proxy" and health["version"]
    assert (status == 200) == ("error" not in health) and "components" not in health
    assert json.loads(answers["/health/live"][1])["status"] == "alive"
    assert json.loads(answers["/health/ready"][1])["status"] == ("ready" if status == 200 else "not_ready")
    for path in PATHS:
        if path != "/health/detailed":
            assert str(tmp_path) not in answers[path][1] and "fake-claude" not in answers[path][1], path

    detailed = json.loads(answers["/health/detailed"][1])
    parts = detailed["components"]
    assert detailed["status"] == members["status"]
    assert {"uptime", "requests_processed", "errors"} <= parts["api_server"].keys()
    assert parts["authentication"] == {"required": False, "tokens": 0}
    assert {"state", "restarts", "in_flight", "count", "processes", "stages"} == parts["pipelines"].keys()
    assert len(parts["pipelines"]["stages"]) >= parts["pipelines"]["processes"] >= parts["pipelines"]["count"] == 1
    assert detailed["configuration"]["max_body"] == 32 << 20 and detailed["configuration"]["request_timeout"] == 600
    if way is server:
        assert parts["api_server"]["host"] == "127.0.0.1" and parts["api_server"]["port"] > 0
    assert ("claude_cli" in parts) == (component is not None)
    if component:
        assert component.items() <= parts["claude_cli"].items() and parts["claude_cli"]["last_check"].endswith("Z")
        assert ("searched" in parts["claude_cli"]) == (name == "no CLI")

    promtool("check", "metrics", text=answers["/metrics"][1])
    assert samples(answers["/metrics"][1]).get("claude_proxy_claude_cli_status") == metric


@pytest.mark.parametrize("store, gauges", [
    ({"status": "ok", "responses": 12, "bytes": 65536}, {"up": 1, "stored": 12, "bytes": 65536}),
    ({"status": "read_only", "message": "/secret/place: Read-only file system", "damaged": "/secret/place"}, {"up": 0}),
    ({"status": 1, "responses": "x", "bytes": -1}, {"up": 0}),
    (None, {}),
])
def test_the_store_of_responses(store: dict[str, Any] | None, gauges: dict[str, int], tmp_path: Path) -> None:
    """What a stage says of it is in the detailed answer and in the metrics; anybody else learns its status."""
    told = "if .response then .response.details += $store else . end"
    more = json.dumps({"responses_store": store} if store else {})
    stage = f"jq -c --unbuffered --argjson store {shlex.quote(more)} {shlex.quote(told)}"
    pipeline = " | ".join([shlex.quote(str(PROGRAMS / "claude-echo")), stage, shlex.quote(str(PROGRAMS / "sse-encode"))])
    with server(pipeline, environment(tmp_path), tmp_path) as ask:
        answers = {path: ask(path) for path in PATHS}
    assert {status for status, _ in answers.values()} == {200}
    health, detailed = (json.loads(answers[path][1]) for path in ("/health", "/health/detailed"))
    assert health.get("details", {}).get("responses_store") == ({"status": store["status"]} if store else None)
    assert detailed.get("details", {}).get("responses_store") == store
    assert "/secret/place" not in answers["/health"][1] + answers["/metrics"][1]
    promtool("check", "metrics", text=answers["/metrics"][1])
    found = samples(answers["/metrics"][1])
    names = {"up": "responses_store_up", "stored": "responses_stored", "bytes": "responses_store_bytes"}
    assert {key: found.get(f"claude_proxy_{name}") for key, name in names.items()} == {key: gauges.get(key) for key in names}
