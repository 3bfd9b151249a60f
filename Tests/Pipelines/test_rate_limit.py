# SPDX-License-Identifier: MIT
"""The rate limit under many at once: exactly as many pass as may, in one server, and in a process for each connection.

One token a minute comes back: a test that takes less sees none, and one that takes more on a busy machine counts them.
"""
from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from listener import Listener
from processes import wait_for
from server import PROGRAMS, Proxy
from wire import Answer, ask, connect

CLIENTS, BURST = 200, 70
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "once more"}]}
MESSAGES, CHAT = "/v1/messages", "/openai/v1/chat/completions"
LIMITED = {"BACKEND": "claude-echo", "RATE_LIMIT_REQUESTS": "1", "RATE_LIMIT_BURST": str(BURST), "RATE_LIMIT_EXEMPT": ""}
LIMIT, LEFT, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"


def storm(ask_one: Callable[[int], Answer], clients: int = CLIENTS) -> tuple[list[Answer], int]:
    """What all got who asked at once, each from a thread of its own; and how many tokens came back meanwhile at most."""
    began, together = time.monotonic(), threading.Barrier(clients)

    def one(number: int) -> Answer:
        together.wait()
        return ask_one(number)

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(one, range(clients)))
    return answers, int((time.monotonic() - began) / 60)


def path_of(number: int) -> str:
    return (MESSAGES, CHAT)[number % 2]


def check(answers: list[Answer], back: int, burst: int = BURST) -> None:
    """Exactly as many passed as may, each told how many are left; the others were refused in their own dialect."""
    passed = [answer for answer in answers if answer.status == 200]
    assert burst <= len(passed) <= burst + back
    if not back:
        assert sorted(int(answer.headers[LEFT]) for answer in passed) == list(range(burst))
    for number, answer in enumerate(answers):
        assert answer.headers[LIMIT] == "1" and answer.headers["x-request-id"]
        assert 1 <= int(answer.headers[RESET]) <= 60 * burst
        if answer.status == 200:
            assert "retry-after" not in answer.headers
            continue
        assert answer.status == 429 and answer.headers[LEFT] == "0" and 1 <= int(answer.headers["retry-after"]) <= 61
        error = answer.json["error"]
        assert "1 requests a minute" in error["message"]
        if path_of(number) == MESSAGES:
            assert answer.json["type"] == "error" and error["type"] == "rate_limit_error"
            assert answer.json["request_id"] == answer.headers["x-request-id"]
        else:
            assert set(answer.json) == {"error"} and set(error) == {"message", "type", "param", "code"}


def test_many_at_once(start: Callable[..., Proxy]) -> None:
    """In several pipelines, which share the file of the buckets."""
    proxy = start(**LIMITED, PIPELINES="2")
    check(*storm(lambda number: proxy.ask("POST", path_of(number), BODY)))
    # They are used up for the next server too.
    again = start(**LIMITED, RUN_DIR=str(proxy.home / "run"))
    assert again.ask("POST", MESSAGES, BODY).status == 429


def test_keys_and_addresses_are_kept_apart(start: Callable[..., Proxy], tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text("ann:secret-a\nbob:secret-b\nowner:secret-o\n")
    keyed = start(**LIMITED | {"RATE_LIMIT_BURST": "20", "RATE_LIMIT_EXEMPT": "owner"}, AUTH_TOKENS_FILE=str(tokens))
    secrets = ["secret-a", "secret-b", "secret-o"]
    answers, back = storm(lambda number: keyed.ask("POST", path_of(number), BODY, {"x-api-key": secrets[number % 3]}), 120)
    for caller in (0, 1):
        passed = [answer for answer in answers[caller::3] if answer.status == 200]
        assert 20 <= len(passed) <= 20 + back and {answer.status for answer in answers[caller::3]} == {200, 429}
    # Who is exempt passes always, and is told of no limit.
    assert all(answer.status == 200 and LIMIT not in answer.headers for answer in answers[2::3])

    open_ = start(**LIMITED | {"RATE_LIMIT_BURST": "20", "RATE_LIMIT_EXEMPT": "192.0.2.9"}, TRUSTED_PROXIES="127.0.0.1",
                  ALLOW_UNAUTHENTICATED="1")
    addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.9"]
    answers, back = storm(
        lambda number: open_.ask("POST", path_of(number), BODY, {"x-forwarded-for": addresses[number % 3]}), 120)
    for caller in (0, 1):
        assert 20 <= sum(answer.status == 200 for answer in answers[caller::3]) <= 20 + back
    assert all(answer.status == 200 and LIMIT not in answer.headers for answer in answers[2::3])


def test_held_back_requests_open_nothing(start: Callable[..., Proxy]) -> None:
    """Bodies that were begun long ago and end now count as of now, or each would give back what others have used."""
    proxy = start(**LIMITED | {"RATE_LIMIT_REQUESTS": "60", "RATE_LIMIT_BURST": "2"})
    text = json.dumps(BODY).encode()
    head = f"POST {MESSAGES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"

    held = [connect(proxy.port) for _ in range(5)]
    for connection in held:
        connection.connect()
        connection.sock.sendall(f"{head}content-length: {len(text)}\r\n\r\n".encode())
    time.sleep(3)
    began, passed = time.monotonic(), 0
    for connection in held:
        connection.sock.sendall(text)
        passed += connection.sock.recv(65536).startswith(b"HTTP/1.1 200")
        passed += proxy.ask("POST", MESSAGES, BODY).status == 200
        connection.close()
    assert passed <= 2 + int(time.monotonic() - began + 1)


def test_no_limit_is_no_stage(start: Callable[..., Proxy]) -> None:
    proxy = start(**LIMITED | {"RATE_LIMIT_REQUESTS": "0"})
    assert {"model-map", "sse-encode"} <= proxy.stages().keys() and "rate-limit" not in proxy.stages()
    answers = [proxy.ask("POST", MESSAGES, BODY) for _ in range(BURST + 5)]
    assert all(answer.status == 200 and LIMIT not in answer.headers for answer in answers)


# A process for each connection


@pytest.mark.parametrize("kind", ["inetd", "socat"])
def test_many_processes_at_once(kind: str, tmp_path: Path) -> None:
    """Two hundred servers, each with a rate-limit of its own, and one file between them."""
    settings = {name: value for name, value in LIMITED.items() if name != "BACKEND"}
    listener = Listener(kind, tmp_path, **settings, PIPELINE=(
        f"rate-limit --requests 1 --burst {BURST} --exempt none --buckets {tmp_path}/run/buckets"
        " | oai2anth | claude-echo | anth2oai | sse-encode"))
    try:
        check(*storm(lambda number: ask(listener.port, "POST", path_of(number), BODY)))
    finally:
        wait_for("the processes are gone", lambda: not listener.ours())
        listener.stop()


# The file


def record(rid: str, now: int, peer: str = "192.0.2.1:5", **more: Any) -> bytes:
    http = {"time": now, "peer": peer}
    return json.dumps({"rid": rid, "ctx": {"op": "messages", "http": http | more}, "request": {}}).encode() + b"\n"


class Limiter:
    """A rate-limit by its pipe."""

    def __init__(self, buckets: Path, requests: int = 60, burst: int = 10):
        self.process = subprocess.Popen(
            [PROGRAMS / "rate-limit", "--requests", str(requests), "--burst", str(burst), "--buckets", str(buckets)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def passed(self, *records: bytes) -> int:
        """How many of these pass, and ends it."""
        out, _ = self.process.communicate(b"".join(records), timeout=20)
        assert self.process.returncode == 0
        return sum(b'"request":' in line for line in out.splitlines())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


NOW = 1_764_000_000_000_000
SECOND = 1_000_000


def test_a_window_with_refill(tmp_path: Path) -> None:
    """Forty processes get the same half a minute, each its requests of it: the burst passes, and one a second."""
    started = [Limiter(tmp_path / "buckets") for _ in range(40)]
    # The first instant empties the bucket; then each second has a request of each process, in the order of time.
    passed = 0
    with ThreadPoolExecutor(40) as pool:
        for second in range(31):
            def step(limiter: Limiter) -> bool:
                limiter.process.stdin.write(record("r", NOW + second * SECOND))
                limiter.process.stdin.flush()
                line = limiter.process.stdout.readline()
                if b'"error":' in line:
                    assert limiter.process.stdout.readline().endswith(b'"end":{}}\n')
                return b'"request":' in line
            passed += sum(pool.map(step, started))
            assert passed == 10 + second
    assert all(limiter.passed() == 0 for limiter in started)


def test_whoever_dies_with_the_lock_gives_it_back(tmp_path: Path) -> None:
    buckets = tmp_path / "buckets"
    assert Limiter(buckets).passed(record("r", NOW)) == 1
    locked, told = os.pipe()
    holder = os.fork()
    if holder == 0:
        fcntl.flock(os.open(buckets, os.O_RDWR), fcntl.LOCK_EX)
        os.write(told, b"x")
        signal.pause()
    assert os.read(locked, 1) == b"x"
    limiter = Limiter(buckets)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.passed, record("r", NOW))
        time.sleep(0.3)
        assert not waiting.done()
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        assert waiting.result(20) == 1
    os.close(locked), os.close(told)


def test_some_are_killed_at_work(tmp_path: Path) -> None:
    """A token that was taken may be lost with who took it; none is given twice, and the others go on."""
    buckets, given, got = tmp_path / "buckets", tmp_path / "given", tmp_path / "got"
    given.write_bytes(b"".join(record(str(number), NOW) for number in range(20_000)))
    got.touch()
    command = [PROGRAMS / "rate-limit", "--requests", "1", "--burst", "400000", "--buckets", buckets]
    for after in range(16):
        with open(given) as in_, open(got, "ab") as out:
            before = got.stat().st_size
            victim = subprocess.Popen(command, stdin=in_, stdout=out)
            wait_for("it works", lambda: got.stat().st_size > before, 10)
            time.sleep(after / 2000)
            victim.kill()
            victim.wait()
    passed = got.read_bytes().count(b'"request":')
    last = subprocess.run(command, input=record("last", NOW), capture_output=True, timeout=20)
    taken = 400_000 - 1 - int(json.loads(last.stdout)["ctx"]["headers"][LEFT])
    assert 0 < passed <= taken < 16 * 20_000, (passed, taken)


SIZE = 32 + 16 * 65_536


@pytest.mark.parametrize("spoil", [b"", b"\0" * SIZE, os.urandom(SIZE), b"claude-buckets 1" + b"\x7f" * (1 << 20),
                                   os.urandom(1 << 20)],
                         ids=["nothing", "zeros", "noise", "another version", "the first version"])
def test_a_file_that_holds_no_buckets(spoil: bytes, tmp_path: Path) -> None:
    """All are full, and it is of use from then on."""
    buckets = tmp_path / "buckets"
    buckets.write_bytes(spoil)
    callers = [f"198.51.100.{number}:5" for number in range(200)]
    assert Limiter(buckets, burst=2).passed(*[record("r", NOW, peer) for peer in callers * 3]) == 400
    assert Limiter(buckets, burst=2).passed(*[record("r", NOW, peer) for peer in callers]) == 0


@pytest.mark.parametrize("content", [b"short", b"my diary\n" * 1000, b"\xff" * (2 << 20)])
def test_a_file_of_something_else_stays(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "diary"
    file.write_bytes(content)
    command = [PROGRAMS / "rate-limit", "--requests", "1", "--buckets", file]
    said = subprocess.run(command, input=record("r", NOW), capture_output=True, timeout=20)
    assert (said.returncode, said.stdout) == (78, b"") and b"holds something else than buckets" in said.stderr, said
    assert file.read_bytes() == content


def test_the_file_is_cut_under_a_running_server(start: Callable[..., Proxy]) -> None:
    """Its stage dies of it and is started again: at worst one request is answered by an error."""
    proxy = start(**LIMITED)
    assert proxy.ask("POST", MESSAGES, BODY).headers[LEFT] == str(BURST - 1)
    os.truncate(proxy.home / "run" / "buckets", 0)
    assert proxy.ask("POST", MESSAGES, BODY).status in (200, 502, 503)

    def again() -> str | None:
        answer = proxy.ask("POST", MESSAGES, BODY)
        return answer.headers[LEFT] if answer.status == 200 else None

    left = int(wait_for("it is back", again))
    assert int(proxy.ask("POST", MESSAGES, BODY).headers[LEFT]) == left - 1
