# SPDX-License-Identifier: MIT
"""Changes what schemathesis makes where no schema can rule out what is refused."""
from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Gives each tool a name of its own."""
    if not isinstance(body, dict):
        return body
    for place in ("tools", "functions"):
        given = body.get(place)
        for number, tool in enumerate(given if isinstance(given, list) else []):
            # The vendor's own tools have their names.
            if not isinstance(tool, dict) or tool.get("type", "custom") not in ("function", "custom", None):
                continue
            for named in (tool, tool.get("function"), tool.get("custom")):
                if isinstance(named, dict) and isinstance(named.get("name"), str):
                    named["name"] = f"{named['name'][:100]}_{place[0]}{number}"
    return body
