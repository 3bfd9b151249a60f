# SPDX-License-Identifier: MIT
"""How claude-exec ends CLIs: with all that they started, and never one that renews its owner's login."""
from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from backend import Backend, ask_for
from processes import wait_for

LOGIN = {"CLAUDE_AUTH": "login", "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat-dummy", "ANTHROPIC_API_KEY": ""}
CARRIERS = pytest.mark.parametrize("carrier", ["N", "S"])


@pytest.fixture
def start(tmp_path: Path):
    started: list[Backend] = []

    def start_one(*arguments: str, home: str = "home", **settings: str) -> Backend:
        started.append(Backend(tmp_path / home, *arguments, **{"CLAUDE_WARM_PROCESSES": "0"} | settings))
        return started[-1]

    yield start_one
    for one in started:
        one.stop()


def renewing(one: Backend, seconds: float, **more: Any) -> int:
    """Asks a CLI that renews the login before it answers; its number."""
    one.request("r", ask_for(f"[[renew:{seconds}]]", **more))
    owner = one.home / ".claude/.oauth_refresh.lock.owner"
    wait_for("the login is being renewed", lambda: owner.exists() and owner.read_text().endswith("}"), 20)
    return json.loads(owner.read_text())["pid"]


class TestRenewal:
    """A CLI that is killed while it renews its owner's login loses it."""

    @CARRIERS
    def test_cancel(self, start: Callable[..., Backend], carrier: str) -> None:
        one = start(CLAUDE_CARRIER=carrier, **LOGIN)
        pid = renewing(one, 2)
        began = time.monotonic()
        one.send({"rid": "r", "cancel": True})
        assert one.wait("r", "end")["end"] == {"cancelled": True} and time.monotonic() - began < 0.5
        wait_for("it has saved the login", (one.home / f"renewed-{pid}").exists, 10)
        one.wait_gone(5)
        assert not (one.home / ".claude/.oauth_refresh.lock.owner").exists()

    @CARRIERS
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_the_end_of_claude_exec(self, start: Callable[..., Backend], carrier: str, number: int) -> None:
        one = start(CLAUDE_CARRIER=carrier, **LOGIN)
        pid = renewing(one, 2)
        one.process.send_signal(number)
        wait_for("it has saved the login", (one.home / f"renewed-{pid}").exists, 10)
        one.wait_gone(5)

    @CARRIERS
    def test_a_limit_of_time(self, start: Callable[..., Backend], carrier: str) -> None:
        one = start("--request-timeout", "1", CLAUDE_CARRIER=carrier, **LOGIN)
        pid = renewing(one, 3)
        assert one.answer("r")[0]["error"]["status"] == 504
        wait_for("it has saved the login", (one.home / f"renewed-{pid}").exists, 10)
        one.wait_gone(5)

    def test_one_that_never_ends(self, start: Callable[..., Backend]) -> None:
        """The lock of one that hangs is heeded for half a minute."""
        one = start(CLAUDE_CARRIER="N", **LOGIN)
        renewing(one, 1000)
        began = time.monotonic()
        one.send({"rid": "r", "cancel": True})
        one.wait_gone(40)
        assert time.monotonic() - began > 29

    def test_the_lock_of_another(self, start: Callable[..., Backend]) -> None:
        """Only the process that it names is spared."""
        one = start(CLAUDE_CARRIER="N", **LOGIN)
        (one.home / ".claude").mkdir()
        (one.home / ".claude/.oauth_refresh.lock.owner").write_text('{"pid":1}')
        one.request("r", ask_for("[[slow:0.5]][[stubborn]]", stream=True))
        one.wait("r", "begin")
        one.send({"rid": "r", "cancel": True})
        one.wait_gone(3)


@CARRIERS
def test_a_login_that_is_over(start: Callable[..., Backend], carrier: str) -> None:
    """401 with what to do, health says so for a while, a chain goes on; and what is served makes it well again."""
    one = start(CLAUDE_CARRIER=carrier, **LOGIN)
    error = one.error("[[play:error_login_over]]")
    assert error["status"] == 401 and "/login" in error["body"]["error"]["message"]

    def health(rid: str) -> Any:
        one.send({"rid": rid, "ctx": {"op": "health"}, "request": None})
        begin, response, _ = one.answer(rid)
        return begin["begin"]["status"], response["response"]["status"]

    assert health("h1") == (503, "unhealthy")
    time.sleep(1.5)
    # The CLI still says that it is logged in.
    assert health("h2") == (503, "unhealthy")
    one.ask("hi", rid="good")
    assert health("h3") == (200, "healthy")
    two = start("--decline", "401", home="chain", CLAUDE_CARRIER=carrier, **LOGIN)
    body = ask_for("[[play:error_login_over]]")
    two.request("r", body)
    assert two.wait("r", "request")["request"] == body


class TestEnds:
    @pytest.mark.parametrize("carrier", ["N", "V", "S"])
    def test_a_closed_stdout(self, start: Callable[..., Backend], carrier: str) -> None:
        """What can't answer any more is ended at once."""
        one = start(CLAUDE_CARRIER=carrier)
        began = time.monotonic()
        error = one.error("[[mute]]")
        assert error["status"] == 502 and "closed its output" in error["body"]["error"]["message"]
        assert time.monotonic() - began < 10
        one.wait_gone(3)

    @pytest.mark.parametrize("how", ["answer", "cancel", "term"])
    def test_what_it_started(self, start: Callable[..., Backend], how: str) -> None:
        """In whatever session it is."""
        one = start(CLAUDE_CARRIER="N")
        one.request("r", ask_for("[[escape]][[child]]" + ("[[slow:0.1]]" if how == "answer" else "[[slow:0.5]]"), stream=True))
        one.wait("r", "begin")
        assert len(one.clis()) >= 2
        if how == "answer":
            one.answer("r")
        elif how == "cancel":
            one.send({"rid": "r", "cancel": True})
        else:
            one.process.send_signal(signal.SIGTERM)
        one.wait_gone(4)

    def test_a_chatty_one(self, start: Callable[..., Backend]) -> None:
        """So many lines of stderr a minute go into the log."""
        one = start(CLAUDE_CARRIER="N")
        one.ask("[[chatter:5000]]")
        lines = [line for line in one.log.read_text().splitlines() if "something is wrong" in line]
        assert len(lines) == 60

    def test_starts_that_fail(self, start: Callable[..., Backend]) -> None:
        """Health says that the CLI doesn't start, though it tells its version; and when it does again."""
        one = start(CLAUDE_CARRIER="V")
        (one.home / "fake-broken").touch()
        for rid in "abc":
            assert one.error("hi", rid=rid)["status"] == 502
        one.send({"rid": "h", "ctx": {"op": "health"}, "request": None})
        begin, response, _ = one.answer("h")
        assert begin["begin"]["status"] == 503 and "as soon as it starts" in json.dumps(response)
        (one.home / "fake-broken").unlink()
        one.ask("hi", rid="d")
        one.send({"rid": "i", "ctx": {"op": "health"}, "request": None})
        assert one.answer("i")[0]["begin"]["status"] == 200


def test_what_waits_has_a_budget_in_bytes(start: Callable[..., Backend]) -> None:
    """Beyond it a request is turned away at once; one alone always has room."""
    one = start("--max-processes", "1", "--max-buffered", "10000", CLAUDE_CARRIER="N")
    one.request("a", ask_for("[[slow:0.5]]", stream=True))
    one.wait("a", "begin")
    one.request("b", ask_for("x" * 50_000))
    one.request("c", ask_for("y"))
    error = one.answer("c")[0]["error"]
    assert error["status"] == 529 and int(error["headers"]["retry-after"]) > 0
    one.send({"rid": "b", "cancel": True})
    one.request("d", ask_for("y" * 3_000))
    one.request("e", ask_for("y" * 3_000))
    one.request("f", ask_for("y" * 6_000))
    assert one.answer("f")[0]["error"]["status"] == 529
    one.send({"rid": "a", "cancel": True})
    assert one.answer("d")[1]["response"] and one.answer("e")[1]["response"]


def test_what_waits_is_bytes(start: Callable[..., Backend]) -> None:
    """A tree is many times as large as the text that it was made of."""
    one = start("--max-processes", "1", CLAUDE_CARRIER="N")
    one.request("a", ask_for("[[slow:2]]", stream=True))
    one.wait("a", "begin")
    body = ask_for([{"type": "text", "text": "x", "citations": [{} for _ in range(400_000)]}])
    for number in range(12):
        one.request(f"w{number}", body)
    one.send({"rid": "h", "ctx": {"op": "health"}, "request": None})
    one.answer("h")
    status = Path(f"/proc/{one.process.pid}/smaps_rollup").read_text()
    used = int(next(line.split()[1] for line in status.splitlines() if line.startswith("Pss:")))
    assert used < 12 * 1_600 + 400_000, f"{used} kB for 12 bodies of {len(json.dumps(body)) >> 10} kB"
