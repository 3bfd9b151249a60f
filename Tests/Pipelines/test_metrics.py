# SPDX-License-Identifier: MIT
"""What Prometheus and Grafana are given: /metrics in every state, the alerts and the dashboard that use it."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Callable

import pytest
from front import STAGE, Front
from processes import wait_for
from prometheus import promtool, samples
from server import REPOSITORY, Proxy

MONITORING = REPOSITORY / "scripts" / "monitoring"
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}


def families(text: str) -> set[str]:
    """The names that a rule may use: a histogram has three."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names |= {name + suffix for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def test_checked_after_traffic_of_all_kinds(tmp_path: Path) -> None:
    """Errors, losses, tokens, and names that would break out of a label."""
    server = Front(tmp_path)
    try:
        promtool("check", "metrics", text=server.ask("GET", "/metrics")[2].decode())
        for body in ({}, {"model": "stream"}, {"model": "error"}, {"model": "garbage"}, {"model": "headers"},
                     {"model": "odd", "name": 'a"} 1\nevil{x="é\\'}, {"model": "odd", "name": "x" * 500}):
            server.post(body)
        for method, path in (("GET", "/nowhere"), ("PUT", "/v1/messages"), ("GET", "/health"), ("GET", "/")):
            server.ask(method, path)
        text = server.ask("GET", "/metrics")[2].decode()
        promtool("check", "metrics", text=text)
        got = samples(text)
        assert got['claude_proxy_requests_total{route="/v1/messages",status="429"}'] == 1
        assert got['claude_proxy_tokens_total{model="m1",kind="output"}'] == 5
        assert got['claude_proxy_tokens_total{model="other",kind="input"}'] == 14
        assert got['claude_proxy_loss_total{field="other"}'] == 2 and got["claude_proxy_rate_limited_total"] == 1
        assert "evil" not in text and "xxxx" not in text
        # What the front says of itself is no answer whose time anybody waits for.
        posts = sum(value for name, value in got.items() if name.startswith('claude_proxy_requests_total{route="/v1/'))
        assert got["claude_proxy_request_duration_seconds_count"] == posts == 7
    finally:
        server.stop()


def test_checked_without_a_pipeline(tmp_path: Path) -> None:
    server = Front(tmp_path, pipeline="false")
    try:
        wait_for("it was started again", lambda: "started again" in open(server.log_path).read())
        status, _, body = server.ask("GET", "/metrics")
        promtool("check", "metrics", text=body.decode())
        assert status == 200 and samples(body.decode())["claude_proxy_pipeline_restarts_total"] > 0
        assert "claude_cli_status{" not in body.decode() and "claude_cli_status 1" not in body.decode()
    finally:
        server.stop()


@pytest.mark.parametrize("report, value", [
    ({"status": "healthy", "claude_cli_available": True}, 1),
    ({"status": "unhealthy", "claude_cli_available": False, "error": "Claude CLI not found in PATH"}, 0),
    ({"status": "unhealthy", "claude_cli_available": True, "claude_cli_status": "not_authenticated", "error": "…"}, 0),
    ({"status": "healthy", "claude_cli_available": False, "backend": "claude-http"}, None)])
def test_the_cli(tmp_path: Path, report: dict[str, object], value: int | None) -> None:
    """Each scrape asks the pipeline; a backend that needs no CLI has none to tell of."""
    server = Front(tmp_path, pipeline=STAGE + " | cat", env={"STAGE_HEALTH": json.dumps(report)})
    try:
        text = server.ask("GET", "/metrics")[2].decode()
        promtool("check", "metrics", text=text)
        assert samples(text).get("claude_proxy_claude_cli_status") == value
    finally:
        server.stop()


def test_no_rule_is_wrong() -> None:
    promtool("check", "rules", MONITORING / "alerts.yml")
    promtool("test", "rules", MONITORING / "alerts-test.yml")
    promtool("check", "config", MONITORING / "prometheus.yml")


def test_alerts_and_dashboard_use_what_there_is(tmp_path: Path) -> None:
    """Every name in them is one that /metrics has, and every number of it is on the dashboard."""
    server = Front(tmp_path)
    try:
        server.post({"model": "login"})
        text = server.ask("GET", "/metrics")[2].decode()
    finally:
        server.stop()
    promtool("check", "metrics", text=text)
    assert samples(text)['claude_proxy_login_limit_utilization{window="five_hour"}'] == 0.92
    known = families(text)
    name = re.compile(r"\bclaude_proxy_\w+")
    board = json.loads((MONITORING / "dashboard.json").read_text())
    shown = {found for panel in board["panels"] for target in panel["targets"] for found in name.findall(target["expr"])}
    used = shown | set(name.findall((MONITORING / "alerts.yml").read_text()))
    for variable in board["templating"]["list"]:
        used |= set(name.findall(variable["query"]))
    assert used <= known, used - known
    unseen = {one for one in known if not one.endswith(("_sum", "_count"))} - shown
    assert not unseen
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert {"title", "type", "gridPos", "datasource"} <= panel.keys()


def test_labels_of_the_alerts(start: Callable[..., Proxy]) -> None:
    """The statuses that the alerts look for are written as they are: by number, in quotes."""
    proxy = start(BACKEND="claude-echo", RATE_LIMIT_REQUESTS="1", RATE_LIMIT_BURST="1", RATE_LIMIT_EXEMPT="")
    assert [proxy.ask("POST", "/v1/messages", BODY).status for _ in range(2)] == [200, 429]
    wait_for("both are counted", lambda: 'status="429"} 1' in proxy.ask("GET", "/metrics").body.decode())
    assert "claude_proxy_rate_limited_total 1\n" in proxy.ask("GET", "/metrics").body.decode()
