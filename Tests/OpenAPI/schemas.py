# SPDX-License-Identifier: MIT
"""The schemas of openapi.json: those of both vendors' Python SDKs, narrowed where the proxy takes less.

What an SDK types, the document says: required fields, the words that a field may have, the forms of each block.
Objects are open, as the SDKs' are: fields that nobody knows yet pass. Titles, defaults and descriptions are left out;
the vendors' references have them.
"""
from __future__ import annotations

import re
from typing import Any, Iterator

import anthropic.types
import narrowing
import openai.types
import openai.types.chat
import responses_api
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types.chat import completion_create_params
from openai.types.shared import ErrorObject
from pydantic import TypeAdapter

Json = dict[str, Any]
PLACE = "#/components/schemas/"
TAKES, GIVES = "validation", "serialization"

ROOTS: dict[str, dict[str, tuple[Any, str]]] = {
    "Anthropic": {
        "MessageCreateParams": (message_create_params.MessageCreateParams, TAKES),
        "MessageCountTokensParams": (message_count_tokens_params.MessageCountTokensParams, TAKES),
        "Message": (anthropic.types.Message, GIVES),
        "MessageTokensCount": (anthropic.types.MessageTokensCount, GIVES),
        "RawMessageStreamEvent": (anthropic.types.RawMessageStreamEvent, GIVES),
        "ModelInfo": (anthropic.types.ModelInfo, GIVES),
        "ErrorResponse": (anthropic.types.ErrorResponse, GIVES),
    },
    "OpenAI": {
        "CompletionCreateParams": (completion_create_params.CompletionCreateParams, TAKES),
        "ChatCompletion": (openai.types.chat.ChatCompletion, GIVES),
        "ChatCompletionChunk": (openai.types.chat.ChatCompletionChunk, GIVES),
        "Model": (openai.types.Model, GIVES),
        "ErrorObject": (ErrorObject, GIVES),
    },
    "Responses": responses_api.ROOTS,
}


def bare(schema: Any) -> Any:
    """The schema without what binds nobody. A property may have any name, that of a keyword too."""
    if isinstance(schema, list):
        return [bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: bare(one) for name, one in value.items()} if key in ("properties", "$defs") else bare(value)
        for key, value in schema.items() if key not in ("title", "default", "description")}


def renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [renamed(one, names) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return schema | {"$ref": PLACE + names[schema["$ref"].rsplit("/", 1)[1]]}
    return {key: renamed(value, names) for key, value in schema.items()}


def plain_names(vendor: str, definitions: Json) -> dict[str, str]:
    """Of pydantic's names: those of the classes. Where two have one, its module tells them apart."""
    # Where a request's and an answer's class have one name in one place.
    plain = {name: re.sub(r"-Output$", "", name.replace("-Input", "Param")) for name in definitions}
    parts = {name: path.split("__") for name, path in plain.items()}
    classes = [path[-1] for path in parts.values()]
    names = {}
    for name, path in parts.items():
        module = "".join(word.capitalize() for word in path[-2].split("_")) + "." if len(path) > 1 else ""
        # A request's types that both APIs use stand in a folder of their own.
        if len(path) > 2 and path[-3] == "shared_params":
            module = f"Param.{module}"
        names[name] = f"{vendor}.{module if classes.count(path[-1]) > 1 else ''}{path[-1]}"
    assert len(set(names.values())) == len(names), names
    return names


def of_vendor(vendor: str) -> Json:
    roots = ROOTS[vendor]
    found, rest = TypeAdapter.json_schemas(
        [(name, mode, TypeAdapter(kind)) for name, (kind, mode) in roots.items()], ref_template="#/$defs/{model}")
    definitions = bare(rest["$defs"])
    names = plain_names(vendor, definitions)
    made = {names[name]: renamed(definition, names) for name, definition in definitions.items()}
    for (name, _), schema in found.items():
        own = renamed(bare(schema), names)
        if own.get("$ref") != f"{PLACE}{vendor}.{name}":
            made[f"{vendor}.{name}"] = own
    return made


def unordered(schema: Any) -> Any:
    """The schema with the words of each enum in one order. Python may keep a Literal of the same words in another."""
    if isinstance(schema, list):
        return [unordered(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: sorted(value, key=str) if key == "enum" else unordered(value) for key, value in schema.items()}


def merge_streaming(made: Json, name: str) -> None:
    """One request type for the two that the SDKs have, which differ in what `stream` is."""
    whole, stream = (made[ref["$ref"].removeprefix(PLACE)] for ref in made[name]["anyOf"])
    for ref in made[name]["anyOf"]:
        del made[ref["$ref"].removeprefix(PLACE)]
    same = {key: value for key, value in whole["properties"].items() if key != "stream"}
    assert unordered(same) == unordered({key: value for key, value in stream["properties"].items() if key != "stream"}), name
    assert set(stream["required"]) - set(whole.get("required", [])) == {"stream"}, name
    made[name] = whole | {"properties": same | {"stream": {"type": ["boolean", "null"]}}}


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(PLACE)
        for one in value.values():
            yield from refs(one)
    elif isinstance(value, list):
        for one in value:
            yield from refs(one)


def used(made: Json, roots: set[str]) -> Json:
    """What the roots hold, and what that holds."""
    seen, todo = set(), sorted(roots)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += refs(made[name])
    return {name: made[name] for name in sorted(seen)}


def all_schemas() -> Json:
    made = {name: schema for vendor in ROOTS for name, schema in of_vendor(vendor).items()}
    merge_streaming(made, "Anthropic.MessageCreateParams")
    merge_streaming(made, "OpenAI.CompletionCreateParams")
    merge_streaming(made, "Responses.ResponseCreateParams")
    narrowing.narrow(made)
    return used(made, {f"{vendor}.{name}" for vendor, roots in ROOTS.items() for name in roots})
