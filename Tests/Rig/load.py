# SPDX-License-Identifier: MIT
"""Many clients at once, each of whom knows the answer that it must get."""
from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from server import Proxy
from wire import Stream, ask, connect, text_of

ANTHROPIC, OPENAI = "/v1/messages", "/openai/v1/chat/completions"


@dataclass
class Outcome:
    """What one request came to."""

    path: str
    is_stream: bool
    began: float
    # Whole, failed (and said so in its dialect), refused (nobody listened), else what was wrong with it.
    kind: str
    status: int | None = None
    model: str | None = None
    error: str | None = None
    ended: float = field(default_factory=time.monotonic)


def is_error(path: str, body: object) -> bool:
    """Whether it is an error that the SDK of that path's API reads."""
    if not isinstance(body, dict) or not isinstance(body.get("error"), dict) or not body["error"].get("message"):
        return False
    return path == OPENAI or body.get("type") == "error"


def request(port: int, path: str, is_stream: bool, prompt: str, expected: str, headers: dict[str, str] | None = None,
            begun: Callable[[], None] = lambda: None, connection: http.client.HTTPConnection | None = None) -> Outcome:
    """One request, and whether its answer is the one that was expected, to the last token."""
    body = {"max_tokens": 500, "stream": is_stream, "messages": [{"role": "user", "content": prompt}]}
    outcome = Outcome(path, is_stream, time.monotonic(), "whole")
    stream = None
    try:
        if not is_stream:
            answer = ask(port, "POST", path, body, headers, connection)
            outcome.status, value = answer.status, answer.json
            if answer.status == 200:
                outcome.model = value["model"]
                text = value["content"][0]["text"] if path == ANTHROPIC else value["choices"][0]["message"]["content"]
                if text != expected:
                    outcome.kind = f"wrong text: {text!r}"
            else:
                outcome.kind = "failed" if is_error(path, value) else f"no error of this API: {value}"
            return outcome
        stream = Stream(port, path, body, headers)
        outcome.status = stream.status
        if stream.status != 200:
            value = json.loads(stream.response.read())
            outcome.kind = "failed" if is_error(path, value) else f"no error of this API: {value}"
            return outcome
        events = []
        for event in stream:
            events.append(event)
            if len(events) == 4:
                begun()
        whole = events and (events[-1].name == "message_stop" if path == ANTHROPIC else events[-1].data == "[DONE]")
        if whole:
            first = events[0].data
            outcome.model = first["message"]["model"] if path == ANTHROPIC else first["model"]
            if text_of(events) != expected:
                outcome.kind = f"wrong text: {text_of(events)!r}"
        elif events and is_error(path, events[-1].data) and (path == OPENAI or events[-1].name == "error"):
            outcome.kind, outcome.error = "failed", events[-1].data["error"]["message"]
        else:
            outcome.kind = f"broken off after {len(events)} events"
    except ConnectionRefusedError:
        outcome.kind = "refused"
    except (OSError, http.client.HTTPException, ValueError, KeyError, IndexError) as error:
        outcome.kind = f"{type(error).__name__}: {error}"
    finally:
        outcome.ended = time.monotonic()
        if stream:
            stream.close()
    return outcome


class Load:
    """Clients that ask, one request after another, until told to stop: streams and whole answers, of both APIs.

    An answer takes about ``words * pace`` seconds. ``keep`` of the clients keep their connections.
    """

    def __init__(self, proxy: Proxy, streams: int, wholes: int, words: int = 30, pace: float = 0.02,
                 once: bool = False, headers: dict[str, str] | None = None, keep: int = 0):
        self.proxy, self.words, self.pace, self.once, self.headers = proxy, words, pace, once, headers
        self.outcomes: list[Outcome] = []
        self.numbers = itertools.count()
        self.begun = threading.Semaphore(0)
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._client, args=(number, number < streams, number >= streams + wholes - keep))
                        for number in range(streams + wholes)]
        self.streams = streams
        for thread in self.threads:
            thread.start()

    def _client(self, number: int, is_stream: bool, keeps: bool) -> None:
        path = (ANTHROPIC, OPENAI)[number % 2]
        connection = connect(self.proxy.port) if keeps else None
        while not self.is_over.is_set():
            text = " ".join([f"client{number}", f"request{next(self.numbers)}", *(f"w{n}" for n in range(self.words - 2))])
            prompt = f"[[say:{text}]] [[slow:{self.pace}]]"
            outcome = request(self.proxy.port, path, is_stream, prompt, text, self.headers, self.begun.release, connection)
            self.outcomes.append(outcome)
            if self.once or outcome.kind == "refused":
                break
        if connection:
            connection.close()

    def wait_begun(self) -> None:
        """Until as many streams have begun as there are clients who stream."""
        for _ in range(self.streams):
            assert self.begun.acquire(timeout=20), "a stream did not begin"

    def end(self, seconds: float = 30) -> list[Outcome]:
        """All outcomes, when the last request has been answered."""
        self.is_over.set()
        until = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(until - time.monotonic(), 0.1))
            assert not thread.is_alive(), "a request hangs"
        return self.outcomes

    def kinds(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for outcome in self.outcomes:
            found[outcome.kind] = found.get(outcome.kind, 0) + 1
        return found
