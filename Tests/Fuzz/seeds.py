#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the requests of Tests/Pipelines/hostile into a folder, one file each.

usage: seeds.py FOLDER
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "Pipelines"))
from hostile import GET, SMUGGLED, bodies, chunked, framing, heads, post  # noqa: E402
from hostile.odd import ODD  # noqa: E402

# What is longer says no more.
LONGEST = 8192
requests = [case.data for topic in (framing, chunked, heads, bodies) for case in topic.CASES]
requests += [case[1] for case in ODD]
requests += [post(b'{"model":"m","messages":[{"role":"user","content":"h\\u00e4 \xf0\x9f\x8e\x88"}]}') * 2, GET + b"\r\n"]
for number, data in enumerate(requests):
    for name, text in [(f"{number:03}", data), (f"{number:03}-next", data + SMUGGLED)]:
        if len(text) <= LONGEST:
            (Path(sys.argv[1]) / name).write_bytes(text)
