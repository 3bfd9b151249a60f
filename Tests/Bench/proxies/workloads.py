# SPDX-License-Identifier: MIT
"""What is asked of each target, and what is measured meanwhile."""
from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from targets import MODEL, Started, Target, Upstream, wait_for_line

TICKS = os.sysconf("SC_CLK_TCK")
# How long a window may take beyond what was asked, in seconds: one who is slow has streams in line.
PATIENCE = 180.0
RAMP = 1.0


@dataclass(frozen=True)
class Workload:
    """Requests of one kind."""

    name: str
    title: str
    # As the load client calls it, and what the upstream is to answer.
    mode: str
    way: str
    count: int
    pieces: int
    body: str = "small"
    ramp: float = 0.0
    # Whether the streams have a pace of their own: what counts is how late a piece is.
    paced: bool = False
    # Whether it asks for a new process: what earlier requests left there would be taken again.
    fresh: bool = False

    def smaller(self, shrink: int) -> Workload:
        return replace(self, count=max(1, self.count // shrink), ramp=self.ramp / shrink) if self.ramp else self


def whole(count: int) -> Workload:
    are = "connections" if count > 1 else "connection"
    return Workload(f"whole-{count}", f"Small requests, no stream, {count} {are}", "wholes", "burst 150", count, 150)


def paced(count: int) -> Workload:
    return Workload(f"paced-{count}", f"{count} streams at once, of 50 events, one each 20 ms", "streams", "paced 50 20000", count, 50,
                    "stream", RAMP, True)


WORKLOADS = [
    whole(1), whole(16), whole(64),
    Workload("burst-16", "Streams of 300 events, all at once, 16 connections", "streams", "burst 300", 16, 300, "stream"),
    paced(50), paced(500),
    Workload("held-2000", "2,000 streams that have begun and say nothing", "held", "held 1", 2000, 1, "stream", 4 * RAMP, fresh=True),
    Workload("large-4", "1 MiB of history and an image of 5 MiB in base64, no stream, 4 connections", "wholes", "burst 150", 4, 150,
             "large", fresh=True),
]


def words(count: int, seed: int) -> str:
    """So many bytes of text."""
    chosen = random.Random(seed).choices("the proxy reads a line of text and passes on what it means as it came".split(), k=count // 3)
    return " ".join(chosen)[:count]


def bodies(folder: Path) -> None:
    """Writes the requests, KIND-DIALECT."""
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + random.Random(7).randbytes(5 * 2**20 * 3 // 4 - 8)).decode()
    history = [{"role": ("user", "assistant")[turn % 2], "content": words(2**14, turn)} for turn in range(64)]
    small = [{"role": "user", "content": words(850, 1)}]
    link = "data:image/png;base64," + image
    images: dict[str, dict[str, Any]] = {
        "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
        "openai": {"type": "image_url", "image_url": {"url": link}},
        "responses": {"type": "input_image", "image_url": link}}
    for dialect, shown in images.items():
        is_chat = dialect != "responses"
        turns, limit, text = ("messages", "max_tokens", "text") if is_chat else ("input", "max_output_tokens", "input_text")
        large = [*history, {"role": "user", "content": [shown, {"type": text, "text": "What is this?"}]}]
        for kind, more in {"small": {turns: small}, "stream": {turns: small, "stream": True}, "large": {turns: large}}.items():
            (folder / f"{kind}-{dialect}").write_text(json.dumps({"model": MODEL, limit: 1024} | more))


class Peak(threading.Thread):
    """The most memory that a target takes meanwhile."""

    def __init__(self, target: Target):
        super().__init__(daemon=True)
        self.target, self.is_over, self.most = target, threading.Event(), 0.0
        self.start()

    def run(self) -> None:
        while not self.is_over.is_set():
            self.most = max(self.most, self.target.memory())
            self.is_over.wait(0.1)

    def end(self) -> float:
        self.is_over.set()
        self.join()
        return max(self.most, self.target.memory())


def machine() -> tuple[float, float]:
    """Seconds of processor time that the machine spent (what its host took away among them), and of all there was."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, idle, waiting, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / TICKS, sum(ticks) / TICKS


class Rig:
    """The load client and the upstream."""

    def __init__(self, folder: Path, upstream: Upstream, cpus: set[int] | None):
        self.folder, self.upstream, self.cpus = folder, upstream, cpus

    def load(self, target: Target, dialect: str, work: Workload, seconds: float) -> Started:
        arguments = [target.port, work.mode, work.count, work.pieces, work.ramp, target.paths[dialect],
                     f"@{self.folder}/{work.body}-{dialect}", seconds, *(": ".join(header) for header in target.headers(dialect).items())]
        return Started([self.folder / "load", *map(str, arguments)], self.cpus, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, load: Started, seconds: float) -> dict[str, Any]:
        try:
            out, _ = load.process.communicate(timeout=seconds + PATIENCE)
        except subprocess.TimeoutExpired:
            load.stop()
            raise RuntimeError(f"no end after {seconds + PATIENCE} s") from None
        told = out.strip().rpartition("\n")[2]
        if not told.startswith("{"):
            raise RuntimeError(told)
        return json.loads(told)

    def measure(self, target: Target, dialect: str, work: Workload, seconds: float) -> dict[str, Any]:
        """Figures of one window."""
        self.upstream.tell(f"answer {work.way}")
        self.upstream.counts()
        if work.mode == "held":
            return self.measure_held(target, dialect, work)
        seconds += work.ramp
        peak = Peak(target) if work.body == "large" else None
        own, began, looked = sum(os.times()[:2]), time.monotonic(), machine()
        cpu, upstream = target.cpu(), self.upstream.cpu()
        told = self.finish(self.load(target, dialect, work, seconds), seconds)
        cpu, upstream = target.cpu() - cpu, self.upstream.cpu() - upstream
        spent, there_was = (after - before for after, before in zip(machine(), looked))
        took, load = time.monotonic() - began, told["client_cpu"] * told["seconds"]
        others = spent - cpu - upstream - load - (sum(os.times()[:2]) - own)
        # On one core they wait for each other.
        rig = load + upstream if self.cpus else max(load, upstream)
        done, pieces = max(told["complete"], 1), max(told["pieces"], 1)
        return told | self.upstream.counts() | {
            "rate": told["complete"] / told["seconds"], "events_rate": told["pieces"] / told["seconds"],
            "p50_ms": told["answer_p50_us"] / 1000, "p99_ms": told["answer_p99_us"] / 1000,
            "cpu_ms": 1e3 * cpu / done, "event_us": 1e6 * cpu / pieces,
            "memory": peak.end() if peak else target.memory(),
            "rig_share": rig / took, "others_share": max(others, 0.0) / there_was}

    def measure_held(self, target: Target, dialect: str, work: Workload) -> dict[str, Any]:
        before = target.memory()
        load = self.load(target, dialect, work, 0)
        begun = wait_for_line(load.process, "held", PATIENCE)
        time.sleep(0.5)
        held = target.memory()
        self.upstream.tell("release")
        if not begun:
            load.stop()
            raise RuntimeError(f"not all streams have begun after {PATIENCE} s")
        told = self.finish(load, 0)
        return told | self.upstream.counts() | {"kib_each": (held - before) * 1000 / work.count, "memory": held}
