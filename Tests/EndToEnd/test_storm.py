# SPDX-License-Identifier: MIT
"""Processes that are killed at random: each request ends once, with an answer or an error, and nothing is left."""
from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

from carriers import EACH_WAY, IS_LONG, WAYS, Exec
from processes import alive, program, wait_for
from server import CLI, Proxy

# How many are asked where a process serves many, and where it serves one; with how many processes.
COUNTS, PROCESSES = ({"V": 200, "S": 200, "N": 200}, 8) if IS_LONG else ({"V": 40, "S": 20, "N": 20}, 4)
MARKS = ["[[len:8]][[slow:0.03]]", "", "[[delay:0.3]]", "[[stop:max_tokens]]", "[[tool:weather {}]]", "[[error:529]]"]


def body(number: int) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 99, "stream": number % 2 == 0,
            "messages": [{"role": "user", "content": f"{number} {MARKS[number % len(MARKS)]}"}]}


class Killer:
    """Kills a process behind every few requests that are over, as long as it is told to."""

    def __init__(self, victims: Callable[[], set[int]], over: Callable[[], int]):
        self.killed = 0
        self._victims, self._over = victims, over
        self._random, self._stopped = random.Random(1), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        due = 0
        while not self._stopped.wait(0.02):
            if self._over() < due:
                continue
            # At its start, in mid-stream, or while it waits.
            self._stopped.wait(self._random.uniform(0, 0.5))
            if victims := sorted(self._victims()):
                try:
                    os.kill(self._random.choice(victims), signal.SIGKILL)
                    self.killed += 1
                    due = self._over() + self._random.randint(2, 6)
                except ProcessLookupError:
                    pass

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stopped.set()
        self._thread.join()


def the_cli(pids: set[int]) -> set[int]:
    """Those of the processes that are the CLI itself by now."""
    return {pid for pid in pids if program(pid) == str(CLI.resolve())}


@EACH_WAY
def test_by_the_pipe(run: Callable[..., Exec], tmp_path: Path, way: str) -> None:
    """claude-exec goes on whatever dies under it; when it dies itself, all dies with it."""
    count = COUNTS[way[-1]]
    one = run(way, "--max-processes", str(PROCESSES), "--queue-timeout", "300", home=tmp_path / "same")
    with Killer(lambda: the_cli(one.clis()), lambda: sum(b'"end":' in line for line in one.raw)) as killer:
        for number in range(count):
            one.request(f"r{number}", body(number))
        kinds = [[list(record)[-1] for record in one.answer(f"r{number}", 300)] for number in range(count)]
    for number, got in enumerate(kinds):
        answered = "error" if "error" in got else ("event" if number % 2 == 0 else "response")
        assert answered in got and got[-1] == "end" and got.count("error") <= 1, got
    good = sum("error" not in got for got in kinds)
    print(f"\n{way}: {killer.killed} processes killed; {good} of {count} requests answered, the others with an error")
    assert killer.killed >= count // 20 and good > count // 8
    one.ask("hello", rid="after", seconds=60)
    assert any("response" in record for record in one.kept["after"])
    for number in range(PROCESSES):
        one.request(f"last{number}", {**body(0), "messages": [{"role": "user", "content": "[[len:99]][[slow:0.1]]"}]})
    wait_for("some are answered", lambda: len(the_cli(one.clis())) >= PROCESSES // 2, 30)
    time.sleep(0.3)
    assert list(one.run.glob("claude-exec-*/"))
    one.process.send_signal(signal.SIGKILL)
    one.process.wait(5)
    # A CLI with a login is never killed: it ends by itself when its answer is over and nobody writes to it any more.
    one.wait_gone(30 if way.startswith("login") else 1)
    # What it left, the next one removes.
    again = run(way, home=tmp_path / "same")
    again.ask("hello", seconds=60)
    [directory] = again.run.glob("claude-exec-*/")
    assert directory.name.split("-")[2] == str(again.process.pid)
    assert again.close() == 0 and list(again.run.glob("claude-exec-*/")) == [] and not again.clis()


def ask(proxy: Proxy, number: int) -> str:
    """How a request ended: `answer` or `error`; anything else, and a second end, is a failure."""
    asked = body(number)
    if not asked["stream"]:
        answer = proxy.ask("POST", "/v1/messages", asked)
        assert (answer.json["type"] == "message") == (answer.status == 200), answer.body
        return "answer" if answer.status == 200 else "error"
    stream = proxy.stream("/v1/messages", asked)
    if stream.status != 200:
        assert json.loads(stream.response.read())["type"] == "error"
        return "error"
    ends = [event.name for event in stream if event.name in ("message_stop", "error")]
    stream.close()
    assert len(ends) == 1, f"request {number} ended with {ends}"
    return "answer" if ends == ["message_stop"] else "error"


@EACH_WAY
def test_through_the_server(start: Callable[..., Proxy], api: Any, cli: str, way: str) -> None:
    """The server's clients see the same; a new pipeline takes the place of one whose claude-exec was killed."""
    count = COUNTS[way[-1]]
    proxy = start(BACKEND="claude-exec", CLAUDE_CLI_PATH=cli, ANTHROPIC_BASE_URL=api.url, QUEUE_TIMEOUT="300",
                  CLAUDE_MAX_PROCESSES=str(PROCESSES), **WAYS[way])
    proxy.ask("GET", "/health/ready")
    killed: list[int] = []
    asked: list[Any] = []
    with Killer(lambda: the_cli(proxy.cli_processes()), lambda: sum(one.done() for one in asked)) as killer, \
            ThreadPoolExecutor(2 * PROCESSES) as threads:
        asked += [threads.submit(ask, proxy, number) for number in range(count)]
        for part in (1, 2):
            wait_for("a part is answered", lambda: sum(one.done() for one in asked) >= part * count // 3, 300)
            killed.append(wait_for("a pipeline runs", lambda: proxy.stages().get("claude-exec"), 10))
            orphans = proxy.cli_processes()
            os.kill(killed[-1], signal.SIGKILL)
            # Those with a login end by themselves: killed while one renews its login, it would lose it.
            wait_for("its children are dead", lambda: not any(map(alive, orphans)), 30 if way.startswith("login") else 1)
        ends = [one.result(300) for one in asked]
    print(f"\n{way}: {killer.killed} processes and claude-exec twice killed; {ends.count('answer')} of {count} answered")
    assert ends.count("answer") > count // 8 and killer.killed >= count // 20
    assert wait_for("it serves again", lambda: ask(proxy, 1) == "answer", 30)
    # What the killed ones left is gone: one pipeline, one directory, and nothing in it.
    # On a busy machine the server may replace one more pipeline meanwhile, and both have theirs until the older one has ended.
    wait_for("one directory is left", lambda: len(list((proxy.home / "run").glob("claude-exec-*/"))) == 1, 30)
    [directory] = (proxy.home / "run").glob("claude-exec-*/")
    assert directory.name.split("-")[2] == str(proxy.stages()["claude-exec"]) and int(directory.name.split("-")[2]) not in killed
    proxy.stop()
    assert list((proxy.home / "run").glob("claude-exec-*/")) == []
