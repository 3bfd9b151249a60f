# SPDX-License-Identifier: MIT
"""What the whole proxy makes of thousands of clients at once, on claude-echo, as JSON lines.

usage: streams.py streams [COUNT [EVENTS_PER_SECOND [SECONDS]]]        (2000, 20 and 30 unless told)
       streams.py idle [CONNECTIONS]                                   (10000)

The load client is load.c: it checks each answer to the last byte, and tells what it took itself.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Rig")]

import processes  # noqa: E402
from server import Proxy  # noqa: E402

PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions", "responses": "/v1/responses"}
TICKS = os.sysconf("SC_CLK_TCK")


def client(folder: Path) -> Path:
    """The load client, built."""
    program = folder / "load"
    subprocess.run(["clang", "-O2", "-o", program, HERE / "load.c", HERE / "answer.c"], check=True)
    return program


class Look:
    """What the server and its stages hold and have taken, by name: memory of their own in kB, descriptors, processor seconds."""

    def __init__(self, proxy: Proxy):
        stages = {pid: stage for stage, pid in proxy.stages().items()}
        # Stages that share a process are one of these.
        pids = {"http-frontd": proxy.process.pid} | {
            "claude-pipe" if processes.name(pid) == "claude-pipe" else stage: pid for pid, stage in stages.items()}
        self.memory = {name: processes.memory(pid, "Pss_Anon") for name, pid in pids.items()}
        self.descriptors = {name: processes.descriptors(pid) for name, pid in pids.items()}
        self.seconds = {name: seconds(pid) for name, pid in pids.items()}

    def is_back_to(self, before: Look) -> bool:
        """Whether no program holds more descriptors; the connection that the test itself had may have been among them."""
        return all(held <= before.descriptors[name] for name, held in self.descriptors.items())

    def since(self, before: Look) -> dict[str, float]:
        return {name: round(self.seconds[name] - before.seconds[name], 2) for name in self.seconds}


def seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def streams(folder: Path, dialect: str, count: int, rate: float, duration: float) -> dict:
    """``count`` streams at once, each of ``rate`` events a second; raises when one of them is wrong."""
    load = client(folder)
    pieces = int(rate * duration)
    marks = f"[[stamp]][[len:{pieces}]][[slow:{1 / rate}]]"
    asked = {"input": marks} if dialect == "responses" else {"max_tokens": 100_000, "messages": [{"role": "user", "content": marks}]}
    body = json.dumps({"model": "claude-sonnet-4-5", "stream": True} | asked)
    proxy = Proxy(folder / f"home-{dialect}", BACKEND="claude-echo", MAX_CONNECTIONS=str(count + 100), LOG_LEVEL="warning")
    try:
        proxy.ask("POST", PATHS[dialect], json.loads(body.replace(marks, "hi")) | {"stream": False})
        before = Look(proxy)
        # Phases that differ, as those of clients do: the first events of all come within a pause between two.
        run = subprocess.Popen([load, str(proxy.port), "streams", str(count), str(pieces), "1", PATHS[dialect], body],
                               stdout=subprocess.PIPE, text=True)
        time.sleep(1 + duration / 2)
        held = Look(proxy)
        out, _ = run.communicate(timeout=60 + 4 * duration)
        told = json.loads(out)
        after = Look(proxy)
        processes.wait_for("all descriptors are back", lambda: Look(proxy).is_back_to(before))
    finally:
        proxy.stop()
    more = sum(held.memory.values()) - sum(before.memory.values())
    cpu = after.since(before)
    return {"dialect": dialect, "streams": count, **told, "kib_per_stream": round(more / count, 1),
            "cpu_share": round(sum(cpu.values()) / told["seconds"], 3),
            "us_per_event": round(1e6 * sum(cpu.values()) / told["pieces"], 1), "cpu": cpu,
            "memory_before": before.memory, "memory_held": held.memory}


def idle(folder: Path, count: int) -> dict:
    """``count`` connections that are kept alive, and ask nothing."""
    load = client(folder)
    proxy = Proxy(folder / "home", BACKEND="claude-echo", MAX_CONNECTIONS=str(count + 100), LOG_LEVEL="warning")
    try:
        # All stages are up when one request has gone through them.
        assert proxy.ask("GET", "/health/ready").status == 200
        before = Look(proxy)
        run = subprocess.Popen([load, str(proxy.port), "idle", str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert run.stdout.readline() == "held\n"
        held = Look(proxy)
        out, _ = run.communicate("\n", timeout=60)
        told = json.loads(out)
        processes.wait_for("all descriptors are back", lambda: Look(proxy).is_back_to(before))
    finally:
        proxy.stop()
    return {**told, "memory_before": before.memory, "memory_held": held.memory,
            "all_mb": round(sum(held.memory.values()) / 1000, 1),
            "kib_per_connection": round((sum(held.memory.values()) - sum(before.memory.values())) / count, 2)}


if __name__ == "__main__":
    what, *numbers = sys.argv[1:] or ["streams"]
    with tempfile.TemporaryDirectory() as folder:
        if what == "idle":
            print(json.dumps(idle(Path(folder), *map(int, numbers or [10_000]))))
        else:
            count, rate, duration = [float(number) for number in numbers] + [2000, 20, 30][len(numbers):]
            for dialect in PATHS:
                print(json.dumps(streams(Path(folder), dialect, int(count), rate, duration)), flush=True)
