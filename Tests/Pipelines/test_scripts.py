# SPDX-License-Identifier: MIT
"""The scripts that start and check the project say no when they should."""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from backend import STAND_IN
from server import PROGRAMS, REPOSITORY, STAGES, environment, free_port

SCRIPTS = REPOSITORY / "scripts"


def run(*command: object, **settings: str) -> subprocess.CompletedProcess[str]:
    home = settings.pop("HOME", "/nonexistent")
    return subprocess.run([str(word) for word in command], env=environment(Path(home), **settings),
                          capture_output=True, text=True, timeout=60)


def pipeline_of(said: str) -> list[str]:
    """The stages that --check tells, with the word that tells the two of the store apart."""
    [pipeline] = [line for line in said.splitlines() if line.startswith("pipeline ")]
    stages = [stage.split() for stage in pipeline.removeprefix("pipeline ").split("|")]
    return [" ".join([Path(words[0]).name, *(word for word in words[1:2] if word in ("load", "save"))]) for words in stages]


def test_what_is_in_force() -> None:
    said = run(SCRIPTS / "claude-proxy", "--check", PORT=str(port := free_port()), BACKEND="claude-echo")
    assert said.returncode == 0, said
    assert f"listen 127.0.0.1:{port}\n" in said.stdout
    assert pipeline_of(said.stdout) == STAGES


@pytest.mark.parametrize("settings", [
    {"HOST": "0.0.0.0"}, {"HOST": "0.0.0.0", "ALLOW_UNAUTHENTICATED": "0"}, {"HOST": "::"}, {"HOST": "192.0.2.1"}, {"PORT": "http"}, {"PORT": "123456"},
    {"BACKEND": "nothing"}, {"MAX_BODY": "1 MiB"}, {"MAX_HEADER": "64k"}, {"HOST": "0.0.0.0", "AUTH_TOKEN": "secret"}, {"RUN_DIR": "/tmp"}])
def test_refused_at_the_start(settings: dict[str, str]) -> None:
    """Open to others without a token, not a setting, not safe: exit 78, the setting's name, and no secret."""
    said = run(SCRIPTS / "claude-proxy", **settings)
    assert said.returncode == 78, said
    assert next(iter(settings)) in said.stderr and "secret" not in said.stderr


def test_open_to_others_with_a_token() -> None:
    """A token opens it; the owner's login stays the owner's."""
    port = str(free_port())
    token = {"HOST": "0.0.0.0", "PORT": port, "AUTH_TOKEN": "secret", "ANTHROPIC_API_KEY": "sk-secret"}
    for more in ({"BACKEND": "claude-echo"}, {"CLAUDE_AUTH": "key"}, {"ALLOW_SHARED_LOGIN": "1"}):
        said = run(SCRIPTS / "claude-proxy", "--check", **token, **more)
        assert said.returncode == 0 and f"listen 0.0.0.0:{port}\n" in said.stdout and "AUTH_TOKEN ***\n" in said.stdout, said
        assert "secret" not in said.stdout + said.stderr


def test_a_new_token() -> None:
    tokens = {run(SCRIPTS / "generate-token").stdout for _ in range(3)}
    assert len(tokens) == 3 and all(len(token) == 65 and int(token, 16) for token in tokens)


@pytest.mark.parametrize("words", [["check"], ["serve", "--check"], ["--check"]])
def test_subcommands(words: list[str]) -> None:
    said = run(REPOSITORY / "scripts/claude-proxy", *words, BACKEND="claude-echo", PORT=str(free_port()))
    assert said.returncode == 0 and "backend claude-echo\n" in said.stdout, said
    demo = run(REPOSITORY / "scripts/claude-proxy", "demo", "--check", BACKEND="claude-exec", PORT=str(free_port()))
    assert demo.returncode == 0 and "backend claude-echo\n" in demo.stdout, demo
    token = run(REPOSITORY / "scripts/claude-proxy", "token")
    assert token.returncode == 0 and len(token.stdout.strip()) > 30, token


def test_claude_echo_only_when_named() -> None:
    """Canned answers are never served by chance, CLI or no CLI."""
    said = run(SCRIPTS / "claude-proxy", "--check", PORT="0", PATH="/usr/bin:/bin", CLAUDE_CLI_PATH="/nonexistent")
    assert "backend claude-exec\n" in said.stdout and "claude-echo" not in said.stdout
    # Nobody is logged in here, and there is no key.
    assert said.returncode == 78 and "BACKEND: claude-exec can't serve" in said.stderr, said


def test_claude_http_when_there_is_a_key_and_no_cli(tmp_path: Path) -> None:
    """A CLI in any of the places where claude-exec looks comes first."""
    scratch = tmp_path / "build"
    (scratch / "release").mkdir(parents=True)
    for program in PROGRAMS.iterdir():
        if program.is_file() and os.access(program, os.X_OK):
            (scratch / "release" / program.name).symlink_to(program)
    home = tmp_path / "home"
    home.mkdir()
    settings = {"HOME": str(home), "PATH": "/usr/bin:/bin", "SCRATCH": str(scratch)}

    def chosen(**more: str) -> str:
        said = run(SCRIPTS / "claude-proxy", "--check", PORT="0", **settings, **more)
        assert said.returncode == (0 if more else 78) and "sk-secret" not in said.stdout + said.stderr, said
        return next(line for line in said.stdout.splitlines() if line.startswith("backend "))

    assert chosen() == "backend claude-exec"
    assert chosen(ANTHROPIC_API_KEY="sk-secret") == "backend claude-http"
    assert chosen(ANTHROPIC_AUTH_TOKEN="sk-secret") == "backend claude-http"
    for place in (".claude/local", ".nvm/versions/node/v22.1.0/bin"):
        cli = home / place / "claude"
        cli.parent.mkdir(parents=True)
        cli.symlink_to(STAND_IN)
        assert chosen(ANTHROPIC_API_KEY="sk-secret") == "backend claude-exec", place
        cli.unlink()


def test_a_chain_of_backends() -> None:
    """Each but the last hands on what it declines; one that can't do that is refused where it would have to."""
    for chain in ("claude-http,claude-exec", "claude-exec,claude-http", "claude-http,claude-exec,claude-echo"):
        said = run(SCRIPTS / "claude-proxy", "--check", PORT="0", BACKEND=chain, ANTHROPIC_API_KEY="sk-secret")
        assert said.returncode == 0 and said.stdout.count(" --decline 401,429,503,529 | ") == chain.count(","), said
        assert re.findall(r"/release/(claude-\w+)", said.stdout) == chain.split(","), said
    for chain in ("claude-echo,claude-http", "claude-http,", "claude-http,nothing"):
        said = run(SCRIPTS / "claude-proxy", "--check", BACKEND=chain)
        assert said.returncode == 78 and "BACKEND" in said.stderr, said


def test_settings_of_claude_http_are_checked_at_the_start() -> None:
    """Else its pipeline would be started again and again."""
    said = run(SCRIPTS / "claude-proxy", BACKEND="claude-http", ANTHROPIC_BASE_URL="ftp://x")
    assert said.returncode == 78 and "ANTHROPIC_BASE_URL" in said.stderr, said


@pytest.mark.parametrize("room, text, named", [
    ("Translation", "import Foundation", "Foundation"),
    ("Translation", "public import struct EventStream.Event", "EventStream"),
    ("Translation", "@preconcurrency import CJansson", "CJansson"),
    ("Translation", "import Program", "Program"),
    ("EventStream", "package import NIOCore", "NIOCore"),
    ("Records", "import Translation", "Translation"),
    ("model-map", "@c(model_map_main)\npublic func main() {}\nimport NIOHTTP1", "NIOHTTP1"),
])
def test_arrows_that_point_the_wrong_way(tmp_path: Path, room: str, text: str, named: str) -> None:
    (tmp_path / room).mkdir()
    (tmp_path / room / "File.swift").write_text(f"import Jansson\n{text}\n")
    said = run(SCRIPTS / "check-rooms", tmp_path)
    assert said.returncode == 1 and f"{room}/File.swift imports {named};" in said.stdout, said


def test_arrows_that_point_the_right_way(tmp_path: Path) -> None:
    for room, text in (("Translation", "package import Records\nimport Models"), ("Jansson", "import CJansson"),
                       ("http-frontd", "@c(http_frontd_main)\npublic func main() {}\nimport NIOCore\nimport Program\nimport ArgumentParser")):
        (tmp_path / room).mkdir()
        (tmp_path / room / "File.swift").write_text(text + "\n")
    assert run(SCRIPTS / "check-rooms", tmp_path).returncode == 0


def test_golden_without_a_case_fails() -> None:
    """A check that ran nothing must not pass."""
    said = run(SCRIPTS / "golden", "no-such-program")
    assert said.returncode == 1 and said.stdout.endswith("golden: 0 passed, 1 failed\n")


def test_make_help_names_every_target() -> None:
    targets = {line.split(":")[0] for line in (REPOSITORY / "Makefile").read_text().splitlines()
               if line[:1].islower() and ":" in line and "=" not in line.split(":")[0]}
    said = run("make", "-s", "-C", REPOSITORY, "help")
    assert said.returncode == 0 and {line.split()[1] for line in said.stdout.splitlines()} == targets
