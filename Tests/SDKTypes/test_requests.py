# SPDX-License-Identifier: MIT
"""Sends every field of the request types of both SDKs, and holds what becomes of it against the table.

A field that a new version of an SDK adds has no row yet: then a test fails here, and not a user.
"""
from __future__ import annotations

import json
import re
from typing import Any

import chat_requests
import pipe
import pytest
import table
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
        is_named = first["error"]["status"] == 400 and names(path, error.get("param") or "")
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


def check(name: str, variants: dict[str, Variant]) -> None:
    rows = table.rows(name)
    answers = pipe.ask([chat_requests.request(variant.value) for variant in variants.values()])
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
