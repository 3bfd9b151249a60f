# SPDX-License-Identifier: MIT
"""The tables of fates: what becomes of each field, and why."""
from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Callable, Iterable

from fields import Variant

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


def rows_of_answer(table: str, walked: Iterable[str], fates: set[str]) -> dict[str, tuple[str, Row]]:
    """The row of each field that was walked, with the row's own path; the table must be complete and sound."""
    known = rows(table)
    found = {path: _nearest(path, known) for path in walked}
    print(f"{len(found)} fields and values walked, {len(known)} rows")
    new = [path for path, row in found.items() if row is None]
    assert not new, f"Anthropic's SDK has what has no fate in [{table}] of fates.toml: {new}"
    gone = sorted(set(known) - set(found.values()))
    assert not gone, f"[{table}] of fates.toml has rows for what Anthropic's SDK no longer has: {gone}"
    for path, row in known.items():
        assert row["fate"] in fates, path
        assert "to" in row if row["fate"] == "exact" else row.get("why"), f"{path}: no place, or no reason"
        assert row["fate"] not in ("dropped", "approximated") or "says" in row, path
    return {path: (row, known[row]) for path, row in found.items() if row}


def _nearest(path: str, known: dict[str, Row]) -> str | None:
    """The row of the field itself, or of what it is a part of."""
    while path not in known:
        cut = max(path.rfind("."), path.rfind("["), path.rfind("="))
        if cut <= 0:
            return None
        path = path[:cut]
    return path


def check_answers(variants: dict[str, Variant], found: dict[str, tuple[str, Row]], answers: list[list[Row]],
                  wrong: Callable[[Variant, str, Row, list[Row]], str | None]) -> None:
    """Each field has the fate of its row. `wrong` says how records differ from it."""
    differences = [f"{path} ({found[path][1]['fate']}) {difference}"
                   for (path, variant), records in zip(variants.items(), answers)
                   if (difference := wrong(variant, *found[path], records))]
    assert not differences, f"{len(differences)} of {len(variants)}:\n" + "\n".join(differences)
