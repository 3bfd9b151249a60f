# SPDX-License-Identifier: MIT
"""The stand-in for the API, in a process of its own: what it does must not delay the clients."""
from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Iterator

SCRIPT = Path(__file__).resolve().parents[1] / "StandIns" / "messages_api.py"


@contextlib.contextmanager
def standin() -> Iterator[dict[str, str]]:
    """The settings by which a server uses it."""
    process = subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline().split()[-1].rpartition(":")[2])
        yield {"ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"}
    finally:
        process.terminate()
        process.wait(10)
