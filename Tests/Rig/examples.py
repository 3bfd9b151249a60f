# SPDX-License-Identifier: MIT
"""The samples in a page of Markdown, and how they are run.

A block marked ``sh`` or ``python`` runs, and says what the ``console`` block after it shows. A server with canned
answers stands in for the one that the reader has started, whatever port the page names. Of lines of the shell that
fetch or build (git, cd, make, sudo) none is run; of make, the target must be there. In what is shown, a line of ``…``
stands for any number of lines, and ``…`` within a line for anything.
"""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from server import PROGRAMS, REPOSITORY, environment


class Example(NamedTuple):
    page: str
    line: int
    language: str
    commands: str
    shown: str | None

    def __str__(self) -> str:
        return f"{self.page}-line-{self.line}"


def examples(page: str, text: str) -> list[Example]:
    """The samples of a page, each with the console block that follows it, if one does."""
    blocks = [(text.count("\n", 0, m.start()) + 1, m[1], m[2])
              for m in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.S | re.M)]
    found = []
    for i, (line, language, content) in enumerate(blocks):
        if language in ("sh", "python"):
            follows = i + 1 < len(blocks) and blocks[i + 1][1] == "console"
            found.append(Example(page, line, language, content, blocks[i + 1][2] if follows else None))
    return found


def matches(said: str, shown: str) -> bool:
    lines = []
    for line in shown.strip().splitlines():
        # A line of its own stands for any number of them, none included; within a line for anything.
        lines.append(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n")
    return re.fullmatch("".join(lines), said.strip() + "\n") is not None


def runnable(commands: str) -> str:
    """The lines of a sample for the shell that are run."""
    lines = []
    for line in commands.splitlines():
        words = line.split()
        if words and words[0] == "make":
            targets = [word for word in line.partition("#")[0].split()[1:] if "=" not in word]
            there = subprocess.run(["make", "-n", "-C", REPOSITORY, *targets], capture_output=True, text=True)
            assert there.returncode == 0, there.stderr
        elif not words or words[0] not in ("git", "cd", "sudo"):
            lines.append(line)
    return "\n".join(lines)


def settings(home: Path, **more: str) -> dict[str, str]:
    """The reader's environment: the programs are in the path."""
    chosen = environment(home, **{"BACKEND": "claude-echo"} | more)
    chosen["PATH"] = f"{PROGRAMS}:{REPOSITORY}/scripts:{chosen['PATH']}"
    return chosen


def run(example: Example, port: int, home: Path, cwd: Path = REPOSITORY, **more: str) -> str:
    """Runs a sample as the reader does, and gives what it said."""
    script = runnable(example.commands) if example.language == "sh" else example.commands
    script = re.sub(r"(localhost|127\.0\.0\.1):8000\b", f"127.0.0.1:{port}", script)
    command = ["sh", "-eu", "-c", script] if example.language == "sh" else [sys.executable, "-c", script]
    said = subprocess.run(command, cwd=cwd, env=settings(home, **more), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60)
    assert said.returncode == 0, f"{example}:\n{script}\n{said.stdout}\n{said.stderr}"
    return said.stdout


def check(example: Example, port: int, home: Path) -> None:
    """Runs a sample, and holds it to what is shown."""
    said = run(example, port, home)
    if example.shown is not None:
        assert matches(said, example.shown), f"{example}: shown:\n{example.shown}\nsaid:\n{said}"
    elif example.language != "sh" or runnable(example.commands).strip():
        assert said.strip(), f"{example}: an example that says nothing shows nothing"
