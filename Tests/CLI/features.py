# SPDX-License-Identifier: MIT
"""What claude-exec needs of a CLI, feature by feature: each is tried on the real one, by one way at a time.

A feature is a function that takes a `Bench` and gives the word for the table: `yes`, `ledger` (it can't be carried,
and the ledger says so), `reminded` (the CLI adds words of its own, though it is bare) or `-` (there is no such thing by this way). An AssertionError is a `no`.
"""
from __future__ import annotations

import time
from typing import Any, Callable

import generated
from carriers import Exec
from messages_api import SIGNATURE, THINKING, MessagesAPI
from verbatim import Differences

Json = dict[str, Any]
Feature = Callable[["Bench"], str]
FEATURES: dict[str, Feature] = {}
SECONDS = 30
ERRORS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
          413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "number"}}}
TOOL = {"name": "weather", "description": "d", "input_schema": SCHEMA}
MARK = {"cache_control": {"type": "ephemeral"}}


class Bench:
    """A claude-exec with the CLI that is tried, and the API behind it."""

    def __init__(self, one: Exec, api: MessagesAPI):
        self.one, self.api = one, api
        self._number = 0

    def send(self, prompt: Any = "hello", /, **more: Any) -> str:
        """Asks; the rid."""
        self._number += 1
        self.api.reset()
        ctx = {"op": more.pop("op", "messages")} | more.pop("ctx", {})
        body = {"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": prompt}]} | more
        self.asked = body
        self.one.send({"rid": str(self._number), "ctx": ctx, "request": body if ctx["op"] in ("messages", "count_tokens") else None})
        return str(self._number)

    def ask(self, prompt: Any = "hello", /, **more: Any) -> list[Json]:
        return self.one.answer(self.send(prompt, **more), SECONDS)

    def response(self, prompt: Any = "hello", /, **more: Any) -> Json:
        records = self.ask(prompt, **more)
        assert "response" in records[1 if len(records) > 1 else 0], records
        return records[1]["response"]

    def error(self, prompt: Any, /, **more: Any) -> Json:
        [error] = [record["error"] for record in self.ask(prompt, **more) if "error" in record]
        return error

    def arrives(self, **more: Any) -> str:
        """Asks with these members; what reached the API must be them."""
        records = self.ask(more.pop("prompt", "hello"), **more)
        assert not any("error" in record for record in records), records
        [arrived] = self.api.bodies()
        ledger = records[0]["ctx"].get("loss", [])
        found = Differences(self.one.way, self.asked, arrived, ledger)
        assert not found.defects, "; ".join(found.defects)[:300]
        if self.one.way.startswith("key") and "own: reminders" in found.known:
            return "reminded"
        return "ledger" if ledger else "yes"


def feature(name: str) -> Callable[[Feature], Feature]:
    def add(function: Feature) -> Feature:
        FEATURES[name] = function
        return function
    return add


def arrives(name: str, **more: Any) -> None:
    FEATURES[name] = lambda bench: bench.arrives(**more)


@feature("models")
def models(bench: Bench) -> str:
    assert any(model["id"].startswith("claude-") for model in bench.response(op="models")["data"])
    return "yes"


@feature("health, with the version and the login")
def health(bench: Bench) -> str:
    assert bench.response(op="health")["status"] == "healthy"
    return "yes"


@feature("count_tokens")
def count_tokens(bench: Bench) -> str:
    records = bench.ask(op="count_tokens")
    assert "response" in records[1 if len(records) > 2 else 0], records
    assert records[1]["response"]["input_tokens"] > 0
    records = bench.ask(op="count_tokens", tools=[TOOL])
    assert records[0]["begin"]["headers"] == {"x-proxy-estimate": "tokens"} and records[1]["response"]["input_tokens"] > 300
    return "yes"


@feature("whole answer")
def whole(bench: Bench) -> str:
    message = bench.response("[[say:all of it]]")
    assert message["content"] == [{"type": "text", "text": "all of it"}] and message["stop_reason"] == "end_turn"
    assert message["usage"]["cache_read_input_tokens"] == 22
    return "yes"


@feature("streaming, event by event")
def streaming(bench: Bench) -> str:
    rid = bench.send("[[len:20]][[slow:0.05]]", stream=True)
    bench.one.answer(rid, SECONDS)
    events = [record["event"] for record in bench.one.kept[rid] if "event" in record]
    assert [event["type"] for event in events] == ["message_start", "content_block_start"] + ["content_block_delta"] * 20 + [
        "content_block_stop", "message_delta", "message_stop"]
    times = bench.one.times[rid]
    assert times[-2] - times[2] > 0.7, "they came late, all at once"
    return "yes"


@feature("citations in the answer")
def citations(bench: Bench) -> str:
    assert bench.response("[[cite]]")["content"][0]["citations"][0]["cited_text"] == "abc"
    return "yes"


arrives("system text", system="be brief")
arrives("system blocks", system=[{"type": "text", "text": "one", **MARK}, {"type": "text", "text": "two"}])
HISTORY = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
           {"role": "user", "content": [{"type": "text", "text": "d"}]}, {"role": "assistant", "content": "e"},
           {"role": "user", "content": "f"}]
arrives("history", messages=HISTORY)
arrives("long history, 200 turns", messages=HISTORY[:2] * 100 + [HISTORY[5]])
arrives("prefill", messages=HISTORY[:5])
arrives("texts that mean something to the CLI", messages=HISTORY[:2] + [{"role": "user", "content": "@/etc/passwd /help\n!ls #memory"}])
arrives("text that is a command", prompt="/compact")
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": generated.png(300, 200, generated.random.Random(1))}}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
arrives("image, base64", prompt=[IMAGE, {"type": "text", "text": "x"}])
arrives("image, large", prompt=[IMAGE | {"source": IMAGE["source"] | {"data": generated.png(1200, 900, generated.random.Random(2))}}])
arrives("image, url", prompt=[{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}])
arrives("document, PDF", prompt=[{"type": "document", "title": "t", "context": "c", "citations": {"enabled": True}, "source": PDF}])
arrives("document, text", prompt=[{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}])
arrives("document, url", prompt=[{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}])
arrives("search results", prompt=[{"type": "search_result", "source": "https://a.b", "title": "t", "content": [{"type": "text", "text": "x"}]}])
arrives("cache marks", tools=[TOOL | MARK], prompt=[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])

arrives("max_tokens", max_tokens=7)
for parameter, value in {
    "temperature": 0.25, "top_p": 0.5, "top_k": 5, "stop_sequences": ["END", "\n\n"], "service_tier": "standard_only",
    "metadata": {"user_id": "someone"}, "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "container": "container_01", "mcp_servers": [{"type": "url", "name": "m", "url": "https://m.example"}],
    "inference_geo": "eu", "speed": "fast", "cache_control": {"type": "ephemeral"},
}.items():
    arrives(parameter, **{parameter: value})
arrives("output_config: effort", model="claude-opus-5-5", output_config={"effort": "low"})
arrives("output_config: format", output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
arrives("thinking, enabled", thinking={"type": "enabled", "budget_tokens": 1024})
arrives("thinking, adaptive", model="claude-opus-5-5", thinking={"type": "adaptive", "display": "summarized"})
THINKERS = ("claude-opus-5", "claude-sonnet-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5")
for model in (*THINKERS, "claude-opus-4-8", "claude-opus-4-7", "claude-sonnet-4-6", "claude-opus-4-5"):
    arrives(f"thinking as by default, {model}", model=model)
    arrives(f"thinking as by default, top_p, {model}", model=model, top_p=0.5)
for model in (*THINKERS, "claude-opus-4-8"):
    arrives(f"effort: max, {model}", model=model, output_config={"effort": "max"})
arrives("effort: max, thinking off", model="claude-opus-5", output_config={"effort": "max"}, thinking={"type": "disabled"})
arrives("thinking in the history", messages=[HISTORY[0], {"role": "assistant", "content": [
    {"type": "thinking", "thinking": "so", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "cmVk"},
    {"type": "text", "text": "x"}]}, HISTORY[5]])


@feature("thinking in the answer")
def thinking(bench: Bench) -> str:
    content = bench.response("[[thinking]][[redacted]]", thinking={"type": "enabled", "budget_tokens": 1024})["content"]
    assert content[0] == {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE}
    assert content[1]["type"] == "redacted_thinking"
    return "yes"


arrives("tools", tools=[TOOL, {"name": "Bash", "input_schema": SCHEMA, "strict": True}, {"name": "mcp__a__b", "input_schema": SCHEMA}])
arrives("tools of the API", tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}])
for choice in ({"type": "auto"}, {"type": "any", "disable_parallel_tool_use": True}, {"type": "tool", "name": "weather"}, {"type": "none"}):
    arrives(f"tool_choice: {choice['type']}", tools=[TOOL], tool_choice=choice)
CALLS = {"role": "assistant", "content": [{"type": "tool_use", "id": f"t{n}", "name": "weather", "input": {"a": n}} for n in range(3)]}


def results(*images: Json, **more: Any) -> list[Json]:
    content = [{"type": "text", "text": "sun"}, *images]
    return [HISTORY[0], CALLS, {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": f"t{n}", "content": content, **more} for n in range(3)] + [{"type": "text", "text": "go on"}]}]


arrives("tool results, parallel", messages=results())
arrives("tool results with images", messages=results(IMAGE))
arrives("tool results that are errors", messages=results(is_error=True))
arrives("tool results that are errors, with images", messages=results(IMAGE, is_error=True))
arrives("tool result as the last word", messages=[HISTORY[0], CALLS | {"content": CALLS["content"][:1]}, {
    "role": "user", "content": [{"type": "tool_result", "tool_use_id": "t0", "content": "sun"}]}])


@feature("tool calls in the answer, parallel")
def calls(bench: Bench) -> str:
    message = bench.response('[[tool:Bash {"command":"ls"}]][[tool:weather {"a":1.5}]]', tools=[TOOL])
    assert [b["name"] for b in message["content"] if b["type"] == "tool_use"] == ["Bash", "weather"]
    assert message["stop_reason"] == "tool_use"
    time.sleep(0.2)
    assert len(bench.api.bodies()) == 1, "the CLI went on by itself"
    return "yes"


def stop_reason(reason: str) -> Feature:
    def check(bench: Bench) -> str:
        assert bench.response(f"[[stop:{reason}]]", stop_sequences=["STOP"])["stop_reason"] == reason
        time.sleep(0.2)
        assert len(bench.api.bodies()) == 1, "the CLI went on by itself"
        return "yes"
    return check


for reason in ("max_tokens", "stop_sequence", "refusal", "pause_turn", "model_context_window_exceeded"):
    FEATURES[f"stop: {reason}, and no more is asked"] = stop_reason(reason)


def status_of(code: int) -> Feature:
    def check(bench: Bench) -> str:
        error = bench.error(f"[[error:{code}]]")
        assert (error["status"], error["body"]["error"]["type"]) == (code, ERRORS[code]), error
        return "yes"
    return check


for code in ERRORS:
    FEATURES[f"error {code}"] = status_of(code)


@feature("error in mid-stream")
def broken(bench: Bench) -> str:
    records = bench.ask("[[len:9]][[sse_error:overloaded_error]]", stream=True)
    assert records[-2]["error"]["body"]["error"]["type"] == "overloaded_error"
    assert not any(record.get("event", {}).get("type") in ("message_delta", "message_stop") for record in records)
    return "yes"


@feature("reset in mid-stream")
def reset(bench: Bench) -> str:
    records = bench.ask("[[len:9]][[disconnect]]", stream=True)
    assert records[-2]["error"]["status"] == 502, records[-2]
    assert not any(record.get("event", {}).get("type") in ("message_delta", "message_stop") for record in records)
    return "yes"


def breaks(how: str, marks: str, block: int) -> Feature:
    def check(bench: Bench) -> str:
        for stream in (True, False):
            records = bench.ask(f"{marks}[[break:{how} {block}]]", stream=stream, thinking={"type": "enabled", "budget_tokens": 1024})
            [error] = [record["error"] for record in records if "error" in record]
            assert error["status"] in (500, 502, 529), error
            types = [record["event"]["type"] for record in records if "event" in record]
            assert types.count("message_start") == stream and "message_stop" not in types and "message_delta" not in types
        return "yes"
    return check


for how in ("eof", "reset", "overloaded_error"):
    FEATURES[f"{how} behind a whole block, and no second answer"] = breaks(how, "[[thinking]]", 1)
    FEATURES[f"{how} in a second call, and no second answer"] = breaks(how, "[[tool:f {}]][[tool:g {}]]", 2)


@feature("the API's own words for an error")
def words(bench: Bench) -> str:
    for status, text in ((400, "prompt is too long: 215000 tokens > 200000 maximum"), (413, "Request exceeds the maximum size"),
                         (400, "messages.0.content.0.image.source.base64.data: Could not process image")):
        error = bench.error([IMAGE, {"type": "text", "text": f"[[error:{status}]][[errmsg:{text}]]"}])
        assert (error["status"], error["body"]["error"]["message"]) == (status, text), error
    return "yes"


@feature("reset before the answer")
def reset_at_once(bench: Bench) -> str:
    assert bench.error("[[disconnect0]]")["status"] == 502
    return "yes"


@feature("beta features of the client")
def betas(bench: Bench) -> str:
    bench.ask(ctx={"http": {"headers": {"anthropic-beta": "some-beta-2026-01-01"}}})
    [record] = [record for record in bench.api.records("request") if record["path"].startswith("/v1/messages")]
    assert "some-beta-2026-01-01" in dict((name.lower(), value) for name, value in record["headers"])["anthropic-beta"]
    return "yes"


@feature("cancel, the API's connection closed within 1 s")
def cancel(bench: Bench) -> str:
    rid = bench.send("[[len:99]][[slow:0.05]]", stream=True)
    bench.one.wait(rid, "event", SECONDS)
    bench.one.send({"rid": rid, "cancel": True})
    assert bench.one.answer(rid, SECONDS)[-1]["end"] == {"cancelled": True}
    bench.api.wait("client_abort", 1)
    return "yes"


@feature("warm reuse: one process for many, also after a cancel")
def reuse(bench: Bench) -> str:
    if bench.one.way.endswith("N"):
        return "-"
    bench.ask()
    before = bench.one.clis()
    cancel(bench)
    for prompt in ("[[tool:weather {}]]", "[[error:529]]", "hello"):
        bench.ask(prompt)
    assert bench.one.clis() == before
    return "yes"


@feature("nothing of it left at the end")
def nothing_left(bench: Bench) -> str:
    assert bench.one.close() == 0 and not bench.one.clis() and bench.one.files() == []
    return "yes"
