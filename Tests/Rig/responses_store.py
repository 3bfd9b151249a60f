# SPDX-License-Identifier: MIT
"""responses-store load and save with a stand-in for the backend between them."""
from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

from server import PROGRAMS, REPOSITORY

Json = dict[str, Any]
STANDIN = REPOSITORY / "Tests/StandIns/responses_backend.py"
# A time for the records, in seconds since the epoch.
NOW = 1_800_000_000
NAMES = itertools.count(1)


class Failed(Exception):
    def __init__(self, status: int, body: Json):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body
        self.error = body.get("error") or {}


class Store:
    """One pipeline; several may share a file."""

    def __init__(self, file: Path, *options: str, home: Path | None = None, prepare: Callable[[], None] | None = None):
        home = home or file.parent
        self.file, self.seen, self.log = file, home / f"seen-{next(NAMES)}", home / f"log-{next(NAMES)}"
        store = [str(PROGRAMS / "responses-store")]
        given = ["--file", str(file), *options]
        with open(self.log, "ab") as log:
            self.load = subprocess.Popen([*store, "load", *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, preexec_fn=prepare)
            self.backend = subprocess.Popen([sys.executable, "-S", STANDIN, self.seen], stdin=self.load.stdout, stdout=subprocess.PIPE)
            self.save = subprocess.Popen([*store, "save", *given], stdin=self.backend.stdout, stdout=subprocess.PIPE, stderr=log, preexec_fn=prepare)
        self.load.stdout.close()
        self.backend.stdout.close()

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        return [self.load, self.backend, self.save]

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self.processes:
            if process.stdin and not process.stdin.closed:
                try:
                    process.stdin.close()
                except BrokenPipeError:
                    pass
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.save.stdout.close()

    def write(self, *records: Json) -> None:
        self.load.stdin.write(b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records))
        self.load.stdin.flush()

    def read(self) -> Json:
        line = self.save.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def answer(self, rid: str) -> Json:
        """The body of the answer: of a stream, the response of its last event."""
        body: Json = {}
        failure = None
        while "end" not in (record := self.read()) or record["rid"] != rid:
            assert "keep" not in record
            if record["rid"] != rid:
                continue
            if "error" in record:
                failure = Failed(record["error"]["status"], record["error"]["body"])
            body = record.get("response") or record.get("event", {}).get("response") or body
        if failure:
            raise failure
        return body

    def create(self, input: Any = "hello", *, rid: str | None = None, key: str | None = None, time: int = NOW,
               op: str = "messages", **body: Any) -> Json:
        rid = rid or f"r{next(NAMES)}"
        self.write({"rid": rid, "ctx": ctx(op, key, time), "request": {"model": "m", "input": input, **body}})
        return self.answer(rid)

    def ask(self, op: str, id: str, query: str = "", key: str | None = None, time: int = NOW) -> Json:
        rid = f"r{next(NAMES)}"
        self.write({"rid": rid, "ctx": ctx(op, key, time, query) | {"id": id}, "request": None})
        return self.answer(rid)

    def sent(self) -> list[Json]:
        """The requests that came to the backend."""
        return [json.loads(line) for line in self.seen.read_bytes().splitlines()] if self.seen.exists() else []

    def logged(self) -> list[str]:
        return [json.loads(line)["msg"] for line in self.log.read_text().splitlines()]

    def health(self, time: int = NOW) -> Json:
        rid = f"r{next(NAMES)}"
        # As a backend answers it: the stand-in passes it on.
        self.write({"rid": rid, "ctx": {"op": "health", "http": {"time": time * 1_000_000}}, "begin": {"status": 200, "headers": {}}},
                   {"rid": rid, "response": {"status": "healthy", "details": {"pool": 1}}}, {"rid": rid, "end": {}})
        return self.answer(rid)["details"]["responses_store"]


def ctx(op: str = "messages", key: str | None = None, time: int = NOW, query: str = "") -> Json:
    http: Json = {"time": time * 1_000_000}
    if key:
        http["key"] = key
    if query:
        http["query"] = query
    return {"op": op, "dialect": "responses", "http": http}
