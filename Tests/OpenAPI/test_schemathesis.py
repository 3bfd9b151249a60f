# SPDX-License-Identifier: MIT
"""schemathesis asks all that the document describes, with all its checks, and holds the answers against it.

Short by default: made-up requests alone. LONG=1 (make test-schema) goes through every value of every schema too, which
are some fifty thousand requests. What is left out, and why:

- NUL in generated text: the JSON library refuses it in the name of a member (400).
- Two tools of one name, which are refused (requests_hook.py).
- negative_data_rejection, for chat, where nothing judges them. claude-echo takes nearly anything, so Anthropic's
  requests are asked again of claude-http, before a stand-in for the API that refuses what isn't of the SDK's types;
  there the check is on. For OpenAI's, the proxy takes more than the SDK's types on purpose: wrong values in fields that
  have no counterpart, or that a client sends null in, are left out and named in x-proxy-loss, not refused. There the
  stand-in judges what becomes of the request, and positive_data_acceptance is on: what is of OpenAI's types is of
  Anthropic's types when it comes out.
- negative_data_rejection and positive_data_acceptance, for OpenAI's Responses. The first for the same reason. And a
  request refers to what was said before, by the ids of responses, items and calls: no schema can say which there are.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from document import FILE
from messages_api import MessagesAPI
from server import Proxy

LONG = os.environ.get("LONG") == "1"
CHAT = ["/openai/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions"]
RESPONSES = [place + path for place in ("/openai/v1", "/v1")
             for path in ("/responses", "/responses/input_tokens", "/responses/{id}/cancel")]
OTHERS = [path for path in json.loads(FILE.read_text())["paths"] if path not in CHAT + RESPONSES]
NOT_JUDGED = "negative_data_rejection"
REFERS = NOT_JUDGED + ",positive_data_acceptance"
KEY = "a-key-of-the-test-0123456789"


def run(proxy: Proxy, paths: list[str], *arguments: str, most: int = 8) -> int:
    """Asks these paths of a server; how many requests that were."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", str(FILE), "--url", proxy.url,
               "--checks", "all", "--continue-on-failure", "--no-shrink", "--generation-allow-x00", "false",
               "--generation-database", "none", "--seed", "1122", "--output-truncate", "true", "--warnings", "off",
               "--phases", "examples,coverage,fuzzing,stateful" if LONG or paths == OTHERS else "fuzzing",
               "--max-examples", str(100 if LONG else most)]
    for path in paths:
        command += ["--include-path", path]
    done = subprocess.run([*command, *arguments], cwd=proxy.home, text=True, capture_output=True,
                          timeout=3600 if LONG else 240, env=os.environ | {"HOME": str(proxy.home), "PYTHONPATH": str(Path(__file__).parent),
                                                        "SCHEMATHESIS_HOOKS": "requests_hook"})
    report = "\n".join(line[:600] for line in done.stdout.splitlines()[-120:])
    assert done.returncode == 0, report + done.stderr[-2000:]
    counted = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert counted and counted[1] == counted[2], report
    print(f"{' '.join(paths)}: {counted[1]} cases")
    return int(counted[1])


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, fault: Callable[[Any, Any], str | None]) -> Iterator[Proxy]:
    """A server whose backend asks an API that refuses what isn't of Anthropic's types."""
    def judge(body: Any, counts: bool) -> str | None:
        return fault("Anthropic.MessageCountTokensParams" if counts else "Anthropic.MessageCreateParams", body)

    with MessagesAPI(judge=judge, gap=0) as api:
        proxy = Proxy(tmp_path_factory.mktemp("judged"), BACKEND="claude-http", ANTHROPIC_API_KEY="key",
                      ANTHROPIC_BASE_URL=api.url)
        yield proxy
        proxy.stop()


def test_what_is_asked_by_get(echo: Proxy) -> None:
    assert run(echo, OTHERS) > 100


def test_chat(echo: Proxy) -> None:
    assert run(echo, CHAT, "--exclude-checks", NOT_JUDGED) > 30


def test_responses(echo: Proxy) -> None:
    assert run(echo, RESPONSES, "--exclude-checks", REFERS) > 30


def test_where_a_token_is_needed(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path / "home", BACKEND="claude-echo", AUTH_TOKEN=KEY)
    try:
        assert run(proxy, OTHERS, "-H", f"authorization: Bearer {KEY}") > 100
    finally:
        proxy.stop()


def test_anthropics_before_one_who_judges(judged: Proxy) -> None:
    assert run(judged, CHAT[1:3]) > 12


def test_openais_before_one_who_judges(judged: Proxy) -> None:
    assert run(judged, CHAT[:1], "--exclude-checks", NOT_JUDGED, most=30) > 20
