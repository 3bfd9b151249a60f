# SPDX-License-Identifier: MIT
"""``claude-proxy ask`` by way of the real CLI: it answers, and Control-C leaves no process of it."""
from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import processes
from messages_api import MessagesAPI
from processes import wait_for
from server import REPOSITORY, environment

ASK = [REPOSITORY / "scripts" / "claude-proxy", "ask"]


def test_it_answers(tmp_path: Path, api: MessagesAPI, settings: dict[str, str]) -> None:
    said = subprocess.run([*ASK, "--system", "Be brief.", "[[say:Grüße]]"], env=environment(tmp_path, **settings),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout, said.stderr) == (0, "Grüße\n", "")
    assert "Be brief." in str(api.bodies()[0]["system"])
    assert not processes.with_home(tmp_path)


def test_control_c(tmp_path: Path, api: MessagesAPI, settings: dict[str, str]) -> None:
    process = subprocess.Popen([*ASK, "[[slow:0.3]][[len:60]]"], env=environment(tmp_path, **settings),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert os.read(process.stdout.fileno(), 100)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT and out.endswith(b"\n") and err == b""
    api.wait("client_abort")
    wait_for("no process is left", lambda: not processes.with_home(tmp_path))
