# SPDX-License-Identifier: MIT
"""What the real CLI leaves on the disk when it ends, is told to end, is killed, and is killed with claude-exec."""
from __future__ import annotations

import signal
from pathlib import Path
from typing import Callable

import pytest
from backend import Backend, ask_for
from messages_api import MessagesAPI

PAYERS = {"key": {"ANTHROPIC_API_KEY": "sk-ant-dummy", "CLAUDE_AUTH": "key", "CLAUDE_CARRIER": ""},
          "login": {"ANTHROPIC_API_KEY": "", "CLAUDE_AUTH": "login", "CLAUDE_CARRIER": "",
                    "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy"}}
# What the CLI keeps for its owner, whoever starts it.
OWNERS = (".claude.json", "backups", "plugins")


@pytest.fixture
def start_one(tmp_path: Path, api: MessagesAPI, cli: str) -> Callable[[str], Backend]:
    def start(payer: str) -> Backend:
        return Backend(tmp_path / "home", CLAUDE_CLI_PATH=cli, ANTHROPIC_BASE_URL=api.url, CLAUDE_WARM_PROCESSES="0",
                       **PAYERS[payer])
    return start


def traces(one: Backend) -> list[str]:
    """The files under its home but those of the owner and ours."""
    paths = [path.relative_to(one.home) for path in one.home.rglob("*") if path.is_symlink() or not path.is_dir()]
    return [str(path) for path in paths if path.name not in ("log", "claude-exec.lock")
            and not (path.parts[0].startswith(".claude") and set(path.parts[:2]) & set(OWNERS))]


@pytest.mark.parametrize("payer", PAYERS)
def test_nothing_is_left(start_one: Callable[[str], Backend], payer: str) -> None:
    one = start_one(payer)
    one.ask("Hi", rid="ends", stream=True, seconds=20)
    one.ask("[[stop:max_tokens]]", rid="killed", stream=True)
    one.request("told", ask_for("[[len:100]][[slow:0.1]]", stream=True))
    one.wait("told", "event")
    pids = one.clis()
    one.send({"rid": "told", "cancel": True})
    one.answer("told")
    assert payer == "login" or not (one.home / ".claude").exists() and not (one.home / ".claude.json").exists()
    assert one.close() == 0 and not one.clis()
    assert traces(one) == []
    # Where the private directory's name is too long for a socket, the CLI puts it here.
    assert pids and not [path for path in Path("/tmp").glob("cc-socks*/*.sock") if int(path.stem) in pids]


@pytest.mark.parametrize("payer", PAYERS)
def test_the_next_one_clears_up(start_one: Callable[[str], Backend], payer: str) -> None:
    """Behind one that was killed with its processes."""
    one = start_one(payer)
    one.request("a", ask_for("[[len:100]][[slow:0.1]]", stream=True))
    one.wait("a", "event", 20)
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    # The kernel doesn't kill one that may be renewing a login: it ends when its turn is over.
    one.wait_gone(2 if payer == "key" else 30)
    assert payer == "login" or traces(one) != []
    two = start_one(payer)
    two.ask("Hi", seconds=20)
    assert two.close() == 0 and traces(two) == []
