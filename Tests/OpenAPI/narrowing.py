# SPDX-License-Identifier: MIT
"""Where the proxy takes more or less than the SDKs' types, or gives more than they tell: each with its reason.

Anthropic's requests are narrowed nowhere: the proxy hands them on as they came, and the API behind it judges them.
"""
from __future__ import annotations

from typing import Any

import responses_api

Json = dict[str, Any]
PLACE = "#/components/schemas/"
# What fits into 64 bits: larger ones are refused.
INTEGER = {"type": "integer", "format": "int64", "minimum": -2**63, "maximum": 2**63 - 1}
# A picture or a document by its bytes or its place. The bytes are padded base64.
BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
WEB = r"https?://[!-~]+"
# The first bytes say what an image is: of PNG, JPEG, GIF and WebP.
FIRST = "(?:iVBORw0KGgoA|/9j/|R0lGODlh|UklGRgAAAABXRUJQ)"
IMAGE = rf"^(?:{WEB}|data:image/(?:jpeg|png|gif|webp);base64,{FIRST}{BASE64})$"
FILE = rf"^(?:{WEB}|data:application/pdf;base64,{BASE64})$"


def without(schema: Json, *names: str) -> Json:
    """A union without these members; one member alone is no union."""
    gone = {f"{PLACE}OpenAI.{name}" for name in names}
    kept = [one for one in schema["anyOf"] if one.get("$ref") not in gone]
    assert len(kept) == len(schema["anyOf"]) - len(gone), (names, schema)
    return kept[0] if len(kept) == 1 else schema | {"anyOf": kept}


def narrow(made: Json) -> None:
    # Who names no model gets DEFAULT_MODEL.
    for name in ("Anthropic.MessageCreateParams", "Anthropic.MessageCountTokensParams", "OpenAI.CompletionCreateParams"):
        made[name]["properties"]["model"] = {"type": ["string", "null"]}
        made[name]["required"].remove("model")
    request = made["OpenAI.CompletionCreateParams"]["properties"]
    request["messages"]["minItems"] = 1
    # One answer a request.
    request["n"] = {"enum": [1, None]}
    for name in ("max_tokens", "max_completion_tokens"):
        request[name] = {"anyOf": [INTEGER | {"minimum": 0}, {"type": "null"}]}
    # A choice names a tool that is declared, which no schema can say.
    request["tool_choice"] = without(
        request["tool_choice"], "ChatCompletionNamedToolChoiceParam", "ChatCompletionNamedToolChoiceCustomParam",
        "ChatCompletionAllowedToolChoiceParam")
    # No sound.
    user = made["OpenAI.ChatCompletionUserMessageParam"]["properties"]["content"]["anyOf"]
    user[1]["items"] = without(user[1]["items"], "ChatCompletionContentPartInputAudioParam")
    made["OpenAI.ImageURL"]["properties"]["url"] = {"type": "string", "pattern": IMAGE}
    # A file is there, or was uploaded.
    file = made["OpenAI.FileFile"]
    file["properties"]["file_data"] = {"type": "string", "pattern": FILE}
    file["anyOf"] = [{"required": ["file_data"]}, {"required": ["file_id"]}]
    # A form without its schema says nothing.
    made["OpenAI.JSONSchema"]["required"] = ["name", "schema"]
    # Types that the API's own errors have, and the SDK's list of them has not.
    errors = made["Anthropic.ErrorResponse"]
    errors["properties"]["error"]["anyOf"].append({
        "type": "object", "required": ["type", "message"], "additionalProperties": True,
        "properties": {"type": {"const": "request_too_large", "type": "string"}, "message": {"type": "string"}}})
    errors["properties"]["request_id"] = {"type": "string"}
    errors["required"] = ["error", "request_id", "type"]
    responses_api.narrow(made, INTEGER)
    # All four are there, be it with null.
    made["OpenAI.ErrorObject"]["required"] = ["code", "message", "param", "type"]
