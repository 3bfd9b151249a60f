# SPDX-License-Identifier: MIT
"""Looks at processes by way of /proc."""
from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Callable, TypeVar

from patience import fair

T = TypeVar("T")


def wait_for(what: str, test: Callable[[], T], seconds: float = 20.0) -> T:
    """What ``test`` gives when it is true, or a failure that says what was awaited.

    The time is that of a machine which does nothing else: a short one is a promise that is held against it.
    """
    began = time.monotonic()
    while not (got := test()):
        if fair(began) > seconds:
            raise AssertionError(f"{what}: not within {seconds} s; {time.monotonic() - began:.2f} s have passed")
        time.sleep(0.01)
    return got


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def with_home(home: Path) -> set[int]:
    """The processes that were started with this home, whoever their parent is by now.

    A server of a test has a home of its own, and a folder for its state in it; whatever it starts gets one of
    the two (inetd sets HOME itself, the CLI gets HOME alone): so nothing can hide by leaving its parent or its
    process group.
    """
    path = os.fsencode(home)
    marks = (b"\0HOME=" + path + b"\0", b"\0RUN_DIR=" + path + b"/run\0")
    found = set()
    for pid in all_pids():
        try:
            given = b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
            if any(mark in given for mark in marks):
                found.add(pid)
        except OSError:
            pass
    return found


def name(pid: int) -> str:
    """The program's name, at most 15 bytes of it; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def side(pid: int) -> list[str]:
    """The word that says which of its two places in the pipe the program stands in, if it has two."""
    words: list[str] = []
    # A program that has just begun has its name before it has its words.
    while not any(words) and alive(pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            return []
    return [word for word in words[1:2] if word in ("load", "save")]


def stages(pid: int) -> list[str]:
    """The stages that the process runs: those in the text of a claude-pipe, else the program itself."""
    if name(pid) != "claude-pipe":
        return [" ".join([name(pid), *side(pid)])]
    # A program that has just begun has its name before it has its words.
    while len(words := arguments(pid)) < 2 and alive(pid):
        pass
    commands: list[list[str]] = [[]]
    lexer = shlex.shlex(words[1] if len(words) > 1 else "", posix=True, punctuation_chars="|")
    lexer.whitespace_split, lexer.commenters = True, ""
    for word in lexer:
        commands.append([]) if word == "|" else commands[-1].append(word)
    return [" ".join([Path(command[0]).name, *(word for word in command[1:2] if word in ("load", "save"))])
            for command in commands if command]


def program(pid: int) -> str:
    """The path of the running binary; empty if it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def arguments(pid: int) -> list[str]:
    """The command line; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def status(pid: int) -> tuple[str, int]:
    """State letter and parent; ("", 0) if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[1])
    except OSError:
        return "", 0


def children(pid: int) -> set[int]:
    """The children of a process, the dead that it has not yet reaped among them."""
    return {other for other in all_pids() if status(other)[1] == pid}


def alive(pid: int) -> bool:
    """Whether it runs: neither gone nor waiting to be reaped."""
    return status(pid)[0] not in ("", "Z", "X")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid: int, of: str = "Pss") -> int:
    """What the process takes of the machine's memory, in kB: pages that it shares count by its share (PSS).

    ``of="Pss_Anon"`` leaves out the program's own pages, whose share depends on how often it runs elsewhere.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(of + ":"))


def cpu_time(pid: int) -> float:
    """The processor time that it has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_time_exact(pid: int) -> float:
    """The same to the nanosecond, of the threads that live; nothing if it is gone."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[0])
        except OSError:
            pass
    return total / 1e9


def session(leader: int) -> set[int]:
    """All processes of a session, whoever their parent is by now."""
    found = set()
    for pid in all_pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.add(pid)
    return found
