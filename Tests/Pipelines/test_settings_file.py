# SPDX-License-Identifier: MIT
"""The file of settings: what stands in it, what comes before it, what SIGHUP makes of it, and what --check says."""
from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from processes import wait_for
from server import Proxy
from test_scripts import SCRIPTS, run

PROXY = SCRIPTS / "claude-proxy"
ECHO = {"BACKEND": "claude-echo", "PORT": "0"}


# The settings that are numbers, by what they count.
NUMBERS = {
    "bytes": ["MAX_BODY", "MAX_HEADER", "MAX_BUFFERED"], "JSON values": ["MAX_NODES"],
    "connections": ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS"],
    "requests": ["RATE_LIMIT_REQUESTS", "RATE_LIMIT_BURST", "MAX_IN_FLIGHT"],
    "seconds": ["REQUEST_TIMEOUT", "IDLE_TIMEOUT", "HEADER_TIMEOUT", "BODY_TIMEOUT", "KEEP_ALIVE_TIMEOUT", "QUEUE_TIMEOUT",
                "CONNECT_TIMEOUT", "FIRST_BYTE_TIMEOUT", "GRACE_PERIOD", "EXIT_AFTER_IDLE"],
    "pipelines, or auto": ["PIPELINES"], "processes": ["CLAUDE_MAX_PROCESSES", "CLAUDE_WARM_PROCESSES"], "retries": ["MAX_RETRIES"]}


def chat(proxy: Proxy, **more: str):
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    return proxy.ask("POST", "/v1/chat/completions", body, more)


def hang_up(proxy: Proxy, says: str) -> str:
    """Sends SIGHUP; the one line of the log that says what came of it."""
    before = len(proxy.log.read_bytes())

    def said() -> list[str]:
        lines = [json.loads(line)["msg"] for line in proxy.log.read_bytes()[before:].decode().splitlines()]
        return [line for line in lines if line.startswith("the settings")]

    proxy.process.send_signal(signal.SIGHUP)
    wait_for("it says what came of it", said)
    [line] = said()
    assert line.startswith(says), line
    return line


def test_hang_up_reads_the_file_again(start, tmp_path: Path) -> None:
    """Each kind of setting; what the environment says stays."""
    file, models = tmp_path / "settings", tmp_path / "models.json"
    model_table = json.loads((SCRIPTS.parent / "Sources/Models/models.json").read_text())
    models.write_text(json.dumps(model_table))
    file.write_text("# nothing yet\nMAX_BODY=1000000\n")
    proxy = start(BACKEND="claude-echo", CLAUDE_PROXY_CONFIG=str(file), MAX_IN_FLIGHT="5")
    old = proxy.stages()
    named, page = {"host": "good.example"}, {"origin": "https://page.example"}
    assert proxy.ask("GET", "/", headers=named).status == proxy.ask("GET", "/", headers=page).status == 403
    assert chat(proxy).json["type"] == "message"
    assert json.loads(proxy.ask("GET", "/health/detailed").body)["configuration"]["max_body"] == 1000000
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(f"""
# All that may change.
MAX_BODY=2000000
MAX_IN_FLIGHT=9
ALLOWED_HOSTS="good.example, 'x'"
CORS_ORIGINS='https://page.example'
DEFAULT_MODEL=claude-opus-4-8
CHAT_COMPLETIONS_DIALECT=openai
AUTH_TOKEN=secret
PIPELINES=2
MODELS_FILE={models}
GRACE_PERIOD=7
NO_COLOR=$HOME `id`
""")
    hang_up(proxy, "the settings were read again")
    key = {"x-api-key": "secret"}
    assert chat(proxy).status == 401
    answer = chat(proxy, **key).json
    assert answer["object"] == "chat.completion" and answer["model"] == "claude-opus-4-8"
    assert proxy.ask("GET", "/", headers=named).status == proxy.ask("GET", "/", headers=page).status == 200
    in_force = json.loads(proxy.ask("GET", "/health/detailed", headers=key).body)["configuration"]
    assert (in_force["max_body"], in_force["max_in_flight"], in_force["grace_period"]) == (2000000, 5, 7)
    wait_for("the old stages are gone", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in old.values()))
    # Nothing is expanded; no secret goes to the stages.
    given = Path(f"/proc/{proxy.stages()['claude-echo']}/environ").read_bytes()
    assert b"NO_COLOR=$HOME `id`\0" in given and b"secret" not in given
    # What no longer stands in the file is no longer in force.
    file.write_text("")
    # But for the last token: nobody loses that by a file that was cut short.
    hang_up(proxy, "the settings and the tokens stay as they are: the last token is gone")
    assert chat(proxy).status == 401
    file.write_text("ALLOW_UNAUTHENTICATED=1\n")
    hang_up(proxy, "the settings were read again")
    assert chat(proxy).json["type"] == "message"
    assert json.loads(proxy.ask("GET", "/health/detailed").body)["configuration"]["max_body"] == 32 << 20
    assert proxy.ask("GET", "/", headers=named).status == 403


@pytest.mark.parametrize("text, says", [
    ("MAX_BODY=1MB\n", "MAX_BODY=1MB: expected a number of bytes, for example 1048576"), ("ALLOW_UNAUTHENTICATED=no\n", "ALLOW_UNAUTHENTICATED=no: expected 0 or 1"),
    ("STRICT=false\n", "STRICT=false: expected 0 or 1"), ("ALLOW_SHARED_LOGIN=off\n", "ALLOW_SHARED_LOGIN=off: expected 0 or 1"), ("MAX_BODYY=1\n", "line 1: MAX_BODYY is no setting"),
    ("\n\nsecret\n", "line 3 is not NAME=value"), ("PATH=/tmp\n", "line 1: PATH is no setting"),
    ('DEFAULT_MODEL="x\n', "line 1: the value of DEFAULT_MODEL has a quote too many or too few"),
    ("AUTH_TOKEN=secret\n", "line 1: AUTH_TOKEN is a secret, and others may read the file"),
    ("BACKEND=nothing\n", "BACKEND: nothing"), ("HOST=0.0.0.0\n", " is open to other machines; set AUTH_TOKEN"), ("TRUSTED_PROXIES=127.0.0.1\n", "--trusted-proxies: a proxy opens this server to other machines; set AUTH_TOKEN"),
    ("MODELS_FILE=/nonexistent\n", "the new pipeline ended before it had answered"),
    ("RATE_LIMIT_EXEMPT=10.0.0.0/99\n", "10.0.0.0/99: expected a prefix length from 0 to 32"),
    ("RATE_LIMIT_EXEMPT='owner, 2001:db8::/129'\n", "2001:db8::/129: expected a prefix length from 0 to 128"),
    ("RATE_LIMIT_EXEMPT=10.0.0/8\n", "10.0.0/8: expected an address or a network"),
    ("TRUSTED_PROXIES=10.0.0.0/99\n", "10.0.0.0/99: expected a prefix length from 0 to 32"),
    ("AUTH_TOKENS_FILE=/nonexistent\n", "--tokens /nonexistent"), (None, "the file does not exist")])
def test_a_broken_file(start, tmp_path: Path, text: str | None, says: str) -> None:
    """At the start it is refused, and by --check; at SIGHUP nothing changes. The file's secrets are never shown."""
    file = tmp_path / "settings"
    file.write_text("ALLOWED_HOSTS=good.example\nBACKEND=claude-echo\n")
    proxy = start(CLAUDE_PROXY_CONFIG=str(file))
    old = proxy.stages()
    file.unlink() if text is None else file.write_text(text + ("" if "BACKEND" in text else "BACKEND=claude-echo\n"))
    line = hang_up(proxy, "the settings and the tokens stay as they are: ")
    assert says in line and "secret\n" not in line
    assert proxy.ask("GET", "/", headers={"host": "good.example"}).status == 200
    wait_for("the old stages are the only ones", lambda: proxy.stages() == old)
    said = run(PROXY, "--config", file, "--check", PORT="0", CLAUDE_PROXY_CONFIG="/dev/null")
    assert said.returncode == 78 and (says.replace("the new pipeline ended before it had answered", "before it had handed on a record") in said.stderr), said
    assert "secret\n" not in said.stdout + said.stderr


@pytest.mark.parametrize("name, value, says", [
    ("RATE_LIMIT_BURST", "0", "--burst=0: expected a number of requests, 1 to 1000000"),
    ("RATE_LIMIT_REQUESTS", "99999999999", "--requests=99999999999: expected a number of requests, 0 to 60000000"),
    ("RATE_LIMIT_EXEMPT", "10.0.0.0/33", "--exempt 10.0.0.0/33: expected a prefix length from 0 to 32")])
@pytest.mark.parametrize("words", [[], ["--check"]])
def test_a_wrong_rate_limit(name: str, value: str, says: str, words: list[str]) -> None:
    """It is said at the start: the pipeline would only be started again and again."""
    said = run(PROXY, *words, **ECHO, **{name: value})
    assert said.returncode == 78 and says in said.stderr, said


def test_a_number_that_is_none_says_what_it_counts() -> None:
    """Each with its own unit, and with an example that is taken as it stands."""
    said = run(PROXY, "--check", **ECHO, **{name: "1MB" for names in NUMBERS.values() for name in names})
    assert said.returncode == 78
    examples = {}
    for unit, names in NUMBERS.items():
        for name in names:
            [examples[name]] = re.findall(rf"{name}=1MB: expected a number of {unit}, for example (\d+)\n", said.stderr)
    assert len(said.stderr.splitlines()) == len(examples), said.stderr
    said = run(PROXY, "--check", **ECHO, **examples | {"MAX_BUFFERED": str(1 << 28)})
    assert said.returncode == 0, said


def test_check_finds_all_that_is_wrong(tmp_path: Path) -> None:
    """Not just the first."""
    tokens = tmp_path / "tokens"
    tokens.write_text("ann:secret\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = run(PROXY, "--check", BACKEND="claude-echo", PORT=str(taken.getsockname()[1]), AUTH_TOKENS_FILE=str(tokens),
                   LOG_FORMAT="xml", MAX_HEADER="64k", RUN_DIR="/tmp", MODELS_FILE="/nonexistent")
    assert said.returncode == 78
    for problem in ("Address already in use", "others may read it", "LOG_FORMAT", "MAX_HEADER", "RUN_DIR", "/nonexistent"):
        assert problem in said.stderr, (problem, said.stderr)
    assert "secret" not in said.stdout + said.stderr


def test_check_disturbs_nothing(start, tmp_path: Path) -> None:
    """Beside a running server: its socket, its files and its clients are left alone, and nothing is made."""
    path = tmp_path / "socket"
    proxy = start(**{"BACKEND": "claude-echo"})
    home = tmp_path / "other"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        said = run(PROXY, "--check", BACKEND="claude-echo", HOST=f"unix:{path}", RUN_DIR=str(home / "run"))
        assert said.returncode == 78 and "Address already in use" in said.stderr and path.exists()
    assert run(PROXY, "--check", BACKEND="claude-echo", PORT=str(proxy.port)).returncode == 78
    assert chat(proxy).status == 200 and not home.exists()
    path.unlink()
    said = run(PROXY, "--check", BACKEND="claude-echo", HOST=f"unix:{path}", RUN_DIR=str(home / "run"))
    assert said.returncode == 0 and not path.exists() and not home.exists(), said
    assert f"listen unix:{path}\n" in said.stdout and "health healthy\n" in said.stdout


def test_check_of_the_command_line() -> None:
    """The command line comes first, and is checked too."""
    assert run(PROXY, "--check", "--max-body", "0", **ECHO).returncode == 78
    assert run(PROXY, "--check", "--max-body", "10", **ECHO, MAX_BODY="20").returncode == 0
    assert "missing" in run(PROXY, "--check", "--tokens", "/missing", **ECHO).stderr


def test_credentials(start, tmp_path: Path) -> None:
    """A service manager's credential has a secret's name, and is never in the unit's environment."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "AUTH_TOKEN").write_text("secret\n")
    (folder / "OTHER").write_text("x")
    proxy = start(BACKEND="claude-echo", CREDENTIALS_DIRECTORY=str(folder))
    assert chat(proxy).status == 401 and chat(proxy, **{"x-api-key": "secret"}).status == 200
    for pid in proxy.stages().values():
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert b"AUTH_TOKEN=secret" not in Path(f"/proc/{proxy.process.pid}/environ").read_bytes()
    said = run(PROXY, "--check", CREDENTIALS_DIRECTORY=str(folder), **ECHO)
    assert said.returncode == 0 and "AUTH_TOKEN ***\n" in said.stdout and "secret" not in said.stdout + said.stderr


@pytest.mark.parametrize("first", ["STAGE_ENV", "OPENAI_API_KEY"])
def test_a_key_for_a_stage(start, tmp_path: Path, first: str) -> None:
    """STAGE_ENV makes settings of the names in it, wherever it stands; they are as secret as the others."""
    stage = tmp_path / "my-stage"
    stage.write_text("#!/bin/sh\nexec cat\n")
    stage.chmod(0o755)
    lines = ["STAGE_ENV='my-stage=OPENAI_API_KEY,MY_ORG other=X_KEY'", "OPENAI_API_KEY=sk-stage", "MY_ORG=mine", "X_KEY=other"]
    file = tmp_path / "settings"
    file.touch(mode=0o600)
    file.write_text("\n".join(sorted(lines, key=lambda line: not line.startswith(first))))
    settings = {"PIPELINE": f"model-map | {stage} | claude-echo | sse-encode", "CLAUDE_PROXY_CONFIG": str(file)}
    proxy = start(**settings)

    def given() -> dict[str, bytes]:
        found = {}
        for stage, pid in proxy.stages().items():
            # One of the pipeline before may end at any time.
            with contextlib.suppress(OSError):
                found[stage] = Path(f"/proc/{pid}/environ").read_bytes()
        return found

    wait_for("the stages run", lambda: len(proxy.stages()) == 4 and "cat" in proxy.stages())
    stages = given()
    assert b"OPENAI_API_KEY=sk-stage\0" in stages["cat"] and b"\0X_KEY=" not in stages["cat"]
    assert not any(b"sk-stage" in stages[other] for other in ("model-map", "claude-echo", "sse-encode"))
    # A reload brings another key.
    file.write_text(file.read_text().replace("sk-stage", "sk-later"))
    hang_up(proxy, "the settings were read again")
    wait_for("it has the new key", lambda: b"OPENAI_API_KEY=sk-later\0" in given().get("cat", b""))
    said = run(PROXY, "--check", PORT="0", **settings)
    assert said.returncode == 0 and "OPENAI_API_KEY ***\n" in said.stdout and "sk-later" not in said.stdout + said.stderr, said
    file.chmod(0o644)
    said = run(PROXY, "--check", PORT="0", **settings)
    assert said.returncode == 78 and "OPENAI_API_KEY is a secret, and others may read the file" in said.stderr, said
    # Without STAGE_ENV it is no setting, and never are those of the system and of the script itself.
    for text in ("OPENAI_API_KEY=x", "STAGE_ENV=a=PATH\nPATH=/x", "STAGE_ENV=a=CLAUDE_PROXY_CONFIG\nCLAUDE_PROXY_CONFIG=x", "STAGE_ENV=a=check\ncheck=x"):
        file.write_text(text)
        file.chmod(0o600)
        said = run(PROXY, "--check", PORT="0", BACKEND="claude-echo", CLAUDE_PROXY_CONFIG=str(file))
        assert said.returncode == 78 and "is no setting" in said.stderr, said


def test_a_stage_key_as_a_credential(start, tmp_path: Path) -> None:
    (tmp_path / "OPENAI_API_KEY").write_text("sk-stage\n")
    stage = tmp_path / "my-stage"
    stage.write_text("#!/bin/sh\nexec cat\n")
    stage.chmod(0o755)
    proxy = start(PIPELINE=f"{stage} | claude-echo | sse-encode", STAGE_ENV="my-stage=OPENAI_API_KEY", CREDENTIALS_DIRECTORY=str(tmp_path))
    wait_for("the stage runs", lambda: "cat" in proxy.stages())
    assert b"OPENAI_API_KEY=sk-stage\0" in Path(f"/proc/{proxy.stages()['cat']}/environ").read_bytes()


def test_tokens_as_a_credential(start, tmp_path: Path) -> None:
    """There the group's bits are the mask of an access list; elsewhere they are a group's."""
    tokens = tmp_path / "tokens"
    tokens.write_text("ann:secret\n")
    tokens.chmod(0o440)
    settings = ECHO | {"AUTH_TOKENS_FILE": str(tokens)}
    assert run(PROXY, "--check", **settings).returncode == 78
    assert run(PROXY, "--check", CREDENTIALS_DIRECTORY=str(tmp_path), **settings).returncode == 0
    tokens.chmod(0o444)
    assert run(PROXY, "--check", CREDENTIALS_DIRECTORY=str(tmp_path), **settings).returncode == 78

