# SPDX-License-Identifier: MIT
"""claude-http with an upstream that fails in all ways: in short what `make soak-upstream` does at length."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Load"))

import upstream_soak


def test_each_request_ends_once_and_rightly(tmp_path: Path) -> None:
    told = upstream_soak.soak(tmp_path, streams=150, seconds=float(os.environ.get("SOAK_SECONDS", 20)))
    assert told["wrong"] == [], told
    # Each way to fail was met.
    assert set(told["kinds"]) == set(upstream_soak.OUTCOMES) and told["requests"] > 500, told
