# SPDX-License-Identifier: MIT
"""The examples of scripts/examples run, on a server whose answers are canned: the marks in a question say which."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from server import PROGRAMS, REPOSITORY, Proxy

EXAMPLES = REPOSITORY / "scripts" / "examples"
CALLS = '[[tool:get_weather {"city":"Oslo"}]] [[tool:get_weather {"city":"Bergen"}]] Do I need a coat?'
TRIP = '[[say:{"city":"Tromsø","days":3}]] Plan a trip.'


def run(proxy: Proxy | None, *command: Any, env: dict[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    settings = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    if proxy:
        settings |= {"BASE": proxy.url, "ANTHROPIC_BASE_URL": proxy.url, "OPENAI_BASE_URL": proxy.url + "/openai/v1"}
    return subprocess.run([str(word) for word in command], env=settings | (env or {}), capture_output=True, text=True,
                          timeout=60, **more)


def says(proxy: Proxy, *command: Any, **more: Any) -> str:
    said = run(proxy, *command, **more)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


@pytest.mark.parametrize("sdk", ["anthropic", "openai"])
class TestPython:
    def example(self, proxy: Proxy, sdk: str, topic: str, *words: str) -> str:
        return says(proxy, sys.executable, EXAMPLES / "python" / f"{sdk}_{topic}.py", *words)

    def test_chat(self, echo: Proxy, sdk: str) -> None:
        assert self.example(echo, sdk, "chat", "Hello", "there!") == "Hello there!\n"

    def test_stream(self, echo: Proxy, sdk: str) -> None:
        assert self.example(echo, sdk, "stream", "[[say:one two three]]") == "one two three\n"

    def test_tools(self, echo: Proxy, sdk: str) -> None:
        said = self.example(echo, sdk, "tools", CALLS)
        assert "-4 °C and snow in Oslo" in said and "-4 °C and snow in Bergen" in said

    def test_image(self, echo: Proxy, sdk: str, tmp_path: Path) -> None:
        if sdk == "openai":  # a picture of its own
            assert self.example(echo, sdk, "image") == "What do you see?\n"
            return
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        assert self.example(echo, sdk, "image", str(tmp_path / "a.png"), "And", "here?") == "And here?\n"

    def test_structured(self, echo: Proxy, sdk: str) -> None:
        assert self.example(echo, sdk, "structured", TRIP) == "3 days in Tromsø\n"


def test_responses(echo: Proxy) -> None:
    """The second question stands on the first, which the example sends only once."""
    said = says(echo, sys.executable, EXAMPLES / "python" / "openai_responses.py", CALLS, "[[say:one two]] On.")
    assert "-4 °C and snow in Oslo" in said and "-4 °C and snow in Bergen" in said and said.endswith("one two\n")


@pytest.mark.parametrize("interface", ["anthropic", "openai"])
def test_javascript(echo: Proxy, interface: str) -> None:
    example = EXAMPLES / "javascript" / f"{interface}.mjs"
    said = says(echo, "node", example, CALLS)
    assert "-4 °C and snow in Oslo" in said and "-4 °C and snow in Bergen" in said
    assert says(echo, "node", example, "[[say:Grüße, one two]]") == "Grüße, one two\n"
    failed = run(echo, "node", example, "[[error:529]] [[errmsg:too much]]")
    assert failed.returncode != 0 and "529: too much" in failed.stderr


def test_curl(echo: Proxy) -> None:
    said = says(echo, EXAMPLES / "curl" / "both.sh", 'Hello "there"!')
    assert said.count("== ") == 8 and "event: message_stop" in said and "data: [DONE]" in said
    assert "event: response.completed" in said and '"object":"response"' in said
    assert '"input_tokens":' in said and '"chat.completion"' in said and "claude-sonnet-5-5" in said
    assert run(echo, EXAMPLES / "curl" / "both.sh", "[[error:500]]").returncode != 0


def test_agent(echo: Proxy, tmp_path: Path) -> None:
    """Three tools in one turn, one of them on a file that isn't the model's to see."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "notes.txt").write_text("milk")
    (tmp_path / "outside").write_text("the owner's")
    agent = [sys.executable, EXAMPLES / "agent" / "agent.py"]
    said = run(echo, *agent, folder, '[[tool:list_files {}]] [[tool:read_file {"name":"../outside"}]]',
               '[[tool:write_file {"name":"a/b.txt","text":"Grüße"}]] [[say:I look.]]')
    assert said.returncode == 0 and said.stdout.startswith("I look.\n"), said
    assert "notes.txt" in said.stdout and "wrote 5 characters" in said.stdout
    assert "PermissionError" in said.stdout and "the owner's" not in said.stdout
    assert (folder / "a/b.txt").read_text() == "Grüße"
    assert "agent: 401: no" in run(echo, *agent, folder, "[[error:401]][[errmsg:no]]").stderr


def ask_for(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]} | more


def test_filters_in_the_pipe(start: Callable[..., Proxy], tmp_path: Path) -> None:
    """A redaction, a reminder and a tee, in one pipeline: streams come as they are made."""
    kept = tmp_path / "requests.jsonl"
    filters = EXAMPLES / "filters"
    proxy = start(PIPELINE=f"model-map | oai2anth | {filters}/redact.sh | {sys.executable} {filters}/remind.py 'Answer in rhymes.' | "
                           f"tee -a {kept} | claude-echo | anth2oai | sse-encode")
    secret = "card 4111 1111-11111111, mail jane.doe@example.org"
    assert proxy.ask("POST", "/v1/messages", ask_for(secret)).json["content"][0]["text"] == "card [card], mail [mail]"
    answer = proxy.ask("POST", "/openai/v1/chat/completions", ask_for(secret))
    assert answer.json["choices"][0]["message"]["content"] == "card [card], mail [mail]"
    stream = proxy.stream("/v1/messages", ask_for("[[slow:0.2]] [[say:one two three]]", stream=True, system="Be kind."))
    times = [event.time for event in stream if event.name == "content_block_delta"]
    assert len(times) == 3 and times[-1] - times[0] > 0.3
    assert proxy.ask("GET", "/v1/models").status == 200 and proxy.ask("GET", "/health/ready").status == 200
    requests = [json.loads(line)["request"] for line in kept.read_text().splitlines() if '"messages":' in line]
    assert "4111" not in kept.read_text() and len(requests) == 3
    assert requests[0]["system"] == [{"type": "text", "text": "Answer in rhymes."}]
    assert [block["text"] for block in requests[2]["system"]] == ["Be kind.", "Answer in rhymes."]


@pytest.mark.parametrize("filter", ["redact.sh", "remind.py"])
def test_a_line_is_not_kept_waiting(filter: str) -> None:
    process = subprocess.Popen([EXAMPLES / "filters" / filter], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in (b'{"rid":"r1","cancel":true}\n', b'{"rid":"r1","request":{"messages":[]}}\n', b'{"rid":"r1","request":null}\n'):
        process.stdin.write(line)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["rid"] == "r1"
    process.stdin.close()
    assert process.wait(5) == 0


def test_budget(start: Callable[..., Proxy], tmp_path: Path) -> None:
    """Each key has its own; what is spent stays spent after a restart; the day is over at midnight, UTC."""
    budget, spent = f"{sys.executable} {EXAMPLES / 'filters' / 'budget.py'}", tmp_path / "spent.json"
    tokens = tmp_path / "tokens"
    tokens.write_text("alice:secret-of-alice\nbob:secret-of-bob\n")
    tokens.chmod(0o600)
    settings = {"PIPELINE": f"model-map | oai2anth | {budget} 60 {spent} -- claude-echo | anth2oai | sse-encode",
                "AUTH_TOKENS_FILE": str(tokens)}
    proxy = start(**settings)

    def ask(who: str, path: str = "/v1/messages") -> Any:
        return proxy.ask("POST", path, ask_for("[[len:20]]"), {"x-api-key": f"secret-of-{who}"})

    statuses = [ask("alice").status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    refused = ask("alice")
    assert refused.json["error"] == {"type": "rate_limit_error", "message": "the budget of 60 tokens a day is spent"}
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    openai = ask("alice", "/openai/v1/chat/completions")
    assert openai.status == 429 and "budget" in openai.json["error"]["message"]
    assert ask("bob").status == 200
    assert proxy.ask("GET", "/health/ready").status == 200
    proxy.stop()
    proxy = start(**settings)
    assert ask("alice").status == 429 and ask("bob").status == 200
    assert spent.stat().st_mode & 0o777 == 0o600

    def spend(rid: str, seconds: int) -> bytes:
        ctx = {"op": "messages", "http": {"key": "alice", "time": seconds * 1_000_000}}
        return json.dumps({"rid": rid, "ctx": ctx, "request": ask_for("hi")}).encode() + b"\n"

    tomorrow = (int(time.time()) // 86_400 + 1) * 86_400
    said = subprocess.run([*budget.split(), "1", tmp_path / "other", "--", PROGRAMS / "claude-echo"],
                          input=spend("r1", tomorrow) + spend("r2", tomorrow + 86_400), capture_output=True, timeout=20)
    assert said.returncode == 0 and b'"rid":"r2","response"' in said.stdout and b"429" not in said.stdout


def test_each_is_in_a_readme() -> None:
    """Every folder has a README, and every example is named in it."""
    for folder in EXAMPLES.iterdir():
        if folder.is_dir():
            text = (folder / "README.md").read_text()
            assert folder.name in (EXAMPLES / "README.md").read_text()
            for file in folder.iterdir():
                assert file.name in text or file.name in ("README.md", "sse.mjs"), file
                if file.suffix in (".sh", ".py"):
                    assert os.access(file, os.X_OK), file
