# SPDX-License-Identifier: MIT
"""What the Messages API refuses about tools, output schemas, cache marks and images.

The words are the API's own where reports of its users quote them. Made of those reports and of the vendor's pages, not
of the programs that are tested with it.
"""
from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

Json = Any
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
MAX_STRICT_TOOLS, MAX_OPTIONAL, MAX_UNIONS, MAX_MARKS = 20, 24, 16, 4

ONE = {"items", "contains", "not", "if", "then", "else", "propertyNames", "additionalProperties", "unevaluatedItems",
       "unevaluatedProperties", "contentSchema"}
MANY = {"anyOf", "oneOf", "allOf", "prefixItems"}
NAMED = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
TEXTS = {"title", "description", "pattern", "format", "$ref", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor",
         "$comment", "contentEncoding", "contentMediaType", "$schema"}
COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
          "maxContains"}
NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
FLAGS = {"uniqueItems", "deprecated", "readOnly", "writeOnly"}


def is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_names(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value) and len(set(value)) == len(value)


def parts(schema: Json) -> Iterator[Json]:
    """The schemas that stand in a schema."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in ONE:
            yield value
        elif key in MANY and isinstance(value, list):
            yield from value
        elif key in NAMED and isinstance(value, dict):
            yield from value.values()
        elif key == "dependencies" and isinstance(value, dict):
            yield from (v for v in value.values() if not isinstance(v, list))


def walk(schema: Json) -> Iterator[Json]:
    """A schema and all in it, without recursion: it may be deep."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += list(parts(one))


def is_valid(schema: Json) -> bool:
    """Whether it is a schema by draft 2020-12, its parts aside."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict):
        return False
    for key, value in schema.items():
        if key in MANY and not (isinstance(value, list) and value):
            return False
        if key in NAMED | {"dependencies", "dependentRequired"} and not isinstance(value, dict):
            return False
        if key == "dependentRequired" and not all(is_names(v) for v in value.values()):
            return False
        if key in TEXTS and not isinstance(value, str):
            return False
        if key in COUNTS and not (is_number(value) and value >= 0 and value == int(value)):
            return False
        if key in NUMBERS and not (is_number(value) and (key != "multipleOf" or value > 0)):
            return False
        if key in FLAGS and not isinstance(value, bool):
            return False
        if key == "required" and not is_names(value):
            return False
        if key in ("enum", "examples") and not isinstance(value, list) or key == "enum" and not value:
            return False
        if key == "type":
            named = value if isinstance(value, list) else [value]
            if not named or not all(isinstance(t, str) and t in TYPES for t in named) or len(set(named)) < len(named):
                return False
        if key == "$schema" and re.search(r"draft-0[34]", value):
            return False
    return True


class Uncompilable(Exception):
    """A schema that the API can't hold a model to."""


class Grammar:
    """What the API counts when it compiles schemas."""

    def __init__(self) -> None:
        self.optional = self.unions = self.tools = 0

    def compile(self, root: Json) -> None:
        seen: set[str] = set()
        self.part(root, root, seen, ())

    def part(self, schema: Json, root: Json, seen: set[str], within: tuple[str, ...]) -> None:
        if not isinstance(schema, dict):
            raise Uncompilable("Boolean schemas are not supported")
        known = {"$ref", "$defs", "definitions", "type", "enum", "const", "anyOf", "allOf", "properties", "required",
                 "additionalProperties", "items", "minItems", "format", "pattern", "title", "description", "default"}
        for key in schema:
            if key not in known:
                raise Uncompilable(f"For '{schema.get('type')}' type, property '{key}' is not supported")
        if (ref := schema.get("$ref")) is not None:
            found = re.fullmatch(r"#/(\$defs|definitions)/([^/]+)", ref)
            name = found and found.group(2).replace("~1", "/").replace("~0", "~")
            if not found or name not in root.get(found.group(1), {}):
                raise Uncompilable(f"$ref {ref} is not supported")
            if set(schema) - {"$ref", "$defs", "definitions"}:
                raise Uncompilable("keywords beside a $ref are not supported")
            if ref in within:
                raise Uncompilable("Recursive schemas are not supported")
            if ref not in seen:
                self.part(root[found.group(1)][name], root, seen, (*within, ref))
                seen.add(ref)
            return
        if "anyOf" in schema:
            self.unions += 1
            if not schema["anyOf"] or {"type", "properties", "items", "enum"} & set(schema):
                raise Uncompilable("anyOf must stand alone")
            for variant in schema["anyOf"]:
                self.part(variant, root, seen, within)
            return
        if "allOf" in schema:
            raise Uncompilable("allOf is not supported with these schemas")
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        kind = schema.get("type")
        if values is not None:
            if not values or any(isinstance(v, (dict, list)) for v in values):
                raise Uncompilable("Enum values must be strings, numbers, booleans or null")
            if kind is not None and not all(self.is_of(v, kind) for v in values):
                raise Uncompilable(f"Enum value does not match declared type '{kind}'")
            return
        if kind is None:
            raise Uncompilable("Schema must have a type")
        if isinstance(kind, list):
            self.unions += 1
            if {"object", "array"} & set(kind):
                raise Uncompilable("type arrays of objects or arrays are not supported")
        if kind == "object":
            if schema.get("additionalProperties") is not False:
                raise Uncompilable("For 'object' type, 'additionalProperties' must be explicitly set to false")
            declared = schema.get("properties", {})
            if set(schema.get("required", [])) - set(declared):
                raise Uncompilable("required properties must be declared")
            self.optional += len(set(declared) - set(schema.get("required", [])))
            for part in declared.values():
                self.part(part, root, seen, within)
        if kind == "array":
            if "items" not in schema or schema.get("minItems", 0) not in (0, 1):
                raise Uncompilable("For 'array' type, 'minItems' values other than 0 or 1 are not supported")
            self.part(schema["items"], root, seen, within)
        if "format" in schema and schema["format"] not in FORMATS:
            raise Uncompilable(f"String format '{schema['format']}' is not supported")
        if re.search(r"\(\?|\\[bBpPkuxc0-9]|[*+?}][?+]", schema.get("pattern", "")):
            raise Uncompilable("Invalid regex in pattern field")

    @staticmethod
    def is_of(value: Json, kind: str | list[str]) -> bool:
        kinds = kind if isinstance(kind, list) else [kind]
        names = {"string": str, "boolean": bool, "null": type(None), "object": dict, "array": list}
        return any(is_number(value) if k == "number" else is_number(value) and value == int(value) if k == "integer"
                   else isinstance(value, names[k]) for k in kinds)


def refusal_of_schemas(body: Json) -> str | None:
    """Why the tools, the choice among them, or the form of the answer are refused."""
    grammar = Grammar()
    names = [t.get("name") for t in body.get("tools") or []]
    if len(set(names)) < len(names):
        return "tools: Tool names must be unique."
    for i, tool in enumerate(body.get("tools") or []):
        where = f"tools.{i}.custom"
        if tool.get("type", "custom") != "custom":
            continue
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool.get("name") or ""):
            return f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            return f"{where}.input_schema: Field required"
        if schema.get("type") != "object":
            return f"{where}.input_schema.type: Input should be 'object'"
        if {"anyOf", "oneOf", "allOf"} & set(schema):
            return f"{where}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        if not isinstance(schema.get("properties", {}), dict):
            return f"{where}.input_schema.properties: Input should be a valid dictionary"
        for part in walk(schema):
            if not is_valid(part):
                return (f"{where}.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
                        "(https://json-schema.org/draft/2020-12).")
            for key in part.get("properties", {}) if isinstance(part, dict) else ():
                if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key):
                    return (f"{where}.input_schema.properties: Property keys should match pattern "
                            "'^[a-zA-Z0-9_.-]{1,64}$'")
        if tool.get("strict"):
            grammar.tools += 1
            try:
                grammar.compile(schema)
            except Uncompilable as why:
                return f"{where}: {why}"
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "tool" and choice.get("name") not in names:
        return f"Tool '{choice.get('name')}' not found in provided tools"
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if form and form.get("type") == "json_schema":
        try:
            grammar.compile(form.get("schema"))
        except Uncompilable as why:
            return f"output_config.format.schema: {why}"
    if grammar.tools > MAX_STRICT_TOOLS:
        return f"Too many strict tools ({grammar.tools}). The maximum number of strict tools supported is 20."
    if grammar.optional > MAX_OPTIONAL:
        return (f"Schemas contains too many optional parameters ({grammar.optional}), which would make grammar "
                f"compilation inefficient. (limit: {MAX_OPTIONAL})")
    if grammar.unions > MAX_UNIONS:
        return (f"Schemas contains too many parameters with union types ({grammar.unions} parameters with type arrays "
                f"or anyOf). (limit: {MAX_UNIONS})")
    return None


def blocks(body: Json) -> Iterator[tuple[str, Json]]:
    """The blocks of the messages and of the system text, with their place."""
    lists = [(f"messages.{i}.content", m.get("content")) for i, m in enumerate(body.get("messages") or [])]
    lists.append(("system", body.get("system")))
    while lists:
        where, content = lists.pop(0)
        for j, block in enumerate(content if isinstance(content, list) else []):
            yield f"{where}.{j}", block
            if block.get("type") == "tool_result":
                lists.append((f"{where}.{j}.content", block.get("content")))


def kind_of_image(data: bytes) -> str | None:
    """The media type that the first bytes of an image show."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def refusal_of_blocks(body: Json) -> str | None:
    """Why the cache marks, an image or the name of a called tool are refused."""
    marks = sum(1 for tool in body.get("tools") or [] if tool.get("cache_control"))
    for where, block in blocks(body):
        marks += bool(block.get("cache_control"))
        if block.get("cache_control") and block.get("type") in ("thinking", "redacted_thinking"):
            return f"{where}.{block['type']}.cache_control: Extra inputs are not permitted"
        source = block.get("source") or {}
        if block.get("type") == "image" and source.get("type") == "base64":
            try:
                kind = kind_of_image(base64.b64decode(source.get("data", "")[:64]))
            except ValueError:
                return f"{where}.image.source.base64.data: invalid base64 data"
            if kind and kind != source.get("media_type"):
                return f"{where}.image.source.base64.data: Image does not match the provided media type " + str(
                    source.get("media_type"))
        if block.get("type") == "tool_use" and not re.fullmatch(r"[a-zA-Z0-9_-]{1,200}", block.get("name", "")):
            return f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'"
        if block.get("type") == "tool_use" and not isinstance(block.get("input"), dict):
            return f"{where}.tool_use.input: Input should be a valid dictionary"
    if marks + bool(body.get("cache_control")) > MAX_MARKS:
        return f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {marks}."
    return None
