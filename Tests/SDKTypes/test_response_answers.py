# SPDX-License-Identifier: MIT
"""Gives anth2resp every field that an answer of the Messages API may have: whole, and as a stream.

Nothing is ever an error; what becomes of a field is in the table; and what comes out are responses by OpenAI's types.
"""
from __future__ import annotations

import base64
import json
import random
from typing import Any, Iterator

import generated
import message_answers
import pipe
import pytest
import table
from fields import Variant, places_of, plain, values_at
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

Json = dict[str, Any]

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MESSAGES = 200
ALL = {"stream": True, "reasoning": True, "summary": True, "encrypted": True}


def validate(records: list[Json]) -> None:
    """Every payload is one of OpenAI's types, to the letter; and the events are numbered from 0."""
    events = [record["event"] for record in records if "event" in record]
    for event in events:
        EVENT.validate_json(json.dumps(event), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for record in records:
        if "response" in record:
            Response.model_validate_json(json.dumps(record["response"]), strict=True)


def opened(sealed: str) -> list[Json]:
    """The blocks of a sealed text."""
    assert sealed.startswith("cpr1.")
    text = sealed.removeprefix("cpr1.")
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def seals(payload: Any) -> Iterator[Json]:
    """The blocks that are sealed anywhere in a payload."""
    if isinstance(payload, dict):
        for name, value in payload.items():
            if name == "encrypted_content":
                yield from opened(value)
            else:
                yield from seals(value)
    elif isinstance(payload, list):
        for value in payload:
            yield from seals(value)


def wrong(variant: Variant, row_path: str, row: table.Row, records: list[Json]) -> str | None:
    if any("error" in record for record in records):
        return f"is an error: {records}"
    validate(records)
    [end] = [record["end"] for record in records if "end" in record]
    payloads = [record.get("response") or record.get("event") for record in records
                if "response" in record or "event" in record]
    loss = [entry["field"] for entry in end.get("loss", [])]
    if row["fate"] in ("dropped", "approximated"):
        if row["says"] not in loss:
            return f"is announced as {loss}"
        if row["fate"] == "dropped":
            return None
    elif loss and "says" not in row:
        return f"is announced: {loss}"
    if row["fate"] in ("exact", "approximated") and "to" in row:
        want = json.loads(row["as"]) if "as" in row else variant.leaf
        # What passes whole has its fields at the places they had.
        place = row["to"] + plain(variant.path)[len(plain(row_path)):]
        if place.startswith("sealed.") and row["to"] == "sealed":
            # All of the block is in there, and it may hold maps, whose keys are no fields.
            return None if any(any(places_of(block, want)) for block in seals(payloads)) else f"is not sealed: {payloads}"
        looked_at = list(seals(payloads)) if place.startswith("sealed.") else payloads
        found = [value for payload in looked_at for value in values_at(payload, place.removeprefix("sealed."))]
        return None if want in found else f"is not at {place}: {payloads}"
    return None


def searched(block: Json) -> list[Json]:
    """The block, with the other half of a search where it is one."""
    if block["type"] == "server_tool_use":
        return [block | {"input": {"query": "fish"}}]
    if block["type"] == "web_search_tool_result":
        return [{"type": "server_tool_use", "id": block["tool_use_id"], "name": "web_search", "input": {}}, block]
    return [block]


def whole(value: Json) -> list[tuple[str, Any]]:
    content = value.get("content") or []
    return message_answers.whole(value | {"content": [half for block in content for half in searched(block)]})


def stream(event: Json) -> list[tuple[str, Any]]:
    records = message_answers.stream(event)
    place = next((at for at, (_, one) in enumerate(records) if one["type"] == "content_block_start"), None)
    if place is None:
        return records
    halves = searched(records[place][1]["content_block"])
    first = [("event", {"type": "content_block_start", "index": 99, "content_block": half}) for half in halves[:-1]]
    last = ("event", records[place][1] | {"content_block": halves[-1]})
    return records[:place] + first + [last] + records[place + 1:]


@pytest.mark.parametrize("name, walk, make", [
    ("response_answer", message_answers.message_variants, whole),
    ("response_stream", message_answers.event_variants, stream),
])
def test_every_field_of_an_answer_has_its_fate(name: str, walk: Any, make: Any) -> None:
    variants = walk()
    rows = table.rows_of_answer(name, variants, {"exact", "neutral", "approximated", "dropped"})
    table.check_answers(variants, rows, pipe.response([make(variant.value) for variant in variants.values()], ALL), wrong)


NOTES: dict[str, Json] = {
    "all": ALL, "nothing": {"stream": True}, "reasoning": {"stream": True, "reasoning": True},
    "tools": ALL | {"tools": {f"tool_{number}": tool for number, tool in enumerate([
        {"custom": True}, {"name": "f", "namespace": "n"}, {"item": "shell_call"}, {"item": "local_shell_call"},
        {"item": "apply_patch_call"}, {"keys": {"k0": "$k", "k1": "a b"}}])}},
    "echo": ALL | {"echo": {"instructions": "x", "parallel_tool_calls": False, "tool_choice": "none", "tools": [],
                            "metadata": {"a": "b"}, "temperature": 0.5, "top_p": None, "store": False}},
}


def comparable(response: Json) -> Json:
    """Arguments may be spaced otherwise, where the stream has the text and the whole answer the value."""
    made = json.loads(json.dumps(response))
    for item in made["output"]:
        for name in ("arguments", "input"):
            if name in item:
                try:
                    item[name] = json.loads(item[name])
                except ValueError:
                    pass
    return made


@pytest.mark.parametrize("name", NOTES)
def test_a_stream_accumulated_is_the_whole_answer(name: str) -> None:
    """The stream's last event, and what OpenAI's own accumulator makes of all, say what the whole answer says."""
    source = random.Random(f"responses {name}")
    messages = [generated.agents_message(source) for _ in range(MESSAGES)]
    answers = pipe.response([[("response", message)] for message in messages]
                            + [[("event", event) for event in generated.events(message, source)] for message in messages],
                            NOTES[name])
    seen = {"text": 0, "tools": 0, "thinking": 0, "cached": 0, "cited": 0, "refused": 0, "searched": 0, "cut": 0, "compacted": 0}
    for message, whole, streamed in zip(messages, answers[:MESSAGES], answers[MESSAGES:]):
        validate(whole + streamed)
        events = [record["event"] for record in streamed if "event" in record]
        assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
        last = events[-1]
        assert last["type"] == f"response.{last['response']['status']}"
        assert comparable(last["response"]) == comparable(whole[1]["response"])
        check_items(events, last["response"]["output"])
        state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
        for event in events:
            state.handle_event(EVENT.validate_python(event))
        if last["type"] == "response.completed":
            assert state._completed_response.output_text == Response.model_validate(whole[1]["response"]).output_text
        losses = [[entry["field"] for entry in records[-1]["end"].get("loss", [])] for records in (whole, streamed)]
        assert sorted(losses[0]) == sorted(losses[1])
        if ALL.items() <= NOTES[name].items():
            check_seals(message, last["response"]["output"])
        count(seen, whole[1]["response"])
    assert min(number for kind, number in seen.items() if kind != "thinking" or "summary" in NOTES[name]) > 3, f"too few of a kind to prove anything: {seen}"
    print(f"{len(messages)} messages: {seen}")


def count(seen: dict[str, int], response: Json) -> None:
    items = response["output"]
    texts = [part for item in items if item["type"] == "message" for part in item["content"]]
    seen["text"] += any(part.get("text") for part in texts)
    seen["tools"] += sum(item["type"].endswith("_call") and item["type"] != "web_search_call" for item in items) > 1
    seen["thinking"] += any(item["type"] == "reasoning" and item["summary"] for item in items)
    seen["cached"] += response["usage"]["input_tokens_details"]["cached_tokens"] > 0
    seen["cited"] += any(part.get("annotations") for part in texts)
    seen["refused"] += any(part["type"] == "refusal" for part in texts)
    seen["searched"] += any(item["type"] == "web_search_call" for item in items)
    seen["cut"] += response["status"] == "incomplete"
    seen["compacted"] += any(item["type"] == "compaction" for item in items)


def check_items(events: list[Json], output: list[Json]) -> None:
    """Each item begins once, at its place, gets only events of its own, and is complete as the response has it."""
    added: dict[int, Json] = {}
    done: dict[int, Json] = {}
    texts: dict[tuple[str, str], str] = {}
    for event in events:
        if event["type"] == "response.output_item.added":
            assert event["output_index"] not in added
            added[event["output_index"]] = event["item"]
        elif event["type"] == "response.output_item.done":
            assert event["output_index"] in added and event["output_index"] not in done
            done[event["output_index"]] = event["item"]
        elif "item_id" in event:
            assert event["output_index"] in added and event["output_index"] not in done, event
            assert event["item_id"] == added[event["output_index"]]["id"]
            if event["type"].endswith(".delta"):
                key = (event["item_id"], event["type"].removesuffix(".delta"))
                texts[key] = texts.get(key, "") + event["delta"]
            elif (event["item_id"], event["type"].removesuffix(".done")) in texts:
                said = next(event[name] for name in ("text", "arguments", "input", "refusal") if name in event)
                assert texts[event["item_id"], event["type"].removesuffix(".done")] == said
    assert [done[index] for index in sorted(done)] == output
    assert sorted(added) == sorted(done) == list(range(len(output)))
    assert len({item["id"] for item in output}) == len(output)
    annotations = [event["annotation"] for event in events if "annotation" in event]
    assert annotations == [one for item in output if item["type"] == "message"
                           for part in item["content"] for one in part.get("annotations", [])]


def check_seals(message: Json, output: list[Json]) -> None:
    """The sealed blocks of a response are the message's, each the same, and in order."""
    sent = [block for block in message["content"] if block["type"] in ("thinking", "redacted_thinking", "compaction")]
    assert [block for item in output if "encrypted_content" in item for block in opened(item["encrypted_content"])] == sent
    cited = [(block["text"], len(block["citations"])) for block in message["content"]
             if any("url" in one for one in block.get("citations") or [])]
    found: list[str] = []
    for item in output:
        for part in item.get("content") or []:
            for one in part.get("annotations", []):
                # OpenAI counts characters.
                found.append(part["text"][one["start_index"]:one["end_index"]])
    assert found == [words for words, times in cited for _ in range(times)]


def test_a_store_gets_what_the_client_does_not() -> None:
    source = random.Random(77)
    messages = [generated.agents_message(source) for _ in range(100)]
    answers = pipe.response([[("event", event) for event in generated.events(message, source)] for message in messages],
                            {"stream": True, "reasoning": True}, **{"responses-store": {"key": 1}})
    kept = 0
    for message, records in zip(messages, answers):
        output = [record["event"] for record in records if "event" in record][-1]["response"]["output"]
        sent = [block for block in message["content"] if block["type"] in ("thinking", "redacted_thinking")]
        assert not any("encrypted_content" in item for item in output if item["type"] == "reasoning")
        kinds = [next(name for name in record if name not in ("rid", "ctx")) for record in records]
        reasoning = [item["id"] for item in output if item["type"] == "reasoning"]
        assert kinds.count("keep") == bool(reasoning)
        if reasoning:
            # Before the record that ends the response.
            assert kinds[-3:] == ["keep", "event", "end"]
            keep = records[-3]["keep"]
            assert list(keep) == reasoning
            assert [block for name in reasoning for block in opened(keep[name])] == sent
            kept += 1
    assert kept > 90


def test_what_no_sdk_knows_yet_is_no_error() -> None:
    """New blocks, deltas, events and stop reasons will come; text in them is kept, and they are announced."""
    whole, streamed = pipe.response([message_answers.WHOLE_UNKNOWN, message_answers.STREAMED_UNKNOWN], {"stream": True})
    validate(whole + streamed)
    assert whole[1]["response"]["output"][0]["content"][0]["text"] == "Look!"
    assert whole[1]["response"]["status"] == "completed"
    assert streamed[-2]["event"]["response"]["output"] == whole[1]["response"]["output"]
    assert [entry["field"] for entry in whole[-1]["end"]["loss"]] == ["content.hologram"]
    assert "content.hologram" in [entry["field"] for entry in streamed[-1]["end"]["loss"]]
