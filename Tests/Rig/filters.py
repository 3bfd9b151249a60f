# SPDX-License-Identifier: MIT
"""Runs single filters of the pipe on lines of records."""
from __future__ import annotations

import json
import subprocess
from typing import Any

from server import PROGRAMS


def pipe(program: str, lines: list[str], *options: str) -> list[dict[str, Any]]:
    """The records that a filter makes of these lines."""
    given = "".join(line + "\n" for line in lines).encode()
    made = subprocess.run([PROGRAMS / program, *options], input=given, capture_output=True, timeout=60, check=True).stdout
    return [json.loads(line) for line in made.splitlines()]
