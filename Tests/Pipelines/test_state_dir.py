# SPDX-License-Identifier: MIT
"""STATE_DIR and the settings of the responses that are kept: where the file is, and what happens if it can't be made."""
from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from server import STAGES, Proxy, environment, free_port
from test_scripts import SCRIPTS, pipeline_of, run

PROXY = SCRIPTS / "claude-proxy"
WITHOUT = [stage for stage in STAGES if "responses-store" not in stage]
Start = Callable[..., Proxy]


def check(*words: str, **settings: str) -> tuple[list[str], str, str, int]:
    """What --check says: the pipeline, the file, the warnings, the status."""
    given = environment(Path("/nonexistent")) | {"BACKEND": "claude-echo", "PORT": str(free_port())} | settings
    said = subprocess.run([PROXY, "--check", *words], env=given, capture_output=True, text=True, timeout=60)
    [file] = [line.removeprefix("responses_store ") for line in said.stdout.splitlines() if line.startswith("responses_store ")]
    return pipeline_of(said.stdout), file, said.stderr, said.returncode


def words_of_store(said: str, side: str) -> list[str]:
    [stage] = [one.split()[2:] for one in said.split("|") if f"responses-store {side}" in one]
    return stage


@pytest.mark.parametrize("settings, file", [
    ({}, "{home}/.local/state/claude-proxy/responses.sqlite"),
    ({"XDG_STATE_HOME": "{home}/x"}, "{home}/x/claude-proxy/responses.sqlite"),
    ({"XDG_STATE_HOME": "{home}/x", "STATE_DIR": "{home}/own"}, "{home}/own/responses.sqlite"),
    ({"RESPONSES_STORE": "{home}/a b/c.db", "STATE_DIR": "{home}/own"}, "{home}/a b/c.db"),
])
def test_where_the_file_is(settings: dict[str, str], file: str, tmp_path: Path) -> None:
    """--check says where, and makes nothing."""
    given = {name: value.format(home=tmp_path) for name, value in settings.items()}
    stages, told, warnings, status = check(HOME=str(tmp_path), **given)
    assert (stages, told, warnings, status) == (STAGES, file.format(home=tmp_path), "", 0)
    assert list(tmp_path.iterdir()) == []


def test_off(tmp_path: Path) -> None:
    stages, told, warnings, status = check(HOME=str(tmp_path), RESPONSES_STORE="off")
    assert (stages, told, warnings, status) == (WITHOUT, "off", "", 0)


def test_what_the_stages_are_told(tmp_path: Path) -> None:
    said = run(PROXY, "--check", BACKEND="claude-echo", PORT=str(free_port()), HOME=str(tmp_path), RESPONSES_KEEP="60",
               RESPONSES_MAX_SIZE="65536", MAX_NODES="5000", STATE_DIR=str(tmp_path), LOG_LEVEL="error")
    [line] = [line for line in said.stdout.splitlines() if line.startswith("pipeline ")]
    both = ["--log-level", "error", "--file", f"{tmp_path}/responses.sqlite", "--keep", "60", "--max-size", "65536"]
    assert words_of_store(line, "load") == [*both, "--max-nodes", "5000"] and words_of_store(line, "save") == both


@pytest.mark.parametrize("settings, says", [
    ({"RESPONSES_STORE": "onn"}, "RESPONSES_STORE=onn: expected on, off or the path of a file, for example"),
    ({"RESPONSES_STORE": "responses.db"}, "RESPONSES_STORE=responses.db: expected on, off or the path"),
    ({"RESPONSES_KEEP": "1h"}, "RESPONSES_KEEP=1h: expected a number of seconds, for example 30"), ({"RESPONSES_KEEP": "0"}, "RESPONSES_KEEP=0: expected at least 1 second"),
    ({"RESPONSES_KEEP": "-1"}, "RESPONSES_KEEP"), ({"RESPONSES_MAX_SIZE": "65535"}, "RESPONSES_MAX_SIZE=65535: expected at least 65536 bytes"),
    ({"RESPONSES_MAX_SIZE": "1MB"}, "RESPONSES_MAX_SIZE"),
])
def test_settings_that_are_wrong(settings: dict[str, str], says: str, tmp_path: Path) -> None:
    for words in ([], ["--check"]):
        said = run(PROXY, *words, BACKEND="claude-echo", PORT=str(free_port()), HOME=str(tmp_path), **settings)
        assert said.returncode == 78 and says in said.stderr, said


def unusable(tmp_path: Path) -> dict[str, dict[str, str]]:
    file = tmp_path / "file"
    file.write_text("")
    return {"no home": {"HOME": ""}, "a file": {"STATE_DIR": str(file)}, "below a file": {"STATE_DIR": f"{file}/a/b"},
            "below a file, by path": {"RESPONSES_STORE": f"{file}/a.db"}, "a quote": {"STATE_DIR": f'{file}/a"b'}}


@pytest.mark.parametrize("case", ["no home", "a file", "below a file", "below a file, by path", "a quote"])
def test_a_folder_that_cannot_be_made(case: str, start: Start, tmp_path: Path) -> None:
    """The server starts without the store, and one line of its log says so; --check says it too."""
    settings = unusable(tmp_path)[case]
    stages, told, warnings, status = check(**{"HOME": str(tmp_path)} | settings)
    assert (stages, told, status) == (WITHOUT, "off", 0), warnings
    assert "responses are not kept, and previous_response_id is refused" in warnings and "STATE_DIR" in warnings
    proxy = start(BACKEND="claude-echo", **settings)
    lines = [json.loads(line) for line in proxy.log.read_text().splitlines()]
    [warning] = [line for line in lines if line["level"] == "warning"]
    assert warning["program"] == "claude-proxy" and "responses are not kept" in warning["msg"]
    assert proxy.ask("GET", "/health/ready").status == 200 and sorted(proxy.stages()) == sorted(WITHOUT)


def test_it_is_made_when_it_is_needed(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "a" / "state"
    proxy = start(BACKEND="claude-echo", STATE_DIR=str(state))
    assert stat.S_IMODE(state.stat().st_mode) == stat.S_IMODE(state.parent.stat().st_mode) == 0o700
    assert sorted(proxy.stages()) == sorted(STAGES)


def test_one_question_keeps_nothing(tmp_path: Path) -> None:
    said = run(PROXY, "ask", "Hello", BACKEND="claude-echo", HOME=str(tmp_path))
    assert said.returncode == 0 and said.stdout == "Hello\n", said
    assert not (tmp_path / ".local").exists()


def test_a_pipeline_of_the_user_has_its_own_options(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"PIPELINE": "claude-echo | sse-encode", "RESPONSES_STORE": str(tmp_path / "x" / "a.db"),
                                "RESPONSES_KEEP": "5", "STATE_DIR": str(tmp_path / "state")}
    stages, told, warnings, status = check(HOME=str(tmp_path), **settings)
    assert stages == ["claude-echo", "sse-encode"] and told == "off" and status == 0
    for name in ("RESPONSES_STORE", "RESPONSES_KEEP", "STATE_DIR"):
        assert name in warnings
    assert list(tmp_path.iterdir()) == []
