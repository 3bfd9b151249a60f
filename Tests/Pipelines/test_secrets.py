# SPDX-License-Identifier: MIT
"""A secret of the environment goes to the programs that declare it, and to no other stage."""
from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from processes import children, name, wait_for
from server import PROCESSES, Proxy, free_port
from test_scripts import SCRIPTS, run

KEYS = {
    "ANTHROPIC_API_KEY": "sk-secret-1", "ANTHROPIC_AUTH_TOKEN": "sk-secret-2", "CLAUDE_CODE_OAUTH_TOKEN": "sk-secret-3",
    "OPENAI_API_KEY": "sk-secret-4", "AWS_SECRET_ACCESS_KEY": "sk-secret-5", "PGPASSWORD": "sk-secret-6", "github_token": "sk-secret-7",
    "GOOGLE_APPLICATION_CREDENTIALS": "sk-secret-8", "DATABASE_URL": "postgres://ann:sk-secret-9@db/x", "MY_API_KEY_FILE": "sk-secret-10",
    "ANTHROPIC_CUSTOM_HEADERS": "authorization: sk-secret-11", "https_proxy": "http://ann:sk-secret-12@127.0.0.1:9",
    "AUTH_TOKEN": "sk-secret-13", "BEARER_TOKEN": "sk-secret-14",
    "SMTP_PASS": "sk-secret-15", "SLACK_WEBHOOK": "https://hooks.example/sk-secret-16", "SESSION_COOKIE": "sk-secret-17",
}
# What is no secret, though it looks a little like one.
PLAIN = {"MAX_TOKENS": "5", "KEYBOARD": "us", "no_proxy": "127.0.0.1", "MONKEY": "x", "DOCS_URL": "https://a.example/x@y", "TOKENIZER": "bpe", "BYPASS": "1"}
BACKENDS = {
    "claude-http": {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "https_proxy"},
    "claude-exec": {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "https_proxy"},
}


def given(pid: int) -> dict[str, str]:
    """The environment that a process was started with."""
    pairs = (entry.partition("=") for entry in Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0"))
    return {variable: value for variable, _, value in pairs}


def stages(proxy: Proxy, count: int) -> dict[str, int]:
    wait_for("all stages are there", lambda: len(proxy.stages()) >= count)
    return proxy.stages()


def secrets(pid: int) -> set[str]:
    return {variable for variable, value in given(pid).items() if "sk-secret" in value}


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_stage_gets_its_own(start: Callable[..., Proxy], backend: str) -> None:
    """Of the composed pipeline, with a jq among its stages."""
    stages_ = f"rate-limit | model-map | jq -c --unbuffered . | oai2anth | {backend} | anth2oai | sse-encode"
    proxy = start(PIPELINE=stages_, CLAUDE_WARM_PROCESSES="0", CLAUDE_CLI_PATH="/nonexistent", CLAUDE_AUTH="key", **KEYS, **PLAIN)
    found = stages(proxy, 7)
    # The stages that share the backend's process are ours, and no stage of the user's is among them.
    beside = {program for program, pid in found.items() if pid == found[backend]}
    assert beside == ({backend} if PROCESSES == "each" else {"oai2anth", backend, "anth2oai", "sse-encode"})
    for program, pid in found.items():
        assert secrets(pid) == (BACKENDS[backend] if program in beside else set()), program
        assert PLAIN.items() <= given(pid).items(), program
    # Nor does the server show them.
    assert not secrets(proxy.process.pid)


@pytest.mark.parametrize("wrapper", ["env A=b", "nice", "sh -c 'exec claude-http'", "claude-record session --", "setpriv --no-new-privs"])
def test_a_backend_within_another_program(start: Callable[..., Proxy], wrapper: str, tmp_path: Path) -> None:
    (tmp_path / "claude-record").symlink_to(SCRIPTS / "record")
    stage = wrapper if "claude-http" in wrapper else f"{wrapper} claude-http"
    stage = stage.replace("claude-record session", f"{tmp_path}/claude-record {tmp_path}/session")
    proxy = start(PIPELINE=f"oai2anth | {stage} | anth2oai | sse-encode", **KEYS)

    def backend() -> int | None:
        below = children(proxy.process.pid)
        for pid in [*below, *(grandchild for pid in below for grandchild in children(pid))]:
            if name(pid) == "claude-http":
                return pid
        return None

    assert secrets(wait_for("the backend is there", backend)) == BACKENDS["claude-http"]
    assert proxy.ask("GET", "/health/ready", headers={"authorization": "Bearer sk-secret-13"}).status == 200


def test_stages_of_ones_own(start: Callable[..., Proxy], tmp_path: Path) -> None:
    """STAGE_ENV names the secrets of a program; other programs don't get them."""
    own = tmp_path / "my-backend"
    own.write_text("#!/bin/sh\nexec cat\n")
    own.chmod(0o755)
    other = tmp_path / "other"
    other.symlink_to(own)
    proxy = start(PIPELINE=f"model-map | {own} --fast | {other} | claude-echo | sse-encode",
                  STAGE_ENV="my-backend=OPENAI_API_KEY,PGPASSWORD none=AWS_SECRET_ACCESS_KEY", **KEYS)

    def cats() -> list[int]:
        found = [pid for pid in children(proxy.process.pid) if name(pid) == "cat"]
        return found if len(found) == 2 else []

    assert sorted(map(sorted, map(secrets, wait_for("both run", cats)))) == [[], ["OPENAI_API_KEY", "PGPASSWORD"]]


@pytest.mark.parametrize("text", ["my-backend", "my-backend=", "=A_KEY", "b=A-KEY", "b=AUTH_TOKEN", "b=A_KEY c"])
def test_a_wrong_setting(text: str) -> None:
    said = run(SCRIPTS / "claude-proxy", BACKEND="claude-echo", PORT=str(free_port()), STAGE_ENV=text)
    assert said.returncode == 64 and "--stage-env" in said.stderr and "expected PROGRAM=NAME" in said.stderr, said


def test_a_question_has_the_same_rule(tmp_path: Path) -> None:
    """claude-proxy ask gives its stages what a server would give them."""
    probe = tmp_path / "probe"
    probe.write_text(f"#!{sys.executable}\nimport json, os, sys\n"
                     f"open({str(tmp_path)!r} + '/' + sys.argv[1], 'w').write(json.dumps(dict(os.environ)))\n"
                     "for line in sys.stdin:\n    print(line, end='', flush=True)\n")
    probe.chmod(0o755)
    other = tmp_path / "other"
    other.symlink_to(probe)
    pipeline = f"model-map | {probe} seen | {other} claude-http | {other} plain | claude-echo | sse-encode"
    said = run(SCRIPTS / "claude-proxy", "ask", "hi", PIPELINE=pipeline, STAGE_ENV="probe=OPENAI_API_KEY,PGPASSWORD", **KEYS, **PLAIN)
    assert said.returncode == 0 and said.stdout == "hi\n", said
    seen = {name: json.loads((tmp_path / name).read_text()) for name in ("seen", "claude-http", "plain")}
    found = {name: {variable for variable, value in given.items() if "sk-secret" in value} for name, given in seen.items()}
    assert found == {"seen": {"OPENAI_API_KEY", "PGPASSWORD"}, "claude-http": BACKENDS["claude-http"], "plain": set()}
    assert all(PLAIN.items() <= given.items() and "PIPELINE" not in given for given in seen.values())


def test_the_check_has_the_same_rule(tmp_path: Path) -> None:
    """A stage that is tried gets what it would get."""
    probe = tmp_path / "probe"
    probe.write_text(f"#!{sys.executable}\nimport json, os, sys\n"
                     f"open({str(tmp_path / 'seen')!r}, 'w').write(json.dumps(dict(os.environ)))\n"
                     "for line in sys.stdin:\n    print(line, end='', flush=True)\n")
    probe.chmod(0o755)
    said = run(SCRIPTS / "claude-proxy", "--check", PIPELINE=f"{shlex.quote(str(probe))} | claude-echo | sse-encode",
               PORT=str(free_port()), **KEYS)
    assert said.returncode == 0, said
    assert "sk-secret" not in (tmp_path / "seen").read_text()
