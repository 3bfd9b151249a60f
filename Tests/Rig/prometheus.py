# SPDX-License-Identifier: MIT
"""Prometheus's own checker, and what stands in /metrics."""
from __future__ import annotations

import subprocess

from server import BUILD

PROMTOOL = BUILD / "promtool" / "promtool"


def promtool(*arguments: object, text: str | None = None) -> None:
    assert PROMTOOL.exists(), "no promtool: scripts/setup test brings one"
    said = subprocess.run([PROMTOOL, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr


def samples(text: str) -> dict[str, float]:
    """The values by name and labels."""
    return {key: float(value) for key, _, value in
            (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))}
