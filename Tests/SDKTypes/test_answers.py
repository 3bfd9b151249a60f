# SPDX-License-Identifier: MIT
"""Gives anth2oai every field that an answer of the Messages API may have: whole, and as a stream.

Nothing is ever an error; what becomes of a field is in the table; and what comes out are answers by OpenAI's types.
"""
from __future__ import annotations

import json
import random
from typing import Any

import generated
import message_answers
import pipe
import pytest
import table
from fields import Variant, plain, values_at
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

Json = dict[str, Any]


def validate(records: list[Json]) -> None:
    """Every payload is one of OpenAI's types, to the letter: what must be there is, and nothing is of another type."""
    for record in records:
        if "response" in record:
            ChatCompletion.model_validate_json(json.dumps(record["response"]), strict=True)
        elif "event" in record and record["event"] != "[DONE]":
            ChatCompletionChunk.model_validate_json(json.dumps(record["event"]), strict=True)


def wrong(variant: Variant, row_path: str, row: table.Row, records: list[Json]) -> str | None:
    if any("error" in record for record in records):
        return f"is an error: {records}"
    validate(records)
    [end] = [record["end"] for record in records if "end" in record]
    payloads = [record.get("response") or record.get("event") for record in records
                if "response" in record or "event" in record]
    loss = [entry["field"] for entry in end.get("loss", [])]
    if row["fate"] == "dropped":
        return None if row["says"] in loss else f"is announced as {loss}"
    if loss:
        return f"is announced: {loss}"
    if row["fate"] == "exact":
        want = json.loads(row["as"]) if "as" in row else variant.leaf
        # What passes whole has its fields at the places they had.
        place = row["to"] + plain(variant.path)[len(plain(row_path)):]
        found = [value for payload in payloads for value in values_at(payload, place)]
        return None if want in found else f"is not at {place}: {payloads}"
    return None


@pytest.mark.parametrize("name, walk, make", [
    ("answer", message_answers.message_variants, message_answers.whole),
    ("stream", message_answers.event_variants, message_answers.stream),
])
def test_every_field_of_an_answer_has_its_fate(name: str, walk: Any, make: Any) -> None:
    variants = walk()
    rows = table.rows_of_answer(name, variants, {"exact", "neutral", "dropped"})
    table.check_answers(variants, rows, pipe.answer([make(variant.value) for variant in variants.values()], include_usage=True), wrong)


def test_what_no_sdk_knows_yet_is_no_error() -> None:
    """New blocks, deltas, events and stop reasons will come; text in them is kept, and they are announced."""
    whole, streamed = pipe.answer([message_answers.WHOLE_UNKNOWN, message_answers.STREAMED_UNKNOWN])
    validate(whole + streamed)
    assert whole[1]["response"]["choices"][0]["message"]["content"] == "Look!"
    assert whole[1]["response"]["choices"][0]["finish_reason"] == "stop"
    assert "".join(r["event"]["choices"][0]["delta"].get("content") or "" for r in streamed
                   if "event" in r and r["event"] != "[DONE]") == "Look!"
    assert [entry["field"] for entry in whole[-1]["end"]["loss"]] == ["content.hologram"]
    assert "content.hologram" in [entry["field"] for entry in streamed[-1]["end"]["loss"]]


def test_a_stream_accumulated_is_the_whole_answer() -> None:
    """OpenAI's own accumulator makes of the stream what the whole answer says: text, calls, reason and usage."""
    source = random.Random(1122)
    messages = [generated.message(source) for _ in range(400)]
    answers = pipe.answer([[("response", message)] for message in messages]
                          + [[("event", event) for event in generated.events(message, source)] for message in messages],
                          include_usage=True)
    seen = {"text": 0, "tools": 0, "thinking": 0, "cached": 0, "cited": 0}
    for message, whole, streamed in zip(messages, answers[:400], answers[400:]):
        validate(whole + streamed)
        want = ChatCompletion.model_validate(whole[1]["response"])
        state = ChatCompletionStreamState()
        chunks = [record["event"] for record in streamed if "event" in record]
        assert chunks[-1] == "[DONE]" and chunks.count("[DONE]") == 1
        for chunk in chunks[:-1]:
            assert "usage" in chunk
            state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
        got = state.current_completion_snapshot
        assert (got.id, got.model, got.created) == (want.id, want.model, want.created)
        assert got.usage == want.usage
        one, other = got.choices[0], want.choices[0]
        assert one.finish_reason == other.finish_reason
        assert (one.message.content or "") == (other.message.content or "")
        assert one.message.refusal == other.message.refusal
        calls = [(call.id, call.function.name, json.loads(call.function.arguments))
                 for call in one.message.tool_calls or []]
        assert calls == [(call.id, call.function.name, json.loads(call.function.arguments))
                         for call in other.message.tool_calls or []]
        # What OpenAI's types have no name for: reasoning, and the blocks that a next turn must bring back.
        extra, other_extra = one.message.model_extra or {}, other.message.model_extra or {}
        assert (extra.get("reasoning_content") or "") == (other_extra.get("reasoning_content") or "")
        # The index is the accumulator's, and oai2anth takes it off.
        blocks = [{name: value for name, value in block.items() if name != "index"}
                  for block in extra.get("thinking_blocks") or []]
        assert blocks == other_extra.get("thinking_blocks", [])
        losses = [[entry["field"] for entry in records[-1]["end"].get("loss", [])] for records in (whole, streamed)]
        assert losses[0] == losses[1]
        seen["text"] += bool(other.message.content)
        seen["tools"] += len(calls) > 1
        seen["thinking"] += bool(blocks)
        seen["cached"] += bool(want.usage.prompt_tokens_details.cached_tokens)
        seen["cited"] += "content.citations" in losses[0]
    assert min(seen.values()) > 20, f"too few of a kind to prove anything: {seen}"
    print(f"{len(messages)} messages: {seen}")
