# SPDX-License-Identifier: MIT
"""Headless Chromium, told what to do over its DevTools protocol.

It reads commands on descriptor 3 and writes answers on 4, each a JSON value ended by a NUL: there is no port that
others could find.

- SeeAlso: https://chromedevtools.github.io/devtools-protocol/
"""
from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import queue
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

from processes import wait_for

Json = dict[str, Any]
# How long the browser may take for one thing, in seconds.
PATIENCE = 30
# It is quiet about itself: nothing is asked of the network but by the pages.
OPTIONS = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"]


class ScriptError(AssertionError):
    """A script in a page threw, or its promise was rejected."""


class Page:
    """A tab."""

    def __init__(self, browser: Browser, url: str):
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        self._call("Page.enable")
        self.open(url)

    def _call(self, method: str, **parameters: Any) -> Json:
        return self._browser.call(method, self._session, **parameters)

    def open(self, url: str) -> None:
        """Goes there, and waits until it is loaded."""
        loaded = self._browser.expect("Page.loadEventFired", self._session)
        said = self._call("Page.navigate", url=url)
        assert "errorText" not in said, said
        loaded.get(timeout=PATIENCE)

    def run(self, script: str, **constants: Any) -> Any:
        """What the body of an async function returns. It runs in the page, as a script of the page's own would."""
        named = "".join(f"const {name} = {json.dumps(value)}; " for name, value in constants.items())
        said = self._call("Runtime.evaluate", expression=f"(async () => {{ {named}{script} }})()", awaitPromise=True,
                          returnByValue=True)
        if failure := said.get("exceptionDetails"):
            raise ScriptError(failure.get("exception", {}).get("description") or failure)
        return said["result"].get("value")

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)


class Browser:
    """A running Chromium with a profile of its own, to be closed or used by `with`."""

    def __init__(self, home: Path, *options: str):
        program = shutil.which("chromium")
        assert program, "no chromium: scripts/setup test brings it"
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, queue.Queue[Json]] = {}
        self._events: dict[tuple[str, str | None], queue.Queue[Json]] = {}
        home.mkdir(parents=True, exist_ok=True)
        command = [program, *OPTIONS, f"--user-data-dir={home / 'profile'}", *options, "about:blank"]
        # Its sandbox refuses to work for root.
        command[1:1] = ["--no-sandbox"] if os.geteuid() == 0 else []
        (its_in, self._commands), (answers, its_out) = os.pipe(), os.pipe()
        # Out of the way of the numbers that they get.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (its_in, its_out)]
        self._pid = os.posix_spawn(
            program, command, {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}, setsid=True,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                          (os.POSIX_SPAWN_OPEN, 1, str(home / "log"), os.O_WRONLY | os.O_CREAT, 0o600),
                          (os.POSIX_SPAWN_DUP2, 1, 2), (os.POSIX_SPAWN_DUP2, ends[0], 3),
                          (os.POSIX_SPAWN_DUP2, ends[1], 4)])
        for end in (its_in, its_out, *ends):
            os.close(end)
        threading.Thread(target=self._read, args=[os.fdopen(answers, "rb")], daemon=True).start()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _read(self, file: Any) -> None:
        with file:
            rest = b""
            while piece := file.read1(1 << 16):
                *whole, rest = (rest + piece).split(b"\0")
                for text in whole:
                    self._take(json.loads(text))

    def _take(self, message: Json) -> None:
        with self._lock:
            waiting = (self._answers.pop(message["id"], None) if "id" in message
                       else self._events.pop((message["method"], message.get("sessionId")), None))
        if waiting:
            waiting.put(message)

    def expect(self, event: str, session: str | None = None) -> queue.Queue[Json]:
        """Gets the next event of this kind."""
        with self._lock:
            return self._events.setdefault((event, session), queue.Queue())

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Json:
        """The result of a command."""
        number, answer = next(self._numbers), queue.Queue()
        with self._lock:
            self._answers[number] = answer
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data):]
        said = answer.get(timeout=PATIENCE)
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    def page(self, url: str) -> Page:
        return Page(self, url)

    def close(self) -> None:
        """Ends it, and what it has started."""
        os.close(self._commands)
        with contextlib.suppress(AssertionError):
            wait_for("the browser ends", lambda: os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
