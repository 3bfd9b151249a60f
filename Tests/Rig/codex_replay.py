# SPDX-License-Identifier: MIT
"""Plays what the real Codex CLI was recorded to send (StandIns/record_codex.py), with the answers that it gets now."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[1] / "StandIns" / "recordings"
NAMES = sorted(path.stem.removeprefix("codex_") for path in FOLDER.glob("codex_*.json"))


class Recording:
    """The requests of one session, each made of the one before it and of the answer that came to that."""

    def __init__(self, name: str):
        recorded = json.loads((FOLDER / f"codex_{name}.json").read_text())
        self.headers: dict[str, str] = recorded["headers"] | {"authorization": "Bearer any"}
        self._requests: list[Json] = recorded["requests"]
        self._body: Json = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._requests)

    def next(self, answer: Json | None) -> Json:
        """The body of the next request, after this answer."""
        step, self._next = dict(self._requests[self._next]), self._next + 1
        if isinstance(step.get("input"), dict):
            output = answer["output"] if answer else []
            step["input"] = self._body["input"] + again(step["input"]["appended"], output)
        self._body = {key: value for key, value in (self._body | step).items() if value is not None}
        return self._body


def again(items: list[Json], output: list[Json]) -> list[Json]:
    """The recorded items, with all that was answered now in place of what was answered then.

    An item of a type that was not answered then, such as a text before a call, goes back as Codex sends a message.
    """
    forms = {item["$answered"]: item for item in items if "$answered" in item}
    message = dict.fromkeys(("type", "status", "id", "role", "content"), "$same")
    made = []
    for item in output:
        form = forms.get(item["type"], message)
        made.append({key: item.get(key) if value == "$same" else value for key, value in form.items()
                     if key != "$answered" and (value != "$same" or key in item)})
    calls = [item["call_id"] for item in output if "call_id" in item]
    made += [item | {"call_id": calls[0]} if item.get("call_id") == "$call" else item
             for item in items if "$answered" not in item]
    return made
