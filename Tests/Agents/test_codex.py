# SPDX-License-Identifier: MIT
"""The real Codex CLI through the real proxy. A stand-in takes the place of the API, and marks in the prompts tell it what to do.

EndToEnd/test_codex_replay.py has what of this can be tried without the CLI.
"""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from codex import Codex
from messages_api import ANSWER, SIGNATURE, THINKING, MessagesAPI
from server import Proxy

RUN = '[[thinking]] [[tool:exec_command {"cmd":"echo made by codex > made.txt; cat made.txt"}]] Make it.'
PATCH = "*** Begin Patch\n*** Add File: hello.txt\n+hello\n*** End Patch"
SCRIPT = "text(await tools.exec_command({cmd: 'echo made by code > made.txt; cat made.txt'}))"
TOO_LONG = "[[error:400]] [[errmsg:prompt is too long: 250000 tokens > 200000 maximum]]"
THOUGHT = {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE}
# Codex waits longer and longer before it tries again; once is enough here.
RETRIES = "request_max_retries = 2\nstream_max_retries = 2"


@pytest.fixture
def codex(tmp_path: Path) -> Callable[..., Codex]:
    """Makes a Codex whose provider is this server."""

    def make(proxy: Proxy, model: str = "claude-sonnet-4-5", provider: str = RETRIES, **more: Any) -> Codex:
        return Codex(tmp_path / "codex", proxy.url, model, provider=provider, **more)

    return make


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of tools in the last message of the user; the CLI may put words of the system after it."""
    content = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
    return [block for block in content if block["type"] == "tool_result"]


def test_exec_command(each: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """A tool runs, its result comes back, and the reasoning with it; so too when the session goes on."""
    one = codex(each)
    run = one.ask(RUN)
    assert run.code == 0 and not run.failure, run
    [command] = run.items("command_execution")
    assert command["exit_code"] == 0 and (one.folder / "made.txt").read_text() == "made by codex\n"
    assert "tool result" in run.text and "made by codex" in run.text
    assert [item["text"] for item in run.items("reasoning")] == [THINKING]
    assert run.usage["input_tokens"] > 0 and run.usage["output_tokens"] > 0
    run = one.ask("[[say:Gone on.]] Go on.")
    assert run.text == "Gone on.", run
    first, second, third = api.bodies()
    assert "made by codex" in json.dumps(results(second))
    for body in (second, third):
        said = [message["content"] for message in body["messages"] if message["role"] == "assistant"][0]
        assert said[0] == THOUGHT and [block["type"] for block in said] == ["thinking", "text", "tool_use"]


def test_apply_patch(each: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """Of the models that Codex knows by name it asks for patches in a custom tool; the model table says who answers."""
    one = codex(each, "gpt-5.5")
    run = one.ask(f"[[tool:apply_patch {json.dumps({'input': PATCH})}]] Add it.")
    assert run.code == 0 and not run.failure, run
    assert [item["status"] for item in run.items("file_change")] == ["completed"]
    assert (one.folder / "hello.txt").read_text() == "hello\n"
    assert all(body["model"].startswith("claude-") for body in api.bodies())
    assert "Success" in json.dumps(results(api.bodies()[1]))


def test_code_mode(direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """Of newer models its tools are in an item of the input, and one of them runs scripts that call the others."""
    one = codex(direct, "gpt-6.1-sol")
    run = one.ask(f"[[tool:functions__exec {json.dumps({'input': SCRIPT})}]] Run it.")
    assert run.code == 0 and not run.failure, run
    assert (one.folder / "made.txt").read_text() == "made by code\n" and "made by code" in json.dumps(results(api.bodies()[1]))


def test_namespace(each: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """An agent is started by a tool of a namespace, and asks the proxy for itself."""
    run = codex(each).ask('[[tool:multi_agent_v1__spawn_agent {"message":"[[say:Child.]] Speak."}]] Start one.')
    assert run.code == 0 and not run.failure, run
    assert any("agent_id" in json.dumps(results(body)) for body in api.bodies()), run


def test_picture_and_schema(direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex], tmp_path: Path) -> None:
    from record_codex import PICTURE, SCHEMA

    (tmp_path / "a.png").write_bytes(PICTURE)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    run = codex(direct).ask('[[say:{"city":"Oslo"}]] Where?', "-i", str(tmp_path / "a.png"),
                            "--output-schema", str(tmp_path / "schema.json"))
    assert json.loads(run.text) == {"city": "Oslo"}, run
    [body] = api.bodies()
    assert any(block["type"] == "image" for message in body["messages"] for block in message["content"])
    assert body["output_config"]["format"]["schema"] == SCHEMA


def test_compaction(direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """With a provider of its own, Codex has the model write the summary in a plain turn."""
    one = codex(direct, more="model_auto_compact_token_limit = 100")
    assert one.ask("Begin.").text == ANSWER
    run = one.ask("[[say:Second.]] Go on.")
    assert run.text == "Second.", run
    assert "CONTEXT CHECKPOINT COMPACTION" in json.dumps(api.bodies()[1]["messages"][-1])
    assert ANSWER in json.dumps(api.bodies()[2]["messages"])


class TestWhatGoesWrong:
    def test_rate_limit(self, direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
        """A 429 with retry-after is waited for and tried again."""
        began = time.monotonic()
        run = codex(direct).ask("[[error:429x1]] [[retryafter:1]] [[say:Later.]] Hi")
        assert run.text == "Later." and not run.failure, run
        assert len(api.bodies()) == 2 and time.monotonic() - began >= 1

    def test_rate_limit_that_stays(self, direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
        """It ends with an error that says what it was."""
        run = codex(direct).ask("[[error:429]] Hi")
        assert run.code != 0 and ("429" in run.failure or "rate limit" in run.failure.lower()), run

    def test_too_long(self, direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
        """Codex knows that the context is full, and doesn't send the same again."""
        run = codex(direct).ask(TOO_LONG)
        assert "context window" in run.failure and len(api.bodies()) == 1, run

    def test_no_money(self, direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
        run = codex(direct).ask("[[error:402]] Hi")
        assert "quota" in run.failure.lower() and len(api.bodies()) == 1, run

    @pytest.mark.parametrize("how", ["reset", "eof", "overloaded_error"])
    def test_interrupted_stream(self, each: Proxy, api: MessagesAPI, codex: Callable[..., Codex], how: str) -> None:
        """A stream that breaks off is asked for once more, and the turn goes on."""
        run = codex(each).ask(f"[[break:{how}]] [[say:Whole this time.]] Hi")
        assert run.text == "Whole this time." and not run.failure, run
        assert len(api.bodies()) >= 2

    def test_overloaded(self, direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
        """A 529 before the answer is tried again."""
        run = codex(direct).ask("[[error:529x1]] [[say:Later.]] Hi")
        assert run.text == "Later." and len(api.bodies()) == 2, run

    def test_refused(self, direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
        """The API's own words about a request that it refuses reach the user, once."""
        run = codex(direct).ask("[[error:400]] [[errmsg:something odd]] Hi")
        assert "something odd" in run.failure and len(api.bodies()) == 1, run


def test_models(direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """Codex takes its models from our list where the provider names it, and knows their context windows."""
    one = codex(direct, provider=f'{RETRIES}\nmodel_catalog_url = "{direct.url}/openai/v1/models"')
    process = one.start("debug", "models")
    said, errors = process.communicate(timeout=30)
    models = {model["slug"]: model for model in json.loads(said)["models"]}
    assert {"claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"} <= models.keys(), errors
    assert all(model["context_window"] >= 200_000 for model in models.values())
    run = one.ask("[[say:Hello.]] Hi", "-m", "claude-sonnet-5-5")
    assert run.text == "Hello." and not run.items("error"), run
    # Its own instructions are there, and the list has not put others in their place.
    assert len(json.dumps(api.bodies()[0]["system"])) > 1000


def test_built_in_provider(direct: Proxy, api: MessagesAPI, codex: Callable[..., Codex]) -> None:
    """With `openai_base_url` instead of a provider it tries a WebSocket first, and goes on by HTTP at once."""
    one = codex(direct)
    (one.home / ".codex/config.toml").write_text(f'model = "gpt-5.5"\nopenai_base_url = "{direct.url}/openai/v1"\n')
    (one.home / ".codex/auth.json").write_text(json.dumps({"OPENAI_API_KEY": "any"}))
    began = time.monotonic()
    run = one.ask("[[say:By HTTP.]] Hi")
    assert run.text == "By HTTP." and not run.failure, run
    assert time.monotonic() - began < 5 and len(api.bodies()) == 1
