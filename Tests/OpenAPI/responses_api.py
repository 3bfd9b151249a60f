# SPDX-License-Identifier: MIT
"""OpenAI's Responses API in the document: its paths, and what of the SDK's types the proxy takes and gives."""
from __future__ import annotations

from typing import Any, Callable, Union, get_args

import openai.types.responses as types
from openai.types.responses import input_token_count_params, input_token_count_response, response_create_params, response_item_list
from openai.types.responses.response_includable import ResponseIncludable

Json = dict[str, Any]
PLACE = "#/components/schemas/"
TAKES, GIVES = "validation", "serialization"

# The events that an answer of the Messages API can become.
STREAMED = Union[
    types.ResponseCreatedEvent, types.ResponseInProgressEvent, types.ResponseCompletedEvent, types.ResponseIncompleteEvent,
    types.ResponseFailedEvent, types.ResponseOutputItemAddedEvent, types.ResponseOutputItemDoneEvent,
    types.ResponseContentPartAddedEvent, types.ResponseContentPartDoneEvent, types.ResponseTextDeltaEvent,
    types.ResponseTextDoneEvent, types.ResponseOutputTextAnnotationAddedEvent, types.ResponseRefusalDeltaEvent,
    types.ResponseRefusalDoneEvent, types.ResponseFunctionCallArgumentsDeltaEvent,
    types.ResponseFunctionCallArgumentsDoneEvent, types.ResponseCustomToolCallInputDeltaEvent,
    types.ResponseCustomToolCallInputDoneEvent, types.ResponseReasoningSummaryPartAddedEvent,
    types.ResponseReasoningSummaryPartDoneEvent, types.ResponseReasoningSummaryTextDeltaEvent,
    types.ResponseReasoningSummaryTextDoneEvent, types.ResponseWebSearchCallInProgressEvent,
    types.ResponseWebSearchCallSearchingEvent, types.ResponseWebSearchCallCompletedEvent]

ROOTS: dict[str, tuple[Any, str]] = {
    "ResponseCreateParams": (response_create_params.ResponseCreateParams, TAKES),
    "InputTokenCountParams": (input_token_count_params.InputTokenCountParams, TAKES),
    "Response": (types.Response, GIVES),
    "StreamEvent": (STREAMED, GIVES),
    "ResponseItemList": (response_item_list.ResponseItemList, GIVES),
    "InputTokenCountResponse": (input_token_count_response.InputTokenCountResponse, GIVES),
}

EVENTS = ("Events as OpenAI sends them, `event: TYPE` and `data: JSON` with the type in it too, from response.created to "
          "response.completed, response.incomplete or response.failed. If the server itself breaks a stream off, its last "
          "event is an `error`. `:` is a keep-alive.")
ABOUT = """\
- `POST /responses/compact`, `/conversations` and what is below it are OpenAI's too. \
The proxy refuses them with 400 or 404, and the message says what it offers instead."""

# The operations of the route table that are refused, and stand in no path of the document.
REFUSED = {"compact_response", "conversations"}

# What a request asks that is refused, because the answer would be wrong without it.
NOT_OFFERED: dict[str, Json] = {
    "background": {"enum": [False, None]}, "prompt": {"type": "null"}, "conversation": {"type": "null"}}


def narrow(made: Json, integer: Json) -> None:
    """Where the proxy takes less than the SDK's types, as for chat completions."""
    request = made["Responses.ResponseCreateParams"]["properties"]
    for name, schema in NOT_OFFERED.items():
        assert name in request, name
        request[name] = schema
    request["model"] = {"type": ["string", "null"]}
    request["max_output_tokens"] = {"anyOf": [integer | {"minimum": 0}, {"type": "null"}]}
    for name in ("conversation", "model"):
        made["Responses.InputTokenCountParams"]["properties"][name] = request[name]
    # The stream's own name for what the SDK reads from its type.
    made["Responses.Response"]["properties"]["model"] = {"type": "string"}


def schemas(thing: Callable[..., Json], schema: Callable[[str], Json], event: Callable[..., Json]) -> Json:
    string, maybe = {"type": "string"}, {"type": ["string", "null"]}
    failed = thing({"type": {"const": "error"}, "message": string, "param": maybe, "code": maybe, "request_id": string,
                    "error": schema("OpenAI.ErrorObject")})
    return {
        "Responses.Event": event({"anyOf": [schema("Responses.StreamEvent"), failed]},
                                 event={"type": "string", "pattern": r"^(?:response\.[a-z_.]+|error)$"}),
        "Responses.Deleted": thing({"id": string, "object": {"const": "response"}, "deleted": {"const": True}}),
    }


PARAMETERS: Json = {
    "response-id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
                    "description": "The id of a response that is kept: `resp_…`."},
    "items-after": {"name": "after", "in": "query", "required": False, "schema": {"type": "string"},
                    "description": "List what comes after the item of this id."},
    "items-limit": {"name": "limit", "in": "query", "required": False,
                    "schema": {"type": "integer", "minimum": 1, "maximum": 100}, "description": "How many to list; else 20."},
    "items-order": {"name": "order", "in": "query", "required": False, "schema": {"enum": ["asc", "desc"]},
                    "description": "The order of the list; else `desc`."},
    "response-include": {
        "name": "include", "in": "query", "required": False,
        "schema": {"type": "array", "items": {"enum": get_args(ResponseIncludable)}},
        "description": "More data to return. The proxy has `reasoning.encrypted_content`. The header `x-proxy-loss` lists all other values."},
}


def paths(place: str, suffix: str, d: Any) -> Json:
    """The paths below one base URL; the last argument is the module of the document."""
    errors = {name: d.relay_errors("OpenAI", takes_body=name == "post") for name in ("get", "post")}
    which = [d.ref("parameters", "response-id")]
    read = [*which, d.ref("parameters", "response-include")]
    listed = [d.ref("parameters", f"items-{name}") for name in ("after", "limit", "order")]

    def one(name: str, summary: str, gives: str, method: str, **more: Any) -> Json:
        good = d.answer("The answer.", {d.JSON: {"schema": d.schema(gives)}}, d.RELAYED)
        return {method: d.operation("responses", name + suffix, summary, {"200": good} | errors["post" if "requestBody" in more else "get"],
                                    **more)}

    streamed = d.answer("The answer: whole, or with `stream` as events.", {
        d.JSON: {"schema": d.schema("Responses.Response")}, d.EVENTS: d.events(EVENTS, "Responses.Event")}, d.RELAYED)
    return {
        f"{place}/responses": {"post": d.operation(
            "responses", "createResponse" + suffix, "A response", {"200": streamed} | errors["post"],
            requestBody=d.body(d.schema("Responses.ResponseCreateParams"))),
            "get": d.operation("responses", "openWebSocket" + suffix, "Refused: a WebSocket is not offered", errors["get"])},
        f"{place}/responses/input_tokens": one(
            "countInputTokens", "How many tokens the input of a response has", "Responses.InputTokenCountResponse", "post",
            requestBody=d.body(d.schema("Responses.InputTokenCountParams"))),
        f"{place}/responses/{{id}}":
            one("getResponse", "A response that is kept", "Responses.Response", "get", parameters=read)
            | one("deleteResponse", "Forgets a response", "Responses.Deleted", "delete", parameters=which),
        f"{place}/responses/{{id}}/input_items": one(
            "listInputItems", "The input of a response that is kept", "Responses.ResponseItemList", "get",
            parameters=read + listed),
        f"{place}/responses/{{id}}/cancel": {"post": d.operation(
            "responses", "cancelResponse" + suffix, "Refused: only responses in the background can be cancelled, and there are none",
            errors["get"], parameters=which)},
    }
