# SPDX-License-Identifier: MIT
"""The examples of README.md are true: they run, and say what is shown (Tests/Rig/examples.py says how)."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from examples import Example, check, examples
from server import REPOSITORY, Proxy

README = REPOSITORY / "README.md"
EXAMPLES = examples("README", README.read_text()) if README.exists() else []


def test_there_are_examples() -> None:
    """README shows how to start, one curl for each interface, and pipelines to try by hand."""
    assert README.exists(), "README.md is missing"
    commands = "\n".join(example.commands for example in EXAMPLES)
    assert "make run" in commands
    assert "/v1/messages" in commands or "/v1/chat/completions" in commands
    assert "/openai/v1/chat/completions" in commands
    assert len(re.findall(r"oai2anth|anth2oai|sse-encode", commands)) >= 3


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_example(example: Example, echo: Proxy, tmp_path: Path) -> None:
    check(example, echo.port, tmp_path)
