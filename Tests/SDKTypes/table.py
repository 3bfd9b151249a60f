# SPDX-License-Identifier: MIT
"""The tables of fates: what becomes of each field, and why."""
from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_TABLES = tomllib.loads((Path(__file__).parent / "fates.toml").read_text())


def rows(table: str) -> dict[str, Row]:
    return _TABLES[table]


def check_complete(table: str, walked: set[str], what: str) -> None:
    """Every field has a row, and every row has a field."""
    known = set(rows(table))
    new, gone = sorted(walked - known), sorted(known - walked)
    assert not new, f"{what} has fields without a fate in [{table}] of fates.toml: {', '.join(new)}"
    assert not gone, f"[{table}] of fates.toml has rows for what {what} no longer has: {', '.join(gone)}"
