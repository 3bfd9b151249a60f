# SPDX-License-Identifier: MIT
"""The client sees one answer to its own request: what the CLI asks for by itself never becomes a part of it."""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import generated
import pytest
from carriers import EACH_WAY, WAYS, Exec
from messages_api import MessagesAPI, blocks_of, refusal

Json = dict[str, Any]
WHOLE = {"stream": False}
STREAM = {"stream": True}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
PNG = {"type": "base64", "media_type": "image/jpeg", "data": generated.png(8, 8, generated.random.Random(1))}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
IMAGE, DOCUMENT = {"type": "image", "source": PNG}, {"type": "document", "source": PDF}


def body(prompt: Any, **more: Any) -> Json:
    return {"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": prompt}]} | more


def error_of(records: list[Json]) -> Json:
    [error] = [record["error"] for record in records if "error" in record]
    return error


def shown(records: list[Json]) -> str:
    return json.dumps([record.get("event") or record.get("response") for record in records])


class TestBreaks:
    """A stream that breaks off ends the answer, whatever was whole by then."""

    # What was sent before, and in which block it breaks.
    PLACES = {"thinking, then text": ("[[thinking]]", 1), "two calls": ('[[tool:f {}]][[tool:g {"a":"some words"}]]', 2),
              "in the call": ('[[tool:f {"a":"some words"}]]', 1), "at the start": ("", 0),
              "redacted": ("[[redacted]]", 1)}

    @EACH_WAY
    @pytest.mark.parametrize("how", ["eof", "reset", "overloaded_error", "api_error"])
    def test_breaks(self, run: Callable[..., Exec], api: MessagesAPI, way: str, how: str) -> None:
        one = run(way)
        for name, (marks, place) in self.PLACES.items():
            for form in (WHOLE, STREAM):
                api.reset()
                rid = f"{name} {form['stream']}"
                one.request(rid, body(f"{rid}{marks}[[say:partial answer of many words]][[break:{how} {place}]]", **THINKING | form))
                records = one.answer(rid)
                error = error_of(records)
                expected = 502 if how in ("eof", "reset") or place > 0 else {"overloaded_error": 529, "api_error": 500}[how]
                assert error["status"] == expected, (name, form, error)
                assert "message_stop" not in shown(records) and "message_delta" not in shown(records), shown(records)
                assert shown(records).count("message_start") == (1 if form["stream"] else 0)
                # Of a second request's answer nothing is shown, whether or not there was time for one.
                begun = [record["event"]["index"] for record in records if record.get("event", {}).get("type") == "content_block_start"]
                assert begun == list(range(place + 1 if form["stream"] else 0)), (name, begun)

    @EACH_WAY
    def test_goes_on_after_it(self, run: Callable[..., Exec], api: MessagesAPI, way: str) -> None:
        one = run(way)
        one.request("a", body("[[thinking]][[break:eof 1]]", **THINKING))
        assert error_of(one.answer("a"))["status"] == 502
        one.request("b", body("[[say:well]]"))
        assert one.answer("b")[1]["response"]["content"] == [{"type": "text", "text": "well"}]

    @EACH_WAY
    def test_404_is_not_asked_again(self, run: Callable[..., Exec], api: MessagesAPI, way: str) -> None:
        one = run(way)
        one.request("a", body("[[error:404]][[errmsg:model: claude-nothing-1]]"))
        error = error_of(one.answer("a"))
        assert (error["status"], error["body"]["error"]["message"]) == (404, "model: claude-nothing-1")
        time.sleep(0.3)
        assert all(sent["stream"] for sent in api.bodies())

    @EACH_WAY
    def test_gap(self, run: Callable[..., Exec], api: MessagesAPI, way: str) -> None:
        """A block that the CLI keeps to itself leaves a gap in the indices, and nothing else."""
        one = run(way)
        one.request("a", body("[[thinking]][[gap:1]][[say:after the gap]]", **THINKING))
        content = one.answer("a")[1]["response"]["content"]
        assert content[-1] == {"type": "text", "text": "after the gap"} and content[0]["type"] == "thinking"


def refuses(type: str, message: str) -> Callable[[Any, bool], str | None]:
    """The API as it is, but for blocks of that type, wherever they are."""
    def judge(asked: Any, messages_only: bool = False) -> str | None:
        for index, turn in enumerate(asked["messages"]):
            for place, block in enumerate(blocks_of(turn)):
                path = f"messages.{index}.content.{place}"
                if block["type"] == type:
                    return message.format(path=f"{path}.{type}")
                if block["type"] == "tool_result" and isinstance(block.get("content"), list):
                    for inner, part in enumerate(block["content"]):
                        if part["type"] == type:
                            return message.format(path=f"{path}.tool_result.content.{inner}.{type}")
        return refusal(asked, messages_only)
    return judge


class TestRefusals:
    """What the API refuses is refused, in its own words."""

    @EACH_WAY
    @pytest.mark.parametrize("block, words", [
        (IMAGE, "{path}.source.base64.data: Image does not match the provided media type image/jpeg"),
        (IMAGE, "{path}.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels"),
        (IMAGE, "Could not process image"),
        (DOCUMENT, "{path}.source.base64.data: The PDF specified was not valid."),
        (DOCUMENT, "{path}.source.base64.data: The PDF specified is password protected."),
        (DOCUMENT, "{path}.source.base64.data: A maximum of 100 PDF pages may be provided."),
    ])
    def test_media(self, tmp_path: Path, way: str, block: Json, words: str) -> None:
        with MessagesAPI(judge=refuses(block["type"], words)) as api:
            one = Exec(tmp_path, api.url, way=way)
            nested = [{"role": "user", "content": "a"},
                      {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
                      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [block]}]}]
            for rid, asked in (("top", body([block, {"type": "text", "text": "what is it?"}])),
                               ("nested", body("", messages=nested)), ("stream", body([block], stream=True))):
                one.request(rid, asked)
                records = one.answer(rid)
                error = error_of(records)
                assert error["status"] == 400 and len(records) == 2, records
                message = error["body"]["error"]["message"]
                assert message.endswith(words.partition("{path}")[2] or words) and "removed" not in message, message
                assert "{path}" not in words or message.startswith("messages."), message
            one.stop()

    @EACH_WAY
    @pytest.mark.parametrize("status, words", [
        (400, "prompt is too long: 215000 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again"),
        (400, "messages.0.content.0.text.cache_control: Extra inputs are not permitted"),
        (400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."),
        (400, "This model does not support the effort parameter."),
        (403, "Your account does not have access to Claude. Please login again."),
        (413, "Request exceeds the maximum size"), (429, "Number of request tokens has exceeded your per-minute rate limit"),
        (500, "Internal server error"), (529, "Overloaded"),
    ])
    def test_words(self, run: Callable[..., Exec], api: MessagesAPI, way: str, status: int, words: str) -> None:
        one = run(way)
        one.request("a", body(f"[[error:{status}]][[errmsg:{words}]]"))
        error = error_of(one.answer("a"))
        assert (error["status"], error["body"]["error"]["message"]) == (status, words)
        one.request("b", body("[[say:well]]"))
        assert "well" in shown(one.answer("b"))

    @pytest.mark.parametrize("way", ["login-N", "login-S"])
    def test_thinking_of_a_login(self, tmp_path: Path, way: str) -> None:
        """The one exception: thinking of earlier turns that the API refuses is left out, and the ledger says so."""
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "so", "signature": "c2ln"}, {"type": "text", "text": "b"}]}]
        with MessagesAPI(judge=refuses("thinking", "{path}: Invalid `signature` in `thinking` block")) as api:
            for strict in ("", "1"):
                one = Exec(tmp_path / f"strict{strict}", api.url, way=way, STRICT=strict)
                one.request("a", body("", model="claude-sonnet-5-5", messages=history + [{"role": "user", "content": "c"}]))
                records = one.answer("a")
                if strict:
                    assert error_of(records)["body"]["error"]["message"].endswith("Invalid `signature` in `thinking` block")
                else:
                    assert {"field": "thinking", "fate": "dropped, for the API refused it"} in records[0]["ctx"]["loss"]
                    assert "response" in records[1]
                one.stop()

    @pytest.mark.parametrize("way", ["key-V", "key-N"])
    def test_thinking_with_a_key(self, tmp_path: Path, way: str) -> None:
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "so", "signature": "c2ln"}, {"type": "text", "text": "b"}]}]
        with MessagesAPI(judge=refuses("thinking", "{path}: Invalid `signature` in `thinking` block")) as api:
            one = Exec(tmp_path, api.url, way=way)
            one.request("a", body("", model="claude-sonnet-5-5", messages=history + [{"role": "user", "content": "c"}]))
            assert error_of(one.answer("a"))["status"] == 400
            one.stop()


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]}
A, B = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
THOUGHT = {"role": "assistant", "content": [{"type": "thinking", "thinking": "so", "signature": "c2ln"}]}


@EACH_WAY
@pytest.mark.parametrize("messages, words", [
    ([A, CALL, A], "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1"),
    ([A, CALL], "messages.1: `tool_use` ids were found without"),
    ([A, CALL, RESULT, B, A, CALL, RESULT], "messages.5.content.0: `tool_use` ids must be unique"),
    ([RESULT], "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t1"),
    ([A, B, RESULT], "messages.2.content.0: unexpected `tool_use_id`"),
    ([A, CALL, RESULT, RESULT], "messages.3.content.0: each tool_use must have a single result"),
    ([A, {"role": "assistant", "content": ""}, A], "messages.1: all messages must have non-empty content"),
    ([A, {"role": "assistant", "content": []}, A], "messages.1: all messages must have non-empty content"),
    ([A, B, {"role": "user", "content": []}], "messages.2: all messages must have non-empty content"),
    ([A, THOUGHT, A], "messages.1: The final block in an assistant message cannot be `thinking`."),
    ([A, {"role": "assistant", "content": " \n"}, A], "text content blocks must contain non-whitespace text"),
    ([A, {"role": "assistant", "content": [{"type": "text", "text": ""}]}, A], "text content blocks must be non-empty"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_turns_that_the_cli_would_mend(run: Callable[..., Exec], api: MessagesAPI, way: str, messages: list[Json], words: str) -> None:
    one = run(way)
    one.request("a", body("", messages=messages))
    records = one.answer("a")
    if way == "key-V":
        # The API judges. The stand-in lets some pass that the API refuses.
        assert all(sent["messages"] == messages for sent in api.bodies())
        return
    assert error_of(records)["status"] == 400 and words in error_of(records)["body"]["error"]["message"], records
    assert not api.bodies()


@EACH_WAY
def test_large_image(run: Callable[..., Exec], api: MessagesAPI, way: str) -> None:
    """The API takes 5 MB of base64, and the CLI stops at them by itself."""
    one = run(way)
    large = {"type": "image", "source": PNG | {"data": "A" * (5 * 1024 * 1024 + 4)}}
    one.request("a", body([large, {"type": "text", "text": "x"}]))
    records = one.answer("a")
    if way != "key-V":
        assert error_of(records)["status"] == 400
        assert error_of(records)["body"]["error"]["message"] == (
            "messages.0.content.0.image.source.base64: image exceeds 5 MB maximum: 5242884 bytes > 5242880 bytes")
