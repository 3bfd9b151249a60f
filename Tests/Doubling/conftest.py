# SPDX-License-Identifier: MIT
"""Says at the end which input is the worst one."""
from __future__ import annotations

from typing import Any

# How many times as much twice the input costs, of which program, and which input.
FOUND: list[tuple[float, str, str]] = []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for ratio, program, name in sorted(FOUND, reverse=True)[:5]:
        terminalreporter.write_line(f"doubling: {ratio:.2f} times the cost for twice as much: {program}, {name}")
