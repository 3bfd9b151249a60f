# SPDX-License-Identifier: MIT
"""What CLI processes leave behind: nothing of ours outlives them, nothing of the owner's is touched."""
from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest
from backend import Backend, ask_for
from processes import wait_for

LOGIN = {"CLAUDE_AUTH": "login", "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat-dummy", "CLAUDE_CARRIER": "",
         "CLAUDE_WARM_PROCESSES": "0"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Backend]]:
    """Starts a claude-exec in the same home each time; a folder there must stay as it is."""
    home = tmp_path / "home"
    (home / "kept").mkdir(parents=True)
    (home / "kept" / "file").write_text("kept")
    with contextlib.ExitStack() as started:
        def run_one(**settings: str) -> Backend:
            one = Backend(home, **settings)
            started.callback(one.stop)
            return one

        yield run_one
    assert (home / "kept" / "file").read_text() == "kept"


def left(one: Backend) -> list[str]:
    """What there is in the private directory, the owner's configuration, and the usual temporary one."""
    places = [path for path in one.run.iterdir() if path.name not in ("empty", "claude-exec.lock")]
    return [str(path.relative_to(one.home)) for path in itertools.chain(places, one.home.glob(".claude/sessions/*"))]


@pytest.mark.parametrize("carrier", ["N", "V"])
def test_with_a_key_the_owner_has_nothing_of_it(run, carrier: str) -> None:
    one = run(CLAUDE_CARRIER=carrier, CLAUDE_WARM_PROCESSES="0", CLAUDE_CONFIG_DIR="/nonexistent/owner")
    one.ask("[[litter]][[dump]][[play:stop_max_tokens]]")
    one.wait_gone()
    environment = one.dump()["environment"]
    assert Path(environment["CLAUDE_CONFIG_DIR"]).is_relative_to(one.run)
    assert Path(environment["TMPDIR"]).is_relative_to(one.run)
    wait_for("its folder is gone", lambda: not Path(environment["CLAUDE_CONFIG_DIR"]).exists(), 2)
    assert one.files() == [] and not (one.home / ".claude").exists()
    assert one.close() == 0 and left(one) == []


def test_with_a_login_its_session_is_forgotten(run) -> None:
    """The configuration is the owner's own, and its other entries stay."""
    one = run(**LOGIN)
    sessions = one.home / ".claude" / "sessions"
    sessions.mkdir(parents=True)
    one.send({"rid": "h", "ctx": {"op": "health"}, "request": None})
    one.answer("h")
    running = subprocess.Popen(["sleep", "60"], cwd=one.run / "empty")
    ours, far = str(one.run / "empty"), 4_190_000
    others = {}
    for pid, more in ((running.pid, {"cwd": ours}), (far, {"cwd": "/elsewhere"}),
                      (far + 1, {"cwd": ours, "pidDomain": "linux:0:pid:[1]"}), (far + 2, {})):
        others[f"{pid}.json"] = {"pid": pid} | more
        (sessions / f"{pid}.json").write_text(json.dumps(others[f"{pid}.json"]))
    one.ask("[[litter]][[dump]][[play:stop_max_tokens]]")
    one.wait_gone()
    assert "CLAUDE_CONFIG_DIR" not in one.dump()["environment"]
    wait_for("its entry is gone", lambda: {path.name for path in sessions.iterdir()} == set(others), 2)
    assert (one.home / ".claude" / "deep" / "er" / "file").exists(), "what the CLI keeps for its owner"
    assert one.close() == 0 and not list(one.run.glob("claude-exec-*"))
    # The next one leaves them too: one runs, one ran in another place, one runs in another container.
    assert run(**LOGIN).close() == 0 and {path.name for path in sessions.iterdir()} == set(others)
    running.kill()
    running.wait()
    assert run(**LOGIN).close() == 0
    assert {path.name for path in sessions.iterdir()} == set(others) - {f"{running.pid}.json"}


@pytest.mark.parametrize("settings", [{}, LOGIN], ids=["key", "login"])
def test_the_next_one_sweeps(run, settings: dict[str, str]) -> None:
    one = run(**settings)
    one.request("a", ask_for("[[litter]][[slow:0.5]]", stream=True))
    one.wait("a", "event")
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    one.wait_gone()
    assert len(one.files()) >= 3 and any("link" in path.name for path in one.files())
    assert settings == {} or list(one.home.glob(".claude/sessions/*.json"))
    two = run(**settings)
    two.ask("hi")
    assert two.close() == 0 and left(two) == []
