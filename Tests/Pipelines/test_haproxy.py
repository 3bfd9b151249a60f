# SPDX-License-Identifier: MIT
"""scripts/haproxy: a replica's end under load, limits that both replicas share, and what either end may wait for."""
from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator

import anthropic
import openai
import processes
import pytest
from load import Load, Outcome
from patience import fair
from processes import wait_for
from prometheus import samples
from recipes import SCRIPTS, Running, program
from server import Proxy, free_port
from wire import Answer, ask, connect

RECIPE = SCRIPTS / "haproxy/haproxy.cfg"
STREAMS, WHOLES = 40, 20
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "over here"}]}
# What the proxy's settings beside HAProxy are, as the recipe's head says.
SETTINGS = {"BACKEND": "claude-echo", "TRUSTED_PROXIES": "127.0.0.1", "ALLOW_UNAUTHENTICATED": "1", "ALLOWED_HOSTS": "claude.example.com"}


class Pair:
    """Two replicas, and HAProxy before them."""

    def __init__(self, home: Path, recipe: Path = RECIPE, **settings: str):
        self.home = home
        self.replicas = [Proxy(home / name, **SETTINGS) for name in ("one", "two")]
        self.balancer = None
        self.port = free_port()
        try:
            self.balancer = Running(home / "haproxy", [program("haproxy"), "-db", "-f", recipe], self.port, **{
                "LISTEN": f"127.0.0.1:{self.port}", "REPLICA_1": f"127.0.0.1:{self.replicas[0].port}",
                "REPLICA_2": f"127.0.0.1:{self.replicas[1].port}", **settings})
        except BaseException:
            self.stop()
            raise

    def ask(self, body: Any = BODY, **headers: str) -> Answer:
        return ask(self.port, "POST", "/v1/messages", body, headers)

    def answered(self) -> list[int]:
        """How many requests each replica has let through its pipe to an answer."""
        return [sum(line["msg"] == "request" and line["path"] == "/v1/messages" for line in self.lines(replica))
                for replica in self.replicas]

    def lines(self, replica: Proxy) -> list[dict[str, Any]]:
        return [json.loads(line) for line in replica.log.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> None:
        if self.balancer:
            self.balancer.stop()
        for replica in self.replicas:
            if replica.process.poll() is None:
                replica.stop()


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    started = Pair(tmp_path, **getattr(request, "param", {}))
    yield started
    started.stop()


MANY = {"KEY_REQUESTS": "100000", "ADDRESS_REQUESTS": "100000"}


@pytest.mark.parametrize("pair", [MANY], indirect=True)
def test_one_is_killed(pair: Pair) -> None:
    """Those under way on it fail visibly; no request that began afterwards does; when it is back it gets its part."""
    load = Load(pair, STREAMS, WHOLES, words=30, pace=0.02, keep=10)
    load.wait_begun()
    time.sleep(0.5)
    victim = pair.replicas[0]
    stages = list(victim.stages().values())
    os.kill(victim.process.pid, signal.SIGKILL)
    victim.process.wait()
    # Until it is gone its socket lets clients in, whom it won't read: they count as under way on it.
    killed = time.monotonic()
    marked = wait_for("HAProxy has found out", lambda: "Server replicas/one is DOWN" in pair.balancer.log.read_text()
                      and time.monotonic())
    time.sleep(1)
    wait_for("its stages have ended with it", lambda: not any(map(processes.alive, stages)))
    again = Proxy(victim.home, PORT=str(victim.port), **SETTINGS)
    pair.replicas[0] = again
    wait_for("it is up again", lambda: "Server replicas/one is UP" in pair.balancer.log.read_text())
    time.sleep(1.5)
    outcomes = load.end()
    old = [one for one in outcomes if one.began < killed]
    new = [one for one in outcomes if one.began >= killed]
    lost = [one for one in old if one.kind != "whole"]
    assert len(new) > 2 * (STREAMS + WHOLES) and all(one.kind == "whole" for one in new), load.kinds()
    # About half of those under way were its own: each is told, none waits for what won't come.
    assert 0 < len(lost) < STREAMS + WHOLES and all(fair(killed, one.ended) < 2 for one in lost), load.kinds()
    assert all(is_told(one) for one in lost), [one for one in lost if not is_told(one)]
    assert fair(killed, marked) < 2
    after = sum(line["msg"] == "request" for line in pair.lines(again))
    assert after > 10, "the replica that came back got nothing"
    print(f"{len(outcomes)} requests, {len(new)} begun after the kill and all whole; {len(lost)} under way were lost, "
          f"the last told {max(one.ended for one in lost) - killed:.3f} s after; marked down after "
          f"{marked - killed:.3f} s; the slowest new one took {max(one.ended - one.began for one in new):.2f} s")


def is_told(lost: Outcome) -> bool:
    """A stream that breaks off, or a gateway's error that the SDK reads: nothing that looks complete.

    On a connection that had answers before, HAProxy closes it instead, as HTTP has it of a server that is gone.
    """
    broken = ("broken off", "IncompleteRead", "ConnectionResetError", "RemoteDisconnected")
    return lost.kind.startswith(broken) or (lost.kind, lost.status) == ("failed", 502)


@pytest.mark.parametrize("pair", [MANY], indirect=True)
def test_one_is_ended(pair: Pair) -> None:
    """By SIGTERM, as for a new version: not one request is lost."""
    load = Load(pair, STREAMS, WHOLES, words=20, pace=0.02, keep=10)
    load.wait_begun()
    time.sleep(0.3)
    pair.replicas[0].stop()
    time.sleep(1)
    outcomes = load.end()
    assert load.kinds() == {"whole": len(outcomes)}


@pytest.mark.parametrize("pair", [{"KEY_REQUESTS": "20", "ADDRESS_REQUESTS": "50"}], indirect=True)
def test_shared_limits(pair: Pair) -> None:
    """Of each key 20 pass, over both replicas; of an address 50, whatever its keys; then both SDKs know how long to wait."""

    def ask_as(header: dict[str, str]) -> int:
        return pair.ask(**header).status

    ways = [{"x-api-key": "first"}, {"authorization": "Bearer first"}] * 20 + [{"authorization": "bearer second"}] * 40
    began = time.monotonic()
    with ThreadPoolExecutor(20) as clients:
        statuses = list(clients.map(ask_as, ways))
    assert statuses[:40].count(200) == statuses[40:].count(200) == 20 and set(statuses) == {200, 429}
    # 10 are left of the address's, without a key as with ever new ones.
    others = [ask_as({"x-api-key": f"new{number}"} if number % 2 else {}) for number in range(30)]
    assert others.count(200) == 10 and others[:10] == [200] * 10
    answered = wait_for("all are logged", lambda: sum(pair.answered()) == 50 and pair.answered())
    assert min(answered) > 10, answered
    print(f"50 of 110 passed, {answered} at the replicas, in {time.monotonic() - began:.2f} s")
    # What costs nothing is not counted, and the secrets are nowhere.
    assert ask(pair.port, "GET", "/v1/models").status == ask(pair.port, "GET", "/health/ready").status == 200
    refused = pair.ask(**{"x-api-key": "first"})
    assert refused.status == 429 and refused.headers["retry-after"] == "10"
    assert refused.headers["x-request-id"] == refused.json["request_id"]
    assert set(refused.json["error"]) == {"type", "message", "param", "code"}
    assert "first" not in pair.balancer.log.read_text()

    url, wait = f"http://127.0.0.1:{pair.port}", {"api_key": "first", "max_retries": 0}
    with pytest.raises(anthropic.RateLimitError) as theirs:
        anthropic.Anthropic(base_url=url, **wait).messages.create(**BODY)
    assert theirs.value.response.headers["retry-after"] == "10" and "10 seconds" in str(theirs.value)
    with pytest.raises(openai.RateLimitError) as other:
        openai.OpenAI(base_url=url + "/openai/v1", **wait).chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}])
    assert other.value.code == "rate_limit_exceeded" and other.value.request_id
    # And the time that is told is enough.
    patient = anthropic.Anthropic(base_url=url, api_key="first", max_retries=1)
    assert patient.messages.create(**BODY).content[0].text == "over here"


def test_whose_address(pair: Pair) -> None:
    """The client's own, as HAProxy saw it, is what the replica logs; not what the client said."""
    connection = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=20, source_address=("127.0.0.77", 0))
    headers = {"x-forwarded-for": "192.0.2.6", "host": "claude.example.com"}
    assert ask(pair.port, "POST", "/v1/messages", BODY, headers, connection).status == 200
    connection.close()

    def peers() -> set[str]:
        return {line["peer"] for replica in pair.replicas for line in pair.lines(replica)
                if line["msg"] == "request" and line["path"] == "/v1/messages"}

    assert wait_for("it is logged", peers) == {"127.0.0.77"}


def test_a_client_that_goes_and_a_pipeline_that_is_away(pair: Pair) -> None:
    """A whole answer that nobody waits for any more is cancelled; a 503 is asked again at the other replica."""
    at_first = pair.answered()
    connection = connect(pair.port)
    connection.request("POST", "/v1/messages", json.dumps(BODY | {"messages": [
        {"role": "user", "content": "[[delay:30]]"}]}), {"content-type": "application/json"})

    def in_flight() -> float:
        return sum(samples(replica.ask("GET", "/metrics").body.decode())["claude_proxy_in_flight"]
                   for replica in pair.replicas)

    wait_for("it is under way", lambda: in_flight() == 1)
    connection.close()
    wait_for("it is cancelled", lambda: in_flight() == 0)
    # Its line is written when the backend has said what it has cost.
    wait_for("it is logged", lambda: sum(pair.answered()) - sum(at_first) == 1)
    # A 503 of both: three more tries, then the client gets it.
    before = pair.answered()
    refused = pair.ask(BODY | {"messages": [{"role": "user", "content": "[[error:503]]"}]})
    assert refused.status == 503
    wait_for("all tries are logged", lambda: sum(pair.answered()) - sum(before) == 4)
    assert pair.answered()[0] > before[0] and pair.answered()[1] > before[1], pair.answered()
    for replica in pair.replicas:
        replica.stop()
    nobody = pair.ask()
    assert nobody.status == 503 and nobody.json["error"]["type"] == "overloaded_error" and nobody.json["request_id"]


def test_silence(tmp_path: Path) -> None:
    """The time-out of the client doesn't run while it waits: an answer may be silent for longer."""
    recipe = tmp_path / "haproxy.cfg"
    recipe.write_text(RECIPE.read_text().replace("timeout client 65s", "timeout client 1s"))
    pair = Pair(tmp_path, recipe)
    try:
        with ThreadPoolExecutor(2) as clients:
            answers = list(clients.map(lambda stream: pair.ask(BODY | {"stream": stream, "messages": [
                {"role": "user", "content": "[[delay:2.5]] there"}]}), (False, True)))
        assert all(answer.status == 200 and b"there" in answer.body for answer in answers), answers
    finally:
        pair.stop()
