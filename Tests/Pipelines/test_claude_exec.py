# SPDX-License-Identifier: MIT
"""claude-exec with a scripted stand-in for the CLI: outcomes, processes, files, limits."""
from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import backend
import processes
import pytest
from backend import Backend, ask_for
from patience import fair
from processes import wait_for

PLAYED = sorted(path.stem for path in backend.RECORDINGS.glob("*.ndjson"))
ERRORS = {"error_400": 400, "error_401": 401, "error_403": 403, "error_404": 404, "error_413": 413, "error_429": 429,
          "error_500": 500, "error_529": 529, "error_midstream": 529, "error_disconnect": 502, "error_no_auth": 401,
          "error_rate_limit_oauth": 429, "error_missing_session": 500, "interrupt": 502}
# Recordings of other ways to use the CLI: their first result stands before any message.
OTHER_WAYS = {"error_login_over", "multi_turn_stdin"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Backend]]:
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def run_one(*arguments: str, **settings: str) -> Backend:
            one = Backend(tmp_path / f"home{next(numbers)}", *arguments, **settings)
            started.callback(one.stop)
            return one

        yield run_one


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One claude-exec for the outcomes."""
    one = Backend(tmp_path_factory.mktemp("shared"))
    yield one
    assert one.close() == 0
    assert one.files() == [] and not one.clis()


def recorded_events(name: str) -> list[Any]:
    """The events of a recording up to the first message's end."""
    events = []
    for line in (backend.RECORDINGS / f"{name}.ndjson").read_text().splitlines():
        record = json.loads(line)
        if record["type"] == "stream_event":
            events.append(record["event"])
            if record["event"]["type"] == "message_stop":
                break
    return events


@pytest.mark.parametrize("name", [name for name in PLAYED if name not in OTHER_WAYS])
def test_each_recording(shared: Backend, name: str) -> None:
    """An answer is the recording's events unchanged, or its error with its status."""
    records = shared.ask(f"[[play:{name}]]", rid=f"s-{name}", stream=True)
    events = [record["event"] for record in records if "event" in record]
    errors = [record["error"] for record in records if "error" in record]
    if name in ERRORS:
        assert [error["status"] for error in errors] == [ERRORS[name]]
        assert errors[0]["body"]["type"] == "error" and errors[0]["body"]["request_id"] == f"s-{name}"
        assert "message_stop" not in [event["type"] for event in events]
        assert events == recorded_events(name)[:len(events)]
    else:
        assert not errors and events == recorded_events(name)
        assert records[-1]["end"]["usage"]["output_tokens"] > 1
        assert records[-1]["end"]["model"] == events[0]["message"]["model"]
    whole = shared.ask(f"[[play:{name}]]", rid=f"w-{name}")
    assert [list(record)[-1] for record in whole] == (["error", "end"] if name in ERRORS else ["begin", "response", "end"])


def test_streams_arrive_as_they_come(run) -> None:
    one = run()
    one.ask("[[slow:0.1]]", stream=True)
    times = one.times["r"]
    whole = times[-1] - times[0]
    assert whole > 0.4 and max(b - a for a, b in zip(times, times[1:])) < 0.7 * whole


@pytest.mark.parametrize("text,status", [("[[die:6]]", 502), ("[[die:1]]", 502), ("[[crash:6]]", 502),
                                         ("[[refuse]]", 502), ("[[noise]][[play:error_529]]", 529)])
def test_a_cli_that_breaks(run, text: str, status: int) -> None:
    one = run()
    error = one.error(text, stream=True)
    assert error["status"] == status
    if "die" in text:
        assert "exit status 3" in error["body"]["error"]["message"]
    if "crash" in text:
        assert "signal 9" in error["body"]["error"]["message"]
    assert [r["event"]["type"] for r in one.ask("[[noise]]", rid="again", stream=True) if "event" in r][-1] == "message_stop"
    one.wait_gone()


@pytest.mark.parametrize("text", ["[[slow:0.5]]", "[[silent]]", "[[slow:0.5]][[stubborn]][[child]]"])
def test_cancel_kills_within_a_second(run, text: str) -> None:
    one = run()
    one.request("r", ask_for(text, stream=True))
    wait_for("the CLI runs", one.clis)
    if "silent" not in text:
        one.wait("r", "event")
    began = time.monotonic()
    one.send({"rid": "r", "cancel": True})
    assert one.wait("r", "end")["end"] == {"cancelled": True}
    assert fair(began, one.times["r"][-1]) < 0.1
    one.wait_gone(1)
    assert one.files() == []
    # Whoever cancels what is over, or was never there, is not heard.
    one.send({"rid": "r", "cancel": True}, {"rid": "unknown", "cancel": True})
    assert one.ask("hi", rid="next")[1]["response"]


def test_what_ends_the_answer_ends_the_process(run) -> None:
    """A CLI that neither heeds the end of its input nor SIGTERM is killed."""
    one = run()
    one.ask("[[stubborn]]")
    one.wait_gone(3)


def test_what_is_known_of_the_login(run) -> None:
    """The CLI tells it behind the end of an answer: later ends have it, those of health too."""
    one = run(CLAUDE_AUTH="login", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat-dummy")
    assert "login_limit" not in one.ask("[[play:text]]", rid="a")[-1]["end"]
    one.ask("[[play:text_oauth]]", rid="b")
    wait_for("it is told", lambda: not one.clis())
    known = {"status": "allowed", "window": "five_hour", "resets_at": 1795365535, "windows": {
        "five_hour": {"utilization": 0.92, "resets_at": 1795365535, "status": "allowed_warning"}}}
    assert one.ask("[[play:text]]", rid="c")[-1]["end"]["login_limit"] == known
    end = one.ask("[[play:error_rate_limit_oauth]]", rid="d")[-1]["end"]
    assert end["login_limit"] == known | {"status": "rejected", "resets_at": 1795365551, "windows": {
        "five_hour": {"utilization": 0.92, "resets_at": 1795365551, "status": "allowed_warning"}}}
    one.send({"rid": "h", "ctx": {"op": "health"}, "request": None})
    assert one.answer("h")[-1]["end"] == {"login_limit": end["login_limit"]}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_cli_outlives_claude_exec(run, number: int) -> None:
    one = run()
    for rid in "abc":
        one.request(rid, ask_for("[[slow:0.5]][[stubborn]]", stream=True))
    for rid in "abc":
        one.wait(rid, "begin")
    assert len(one.clis()) == 3
    one.process.send_signal(number)
    one.process.wait(20)
    one.wait_gone(1)
    if number == signal.SIGKILL:
        # The next one sweeps.
        assert list(one.run.glob("claude-exec-*/"))
        second = Backend(one.home)
        second.ask("hi")
        assert second.close() == 0
    assert not [path for path in one.run.iterdir() if path.name not in ("empty", "claude-exec.lock")]


def test_a_reader_that_goes_away_ends_the_work(run) -> None:
    one = run()
    reader, writer = os.pipe()
    environment = {"PATH": backend.PATH, "HOME": str(one.home), "RUN_DIR": str(one.run), "CLAUDE_AUTH": "key",
                   "CLAUDE_CLI_PATH": str(backend.STAND_IN), "ANTHROPIC_API_KEY": "k"}
    two = subprocess.Popen([backend.PROGRAMS / "claude-exec"], env=environment, stdin=subprocess.PIPE, stdout=writer,
                           stderr=subprocess.PIPE)
    os.close(writer)
    two.stdin.write(json.dumps(ask_for("[[slow:0.1]]", stream=True)).encode() + b"\n")
    two.stdin.flush()
    assert os.read(reader, 10)
    os.close(reader)
    assert two.wait(20) == 0
    one.wait_gone(1)


def test_the_end_of_the_input_finishes_what_is_in_flight(run) -> None:
    one = run("--max-processes", "2")
    for number in range(5):
        one.request(str(number), ask_for("[[slow:0.02]]", stream=True))
    one.process.stdin.close()
    for number in range(5):
        assert [r["event"]["type"] for r in one.answer(str(number)) if "event" in r][-1] == "message_stop"
    assert one.process.wait(20) == 0
    assert one.files() == [] and not one.clis()


def test_the_line_for_processes(run) -> None:
    """No more processes than allowed; who waits too long gets 529; a cancelled one leaves the line."""
    one = run("--max-processes", "2", "--queue-timeout", "2")
    for rid in "ab":
        one.request(rid, ask_for("[[slow:0.5]]", stream=True))
        one.wait(rid, "begin")
    one.request("c", ask_for("hi"))
    one.request("d", ask_for("hi"))
    one.send({"rid": "d", "cancel": True})
    assert one.wait("d", "end")["end"] == {"cancelled": True}
    assert len(one.clis()) == 2
    error = one.answer("c")[0]["error"]
    assert error["status"] == 529 and error["body"]["error"]["type"] == "overloaded_error"
    assert int(error["headers"]["retry-after"]) > 0
    one.request("e", ask_for("hi"))
    for rid in "ab":
        one.send({"rid": rid, "cancel": True})
    assert one.answer("e")[1]["response"]


def test_silence_and_length_have_limits(run) -> None:
    one = run("--idle-timeout", "1")
    error = one.error("[[silent]]")
    assert error["status"] == 504 and error["body"]["error"]["type"] == "timeout_error"
    one.wait_gone(1)
    two = run("--request-timeout", "1")
    assert two.error("[[slow:0.2]]", stream=True)["status"] == 504
    two.wait_gone(1)


def test_what_the_cli_gets(run) -> None:
    """Nothing unlisted in the environment, nothing of the request in argv or environment, private files."""
    one = run(AWS_SECRET_ACCESS_KEY="s", CLAUDECODE="1", NODE_OPTIONS="--x", ANTHROPIC_MODEL="m", LC_TIME="C",
              CLAUDE_CODE_OAUTH_TOKEN="oauth", HTTPS_PROXY="http://proxy")
    secret = "word-that-nobody-may-see"
    body = ask_for(f"[[dump]] {secret}", system=f"system {secret}", tools=[{"name": secret, "input_schema": {}}],
                   stop_sequences=[secret], temperature=0.7)
    one.request("r", body, http={"headers": {"anthropic-beta": "one-1,two-2"}})
    one.answer("r")
    got = one.dump()
    given = got["environment"]
    assert secret not in json.dumps(got["argv"]) + json.dumps(given)
    assert backend.SECRET not in json.dumps(got["argv"])
    table = {"PATH", "HOME", "LC_TIME", "HTTPS_PROXY", "ANTHROPIC_API_KEY", "ANTHROPIC_BETAS", "CLAUDE_CONFIG_DIR", "TMPDIR",
             "CLAUDE_AGENT_SDK_CLIENT_APP", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER",
             "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "CLAUDE_CODE_MAX_RETRIES",
             "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "CLAUDE_CODE_DISABLE_REFUSAL_RETRY",
             "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK", "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS",
             "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP", "ENABLE_TOOL_SEARCH", "DISABLE_AUTO_COMPACT", "DISABLE_COMPACT",
             "CLAUDE_CODE_BLOCKING_LIMIT_OVERRIDE", "MAX_THINKING_TOKENS", "CLAUDE_CODE_EFFORT_LEVEL", "API_TIMEOUT_MS",
             "CLAUDE_CODE_DEBUG_LOG_LEVEL"}
    # Python adds this one to its own environment.
    assert set(given) - {"LC_CTYPE"} == table
    assert given["ANTHROPIC_BETAS"] == "one-1,two-2"
    assert got["modes"] == [0o600, 0o700] and got["files"] == []
    assert got["directory"] == str(one.run / "empty") and one.files() == []
    assert got["frames"][0]["request"]["systemPrompt"] == [f"system {secret}"]
    extra = json.loads(got["frames"][1]["request"]["settings"]["env"]["CLAUDE_CODE_EXTRA_BODY"])
    assert extra == {key: body[key] for key in ("max_tokens", "tools", "stop_sequences", "temperature")}
    log = one.log.read_text()
    assert secret not in log and backend.SECRET not in log


def test_the_transcript_goes_when_it_has_been_read(run) -> None:
    one = run()
    one.request("r", ask_for("[[slow:0.3]]", stream=True))
    one.wait("r", "begin")
    assert one.files() == [] and one.clis()


def test_stderr_becomes_log_lines(run) -> None:
    one = run()
    one.ask("[[stderr:a notice of the CLI]]")
    one.ask("[[stderr:" + "\\\"" * 3000 + "]]", rid="long")
    lines = [json.loads(line) for line in one.log.read_text().splitlines()]
    assert any(line["msg"] == "a notice of the CLI" and line["id"] == "r" for line in lines)
    assert all(len(line) <= 4096 for line in one.log.read_bytes().splitlines())


def test_who_pays(run) -> None:
    """auto takes the login where there is one, and keeps the key from it; else the key."""
    key = run(CLAUDE_AUTH="auto")
    key.ask("[[dump]]")
    assert "--bare" in key.dump()["argv"] and "ANTHROPIC_API_KEY" in key.dump()["environment"]
    login = run(CLAUDE_AUTH="auto", CLAUDE_CODE_OAUTH_TOKEN="oauth")
    login.ask("[[dump]]", metadata={"user_id": "u"})
    assert "--bare" not in login.dump()["argv"]
    assert "ANTHROPIC_API_KEY" not in login.dump()["environment"]
    assert login.kept["r"][0]["ctx"]["loss"] == [{"field": "metadata", "fate": "dropped"}]
    none = run(CLAUDE_AUTH="login")
    error = none.error("hi")
    assert error["status"] == 401 and "/login" in error["body"]["error"]["message"]
    # Someone logs in, and the next request works.
    (none.home / "fake-login").touch()
    time.sleep(1.1)
    assert none.ask("hi", rid="later")[1]["response"]


@pytest.mark.parametrize("asked", ["--version", "auth"])
def test_a_probe_that_is_killed_says_nothing(run, tmp_path: Path, asked: str) -> None:
    """Neither that the CLI doesn't start, nor that nobody is logged in, so that the key would pay: it is run again."""
    cli, killed = tmp_path / "claude", tmp_path / "killed"
    cli.write_text(f'#!/bin/sh\n[ "$1" != {asked} ] || [ -e {killed} ] || {{ touch {killed}; kill -KILL $$; }}\n'
                   f'exec {backend.STAND_IN} "$@"\n')
    cli.chmod(0o755)
    one = run(CLAUDE_CLI_PATH=str(cli), CLAUDE_AUTH="auto", CLAUDE_CODE_OAUTH_TOKEN="oauth")
    assert one.ask("[[dump]]")[1].get("response") and killed.exists()
    assert "ANTHROPIC_API_KEY" not in one.dump()["environment"]


def health(one: Backend, rid: str) -> tuple[int, Any]:
    one.send({"rid": rid, "ctx": {"op": "health"}, "request": None})
    records = one.answer(rid)
    return records[0]["begin"]["status"], records[1]["response"]


def test_no_cli_and_then_one(run, tmp_path: Path) -> None:
    """503 that says what to do and names no path; installing it later is enough."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python3").symlink_to(os.path.realpath(sys.executable))
    (tools / "env").symlink_to(shutil.which("env"))
    one = run(CLAUDE_CLI_PATH="", PATH=str(tools))
    if Path("/usr/local/bin/claude").exists() or Path("/usr/bin/claude").exists():
        pytest.skip("a CLI is installed on this machine")
    error = one.error("hi")
    assert error["status"] == 503 and error["body"]["error"]["type"] == "api_error"
    assert error["body"]["error"]["message"].startswith("Claude CLI not found")
    assert str(one.home) not in json.dumps(error) and str(tools) in one.log.read_text()
    status, report = health(one, "h1")
    assert (status, report["status"], report["claude_cli_available"]) == (503, "unhealthy", False)
    assert report["error"] == "Claude CLI not found in PATH"
    (tools / "claude").symlink_to(backend.STAND_IN)
    time.sleep(1.1)
    assert one.ask("hi", rid="later")[1]["response"]
    status, report = health(one, "h2")
    assert (status, report["status"], report["claude_cli_available"]) == (200, "healthy", True)
    assert report["details"]["version"] == "2.1.330"


def test_a_cli_that_is_too_old(run, tmp_path: Path) -> None:
    (tmp_path / "home0").mkdir()
    (tmp_path / "home0" / "fake-version").write_text("2.1.99")
    one = run()
    error = one.error("hi")
    assert error["status"] == 503
    assert "2.1.99" in error["body"]["error"]["message"] and "2.1.248" in error["body"]["error"]["message"]
    assert health(one, "h")[0] == 503


def test_the_other_operations(run) -> None:
    one = run()
    one.send({"rid": "m", "ctx": {"op": "models"}, "request": None},
             {"rid": "c", "ctx": {"op": "count_tokens"}, "request": ask_for("hi")},
             {"rid": "x", "ctx": {"op": "model", "model_id": "no-such"}, "request": None})
    models = one.answer("m")[1]["response"]
    assert models["data"][0]["type"] == "model" and models["first_id"] == models["data"][0]["id"]
    one.send({"rid": "1", "ctx": {"op": "model", "model_id": models["first_id"]}, "request": None})
    assert one.answer("1")[1]["response"]["id"] == models["first_id"]
    assert one.answer("c")[1]["response"] == {"input_tokens": 1000}
    assert one.answer("x")[0]["error"]["status"] == 404


@pytest.mark.parametrize("body,message", [
    ({"model": "m", "max_tokens": 1}, "messages: Field required"),
    ({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}, "model: Field required"),
    ({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, "max_tokens: Field required"),
    ({"model": "m", "max_tokens": 1, "messages": []}, "messages: at least one message is required"),
])
def test_requests_that_lack_something(shared: Backend, body: Any, message: str) -> None:
    rid = "v" + message
    shared.request(rid, body)
    error = shared.answer(rid)[0]["error"]
    assert error["status"] == 400 and error["body"]["error"]["type"] == "invalid_request_error"
    assert error["body"]["error"]["message"] == message and error["body"]["error"]["param"] == message.split(":")[0]


def test_strict_refuses_losses(run) -> None:
    error = run("--strict").error("hi", foo=1)
    assert error["status"] == 400 and "foo dropped" in error["body"]["error"]["message"]


def test_bare_bodies_keep_their_order(run) -> None:
    one = run()
    bodies = [ask_for("[[slow:0.02]][[say:first]]"), {"model": "m"}, ask_for("[[say:third]]")]
    environment = {"PATH": backend.PATH, "HOME": str(one.home), "RUN_DIR": str(one.run), "CLAUDE_AUTH": "key",
                   "CLAUDE_CLI_PATH": str(backend.STAND_IN), "ANTHROPIC_API_KEY": "k"}
    done = subprocess.run([backend.PROGRAMS / "claude-exec"], env=environment, timeout=20, capture_output=True,
                          input="".join(json.dumps(body) + "\n" for body in bodies).encode())
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["type"] for answer in answers] == ["message", "error", "message"]
    assert answers[0]["content"][0]["text"] == "first" and answers[2]["content"][0]["text"] == "third"


def test_many_at_once_keep_apart(run) -> None:
    """Each answer carries its own token; no process, file or descriptor is left."""
    one = run("--max-processes", "8")
    one.ask("hi", rid="warm")
    one.wait_gone()
    before = processes.descriptors(one.process.pid)
    for number in range(40):
        one.request(f"t{number}", ask_for(f"[[say:token-{number}-end]]", stream=number % 2 == 0))
    for number in range(40):
        whole = json.dumps(one.answer(f"t{number}", 60))
        assert whole.count("token-") == 1 and f"token-{number}-end" in whole
    one.wait_gone()
    wait_for("descriptors are given back", lambda: processes.descriptors(one.process.pid) <= before)
    assert one.files() == []


def test_large_requests_pass(run) -> None:
    """More than a pipe holds, in the transcript and in the frames."""
    one = run()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 5_000_000}}
    records = one.ask("", rid="big", seconds=30, system="s" * 1_000_000,
                      messages=[{"role": "user", "content": [image, {"type": "text", "text": "[[say:seen]]"}]}],
                      tools=[{"name": "t", "description": "d" * 1_000_000, "input_schema": {"type": "object"}}])
    assert records[1]["response"]["content"][0]["text"] == "seen"
