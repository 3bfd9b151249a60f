# SPDX-License-Identifier: MIT
"""The ways by which claude-exec brings a request through the real CLI: each proof is given for each of them."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
from backend import Backend
from server import CLI

# The long variants of the proofs, which take minutes: `make prove`.
IS_LONG = os.environ.get("LONG") == "1"
KEY = {"CLAUDE_AUTH": "key", "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests"}
LOGIN = {"CLAUDE_AUTH": "login", "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy-for-tests"}
# A way's name is that of its carrier, behind a key or a login; its settings are claude-exec's variables.
WAYS: dict[str, dict[str, str]] = {
    f"{payer}-{carrier}": {"CLAUDE_CARRIER": carrier} | settings
    for payer, carrier, settings in (("key", "V", KEY), ("key", "N", KEY), ("login", "N", LOGIN), ("login", "S", LOGIN))}
EACH_WAY = pytest.mark.parametrize("way", WAYS)


class Exec(Backend):
    """A claude-exec that has the real CLI, and asks the API at that address."""

    way = "key-V"

    def __init__(self, home: Path, upstream: str, *arguments: str, way: str = "key-V", **settings: str):
        self.way = way
        super().__init__(home, *arguments, ANTHROPIC_BASE_URL=upstream, **settings)

    def environment(self) -> dict[str, str]:
        return {"CLAUDE_CLI_PATH": str(CLI)} | WAYS[self.way]
