# SPDX-License-Identifier: MIT
"""A wrong filter of the user is named, with the remedy: by --check, and by a server that runs it."""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from processes import wait_for
from server import Proxy, free_port
from test_scripts import SCRIPTS, run

# Names of files in the folder of the test stand as {dir}. Each: the stage, and what one line says of it.
WRONG: dict[str, tuple[str, list[str]]] = {
    "jq that buffers": ("jq -c .", ["stage 2, `jq -c .`,", "it buffers", "--unbuffered"]),
    "sed that buffers": ("sed s/x/y/", ["stage 2, `sed s/x/y/`,", "it buffers", "-u"]),
    "Python that buffers": ("{python} {dir}/buffers.py", ["stage 2, ", "buffers.py`,", "flush=True"]),
    "jq that prints for people": ("jq --unbuffered .", ["stage 2, `jq --unbuffered .`,", "does jq lack -c?"]),
    "jq that sorts": ("jq -S -c --unbuffered .", ["stage 2, ", 'whose first member is not "rid" (starts with: {"ctx"', "not -S"]),
    "an object made anew": ("jq -c --unbuffered '{request, ctx, rid}'", ["stage 2, ", 'whose first member is not "rid"', '{"request"']),
    "no ctx": ("jq -c --unbuffered 'del(.ctx)'", ["stage 2, ", 'dropped the "ctx"']),
    "no object for the ctx": ("jq -c --unbuffered '.ctx = null'", ["stage 2, ", "not well formed"]),
    "another rid": ("jq -c --unbuffered '.rid = \"mine\"'", ["stage 2, ", 'changed the "rid"']),
    "noise": ("{python} {dir}/noise.py", ["stage 2, ", "starts with: got a line", "print to stdout"]),
    "a banner": ("{python} {dir}/banner.py", ["stage 2, ", "starts with: Loading", "print to stdout"]),
    "ends at once": ("false", ["stage 2, `false`, exited with status 1", "run: echo "]),
    "ends well, too early": ("head -n 0", ["stage 2, `head -n 0`, exited with status 0"]),
    "says nothing": ("sleep 1000", ["stage 2, `sleep 1000`, wrote nothing within 5 s", "hand on each record"]),
    "fails on records that are not requests": ("jq -c --unbuffered '.request.messages |= map(.)'", ["stage 2, ", "wrote nothing within 5 s"]),
    "no such command": ("no-such-filter", ["`no-such-filter`: command not found in PATH", "Install it"]),
    "no such file": ("{dir}/none.py", ["{dir}/none.py`: there is no file", "Correct the path"]),
    "a file that is not executable": ("{dir}/plain.py", ["{dir}/plain.py is not executable", "chmod +x {dir}/plain.py"]),
    "a command that is not executable": ("plain.py", ["{dir}/plain.py is not executable", "chmod +x"]),
    "no first line": ("{dir}/headless", ["`{dir}/headless`", "#!/bin/sh"]),
    "no interpreter": ("{dir}/typo.py", ["`{dir}/typo.py`", "first line", "install the program"]),
}
FILES = {
    "buffers.py": "import sys\nfor line in sys.stdin:\n    sys.stdout.write(line)\n",
    "noise.py": "import sys\nfor line in sys.stdin:\n    print('got a line')\n    print(line, end='', flush=True)\n",
    "banner.py": "import sys\nprint('Loading the model...', flush=True)\nfor line in sys.stdin:\n    print(line, end='', flush=True)\n",
    "plain.py": "#!/usr/bin/env python3\n",
    "headless": "exec cat\n",
    "typo.py": "#!/usr/bin/pyhton3\n",
}
# What a server says only when its pipeline has had its time, and what it says at once.
SLOW = ["jq that buffers", "says nothing"]
QUICK = ["jq that prints for people", "jq that sorts", "noise", "ends at once", "no ctx", "no object for the ctx"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "own"
    made.mkdir()
    for name, text in FILES.items():
        (made / name).write_text(text)
        (made / name).chmod(0o644 if name == "plain.py" else 0o755)
    return made


def placed(text: str, folder: Path) -> str:
    return text.replace("{dir}", str(folder)).replace("{python}", sys.executable)


def pipeline(stage: str, folder: Path) -> str:
    return f"model-map | {placed(stage, folder)} | oai2anth | claude-echo | anth2oai | sse-encode"


def settings(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{os.environ['PATH']}", "PORT": str(free_port())}


@pytest.mark.parametrize("name", WRONG)
def test_the_check_names_it(name: str, folder: Path) -> None:
    stage, wanted = WRONG[name]
    said = run(SCRIPTS / "claude-proxy", "--check", PIPELINE=pipeline(stage, folder), **settings(folder))
    assert said.returncode == 78 and "health no answer\n" in said.stdout, said
    # A line of the log has its quotes escaped.
    lines = [line.replace('\\"', '"') for line in said.stderr.splitlines()]
    lines = [line for line in lines if all(placed(text, folder) in line for text in wanted)]
    # No other line speaks of it, but for what the stage itself writes.
    assert len(lines) == 1 and said.stderr.count("the pipeline: ") == 1 and '"level":"error"' not in said.stderr, said.stderr


@pytest.mark.parametrize("stage", ["cat", "jq -c --unbuffered .", "jq --unbuffered -c '.x = 1 | {rid, ctx} + .'", "tee /dev/null",
                                   "env A_KEY=secret cat", "sh -c 'exec cat'", "claude-record /dev/fd/2"])
def test_the_check_lets_good_ones_pass(stage: str, folder: Path) -> None:
    (folder / "claude-record").symlink_to(SCRIPTS / "record")
    stage = stage.replace("/dev/fd/2", str(folder / "session"))
    said = run(SCRIPTS / "claude-proxy", "--check", PIPELINE=pipeline(stage, folder), **settings(folder))
    assert said.returncode == 0 and "health healthy\n" in said.stdout, said


@pytest.mark.parametrize("stages, wanted", [
    ("model-map | sse-encode", "the pipeline needs a backend"),
    ("claude-echo", "its last stage must be sse-encode"),
    ("claude-echo | anth2oai", "its last stage must be sse-encode"),
])
def test_a_stage_that_is_missing(stages: str, wanted: str) -> None:
    said = run(SCRIPTS / "claude-proxy", "--check", PIPELINE=stages, PORT=str(free_port()))
    assert said.returncode == 78 and wanted in said.stderr, said


def own_lines(proxy: Proxy) -> list[str]:
    return [json.loads(line)["msg"] for line in proxy.log.read_text().splitlines() if line.startswith('{"ts"')]


@pytest.mark.parametrize("name", SLOW + QUICK)
def test_a_server_names_it(start: Callable[..., Proxy], name: str, folder: Path) -> None:
    """One line, at the latest when the pipeline has had its time; live all the while."""
    stage, wanted = WRONG[name]
    proxy = start(PIPELINE=pipeline(stage, folder), PATH=f"{folder}:{os.environ['PATH']}")

    def named() -> list[str]:
        return [line for line in own_lines(proxy) if all(placed(text, folder) in line for text in wanted) and "stage 2, " in line]

    wait_for("the log names the stage", named, 30 if name in SLOW else 15)
    assert proxy.ask("GET", "/health/live").status == 200
    assert len(named()) == 1


def test_a_reordered_record_is_answered_at_once(start: Callable[..., Proxy], folder: Path) -> None:
    """By the first stage after it, in the client's own dialect; the log has no word of the prompt."""
    stage = "jq -c --unbuffered 'if .request.messages then {request, ctx, rid} else . end'"
    proxy = start(PIPELINE=pipeline(stage, folder))
    body = {"model": "x", "messages": [{"role": "user", "content": "secret thoughts"}]}
    for path in ("/v1/messages", "/openai/v1/chat/completions"):
        answer = proxy.ask("POST", path, body)
        assert answer.status == 502 and "reorder members" in answer.json["error"]["message"], answer.body
    assert "secret" not in proxy.log.read_text()


@pytest.mark.parametrize("place", range(1, 6))
def test_an_answer_without_ctx_is_refused(start: Callable[..., Proxy], place: int) -> None:
    """Wherever the ctx is lost, no client gets the other API's answer with status 200, and the log names the stage once."""
    stages = ["model-map", "oai2anth", "claude-echo", "anth2oai", "sse-encode"]
    stages.insert(place, "jq -c --unbuffered 'del(.ctx)'")
    proxy = start(PIPELINE=" | ".join(stages))
    body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    for path in ("/v1/messages", "/openai/v1/chat/completions"):
        for stream in (False, True):
            answer = proxy.ask("POST", path, body | {"stream": stream})
            assert answer.status == 502 and "ctx" in answer.json["error"]["message"], answer.body

    def named() -> list[str]:
        return [line for line in own_lines(proxy) if f"stage {place + 1}, " in line and 'dropped the "ctx"' in line]

    wait_for("the log names the stage", named, 15)
    assert len(named()) == 1


def test_settings_without_effect(start: Callable[..., Proxy]) -> None:
    """With PIPELINE, those that only the composed pipeline is made of are named in one line."""
    stages = "model-map | oai2anth | claude-echo | anth2oai | sse-encode"
    given = {"BACKEND": "claude-http", "DEFAULT_MODEL": "claude-haiku-4-5", "MAX_RETRIES": "2", "MAX_BODY": "1000000", "CLAUDE_AUTH": "key"}
    proxy = start(PIPELINE=stages, **given)
    [line] = [line for line in own_lines(proxy) if "no effect" in line]
    for name in ("BACKEND", "DEFAULT_MODEL", "MAX_RETRIES", "CLAUDE_AUTH", "RATE_LIMIT_REQUESTS"):
        assert name in line
    assert "MAX_BODY" not in line
    said = run(SCRIPTS / "claude-proxy", "--check", PIPELINE=stages.replace("claude-echo", "claude-http"), PORT=str(free_port()),
               MAX_RETRIES="2", ANTHROPIC_API_KEY="sk-secret", RATE_LIMIT_REQUESTS="", RATE_LIMIT_BURST="")
    assert said.returncode == 0 and "no effect" not in said.stderr, said
    # Without PIPELINE all of them have one.
    said = run(SCRIPTS / "claude-proxy", "--check", BACKEND="claude-echo", DEFAULT_MODEL="claude-haiku-4-5", PORT=str(free_port()))
    assert said.returncode == 0 and not said.stderr, said
