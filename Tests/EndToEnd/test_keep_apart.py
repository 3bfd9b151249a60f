# SPDX-License-Identifier: MIT
"""Many requests of two callers at once, through the whole server: nothing of one is in another, and nothing is left.

Each request has a word of its own in every part that it has, in what it is answered and in what goes wrong.
"""
from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from carriers import EACH_WAY, IS_LONG, WAYS
from messages_api import MessagesAPI
from patience import slowness
from processes import descriptors, memory, wait_for
from server import CLI, Proxy

OPENAI, ANTHROPIC = "/openai/v1/chat/completions", "/v1/messages"
# How many are asked where a process serves many, and where it serves one; with how many processes.
COUNTS, PROCESSES = ({"V": 500, "S": 500, "N": 500}, 16) if IS_LONG else ({"V": 55, "S": 33, "N": 22}, 4)
CALLERS = {"ann": "token-of-ann-0123456789", "bob": "token-of-bob-0123456789"}
# What the answer is, and the status that the client must see. None: the client goes before it is over.
KINDS: list[tuple[str, int | None]] = [
    ("[[say:WORD]]", 200), ('[[tool:weather {"a":"WORD"}]]', 200), ("[[error:529]][[errmsg:WORD]]", 529),
    ("[[stop:max_tokens]][[say:WORD]]", 200), ("[[len:80]][[slow:0.05]]", None), ("[[error:400]][[errmsg:WORD]]", 400),
    ("[[thinking]][[say:WORD]]", 200), ("[[len:9]][[sse_error:overloaded_error]]", 529), ("[[delay:9]]", None),
    ("[[stop:stop_sequence]][[say:WORD]]", 200), ("[[len:9]][[disconnect]]", 502)]
# A process of the CLI is three pipes and a handle to claude-exec.
EACH_CLI = 4


def words(text: str) -> set[str]:
    return set(re.findall(r"word-\w+-\d+-end", text))


def joined(stream: str) -> str:
    """The arguments of tools in a stream, whose pieces may cut a word."""
    return "".join(re.findall(r'"(?:partial_json|arguments)":"((?:[^"\\]|\\.)*)"', stream))


class Request:
    """One of them, and how it was answered."""

    def __init__(self, number: int):
        self.caller = list(CALLERS)[number % 2]
        self.word = f"word-{self.caller}-{number}-end"
        self.stream = number % 3 != 0
        mark, self.status = KINDS[number % len(KINDS)]
        self.text = mark.replace("WORD", self.word)
        self.path = OPENAI if number % 5 == 4 else ANTHROPIC
        self.got = ""

    def body(self) -> dict[str, Any]:
        word, schema = self.word, {"type": "object", "properties": {"a": {"description": self.word}}}
        common = {"model": "claude-sonnet-4-5", "max_tokens": 99, "stream": self.stream}
        if self.path == OPENAI:
            return common | {"user": word, "stop": [word], "messages": [
                {"role": "system", "content": word}, {"role": "user", "content": f"{word} {self.text}"}],
                "tools": [{"type": "function", "function": {"name": "weather", "description": word, "parameters": schema}}]}
        document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": word},
                    "title": word, "context": word}
        return common | {
            "system": [{"type": "text", "text": word}], "metadata": {"user_id": word}, "stop_sequences": [word],
            "tools": [{"name": "weather", "description": word, "input_schema": schema}],
            "messages": [
                {"role": "user", "content": [document, {"type": "text", "text": word}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"a": word}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": word}]},
                    {"type": "text", "text": f"{word} {self.text}"}]}]}

    def run(self, proxy: Proxy, api: MessagesAPI) -> Request:
        headers = {"authorization": f"Bearer {CALLERS[self.caller]}"}
        if not self.stream and self.status is not None:
            answer = proxy.ask("POST", self.path, self.body(), headers)
            self.got = json.dumps(answer.headers) + answer.body.decode()
            assert answer.status == self.status, (self.text, self.got)
        else:
            stream = proxy.stream(self.path, self.body() | {"stream": True}, headers)
            if self.status is None:
                self.leave(stream, api)
            else:
                body = stream.response.read().decode()
                self.got = json.dumps(stream.headers) + body + joined(body)
                # A stream that breaks has begun; but a reset may overtake its first events.
                broken = "sse_error" in self.text or "disconnect" in self.text
                assert stream.status in ({200, self.status} if broken else {self.status}), (self.text, self.got)
                assert ('"error":{' in body) == (self.status != 200), (self.text, self.got)
            stream.close()
        return self

    def leave(self, stream: Any, api: MessagesAPI) -> None:
        """Go in mid-stream, or when the API has the request and says nothing."""
        if "delay" in self.text:
            wait_for("it was asked", lambda: any(self.word in json.dumps(body) for body in api.bodies()), 100)
        else:
            self.got = json.dumps([next(iter(stream)).data for _ in range(3)])
        stream.go()

    def check(self) -> None:
        assert words(self.got) <= {self.word}, f"{self.word} was answered {self.got}"
        if "WORD" in KINDS[int(self.word.split("-")[2]) % len(KINDS)][0] and self.status != 529:
            assert self.word in self.got, f"{self.text} was answered {self.got}"


def resources(proxy: Proxy) -> tuple[int, int]:
    """The descriptors of claude-exec without those of its children, and the memory that is its own, in kB."""
    pid = proxy.stages()["claude-exec"]
    return descriptors(pid) - EACH_CLI * len(proxy.cli_processes()), memory(pid, "Pss_Anon")


@EACH_WAY
def test_keep_apart(start: Callable[..., Proxy], api: MessagesAPI, cli: str, tmp_path: Path, way: str) -> None:
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text("".join(f"{name}:{token}\n" for name, token in CALLERS.items()))
    proxy = start(BACKEND="claude-exec", CLAUDE_CLI_PATH=str(CLI), AUTH_TOKENS_FILE=str(tokens), QUEUE_TIMEOUT="300",
                  ANTHROPIC_BASE_URL=api.url, CLAUDE_MAX_PROCESSES=str(PROCESSES), **WAYS[way])
    run_directory = proxy.home / "run"
    # Memory is looked at for the first time when all has happened that may.
    count = COUNTS[way[-1]]
    warm_up = count // 5 if IS_LONG else count // 2
    assert proxy.ask("POST", ANTHROPIC, {}).status == 401
    proxy.ask("GET", "/health/ready")
    stages, (at_first, _) = proxy.stages(), resources(proxy)
    requests, began = [Request(number) for number in range(count)], time.monotonic()
    with ThreadPoolExecutor(PROCESSES + 4) as threads:
        list(threads.map(lambda one: one.run(proxy, api), requests[:warm_up]))
        before = resources(proxy)[1]
        list(threads.map(lambda one: one.run(proxy, api), requests[warm_up:]))
    for one in requests:
        one.check()
    bodies = [words(json.dumps(body)) for body in api.bodies()]
    assert all(len(found) == 1 for found in bodies), [found for found in bodies if len(found) != 1]
    assert set().union(*bodies) == {one.word for one in requests}
    # Where the CLI goes on by itself, it is killed on the line that says so; seldom its next request is faster, and
    # the oftener, the longer we wait for a processor.
    assert len(bodies) - count <= max(1, count // 50) * slowness(began)
    assert proxy.stages() == stages, "no stage was started anew"
    wait_for("each request has left its process", lambda: len(proxy.cli_processes()) <= PROCESSES)
    wait_for("no more descriptors than before", lambda: resources(proxy)[0] <= at_first)
    after = resources(proxy)[1]
    print(f"\n{way}: memory of claude-exec: {before} kB after {warm_up} requests, {after} kB after {count}")
    assert after < before * 1.1 + 1024
    assert list((run_directory / "empty").iterdir()) == []
    for pid in proxy.cli_processes():
        assert not words((Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()).decode())
    log = proxy.log.read_text()
    assert not words(log) and not any(token in log for token in CALLERS.values())
    proxy.stop()  # And nothing lives on.
    assert list(run_directory.glob("claude-exec-*/")) == []
