# SPDX-License-Identifier: MIT
"""The examples of scripts/examples that need much: llm, the Agents SDK, and aider and Codex in places of their own."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from codex import BINARY
from server import BUILD, REPOSITORY, Proxy

EXAMPLES = REPOSITORY / "scripts" / "examples"
EDIT = """[[say:I change it.

notes.txt
```
<<<<<<< SEARCH
milk
=======
bread and butter
>>>>>>> REPLACE
```
]] Buy bread and butter, not milk."""


def run(proxy: Proxy, programs: Path, folder: Path, *command: str, **more: str) -> str:
    settings = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8", "BASE": proxy.url,
                "OPENAI_BASE_URL": proxy.url + "/openai/v1"} | more
    said = subprocess.run(command, env=settings, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_llm(echo: Proxy, tmp_path: Path) -> None:
    said = run(echo, Path(sys.executable).parent, tmp_path, str(EXAMPLES / "llm" / "run.sh"), "[[say:one two]]",
               "[[tool:llm_time {}]] What time is it?", '[[say:{"city":"Tromsø","days":3}]] Plan a trip.')
    lines = said.splitlines()
    assert lines[0] == "one two" and "utc_time" in said
    assert json.loads(lines[-1]) == {"city": "Tromsø", "days": 3}


def test_aider(echo: Proxy, tmp_path: Path) -> None:
    """A real edit: the file on the disk is another one afterwards."""
    (tmp_path / "notes.txt").write_text("eggs\nmilk\n")
    said = run(echo, (BUILD / "aider-venv/bin").resolve(), tmp_path, str(EXAMPLES / "aider" / "run.sh"), "notes.txt", EDIT)
    assert (tmp_path / "notes.txt").read_text() == "eggs\nbread and butter\n", said
    assert "Applied edit to notes.txt" in said


def test_agents_sdk(echo: Proxy, tmp_path: Path) -> None:
    example = [sys.executable, str(EXAMPLES / "agents-sdk" / "agents_sdk.py")]
    hand_over = run(echo, Path(sys.executable).parent, tmp_path, *example, "[[tool:transfer_to_weather {}]] A coat?")
    assert hand_over.startswith("Weather: ")


def test_codex(echo: Proxy, tmp_path: Path) -> None:
    """A real command, in the folder where it was started."""
    ask = '[[tool:exec_command {"cmd":"echo milk > notes.txt; cat notes.txt"}]] Make a note.'
    # A container has none of what its sandbox needs.
    said = run(echo, BINARY.resolve().parent, tmp_path, str(EXAMPLES / "codex" / "run.sh"), ask, SANDBOX="danger-full-access")
    assert (tmp_path / "notes.txt").read_text() == "milk\n" and "milk" in said
