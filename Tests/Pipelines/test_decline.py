# SPDX-License-Identifier: MIT
"""Chains of backends: what claude-exec declines goes on as the request that came. The CLI is the scripted stand-in."""
from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from backend import PATH, PROGRAMS, SECRET, STAND_IN, Backend, ask_for
from messages_api import MessagesAPI
from server import Proxy
from wire import text_of

CHAIN = ("--decline", "401,429,503,529")
# Spaces, a number and an escape that only survive where the line is handed on as it came; carrier N loses something.
LINE = ('{"rid":"%s", "ctx" : {"op":"messages","x":1.0e0}, "request" : {"model":"claude-sonnet-4-5","max_tokens":50,'
        '"stream":%s,"temperature":1.0e0,"system":[{"type":"text","text":"a"},{"type":"text","text":"\\u00e9"}],'
        '"messages":[{"role":"user","content":"%s"}]}}\n')


class Chained(Backend):
    """A running claude-exec that stands before another backend."""

    def hand(self, rid: str, text: str, stream: bool = True) -> bytes:
        """Sends a request; its line."""
        line = (LINE % (rid, "true" if stream else "false", text)).encode()
        self.process.stdin.write(line)
        self.process.stdin.flush()
        return line

    def declines(self, rid: str, text: str, stream: bool = True) -> None:
        """The request comes out as it went in, and nothing else of it."""
        line = self.hand(rid, text, stream)
        self.wait(rid, "request")
        assert line in self.raw
        assert [list(record)[-1] for record in self.kept[rid]] == ["request"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Chained]]:
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def run_one(*arguments: str, **settings: str) -> Chained:
            one = Chained(tmp_path / f"home{next(numbers)}", *(arguments or CHAIN), **settings)
            started.callback(one.stop)
            return one

        yield run_one


@pytest.mark.parametrize("carrier", ["N", "V"])
def test_as_it_came(run, carrier: str) -> None:
    """By status, before the first event only; no loss of the CLI's carriage sticks to it."""
    one = run(CLAUDE_CARRIER=carrier, CLAUDE_WARM_PROCESSES="0")
    for status in (401, 429, 529):
        for stream in (True, False):
            one.declines(f"{status}{stream}", f"[[play:error_{status}]]", stream)
    one.hand("e500", "[[play:error_500]]")
    assert one.answer("e500")[0]["error"]["status"] == 500
    # The stream breaks with an overload: too late, where some of it was written.
    one.hand("late", "[[play:error_midstream]]")
    late = one.answer("late")
    assert "begin" in late[0] and late[-2]["error"]["status"] == 529
    one.declines("whole", "[[play:error_midstream]]", stream=False)
    one.hand("good", "[[say:by the CLI]]")
    good = one.answer("good")
    assert "begin" in good[0] and ("loss" in good[0]["ctx"]) == (carrier == "N")
    assert one.close() == 0 and one.files() == [] and not one.clis()
    log = [json.loads(line) for line in one.log.read_text().splitlines()]
    assert {"id": "401True", "msg": "declined with status 401"}.items() <= next(
        line for line in log if line.get("id") == "401True").items()


def test_only_what_it_is_told(run) -> None:
    one = run("--decline", "429")
    one.declines("a", "[[play:error_429]]")
    one.hand("b", "[[play:error_529]]")
    assert one.answer("b")[0]["error"]["status"] == 529


def test_a_cancel_follows_its_request(run) -> None:
    """And one for what is under way here stays here."""
    one = run()
    one.declines("a", "[[play:error_429]]")
    one.hand("b", "[[slow:0.2]]")
    one.wait("b", "event")
    one.send({"rid": "b", "cancel": True}, {"rid": "a", "cancel": True}, {"rid": "unknown", "cancel": True})
    one.wait("unknown", "cancel")
    assert [list(record)[-1] for record in one.kept["a"]] == ["request", "cancel"]
    assert one.answer("b")[-1]["end"] == {"cancelled": True}
    assert not any("cancel" in record for record in one.kept["b"])


def test_a_cancel_never_overtakes_its_request(run) -> None:
    """Though both are written at the same time, again and again."""
    one = run(CLAUDE_CARRIER="V")
    for number in range(40):
        one.hand(f"r{number}", "[[play:error_429]]")
        one.send(*({"rid": f"r{number - back}", "cancel": True} for back in range(min(number + 1, 3))))
    one.hand("last", "[[play:error_429]]")
    one.wait("last", "request", 30)
    for number in range(40):
        kinds = [list(record)[-1] for record in one.kept[f"r{number}"]]
        # Cancelled here, or handed on and then cancelled there; what is over here is forgotten.
        assert set(kinds) <= {"end", "cancel"} or kinds[0] == "request", kinds
        assert kinds.count("end") + kinds.count("request") == 1


def test_no_cli_and_an_old_one(run, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    none = run(*CHAIN, CLAUDE_CLI_PATH=nowhere, PATH=nowhere)
    none.declines("a", "hi")
    home = tmp_path / "old"
    home.mkdir()
    (home / "fake-version").write_text("2.1.100")
    old = run(*CHAIN, HOME=str(home))
    old.declines("a", "hi")
    # Whether there is one that serves is the next backend's to say.
    for one in (none, old):
        line = b'{"rid":"h","ctx":{"op":"health"} ,"request":null}\n'
        one.process.stdin.write(line)
        one.process.stdin.flush()
        one.wait("h", "request")
        assert line in one.raw
        one.send({"rid": "m", "ctx": {"op": "models"}, "request": None})
        assert "response" in one.answer("m")[1]
    # Without 503 in the list it says so itself.
    some = run("--decline", "429", CLAUDE_CLI_PATH=nowhere, PATH=nowhere)
    some.hand("a", "hi")
    assert some.answer("a")[0]["error"]["status"] == 503
    some.send({"rid": "h", "ctx": {"op": "health"}, "request": None})
    assert some.answer("h")[1]["response"]["status"] == "unhealthy"


@pytest.mark.parametrize("payer", ["key", "login", "auto"])
def test_nobody_pays(run, payer: str) -> None:
    one = run(CLAUDE_AUTH=payer, ANTHROPIC_API_KEY="", CLAUDE_CARRIER="")
    one.declines("a", "hi")
    one.send({"rid": "h", "ctx": {"op": "health"}, "request": None})
    one.wait("h", "request")


def test_its_own_queue_is_full(run) -> None:
    one = run(*CHAIN, "--max-processes", "1", "--queue-timeout", "1")
    one.hand("a", "[[slow:0.1]]")
    one.declines("b", "hi")
    assert "begin" in one.answer("a")[0]


def test_answers_of_an_earlier_backend_pass(run) -> None:
    one = run()
    lines = [b'{"rid":"z", "ctx":{ },"begin" :{"status":200,"headers":{}}}\n', b'{"rid":"z","event" :{"type":"x"}}\n',
             b'{"rid":"z","error":{"status":429,"headers":{},"body":{}}}\n', b'{"rid":"z","end":{ }}\n']
    one.process.stdin.write(b"".join(lines))
    one.process.stdin.flush()
    one.answer("z")
    assert one.raw == lines


def test_the_end_of_the_input(run) -> None:
    """What is still to be declined is handed on before the end."""
    one = run()
    line = one.hand("a", "[[play:error_429]][[slow:0.1]]")
    assert one.close() == 0
    one.wait("a", "request")
    assert one.raw == [line]


def test_bare_bodies_keep_their_order(api: MessagesAPI, tmp_path: Path) -> None:
    """Through both backends: each body gets one answer, the second's between the first's."""
    bodies = [ask_for("[[say:one]]"), ask_for("[[play:error_429]][[say:two]]"), ask_for("[[say:three]]"),
              ask_for("[[play:error_529]][[say:four]]", stream=True), ask_for("[[play:error_400]]"), ask_for("[[say:six]]")]
    settings = {"PATH": PATH, "HOME": str(tmp_path), "RUN_DIR": str(tmp_path / "run"), "CLAUDE_CLI_PATH": str(STAND_IN),
                "CLAUDE_AUTH": "key", "ANTHROPIC_API_KEY": SECRET, "ANTHROPIC_BASE_URL": api.url}
    programs = f"'{PROGRAMS}/claude-exec' --decline 401,429,529 | '{PROGRAMS}/claude-http'"
    said = subprocess.run(["sh", "-c", programs], env=settings, capture_output=True, timeout=30,
                          input="".join(json.dumps(body) + "\n" for body in bodies).encode())
    answers: list[Any] = [json.loads(line) for line in said.stdout.splitlines()]
    texts = [answer["content"][0]["text"] if answer["type"] == "message" else answer["type"] for answer in answers]
    stream = [index for index, text in enumerate(texts) if text not in ("one", "two", "three", "error", "six")]
    assert texts[:3] == ["one", "two", "three"] and texts[-2:] == ["error", "six"], texts
    assert texts[3] == "message_start" and texts[stream[-1]] == "message_stop" and stream == list(range(3, len(texts) - 2))
    assert "four" in said.stdout.decode() and said.returncode == 0


@pytest.mark.parametrize("path", ["/v1/messages", "/openai/v1/chat/completions"])
def test_the_whole_proxy(start: Callable[..., Proxy], api: MessagesAPI, path: str) -> None:
    """The CLI first, the key behind it; and nothing of the first shows in an answer of the second."""
    proxy = start(BACKEND="claude-exec,claude-http", CLAUDE_CLI_PATH=str(STAND_IN), CLAUDE_AUTH="key",
                  CLAUDE_CARRIER="N", ANTHROPIC_API_KEY=SECRET, ANTHROPIC_BASE_URL=api.url)
    system = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    def ask(text: str, **more: Any) -> Any:
        extra = {"system": system} if path == "/v1/messages" else {}
        return proxy.ask("POST", path, ask_for(text, **extra, **more))

    by_cli = ask("[[say:by the CLI]]")
    assert by_cli.status == 200 and b"by the CLI" in by_cli.body and api.bodies() == []
    assert ("x-proxy-loss" in by_cli.headers) == (path == "/v1/messages")
    for status in (401, 429, 529):
        by_key = ask(f"[[play:error_{status}]][[say:by the key]]")
        assert by_key.status == 200 and b"by the key" in by_key.body, by_key
        assert "x-proxy-loss" not in by_key.headers
    stream = proxy.stream(path, ask_for("[[play:error_429]][[say:by the key]]", stream=True))
    assert "by the key" in text_of(list(stream))
    assert len(api.bodies()) == 4
    assert ask("[[play:error_403]]").status == 403
    assert proxy.ask("GET", "/health/ready").status == 200


def test_the_other_way_round(start: Callable[..., Proxy], api: MessagesAPI) -> None:
    proxy = start(BACKEND="claude-http,claude-exec", CLAUDE_CLI_PATH=str(STAND_IN), CLAUDE_AUTH="key",
                  ANTHROPIC_API_KEY=SECRET, ANTHROPIC_BASE_URL=api.url)
    assert b"by the key" in proxy.ask("POST", "/v1/messages", ask_for("[[say:by the key]]")).body
    for stream in (False, True):
        answer = proxy.ask("POST", "/v1/messages", ask_for("[[error:429]][[say:by the CLI]]", stream=stream))
        assert answer.status == 200 and b"by the CLI" in answer.body, answer
