# SPDX-License-Identifier: MIT
"""Sends every field of the request types of both SDKs, and holds what becomes of it against the table.

A field that a new version of an SDK adds has no row yet: then a test fails here, and not a user.
"""
from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import chat_requests
import pipe
import pytest
import responses_requests
import table
from anthropic._data.deprecated_models import DEPRECATED_MODELS
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_message_create_params
from fields import Variant, Walk, alternatives, plain, values_at
from openai.types.shared.chat_model import ChatModel
from typing_extensions import get_args

Json = dict[str, Any]


def names(path: str, named: str) -> bool:
    """Whether what the program named is the field, or holds it, or is within it; a structure goes by its type too."""
    field, named = plain(path), re.sub(r"\[\d+\]", "", named).removesuffix(".type")
    return field == named or field.startswith(named + ".") or named.startswith(field + ".")


def wrong(path: str, variant: Variant, row: table.Row, records: list[Json]) -> str | None:
    """How the answer differs from the row; nothing where it doesn't."""
    first = records[0]
    if row["fate"] == "rejected":
        if "error" not in first:
            return "was not rejected"
        error = first["error"]["body"]["error"]
        # What has no fault of its own is refused with the item that it is in.
        is_named = first["error"]["status"] == 400 and names(row.get("by", path), error.get("param") or "")
        return None if is_named else f"was rejected as {error}"
    if "error" in first:
        return f"was rejected: {first['error']['body']['error']['message']}"
    loss = first["ctx"].get("loss", [])
    if row["fate"] in ("exact", "neutral"):
        if loss:
            return f"was announced: {loss}"
        if row["fate"] == "neutral":
            return None
        want = json.loads(row["as"]) if "as" in row else variant.leaf
        where = first if row["to"].startswith("ctx.") else first["request"]
        return None if want in values_at(where, row["to"]) else f"is not at {row['to']}: {json.dumps(first['request'])}"
    if not loss:
        return f"was not announced: {json.dumps(first['request'])}"
    if not all(names(path, entry["field"]) for entry in loss):
        return f"was announced by another name, or another with it: {loss}"
    if not all(re.split(r"[ :]", entry["fate"])[0] == row["fate"] for entry in loss):
        return f"has another fate: {loss}"
    return "is one that the program doesn't know" if any("unknown" in entry for entry in loss) else None


def check(name: str, variants: dict[str, Variant], request: Any = chat_requests.request, **asking: Any) -> None:
    rows = table.rows(name)
    answers = pipe.ask([request(variant.value) for variant in variants.values()], **asking)
    differences = [f"{path} ({rows[path]['fate']}) {difference}"
                   for (path, variant), records in zip(variants.items(), answers)
                   if (difference := wrong(path, variant, rows[path], records))]
    assert not differences, f"{len(differences)} of {len(variants)}:\n" + "\n".join(differences)


@pytest.mark.parametrize("name, walk, what", [
    ("chat_request", chat_requests.variants, "openai's CompletionCreateParams"),
    ("extra_body", chat_requests.extra_variants, "anthropic's MessageCreateParams"),
])
def test_every_field_of_a_chat_request_has_its_fate(name: str, walk: Any, what: str) -> None:
    variants = walk()
    print(f"{what}: {len(variants)} fields and values walked")
    table.check_complete(name, set(variants), what)
    for path, row in table.rows(name).items():
        assert row["fate"] in ("exact", "neutral", "approximated", "clamped", "dropped", "rejected"), path
        assert "to" in row if row["fate"] == "exact" else row.get("why"), f"{path}: no place, or no reason"
    check(name, variants)


def test_every_field_of_a_responses_request_has_its_fate() -> None:
    for name, walk, op in [("responses_request", responses_requests.variants, "messages"),
                           ("count_request", responses_requests.count_variants, "count_tokens")]:
        variants = walk()
        print(f"openai's {name}: {len(variants)} fields and values walked")
        table.check_complete(name, set(variants), "openai's " + name)
        for path, row in table.rows(name).items():
            assert row["fate"] in ("exact", "neutral", "approximated", "clamped", "dropped", "rejected"), path
            assert "to" in row if row["fate"] == "exact" else row.get("why"), f"{path}: no place, or no reason"
        check(name, variants, responses_requests.request, dialect="responses", ctx={"op": op})


def test_every_block_of_anthropics_passes_in_a_chat_request() -> None:
    """Anthropic's own blocks among the parts of an OpenAI message: whole, with all that may be in them."""
    ways = [variant for variants in chat_requests.part_variants().values() for variant in variants]
    answers = pipe.ask([chat_requests.request(variant.value) for variant in ways])
    for variant, records in zip(ways, answers):
        assert "request" in records[0], (variant.path, records[0])
        said = [block for message in records[0]["request"]["messages"] for block in message["content"]]
        assert variant.leaf in said, (variant.path, said)
        # A result without its call is told apart, and nothing else is said.
        assert not records[0]["ctx"].get("loss"), (variant.path, records[0]["ctx"])
    print(f"{len(ways)} ways to fill Anthropic's blocks")


def test_every_model_name_of_openais_sdk_is_one_of_claudes() -> None:
    """Clients have their names hard-wired."""
    named = [{"model": name, "messages": [{"role": "user", "content": "Hello"}]} for name in get_args(ChatModel)]
    for body, records in zip(named, pipe.ask(named)):
        assert records[0]["request"]["model"].startswith("claude-"), body["model"]


def test_every_deprecated_model_has_a_successor_or_its_day() -> None:
    """The vendor's SDK lists what ends, and when: the table names a successor, or keeps the model with that day."""
    models = json.loads((Path(__file__).parents[2] / "Sources/Models/models.json").read_text())
    ends = {model["id"]: model.get("end") for model in models["models"]}
    successors = {entry[0]: entry for entry in models["names"]}
    for name, told in DEPRECATED_MODELS.items():
        day = datetime.strptime(re.sub(r"(\d)(st|nd|rd|th)", r"\1", told), "%B %d, %Y").date().isoformat()
        if name in ends:
            assert ends[name] == day, name
        else:
            assert successors[name][1] in ends and successors[name][2] == day, name
    said = pipe.run("model-map", ['{"model":"%s"}' % name for name in DEPRECATED_MODELS]).split("\n")[:-1]
    for name, line in zip(DEPRECATED_MODELS, said):
        assert json.loads(line)["model"] == (name if name in ends else successors[name][1])


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
TURNS: list[Json] = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                 {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PIXEL}"}}]},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": f"call:{number}", "type": "function", "function": {"name": "look", "arguments": '{"at": 1.0}'}}
        for number in range(2)]},
    {"role": "tool", "tool_call_id": "call:0", "content": "a dot"},
    {"role": "tool", "tool_call_id": "call:1", "content": [{"type": "text", "text": "red"}]},
    {"role": "assistant", "content": "A red dot.", "tool_calls": [
        {"id": "call:0", "type": "function", "function": {"name": "look", "arguments": ""}}]},
    {"role": "tool", "tool_call_id": "call:0", "content": ""},
    {"role": "assistant", "content": "It is red."},
    {"role": "user", "content": "Sure?"},
]


def test_the_next_turn_begins_with_the_bytes_of_the_turn_before() -> None:
    """A cached prompt is found again only where all that came before is the same."""
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    ends = [number + 1 for number, turn in enumerate(TURNS)
            if turn["role"] in ("user", "tool") and (TURNS + [{"role": ""}])[number + 1]["role"] != turn["role"]]
    for model in ("claude-sonnet-4-5", "claude-opus-5-5"):
        lines = [json.dumps({"rid": "r", "ctx": {"dialect": "openai"}, "request": {
            "model": model, "tools": tools, "messages": TURNS[:end]}}) for end in ends]
        prompts = []
        for line in pipe.run("oai2anth", lines).split("\n")[:-1]:
            assert json.loads(line)["ctx"]["cache"] == "auto"
            body = line[line.index('"request":'):]
            assert body.endswith("]}]}}"), body
            prompts.append(body.removesuffix("]}}"))
        for before, after in zip(prompts, prompts[1:]):
            assert after.startswith(before + ",")


@pytest.mark.parametrize("kinds", [message_create_params.MessageCreateParams,
                                   beta_message_create_params.MessageCreateParams], ids=["stable", "beta"])
def test_every_field_of_a_messages_request_passes_byte_for_byte(kinds: Any) -> None:
    """In Anthropic's dialect nothing but the model's name changes: not a space, not an escape."""
    walk = Walk()
    ways = {variant.path: variant for kind in alternatives(kinds) for variant in walk.variants(kind)}
    print(f"{len(ways)} fields and values walked")
    assert len(ways) > 500
    lines, wanted = [], []
    for number, variant in enumerate(ways.values()):
        # Forms that differ from any that a program would choose: spaces, escapes, numbers.
        body = json.dumps(variant.value, indent=None, separators=(" ,", " : ") if number % 2 else (",", ":"))
        body = body.replace("0.625", "6.250E-1")
        assert '"model"' in body
        lines.append('{"rid":"%d","ctx":{"op":"messages","dialect":"anthropic"},"request":%s}' % (number, body))
        wanted.append(body)
    said = pipe.run("model-map | oai2anth", lines).split("\n")[:-1]
    assert len(said) == len(lines)
    effective = json.loads(said[0])["ctx"]["model"]["effective"]
    for line, body, variant in zip(said, wanted, ways.values()):
        got = line[line.index('"request":') + len('"request":'):-1]
        name = json.dumps(variant.value["model"])
        at = body.index(name, body.index('"model"'))
        assert got == body[:at] + json.dumps(json.loads(line)["ctx"]["model"]["effective"]) + body[at + len(name):], (
            variant.path)
    assert effective
