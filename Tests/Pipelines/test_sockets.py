# SPDX-License-Identifier: MIT
"""The ways in: a socket of our own of each family, one that systemd or inetd made, and none, as a filter."""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import processes
from processes import wait_for, with_home
from server import PROGRAMS, REPOSITORY, environment, free_port
from listener import INETD
from wire import encode

FRONT = PROGRAMS / "http-frontd"
PROXY = REPOSITORY / "scripts" / "claude-proxy"
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "over here"}]}
PIPELINE = f"{shlex.quote(str(PROGRAMS / 'claude-echo'))} | {shlex.quote(str(PROGRAMS / 'sse-encode'))}"
# What systemd does: the sockets from 3 on, and variables that say so.
PASS = """
import os, sys
count, names = int(sys.argv[1]), sys.argv[2]
for index, descriptor in enumerate(map(int, sys.argv[3:3 + count])):
    os.dup2(descriptor, 50 + index)
for index in range(count):
    os.dup2(50 + index, 3 + index)
    os.close(50 + index)
os.environ.update(LISTEN_PID=os.environ.get("LISTEN_PID") or str(os.getpid()), LISTEN_FDS=str(count),
                  LISTEN_FDNAMES=names)
os.execv(sys.argv[3 + count], sys.argv[3 + count:])
"""
Address = tuple[str, int] | str


class Client(http.client.HTTPConnection):
    """A connection to an address of any family."""

    def __init__(self, address: Address):
        super().__init__("localhost", timeout=20)
        self.address = address

    def connect(self) -> None:
        if isinstance(self.address, tuple):
            self.sock = socket.create_connection(self.address, timeout=20)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(20)
            self.sock.connect(self.address)

    def ask(self, path: str = "/v1/messages", body: Any = BODY, **headers: str) -> tuple[int, Any]:
        self.request("POST" if body else "GET", path, encode(body), {"content-type": "application/json"} | headers)
        answer = self.getresponse()
        return answer.status, json.loads(answer.read())


def is_answered(address: Address, **headers: str) -> bool:
    with contextlib.closing(Client(address)) as client:
        status, answer = client.ask(**headers)
        assert status == 200, answer
        return "over here" in answer["content"][0]["text"]


def status_of(address: Address, **headers: str) -> int:
    with contextlib.closing(Client(address)) as client:
        return client.ask(**headers)[0]


class Running:
    """A program of the test's, and its log."""

    def __init__(self, home: Path, command: list[Any], descriptors: tuple[int, ...] = (), stdin: Any = None,
                 **settings: str):
        self.home, self.log_path = home, home / "log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], env=environment(home, **settings), pass_fds=descriptors, cwd=home,
                stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=log if stdin is None else stdin,
                stderr=log)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]

    def says(self, text: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if text in line["msg"]]

    def fronts(self) -> set[int]:
        return {pid for pid in with_home(self.home) if processes.name(pid) == "http-frontd" and processes.alive(pid)}

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(10)
        wait_for("nothing is left", lambda: not with_home(self.home))
        return status


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with contextlib.ExitStack() as started:

        def start(command: list[Any], *descriptors: int, **more: Any) -> Running:
            running = Running(tmp_path, command, descriptors, **more)
            started.callback(running.stop)
            return running

        yield start


def listening(family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0), kind: int = socket.SOCK_STREAM) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)
    if kind == socket.SOCK_STREAM:
        made.listen(16)
    return made


def passing(sockets: list[socket.socket], *command: Any, names: str = "") -> tuple[list[Any], list[int]]:
    """The command that has these sockets passed to it, and the descriptors that it is to inherit."""
    numbers = [one.fileno() for one in sockets]
    return [sys.executable, "-c", PASS, len(numbers), names, *numbers, *command], numbers


# Our own


def test_ipv6(run: Callable[..., Running]) -> None:
    """The rules of loopback hold for ::1 too."""
    port = free_port()
    server = run([FRONT, "--listen", f"[::1]:{port}", "--pipeline", PIPELINE])
    wait_for("it listens", lambda: server.says("listening"))
    assert is_answered(("::1", port)) and is_answered(("::1", port), host=f"[::1]:{port}")
    assert status_of(("::1", port), host="evil.example") == 403
    wait_for("it is logged", lambda: [line for line in server.says("request") if line["peer"] == "::1"])


def test_unix_socket(run: Callable[..., Running], tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    server = run([PROXY], HOST=f"unix:{path}", BACKEND="claude-echo")
    wait_for("it listens", lambda: server.says("listening"))
    assert is_answered(path) and os.path.exists(path)
    wait_for("it is logged", lambda: [line for line in server.says("request") if line["peer"] == "unix"])
    server.process.terminate()
    assert server.process.wait(10) == 0 and not os.path.exists(path)


def test_filter_with_a_fifo(run: Callable[..., Running], tmp_path: Path) -> None:
    """A shell and two fifos complete the pipeline; at the end of the backend the front ends."""
    port = free_port()
    script = f"""mkfifo requests answers
{FRONT} --listen 127.0.0.1:{port} >requests <answers &
{PROGRAMS}/claude-echo <requests | {PROGRAMS}/sse-encode >answers
wait"""
    server = run(["/bin/sh", "-c", script])
    wait_for("it listens", lambda: server.says("listening"))
    for _ in range(3):
        assert is_answered(("127.0.0.1", port))
    [front] = server.fronts()
    os.kill(front, signal.SIGTERM)
    assert server.process.wait(10) == 0


# systemd's


def test_systemd(run: Callable[..., Running], tmp_path: Path) -> None:
    """Three sockets by the real thing, started by the first client; the stages get neither them nor their variables."""
    port, path = free_port(), str(tmp_path / "socket")
    settings = {**environment(tmp_path), "BACKEND": "claude-echo", "HOST": "192.0.2.1"}
    places: list[Address] = [("127.0.0.1", port), ("::1", port), path]
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "-l", f"[::1]:{port}", "-l", path,
               "--fdname", "four:six:file"]
    for name, value in settings.items():
        command += ["-E", f"{name}={value}"]
    server = run([*command, PROXY])
    wait_for("it listens", lambda: os.path.exists(path))
    assert not server.fronts()
    for place in places:
        assert is_answered(place), place
    told = [(line["address"], line["port"], line["name"]) for line in server.says("listening")]
    assert told == [("127.0.0.1", str(port), "four"), ("::1", str(port), "six"), ("unix", path, "file")]
    assert status_of(places[0], host="evil.example") == status_of(places[1], host="evil.example") == 403
    [front] = server.fronts()
    for stage in processes.children(front):
        # Those of its own files aside, which the store and the limit open themselves.
        links = [os.readlink(f"/proc/{stage}/fd/{number}") for number in os.listdir(f"/proc/{stage}/fd")]
        assert len([link for link in links if ".sqlite" not in link and not link.endswith("/buckets")]) <= 5, links
        assert b"LISTEN_" not in Path(f"/proc/{stage}/environ").read_bytes()


@pytest.mark.parametrize("option, said", [
    ("--datagram", "passed descriptor 3 (connection) is a datagram socket"),
    ("--accept", "passed descriptor 3 (connection) is a connection")])
def test_systemd_of_another_kind(run: Callable[..., Running], option: str, said: str) -> None:
    port = free_port()
    server = run(["systemd-socket-activate", option, "-l", f"127.0.0.1:{port}", "--fdname", "connection", "-E",
                  f"HOME={Path.cwd()}", FRONT, "--pipeline", PIPELINE])
    kind = socket.SOCK_DGRAM if option == "--datagram" else socket.SOCK_STREAM

    def refused() -> bool:
        with socket.socket(socket.AF_INET, kind) as client, contextlib.suppress(OSError):
            client.connect(("127.0.0.1", port))
            client.send(b"x")
        return bool(server.says(said))

    wait_for("it says so", refused)
    assert server.says("expected a listening stream socket")


def test_a_connection_by_systemd(run: Callable[..., Running], tmp_path: Path) -> None:
    """`Accept=yes` with `StandardInput=socket`, as of inetd's nowait."""
    port = free_port()
    settings = {**environment(tmp_path), "BACKEND": "claude-echo", "LOG_FILE": str(tmp_path / "own")}
    command = ["systemd-socket-activate", "--accept", "--inetd", "-l", f"127.0.0.1:{port}"]
    for name, value in settings.items():
        command += ["-E", f"{name}={value}"]
    server = run([*command, REPOSITORY / "scripts" / "claude-proxy-inetd"])
    listens = f" 0100007F:{port:04X} 00000000:0000 0A "
    wait_for("it listens", lambda: listens in Path("/proc/net/tcp").read_text())
    assert is_answered(("127.0.0.1", port)) and is_answered(("127.0.0.1", port))
    wait_for("each has ended with its client", lambda: not server.fronts())


def test_passed_and_own(run: Callable[..., Running]) -> None:
    """Both at once; that one of them was passed says nothing about the end of the other."""
    own = free_port()
    with listening() as given:
        command, numbers = passing([given], FRONT, "--listen", f"127.0.0.1:{own}", "--exit-after-idle", "1",
                                   "--pipeline", PIPELINE)
        server = run(command, *numbers)
        wait_for("it listens", lambda: len(server.says("listening")) == 2)
        assert is_answered(("127.0.0.1", own)) and is_answered(given.getsockname())
        server.process.send_signal(signal.SIGHUP)
        assert is_answered(given.getsockname())
        time.sleep(1.5)
        assert is_answered(("127.0.0.1", own))


def test_meant_for_another(run: Callable[..., Running]) -> None:
    """Variables that a parent left behind name no sockets of ours."""
    own = free_port()
    with listening() as given:
        command, numbers = passing([given], FRONT, "--listen", f"127.0.0.1:{own}", "--pipeline", PIPELINE)
        server = run(command, *numbers, LISTEN_PID="1")
        wait_for("it listens", lambda: server.says("listening"))
        assert len(server.says("listening")) == 1 and is_answered(("127.0.0.1", own))


def test_nobody_is_lost_between_two_servers(run: Callable[..., Running]) -> None:
    """The socket stays with who passed it: a client that comes when no server runs is answered by the next one."""
    with listening() as given:
        command, numbers = passing([given], FRONT, "--pipeline", PIPELINE)
        server = run(command, *numbers)
        assert is_answered(given.getsockname())
        assert server.stop() == 0
        client = Client(given.getsockname())
        client.connect()
        server = run(command, *numbers)
        assert client.ask()[0] == 200
        client.close()


@pytest.mark.parametrize("family, address", [(socket.AF_INET, ("0.0.0.0", 0)), (socket.AF_INET6, ("::", 0))])
def test_open_to_others(run: Callable[..., Running], family: int, address: Any) -> None:
    """What a socket's real address is decides, not HOST: it needs a token, and not the owner's login."""
    with listening(family, address) as given:
        port = given.getsockname()[1]
        command, numbers = passing([given], PROXY)
        for settings in ({"BACKEND": "claude-echo"}, {"AUTH_TOKEN": "secret", "CLAUDE_AUTH": "login"}):
            server = run(command, *numbers, **settings)
            assert server.process.wait(10) == 78
            assert server.says(f":{port} is open to other machines; "), server.log_path.read_text()
        server = run(command, *numbers, BACKEND="claude-echo", AUTH_TOKEN="secret")
        # Names are for those who can make 127.0.0.1 theirs; here the token guards.
        assert is_answered(("127.0.0.1", port), host="a.example", authorization="Bearer secret")
        assert status_of(("127.0.0.1", port)) == 401


def test_wrong_numbers(run: Callable[..., Running]) -> None:
    with listening() as given, socket.socket() as idle:
        command, numbers = passing([given, idle], FRONT, "--pipeline", PIPELINE)
        server = run(command, *numbers)
        assert server.process.wait(10) == 78 and server.says("passed descriptor 4 is a socket that doesn't listen")
        command, _ = passing([given], "/bin/sh", "-c", f"LISTEN_FDS=many exec {FRONT} --pipeline true")
        server = run(command, *numbers)
        assert server.process.wait(10) == 78 and server.says("LISTEN_FDS is many")
        command, _ = passing([given], "/bin/sh", "-c", f"LISTEN_FDS=3 exec {FRONT} --pipeline true 4<&- 5<&-")
        server = run(command, *numbers)
        assert server.process.wait(10) == 78 and server.says("passed descriptor 4 is not open")


# inetd's


def test_inetd_wait(run: Callable[..., Running], tmp_path: Path) -> None:
    """One server for all clients, which goes when nobody comes; inetd then starts another, and nobody is lost."""
    port = free_port()
    user = pwd.getpwuid(os.getuid()).pw_name
    script = REPOSITORY / "scripts" / "claude-proxy-inetd"
    table = tmp_path / "inetd.conf"
    table.write_text(f"127.0.0.1:{port} stream tcp wait {user} {script} {script.name} --wait\n")
    assert INETD, "no inetd: scripts/setup test brings one"
    server = run([INETD, "-i", table], BACKEND="claude-echo", EXIT_AFTER_IDLE="1", LOG_FILE=str(tmp_path / "own"))
    place = ("127.0.0.1", port)
    listens = f" 0100007F:{port:04X} 00000000:0000 0A "
    wait_for("inetd listens", lambda: listens in Path("/proc/net/tcp").read_text())
    assert not server.fronts()
    clients = [Client(place) for _ in range(5)]
    for client in clients:
        assert client.ask()[0] == 200
    first = server.fronts()
    assert len(first) == 1
    time.sleep(1.5)
    assert server.fronts() == first, "it went although there were clients"
    for client in clients:
        client.close()
    wait_for("it goes", lambda: not server.fronts())
    assert is_answered(place) and server.fronts().isdisjoint(first)
    # Clients that come just when it goes.
    for pause in [0.9, 0.97, 1.0, 1.03, 1.1]:
        time.sleep(pause)
        assert is_answered(place), pause
    assert "no client came" in (tmp_path / "own").read_text()


def test_inetd_datagram(run: Callable[..., Running]) -> None:
    with listening(kind=socket.SOCK_DGRAM) as given:
        server = run([FRONT, "--pipeline", PIPELINE], stdin=given)
        assert server.process.wait(10) == 78
        assert server.says("standard input is a datagram socket; expected a listening stream socket")


def test_a_connection_from_outside(run: Callable[..., Running]) -> None:
    """Where a connection's own end isn't loopback's, the socket that it came by is open to others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Connecting sends nothing; it shows the address of this machine that others would see.
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        own = probe.getsockname()[0]
    with listening(address=(own, 0)) as given, socket.create_connection(given.getsockname()) as client:
        accepted, _ = given.accept()
        with accepted:
            server = run([PROXY, "--inetd"], stdin=accepted, BACKEND="claude-echo")
            assert server.process.wait(10) == 78 and server.says(f"{own}:{given.getsockname()[1]} is open to other")
            server = run([PROXY, "--inetd"], stdin=accepted, BACKEND="claude-echo", AUTH_TOKEN="secret")
            client.sendall(b"GET /health HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
