# SPDX-License-Identifier: MIT
"""What reaches the API of made-up requests of all kinds: nothing but what the manual and the ledger say differs."""
from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Callable

import generated
from carriers import EACH_WAY, IS_LONG, Exec
from messages_api import MessagesAPI
from verbatim import Differences

COUNT = 200 if IS_LONG else 20


def number_of(body: dict[str, Any]) -> int:
    return int(re.search(r"request-(\d+)-begins", json.dumps(body["messages"]))[1])


@EACH_WAY
def test_verbatim(run: Callable[..., Exec], api: MessagesAPI, way: str) -> None:
    one = run(way, "--max-processes", "4", "--queue-timeout", "600")
    asked = {number: generated.request(number) for number in range(COUNT)}
    for number, body in asked.items():
        one.request(str(number), body)
    answers = {number: one.answer(str(number), 600) for number in asked}
    arrived = {number_of(body): body for body in api.bodies()}
    assert len(api.bodies()) == COUNT, "each was asked once"
    counts, defects = Counter(), []
    for number, body in asked.items():
        assert "error" not in answers[number][1], (number, answers[number])
        found = Differences(way, body, arrived[number], answers[number][0]["ctx"].get("loss", []))
        counts.update(found.known)
        defects += [f"request {number}: {defect}" for defect in found.defects]
    print(f"\n\n| by {way}, of {COUNT} requests | |\n|---|---|")
    print("\n".join(f"| {name} | {count} |" for name, count in sorted(counts.items())))
    print(f"| anything else | {len(defects)} |")
    # Bare, as the CLI is with a key, it has none.
    assert way.startswith("login") or not any("reminders" in name for name in counts)
    assert not defects, "\n".join(defects[:20])
