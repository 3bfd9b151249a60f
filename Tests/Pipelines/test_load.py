# SPDX-License-Identifier: MIT
"""Many streams and many idle connections at once, by the load client: in short what `make bench-streams` does at length."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Load"))

import streams


@pytest.mark.parametrize("dialect", streams.PATHS)
def test_every_stream_is_whole_and_right(tmp_path, dialect):
    told = streams.streams(tmp_path, dialect, count=300, rate=20, duration=2)
    assert (told["complete"], told["wrong"], told["pieces"]) == (300, 0, 300 * 40), told["complaint"]
    # Three times what it takes on its own: a leak for each stream would show.
    assert told["kib_per_stream"] < 40


def test_idle_connections_are_held_and_answered_again(tmp_path):
    told = streams.idle(tmp_path, 2000)
    assert told["answered_first"] == told["answered_again"] == 2000
    assert told["kib_per_connection"] < 30
