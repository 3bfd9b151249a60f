# SPDX-License-Identifier: MIT
"""Many good and bad clients on one server, for minutes: every answer is checked, and nothing may stay behind.

usage: soak.py [--seconds 600] [--rate 250] [--seed N] [--backend claude-echo|claude-http]

The server is scripts/claude-proxy as a user starts it. It ends with a table, and with 1 when anything was wrong; the
first ten things are named, and the seed that gives the same requests again.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Awaitable, Callable

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / folder) for folder in ("Rig", "StandIns", "Pipelines")]

import bad  # noqa: E402
import good  # noqa: E402
from asked import OTHER_TOKEN, TOKEN, Maker  # noqa: E402
from client import Client  # noqa: E402
from good import Session  # noqa: E402
from ledger import AccessLog, Ledger, Wrong  # noqa: E402
from patience import slowness  # noqa: E402
from processes import wait_for  # noqa: E402
from prometheus import samples  # noqa: E402
from report import table  # noqa: E402
from server import WIDTH, Proxy  # noqa: E402
from standin import standin  # noqa: E402
from watch import Watch, leaks  # noqa: E402

KEY = {"x-api-key": TOKEN}
# Parts of the time: warm-up, the measured part, and the rest. The stages are replaced before and after the measured
# part, never within it: a leak of theirs would go with them.
MEASURED = (0.2, 0.85)
HANGUPS = (0.03, 0.08, 0.13, 0.88, 0.92, 0.96)
# Sessions at once, above what a machine with nothing else to do comes to: past it no new ones begin, so that a busy
# machine has less load, not longer waiting.
MOST = 200
# Requests of a session in the mean, and the part of sessions that are bad.
PER_SESSION, BAD = 4, 0.2
# How long the last ones may take to end, in seconds.
LAST = 90
# How long a small good request may wait for its answer, in seconds of a machine that does nothing else: what bad
# clients send holds up nobody.
HARMED = 5
# The log's reader stops for so many seconds, in each of so many.
LOG_STOPS, LOG_EVERY = 4, 12


Kind = Callable[[Session, Client], Awaitable[None]]


class Soak:
    """One run."""

    def __init__(self, proxy: Proxy, seconds: float, rate: float, seed: int, echoes: bool):
        self.proxy, self.seconds, self.rate, self.seed, self.echoes = proxy, seconds, rate, seed, echoes
        self.ledger, self.log = Ledger(), AccessLog(proxy.log)
        self.watch = Watch(proxy.process.pid)
        self.lags: list[float] = []
        self.hangups = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = 0

    async def run(self) -> None:
        self.ending, self.large = asyncio.Event(), asyncio.Semaphore(2)
        self.began = time.monotonic()
        others = [asyncio.create_task(one) for one in (
            self._look(), self._hang_up(), self._lag(), self._now_and_then(), self._stall_log())]
        due = self.began
        while (now := time.monotonic()) < self.began + self.seconds:
            # What could not be begun in time is not made up for.
            due = max(due, now - 0.5)
            while due <= now:
                due += PER_SESSION / self.rate
                if len(self._tasks) < MOST:
                    self._start()
            await asyncio.sleep(0.005)
        self.ending.set()
        _, late = await asyncio.wait(self._tasks, timeout=LAST) if self._tasks else (set(), set())
        for task in late:
            self.ledger.wrong(f"{task.get_name()} has not ended within {LAST} s")
            task.cancel()
        self.measured = [self.began + part * self.seconds for part in MEASURED]
        for task in others:
            task.cancel()
        for result in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def _start(self, *whats: Kind) -> asyncio.Task[None]:
        self._numbers += 1
        # Its own numbers: whatever else happens, it does the same again.
        name = f"{self.seed:x}.{self._numbers}"
        task = asyncio.create_task(self._session(name, whats), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _session(self, name: str, whats: tuple[Kind, ...]) -> None:
        """One client that does one thing after the other, or what chance gives it if it is told nothing."""
        task, rng = asyncio.current_task(), random.Random(name)
        assert task
        session = Session(self.proxy.port, self.ledger, rng, Maker(rng, name, self.echoes), "", self.ending,
                          self.echoes, self.large)
        try:
            client = await Client.open(self.proxy.port)
            try:
                for what in whats or self._chosen(rng):
                    session.kind = what.__name__
                    task.set_name(f"{name} {session.kind}")
                    await what(session, client)
            finally:
                client.close()
        except (Wrong, OSError, EOFError, ValueError, KeyError, LookupError, asyncio.TimeoutError) as error:
            # Its connection may end while such a one still sends.
            if isinstance(error, OSError) and not isinstance(error, asyncio.TimeoutError) and session.kind in ENDED_WITHIN:
                return self.ledger.came(session.kind, "reset")
            self.ledger.came(session.kind, "WRONG")
            at = time.monotonic() - self.began
            self.ledger.wrong(f"{name} {session.kind} at {at:.1f} s: {type(error).__name__}: {error}")

    def _chosen(self, rng: random.Random) -> list[Kind]:
        bads = bad.KINDS if self.echoes else bad.KINDS + bad.UPSTREAM_KINDS
        kinds, count = (bads, 1) if rng.random() < BAD else (good.KINDS, rng.randint(1, 2 * PER_SESSION - 1))
        return rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds], k=count)

    # Beside the sessions

    async def _now_and_then(self) -> None:
        """What is too large, or too long, to be left to chance: in the measured time there is always as much of it."""
        still: list[asyncio.Task[None]] = []
        hangups = 0
        for number in itertools.count():
            if self.ending.is_set():
                return
            # The stages are new when the last SIGHUP of the warm-up is over: they get the largest at once.
            if self.echoes and (number % 20 == 0 or self.hangups != hangups and self.hangups <= 3):
                self._start(bad.flood)
            hangups = self.hangups
            still = [task for task in still if not task.done()]
            still += [self._start(bad.never_read) for _ in range(2 - len(still))]
            self._start(good.image)
            await asyncio.sleep(1.5)

    async def _stall_log(self) -> None:
        """The reader of the server's log stops now and then, as one that waits for its disk does."""
        while not self.ending.is_set():
            await asyncio.sleep(LOG_EVERY - LOG_STOPS)
            with self.proxy.log_pipe.stopped():
                await asyncio.sleep(LOG_STOPS)

    async def _hang_up(self) -> None:
        for part in HANGUPS:
            await asyncio.sleep(max(0, self.began + part * self.seconds - time.monotonic()))
            self.proxy.process.send_signal(signal.SIGHUP)
            self.hangups += 1

    async def _look(self) -> None:
        """Samples, as long as the load lasts."""
        while True:
            await asyncio.to_thread(self._sample)
            await asyncio.sleep(max(0.5, self.seconds / 300))

    def _sample(self) -> None:
        answer = self.proxy.ask("GET", "/metrics", headers=KEY)
        self.watch.sample(int(samples(answer.body.decode())["claude_proxy_in_flight"]))
        self.log.read()

    async def _lag(self) -> None:
        """How late we are ourselves, in seconds: whether we are the bottleneck."""
        while True:
            now = time.monotonic()
            await asyncio.sleep(0.05)
            self.lags.append(time.monotonic() - now - 0.05)

    # When all is over

    def settle(self, before: dict[str, int]) -> dict[str, int]:
        """Whether all has been given back. Returns the descriptors by process."""
        wrong = self.ledger.wrong
        # The old stages end when they owe nothing more; what they still held they would say now.
        self.proxy.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        with self._noted():
            wait_for("the old stages have ended", lambda: len(self.watch.pids()) == 1 + len(before) - 1, 15)
        with self._noted():
            wait_for("no request is in flight", lambda: self.in_flight() == 0, 15)
        after = self.watch.at_rest()
        if after != before:
            wrong(f"the descriptors are {after}, and were {before}")
        if zombies := self.watch.zombies():
            wrong(f"dead and not collected: {zombies}")
        for leak in leaks(self.watch.growth(*self.measured)):
            wrong(leak)
        slowest = max(self.ledger.delays["small"], default=0)
        if slowest / slowness(self.began) > HARMED:
            wrong(f"a small request waited {slowest:.1f} s for its answer")
        text = self.proxy.ask("GET", "/metrics", headers=KEY).body.decode()
        # All but the one that asks for it.
        counted = int(sum(n for key, n in samples(text).items() if key.startswith("claude_proxy_requests_total")))
        if restarts := samples(text)["claude_proxy_pipeline_restarts_total"]:
            wrong(f"the pipeline was restarted {restarts} times")
        with self._noted():
            wait_for("the log is whole", lambda: self.log.read() or self.log.accounts_for(counted + 1), 10)
        self.ledger.compare(self.log)
        return after

    @contextlib.contextmanager
    def _noted(self) -> Any:
        try:
            yield
        except AssertionError as error:
            self.ledger.wrong(str(error))

    def in_flight(self) -> int:
        text = self.proxy.ask("GET", "/metrics", headers=KEY).body.decode()
        return int(samples(text)["claude_proxy_in_flight"])


# Who may be cut off while they send or leave.
ENDED_WITHIN = {"vanish_asking", "vanish_answered", "vanish_pipelining", "garbage", "garbage_behind", "noise",
                "too_large", "drip"}


def soak(seconds: float, rate: float, seed: int, backend: str) -> bool:
    """Runs it, prints the table, and says whether all was well."""
    with contextlib.ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        more = things.enter_context(standin()) if backend == "claude-http" else {}
        tokens = folder / "tokens"
        tokens.write_text(f"one:{TOKEN}\nother:{OTHER_TOKEN}\n")
        tokens.chmod(0o600)
        proxy = Proxy(
            folder / "home", log_by_pipe=True, BACKEND=backend, AUTH_TOKENS_FILE=str(tokens), LOG_LEVEL="debug",
            MAX_BODY=str(bad.MAX_BODY), HEADER_TIMEOUT=str(bad.HEADER_TIMEOUT), BODY_TIMEOUT=str(bad.BODY_TIMEOUT),
            KEEP_ALIVE_TIMEOUT=str(bad.KEEP_ALIVE_TIMEOUT),
            # It counts, and lets all pass.
            RATE_LIMIT_REQUESTS="1000000", RATE_LIMIT_BURST="1000000", RATE_LIMIT_EXEMPT="", **more)
        things.callback(proxy.stop)
        proxy.ask("GET", "/health/ready")
        run = Soak(proxy, seconds, rate, seed, backend == "claude-echo")
        wait_for("all stages are there", lambda: len(run.watch.pids()) == 1 + WIDTH)
        before = run.watch.at_rest()
        cpu = os.times()
        began = time.monotonic()
        asyncio.run(run.run())
        spent, took = os.times().user + os.times().system - cpu.user - cpu.system, time.monotonic() - began
        after = run.settle(before)
        print(table(run, before, after, spent / took))
        return not run.ledger.wrongs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=250, help="requests a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--backend", choices=["claude-echo", "claude-http"], default="claude-echo")
    given = parser.parse_args()
    sys.exit(0 if soak(given.seconds, given.rate, given.seed, given.backend) else 1)


if __name__ == "__main__":
    main()
