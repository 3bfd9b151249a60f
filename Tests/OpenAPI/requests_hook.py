# SPDX-License-Identifier: MIT
"""Changes what schemathesis makes where the proxy refuses what no schema can rule out: two tools of one name."""
from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Gives each tool a name of its own."""
    tools = body.get("tools") if isinstance(body, dict) else None
    for number, tool in enumerate(tools if isinstance(tools, list) else []):
        for named in (tool, *(tool.get(kind) for kind in ("function", "custom"))) if isinstance(tool, dict) else ():
            if isinstance(named, dict) and isinstance(named.get("name"), str):
                named["name"] = f"{named['name'][:100]}_{number}"
    return body
