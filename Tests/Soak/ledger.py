# SPDX-License-Identifier: MIT
"""What was asked and what came of it, held against the server's own log."""
from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Literal

# How often a request's line must stand in the log. One whose client has reset its connection may be lost on the way.
Times = Literal["once", "at most once"]


class Wrong(Exception):
    """An answer that isn't the one which was due."""


class Ledger:
    """Counts by kind, and keeps what was wrong."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.delays: dict[str, list[float]] = defaultdict(list)
        self.wrongs: list[str] = []
        self.tokens = 0
        self._asked: dict[str, Times] = {}
        self._answered: dict[str, tuple[str, int]] = {}

    def ask(self, kind: str, client: str, times: Times) -> None:
        """A request is about to be sent, with this x-request-id of its client."""
        self.sent[kind] += 1
        self._asked[client] = times

    def answered(self, client: str, rid: str, status: int) -> None:
        """The head of its answer has come."""
        self._answered[client] = (rid, status)

    def came(self, kind: str, outcome: str, delay: float | None = None) -> None:
        self.outcomes[kind][outcome] += 1
        if delay is not None:
            self.delays[kind].append(delay)

    def wrong(self, what: str) -> None:
        self.wrongs.append(what)

    def compare(self, log: AccessLog) -> None:
        """Each request must have its one line in the log, and what the line says must be what the client saw.

        While its reader stops, the log drops what it has no room for, and tells the number.
        """
        missing = [client for client, times in self._asked.items() if times == "once" and not log.lines.get(client)]
        if len(missing) > log.dropped:
            self.wrong(f"the log dropped {log.dropped} lines, and {len(missing)} are missing, as that of {missing[0]}")
        for client in self._asked:
            lines = log.lines.get(client, [])
            if len(lines) > 1:
                self.wrong(f"{client} has {len(lines)} lines in the access log")
            if lines and (seen := self._answered.get(client)) and seen != lines[0][:2]:
                self.wrong(f"{client} got {seen}, the access log has {lines[0]}")
        for client in log.lines.keys() - self._asked.keys():
            self.wrong(f"{client} is in the access log, and nobody asked it")
        for rid in log.twice:
            self.wrong(f"{rid} has more than one end in the access log")
        for line in log.complaints:
            self.wrong(f"the log says: {line}")


class AccessLog:
    """Reads the server's log as it grows."""

    def __init__(self, path: Path):
        self._file = open(path, "rb")
        self._rest = b""
        # By the client's id: rid and status of each line.
        self.lines: dict[str, list[tuple[str, int]]] = defaultdict(list)
        # Lines of requests in all; those of one that no client of ours has named (its head could not be read).
        self.requests = self.nameless = 0
        self.twice: list[str] = []
        # What the log says that it dropped, in lines.
        self.dropped = 0
        # What no load may bring about.
        self.complaints: list[str] = []
        self.errors: Counter[str] = Counter()
        self._rids: set[str] = set()

    def read(self) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        self.dropped += line.get("dropped", 0)
        if line["msg"] != "request":
            if line["level"] == "error" or "unknown request" in line["msg"] or "no record" in line["msg"]:
                self.complaints.append(json.dumps(line)[:300])
            return
        self.requests += 1
        if line["id"] in self._rids:
            self.twice.append(line["id"])
        self._rids.add(line["id"])
        self.errors[line.get("error", "none")] += 1
        if "client_id" in line:
            self.lines[line["client_id"]].append((line["id"], line["status"]))
        else:
            self.nameless += 1

    def accounts_for(self, requests: int) -> bool:
        """Whether it has a line for each of so many requests, but for the lines that it dropped."""
        return requests - self.dropped <= self.requests <= requests

    def close(self) -> None:
        self._file.close()
