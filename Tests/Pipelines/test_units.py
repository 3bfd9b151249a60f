# SPDX-License-Identifier: MIT
"""systemd's units: what systemd itself says of them, and the service as the unit would run it."""
from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from backend import STAND_IN
from server import REPOSITORY

UNITS = REPOSITORY / "scripts/systemd"
# How exposed systemd may find the service, in tenths; a service of the system has about 96, unless it says more.
EXPOSURE = 15


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", *map(str, words)], capture_output=True, text=True, timeout=60)


def version() -> int:
    return int(analyze("--version").stdout.split()[1])


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed, but for where the program is."""
    for unit in UNITS.glob("claude-proxy.*"):
        text = unit.read_text().replace("/usr/local/bin/claude-proxy", str(REPOSITORY / "scripts/claude-proxy"))
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("unit", ["claude-proxy.service", "claude-proxy.socket"])
def test_systemd_has_nothing_to_say(units: Path, unit: str) -> None:
    said = analyze("verify", "--man=no", units / unit)
    assert said.returncode == 0 and not said.stdout + said.stderr, said


def test_exact_reload(units: Path) -> None:
    """What older ones don't know is in a file of its own."""
    folder = units / "claude-proxy.service.d"
    folder.mkdir()
    (folder / "notify-reload.conf").write_text((UNITS / "notify-reload.conf").read_text())
    said = analyze("verify", "--man=no", units / "claude-proxy.service")
    if version() < 253:
        [line] = (said.stdout + said.stderr).splitlines()
        assert line.endswith("Failed to parse service type, ignoring: notify-reload")
    else:
        assert not said.stdout + said.stderr, said


def test_exposure() -> None:
    said = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", UNITS / "claude-proxy.service")
    assert said.returncode == 0, said.stdout
    level = re.search(r"Overall exposure level for claude-proxy.service: ([0-9.]+)", said.stdout)
    assert level and float(level[1]) * 10 <= EXPOSURE
    print(level[0])


def test_the_unit_as_it_is_run(start, tmp_path: Path) -> None:
    """By its environment: credentials, a socket to tell, reload by signal; the end of the first process is the end."""
    text = (UNITS / "claude-proxy.service").read_text()
    assert "KillMode=mixed\n" in text and not re.search("^MemoryDenyWriteExecute", text, re.M)
    credentials = re.findall(r"^LoadCredential=(\w+):claude-proxy\.\1$", text, re.M)
    assert credentials
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in credentials:
        (folder / name).write_text("sk-secret\n")
    settings = tmp_path / "settings"
    settings.write_text("")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        proxy = start(BACKEND="claude-exec", CLAUDE_CLI_PATH=str(STAND_IN), CLAUDE_WARM_PROCESSES="0", CREDENTIALS_DIRECTORY=str(folder), CLAUDE_PROXY_CONFIG=str(settings),
                      NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(1000).startswith(b"READY=1\n")
        stage = Path(f"/proc/{proxy.stages()['claude-exec']}/environ").read_bytes()
        assert all(f"\0{name}=sk-secret\0".encode() in stage for name in credentials) and b"NOTIFY" not in stage
        for text, status in (("MAX_BODY=x\n", b"STATUS=The old settings are in force: "), ("", b"STATUS=Serving")):
            settings.write_text(text)
            proxy.process.send_signal(signal.SIGHUP)
            assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(1000).startswith(b"READY=1\n" + status)
        # A credential stays what it was.
        stage = Path(f"/proc/{proxy.stages()['claude-exec']}/environ").read_bytes()
        assert all(f"\0{name}=sk-secret\0".encode() in stage for name in credentials)
        proxy.process.terminate()
        assert manager.recv(1000).startswith(b"STOPPING=1\n")
        assert proxy.process.wait(20) == 0
