# SPDX-License-Identifier: MIT
"""How fast claude-exec brings a request to the API by the real CLI, and its events back: medians, in Markdown.

usage: cli.py [RUNS]        (30 unless told; the ways take turns)

The times go from the request's record to the request at the stand-in for the API; for `claude -p`, from its start.
"""
from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Rig"), str(HERE.parent / "StandIns")]

import processes  # noqa: E402
from backend import ask_for  # noqa: E402
from carriers import KEY, Exec  # noqa: E402
from messages_api import MessagesAPI  # noqa: E402
from server import CLI  # noqa: E402

SYSTEM = "You are brief."
# The beginning of an answer can't be said again: by S it would go as by N.
EVENTS = 100


def since(began: float, api: MessagesAPI) -> float:
    """Milliseconds until the message was asked for; the CLI may ask for other things before."""
    asked = [record for record in api.records("request") if record["method"] == "POST" and "/v1/messages?" in record["path"]]
    return 1000 * (asked[0]["mono"] - began)


class Way:
    """One row: a claude-exec, and how it is asked."""

    def __init__(self, home: Path, api: MessagesAPI, way: str, *, warm: bool):
        self.api, self.warm, self.number = api, warm, 0
        self.one = Exec(home, api.url, "--warm-processes", "1" if warm else "0", way=way)
        if warm:
            for _ in range(3):
                self.once()
                time.sleep(0.7)

    def once(self) -> float:
        """Milliseconds from the record to the API."""
        self.number += 1
        rid = f"r{self.number}"
        self.api.reset()
        # A process that has another beta feature can't take it: so a new one is started.
        headers = {} if self.warm else {"anthropic-beta": f"bench-{self.number}"}
        began = time.monotonic()
        self.one.request(rid, ask_for("hi", system=SYSTEM), http={"headers": headers})
        self.one.answer(rid, 30)
        return since(began, self.api)

    def parked(self) -> float:
        """The same for the first request of a process that was started ahead."""
        for pid in self.one.clis():
            os.kill(pid, 9)
        time.sleep(1.5)
        return self.once()

    def events(self) -> list[float]:
        """Milliseconds from the API's writing of each event to its record."""
        self.number += 1
        rid = f"r{self.number}"
        self.one.request(rid, ask_for(f"[[clock:{EVENTS}]][[slow:0.01]]", stream=True))
        records = self.one.answer(rid, 30)
        texts = [(record["event"].get("delta", {}).get("text"), at)
                 for record, at in zip(records, self.one.times[rid]) if "event" in record]
        return [1000 * (at - float(text)) for text, at in texts if text]

    def cpu(self, requests: int) -> float:
        """Milliseconds of processor time for one request, of claude-exec and its processes."""
        before = self._ticks()
        for _ in range(requests):
            self.once()
        time.sleep(0.3)
        return 1000 * (self._ticks() - before) / os.sysconf("SC_CLK_TCK") / requests

    def _ticks(self) -> int:
        # With what has ended: claude-exec has collected it.
        total = 0
        for pid in {self.one.process.pid} | self.one.clis():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15 if pid == self.one.process.pid else 13])
        return total


def by_hand(home: Path, api: MessagesAPI) -> float:
    """`claude -p`, as a shell starts it."""
    api.reset()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "ANTHROPIC_BASE_URL": api.url,
                   "ANTHROPIC_API_KEY": KEY["ANTHROPIC_API_KEY"]}
    began = time.monotonic()
    subprocess.run([CLI, "-p", "hi", "--model", "claude-sonnet-4-5", "--system-prompt", SYSTEM], env=environment, cwd=home,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)
    return since(began, api)


def cell(times: list[float]) -> str:
    return f"{statistics.median(times):.0f} | {min(times):.0f} to {max(times):.0f}"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"{processes.name(os.getpid())} on {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {runs} runs each\n")
    with ExitStack() as stack, MessagesAPI() as api:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "hand").mkdir()

        def way(name: str, warm: bool) -> Way:
            made = Way(folder / f"{name}-{warm}", api, name, warm=warm)
            stack.callback(made.one.stop)
            return made

        warm = {name: way(name, True) for name in ("key-V", "login-S")}
        cold = {name: way(name, False) for name in ("key-V", "login-S", "login-N")}
        rows = {f"{name} warm": [] for name in warm} | {f"{name} started ahead, its first request": [] for name in warm} | {
            f"{name} cold": [] for name in cold} | {"`claude -p` by hand": []}
        for _ in range(runs):
            for name, one in warm.items():
                rows[f"{name} warm"].append(one.once())
            for name, one in cold.items():
                rows[f"{name} cold"].append(one.once())
            rows["`claude -p` by hand"].append(by_hand(folder / "hand", api))
        for _ in range(max(runs // 3, 3)):
            for name, one in warm.items():
                rows[f"{name} started ahead, its first request"].append(one.parked())
        print("| from the record to the API, ms | median | range |\n|---|---|---|")
        for name, times in rows.items():
            print(f"| {name} | {cell(times)} |")
        print("\n| added to an event of a stream, ms | p50 | p99 |\n|---|---|---|")
        for name, one in warm.items():
            one.once()
            added = sorted(time for _ in range(3) for time in one.events())
            print(f"| {name} | {added[len(added) // 2]:.2f} | {added[len(added) * 99 // 100]:.2f} |")
        print("\n| processor time of a request, ms | |\n|---|---|")
        for name, one in (warm | {"login-N": cold["login-N"]}).items():
            print(f"| {name} | {one.cpu(10):.0f} |")


main()
