# SPDX-License-Identifier: MIT
"""Claude Code itself as the client: the real CLI by ANTHROPIC_BASE_URL, claude-http behind the proxy, the stand-in as the API.

What the CLI sends must reach the API byte for byte, and what the API answers must make its tools run. What the CLI
would send to the API itself, without the proxy, is the measure.
"""
from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Callable

import pytest
from messages_api import MessagesAPI
from server import Proxy

KEY = "sk-ant-api03-dummy-for-tests"
SECRET = "a-secret-of-the-proxy"
# Headers by which the API tells what it is asked for.
ASKED = ("anthropic-beta", "anthropic-version", "content-type")


@pytest.fixture
def front(start: Callable[..., Proxy], api: MessagesAPI, tmp_path: Path) -> Proxy:
    """A proxy with a token of its own, whose backend has the key; what passes before the backend is recorded."""
    return start(BACKEND="claude-http", ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=KEY, AUTH_TOKEN=SECRET,
                 RECORD=str(tmp_path / "session"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to work in."""
    made = tmp_path / "work"
    made.mkdir()
    (made / "notes.txt").write_text("The word of the day is: Grüße\n")
    return made


def claude_code(cli: str, base: str, folder: Path, prompt: str, *options: str, key: str = SECRET) -> list[dict[str, Any]]:
    """What Claude Code says, record by record; it works in that folder with a home of its own."""
    home = folder.parent / "home of the client"
    home.mkdir(exist_ok=True)
    settings = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "ANTHROPIC_BASE_URL": base,
                "ANTHROPIC_API_KEY": key, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    said = subprocess.run(
        [cli, "-p", prompt, "--output-format", "stream-json", "--verbose", "--include-partial-messages", *options],
        env=settings, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def test_a_turn_with_tools(front: Proxy, api: MessagesAPI, cli: str, folder: Path) -> None:
    """Two calls, of which one makes a file; their results; a last word. Streamed, and the CLI's own tools run."""
    command = json.dumps({"command": "tr a-z A-Z <notes.txt >loud.txt; cat loud.txt", "description": "Shout"})
    read = json.dumps({"file_path": str(folder / "notes.txt")})
    said = claude_code(cli, front.url, folder, f"[[tool:Read {read}]] [[tool:Bash {command}]] Look, and shout.",
                       "--allowedTools", "Read", "Bash", "--model", "claude-sonnet-4-5")
    assert (folder / "loud.txt").read_text().startswith("THE WORD OF THE DAY IS")

    [result] = [record for record in said if record["type"] == "result"]
    assert result["subtype"] == "success" and not result["is_error"] and result["num_turns"] >= 2
    # The stand-in answers a turn of results with them.
    assert "Grüße" in result["result"] and "THE WORD OF THE DAY IS" in result["result"]
    events = [record["event"] for record in said if record["type"] == "stream_event"]
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds.count("tool_use") == 2 and kinds[-1] == "text"
    assert sum(event["type"] == "content_block_delta" for event in events) > 5

    first, second = [body for body in api.bodies() if body.get("tools")][-2:]
    assert {"Read", "Bash"} <= {tool["name"] for tool in first["tools"]} and first["stream"] is True
    results = [block for block in second["messages"][-1]["content"] if block["type"] == "tool_result"]
    assert len(results) == 2 and not any(block.get("is_error") for block in results)
    log = front.log.read_text()
    assert SECRET not in log and KEY not in log and "word of the day" not in log.lower()


def wire(api: MessagesAPI) -> list[dict[str, Any]]:
    return [record for record in api.records("request") if record["method"] == "POST"]


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def headers(record: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in record["headers"]}


def steady(body: Any) -> Any:
    """A body without what differs between two runs of the CLI: its ids, and where it ran."""
    text = json.dumps(body)
    for name in set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text)):
        text = text.replace(name, "id")
    return json.loads(text)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-8"])
def test_what_it_sends_is_what_arrives(front: Proxy, api: MessagesAPI, cli: str, folder: Path, model: str) -> None:
    """The bodies and the betas are those that the API would get from the CLI itself: prompts, marks of the cache, metadata."""
    options = ("--model", model, "--append-system-prompt", "A rule. " * 4000)
    claude_code(cli, api.url, folder, "Say hello.", *options, key=KEY)
    itself = wire(api)
    api.reset()
    claude_code(cli, front.url, folder, "Say hello.", *options)
    through = wire(api)
    assert len(itself) == len(through) >= 1
    for one, other in zip(itself, through):
        assert steady(one["body"]) == steady(other["body"])
        assert list(one["body"]) == list(other["body"]), "the order of the members"
        assert one["bytes"] == other["bytes"]
        for name in ASKED:
            assert sorted(headers(one).get(name, "").split(",")) == sorted(headers(other).get(name, "").split(",")), name
    body = through[-1]["body"]
    # And to the last byte what the server was sent.
    passed = [line for line in (folder.parent / "session").read_bytes().splitlines() if b'"op":"messages"' in line]
    payloads = [line.partition(b',"request":')[2][:-1] for line in passed if b',"request":' in line]
    assert [digest(payload) for payload in payloads] == [record["sha256"] for record in through]
    assert "A rule. A rule." in json.dumps(body["system"]) and "cache_control" in json.dumps(body) and body["metadata"]
    assert through[-1]["bytes"] > 32_000


def test_its_other_calls(front: Proxy, api: MessagesAPI, cli: str) -> None:
    """With its ``?beta=true``: counting tokens, the models, one model; and a body comes through to the last byte."""

    def call(path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(front.url + path, body, {
            "x-api-key": SECRET, "anthropic-version": "2023-06-01", "anthropic-beta": "token-counting-2024-11-01,a-b-c",
            "content-type": "application/json", "user-agent": "claude-cli/2.1.330 (external, cli)"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    body = rb'{"model":"claude-sonnet-4-5", "messages":[{"role":"user","content":"a\u00e9\/1.50"}],"x":[1e2,0.10,{}]}'
    assert call("/v1/messages/count_tokens?beta=true", body)["input_tokens"] > 0
    [counted] = wire(api)
    assert counted["path"].split("?")[0] == "/v1/messages/count_tokens" and counted["sha256"] == digest(body)
    assert headers(counted)["anthropic-beta"] == "token-counting-2024-11-01,a-b-c"
    listed = call("/v1/models?beta=true&limit=1000")
    assert call(f"/v1/models/{listed['data'][0]['id']}?beta=true")["id"] == listed["data"][0]["id"]


@pytest.mark.parametrize("status", [429, 529])
def test_what_it_is_refused_with(front: Proxy, api: MessagesAPI, cli: str, folder: Path, status: int) -> None:
    """It tries again, as it would with the API itself: the status and its headers come through."""
    said = claude_code(cli, front.url, folder, f"[[error:{status}x1]][[retryafter:0]][[say:at last]]", "--model", "claude-sonnet-4-5")
    [result] = [record for record in said if record["type"] == "result"]
    assert "at last" in result["result"] and not result["is_error"]
    assert [record["error_status"] for record in said if record.get("subtype") == "api_retry"] == [status]
    assert len(api.bodies()) >= 2
