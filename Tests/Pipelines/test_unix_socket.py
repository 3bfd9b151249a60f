# SPDX-License-Identifier: MIT
"""A socket file belongs to one server, and to one owner."""
from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from front import FRONT, STAGE, Front, eventually, read_all, request, start
from server import REPOSITORY, environment


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(request({"a": 1}, "connection: close"))
        return read_all(client).startswith(b"HTTP/1.1 200")


def try_start(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FRONT, "--listen", f"unix:{path}", "--pipeline", STAGE, *options], capture_output=True,
                          text=True, timeout=20, stdin=subprocess.DEVNULL)


def test_a_second_server_does_not_take_it(start, tmp_path):
    path = tmp_path / "socket"
    server = start(listen=f"unix:{path}")
    for options in [[], ["--check"]]:
        said = try_start(path, *options)
        assert said.returncode == 69 and "Address already in use" in said.stderr, said
    assert answers(path)
    assert server.stop() == 0
    assert not list(tmp_path.glob("socket*"))


def test_of_many_at_once_one_gets_it(tmp_path):
    path = tmp_path / "socket"
    started = [subprocess.Popen([FRONT, "--listen", f"unix:{path}", "--pipeline", STAGE], stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL) for _ in range(8)]
    try:
        eventually(lambda: sum(one.poll() is None for one in started) == 1)
        [winner] = [one for one in started if one.poll() is None]
        eventually(path.exists)
        assert answers(path)
        assert {one.poll() for one in started if one is not winner} == {69}
    finally:
        for one in started:
            one.terminate()
            one.wait(20)
            one.stderr.close()
    assert not list(tmp_path.glob("socket*"))


def test_one_that_was_left_behind_is_replaced(tmp_path):
    path = tmp_path / "socket"
    first = Front(tmp_path, listen=f"unix:{path}")
    stages = first.stages()
    first.process.kill()
    first.process.wait()
    assert path.is_socket()
    server = Front(tmp_path, listen=f"unix:{path}")
    assert answers(path) and server.stop() == 0 and not path.exists()
    for pid in stages:
        eventually(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize("kind", ["file", "folder", "link", "datagram", "full queue"])
def test_what_is_no_socket_left_behind_stays(tmp_path, kind):
    path = tmp_path / "socket"
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    clients = []
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "target").write_text("mine")
        path.symlink_to(tmp_path / "target")
    else:
        held.bind(str(path))
    if kind == "full queue":
        held.listen(0)
        for _ in range(3):
            clients.append(client := socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(path))
    before = path.lstat()
    assert try_start(path).returncode == 69
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert try_start(path, "--check").returncode == 69
    for one in [held, *clients]:
        one.close()
    assert not (tmp_path / "socket.lock").exists()


def test_only_its_own_is_removed(start, tmp_path):
    """Another server may have been given the path, by hand."""
    path = tmp_path / "socket"
    server = start(listen=f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert server.stop() == 0
        assert path.is_socket()


@pytest.mark.parametrize("mode, mask", [(None, 0o022), ("0660", 0o077), ("666", 0o077), ("0600", 0)])
def test_its_mode(start, tmp_path, mode, mask):
    path, old = tmp_path / "socket", os.umask(mask)
    try:
        server = start(*(["--socket-mode", mode] if mode else []), listen=f"unix:{path}")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == int(mode or "0600", 8)
    assert answers(path) and server.stop() == 0


@pytest.mark.parametrize("mode", ["", "rw", "0680", "01777", "-1", "99999", "0x10"])
def test_no_mode(tmp_path, mode):
    said = try_start(tmp_path / "socket", f"--socket-mode={mode}")
    assert said.returncode == 64 and "socket-mode" in said.stderr


def test_the_setting(tmp_path):
    """SOCKET_MODE of claude-proxy."""
    path = tmp_path / "socket"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([REPOSITORY / "scripts/claude-proxy"], stdin=subprocess.DEVNULL, stderr=log, stdout=log,
                                   env=environment(tmp_path, HOST=f"unix:{path}", SOCKET_MODE="0660", BACKEND="claude-echo"))
    try:
        eventually(path.exists)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not path.exists()
