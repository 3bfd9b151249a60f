# SPDX-License-Identifier: MIT
"""What a filter costs on an input, and on one of twice the size."""
from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Protocol

BIN = Path(os.environ.get("BIN") or Path(__file__).resolve().parents[2] / os.environ.get("SCRATCH", ".build") / "release")
# The cost at which it is measured, above that of starting, in seconds: enough to tell it from chance.
ENOUGH = 0.015
# The sizes that are tried for what is doubled, in bytes: what grows fast is slow on the first one already, and what is
# cheaper than that on twice the last one harms nobody.
SIZES = [16 << 10, 128 << 10, 512 << 10]
# Twice the input costs twice as much; what is added is chance, and the logarithm of a sort.
LIMIT = 2.5
# Below it, counting shows on a tenth of the input already who is at fault.
CLEAR = 3.2
VALGRIND = shutil.which("valgrind")

Make = Callable[[int, int], bytes]


class Measured(Protocol):
    """A program with an input of one kind."""

    # The processor time of a run on next to nothing, in seconds.
    start_up: float
    # How many instructions a run takes, without starting; None where that can't be counted.
    instructions: Callable[[bytes], int] | None

    def cost(self, given: bytes) -> float:
        """The processor time of one run, in seconds."""


class Filter:
    """A program that reads its standard input, and ends."""

    def __init__(self, program: str):
        self.program = program
        self.instructions = self._instructions

    @contextlib.contextmanager
    def command(self) -> Iterator[list[str]]:
        """What is run; one that keeps something does so in a folder of its own."""
        name, *words = shlex.split(self.program)
        if name != "responses-store":
            yield [str(BIN / name), *words]
            return
        with tempfile.TemporaryDirectory() as folder:
            kept = ["--file", f"{folder}/responses.db"]
            if words == ["save"]:
                # An answer is kept where its request was noted down.
                request = b'{"rid":"r0","ctx":{"dialect":"responses"},"request":{"input":"word"}}\n'
                subprocess.run([BIN / name, "load", *kept], input=request, stdout=subprocess.DEVNULL, check=True)
            yield [str(BIN / name), *words, *kept]

    def cost(self, given: bytes) -> float:
        with tempfile.TemporaryFile() as file:
            file.write(given)
            file.seek(0)
            with self.command() as command:
                child = subprocess.Popen(command, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, f"{self.program} ended with status {child.returncode}"
        return used.ru_utime + used.ru_stime

    @functools.cached_property
    def start_up(self) -> float:
        return min(self.cost(b"\n") for _ in range(5))

    def _instructions(self, given: bytes) -> int:
        """Slow, but the same each time: what other processes do to the caches makes CPU time grow faster than the input."""
        def count(given: bytes) -> int:
            with self.command() as command:
                said = subprocess.run([VALGRIND, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
                                      input=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True).stderr
            return int(re.findall(rb"Collected : (\d+)", said)[-1])
        return count(given) - count(b"\n")


@functools.cache
def filter_of(program: str) -> Filter:
    return Filter(program)


def least(measured: Measured, given: bytes, runs: int) -> float:
    """The cost without starting: the least of some runs, since other processes can only add to it."""
    return max(min(measured.cost(given) for _ in range(runs)) - measured.start_up, 1e-9)


def sized(make: Make, length: int) -> int:
    """How often something has to be there for an input of about that length."""
    few, more = len(make(100, 1)), len(make(100, 2))
    assert more > few, "nothing is doubled"
    return max(1, (length - 2 * few + more) * 100 // (more - few))


def ratio(measured: Measured, make: Make, most: int = 1 << 30) -> tuple[float, float]:
    """How many times as much twice the input costs, and what it costs.

    ``make(size, times)`` gives the input; what is doubled is what goes by ``times``.
    """
    for length in SIZES:
        size = min(sized(make, length), most)
        double = least(measured, make(size, 2), 1)
        if double < ENOUGH:
            continue
        found = 0.0
        for runs in (3, 6):
            single, double = least(measured, make(size, 1), runs), least(measured, make(size, 2), runs)
            found = min(found or double / single, double / single)
            if found <= LIMIT:
                break
        if found > LIMIT and VALGRIND and measured.instructions:
            # It takes some fifty times as long, so a tenth of the input has to do where that is enough. Time can be wrong
            # by any factor: where the start was measured while others used the caches, nearly nothing is left of a run.
            counted = max(size // 10, 1) if found < CLEAR else size
            found = measured.instructions(make(counted, 2)) / measured.instructions(make(counted, 1))
        return found, double
    return 0.0, 0.0
