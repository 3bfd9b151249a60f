# SPDX-License-Identifier: MIT
"""A backend by its pipe: records in, records out. claude-exec has the scripted stand-in as its CLI."""
from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import processes
from processes import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("BIN") or REPOSITORY / os.environ.get("SCRATCH", ".build") / "release").resolve()
STAND_IN = REPOSITORY / "Tests/StandIns/fake-claude"
RECORDINGS = REPOSITORY / "Tests/StandIns/recordings"
# The interpreter itself: a shim in front of it would add to the environment that a test looks at.
PATH = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
SECRET = "sk-ant-secret-of-the-owner"

Record = dict[str, Any]


def ask_for(text: str, **more: Any) -> Record:
    return {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]} | more


class Backend:
    """A running claude-exec with a home of its own."""

    program = "claude-exec"

    def environment(self) -> dict[str, str]:
        return {"CLAUDE_CLI_PATH": str(STAND_IN), "ANTHROPIC_API_KEY": SECRET, "CLAUDE_AUTH": "key",
                "CLAUDE_CARRIER": "N"}

    def __init__(self, home: Path, *arguments: str, **settings: str):
        self.home = home
        self.run = home / "run"
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "log"
        environment = {"PATH": PATH, "HOME": str(home), "RUN_DIR": str(self.run), "NEVER_INHERITED": "1"}
        environment |= self.environment() | settings
        chosen = {name: value for name, value in environment.items() if value}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([PROGRAMS / self.program, *arguments], env=chosen, cwd=home,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.raw: list[bytes] = []
        self.lines: queue.Queue[tuple[float, Record] | None] = queue.Queue()
        self.kept: dict[str, list[Record]] = {}
        self.times: dict[str, list[float]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.raw.append(line)
            self.lines.put((time.monotonic(), json.loads(line)))
        self.lines.put(None)

    def send(self, *records: Record) -> None:
        self.process.stdin.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
        self.process.stdin.flush()

    def request(self, rid: str, body: Any, **ctx: Any) -> None:
        self.send({"rid": rid, "ctx": {"op": "messages"} | ctx, "request": body})

    def _take(self, seconds: float) -> None:
        got = self.lines.get(timeout=seconds)
        assert got is not None, f"{self.program} has ended: " + self.log.read_text()
        at, record = got
        self.kept.setdefault(record["rid"], []).append(record)
        self.times.setdefault(record["rid"], []).append(at)

    def wait(self, rid: str, kind: str, seconds: float = 30) -> Record:
        """The first record of that kind for that rid."""
        until = time.monotonic() + seconds
        while True:
            for record in self.kept.get(rid, []):
                if kind in record:
                    return record
            self._take(max(until - time.monotonic(), 0.001))

    def answer(self, rid: str, seconds: float = 30) -> list[Record]:
        """All records of a request; they must follow the grammar."""
        self.wait(rid, "end", seconds)
        records = self.kept[rid]
        kinds = [list(record)[-1] for record in records]
        assert kinds.count("end") == 1 and kinds[-1] == "end", kinds
        assert all(list(record)[0] == "rid" for record in records)
        if kinds != ["end"]:
            assert "ctx" in records[0] and not any("ctx" in record for record in records[1:])
        return records

    def ask(self, text: str, rid: str = "r", seconds: float = 30, **more: Any) -> list[Record]:
        self.request(rid, ask_for(text, **more))
        return self.answer(rid, seconds)

    def error(self, text: str, rid: str = "r", **more: Any) -> Record:
        records = self.ask(text, rid, **more)
        return next(record["error"] for record in records if "error" in record)

    def clis(self) -> set[int]:
        """The CLI's processes, and what they started."""
        return {pid for pid in processes.with_home(self.home) if pid != self.process.pid and processes.alive(pid)}

    def files(self) -> list[Path]:
        """All that is in its private directory but empty folders, of which each CLI has some."""
        # Not by glob, which fails where a folder goes meanwhile.
        found = [Path(folder) / name for top in self.run.glob("claude-exec-*") for folder, folders, files in os.walk(top)
                 for name in folders + files]
        return [path for path in found if path.is_symlink() or path.is_file()]

    def dump(self) -> Record:
        [path] = self.home.glob("dump-*.json")
        return json.loads(path.read_text())

    def close(self) -> int:
        """Ends the input; the status of the program."""
        self.process.stdin.close()
        return self.process.wait(30)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        left = self.clis()
        for pid in left:
            os.kill(pid, signal.SIGKILL)

    def wait_gone(self, seconds: float = 2) -> None:
        wait_for("all CLIs are gone", lambda: not self.clis(), seconds)
