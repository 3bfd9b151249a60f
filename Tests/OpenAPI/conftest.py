# SPDX-License-Identifier: MIT
"""The document, and what judges by it."""
from __future__ import annotations

import json
from typing import Any, Callable

import jsonschema_rs
import pytest
from document import FILE

Json = dict[str, Any]


@pytest.fixture(scope="session")
def described() -> Json:
    """The document that is checked in, and built into the server."""
    return json.loads(FILE.read_text())


@pytest.fixture(scope="session")
def fault(described: Json) -> Callable[[Any, Any], str | None]:
    """What a schema of the document has against a value; nothing where it is valid."""
    validators: dict[str, Any] = {}

    def find(schema: Any, value: Any) -> str | None:
        if isinstance(schema, str):
            schema = {"$ref": f"#/components/schemas/{schema}"}
        key = json.dumps(schema, sort_keys=True)
        if key not in validators:
            validators[key] = jsonschema_rs.Draft202012Validator(
                schema | {"components": described["components"]}, validate_formats=True)
        for error in validators[key].iter_errors(value):
            return f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
        return None

    return find
