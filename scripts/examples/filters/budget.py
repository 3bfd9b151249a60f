#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A budget: who has used so many tokens today (UTC) is answered with 429 until tomorrow.

usage: PIPELINE='model-map | oai2anth | scripts/examples/filters/budget.py 1000000 spent.json -- claude-exec | anth2oai | sse-encode'

What a request costs is known when its answer ends, behind the backend; whether it may pass must be known before it. So
this is a wrapper: it runs the backend, and sees both sides. Who is meant is the name of the key, else the address. The
day is that of the request's own time. What was spent stands in a file, locked while it is changed, so that several
pipelines share it, and is still there after a restart.
"""
import datetime
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any, Callable

KINDS = ("input_tokens", "cache_creation_input_tokens", "output_tokens")


class Ledger:
    """What each has spent today."""

    def __init__(self, path: str):
        self.file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        self.lock = threading.Lock()

    def change(self, day: str, change: Callable[[dict[str, int]], int]) -> int:
        with self.lock:
            fcntl.flock(self.file, fcntl.LOCK_EX)
            try:
                self.file.seek(0)
                book = json.loads(self.file.read() or "{}")
                spent = book.get("spent", {}) if book.get("day", "") >= day else {}
                result = change(spent)
                text = json.dumps({"day": max(day, book.get("day", "")), "spent": spent})
                self.file.seek(0)
                self.file.truncate()
                self.file.write(text)
                self.file.flush()
                return result
            finally:
                fcntl.flock(self.file, fcntl.LOCK_UN)

    def spent(self, day: str, who: str) -> int:
        return self.change(day, lambda spent: spent.get(who, 0))

    def spend(self, day: str, who: str, tokens: int) -> int:
        return self.change(day, lambda spent: spent.update({who: spent.get(who, 0) + tokens}) or spent[who])


class Budget:
    def __init__(self, tokens: int, ledger: Ledger, command: list[str]):
        self.tokens, self.ledger = tokens, ledger
        self.open: dict[str, tuple[str, str]] = {}
        self.writing = threading.Lock()
        self.backend = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def write(self, line: bytes) -> None:
        with self.writing:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def refusal(self, line: bytes) -> list[dict[str, Any]] | None:
        """The answer to a request that may not pass; who may is remembered until its end."""
        try:
            record = json.loads(line)
            ctx = record["ctx"]
            if ctx.get("op") != "messages" or "request" not in record:
                return None
            at = datetime.datetime.fromtimestamp(ctx["http"]["time"] / 1e6, datetime.timezone.utc)
            who, day = ctx["http"].get("key") or ctx["http"].get("peer") or "someone", at.date().isoformat()
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # Not a record of http-frontd's: the backend says what it thinks of it.
        if self.ledger.spent(day, who) < self.tokens:
            self.open[record["rid"]] = (day, who)
            return None
        wait = 86_400 - (at.hour * 3600 + at.minute * 60 + at.second)
        body = {"type": "error", "request_id": record["rid"], "error": {
            "type": "rate_limit_error", "message": f"the budget of {self.tokens} tokens a day is spent"}}
        return [{"rid": record["rid"], "ctx": ctx, "error": {"status": 429, "headers": {"retry-after": str(wait)}, "body": body}},
                {"rid": record["rid"], "end": {}}]

    def requests(self) -> None:
        try:
            for line in sys.stdin.buffer:
                refusal = self.refusal(line) if b'"request":' in line else None
                if refusal:
                    self.write(b"".join(json.dumps(record).encode() + b"\n" for record in refusal))
                else:
                    self.backend.stdin.write(line)
                    self.backend.stdin.flush()
            self.backend.stdin.close()
        except BrokenPipeError:
            pass

    def answers(self) -> None:
        for line in self.backend.stdout:
            if b'"end":' in line:
                record = json.loads(line)
                if "end" in record and (known := self.open.pop(record["rid"], None)):
                    usage = record["end"].get("usage") or {}
                    # Before its end is told: who asks next finds it spent.
                    self.ledger.spend(*known, sum(usage.get(kind) or 0 for kind in KINDS))
            self.write(line)


def main() -> None:
    if len(sys.argv) < 5 or sys.argv[3] != "--" or not sys.argv[1].isdigit():
        print("usage: budget.py TOKENS FILE -- BACKEND [ARGUMENT]...", file=sys.stderr)
        sys.exit(64)
    budget = Budget(int(sys.argv[1]), Ledger(sys.argv[2]), sys.argv[4:])
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda number, _: budget.backend.send_signal(number))
    threading.Thread(target=budget.requests, daemon=True).start()
    try:
        budget.answers()
    except BrokenPipeError:
        # Nobody reads us any more.
        budget.backend.terminate()
    # Not by way of sys.exit, which would wait for a thread that waits for its input.
    status = budget.backend.wait()
    os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
