#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tries what claude-exec needs of a CLI, and prints a Markdown table: feature by version and way.

    python3 Tests/CLI/table.py CLI...

Ends with 1 where the first CLI misses something; why is told below the table.
"""
from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("Rig", "StandIns")]

from carriers import WAYS, Exec  # noqa: E402
from features import FEATURES, Bench  # noqa: E402
from messages_api import MessagesAPI  # noqa: E402


def version(cli: Path) -> str:
    said = subprocess.run([cli, "--version"], capture_output=True, text=True, timeout=30, check=True)
    return said.stdout.split()[0]


def column(cli: Path, way: str, home: Path) -> dict[str, str]:
    """What each feature is worth by this way: a word, or why not."""
    words = {}
    with MessagesAPI() as api:
        # None is started ahead, so that it can be seen which process served.
        one = Exec(home, api.url, way=way, CLAUDE_CLI_PATH=str(cli), CLAUDE_WARM_PROCESSES="0")
        bench = Bench(one, api)
        for name, feature in FEATURES.items():
            try:
                words[name] = feature(bench)
            except Exception as error:  # Whatever it is: the table tells it, and the others are tried.
                words[name] = "**no**: " + " ".join(f"{type(error).__name__}: {error}".split())[:500]
        one.stop()
    return words


def main() -> int:
    clis = [Path(name).resolve() for name in sys.argv[1:]]
    if not clis:
        sys.exit(__doc__)
    began, columns = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        for number, cli in enumerate(clis):
            for way in WAYS:
                columns[version(cli), way] = column(cli, way, Path(folder) / f"{number}-{way}")
    print("| | " + " | ".join(f"{number}, {way}" for number, way in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in FEATURES:
        print(f"| {name} | " + " | ".join(words[name].split(":")[0] for words in columns.values()) + " |")
    print()
    for (number, way), words in columns.items():
        for name, word in words.items():
            if word.startswith("**no**"):
                print(f"- {number}, {way}, {name}: {word[8:]}")
    first = version(clis[0])
    missed = sum(word.startswith("**no**") for (number, _), words in columns.items() if number == first for word in words.values())
    print(f"\n{len(FEATURES)} features, {len(columns)} columns, {time.monotonic() - began:.0f} s; {first} misses {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
