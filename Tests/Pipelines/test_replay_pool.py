# SPDX-License-Identifier: MIT
"""claude-exec's processes under the carrier S, with a scripted stand-in: conversations said turn by turn."""
from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from backend import Backend, ask_for
from patience import again_if_busy


class Replay(Backend):
    """A claude-exec with a login; no process is started ahead."""

    def environment(self) -> dict[str, str]:
        own = {"CLAUDE_AUTH": "login", "CLAUDE_CARRIER": "S", "CLAUDE_CODE_OAUTH_TOKEN": "oauth", "CLAUDE_WARM_PROCESSES": "0"}
        return super().environment() | own

    def who(self, rid: str, *turns: str, text: str = "[[who]]", caller: str = "", **more: Any) -> tuple[int, int]:
        """The process that answered, and the number of the request in it."""
        roles = itertools.cycle(["user", "assistant"])
        messages = [{"role": role, "content": turn} for role, turn in zip(roles, [*turns, text])]
        self.request(rid, ask_for("") | {"messages": messages} | more, http={"key": caller} if caller else {})
        records = self.answer(rid, 20)
        assert "response" in records[1], records
        pid, number = records[1]["response"]["content"][0]["text"].split(":")
        return int(pid), int(number)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Replay]]:
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def run_one(*arguments: str, **settings: str) -> Replay:
            one = Replay(tmp_path / f"home{next(numbers)}", *arguments, **settings)
            started.callback(one.stop)
            return one

        yield run_one


def test_one_process_serves_many(run) -> None:
    """The frames of each: settings, system text, boundary, and the turns in their order."""
    one = run()
    pid, number = one.who("0", "hello", "hi", system="be brief")
    assert number == 1
    assert one.who("1", "a", "b", "c", "d", text="[[who]][[dump]]", system=[{"type": "text", "text": "x"}]) == (pid, 2)
    frames = one.dump()["frames"]
    kinds = [frame.get("request", {}).get("subtype") or frame.get("subtype") or frame["type"] for frame in frames]
    assert kinds == ["apply_flag_settings", "set_model", "compact_boundary"] + ["user", "assistant"] * 2 + ["user"]
    assert [frame["message"]["content"] for frame in frames[3:]] == [
        "a", [{"type": "text", "text": "b"}], "c", [{"type": "text", "text": "d"}], "[[who]][[dump]]"]
    assert [frame.get("shouldQuery", True) for frame in frames[3:] if frame["type"] == "user"] == [False, False, True]
    assert frames[1]["request"]["system_prompt"] == "x" and frames[1]["request"]["model"] == "claude-sonnet-4-5"


def test_a_system_text_never_leaves_a_process(run) -> None:
    one = run()
    first, _ = one.who("0")
    assert one.who("1", system="text")[0] == first
    other, number = one.who("2")
    assert other != first and number == 1
    assert one.who("3") == (other, 2)
    assert one.who("4", system="text")[0] in (first, other)


def test_callers_share_no_process(run) -> None:
    one = run()
    ann, _ = one.who("0", caller="ann")
    bob, _ = one.who("1", caller="bob")
    assert ann != bob and one.who("2", caller="ann") == (ann, 2) and one.who("3", caller="bob") == (bob, 2)
    assert one.who("4")[0] not in (ann, bob)


def test_a_callers_process_makes_room_for_another(run) -> None:
    one = run("--max-processes", "1")
    assert one.who("0", caller="ann")[1] == 1
    assert one.who("1", caller="bob")[1] == 1


@again_if_busy
def test_a_process_that_is_not_done_with_a_turn_is_replaced(run) -> None:
    one = run("--idle-timeout", "2")
    pid, _ = one.who("0")
    other, number = one.who("1", "[[deaf]]", "well")
    assert other != pid and number == 1
    assert pid not in one.clis()


def test_a_refused_system_text_is_an_error(run) -> None:
    one = run()
    one.request("r", ask_for("[[who]]", system="[[refuse]]"))
    [first, end] = one.answer("r")
    assert first["error"]["status"] == 502 and end["end"] == {}
    one.wait_gone()


def test_cancelled_between_two_turns(run) -> None:
    one = run()
    pid, _ = one.who("0")
    one.request("r", ask_for("") | {"messages": [
        {"role": "user", "content": "[[deaf]]"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]})
    time.sleep(0.5)
    one.send({"rid": "r", "cancel": True})
    assert one.answer("r")[-1]["end"] == {"cancelled": True}
    assert one.who("1")[0] != pid
    assert one.close() == 0 and not one.clis()


def test_the_ledger_names_what_is_not_carried(run) -> None:
    one = run()
    one.request("r", ask_for("[[say:x]]", metadata={"user_id": "u"}, system=[
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}]))
    assert one.answer("r")[0]["ctx"]["loss"] == [
        {"field": "system.cache_control", "fate": "dropped"}, {"field": "system", "fate": "joined from 2 blocks"},
        {"field": "metadata", "fate": "dropped"}]


def test_counts_are_of_one_conversation(run) -> None:
    """On a process that serves requests too; and what the API can't be asked for is estimated."""
    one = run()
    pid, _ = one.who("0", "a", "b")
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    for number in range(3):
        one.request(f"c{number}", {"model": "m", "messages": messages[:1 + number // 2 * 2]}, op="count_tokens")
        assert one.answer(f"c{number}")[1]["response"] == {"input_tokens": 1000 * (1 + number // 2 * 2)}
    one.request("t", {"model": "m", "messages": messages, "tools": [{"name": "f"}]}, op="count_tokens")
    # In one turn, and with the tokens that the API adds for tools.
    begin, response, _ = one.answer("t")
    assert begin["begin"]["headers"] == {"x-proxy-estimate": "tokens"} and response["response"] == {"input_tokens": 1346}
    assert one.who("1") == (pid, 6)
