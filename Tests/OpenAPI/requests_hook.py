# SPDX-License-Identifier: MIT
"""Changes what schemathesis makes where no schema can rule out what is refused, or taken for the other API's."""
from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Gives each tool a name of its own, and begins no message of Anthropic's with a system turn: only OpenAI's do."""
    messages = body.get("messages") if isinstance(body, dict) else None
    if isinstance(messages, list) and messages and isinstance(messages[0], dict) and messages[0].get("role") == "system":
        if "max_tokens" in body:
            messages[0]["role"] = "user"
    tools = body.get("tools") if isinstance(body, dict) else None
    for number, tool in enumerate(tools if isinstance(tools, list) else []):
        # The vendor's own tools have their names.
        if not isinstance(tool, dict) or tool.get("type", "custom") not in ("function", "custom", None):
            continue
        for named in (tool, tool.get("function"), tool.get("custom")):
            if isinstance(named, dict) and isinstance(named.get("name"), str):
                named["name"] = f"{named['name'][:100]}_{number}"
    return body
