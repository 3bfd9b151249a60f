# SPDX-License-Identifier: MIT
"""The benchmark of whole proxies, in short: it runs, every answer is whole and right, and its figures can be true."""
import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from server import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "Tests/Bench/proxies"))

import bench
from targets import Upstream

WORKLOADS = {"whole-16", "burst-16", "paced-50", "held-2000", "large-4"}
SIDES = {("nginx", "anthropic"), ("claude-proxy", "anthropic"), ("claude-proxy", "openai"), ("claude-proxy", "responses")}


def test_every_target_answers_rightly_and_is_measured(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-B", REPOSITORY / "Tests/Bench/proxies/bench.py", "--reps", "1", "--seconds", "0.2", "--shrink", "20",
         "--targets", "nginx,ours", "--only", ",".join(WORKLOADS), tmp_path], capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [row for row in json.loads((tmp_path / "figures.json").read_text())["rows"] if row["workload"] != "start"]
    assert {(row["workload"], row["target"], row["dialect"]) for row in rows} == {(work, *side) for work in WORKLOADS for side in SIDES}
    for row in rows:
        # The upstream was asked once for each answer, and for nothing else.
        assert row["wrong"] == 0 and row["complete"] == row["messages"] > 0 and row["others"] == 0, row
        assert 0 <= row["p50_us"] <= row["p99_us"] and 0 < row["answer_p50_us"] <= row["answer_p99_us"], row
        if row["workload"] == "held-2000":
            assert row["complete"] == 100
            continue
        assert 0 <= row["rig_share"] < 2 and 0 <= row["others_share"] <= 1, row
        assert row["cpu_ms"] > 0 and row["memory"] > 1, row
        if row["workload"] == "paced-50":
            # A piece comes after it was made, and 50 of them take 49 pauses of 20 ms.
            assert row["p50_us"] > 0 and row["answer_p50_us"] >= 975_000, row
    text = (tmp_path / "report.md").read_text()
    for dialect in ("openai", "responses"):
        assert text.count(f"| claude-proxy {dialect} |") == len(WORKLOADS)
    for name in WORKLOADS | {"start"}:
        ElementTree.parse(tmp_path / f"{name}.svg")


@pytest.mark.parametrize("mode", ["wholes", "streams"])
@pytest.mark.parametrize("asked, are_right", [(149, False), (150, True), (151, False)])
def test_the_load_client_notices_what_is_missing_and_what_is_too_much(tmp_path, mode, asked, are_right):
    bench.build(tmp_path)
    upstream = Upstream(tmp_path / "upstream", None)
    try:
        upstream.tell("answer burst 150")
        body = json.dumps({"max_tokens": 1, "messages": [], "stream": mode == "streams"})
        load = subprocess.run([tmp_path / "load", str(upstream.port), mode, "3", str(asked), "0", "/v1/messages", body, "0", "x-api-key: bench-key"],
                              capture_output=True, text=True, timeout=20)
    finally:
        upstream.stop()
    told = json.loads(load.stdout)
    assert (told["complete"], told["wrong"], load.returncode) == ((3, 0, 0) if are_right else (0, 3, 1)), told
