# SPDX-License-Identifier: MIT
"""claude-http alone, with an upstream that does all that one can do wrong: every answer is checked, to each token.

usage: upstream_soak.py [STREAMS [SECONDS]]        (500, and SECONDS from SOAK_SECONDS, else 600)

Prints one JSON object, and exits 1 where an answer was wrong, a request ended twice or never, or memory or
descriptors were lost.
"""
from __future__ import annotations

import collections
import json
import os
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Rig")]

import processes  # noqa: E402
from backend import SECRET, Backend, Record  # noqa: E402
from upstream_plays import ERRORS, HUGE, tokens_of  # noqa: E402

IDLE, FIRST_BYTE = 4, 3
# The status of the error that ends the answer, and whether the answer has begun before; None for a good answer.
OUTCOMES: dict[str, tuple[int, bool] | None] = {
    "good": None, "closing": None, "idle": None, "dying": None, "surplus": None, "odd": None, "trickle": None, "huge": None, "whole": None,
    "refused": (502, False), "broken": (502, True), "stalled": (504, True), "silent": (504, False),
    "garbage": (502, False), "bad_event": (502, True), "half_chunk": (502, True), "ended_early": (502, True),
    "late_error": (529, True), "page": (502, False), "cancelled": None,
    **{f"error {status}": (status, False) for status in ERRORS}}
WEIGHTS = {"good": 12, "idle": 4, "closing": 3, "dying": 3, "surplus": 3, "whole": 3, "cancelled": 3, "trickle": 2, "odd": 2}


class Asked:
    """One request, and what has come of it."""

    def __init__(self, name: str, kind: str, chance: random.Random):
        self.name, self.kind = name, kind
        self.count = chance.randint(1, 20)
        self.cancel_at = chance.randint(1, self.count + 4) if kind == "cancelled" else 0
        self.gap = 0.25
        self.kinds: list[str] = []
        self.text: list[str] = []
        self.error: Record | None = None
        self.end: Record = {}

    def body(self) -> Record:
        asked = {"name": self.name, "kind": self.kind, "count": self.count, "gap": self.gap}
        return {"stream": self.kind != "whole", "max_tokens": 1,
                "messages": [{"role": "user", "content": json.dumps(asked)}]}

    def take(self, record: Record) -> str:
        kind = list(record)[-1]
        if kind == "event":
            if (part := record["event"].get("delta", {})).get("type") == "text_delta":
                self.text.append(part["text"])
        elif kind == "response":
            self.text.append(record["response"]["content"][0]["text"])
        elif kind == "error":
            self.error = record["error"]
        elif kind == "end":
            self.end = record["end"]
        self.kinds.append(kind)
        return kind

    @property
    def was_killed(self) -> bool:
        """Its connection was closed when it had just been sent: the upstream may have it, so it isn't sent again."""
        return (self.kinds == ["error", "end"] and self.error is not None and self.error["status"] == 502
                and "may have been processed" in self.error["body"]["error"]["message"] and self.kind != "refused")

    def complaint(self) -> str | None:
        """What is wrong with the whole answer."""
        due, expected = OUTCOMES[self.kind], tokens_of(self.name, self.count)
        shape = [kind for index, kind in enumerate(self.kinds) if kind != "event" or self.kinds[index - 1] != "event"]
        if self.kind == "cancelled":
            if not self.end.get("cancelled") or shape not in (["end"], ["begin", "end"], ["begin", "event", "end"]):
                return f"{shape} {self.end}"
            return None if self.text == expected[:len(self.text)] else "text"
        if due is None:
            if shape != ["begin", "response" if self.kind == "whole" else "event", "end"]:
                return f"{shape} {self.error}"
            if self.kind == "whole":
                expected = ["".join(expected)]
            if self.kind == "huge":
                expected.insert(0, self.name * (HUGE // len(self.name)))
            return None if self.text == expected else "text"
        status, has_begun = due
        if not self.error or self.error["status"] != status:
            return f"{self.error} in the place of {status}"
        # A stream begins with its head; its events may be lost with the connection.
        if shape not in ([["begin", "event", "error", "end"], ["begin", "error", "end"]] if has_begun else [["error", "end"]]):
            return str(shape)
        if not has_begun and status in ERRORS and self.error["body"]["error"]["message"] != self.name:
            return "the error is another's"
        lost_by_reset = self.kind == "broken"
        if has_begun and not lost_by_reset and len(self.text) < self.count - (self.kind != "ended_early"):
            return f"{len(self.text)} of {self.count} tokens"
        return None if self.text == expected[:len(self.text)] else "text"


class Soak(Backend):
    """claude-http, and as many requests as there are streams, each followed by another until the time is over."""

    program = "claude-http"

    def environment(self) -> dict[str, str]:
        return {"ANTHROPIC_API_KEY": SECRET, "IDLE_TIMEOUT": str(IDLE), "FIRST_BYTE_TIMEOUT": str(FIRST_BYTE),
                "REQUEST_TIMEOUT": "60"}

    def __init__(self, home: Path, url: str, seed: int):
        self.random = random.Random(seed)
        self.open: dict[str, Asked] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.events = self.made = self.killed = 0
        self.more = True
        self.has_surplus = False
        self.done = threading.Event()
        self.outbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        super().__init__(home, "--log-level", "error", ANTHROPIC_BASE_URL=url)
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        """On a thread of its own: the reader must never wait for the pipe."""
        while line := self.outbox.get():
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def say(self, record: Record) -> None:
        self.outbox.put(json.dumps(record).encode() + b"\n")

    def next(self) -> None:
        self.made += 1
        kinds = list(OUTCOMES)
        weights = {**WEIGHTS, "surplus": WEIGHTS["surplus"] if self.has_surplus else 0}
        kind = self.random.choices(kinds, [weights.get(kind, 1) for kind in kinds])[0]
        asked = Asked(f"r{self.made}", kind, self.random)
        self.open[asked.name] = asked
        self.say({"rid": asked.name, "ctx": {"op": "messages"}, "request": asked.body()})

    def _read(self) -> None:
        for line in self.process.stdout:
            self._take_line(line)
        self.done.set()

    def _take_line(self, line: bytes) -> None:
        record = json.loads(line)
        self.events += 1
        asked = self.open.get(record["rid"])
        if not asked:
            self.wrong.append(f"after its end: {line[:300]!r}")
            return
        kind = asked.take(record)
        if asked.cancel_at and len(asked.kinds) == asked.cancel_at:
            self.say({"rid": asked.name, "cancel": True})
        if kind != "end":
            return
        del self.open[asked.name]
        self.counts[asked.kind] += 1
        if asked.was_killed:
            self.killed += 1
        elif complaint := asked.complaint():
            self.wrong.append(f"{asked.kind} {asked.name}: {complaint}")
        if self.more:
            self.next()
        elif not self.open:
            self.done.set()


def soak(folder: Path, streams: int, seconds: float, seed: int = 1) -> dict[str, Any]:
    """The report; its member ``wrong`` is empty where all is well."""
    upstream = subprocess.Popen([sys.executable, HERE / "upstream_plays.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = int(upstream.stdout.readline())
    one = Soak(folder / "home", f"http://127.0.0.1:{port}", seed)
    samples: list[tuple[float, int, int]] = []
    try:
        began = time.monotonic()
        for _ in range(streams):
            one.next()
        while (now := time.monotonic() - began) < seconds:
            time.sleep(max(0.2, seconds / 200))
            # In the last third alone: after a surplus answer no connections are kept, and none dies with a request.
            one.has_surplus = now > seconds * 2 / 3
            assert one.process.poll() is None, one.log.read_text()
            samples.append((now, processes.memory(one.process.pid, "Pss_Anon"), processes.descriptors(one.process.pid)))
        one.more = False
        never = [] if one.done.wait(90) else [f"{asked.kind} {name}: never ended" for name, asked in list(one.open.items())]
        status = one.close()
    finally:
        one.stop()
        upstream.stdin.close()
        upstream.wait(10)
    # A fifth of the time fills the pools.
    settled = samples[len(samples) // 5:]
    part = max(1, len(settled) // 4)
    memory = [statistics.median(sample[1] for sample in some) for some in (settled[:part], settled[-part:])]
    held = max(sample[2] for sample in samples)
    wrong = one.wrong + never
    if status:
        wrong.append(f"claude-http ended with {status}: {one.log.read_text()}")
    # One for each connection that dies with a request, and a few of those that close at the very moment.
    allowed = one.counts["dying"] + (one.counts["closing"] + one.counts["idle"]) // 10 + 5
    if one.killed > allowed:
        wrong.append(f"{one.killed} requests failed by connections that closed, {allowed} are allowed")
    # Each stream has a connection, and what broken ones leave is closed with the next request or soon after.
    if held > 2 * streams + 50:
        wrong.append(f"{held} descriptors")
    # The pools have their size by then; the rest is what is in the pipes.
    if memory[1] - memory[0] > 4_000:
        wrong.append(f"memory grew from {memory[0]} to {memory[1]} kB")
    return {"streams": streams, "seconds": round(time.monotonic() - began, 1), "requests": sum(one.counts.values()),
            "records": one.events, "killed": one.killed, "kinds": dict(sorted(one.counts.items())), "memory_kb": memory,
            "most_descriptors": held, "wrong": wrong[:20], "wrong_in_all": len(wrong)}


def main(arguments: list[str]) -> int:
    streams = int(arguments[0]) if arguments else 500
    seconds = float(arguments[1] if len(arguments) > 1 else os.environ.get("SOAK_SECONDS", 600))
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), streams, seconds)
    print(json.dumps(report))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
