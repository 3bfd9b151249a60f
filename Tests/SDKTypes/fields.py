# SPDX-License-Identifier: MIT
"""Walks the types of an SDK, and makes for each field a value in which it is set.

The types are the grammar: TypedDicts (requests), pydantic models (answers), and what they are made of. A field's
path names the way to it: `messages[user].content[image_url].image_url.detail=low` is a value of `detail`, in the
part of type image_url, in the message of role user. Literals and booleans have a path for each of their values, so
that a value that a new version of the SDK adds is as new as a field.
"""
from __future__ import annotations

import functools
import itertools
import re
import types
from collections.abc import Iterable as AbstractIterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Callable, Iterable, Iterator, Literal, Union, get_args, get_origin

import pydantic
import typing_extensions

Samples = Callable[[str], "list[tuple[str, Any]] | None"]


@dataclass(frozen=True)
class Variant:
    """One way to fill a type: its path, the value, and the value at the path's end."""

    path: str
    value: Any
    leaf: Any


def plain(path: str) -> str:
    """The path as a ledger writes it: without variants, places and values."""
    return re.sub(r"\[[^]]*\]|=.*$", "", path)


def is_typed_dict(kind: Any) -> bool:
    return typing_extensions.is_typeddict(kind)


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def bare(kind: Any) -> Any:
    """The type without what is written around it."""
    while True:
        if isinstance(kind, (typing_extensions.TypeAliasType,)):
            kind = kind.__value__
        elif get_origin(kind) in (typing_extensions.Annotated, typing_extensions.Required, typing_extensions.NotRequired):
            kind = get_args(kind)[0]
        else:
            return kind


@functools.cache
def members(kind: Any) -> dict[str, tuple[Any, bool]]:
    """A structure's fields: type, and whether it must be there."""
    if is_model(kind):
        return {field.alias or name: (field.annotation, field.is_required())
                for name, field in kind.model_fields.items()}
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    # The class itself doesn't see what is required: its annotations are text.
    return {name: (hint, name in kind.__required_keys__ or get_origin(hint) is typing_extensions.Required)
            for name, hint in hints.items()}


def alternatives(kind: Any) -> Iterator[Any]:
    """The members of a union, one by one; null is none, for it counts as absent."""
    kind = bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from alternatives(one)
    elif kind is not type(None):
        yield kind


def label(kind: Any) -> str:
    """What tells a structure from its siblings: its role, its type, else its name."""
    fields = members(kind)
    for name in ("role", "type"):
        if name in fields:
            values = [get_args(one) for one in alternatives(fields[name][0]) if get_origin(one) is Literal]
            if len(values) == 1 and len(values[0]) == 1:
                return str(values[0][0])
    return kind.__name__


class Walk:
    """The variants of types; every sample string of a walk is another."""

    def __init__(self, samples: Samples = lambda path: None):
        self.samples = samples
        self.numbers = itertools.count(1)

    def sample(self, kind: Any, path: str = "", within: tuple = ()) -> Any:
        """One value of the type."""
        return self.variants(kind, path, within)[0].value

    def variants(self, kind: Any, path: str = "", within: tuple = ()) -> list[Variant]:
        given = self.samples(plain(path))
        if given is not None:
            return [Variant(path + suffix, value, value) for suffix, value in given]
        kinds = list(alternatives(kind))
        if str in kinds:
            # Words beside any text are examples of it.
            kinds = [one for one in kinds if get_origin(one) is not Literal]
        structures = [one for one in kinds if is_typed_dict(one) or is_model(one)]
        found: dict[str, Variant] = {}
        for one in kinds:
            if one in within:
                continue  # It is in itself: its fields have been seen on the way here.
            mark = f"[{label(one)}]" if one in structures and len(structures) > 1 else ""
            if mark and any(key.startswith(path + mark) for key in found):
                mark = f"[{one.__name__}]"
            for variant in self._of(one, path + mark, within):
                found.setdefault(variant.path, variant)
        return list(found.values())

    def _of(self, kind: Any, path: str, within: tuple) -> Iterable[Variant]:
        def leaf(value: Any, suffix: str = "") -> Variant:
            return Variant(path + suffix, value, value)

        name = re.split(r"[.\[\]]+", plain(path).rstrip("."))[-1] or "value"
        origin = get_origin(kind)
        if kind is bool:
            return [leaf(True, "=true"), leaf(False, "=false")]
        if kind is int:
            return [leaf(1000 + next(self.numbers))]
        if kind is float:
            return [leaf(0.625)]
        if kind is str:
            return [leaf(f"{name}_{next(self.numbers)}")]
        if kind in (datetime, date):
            return [leaf("2026-11-22T01:02:03Z")]
        if origin is Literal:
            values = get_args(kind)
            named = len(values) > 1 or isinstance(values[0], bool)
            return [leaf(value, f"={value}".lower() if named else "") for value in values]
        if is_typed_dict(kind) or is_model(kind):
            return self._structure(kind, path, within + (kind,))
        if origin in (dict,) or kind is dict:
            value = get_args(kind)[1] if get_args(kind) else object
            return [Variant(v.path, {"key": v.value}, v.leaf) for v in self.variants(value, path, within)]
        if isinstance(origin, type) and issubclass(origin, AbstractIterable):
            return [Variant(v.path, [v.value], v.leaf) for v in self.variants(get_args(kind)[0], path, within)]
        if kind in (object, Any):
            return [leaf(f"{name}_{next(self.numbers)}")]
        return []  # Files of the client's own machine: the SDK makes a string of them.

    def _structure(self, kind: Any, path: str, within: tuple) -> Iterable[Variant]:
        fields = members(kind)
        start = f"{path}." if path else ""
        ways = {name: self.variants(hint, start + name, within) for name, (hint, _) in fields.items()}
        needed = {name: ways[name] for name, (_, is_needed) in fields.items() if is_needed}
        if not all(needed.values()):
            return []  # It can't be made without holding itself.
        if not fields:
            return [Variant(path, {}, {})]
        plainest = {name: found[0].value for name, found in needed.items()}
        return [Variant(v.path, plainest | {name: v.value}, v.leaf) for name, found in ways.items() for v in found]


def values_at(value: Any, path: str) -> list[Any]:
    """All values at a path without places, through every list on the way."""
    found = [value]
    for name in path.split("."):
        found = [one[name] for one in _flat(found) if isinstance(one, dict) and name in one]
    return found + list(_flat(found))


def _flat(found: list[Any]) -> Iterator[Any]:
    for one in found:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield one


def places_of(value: Any, leaf: Any, path: str = "") -> Iterator[str]:
    """The paths at which the leaf stands."""
    if value == leaf and type(value) is type(leaf):
        yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places_of(one, leaf, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for one in value:
            yield from places_of(one, leaf, path)
