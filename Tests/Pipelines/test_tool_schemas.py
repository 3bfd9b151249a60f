# SPDX-License-Identifier: MIT
"""Whatever schema a client sends, the API takes the request, and no right answer is forbidden.

The judge is the stand-in's, which is made of the API's own words and knows nothing of the filters.
"""
from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest
from filters import pipe
from messages_api import refusal

Json = Any
MODEL = "claude-sonnet-4-5"
TEXT = {"type": "string"}


def record(**members: Json) -> str:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], **members}
    return json.dumps({"rid": "r", "ctx": {"op": "messages", "dialect": "openai"}, "request": body})


def asked_for(schema: Json) -> str:
    return record(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})


def tool(schema: Json, **members: Json) -> Json:
    return {"type": "function", "function": {"name": "f", "parameters": schema, **members}}


def translated(lines: list[str]) -> list[Json]:
    """The records of requests that the API takes."""
    records = pipe("oai2anth", lines)
    for line, made in zip(lines, records, strict=True):
        assert "request" in made, (made, line[:300])
        assert refusal(made["request"]) is None, (refusal(made["request"]), line[:600], made)
    return records


def fates(made: Json) -> dict[str, str]:
    return {entry["field"]: entry["fate"] for entry in made["ctx"].get("loss", [])}


def obj(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


# Schemas of answers that no schema which the API compiles admits all right answers of.
FREE = {
    "free": obj(a={"type": "object"}), "free root": {"type": "object"}, "free by name": obj(a={"type": "object", "properties": {}}),
    "map": obj(a={"type": "object", "additionalProperties": {"type": "integer"}}),
    "open": obj(a={**obj(b=TEXT), "additionalProperties": True}),
    "open by schema": obj(a={**obj(b=TEXT), "additionalProperties": {}}),
    "array of free": obj(a={"type": "array", "items": {"type": "object"}}),
    "array of anything": obj(a={"type": "array"}), "array of any": obj(a={"type": "array", "items": {}}),
    "array of true": obj(a={"type": "array", "items": True}), "array of none": obj(a={"type": "array", "items": False}),
    "record": obj(a={"type": "object", "propertyNames": TEXT, "additionalProperties": TEXT}),
    "patterns": obj(a={"type": "object", "patternProperties": {"^x": TEXT}, "additionalProperties": False}),
    "any": obj(a={}), "described any": obj(a={"description": "anything"}), "true": obj(a=True), "false": obj(a=False),
    "root ref": obj(kids={"type": "array", "items": {"$ref": "#"}}),
    "recursive": {**obj(root={"$ref": "#/$defs/N"}), "$defs": {"N": obj(k={"type": "array", "items": {"$ref": "#/$defs/N"}})}},
    "recursive in definitions": {**obj(root={"$ref": "#/definitions/N"}), "definitions": {"N": obj(k={"anyOf": [{"$ref": "#/definitions/N"}, {"type": "null"}]})}},
    "mutual": {**obj(a={"$ref": "#/$defs/A"}), "$defs": {"A": obj(b={"$ref": "#/$defs/B"}), "B": obj(a={"$ref": "#/$defs/A"})}},
    "missing ref": obj(a={"$ref": "#/$defs/none"}), "remote ref": obj(a={"$ref": "https://example.com/a.json"}),
    "pointer ref": obj(a=TEXT, b={"$ref": "#/properties/a"}), "anchor ref": {**obj(a={"$ref": "#x"}), "$defs": {"x": {"$anchor": "x", "type": "string"}}},
    "object in enum": obj(a={"enum": [{"x": 1}, "b"]}), "array in enum": obj(a={"enum": [[1], [2]]}),
    "object const": obj(a={"const": {"x": 1}}), "object enum": obj(a={"type": "object", "enum": [{"x": 1}]}),
    "tuple": obj(a={"type": "array", "prefixItems": [TEXT, {"type": "integer"}]}),
    "old tuple": obj(a={"type": "array", "items": [TEXT, {"type": "integer"}]}),
    "top anyOf": {"anyOf": [obj(a=TEXT), obj(b=TEXT)]}, "top array": {"type": "array", "items": TEXT}, "top text": TEXT,
    "top null": {**obj(a=TEXT), "type": ["object", "null"]}, "top enum": {"enum": ["a", "b"]},
    "undeclared": {"type": "object", "properties": {"a": TEXT}, "required": ["b"]},
    "allOf ref": {**obj(a={"allOf": [{"$ref": "#/$defs/A"}, obj(b=TEXT)]}), "$defs": {"A": obj(x=TEXT)}},
    "allOf closed": obj(a={"allOf": [{**obj(x=TEXT), "additionalProperties": False}, obj(y=TEXT)]}),
    "choice adds": obj(a={**obj(x=TEXT), "anyOf": [obj(y=TEXT), obj(z=TEXT)]}),
    "if adds": obj(a={**obj(x=TEXT), "if": obj(x={"const": "1"}), "then": obj(y=TEXT)}),
    "beside ref": {**obj(a={"$ref": "#/$defs/A", "properties": {"y": TEXT}}), "$defs": {"A": obj(x=TEXT)}},
    "free in variant": obj(a={"anyOf": [{"type": "object"}, {"type": "null"}]}),
    "free in nullable": obj(a={"type": ["object", "null"]}), "any of two": obj(a={"type": ["array", "string"]}),
    "dynamic": obj(a={"type": "object", "properties": {"b": TEXT}, "unevaluatedProperties": True}),
    "unions": obj(**{f"a{i}": {"type": ["string", "null"]} for i in range(17)}),
    "optional": {"type": "object", "properties": {f"a{i}": TEXT for i in range(25)}},
    "deep": json.loads('{"type":"object","properties":{"a":' * 200 + '{"type":"string"}' + "}}" * 200),
}


@pytest.mark.parametrize("name", FREE)
def test_what_cannot_be_compiled_is_asked_for_in_words(name: str) -> None:
    schema = FREE[name]
    parameters = schema if schema.get("type") == "object" else obj(a=schema)
    answer, strict = translated([asked_for(schema), record(tools=[tool(parameters, strict=True)])])
    assert "format" not in answer["request"].get("output_config", {})
    assert json.dumps(schema, separators=(",", ":")) in answer["request"]["system"][-1]["text"]
    assert fates(answer)["response_format"].startswith("approximated: asked for in the system text")
    if not name.startswith("top"):
        assert "strict" not in strict["request"]["tools"][0]
        assert fates(strict)["tools.function.strict"].startswith("dropped")


# Schemas that narrow more than the API compiles: the keywords that go into a description.
NARROW = {
    "minimum": {"type": "integer", "minimum": 1}, "maxLength": {"type": "string", "maxLength": 3},
    "pattern": {"type": "string", "pattern": "^(?!a)b"}, "pattern ": {"type": "string", "pattern": r"\bword\b"},
    "pattern  ": {"type": "string", "pattern": r"(a)\1"}, "pattern   ": {"type": "string", "pattern": "a{1,9000}"},
    "format": {"type": "string", "format": "idn-email"}, "format ": {"type": "integer", "format": "int32"},
    "minItems": {"type": "array", "items": TEXT, "minItems": 2}, "uniqueItems": {"type": "array", "items": TEXT, "uniqueItems": True},
    "contains": {"type": "array", "items": TEXT, "contains": {"const": "a"}},
    "minProperties": {**obj(x=TEXT), "minProperties": 1}, "dependentRequired": {**obj(x=TEXT), "dependentRequired": {"x": ["x"]}},
    "anyOf": {"type": "object", "properties": {"x": TEXT, "y": TEXT}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
    "if": {**obj(x=TEXT), "if": {"properties": {"x": {"const": "1"}}}, "then": {"required": ["x"]}},
    "not": {"type": "string", "not": {"const": "a"}}, "oneOf": {"oneOf": [{"const": "a"}, {"type": "integer"}]},
    "examples": {"type": "string", "examples": ["a"]}, "x-order": {"type": "string", "x-order": 1},
    "exclusiveMinimum": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
}


@pytest.mark.parametrize("name", NARROW)
def test_what_only_narrows_is_said_in_the_description(name: str) -> None:
    for made, field in zip(
            translated([asked_for(obj(a=NARROW[name])), record(tools=[tool(obj(a=NARROW[name]), strict=True)])]),
            ["response_format.json_schema.schema", "tools.function.parameters"], strict=True):
        request = made["request"]
        sent = request["tools"][0]["input_schema"] if "tools" in request else request["output_config"]["format"]["schema"]
        assert name.strip() in sent["properties"]["a"]["description"]
        assert name.strip() in json.dumps(made["ctx"]["loss"]) and field in fates(made)
        assert "tools" not in request or request["tools"][0]["strict"]


# Schemas that the API compiles as they are, or in another form that means the same.
EXACT = {
    "closed": {**obj(a=TEXT), "additionalProperties": False}, "missing": obj(a=TEXT),
    "ref": {**obj(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}), "$defs": {"A": obj(x=TEXT), "unused": {"$ref": "#/$defs/unused"}}},
    "root ref": {"$ref": "#/$defs/A", "$defs": {"A": obj(x=TEXT)}},
    "described ref": {**obj(a={"$ref": "#/$defs/A", "description": "WORDS"}), "$defs": {"A": obj(x=TEXT)}},
    "nullable": obj(a={"type": ["string", "null"]}), "nullable object": obj(a={**obj(x=TEXT), "type": ["object", "null"]}),
    "openapi": obj(a={"type": "string", "nullable": True}), "openapi ref": {**obj(a={"$ref": "#/$defs/A", "nullable": True}), "$defs": {"A": obj(x=TEXT)}},
    "nullable enum": obj(a={"type": ["string", "null"], "enum": ["a", None]}), "mixed enum": obj(a={"enum": ["a", 1, None]}),
    "format": obj(a={"type": "string", "format": "date"}), "pattern": obj(a={"type": "string", "pattern": r"^[a-z]{2,5}-\d+$"}),
    "anyOf": obj(a={"anyOf": [obj(x=TEXT), {"type": "null"}]}), "one allOf": {**obj(a={"allOf": [{"$ref": "#/$defs/A"}], "description": "WORDS"}), "$defs": {"A": obj(x=TEXT)}},
    "allOf": obj(a={"allOf": [obj(x=TEXT), obj(y=TEXT)]}), "draft": {"$schema": "http://json-schema.org/draft-07/schema#", **obj(a=TEXT)},
    "untyped": {"properties": {"a": TEXT}, "required": ["a"]}, "nothing": {"type": "object", "properties": {}, "additionalProperties": False},
}


@pytest.mark.parametrize("name", EXACT)
def test_what_compiles_is_held_to_by_the_api(name: str) -> None:
    made, = translated([asked_for(EXACT[name])])
    assert made["request"]["output_config"]["format"]["type"] == "json_schema"
    assert "loss" not in made["ctx"] and "system" not in made["request"]
    assert ("WORDS" in json.dumps(EXACT[name])) == ("WORDS" in json.dumps(made["request"]))


# Schemas of tools that the API refuses, each with an input that must stay right.
REPAIRED: dict[str, tuple[Json, Json]] = {
    "anyOf": ({**obj(), "properties": {"a": TEXT, "b": TEXT}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": "1"}),
    "oneOf": ({"type": "object", "oneOf": [obj(k={"const": "x"}, a=TEXT), obj(k={"const": "y"}, a={"type": "integer"})]}, {"k": "y", "a": 1}),
    "allOf": ({"allOf": [obj(a=TEXT), {"$ref": "#/$defs/B"}], "$defs": {"B": obj(b=TEXT)}}, {"a": "1", "b": "2"}),
    "nested": ({"anyOf": [{"allOf": [obj(a=TEXT), {"oneOf": [obj(b=TEXT), obj(c=TEXT)]}]}, obj(a=TEXT)]}, {"a": "1", "c": "2"}),
    "ref": ({"$ref": "#/definitions/A", "definitions": {"A": obj(a=TEXT)}}, {"a": "1"}),
    "recursive": ({"anyOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {**obj(a=TEXT), "anyOf": [{"$ref": "#/$defs/A"}]}}}, {"a": "1"}),
    "no variants": ({"type": "object", "properties": {"a": TEXT}, "anyOf": []}, {"a": "1"}),
    "null type": ({"type": None, "properties": {"a": TEXT}}, {"a": "1"}), "type null": ({"type": "null"}, {}),
    "types": ({"type": ["object", "null"], "properties": {"a": {"type": ["str", "int"]}}}, {"a": 1}),
    "capitals": ({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, {"a": "1"}),
    "part of type null": (obj(a={"type": None}), {"a": 1}), "part of type any": (obj(a={"type": "any"}), {"a": 1}),
    "odd type": (obj(a={"type": "date"}), {"a": "2026-01-01"}), "number for a type": (obj(a={"type": 7}), {"a": 1}),
    "properties null": ({"type": "object", "properties": None}, {}), "properties list": ({"type": "object", "properties": []}, {}),
    "tuple": (obj(a={"type": "array", "items": [TEXT, {"type": "integer"}]}), {"a": ["x", 1]}),
    "closed tuple": (obj(a={"type": "array", "items": [TEXT], "additionalItems": False}), {"a": ["x"]}),
    "empty tuple": (obj(a={"type": "array", "items": []}), {"a": ["x"]}),
    "required here": ({"type": "object", "properties": {"a": {"type": "string", "required": True}, "b": {"type": "string", "required": False}}}, {"a": "1"}),
    "required null": ({"type": "object", "properties": {"a": TEXT}, "required": None}, {}),
    "required word": ({"type": "object", "properties": {"a": TEXT}, "required": "a"}, {"a": "1"}),
    "required twice": ({"type": "object", "properties": {"a": TEXT}, "required": ["a", "a", None]}, {"a": "1"}),
    "bounds": (obj(a={"type": "number", "minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False}), {"a": 2}),
    "odd bounds": (obj(a={"type": "string", "minLength": "1", "maxLength": None, "pattern": 3}), {"a": "2"}),
    "enum null": (obj(a={"type": "string", "enum": None}), {"a": "2"}), "enum empty": (obj(a={"type": "string", "enum": []}), {"a": "2"}),
    "enum word": (obj(a={"enum": "x"}), {"a": "x"}), "description null": (obj(a={"type": "string", "description": None}), {"a": "x"}),
    "shorthand": (obj(a="string", b=None, c="a number"), {"a": "x", "b": 1, "c": 2}),
    "old draft": ({"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://example.com", **obj(a=TEXT)}, {"a": "x"}),
    "additional null": ({**obj(a=TEXT), "additionalProperties": None}, {"a": "x"}), "additional word": ({**obj(a=TEXT), "additionalProperties": "false"}, {"a": "x"}),
    "items null": (obj(a={"type": "array", "items": None}), {"a": [1]}), "defs null": ({**obj(a=TEXT), "$defs": None, "definitions": []}, {"a": "x"}),
    "not null": (obj(a={"type": "string", "not": None, "anyOf": None, "oneOf": {}}), {"a": "x"}), "ref null": (obj(a={"$ref": None}), {"a": "x"}),
    "many": (obj(a={"type": "array", "items": obj(b={"type": "null", "enum": None}, c={"required": True})}), {"a": [{"b": None, "c": 1}]}),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_schemas_of_tools_are_repaired(name: str) -> None:
    schema, right = REPAIRED[name]
    forms = [record(tools=[tool(schema)]), record(tools=[{"name": "f", "input_schema": schema}]),
             record(tools=[{"type": "function", "name": "f", "parameters": schema}]),
             record(functions=[{"name": "f", "parameters": schema}]), record(tools=[tool(schema, strict=True)])]
    for made in translated(forms):
        if not made["request"]["tools"][0].get("strict"):
            jsonschema.validate(right, made["request"]["tools"][0]["input_schema"])
        assert "loss" in made["ctx"] or name == "old draft"


def test_the_rule_of_a_flattened_schema_is_told() -> None:
    schema = REPAIRED["oneOf"][0]
    made = translated([record(tools=[tool(schema, description="d")])])[0]["request"]["tools"][0]
    assert made["description"].startswith("d\n\n") and json.dumps(schema["oneOf"], separators=(",", ":")) in made["description"]
    assert made["input_schema"]["properties"]["k"] == {"enum": ["x", "y"]}
    assert made["input_schema"]["required"] == ["k", "a"]


def test_an_input_that_is_no_object_is_refused() -> None:
    for kind in ("string", "array", ["string", "null"]):
        made = pipe("oai2anth", [record(tools=[tool({"type": kind})])])
        assert made[0]["error"]["status"] == 400
        assert made[0]["error"]["body"]["error"]["param"] == "tools[0].function.parameters.type"


def test_the_first_twenty_tools_stay_strict() -> None:
    tools = [{"type": "function", "function": {"name": f"f{i}", "strict": True, "parameters": {**obj(a=TEXT), "additionalProperties": False}}} for i in range(23)]
    made, = translated([record(tools=tools)])
    assert [i for i, t in enumerate(made["request"]["tools"]) if t.get("strict")] == list(range(20))
    assert fates(made) == {"tools.function.strict": "dropped (the API can't compile more than 20 strict tools)"}


def random_schema(chance: random.Random, depth: int, names: list[str]) -> tuple[Json, Json]:
    """A schema, and a value that is right by it."""
    kind = chance.choice(["text", "number", "enum", "const", "null"] + ["object", "array", "anyOf", "allOf", "free", "map", "ref", "types"] * (depth > 0))
    note = {"description": "d"} if chance.random() < 0.2 else {}
    match kind:
        case "text":
            return {**note, "type": "string", **chance.choice([{}, {"minLength": 1}, {"format": "email"}, {"pattern": "a+"}, {"pattern": "(?=a)a"}])}, "a@a.aa"
        case "number":
            return {**note, "type": chance.choice(["integer", "number"]), **chance.choice([{}, {"minimum": 1}, {"multipleOf": 1}])}, 5
        case "enum":
            values = chance.sample(["a", 1, None, True, {"o": 1}, [1]], 3)
            return {**note, "enum": values}, chance.choice(values)
        case "const":
            value = chance.choice(["a", 1, None, {"o": 1}])
            return {**note, "const": value}, value
        case "null":
            return {**note, "type": "null"}, None
        case "object":
            parts = {name: random_schema(chance, depth - 1, names) for name in chance.sample(names, chance.randint(0, 4))}
            schema = {**note, "type": "object", "properties": {n: s for n, (s, _) in parts.items()}, **chance.choice([{}, {"additionalProperties": False}, {"minProperties": 0}])}
            if chance.random() < 0.7:
                schema["required"] = list(parts)
            return schema, {n: v for n, (_, v) in parts.items()}
        case "array":
            part, value = random_schema(chance, depth - 1, names)
            return {**note, "type": "array", "items": part, **chance.choice([{}, {"minItems": 1}, {"minItems": 2}])}, [value, value]
        case "anyOf":
            one, value = random_schema(chance, depth - 1, names)
            return {**note, "anyOf": [one, {"type": "null"}]}, value
        case "allOf":
            name = chance.choice(names)
            part, value = random_schema(chance, depth - 1, names)
            return {**note, "allOf": [{"type": "object", "properties": {name: part}}, {"required": [name]}]}, {name: value}
        case "free":
            return {**note, "type": "object"}, {"free": 1}
        case "map":
            part, value = random_schema(chance, depth - 1, names)
            return {**note, "type": "object", "additionalProperties": part}, {"x": value, "y": value}
        case "ref":
            return {"$ref": "#/$defs/D", **note}, {"d": "x"}
        case _:
            return {**note, "type": ["object", "null"], "properties": {"t": TEXT}}, chance.choice([None, {"t": "x"}])


def random_root(chance: random.Random, names: list[str]) -> tuple[Json, Json]:
    parts = {name: random_schema(chance, 3, names) for name in chance.sample(names, chance.randint(1, 4))}
    schema = {"type": "object", "properties": {n: s for n, (s, _) in parts.items()}, "required": list(parts),
              "$defs": {"D": obj(d=TEXT)}}
    return schema, {n: v for n, (_, v) in parts.items()}


@pytest.mark.parametrize("seed", range(4))
def test_no_right_answer_is_forbidden(seed: int) -> None:
    chance = random.Random(seed)
    given = [random_root(chance, ["a", "b", "c", "d", "e"]) for _ in range(300)]
    compiled = 0
    for (schema, value), made in zip(given, translated([asked_for(s) for s, _ in given]), strict=True):
        jsonschema.validate(value, schema)
        if form := made["request"].get("output_config"):
            compiled += 1
            jsonschema.validate(value, form["format"]["schema"])
        else:
            assert "response_format" in fates(made)
    assert compiled > 40
    for (schema, value), made in zip(given, translated([record(tools=[tool(s, strict=True)]) for s, _ in given]), strict=True):
        jsonschema.validate(value, made["request"]["tools"][0]["input_schema"])
