# SPDX-License-Identifier: MIT
"""The examples of README.md are true: each block marked ``sh`` runs, and says what the ``console`` block after it shows.

A server with canned answers stands in for the one that the reader has started, whatever port README names. Lines
that fetch or build (git, cd, make, sudo) are not run; of make, the target must be there. In what is shown, a line
of ``…`` stands for any number of lines, and ``…`` within a line for anything.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from server import PROGRAMS, REPOSITORY, Proxy, environment

README = REPOSITORY / "README.md"


class Example(NamedTuple):
    line: int
    commands: str
    shown: str | None


def examples() -> list[Example]:
    """The sh blocks of README, each with the console block that follows it, if one does."""
    text = README.read_text() if README.exists() else ""
    blocks = [(text.count("\n", 0, m.start()) + 1, m[1], m[2])
              for m in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.S | re.M)]
    found = []
    for i, (line, kind, content) in enumerate(blocks):
        if kind == "sh":
            follows = i + 1 < len(blocks) and blocks[i + 1][1] == "console"
            found.append(Example(line, content, blocks[i + 1][2] if follows else None))
    return found


def matches(said: str, shown: str) -> bool:
    lines = []
    for line in shown.strip().splitlines():
        # A line of its own stands for any number of them, none included; within a line for anything.
        lines.append(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n")
    return re.fullmatch("".join(lines), said.strip() + "\n") is not None


def test_there_are_examples() -> None:
    """README shows how to start, one curl for each interface, and pipelines to try by hand."""
    assert README.exists(), "README.md is missing"
    commands = "\n".join(example.commands for example in examples())
    assert "make run" in commands
    assert "/v1/messages" in commands or "/v1/chat/completions" in commands
    assert "/openai/v1/chat/completions" in commands
    assert len(re.findall(r"oai2anth|anth2oai|sse-encode", commands)) >= 3


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"line-{example.line}")
def test_example(example: Example, echo: Proxy, tmp_path: Path) -> None:
    lines = []
    for line in example.commands.splitlines():
        words = line.split()
        if words and words[0] == "make":
            targets = [word for word in line.partition("#")[0].split()[1:] if "=" not in word]
            there = subprocess.run(["make", "-n", "-C", REPOSITORY, *targets], capture_output=True, text=True)
            assert there.returncode == 0, there.stderr
        elif not words or words[0] not in ("git", "cd", "sudo"):
            lines.append(line)
    script = re.sub(r"(localhost|127\.0\.0\.1):8000", f"127.0.0.1:{echo.port}", "\n".join(lines))
    settings = environment(tmp_path, BACKEND="claude-echo")
    settings["PATH"] = f"{PROGRAMS}:{REPOSITORY}/scripts:{settings['PATH']}"
    said = subprocess.run(["sh", "-eu"], input=script, cwd=REPOSITORY, env=settings,
                          capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, f"{script}\n{said.stdout}\n{said.stderr}"
    if example.shown is not None:
        assert matches(said.stdout, example.shown), f"shown:\n{example.shown}\nsaid:\n{said.stdout}"
    elif lines:
        assert said.stdout.strip(), "an example that says nothing shows nothing"
