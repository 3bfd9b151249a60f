# SPDX-License-Identifier: MIT
"""``claude-proxy ask``: a question in the terminal, through the pipeline itself."""
from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import processes
import pytest
from messages_api import MessagesAPI
from patience import fair
from processes import wait_for
from server import PROGRAMS, REPOSITORY, environment

SCRIPT = REPOSITORY / "scripts" / "claude-proxy"


def start(home: Path, *words: str, stdout: Any = subprocess.PIPE, **settings: str) -> subprocess.Popen[bytes]:
    chosen = environment(home, **{"BACKEND": "claude-echo"} | settings)
    return subprocess.Popen([SCRIPT, "ask", *words], env=chosen, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE)


def ask(home: Path, *words: str, stdin: str = "", **settings: str) -> tuple[int, str, str]:
    process = start(home, *words, **settings)
    out, err = process.communicate(stdin.encode(), timeout=30)
    assert not processes.with_home(home), "nothing is left"
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("words, stdin, answer", [
    (["one", "two"], "", "one two\n"),
    ([], "from\nstdin\n", "from\nstdin\n"),
    (["What is this:", "-"], "a diff\n", "What is this: a diff\n"),
    (["--", "--model"], "", "--model\n"),
    (['Grüß "dich" \\ \t 😀 \\u00e9 "text": "x"'], "", 'Grüß "dich" \\ \t 😀 \\u00e9 "text": "x"\n'),
    (["[[thinking]] [[redacted]] [[say:only the text]]"], "", "only the text\n"),
    (["[[len:3000]]"], "", " ".join(f"word{i}" for i in range(3000)) + "\n"),
])
def test_answers(tmp_path: Path, words: list[str], stdin: str, answer: str) -> None:
    assert ask(tmp_path, *words, stdin=stdin) == (0, answer, "")


def test_what_is_asked(tmp_path: Path, api: MessagesAPI) -> None:
    """The request goes the whole way, with the model that is meant."""
    settings = {"BACKEND": "claude-http", "ANTHROPIC_API_KEY": "sk-ant-dummy", "ANTHROPIC_BASE_URL": api.url}
    status, said, _ = ask(tmp_path, "--model=gpt-4o", "--system", 'Be "brief".', "[[say:good]]", **settings)
    assert (status, said) == (0, "good\n")
    [body] = api.bodies()
    assert body == {"model": body["model"], "max_tokens": 32000, "stream": True, "system": 'Be "brief".',
                    "messages": [{"role": "user", "content": "[[say:good]]"}]}
    assert body["model"].startswith("claude-")
    assert ask(tmp_path, "again", **settings)[0] == 0
    assert "system" not in api.bodies()[1] and api.bodies()[1]["model"].startswith("claude-sonnet")


@pytest.mark.parametrize("words, status, complaint", [
    (["[[error:429]][[errmsg:Slow down]]"], 75, "429: Slow down"),
    (["[[error:529]]"], 75, "529: "),
    (["[[error:401]]"], 77, "401: "),
    (["[[error:400]]"], 65, "400: "),
    (["[[error:500]]"], 69, "500: "),
    (["[[sse_error]] [[say:one two]]"], 69, "claude-echo was told to fail"),
    ([" "], 64, "there is no question"),
    (["--colour", "x"], 64, "--colour is no option"),
    (["--model"], 64, "--model needs a value"),
    (["\udcff"], 65, "not UTF-8"),
])
def test_failures(tmp_path: Path, words: list[str], status: int, complaint: str) -> None:
    code, out, err = ask(tmp_path, *words)
    assert code == status and err.startswith("claude-proxy ask: ") and complaint in err, (code, err)
    assert out == "" or "sse_error" in words[0]


def test_a_pipeline_that_fails(tmp_path: Path) -> None:
    for pipeline in ("false", "model-map | false | sse-encode", "model-map | cat >/dev/null", "claude-echo | sse-encode | head -n 1"):
        assert ask(tmp_path, "x", PIPELINE=pipeline)[0] == 69, pipeline
    assert ask(tmp_path, "x", RECORD="/no/such/file")[0] == 69
    assert ask(tmp_path, "x", BACKEND="nothing")[0] == 78


def test_why_an_answer_stops(tmp_path: Path) -> None:
    assert ask(tmp_path, "[[say:half]][[stop:max_tokens]]") == (0, "half\n", "claude-proxy ask: the answer stops for max_tokens\n")


def test_text_is_shown_as_it_comes(tmp_path: Path) -> None:
    process = start(tmp_path, "[[slow:0.5]] [[say:one two three]]")
    times = []
    while os.read(process.stdout.fileno(), 100):
        times.append(time.monotonic())
    assert process.wait(30) == 0 and len(times) >= 3 and times[2] - times[0] > 0.4


@pytest.mark.parametrize("name, seconds", [("INT", 2), ("TERM", 2)])
def test_control_c_ends_cleanly(tmp_path: Path, name: str, seconds: float) -> None:
    process = start(tmp_path, "[[slow:0.2]] a b c d e f g h i j k l m n o p q r s t")
    got = os.read(process.stdout.fileno(), 100)
    before = time.monotonic()
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, err = process.communicate(timeout=30)
    assert fair(before) < seconds
    assert process.returncode == -getattr(signal, f"SIG{name}") and (got + out).endswith(b"\n") and err == b""
    wait_for("nothing is left", lambda: not processes.with_home(tmp_path))


def test_a_stage_that_does_not_end(tmp_path: Path) -> None:
    """It is killed, with what it has started."""
    process = start(tmp_path, "x", PIPELINE="model-map | sh -c 'trap \"\" TERM; cat >/dev/null; sleep 60' | sse-encode")
    wait_for("the stage runs", lambda: any(processes.name(pid) == "sleep" for pid in processes.with_home(tmp_path)))
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - before > 1 and fair(before) < 4
    wait_for("nothing is left", lambda: not processes.with_home(tmp_path))


@pytest.mark.parametrize("pipeline, status, out, says", [
    ("cat", 0, "one\ntwo\n", ""), ("cat | sh -c 'cat; exit 3'", 3, "one\ntwo\n", ""), ("sh -c 'cat; exit 3' | cat", 0, "one\ntwo\n", ""),
    ("cat | head -n 1", 0, "one\n", ""), ("sh -c 'kill -9 0'", 137, "", ""), ("cat | /nonexistent", 69, "", "/nonexistent"),
    ("cat >x", 64, "", "the pipeline holds '>'"), (None, 64, "", "--run-stages: expected the stages")])
def test_stages_alone(tmp_path: Path, pipeline: str | None, status: int, out: str, says: str) -> None:
    """http-frontd --run-stages, which does the work of it."""
    words = [PROGRAMS / "http-frontd", "--run-stages", *(["--pipeline", pipeline] if pipeline else [])]
    said = subprocess.run(words, input="one\ntwo\n", env=environment(tmp_path), capture_output=True, text=True, timeout=20)
    assert (said.returncode, said.stdout) == (status, out) and says in said.stderr, said
    assert not processes.with_home(tmp_path)


def test_a_reader_that_goes(tmp_path: Path) -> None:
    process = start(tmp_path, "[[slow:0.05]] a b c d e f g h i j k l m n o p q r s t")
    os.read(process.stdout.fileno(), 1)
    process.stdout.close()
    process.wait(20)
    wait_for("nothing is left", lambda: not processes.with_home(tmp_path))


def test_a_terminal_is_not_written_to_by_the_answer(tmp_path: Path) -> None:
    """An answer may hold any text, but not move the cursor or set a title."""
    master, slave = pty.openpty()
    process = start(tmp_path, "[[say:red \x1b[31m\x07 \u009b1m text]]", stdout=slave)
    os.close(slave)
    process.stdin.close()
    assert process.wait(30) == 0
    # A pseudo-terminal hands over what was written piece by piece, and EIO at its end.
    said = b""
    while not said.endswith(b"\n"):
        said += os.read(master, 1000)
    assert said.decode() == "red [31m 1m text\r\n"
    os.close(master)


def test_token_and_help(tmp_path: Path) -> None:
    for words, form in ((["token"], r"[0-9a-f]{64}\n"), (["ask", "--help"], r"(?s)Asks a question.*usage: claude-proxy ask.*")):
        said = subprocess.run([SCRIPT, *words], env=environment(tmp_path, BACKEND="claude-echo"), capture_output=True, text=True)
        assert said.returncode == 0 and re.fullmatch(form, said.stdout), said
