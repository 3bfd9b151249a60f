# SPDX-License-Identifier: MIT
"""Looks at the server's processes while it is under load, and says whether they keep what they should give back."""
from __future__ import annotations

import time
from dataclasses import dataclass

from processes import children, cpu_time, descriptors, memory, name, side, status

# What a process may take more in the last third of the measured time than in its first. The least of each third is
# compared: what is in flight comes and goes, what is kept stays.
GROWTH = 1.05
# And so many kB: what an allocator keeps by chance in a process of a few megabytes. It is more where the largest thing
# stands whole in memory: a body in the front and in claude-http, an answer that comes at once in claude-echo.
SLACK, MORE_SLACK = 4 << 10, {"http-frontd": 16 << 10, "claude-http": 16 << 10, "claude-echo": 20 << 10}


@dataclass
class Sample:
    time: float
    # By process.
    memory: dict[int, int]
    descriptors: dict[int, int]
    in_flight: int
    # Processor time since the start, in seconds.
    cpu: float


def label(pid: int) -> str:
    """The program's name, and which of its two places in the pipe it stands in, if it has two."""
    return " ".join([name(pid), *side(pid)])


class Watch:
    """The processes of one server: the front, and the stages that it starts."""

    def __init__(self, pid: int):
        self.pid = pid
        self.samples: list[Sample] = []
        self._names: dict[int, str] = {}

    def pids(self) -> list[int]:
        return [self.pid, *sorted(children(self.pid))]

    def sample(self, in_flight: int) -> None:
        memories, open_ones, cpu = {}, {}, 0.0
        for pid in self.pids():
            try:
                memories[pid], open_ones[pid] = memory(pid, "Pss_Anon"), descriptors(pid)
                self._names[pid] = self._names.get(pid) or label(pid)
                cpu += cpu_time(pid)
            except (OSError, StopIteration):
                # It has just ended.
                pass
        self.samples.append(Sample(time.monotonic(), memories, open_ones, in_flight, cpu))

    def at_rest(self) -> dict[str, int]:
        """The open descriptors by process name, when nothing has changed for half a second."""
        now, until = self._in_use(), time.monotonic() + 0.5
        limit = until + 30
        while time.monotonic() < min(until, limit):
            time.sleep(0.05)
            if (then := self._in_use()) != now:
                now, until = then, time.monotonic() + 0.5
        return now

    def _in_use(self) -> dict[str, int]:
        try:
            return {label(pid): descriptors(pid) for pid in self.pids()}
        except OSError:
            return {}

    def zombies(self) -> list[str]:
        return [name(pid) for pid in self.pids() if status(pid)[0] == "Z"]

    def load(self, begin: float, end: float) -> float:
        """The part of a processor that they used in that time."""
        within = [one for one in self.samples if begin <= one.time < end]
        return (within[-1].cpu - within[0].cpu) / (within[-1].time - within[0].time) if len(within) > 1 else 0.0

    def growth(self, begin: float, end: float) -> list[tuple[str, float, float]]:
        """The least of the first and of the last third of that time, in MB, of each process that lived through it."""
        part = (end - begin) / 3
        # Beside an old pipeline that still drains, each has only a part of the programs' own pages.
        few = min((len(one.memory) for one in self.samples), default=0)
        alone = [one for one in self.samples if len(one.memory) == few]
        first = [one for one in alone if begin <= one.time < begin + part]
        last = [one for one in alone if end - part <= one.time < end]
        if not first or not last:
            return []
        rows = []
        for pid in sorted(set.intersection(*(set(one.memory) for one in first + last))):
            before, after = (min(one.memory[pid] for one in some) for some in (first, last))
            rows.append((self._names[pid], before / 1024, after / 1024))
        return rows


def leaks(rows: list[tuple[str, float, float]]) -> list[str]:
    """What the rule forbids, of what growth() tells."""
    return [f"{name} grows from {before:.1f} to {after:.1f} MB" for name, before, after in rows
            if after > before * GROWTH + MORE_SLACK.get(name, SLACK) / 1024]
