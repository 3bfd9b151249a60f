#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tries the Responses API on the whole proxy, by claude-http and by claude-exec in each of its ways, and prints a
Markdown table: feature by backend.

    python3 Tests/CLI/responses_table.py [CLI]

Ends with 1 where something is missed; why is told below the table.
"""
from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("Rig", "StandIns")]

from carriers import WAYS  # noqa: E402
from messages_api import MessagesAPI  # noqa: E402
from responses_features import FEATURES, Asker  # noqa: E402
from server import CLI, Proxy  # noqa: E402


def column(backend: str, cli: str, home: Path) -> dict[str, str]:
    """What each feature is worth by this backend: a word, or why not."""
    words = {}
    with MessagesAPI() as api:
        chosen = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "CLAUDE_CLI_PATH": cli}
        chosen |= {"BACKEND": "claude-exec"} | WAYS[backend] if backend in WAYS else {"BACKEND": "claude-http"}
        proxy = Proxy(home, **chosen)
        for name, feature in FEATURES.items():
            try:
                words[name] = feature(Asker(proxy, api))
            except Exception as error:  # Whatever it is: the table tells it, and the others are tried.
                words[name] = "**no**: " + " ".join(f"{type(error).__name__}: {error}".split())[:500]
        proxy.stop()
    return words


def main() -> int:
    cli = str(Path(sys.argv[1]).resolve()) if sys.argv[1:] else str(CLI)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        columns = {backend: column(backend, cli, Path(folder) / backend) for backend in ("claude-http", *WAYS)}
    print("| | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in FEATURES:
        print(f"| {name} | " + " | ".join(words[name].split(":")[0] for words in columns.values()) + " |")
    print()
    missed = 0
    for backend, words in columns.items():
        for name, word in words.items():
            if word.startswith("**no**"):
                missed += 1
                print(f"- {backend}, {name}: {word[8:]}")
    print(f"\n{len(FEATURES)} features of the Responses API, {len(columns)} backends, {time.monotonic() - began:.0f} s; {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
