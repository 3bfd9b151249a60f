# SPDX-License-Identifier: MIT
"""This proxy beside other gateways, nginx and no proxy, on one machine, in turns: Markdown, plots and all figures.

usage: bench.py [--reps N] [--seconds S] [--targets NAME,...] [--only NAME,...] [--pin] [--shrink N] FOLDER

Targets: none, nginx, ours, each (ours with a process for each stage), tensorzero, smg, litellm.

In each repetition all targets are started, and take turns at each workload; the order changes. --pin: the load client
and the upstream share the first core, and the targets have the others. --shrink: that many times fewer streams at once.
"""
from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import tables
from targets import HERE, TARGETS, Target, Upstream, allow_descriptors
from workloads import WORKLOADS, Rig, Workload, bodies, whole

# How long each dialect is asked before anything is measured, in seconds.
WARM_UP = 0.3
START = Workload("start", "From the start to the first whole answer", "start", "", 0, 0)


def build(folder: Path) -> None:
    """The load client and the upstream."""
    load = HERE.parents[1] / "Load"
    for name, sources in {"load": [load / "load.c", load / "answer.c"], "upstream": [HERE / "upstream.c"]}.items():
        subprocess.run(["clang", "-O2", "-o", folder / name, *sources], check=True)


class Repetition:
    """Each target, dialect and workload once: a row each."""

    def __init__(self, number: int, rig: Rig, targets: list[Target], seconds: float):
        turn = number % len(targets)
        self.number, self.rig, self.targets, self.seconds = number, rig, targets[turn:] + targets[:turn], seconds
        self.rows: list[dict] = []

    def note(self, target: Target, dialect: str, work: Workload, figures: dict) -> None:
        self.rows.append({"repetition": self.number, "target": target.name, "dialect": dialect, "workload": work.name} | figures)
        shown = [f"{figure.title} {figures[figure.key]:.4g}" for figure in tables.figures_of(work) if figure.key in figures]
        print(f"{self.number + 1} {work.name} {target.name} {dialect}:", ", ".join(shown) + " " + figures.get("complaint", ""), file=sys.stderr)

    def start(self, target: Target) -> None:
        """Starts it, again if it runs, and asks it a little."""
        target.stop()
        self.rig.upstream.tell("answer burst 150")
        took = target.start(Path(tempfile.mkdtemp(dir=self.rig.folder)))
        if took is None:
            return
        self.note(target, "", START, {"start_ms": 1000 * took, "memory": target.memory(), "wrong": 0})
        for dialect in target.paths:
            self.rig.finish(self.rig.load(target, dialect, whole(4), min(WARM_UP, self.seconds)), WARM_UP)

    def measure(self, works: list[Workload]) -> None:
        try:
            for target in self.targets:
                try:
                    self.start(target)
                except RuntimeError as error:
                    self.note(target, "", START, {"wrong": 1, "complaint": str(error)})
            for work, target in itertools.product(works, self.targets):
                for dialect in target.paths:
                    try:
                        if work.fresh:
                            self.start(target)
                        figures = self.rig.measure(target, dialect, work, self.seconds)
                    except RuntimeError as error:
                        figures = {"wrong": 1, "complaint": str(error)}
                    self.note(target, dialect, work, figures)
        finally:
            for target in self.targets:
                target.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--only", default=",".join(work.name for work in WORKLOADS))
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("--shrink", type=int, default=1)
    given = parser.parse_args()
    works = [work.smaller(given.shrink) for work in WORKLOADS if work.name in given.only.split(",")]
    cores = sorted(os.sched_getaffinity(0))
    pins = ({cores[0]}, set(cores[1:])) if given.pin and len(cores) > 1 else (None, None)
    allow_descriptors()
    # So that nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    facts = tables.facts() | {
        "repetitions": given.reps, "seconds of a window": given.seconds,
        "load client and upstream on a core of their own": "yes" if pins[0] else "no",
        **({"streams at once": f"1/{given.shrink} of what is said"} if given.shrink > 1 else {})}
    out = given.folder.resolve()
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build(folder)
        chosen = [TARGETS[name] for name in given.targets.split(",")]
        bodies(folder, {target.model for target in chosen})
        upstream = Upstream(folder / "upstream", pins[0])
        if pins[0]:
            os.sched_setaffinity(0, pins[0])
        try:
            rig = Rig(folder, upstream, pins[0])
            targets = [target(upstream, pins[1]) for target in chosen]
            facts |= {target.name: target.version() for target in targets if target.version()}
            for number in range(given.reps):
                repetition = Repetition(number, rig, targets, given.seconds)
                repetition.measure(works)
                rows += repetition.rows
                (out / "figures.json").write_text(json.dumps({"facts": facts, "rows": rows}, indent=1))
        finally:
            upstream.stop()
    text = tables.write(out, facts, rows, [START, *works])
    print(text)
    sys.exit(any(row["wrong"] for row in rows if row["target"].startswith(("claude-proxy", "no proxy"))))


if __name__ == "__main__":
    main()
