# SPDX-License-Identifier: MIT
"""claude-exec's processes under the carrier V, with a scripted stand-in: started ahead, used again, ended."""
from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import backend
import processes
import pytest
from backend import Backend, ask_for
from patience import again_if_busy
from processes import wait_for


# The model of which only the stand-in for the CLI knows.
LEARNT = "claude-next-9"


class Pool(Backend):
    """A claude-exec that keeps processes; none is started ahead unless told."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"CLAUDE_CARRIER": "V", "CLAUDE_WARM_PROCESSES": "0"}

    def who(self, rid: str, text: str = "", **more: Any) -> tuple[int, int]:
        """The process that answered, and the number of the request in it."""
        self.request(rid, ask_for(f"[[who]]{text}", **more.pop("body", {})), **more)
        return self.named(rid)

    def probed(self) -> None:
        """Waits until it has asked the CLI for its version, which takes a process too."""
        self.send({"rid": "health", "ctx": {"op": "health"}, "request": None})
        self.answer("health")

    def models(self) -> list[str]:
        """The models that it lists now."""
        rid = f"models{time.monotonic_ns()}"
        self.send({"rid": rid, "ctx": {"op": "models"}, "request": None})
        return [model["id"] for model in self.answer(rid)[1]["response"]["data"]]

    def wait_started(self) -> None:
        """Waits until the first process has answered, which ends its start: it tells of a model that no table has."""
        wait_for("a process has told of its models", lambda: LEARNT in self.models())

    def named(self, rid: str) -> tuple[int, int]:
        records = self.answer(rid)
        pid, number = records[1]["response"]["content"][0]["text"].split(":")
        return int(pid), int(number)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Pool]]:
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def run_one(*arguments: str, **settings: str) -> Pool:
            one = Pool(tmp_path / f"home{next(numbers)}", *arguments, **settings)
            started.callback(one.stop)
            return one

        yield run_one


def test_one_process_serves_many(run) -> None:
    """One after another; also after tools, and after errors of the API."""
    one = run()
    pid, number = one.who("0")
    assert number == 1
    for count, name in enumerate(["tool_use", "error_429", "stop_sequence", "error_400", "thinking"], 2):
        one.ask(f"[[play:{name}]]", rid=name, stream=True)
        assert one.who(f"r{count}") == (pid, count * 2 - 1)
    assert one.clis() == {pid} and one.close() == 0 and not one.clis()


def test_no_more_than_its_share_of_requests(run) -> None:
    one = run()
    served = [one.who(str(number)) for number in range(52)]
    first, second = served[0][0], served[-1][0]
    assert first != second
    assert served == [(first, n) for n in range(1, 51)] + [(second, n) for n in range(1, 3)]
    wait_for("the first has ended", lambda: one.clis() == {second}, 3)


@pytest.mark.parametrize("name", ["stop_max_tokens", "stop_refusal"])
def test_one_that_would_go_on_is_killed(run, name: str) -> None:
    one = run()
    pid, _ = one.who("a")
    one.ask(f"[[play:{name}]]", rid="b", stream=True)
    wait_for("it is gone", lambda: not processes.alive(pid), 1)
    assert one.who("c")[1] == 1


def test_what_can_not_change_keeps_them_apart(run) -> None:
    """Beta names are read at the start, and so is what keeps a temperature out."""
    one = run()
    beta = {"http": {"headers": {"anthropic-beta": "one-1"}}}
    plain, marked, alone = one.who("a"), one.who("b", **beta), one.who("c", body={"top_p": 0.5})
    assert len({plain[0], marked[0], alone[0]}) == 3
    assert one.who("d") == (plain[0], 2)
    assert one.who("e", **beta) == (marked[0], 2)
    assert one.who("f", body={"top_p": 0.5}) == (alone[0], 2)


def test_started_ahead(run) -> None:
    """As many as are wanted, before there is a request and again when they are taken."""
    one = run("--warm-processes", "2")
    one.probed()
    ahead = wait_for("two wait", lambda: (found := one.clis()) and len(found) == 2 and found)
    # For longer than another takes to start: one that is free again would do.
    one.request("a", ask_for("[[who]][[slow:0.2]]"))
    wait_for("another is started", lambda: len(one.clis()) == 3)
    pid, number = one.named("a")
    assert pid in ahead and number == 1
    time.sleep(0.3)
    assert len(one.clis()) == 3, "none is started without need"
    os.kill(pid, signal.SIGKILL)
    wait_for("it is gone", lambda: pid not in one.clis())
    assert one.who("b")[0] != pid


def test_one_that_dies_waiting_is_replaced(run) -> None:
    one = run("--warm-processes", "1")
    one.probed()
    [pid] = wait_for("one waits", one.clis)
    # One that dies before its start is over is not started again at once.
    one.wait_started()
    os.kill(pid, signal.SIGKILL)
    wait_for("another waits", lambda: (now := one.clis()) and pid not in now, 3)
    assert "started ahead has ended (signal 9)" in one.log.read_text()


def test_one_that_never_starts_is_not_started_again_and_again(run, tmp_path: Path) -> None:
    (tmp_path / "home0").mkdir()
    (tmp_path / "home0/fake-broken").touch()
    one = run("--warm-processes", "2")
    wait_for("it has ended", lambda: "started ahead has ended" in one.log.read_text())
    time.sleep(1)
    assert one.log.read_text().count("started ahead has ended") == 1
    assert one.error("hi")["status"] == 502


@pytest.mark.parametrize("mark", ["[[stale]]", "[[hung]]"])
@again_if_busy
def test_a_request_to_a_dead_one_goes_to_a_new_one(run, mark: str) -> None:
    """Once, and only as nothing can have been asked of the API."""
    one = run("--idle-timeout", "2")
    first, _ = one.who("a")
    second, number = one.who("b", mark)
    assert (second != first, number) == (True, 1)
    kinds = [list(record)[-1] for record in one.kept["b"]]
    assert kinds == ["begin", "response", "end"]
    assert "goes to a new one" in one.log.read_text()
    # It has begun: the API may have been asked.
    assert one.error("[[die:3]]", rid="c")["status"] == 502


@again_if_busy
def test_cancel_and_use_again(run) -> None:
    """A cancelled turn is interrupted, and its process serves the next, which has to wait for it."""
    one = run("--max-processes", "1")
    pid, _ = one.who("a")
    one.request("r", ask_for("[[slow:0.2]][[say:secret]]", stream=True))
    one.wait("r", "event")
    one.send({"rid": "r", "cancel": True})
    assert one.wait("r", "end")["end"] == {"cancelled": True}
    assert one.who("b") == (pid, 3)
    assert "secret" not in json.dumps(one.kept["b"])


def test_cancel_of_one_that_does_not_heed(run) -> None:
    one = run()
    one.request("r", ask_for("[[slow:0.3]][[stubborn]]", stream=True))
    one.wait("r", "event")
    one.send({"rid": "r", "cancel": True})
    one.wait_gone(1)
    assert one.who("b")[1] == 1


def test_what_is_left_of_a_turn_is_not_the_next_ones(run) -> None:
    """This recording goes on with a second turn after the first one's end."""
    one = run()
    pid, _ = one.who("a")
    one.ask("[[play:warm_two_requests]][[slow:0.01]]", rid="b", stream=True)
    records = one.ask("[[say:mine alone]]", rid="c", stream=True)
    texts = [r["event"]["delta"]["text"] for r in records if r.get("event", {}).get("type") == "content_block_delta"]
    assert texts == ["mine alone"] and one.clis() == {pid}


def test_the_line_and_the_making_of_room(run) -> None:
    """Waiting processes of another kind end when there is no room; busy ones are waited for."""
    one = run("--max-processes", "2")
    beta = {"http": {"headers": {"anthropic-beta": "one-1"}}}
    first, second = one.who("a")[0], one.who("b", **beta)[0]
    third = one.who("c", body={"top_p": 0.5})[0]
    assert len({first, second, third}) == 3 and len(one.clis()) == 2
    for rid in "xy":
        one.request(rid, ask_for("[[slow:0.5]]", stream=True))
        one.wait(rid, "begin")
    one.request("z", ask_for("[[who]]"))
    one.send({"rid": "x", "cancel": True})
    assert one.named("z")[1] == 2, "the cancelled one's process took it"


def test_who_waits_too_long(run) -> None:
    one = run("--max-processes", "1", "--queue-timeout", "1")
    one.request("busy", ask_for("[[slow:0.5]]", stream=True))
    one.wait("busy", "begin")
    one.request("late", ask_for("hi"))
    assert one.answer("late")[0]["error"]["status"] == 529
    assert not any("end" in record for record in one.kept["busy"])


def test_many_at_once_keep_apart(run) -> None:
    one = run("--max-processes", "4", "--queue-timeout", "60")
    for number in range(60):
        mark = ["", "[[play:tool_use]]", "[[play:error_529]]", "[[play:stop_max_tokens]]"][number % 4]
        one.request(f"t{number}", ask_for(f"[[say:token-{number}-end]]{mark}", stream=number % 3 == 0))
    for number in range(60):
        whole = json.dumps(one.answer(f"t{number}", 60))
        if number % 4 == 0:
            assert f"token-{number}-end" in whole
        assert whole.count("token-") == whole.count(f"token-{number}-end")
    assert len(one.clis()) <= 4
    assert one.close() == 0 and not one.clis() and one.files() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_waiting_one_outlives_claude_exec(run, number: int) -> None:
    one = run("--warm-processes", "2")
    one.who("a")
    wait_for("they wait", lambda: len(one.clis()) >= 2)
    one.process.send_signal(number)
    one.process.wait(20)
    one.wait_gone(1)


def test_nothing_of_a_request_is_seen_from_outside(run) -> None:
    one = run()
    secret = "word-that-nobody-may-see"
    one.ask(f"[[dump]] {secret}", system=secret, tools=[{"name": secret, "input_schema": {}}])
    got = one.dump()
    assert secret not in json.dumps(got["argv"]) + json.dumps(got["environment"]) + one.log.read_text()
    assert "--model" not in got["argv"] and one.files() == []
    assert secret in json.dumps(got["frames"])


@pytest.mark.parametrize("auth", ["login", "auto"])
def test_never_with_a_login(tmp_path: Path, auth: str) -> None:
    environment = {"PATH": backend.PATH, "HOME": str(tmp_path), "RUN_DIR": str(tmp_path / "run")}
    for arguments, more in ((["--carrier", "V", "--auth", auth], {}), ([], {"CLAUDE_CARRIER": "V", "CLAUDE_AUTH": auth})):
        done = subprocess.run([backend.PROGRAMS / "claude-exec", *arguments], env=environment | more, timeout=10,
                              capture_output=True, input=b"")
        assert done.returncode == 64 and b"carrier V is for a key alone" in done.stderr


def test_models_that_only_the_cli_knows(run) -> None:
    """They come first in the list, once each, as soon as a process has told of them."""
    one = run("--warm-processes", "1")
    one.wait_started()
    ids = one.models()
    assert ids[0] == LEARNT and len(set(ids)) == len(ids) and ids.count("claude-sonnet-5-5") == 1
    one.send({"rid": "x", "ctx": {"op": "model", "model_id": LEARNT}, "request": None})
    assert one.answer("x")[1]["response"]["id"] == LEARNT
