# SPDX-License-Identifier: MIT
"""A minute of `make soak`, and less of it with claude-http: good and bad clients, nothing wrong, nothing left."""
from __future__ import annotations

import os
import subprocess
import sys

import pytest
from server import REPOSITORY

SOAK = REPOSITORY / "Tests" / "Soak" / "soak.py"
SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))


# Others work on the same machine meanwhile: less than it could do.
@pytest.mark.parametrize("backend, seconds, rate", [("claude-echo", SECONDS, 120), ("claude-http", SECONDS / 2, 40)])
def test_soak(backend: str, seconds: float, rate: int) -> None:
    said = subprocess.run(
        [sys.executable, "-B", SOAK, "--backend", backend, "--seconds", str(seconds), "--rate", str(rate)],
        capture_output=True, text=True, timeout=seconds + 200)
    print(said.stdout)
    assert said.returncode == 0, said.stdout[-6000:] + said.stderr[-3000:]
