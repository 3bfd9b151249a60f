# SPDX-License-Identifier: MIT
"""Time on a machine that does other things too: what they took from us is left out of what a bound is held against."""
from __future__ import annotations

import bisect
import functools
import os
import threading
import time
from typing import Any, Callable

# How often the machine is looked at, in seconds; and how far back a look still tells of a short time.
_EVERY, _BEFORE = 0.02, 0.25


class _Looks(threading.Thread):
    """Looks again and again how many processes want a processor; started by the first look."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="looks")
        self.times: list[float] = []
        # All processes that were seen up to then, so that a mean takes two of them.
        self.sums: list[int] = []
        self._take()
        self.start()

    def _take(self) -> None:
        with open("/proc/loadavg") as file:
            # Of "running/all"; one of them is this.
            running = int(file.read().split()[3].split("/")[0]) - 1
        self.sums.append((self.sums[-1] if self.sums else 0) + running)
        self.times.append(time.monotonic())

    def run(self) -> None:
        while True:
            time.sleep(_EVERY)
            self._take()

    def mean(self, since: float, until: float) -> float:
        last = max(bisect.bisect_right(self.times, until) - 1, 0)
        first = max(bisect.bisect_left(self.times, min(since - _BEFORE, self.times[last])) - 1, 0)
        if first == last:
            return float(self.sums[0])
        return (self.sums[last] - self.sums[first]) / (last - first)


_looks = _Looks()


def slowness(since: float, until: float | None = None) -> float:
    """How many times longer things took between these monotonic times than where nothing else runs; at least 1.

    As many times as there were processes that wanted a processor for each one that there is: a scheduler shares
    them out evenly.
    """
    return max(1.0, _looks.mean(since, until or time.monotonic()) / len(os.sched_getaffinity(0)))


def fair(since: float, until: float | None = None) -> float:
    """The seconds between these monotonic times (until now), as they would have been where nothing else runs.

    For bounds that are a promise of ours: on a quiet machine they hold as they stand, and on a busy one only what
    it took from us is left out.
    """
    return ((until or time.monotonic()) - since) / slowness(since, until)


def again_if_busy(test: Callable[..., None]) -> Callable[..., None]:
    """A test that may be run up to three times, as long as more processes wanted a processor than there are.

    For what hangs on a time within a program, as that after which a process that doesn't heed is ended: no bound of
    the test's can leave out what the machine took from that. One run that passes proves that it works; where nothing
    else runs, there is only one.
    """
    @functools.wraps(test)
    def tried(*arguments: Any, **fixtures: Any) -> None:
        for last in (False, False, True):
            began = time.monotonic()
            try:
                return test(*arguments, **fixtures)
            except Exception as failure:
                if last or slowness(began) == 1:
                    raise
                print(f"on a busy machine ({slowness(began):.1f}): {failure}")
    return tried
