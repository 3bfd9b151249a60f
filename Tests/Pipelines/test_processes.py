# SPDX-License-Identifier: MIT
"""PROCESSES: stages share a process, or each has its own. A user sees the same pipeline either way."""
from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from pathlib import Path
from typing import Callable

import processes
import pytest
from processes import alive, children, wait_for
from server import PROGRAMS, REPOSITORY, STAGES, Proxy, free_port
from test_scripts import SCRIPTS, pipeline_of, run
from test_settings_file import hang_up
from wire import text_of

ROUTES = ["/v1/messages", "/openai/v1/chat/completions", "/v1/responses"]
PROGRAM_NAMES = [stage.split()[0] for stage in STAGES]
SHORT = "model-map | oai2anth | claude-echo | anth2oai | sse-encode"


def ask_for(path: str, prompt: str, **more: object) -> dict[str, object]:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 50} | more
    return body | ({"input": prompt} if "responses" in path else {"messages": [{"role": "user", "content": prompt}]})


def check_answers(proxy: Proxy, paths: list[str] = ROUTES) -> None:
    """On each route, whole and as a stream."""
    for path in paths:
        answer = proxy.ask("POST", path, ask_for(path, "one two"))
        assert answer.status == 200 and b"one two" in answer.body, answer
        stream = proxy.stream(path, ask_for(path, "one two", stream=True))
        events = list(stream)
        assert stream.status == 200 and "one" in (text_of(events) if "responses" not in path else str(events))


def names(proxy: Proxy) -> list[str]:
    """The programs that the server has started, in the order of the pipe."""
    return [processes.name(pid) for pid in sorted(children(proxy.process.pid)) if alive(pid)]


def pipelines(proxy: Proxy) -> dict[str, object]:
    return json.loads(proxy.ask("GET", "/health/detailed").body)["components"]["pipelines"]


def messages(proxy: Proxy) -> list[str]:
    return [json.loads(line)["msg"] for line in proxy.log.read_text().splitlines() if line.startswith('{"ts"')]


@pytest.mark.parametrize("given, started", [({}, ["claude-pipe"]), ({"PROCESSES": "one"}, ["claude-pipe"]), ({"PROCESSES": "each"}, PROGRAM_NAMES)])
def test_what_is_started_and_what_is_shown(start: Callable[..., Proxy], given: dict[str, str], started: list[str],
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSES", raising=False)
    proxy = start(BACKEND="claude-echo", **given)
    check_answers(proxy)
    assert names(proxy) == started and sorted(proxy.stages()) == sorted(STAGES)
    shown = pipelines(proxy)
    assert (shown["count"], shown["processes"], shown["stages"]) == (1, len(started), PROGRAM_NAMES)
    said = run(SCRIPTS / "claude-proxy", "--check", BACKEND="claude-echo", PORT=str(free_port()), **given)
    assert said.returncode == 0 and said.stderr == "" and pipeline_of(said.stdout) == STAGES, said
    assert f"processes {given.get('PROCESSES', 'one')}\n" in said.stdout and "claude-pipe" not in said.stdout


def test_another_value_is_refused() -> None:
    said = run(SCRIPTS / "claude-proxy", "--check", BACKEND="claude-echo", PORT=str(free_port()), PROCESSES="many")
    assert said.returncode == 78 and "PROCESSES=many: expected one or each" in said.stderr, said


@pytest.fixture
def without_claude_pipe(tmp_path: Path) -> str:
    """A build folder that has all programs but claude-pipe."""
    folder = tmp_path / "build"
    (folder / "release").mkdir(parents=True)
    for program in PROGRAMS.iterdir():
        if program.is_file() and program.name != "claude-pipe" and (os.access(program, os.X_OK) or program.suffix == ".so"):
            (folder / "release" / program.name).symlink_to(program)
    return str(folder)


@pytest.mark.parametrize("given, warnings", [({}, 0), ({"PROCESSES": "one"}, 1), ({"PROCESSES": "each"}, 0)])
def test_claude_pipe_can_be_removed(start: Callable[..., Proxy], without_claude_pipe: str, given: dict[str, str],
                                    warnings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSES", raising=False)
    proxy = start(BACKEND="claude-echo", SCRATCH=without_claude_pipe, **given)
    check_answers(proxy)
    assert names(proxy) == PROGRAM_NAMES and pipelines(proxy)["processes"] == len(STAGES)
    assert len([line for line in messages(proxy) if "PROCESSES=one has no effect" in line]) == warnings
    said = run(SCRIPTS / "claude-proxy", "--check", BACKEND="claude-echo", PORT=str(free_port()), SCRATCH=without_claude_pipe, **given)
    assert said.returncode == 0 and said.stderr.count("\n") == warnings and "processes each\n" in said.stdout, said


ONE = {"PROCESSES": "one"}


@pytest.mark.parametrize("pipeline, started", [
    (f"rate-limit | jq -c --unbuffered . | {SHORT}", ["rate-limit", "jq", "claude-pipe"]),
    ("rate-limit | model-map | cat | oai2anth | claude-echo | anth2oai | cat | sse-encode",
     ["claude-pipe", "cat", "claude-pipe", "cat", "sse-encode"]),
    ("rate-limit | claude-pipe 'model-map | oai2anth' | claude-echo | anth2oai | sse-encode", ["rate-limit", "claude-pipe", "claude-pipe"]),
    ("sh -c 'exec cat' | claude-echo", ["cat", "claude-echo"]),
])
def test_stages_of_ones_own_stand_between(start: Callable[..., Proxy], pipeline: str, started: list[str]) -> None:
    if "sse-encode" not in pipeline:
        pipeline += " | sse-encode"
        started = [*started[:-1], "claude-pipe"]
    proxy = start(PIPELINE=pipeline, **ONE)
    check_answers(proxy, ROUTES[: 2 if "oai2anth" in pipeline else 1])
    assert names(proxy) == started
    programs = [Path(stage.split()[0]).name for stage in pipeline.replace("claude-pipe 'model-map | oai2anth'", "model-map | oai2anth").split(" | ")]
    assert pipelines(proxy)["stages"] == programs


@pytest.mark.parametrize("more, started", [
    ({"BACKEND": "claude-http,claude-echo"}, ["claude-pipe", "claude-pipe"]),
    ({"BACKEND": "claude-echo", "RECORD": "{home}/a session"}, ["claude-pipe", "record", "claude-pipe"]),
    ({"BACKEND": "claude-http,claude-echo", "RECORD": "{home}/a session"}, ["claude-pipe", "record", "record", "claude-pipe"]),
])
def test_a_chain_and_a_recorder(start: Callable[..., Proxy], tmp_path: Path, more: dict[str, str], started: list[str]) -> None:
    proxy = start(**ONE, **{name: value.format(home=tmp_path) for name, value in more.items()}, ANTHROPIC_API_KEY="sk-secret",
                  ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    answer = proxy.ask("POST", ROUTES[0], ask_for(ROUTES[0], "one two"))
    # The first of a chain does not answer: nothing listens where its API is said to be.
    assert answer.status == (200 if "," not in more["BACKEND"] else 502), answer
    assert names(proxy) == started
    stages = [pid for pid in sorted(children(proxy.process.pid))]
    for pid in stages:
        holds_it = "claude-http" in " ".join(processes.arguments(pid))
        assert (b"sk-secret" in Path(f"/proc/{pid}/environ").read_bytes()) == holds_it, processes.arguments(pid)
    if "RECORD" in more and "," not in more["BACKEND"]:
        assert "one two" in (tmp_path / "a session").read_text()


def test_odd_names(start: Callable[..., Proxy], tmp_path: Path) -> None:
    """The programs are in a folder with a blank in its name, and an option has every kind of quote."""
    folder = tmp_path / "a folder" / "bin"
    folder.mkdir(parents=True)
    for name in ("claude-proxy", "claude-proxy-settings.sh", "claude-proxy-ask"):
        shutil.copy(SCRIPTS / name, folder)
    for program in PROGRAMS.iterdir():
        if program.is_file() and (os.access(program, os.X_OK) or program.suffix == ".so"):
            (folder / program.name).symlink_to(program)
    composed = start(scripts=folder, BACKEND="claude-echo", **ONE)
    check_answers(composed)
    assert names(composed) == ["claude-pipe"]
    said = run(folder / "claude-proxy", "ask", "one two", BACKEND="claude-echo", HOME=str(tmp_path), RUN_DIR=str(tmp_path / "run"), **ONE)
    assert said.returncode == 0 and said.stdout == "one two\n", said
    models = tmp_path / """it's "a" \\table | of $models"""
    shutil.copy(REPOSITORY / "Sources/Models/models.json", models)
    proxy = start(PIPELINE=f"model-map --models {shlex.quote(str(models))} | claude-echo | sse-encode", **ONE)
    check_answers(proxy, ROUTES[:1])
    assert names(proxy) == ["claude-pipe"]
    models.unlink()
    said = run(SCRIPTS / "claude-proxy", "--check", PORT=str(free_port()), **ONE,
               PIPELINE=f"rate-limit | model-map --models {shlex.quote(str(models))} | claude-echo | sse-encode")
    assert said.returncode == 78 and "the pipeline: stage 2, `model-map --models " in said.stderr, said


WRONG = {
    "rate-limit | model-map | oai2anth --no-such-option | claude-echo | anth2oai | sse-encode": "stage 3, `oai2anth --no-such-option`, exited with status 64",
    "cat | rate-limit | model-map --models /nonexistent | claude-echo | sse-encode": "stage 3, `model-map --models /nonexistent`, exited with status",
    "rate-limit | model-map | jq -c . | oai2anth | claude-echo | anth2oai | sse-encode": "stage 3, `jq -c .`, wrote nothing within",
}


@pytest.mark.parametrize("pipeline", WRONG)
def test_the_wrong_stage_is_named(start: Callable[..., Proxy], pipeline: str) -> None:
    """By --check, and by a server: with its place among the stages that the user wrote."""
    said = run(SCRIPTS / "claude-proxy", "--check", PIPELINE=pipeline, PORT=str(free_port()), **ONE)
    assert said.returncode == 78 and f"the pipeline: {WRONG[pipeline]}" in said.stderr, said
    assert f"pipeline {pipeline}\n" in said.stdout and "health no answer\n" in said.stdout, said
    if "jq" in pipeline:
        # Until a server knows it, a whole trial has passed: test_own_stages.py waits for one.
        return
    proxy = start(PIPELINE=pipeline, **ONE)
    wait_for("the log names the stage", lambda: [line for line in messages(proxy) if WRONG[pipeline] in line], 30)


def test_the_log_names_the_stages_of_a_process_that_ended(start: Callable[..., Proxy]) -> None:
    proxy = start(PIPELINE=f"rate-limit | cat | {SHORT}", **ONE)
    check_answers(proxy, ROUTES[:2])
    os.kill(proxy.stages()["claude-echo"], signal.SIGKILL)
    says = "claude-pipe, which runs stages 3 to 7 of the pipeline (model-map, oai2anth, claude-echo, anth2oai, sse-encode), was ended by signal 9"
    wait_for("the log says it", lambda: says in messages(proxy))
    wait_for("a new pipeline serves", lambda: proxy.ask("POST", ROUTES[0], ask_for(ROUTES[0], "x")).status == 200)
    os.kill(proxy.stages()["claude-echo"], signal.SIGSEGV)
    wait_for("the log says it", lambda: says.replace("signal 9", "signal 11") in messages(proxy))
    # A crash is also told by the process itself, with the stage at work: here none was.
    assert any("crashed" in line for line in messages(proxy))
    wait_for("a new pipeline serves", lambda: proxy.ask("POST", ROUTES[0], ask_for(ROUTES[0], "x")).status == 200)
    os.kill(proxy.stages()["cat"], signal.SIGKILL)
    wait_for("the log says it", lambda: "stage 2 of the pipeline, cat, was ended by signal 9" in messages(proxy))


def test_a_reload_changes_it(start: Callable[..., Proxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSES", raising=False)
    file = tmp_path / "settings"
    file.write_text("PROCESSES=each\n")
    proxy = start(BACKEND="claude-echo", CLAUDE_PROXY_CONFIG=str(file))
    assert names(proxy) == PROGRAM_NAMES
    for text, started in (("PROCESSES=one\n", ["claude-pipe"]), ("PROCESSES=each\nPIPELINES=2\n", sorted(2 * PROGRAM_NAMES)), ("", ["claude-pipe"])):
        file.write_text(text)
        hang_up(proxy, "the settings were read again")
        wait_for("the old pipeline is gone", lambda: sorted(names(proxy)) == started)
        check_answers(proxy)
    file.write_text("PROCESSES=two\n")
    assert "PROCESSES=two: expected one or each" in hang_up(proxy, "the settings and the tokens stay as they are: ")


def test_a_stage_of_ones_own_gets_no_key_of_a_group(start: Callable[..., Proxy]) -> None:
    """Only the process with the backend gets the key, and what STAGE_ENV gives to a program in a group goes there."""
    proxy = start(PIPELINE="rate-limit | model-map | cat | oai2anth | claude-http | anth2oai | cat | anth2resp | sse-encode",
                  ANTHROPIC_API_KEY="sk-secret", OTHER_KEY="sk-other", STAGE_ENV="anth2resp=OTHER_KEY", **ONE)
    wait_for("all are there", lambda: names(proxy) == ["claude-pipe", "cat", "claude-pipe", "cat", "claude-pipe"])
    given = [Path(f"/proc/{pid}/environ").read_bytes() for pid in sorted(children(proxy.process.pid))]
    assert [b"sk-secret" in one for one in given] == [False, False, True, False, False]
    assert [b"sk-other" in one for one in given] == [False, False, False, False, True]


def test_pipelines_auto(start: Callable[..., Proxy]) -> None:
    """One for each processor that the server may use."""
    all_ = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(all_)})
        assert pipelines(start(BACKEND="claude-echo", PIPELINES="auto"))["count"] == 1
    finally:
        os.sched_setaffinity(0, all_)
    proxy = start(BACKEND="claude-echo", PIPELINES="auto", **ONE)
    # A quota of a control group may allow fewer than the affinity does.
    count = pipelines(proxy)["count"]
    assert 1 <= count <= min(8, len(all_))
    assert names(proxy) == ["claude-pipe"] * count
    check_answers(proxy)
    said = run(SCRIPTS / "claude-proxy", "--check", BACKEND="claude-echo", PORT=str(free_port()), PIPELINES="some")
    assert said.returncode == 78 and "PIPELINES=some: expected a number of pipelines, or auto, for example 2" in said.stderr, said
