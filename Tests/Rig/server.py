# SPDX-License-Identifier: MIT
"""The proxy as a user starts it: scripts/claude-proxy, told by its environment."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Iterator

import processes
from patience import fair
from processes import wait_for
from wire import Answer, Stream, ask

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / os.environ.get("SCRATCH", ".build")
PROGRAMS = BUILD / "release"
CLI = BUILD / "claude-cli" / "claude"
# Whether the stages of ours share a process (one, the default) or each has its own (each): scripts/test runs some tests both ways.
PROCESSES = os.environ.get("PROCESSES", "one")
STAGES = ["rate-limit", "responses-store load", "model-map", "oai2anth", "resp2anth", "claude-echo", "anth2oai",
          "anth2resp", "responses-store save", "sse-encode"]
# The processes of that pipeline.
WIDTH = len(STAGES) if PROCESSES == "each" else 1
# A stage for each process of it.
VICTIMS = STAGES if PROCESSES == "each" else ["claude-echo"]


# The sockets that keep the last ports given.
_keepers: deque[socket.socket] = deque()


def free_port() -> int:
    """A port of this machine that the system gives to no one else for a while.

    It stays bound here: a server may listen there all the same, as each sets SO_REUSEADDR.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    _keepers.append(keeper)
    if len(_keepers) > 50:
        _keepers.popleft().close()
    return keeper.getsockname()[1]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """A chosen environment: nothing of the account that runs the tests gets in."""
    chosen = {
        # The interpreter itself for the stand-in of the CLI: shells of a shim before it would not die with claude-exec.
        "PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "RUN_DIR": str(home / "run"),
        # The tests ask faster than a person may.
        "RATE_LIMIT_REQUESTS": "6000000",
        "RATE_LIMIT_BURST": "100000",
    }
    chosen |= {name: os.environ[name] for name in ("SCRATCH", "PROCESSES") if name in os.environ}
    return chosen | settings


class LogPipe(threading.Thread):
    """Reads a log from a pipe into a file, and can be made to stop reading for a while."""

    def __init__(self, file: Path):
        super().__init__(daemon=True, name="log")
        self._reading, self.writing = os.pipe()
        self._file = open(file, "ab", buffering=0)
        self._goes = threading.Event()
        self._goes.set()

    def run(self) -> None:
        while self._goes.wait() and (piece := os.read(self._reading, 65536)):
            self._file.write(piece)
        self._file.close()
        os.close(self._reading)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        self._goes.clear()
        try:
            yield
        finally:
            self._goes.set()


class Proxy:
    """A running server on a port of its own, with a home of its own.

    With log_by_pipe its log comes through `log_pipe`, whose reader can be stopped.
    """

    def __init__(self, home: Path, scripts: Path = REPOSITORY / "scripts", log_by_pipe: bool = False, **settings: str):
        self.home = home
        self.port = int(settings.pop("PORT", 0)) or free_port()
        self.log = home / "log"
        home.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as file:
            log: Any = file
            if log_by_pipe:
                self.log_pipe = LogPipe(self.log)
                self.log_pipe.start()
                log = self.log_pipe.writing
            self.process = subprocess.Popen(
                [scripts / "claude-proxy"], env=environment(home, PORT=str(self.port), **settings), cwd=home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            if log_by_pipe:
                os.close(log)
        try:
            wait_for("the server is up", self.is_up)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()}")
        try:
            return self.ask("GET", "/health/live").status == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        return ask(self.port, method, path, body, headers)

    def stream(self, path: str, body: dict, headers: dict[str, str] | None = None) -> Stream:
        return Stream(self.port, path, body, headers)

    def stages(self) -> dict[str, int]:
        """The stages of the pipeline that runs now, by name. Those that share a process have the same number."""
        running = [pid for pid in processes.children(self.process.pid) if processes.alive(pid)]
        return {stage: pid for pid in running for stage in processes.stages(pid)}

    def cli_processes(self) -> set[int]:
        """The CLI processes that work for this server."""
        binary = str(CLI.resolve())
        ours = processes.with_home(self.home)
        return {pid for pid in ours if processes.program(pid) == binary or binary in processes.arguments(pid)}

    def stop(self) -> None:
        """End it as a service manager does, and see that nothing of it is left."""
        self.process.terminate()
        try:
            code = self.process.wait(30)
        finally:
            # The kernel kills what a dead stage had started; on a busy machine that takes its time to be seen.
            ended = time.monotonic()
            while processes.with_home(self.home) and fair(ended) < 1:
                time.sleep(0.01)
            left = {processes.name(pid) for pid in processes.with_home(self.home)}
            for pid in processes.with_home(self.home):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"left behind when the server had ended: {left}"
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), f"ended with {code}:\n{self.log.read_text()}"
