# SPDX-License-Identifier: MIT
"""Sends many records through a pipe of the built programs at once, and sorts what comes out by rid."""
from __future__ import annotations

import json
import subprocess
from typing import Any

from server import PROGRAMS

Json = dict[str, Any]


def run(pipe: str, lines: list[str]) -> str:
    """What a pipe of our programs says to these lines."""
    said = subprocess.run(["sh", "-euc", pipe], input="".join(line + "\n" for line in lines), capture_output=True,
                          text=True, timeout=60, env={"PATH": f"{PROGRAMS}:/usr/bin:/bin"})
    assert said.returncode == 0, said.stderr[-2000:]
    return said.stdout


def by_rid(text: str) -> dict[str, list[Json]]:
    """The records, by rid and in order."""
    found: dict[str, list[Json]] = {}
    for line in text.split("\n")[:-1]:
        record = json.loads(line)
        found.setdefault(record["rid"], []).append(record)
    return found


def ask(bodies: list[Json], dialect: str = "openai", arguments: str = "", ctx: Json = {}) -> list[list[Json]]:
    """The records that the request side makes of each body."""
    lines = [json.dumps({"rid": str(number), "ctx": {"op": "messages", "dialect": dialect} | ctx, "request": body})
             for number, body in enumerate(bodies)]
    records = by_rid(run(f"model-map | oai2anth {arguments} | resp2anth {arguments}", lines))
    return [records[str(number)] for number in range(len(bodies))]


def answer(payloads: list[list[tuple[str, Any]]], include_usage: bool = False) -> list[list[Json]]:
    """The records that anth2oai makes of each answer, given as kinds and payloads behind its `begin`."""
    return translated("anth2oai", "openai", payloads, {"oai2anth": {"include_usage": True}} if include_usage else {})


def response(payloads: list[list[tuple[str, Any]]], note: Json, **more: Any) -> list[list[Json]]:
    """The records that anth2resp makes of each answer, with what the request side noted for all of them."""
    return translated("anth2resp", "responses", payloads, {"resp2anth": note, **more})


def translated(program: str, dialect: str, payloads: list[list[tuple[str, Any]]], more: Json) -> list[list[Json]]:
    lines = []
    ctx: Json = {"op": "messages", "dialect": dialect, "http": {"time": 1_700_000_000_000_000},
                 "model": {"asked": "claude-asked", "effective": "claude-effective"}, **more}
    for number, records in enumerate(payloads):
        rid = str(number)
        lines.append(json.dumps({"rid": rid, "ctx": ctx, "begin": {"status": 200, "headers": {}}}))
        lines += [json.dumps({"rid": rid, kind: payload}, ensure_ascii=number % 2 == 0) for kind, payload in records]
        lines.append(json.dumps({"rid": rid, "end": {}}))
    records_by_rid = by_rid(run(program, lines))
    return [records_by_rid[str(number)] for number in range(len(payloads))]
