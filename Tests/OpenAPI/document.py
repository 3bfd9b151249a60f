# SPDX-License-Identifier: MIT
"""Makes openapi.json: what http-frontd serves, with the schemas of the vendors' SDKs.

    python3 document.py [FILE]      writes it, to standard output unless told
"""
from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import responses_api
import schemas

Json = dict[str, Any]
REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "Sources" / "COpenAPI" / "openapi.json"
JSON = "application/json"
EVENTS = "text/event-stream"
# What claude-http hands on in a header, and an element of a list of it.
NAME = "[A-Za-z0-9._-]{0,64}"
LISTED = rf"[ \t]*{NAME}[ \t]*"

ABOUT = f"""Claude by the Anthropic and the OpenAI interface, through the owner's own login or an API key.

What is common to all paths:

- HEAD is answered wherever GET is, without the body. OPTIONS says in `allow` what a path takes; any other method is \
answered 405 with `allow`, and a path that isn't here 404. Both have the body of `Error`.
- Bodies are `application/json`, with parameters or without, or any `…+json`; anything else is 415.
- Objects are open: fields that these schemas don't name pass to the backend as they are, in Anthropic's form, or are \
dropped and named in `x-proxy-loss`, in OpenAI's. So do Anthropic's beta fields and blocks, and its `anthropic-beta` header.
- OpenAI's fields that have no counterpart, or that the model doesn't take, aren't refused, whatever their value: \
`x-proxy-loss` names them. With `STRICT=1` any loss is a 400.
{responses_api.ABOUT}
- Where `CORS_ORIGINS` is set, answers have `vary: origin`, and those to a page that may ask the `access-control` headers."""


def ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def schema(name: str) -> Json:
    return ref("schemas", name)


HEADERS: Json = {
    "x-request-id": ("The request's id, ours.", {"type": "string", "pattern": "^[!-~]+$"}, True),
    "request-id": ("The id that the API behind gave the request, else ours.", {"type": "string", "pattern": "^[!-~]+$"}, True),
    "x-ratelimit-limit": ("How many requests a minute a client has, where it is limited.", {"type": "integer", "minimum": 0}, False),
    "x-ratelimit-remaining": ("How many of them are left.", {"type": "integer", "minimum": 0}, False),
    "x-ratelimit-reset": ("Seconds until all of them are there again.", {"type": "integer", "minimum": 0}, False),
    "retry-after": ("Seconds after which to try again.", {"type": "string"}, False),
    "x-proxy-loss": ("What of the request could not be kept, `field=fate` with commas between; at most 1 KiB.",
                     {"type": "string", "maxLength": 1024}, False),
    "x-claude-model": ("The model that answers, where it isn't the one asked for.", {"type": "string"}, False),
    "x-should-retry": ("The API's advice to its SDKs.", {"type": "string"}, False),
    "allow": ("The methods that the path takes.", {"type": "string"}, True),
    "www-authenticate": ("How to authenticate, where the refusal is ours.", {"type": "string"}, False),
    "cache-control": ("Whether the answer may be kept.", {"type": "string"}, False),
    "x-accel-buffering": ("Tells nginx not to hold a stream back.", {"type": "string"}, False),
    "vary": ("`origin`, where `CORS_ORIGINS` is set.", {"type": "string"}, False),
    "access-control-allow-origin": ("The origin of the page that asked, where it may.", {"type": "string"}, False),
    "access-control-expose-headers": ("The headers that the page may read.", {"type": "string"}, False),
}
EVERY = ["x-request-id", "request-id", "vary", "access-control-allow-origin", "access-control-expose-headers"]
LIMITED = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
RELAYED = LIMITED + ["x-proxy-loss", "x-claude-model", "cache-control", "x-accel-buffering"]

# Status: what it means, and the headers it may have beside those of every answer.
ERRORS: dict[str, tuple[str, list[str]]] = {
    "400": ("The request is not HTTP, not JSON, not an object, or not what the API takes; `param` names the field.", []),
    "401": ("A token is needed, or the one given is not known; or the backend is not logged in.", ["www-authenticate"]),
    "402": ("The account behind can't pay.", []),
    "403": ("The host or the origin is not allowed, or the account behind may not.", []),
    "404": ("The model or the response does not exist.", []),
    "405": ("The path is known, and does not take this method.", ["allow"]),
    "408": ("The request did not arrive in time.", []),
    "413": ("The body is too large.", []),
    "415": ("The body's content type is not JSON.", []),
    "429": ("Too many requests, of this client or at once.", ["retry-after", "x-should-retry"]),
    "431": ("The request's headers are too large.", []),
    "500": ("The API behind failed.", ["x-should-retry"]),
    "502": ("The pipeline or the API behind broke off before its answer was complete.", []),
    "503": ("The backend can't serve: no CLI, a pipeline that is being restarted, a server that ends.", ["retry-after"]),
    "504": ("The answer took too long.", []),
    "529": ("Overloaded: this server, or the API behind.", ["retry-after", "x-should-retry"]),
}
# Before the pipe is asked: wrong framing or host, origin, path's method, slow or large heads.
FRONT = ["400", "403", "405", "408", "431"]
# What the API behind may answer more.
OTHERS = ["4XX", "5XX"]


def headers(names: list[str]) -> Json:
    return {name: ref("headers", name) for name in names}


def answer(about: str, content: Json, more: list[str]) -> Json:
    return {"description": about, "headers": headers(EVERY + more), "content": content}


def events(about: str, *kinds: str) -> Json:
    """A stream. OpenAPI 3.1 doesn't say what its schema is for: here, as usual, for each of its events."""
    one = {"anyOf": [schema(kind) for kind in kinds]} if len(kinds) > 1 else schema(kinds[0])
    return {"schema": {"description": about} | one}


def event(data: Json, **more: Json) -> Json:
    """One server-sent event, whose data is JSON; `event` is `message` where the stream names none."""
    return {"type": "object", "required": ["data", *more], "properties": more | {
        "data": {"type": "string", "contentMediaType": JSON, "contentSchema": data}}}


ANTHROPIC_EVENTS = ("Events as Anthropic sends them, `event: TYPE` and `data: JSON`, from message_start to message_stop. "
                    "A failure in the middle is an event `error`, with which the stream ends. `:` is a keep-alive.")
OPENAI_EVENTS = ("Chunks as OpenAI sends them, `data: JSON`, then `data: [DONE]`. A failure in the middle is a chunk of "
                 "an `error`, with which the stream ends. `:` is a keep-alive.")


def error_responses(statuses: list[str], kind: str) -> Json:
    """The answers of an operation that are errors, in the form of its API."""
    return {status: ref("responses", f"{kind}.{status}") for status in statuses}


def named_errors(kind: str, body: Json) -> Json:
    found = {
        f"{kind}.{status}": answer(about, {JSON: {"schema": body}}, more + (RELAYED if kind != "Front" else []))
        for status, (about, more) in ERRORS.items()}
    for status in OTHERS if kind != "Front" else []:
        found[f"{kind}.{status}"] = answer(
            "Another error of the API behind, with its own status and message.", {JSON: {"schema": body}},
            RELAYED + ["retry-after", "x-should-retry"])
    return found


def operation(tag: str, name: str, summary: str, responses: Json, **more: Any) -> Json:
    return {"operationId": name, "tags": [tag], "summary": summary, **more, "responses": responses}


def relay_errors(kind: str, *, takes_body: bool, one: bool = False) -> Json:
    statuses = [status for status in ERRORS if takes_body or status not in ("413", "415")]
    return error_responses(statuses + OTHERS, kind)


def body(of: Json) -> Json:
    return {"required": True, "content": {JSON: {"schema": of}}}


def version_headers() -> list[Json]:
    return [ref("parameters", "anthropic-version"), ref("parameters", "anthropic-beta")]


def chat(kind: str, name: str, summary: str, takes: Json, gives: Json, streams: Json, **more: Any) -> Json:
    good = answer("The answer: whole, or with `stream` as events.", {JSON: {"schema": gives}, EVENTS: streams}, RELAYED)
    return operation("chat", name, summary, {"200": good} | relay_errors(kind, takes_body=True),
                     requestBody=body(takes), **more)


def lists(kind: str, name: str, summary: str, gives: str, **more: Any) -> Json:
    good = answer("The models.", {JSON: {"schema": schema(gives)}}, LIMITED + ["x-proxy-loss"])
    return operation("models", name, summary, {"200": good} | relay_errors(kind, takes_body=False), **more)


def own(name: str, summary: str, content: Json, *, unhealthy: str | None = None, locked: bool = False,
        more: list[str] | None = None) -> Json:
    responses = {"200": answer("The answer.", content, more or [])}
    if unhealthy:
        responses["503"] = answer("It can't serve; the answer says why.", {JSON: {"schema": schema(unhealthy)}}, [])
    responses |= error_responses(FRONT + (["401"] if locked else []), "Front")
    made = operation("server", name, summary, dict(sorted(responses.items())))
    return made if locked else made | {"security": []}


def text(about: str) -> Json:
    return {"schema": {"type": "string", "description": about}}


def paths() -> Json:
    anthropic_request, openai_request = schema("Anthropic.MessageCreateParams"), schema("OpenAI.CompletionCreateParams")
    message, completion = schema("Anthropic.Message"), schema("OpenAI.ChatCompletion")
    # A system message in the first place is a mark of OpenAI's.
    begins = {"properties": {"messages": {"prefixItems": [{"properties": {"role": {"enum": ["user", "assistant"]}}}]}}}
    both = {"anyOf": [{"allOf": [anthropic_request, begins]}, openai_request]}
    either = events("The events of the API that the request was taken for.", "Anthropic.Event", "OpenAI.Event")
    which = [ref("parameters", "model-id")]
    return {
        "/openai/v1/chat/completions": {"post": chat(
            "OpenAI", "createChatCompletion", "An OpenAI chat completion", openai_request, completion,
            events(OPENAI_EVENTS, "OpenAI.Event"))},
        "/openai/v1/models": {"get": lists("OpenAI", "listModelsOfOpenAI", "The models, for OpenAI's clients", "ModelList")},
        "/openai/v1/models/{id}": {"get": lists(
            "OpenAI", "getModelOfOpenAI", "One model, for OpenAI's clients", "Model", parameters=which)},
        "/v1/messages": {"post": chat(
            "Anthropic", "createMessage", "An Anthropic message", anthropic_request, message,
            events(ANTHROPIC_EVENTS, "Anthropic.Event"), parameters=version_headers())},
        "/v1/messages/count_tokens": {"post": operation(
            "chat", "countTokens", "How many tokens a message has",
            {"200": answer("The count.", {JSON: {"schema": schema("Anthropic.MessageTokensCount")}}, RELAYED)}
            | relay_errors("Anthropic", takes_body=True),
            requestBody=body(schema("Anthropic.MessageCountTokensParams")), parameters=version_headers())},
        "/v1/chat/completions": {"post": chat(
            "Either", "createByEither", "A message or a chat completion, by what the request looks like",
            both, {"anyOf": [message, completion]}, either, parameters=version_headers(), description=(
                "An `anthropic-version` or `x-api-key` header means Anthropic. Else these mean OpenAI: the User-Agent of an "
                "OpenAI client, an `authorization` header, a body without `max_tokens`, a first message of role system, "
                "and what only OpenAI's bodies have, such as a message of role developer or tool, `tool_calls`, "
                "`image_url`, `max_completion_tokens`, `n`, `stop`, `seed`, `user`, `stream_options`, `response_format`, "
                "`functions` or a function among the tools. All else is Anthropic. `CHAT_COMPLETIONS_DIALECT` fixes it."))},
        "/v1/models": {"get": lists("Either", "listModels", "The models, with both vendors' members", "ModelList")},
        "/v1/models/{id}": {"get": lists(
            "Either", "getModel", "One model, with both vendors' members", "Model", parameters=which)},
    } | responses_api.paths("/openai/v1", "OfOpenAI", sys.modules[__name__]) | responses_api.paths(
            "/v1", "", sys.modules[__name__]) | {
        "/health": {"get": own("getHealth", "Whether it can serve", {JSON: {"schema": schema("Health")}},
                               unhealthy="Unhealthy")},
        "/health/live": {"get": own("getLiveness", "Whether the process is up", {JSON: {"schema": schema("Alive")}})},
        "/health/ready": {"get": own("getReadiness", "Whether a request has gone through the whole pipe",
                                     {JSON: {"schema": schema("Ready")}}, unhealthy="NotReady")},
        "/health/detailed": {"get": own(
            "getHealthInDetail", "The health of each part, and what bounds a request",
            {JSON: {"schema": schema("DetailedHealth")}}, unhealthy="DetailedHealth", locked=True)},
        "/metrics": {"get": own("getMetrics", "Figures for Prometheus", {"text/plain": text(
            "Prometheus's text format, version 0.0.4.")}, locked=True)},
        "/": {"get": own("getPage", "What this is, for a person", {"text/plain": text("A line for each path.")})},
        "/openapi.json": {"get": own(
            "getDescription", "This document", {JSON: {"schema": {
                "type": "object", "required": ["openapi", "info", "paths", "components"],
                "properties": {"openapi": {"const": "3.1.0"}}}}}, more=["cache-control"])},
    }


def thing(properties: Json, *optional: str) -> Json:
    return {"type": "object", "required": [name for name in properties if name not in optional],
            "properties": properties, "additionalProperties": True}


def own_schemas() -> Json:
    string, number = {"type": "string"}, {"type": "integer", "minimum": 0}

    def status(*words: str, **more: Json) -> Json:
        return {"status": {"enum": list(words)}, "service": {"const": "claude-proxy"}, "version": string,
                "timestamp": {"type": "string", "format": "date-time"}} | more

    backend = {"claude_cli_available": {"type": "boolean"}, "claude_cli_status": string, "backend": string,
               "error": string, "details": {"type": "object"}}
    components = thing({
        "claude_cli": {"type": "object", "description": "What is known of the CLI, its path too."},
        "api_server": thing({"status": string, "uptime": number, "host": string,
                             "port": {"type": ["integer", "null"]}, "requests_processed": number, "errors": number},
                            "host", "port"),
        "authentication": thing({"required": {"type": "boolean"}, "tokens": number}),
        "pipelines": thing({"state": string, "restarts": number, "in_flight": number,
                            "count": {"type": "integer", "minimum": 1}, "processes": {"type": "integer", "minimum": 1},
                            "stages": {"type": "array", "items": string}}, "count", "processes", "stages")}, "claude_cli")
    bounds = ["max_body", "max_header", "max_in_flight", "max_connections", "max_connections_per_address",
              "request_timeout", "grace_period", "header_timeout", "body_timeout", "keep_alive_timeout"]
    lacks = ["claude_cli_available", "claude_cli_status", "backend", "error", "details"]
    error = thing({"type": {"const": "error"}, "request_id": string, "error": thing({
        "type": string, "message": string, "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}})})
    return {
        "Error": error | {"description": "An error of the server's own, in the one form that both vendors' SDKs read."},
        "OpenAI.ErrorResponse": thing({"error": schema("OpenAI.ErrorObject")}),
        "Anthropic.Event": event(
            {"anyOf": [schema("Anthropic.RawMessageStreamEvent"), thing({"type": {"const": "ping"}}),
                       schema("Anthropic.ErrorResponse")]},
            event={"enum": ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
                            "message_delta", "message_stop", "ping", "error"]}),
        "OpenAI.Event": {"anyOf": [
            {"type": "object", "required": ["data"], "properties": {"data": {"const": "[DONE]"}}},
            event({"anyOf": [schema("OpenAI.ChatCompletionChunk"), schema("OpenAI.ErrorResponse")]})]},
        **responses_api.schemas(thing, schema, event),
        "Model": {"allOf": [schema("OpenAI.Model"), schema("Anthropic.ModelInfo")],
                  "description": "A model, with both vendors' members."},
        "ModelList": thing({"object": {"const": "list"}, "data": {"type": "array", "items": schema("Model")},
                            "has_more": {"type": "boolean"}, "first_id": {"type": ["string", "null"]},
                            "last_id": {"type": ["string", "null"]}}),
        "Health": thing(status("healthy") | backend, "claude_cli_status", "error", "details"),
        "Unhealthy": thing(status("unhealthy") | backend, *[name for name in lacks if name != "error"]),
        "Alive": thing(status("alive")),
        "Ready": thing(status("ready")),
        "NotReady": thing(status("not_ready", error=string), "error"),
        "DetailedHealth": thing(
            status("healthy", "unhealthy") | backend
            | {"components": components, "configuration": thing({name: number for name in bounds})}, *lacks),
    }


def version() -> str:
    source = (REPOSITORY / "Sources/Records/Product.swift").read_text()
    found = re.search(r'static let version = "(.*)"', source)
    assert found
    return found[1]


def document() -> Json:
    responses: Json = {}
    responses |= named_errors("Front", schema("Error"))
    responses |= named_errors("Anthropic", schema("Anthropic.ErrorResponse"))
    responses |= named_errors("OpenAI", schema("OpenAI.ErrorResponse"))
    responses |= named_errors("Either", {"anyOf": [schema("Anthropic.ErrorResponse"), schema("OpenAI.ErrorResponse")]})
    made = {
        "openapi": "3.1.0",
        "info": {"title": "claude-proxy", "version": version(), "description": ABOUT,
                 "x-made-from": {name: importlib.metadata.version(name) for name in ("anthropic", "openai")},
                 "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": "chat", "description": "Messages, by either API."},
                 {"name": "responses", "description": "OpenAI's Responses API."},
                 {"name": "models", "description": "What there is to ask for."},
                 {"name": "server", "description": "The server itself."}],
        # Any one of them, or none: without AUTH_TOKEN all are let in, whatever they send.
        "security": [{}, {"bearer": []}, {"api-key": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of this server's, where it has some."},
                "api-key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same, as Anthropic's SDKs send it."}},
            "parameters": responses_api.PARAMETERS | {
                "model-id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
                             "description": "A model's name: its own, or one that stands for it."},
                "anthropic-version": {"name": "anthropic-version", "in": "header", "required": False,
                                      "schema": {"type": "string", "pattern": f"^{NAME}$"},
                                      "description": "The API's version, passed on."},
                "anthropic-beta": {"name": "anthropic-beta", "in": "header", "required": False,
                                   "schema": {"type": "string", "pattern": rf"^{LISTED}(?:,{LISTED})*$"},
                                   "description": "Betas to switch on, passed on."}},
            "headers": {name: {"description": about, "required": needed, "schema": kind}
                        for name, (about, kind, needed) in HEADERS.items()},
            "responses": responses,
            "schemas": dict(sorted((own_schemas() | schemas.all_schemas()).items())),
        },
    }
    used = set(re.findall(r'"#/components/responses/([^"]+)"', json.dumps(made["paths"])))
    made["components"]["responses"] = {name: responses[name] for name in responses if name in used}
    return made


def text_of(made: Json) -> str:
    """One line a schema, path or answer: a person can read its changes."""
    def member(name: str, value: Any, depth: int) -> str:
        pad = "  " * depth
        if depth < 3 and isinstance(value, dict) and name in ("paths", "components", "schemas", "responses", "headers") and value:
            inside = ",\n".join(member(key, one, depth + 1) for key, one in value.items())
            return f"{pad}{json.dumps(name)}: {{\n{inside}\n{pad}}}"
        return f"{pad}{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"

    return "{\n" + ",\n".join(member(key, value, 1) for key, value in made.items()) + "\n}\n"


if __name__ == "__main__":
    written = text_of(document())
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(written)
    else:
        sys.stdout.write(written)
