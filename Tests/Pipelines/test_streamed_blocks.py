# SPDX-License-Identifier: MIT
"""A stream gives an OpenAI client the answer that its blocks make, however the events of the blocks are mixed."""
from __future__ import annotations

import json
import random
from typing import Any, Iterator

import pytest
from filters import pipe

Json = dict[str, Any]
CTX = {"dialect": "openai", "model": {"asked": "m"}}
MESSAGE: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                 "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
WORDS = ["Hello", " ", "\n", '"', "\\", "é", "😀", "}}", "\u0000", "日本"]


def cut(chance: random.Random, text: str) -> Iterator[str]:
    """A text in parts of any length."""
    while text:
        size = chance.randint(0, 9)
        yield text[:size]
        text = text[size:]


def block(chance: random.Random, number: int) -> tuple[Json, Json, list[Json]]:
    """A block as it stands in a whole answer, as it starts in a stream, and the deltas that follow."""
    text = "".join(chance.choice(WORDS) for _ in range(chance.randint(0, 8)))
    shown = chance.randint(0, len(text)) if chance.random() < 0.2 else 0
    match chance.choice(["text", "text", "thinking", "redacted", "tool", "tool", "server", "unknown"]):
        case "text":
            return ({"type": "text", "text": text}, {"type": "text", "text": text[:shown]},
                    [{"type": "text_delta", "text": part} for part in cut(chance, text[shown:])])
        case "thinking":
            whole = {"type": "thinking", "thinking": text, "signature": "c2ln"}
            return (whole, {**whole, "thinking": text[:shown], "signature": ""},
                    [{"type": "thinking_delta", "thinking": part} for part in cut(chance, text[shown:])]
                    + [{"type": "signature_delta", "signature": "c2ln"}])
        case "redacted":
            whole = {"type": "redacted_thinking", "data": f"AA{number}="}
            return whole, whole, []
        case "tool":
            given: Any = {f"k{key}": chance.choice([1.5, "é\n😀", None, [], {}, -3, text]) for key in range(chance.randint(0, 3))}
            whole = {"type": "tool_use", "id": f"toolu_{number}", "name": f"f{number}", "input": given}
            if chance.random() < 0.2:
                return whole, whole, []
            written = json.dumps(given, ensure_ascii=chance.random() < 0.5)
            return (whole, {**whole, "input": chance.choice([{}, {"placeholder": 1}]) if given else {}},
                    [{"type": "input_json_delta", "partial_json": part} for part in cut(chance, written)])
        case "server":
            whole = {"type": "server_tool_use", "id": f"srv_{number}", "name": "web_search", "input": {"q": 1}}
            return whole, {**whole, "input": {}}, [{"type": "input_json_delta", "partial_json": '{"q":1}'}]
        case _:
            return ({"type": "novelty", "text": text}, {"type": "novelty", "text": ""},
                    [{"type": "novel_delta", "text": part} for part in cut(chance, text)])


def events(chance: random.Random, blocks: list[tuple[Json, Json, list[Json]]]) -> list[Json]:
    """The events of the blocks: each block's in order, mixed with those of the others, and with gaps in the indexes."""
    places = [number * chance.choice([1, 1, 1, 3]) + number for number in range(len(blocks))]
    if len(set(places)) < len(places):
        places = list(range(len(blocks)))
    waiting = []
    for place, (_, start, deltas) in zip(places, blocks):
        waiting.append([{"type": "content_block_start", "index": place, "content_block": start},
                        *({"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas),
                        {"type": "content_block_stop", "index": place}])
    made = []
    is_mixed = chance.random() < 0.8
    begun: list[list[Json]] = []
    while waiting or begun:
        if waiting and (not begun or is_mixed and chance.random() < 0.3):
            begun.append(waiting.pop(0))
            made.append(begun[-1].pop(0))
            continue
        one = chance.choice(begun)
        made.append(one.pop(0))
        if not one:
            begun.remove(one)
    if chance.random() < 0.2:  # Some gateways leave the ends out.
        made = [event for event in made if event["type"] != "content_block_stop"]
    return made


def record(rid: int, kind: str, payload: Any, **ctx: Any) -> str:
    return json.dumps({"rid": f"r{rid}", **ctx, kind: payload})


def answer(rid: int, payloads: list[tuple[str, Any]]) -> list[str]:
    return [record(rid, "begin", {"status": 200, "headers": {}}, ctx=CTX),
            *(record(rid, kind, payload) for kind, payload in payloads), record(rid, "end", {})]


def streamed(made: list[Json]) -> list[tuple[str, Any]]:
    return [("event", event) for event in [
        {"type": "message_start", "message": {**MESSAGE, "stop_reason": None}}, *made,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"}]]


def joined(chunks: list[Json]) -> Json:
    """The message that a client makes of chunks, as OpenAI's own library does: elements of lists go by their index."""
    message: Json = {"content": "", "reasoning_content": "", "thinking_blocks": [], "tool_calls": []}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
        for name in ("content", "reasoning_content"):
            message[name] += delta.get(name) or ""
        for thought in delta.get("thinking_blocks", []):
            assert thought.pop("index") == len(message["thinking_blocks"])
            message["thinking_blocks"].append(thought)
        for call in delta.get("tool_calls", []):
            place = call.pop("index")
            if "id" in call:
                assert place == len(message["tool_calls"]), "calls are counted from 0, in order"
                message["tool_calls"].append(call)
            else:
                message["tool_calls"][place]["function"]["arguments"] += call["function"]["arguments"]
    return message


def comparable(message: Json) -> Json:
    calls = [{**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
             for call in message.get("tool_calls") or []]
    return {"content": message.get("content") or "", "reasoning_content": message.get("reasoning_content") or "",
            "thinking_blocks": message.get("thinking_blocks") or [], "tool_calls": calls}


def payloads(output: list[Json], rid: int, kind: str) -> list[Any]:
    return [line[kind] for line in output if line["rid"] == f"r{rid}" and kind in line]


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_equals_the_whole_answer_of_its_blocks(seed: int) -> None:
    chance = random.Random(seed)
    cases = [[block(chance, number) for number in range(chance.randint(0, 6))] for _ in range(400)]
    lines: list[str] = []
    made = [events(chance, blocks) for blocks in cases]
    for number, blocks in enumerate(cases):
        lines += answer(2 * number, streamed(made[number]))
        lines += answer(2 * number + 1, [("response", {**MESSAGE, "content": [whole for whole, _, _ in blocks]})])
    output = pipe("anth2oai", lines)
    by_rid: dict[str, list[Json]] = {}
    for line in output:
        by_rid.setdefault(line["rid"], []).append(line)
    for number in range(len(cases)):
        stream, whole = (by_rid[f"r{2 * number + half}"] for half in (0, 1))
        chunks = [line["event"] for line in stream if "event" in line and line["event"] != "[DONE]"]
        expected = next(line["response"] for line in whole if "response" in line)["choices"][0]["message"]
        assert comparable(joined(chunks)) == comparable(expected), made[number]
        lost = [line["end"].get("loss", []) for line in (stream[-1], whole[-1])]
        fields = [{entry["field"] for entry in one if not entry["field"].startswith("content_block_delta")} for one in lost]
        assert fields[0] == fields[1], made[number]


def test_words_are_shown_at_once_where_nothing_is_mixed() -> None:
    """Each delta of a block that waits for no other gives a chunk of its own."""
    made: list[Json] = [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}}},
                        {"type": "content_block_start", "index": 2, "content_block": {"type": "thinking", "thinking": ""}}]
    for number in range(3):
        made += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"w{number}"}},
                 {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": f"{number}"}},
                 {"type": "content_block_delta", "index": 2, "delta": {"type": "thinking_delta", "thinking": f"t{number}"}}]
    lines = answer(0, streamed(made)[:-2])[:-1]
    deltas = [chunk["choices"][0]["delta"] for chunk in payloads(pipe("anth2oai", lines), 0, "event")]
    assert [delta["content"] for delta in deltas if delta.get("content")] == ["w0", "w1", "w2"]
    assert [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta] == ["t0", "t1", "t2"]
    parts = [delta["tool_calls"][0]["function"]["arguments"] for delta in deltas if "tool_calls" in delta]
    assert parts == ["", "0", "1", "2"]


@pytest.mark.parametrize("before", [
    [], [{"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}}}],
    [{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}}},
     {"type": "content_block_stop", "index": 0}]], ids=["no block", "another block", "a block that is over"])
def test_input_for_no_tool_fails(before: list[Json]) -> None:
    """Input that belongs to no call would be missing in one: the client is not to run a tool without it."""
    late = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "1"}}
    output = pipe("anth2oai", answer(0, streamed([*before, late])))
    error, = payloads(output, 0, "error")
    assert error["status"] == 502 and "where no block is open" in error["body"]["error"]["message"]
    assert "[DONE]" not in payloads(output, 0, "event")
