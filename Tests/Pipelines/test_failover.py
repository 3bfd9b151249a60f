# SPDX-License-Identifier: MIT
"""Chains of backends through the whole server, in both orders: what the first declines is the second's alone."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from backend import SECRET, STAND_IN, ask_for
from messages_api import MessagesAPI
from patience import fair
from processes import alive, children, wait_for
from prometheus import samples
from server import Proxy
from wire import Answer, text_of

PATHS = ["/v1/messages", "/openai/v1/chat/completions"]
ORDERS = ["claude-exec,claude-http", "claude-http,claude-exec"]
STATUSES = [401, 429, 503, 529]
# What the API's stand-in says with an error, besides.
MORE = "[[retryafter:12]][[shouldretry:false]][[ratelimit]]"


class Chain:
    """A server with both backends; the CLI is the scripted stand-in, and the API the other one."""

    def __init__(self, start: Callable[..., Proxy], api: MessagesAPI, order: str, **settings: str):
        self.api, self.cli_first = api, order.startswith("claude-exec")
        self.proxy = start(BACKEND=order, CLAUDE_CLI_PATH=str(STAND_IN), CLAUDE_AUTH="key", CLAUDE_CARRIER="N",
                           CLAUDE_WARM_PROCESSES="0", ANTHROPIC_API_KEY=SECRET, ANTHROPIC_BASE_URL=api.url, **settings)

    def fails(self, status: int) -> str:
        """The marks by which the first backend fails."""
        return f"[[play:error_{status}]]" if self.cli_first else f"[[error:{status}]]{MORE}"

    @property
    def asked_second(self) -> int:
        """How often the second was asked; of the CLI, by requests that have the mark ``dump``."""
        return len(self.api.bodies()) if self.cli_first else sum(
            name.startswith("dump-") for _, _, names in os.walk(self.proxy.home) for name in names)

    def ask(self, path: str, text: str, **more: Any) -> Answer:
        return self.proxy.ask("POST", path, ask_for(text, **more))

    def tokens(self) -> dict[str, float]:
        found = samples(self.proxy.ask("GET", "/metrics").body.decode())
        return {name: value for name, value in found.items() if name.startswith("claude_proxy_tokens_total")}


@pytest.fixture
def chain(start: Callable[..., Proxy], api: MessagesAPI) -> Callable[..., Chain]:
    return lambda order, **settings: Chain(start, api, order, **settings)


def started_by(one: Chain) -> list[int]:
    """The processes that the CLI's backend has started."""
    return [pid for pid in children(one.proxy.stages()["claude-exec"]) if alive(pid)]


def check_headers(headers: dict[str, str]) -> None:
    """Nothing that the first said of its failure."""
    assert not {"retry-after", "x-should-retry"} & headers.keys(), headers
    assert not any(name.startswith("anthropic-ratelimit") for name in headers), headers


@pytest.mark.parametrize("order", ORDERS)
def test_each_status_whole_and_as_a_stream(chain, order: str) -> None:
    """The text, the headers and the usage are the second's; of the first nothing is left."""
    one = chain(order)
    # A CLI has no 503 of the API's to tell: see below.
    plays = [status for status in STATUSES if status != 503 or not one.cli_first]
    for number, status in enumerate(plays):
        text = f"{one.fails(status)}[[say:by the second]][[dump]]"
        whole = one.ask(PATHS[number % 2], text)
        assert whole.status == 200 and b"by the second" in whole.body, whole
        check_headers(whole.headers)
        stream = one.proxy.stream(PATHS[1 - number % 2], ask_for(text, stream=True))
        assert text_of(list(stream)) == "by the second" and stream.status == 200
        check_headers(stream.headers)
    assert one.asked_second == 2 * len(plays)


def test_a_cli_that_can_t_serve_is_passed_over(start, api: MessagesAPI, tmp_path: Path) -> None:
    """503 is what claude-exec says of one that is too old."""
    (tmp_path / "home0").mkdir()
    (tmp_path / "home0" / "fake-version").write_text("2.1.100")
    one = Chain(start, api, ORDERS[0])
    assert one.proxy.home == tmp_path / "home0"
    for path in PATHS:
        assert b"by the key" in one.ask(path, "[[say:by the key]]").body
        assert text_of(list(one.proxy.stream(path, ask_for("[[say:by the key]]", stream=True)))) == "by the key"
    assert len(api.bodies()) == 4


@pytest.mark.parametrize("order", ORDERS)
def test_what_isn_t_declined_stays_with_the_first(chain, order: str) -> None:
    one = chain(order)
    for status in (400, 403, 500):
        answer = one.ask(PATHS[0], f"{one.fails(status)}[[say:never said]][[dump]]")
        assert answer.status == status and b"never said" not in answer.body
    assert one.asked_second == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", ORDERS)
def test_never_after_the_first_event(chain, order: str, path: str) -> None:
    """An overload in mid-stream is an error of this answer, though the same before it is declined."""
    one = chain(order)
    mark = "[[play:error_midstream]]" if one.cli_first else "[[sse_error:overloaded_error]][[say:a b c]][[dump]]"
    stream = one.proxy.stream(path, ask_for(mark, stream=True))
    events = list(stream)
    assert stream.status == 200 and "overloaded" in json.dumps(events[-1].data), events[-1]
    assert text_of(events[:-1]) and one.asked_second == 0


@pytest.mark.parametrize("order", ORDERS)
def test_the_usage_of_one_is_counted(chain, order: str) -> None:
    """Though the first may have been told some before it failed."""
    one = chain(order)
    # As a whole nothing has been written when the CLI's stream breaks, so that it is declined, its usage known or not.
    mark = "[[play:error_midstream]]" if one.cli_first else one.fails(529)
    answer = one.ask(PATHS[0], f"{mark}[[say:counted once]]")
    assert answer.status == 200 and b"counted once" in answer.body
    usage = answer.json["usage"]
    counted = one.tokens()
    for kind in ("input", "output"):
        assert [value for name, value in counted.items() if f'kind="{kind}"' in name] == [usage[f"{kind}_tokens"]], counted
    [line] = [record for record in map(json.loads, one.proxy.log.read_text().splitlines()) if record.get("path") == PATHS[0]]
    assert line["status"] == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_client_that_goes_while_the_second_answers(chain, order: str, path: str) -> None:
    one = chain(order)
    stream = one.proxy.stream(path, ask_for(f"{one.fails(429)}[[len:1000]][[slow:0.05]]", stream=True))
    next(iter(stream))
    stages = one.proxy.stages()
    gone = stream.go()
    if one.cli_first:
        assert fair(gone, one.api.wait("client_abort")["mono"]) < 1
    else:
        wait_for("the CLI has ended", lambda: not started_by(one), 3)
    assert one.proxy.stages() == stages
    assert b"still there" in one.ask(path, "[[say:still there]]").body


@pytest.mark.parametrize("order", ORDERS)
def test_a_client_that_goes_before_the_first_has_declined(chain, order: str) -> None:
    """The second is never asked."""
    one = chain(order)
    # The recording has some lines before its end; the API waits before it answers.
    slow = "[[slow:0.4]]" if one.cli_first else "[[delay:1]][[dump]]"
    stream = one.proxy.stream(PATHS[0], ask_for(one.fails(429) + slow, stream=True))
    if one.cli_first:
        wait_for("the CLI works", lambda: started_by(one))
    else:
        one.api.wait("request")
    stream.go()
    time.sleep(2.5)
    assert one.asked_second == 0
    assert b"still there" in one.ask(PATHS[0], "[[say:still there]]").body
