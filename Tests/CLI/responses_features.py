# SPDX-License-Identifier: MIT
"""What clients may ask by the Responses API, feature by feature: each is tried on a whole proxy, by one backend at a time.

A feature is a function that takes an `Asker` and gives the word for the table: `yes`, `ledger` (it does not arrive as
it was, and the header x-proxy-loss says so) or `refused` (it is answered with a 400 that names it). An AssertionError
is a `no`.
"""
from __future__ import annotations

import json
from typing import Any, Callable

import generated
from messages_api import SIGNATURE, THINKING, MessagesAPI
from responses import check_stream, check_whole
from server import Proxy
from wire import Answer, Stream

Json = dict[str, Any]
Feature = Callable[["Asker"], str]
FEATURES: dict[str, Feature] = {}
MODEL = "claude-sonnet-4-5"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOL = {"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA, "strict": False}
CALL = '[[tool:weather {"city":"Oslo"}]]'
IMAGE = "data:image/png;base64," + generated.png(30, 20, generated.random.Random(1))
PDF = "data:application/pdf;base64,JVBERi0xLjQK"


class Asker:
    """A proxy that is tried, and the API behind it."""

    def __init__(self, proxy: Proxy, api: MessagesAPI):
        self.proxy, self.api = proxy, api

    def post(self, **body: Any) -> Answer:
        self.api.reset()
        return self.proxy.ask("POST", "/openai/v1/responses", {"model": MODEL, "input": "Hi", "store": False} | body)

    def ask(self, **body: Any) -> Json:
        answer = self.post(**body)
        assert answer.status == 200, (answer.status, answer.body[:300])
        self.loss = answer.headers.get("x-proxy-loss", "")
        return check_whole(answer.json)

    def stream(self, **body: Any) -> Json:
        self.api.reset()
        stream = Stream(self.proxy.port, "/openai/v1/responses", {"model": MODEL, "input": "Hi", "store": False, "stream": True} | body)
        assert stream.status == 200, (stream.status, stream.response.read()[:300])
        return check_stream(stream)

    def sent(self) -> Json:
        [body] = self.api.bodies()
        return body

    @property
    def word(self) -> str:
        return "ledger" if self.loss else "yes"


def feature(name: str) -> Callable[[Feature], Feature]:
    def add(function: Feature) -> Feature:
        FEATURES[name] = function
        return function
    return add


def arrives(name: str, check: Callable[[Json], bool], **body: Any) -> None:
    """Asked with these members, what reached the API is as it must be; the answer is whole, and the stream is the same."""

    def try_it(asker: Asker) -> str:
        for ask in (asker.stream, asker.ask):
            answer = ask(**body)
            assert check(asker.sent()), json.dumps(asker.sent())[:500]
            assert answer["status"] == "completed"
        return asker.word

    FEATURES[name] = try_it


def answers(name: str, check: Callable[[Json], bool], **body: Any) -> None:
    """The answer is as it must be, whole and streamed, by the types of OpenAI's SDK."""

    def try_it(asker: Asker) -> str:
        for ask in (asker.stream, asker.ask):
            answer = ask(**body)
            assert check(answer), json.dumps(answer)[:500]
        return asker.word

    FEATURES[name] = try_it


def refused(name: str, word: str, **body: Any) -> None:
    def try_it(asker: Asker) -> str:
        answer = asker.post(**body)
        assert answer.status == 400 and word in json.dumps(answer.json["error"]), (answer.status, answer.body[:300])
        assert not asker.api.bodies()
        return "refused"

    FEATURES[name] = try_it


def user(*parts: Json) -> list[Json]:
    return [{"role": "user", "content": list(parts)}]


def last(body: Json) -> list[Json]:
    """The blocks of the last message, without what the CLI adds."""
    content = body["messages"][-1]["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [block for block in blocks if not block.get("text", "").startswith("<system-reminder>")]


def kinds(body: Json) -> list[str]:
    return [block["type"] for block in last(body)]


def types(answer: Json) -> list[str]:
    return [item["type"] for item in answer["output"]]


def declared(body: Json) -> dict[str, Json]:
    return {tool["name"]: tool for tool in body["tools"]}


TEXT = {"type": "input_text", "text": "What is it?"}
HISTORY: list[Json] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]

# The input.
arrives("input: a string", lambda body: last(body)[-1]["text"] == "Hi")
arrives("input: messages", lambda body: [m["role"] for m in body["messages"]] == ["user", "assistant", "user"], input=HISTORY)
arrives("input: long history", lambda body: len(body["messages"]) == 101, input=HISTORY[:2] * 50 + HISTORY[2:])
arrives("instructions", lambda body: "be brief" in json.dumps(body["system"]), instructions="be brief")
arrives("developer and system messages", lambda body: json.dumps(body["system"]).find("one") < json.dumps(body["system"]).find("two"),
        input=[{"role": "developer", "content": "one"}, {"role": "system", "content": "two"}, *HISTORY])
arrives("picture, data URL", lambda body: kinds(body) == ["text", "image"],
        input=user(TEXT, {"type": "input_image", "image_url": IMAGE, "detail": "auto"}))
arrives("picture, URL", lambda body: last(body)[1]["source"]["type"] == "url",
        input=user(TEXT, {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}))
arrives("file, data", lambda body: kinds(body) == ["text", "document"],
        input=user(TEXT, {"type": "input_file", "filename": "a.pdf", "file_data": PDF}))
arrives("file, URL", lambda body: last(body)[1]["source"]["type"] == "url",
        input=user(TEXT, {"type": "input_file", "file_url": "https://example.com/a.pdf"}))
CALLED: list[Json] = [{"role": "user", "content": "a"},
                      {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Oslo"}'},
                      {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": '{"city":"Bergen"}'}]
arrives("results of tools: texts", lambda body: kinds(body) == ["tool_result"] * 2, tools=[TOOL], input=[
    *CALLED, *({"type": "function_call_output", "call_id": f"call_{n}", "output": "sun"} for n in (1, 2))])
arrives("results of tools: parts with a picture", lambda body: "image" in json.dumps(last(body)[0]["content"]), tools=[TOOL], input=[
    *CALLED[:2], {"type": "function_call_output", "call_id": "call_1", "output": [
        {"type": "input_text", "text": "sun"}, {"type": "input_image", "image_url": IMAGE, "detail": "auto"}]}])
arrives("another's sealed reasoning", lambda body: "thinking" not in json.dumps(body["messages"]), input=[
    HISTORY[0], {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}, *HISTORY[1:]])

# The parameters.
arrives("max_output_tokens", lambda body: body["max_tokens"] == 77, max_output_tokens=77)
arrives("temperature", lambda body: body["temperature"] == 0.5, temperature=0.5)
arrives("top_p", lambda body: body["top_p"] == 0.5, top_p=0.5)
arrives("text.format: json_schema", lambda body: body["output_config"]["format"]["schema"]["required"] == ["city"],
        text={"format": {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}})
arrives("text.format: json_object", lambda body: "JSON" in json.dumps(body), text={"format": {"type": "json_object"}})
arrives("text.verbosity", lambda body: True, text={"verbosity": "low"})
arrives("truncation: auto", lambda body: True, truncation="auto")
arrives("user, safety_identifier", lambda body: True, safety_identifier="someone")
arrives("service_tier", lambda body: True, service_tier="auto")
arrives("a model of OpenAI's", lambda body: body["model"].startswith("claude-"), model="gpt-5")
refused("background", "background", background=True)
refused("conversation", "conversation", conversation="conv_1")
refused("prompt", "prompt", prompt={"id": "pmpt_1"})
refused("audio", "input[0].content[0]", input=user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}))

# Tools.
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
arrives("tools: function", lambda body: declared(body)["weather"]["input_schema"]["required"] == ["city"], tools=[TOOL])
arrives("tools: function, strict", lambda body: "weather" in declared(body), tools=[TOOL | {"strict": True}])
arrives("tools: custom", lambda body: declared(body)["say"]["input_schema"]["required"] == ["input"], tools=[{"type": "custom", "name": "say"}])
arrives("tools: custom with a grammar", lambda body: "start: /.+/" in declared(body)["say"]["description"],
        tools=[{"type": "custom", "name": "say", "format": GRAMMAR}])
arrives("tools: namespace", lambda body: "sky__weather" in declared(body), tools=[{"type": "namespace", "name": "sky", "description": "d", "tools": [TOOL]}])
arrives("tools: additional_tools in the input", lambda body: "weather" in declared(body),
        input=[{"type": "additional_tools", "role": "developer", "tools": [TOOL]}, HISTORY[0]])
arrives("tools: web_search", lambda body: True, tools=[{"type": "web_search"}, TOOL])
arrives("tools: apply_patch, shell, local_shell", lambda body: {"apply_patch", "shell", "local_shell"} <= declared(body).keys(), tools=[
    {"type": "apply_patch"}, {"type": "shell"}, {"type": "local_shell"}])
arrives("tools: what only OpenAI has", lambda body: list(declared(body)) == ["weather"], tools=[
    TOOL, {"type": "file_search", "vector_store_ids": ["vs_1"]}, {"type": "code_interpreter", "container": {"type": "auto"}}])
for choice, wanted in {"auto": "auto", "none": "none", "required": "any"}.items():
    arrives(f"tool_choice: {choice}", lambda body, wanted=wanted: body.get("tool_choice", {"type": "auto"})["type"] == wanted,
            tools=[TOOL], tool_choice=choice)
arrives("tool_choice: a function", lambda body: body["tool_choice"] == {"type": "tool", "name": "weather"}, tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"})
arrives("parallel_tool_calls: false", lambda body: body["tool_choice"]["disable_parallel_tool_use"], tools=[TOOL], parallel_tool_calls=False)

# The answer.
answers("a text", lambda answer: types(answer) == ["message"] and answer["output"][0]["content"][0]["text"] == "all of it", input="[[say:all of it]]")
answers("a call", lambda answer: json.loads(answer["output"][-1]["arguments"]) == {"city": "Oslo"}, input=CALL, tools=[TOOL])
answers("two calls", lambda answer: types(answer) == ["message", "function_call", "function_call"], input=CALL * 2, tools=[TOOL])
answers("a call of a namespace", lambda answer: (answer["output"][-1]["name"], answer["output"][-1]["namespace"]) == ("weather", "sky"),
        input=CALL.replace("weather", "sky__weather"), tools=[{"type": "namespace", "name": "sky", "description": "d", "tools": [TOOL]}])
answers("a call of a custom tool", lambda answer: answer["output"][-1] | {"id": "", "call_id": ""} == {
    "id": "", "call_id": "", "type": "custom_tool_call", "name": "say", "input": "1 + 1", "status": "completed"} or
    (answer["output"][-1]["type"], answer["output"][-1]["input"]) == ("custom_tool_call", "1 + 1"),
    input='[[tool:say {"input":"1 + 1"}]]', tools=[{"type": "custom", "name": "say"}])
REASONING = {"effort": "medium", "summary": "auto"}
answers("reasoning with a summary", lambda answer: answer["output"][0]["summary"][0]["text"] == THINKING,
        input="[[thinking]] Hi", reasoning=REASONING, max_output_tokens=20_000)
answers("reasoning without a summary", lambda answer: types(answer)[0] == "reasoning" and not answer["output"][0]["summary"],
        input="[[thinking]] Hi", reasoning={"effort": "low"}, max_output_tokens=20_000)
answers("reasoning that was asked for, and none came", lambda answer: types(answer) == ["reasoning", "message"],
        reasoning=REASONING, max_output_tokens=20_000)
answers("citations", lambda answer: "abc" not in answer["id"] and types(answer) == ["message"], input="[[cite]] Hi")
answers("end: max_output_tokens", lambda answer: answer["incomplete_details"]["reason"] == "max_output_tokens", input="[[stop:max_tokens]] Hi")
answers("end: content_filter", lambda answer: answer["incomplete_details"]["reason"] == "content_filter", input="[[stop:refusal]] Hi")
answers("the request's members are repeated", lambda answer: (answer["metadata"], answer["store"], answer["temperature"]) == (
    {"a": "b"}, False, 0.5), metadata={"a": "b"}, temperature=0.5)
answers("usage with what was cached", lambda answer: answer["usage"]["input_tokens_details"]["cached_tokens"] == 22)


@feature("sealed reasoning goes back")
def sealed(asker: Asker) -> str:
    more: Json = {"include": ["reasoning.encrypted_content"], "reasoning": REASONING, "tools": [TOOL], "max_output_tokens": 20_000}
    first = asker.stream(input="[[thinking]] " + CALL, **more)
    asker.ask(input=[{"role": "user", "content": "x"}, *first["output"], {
        "type": "function_call_output", "call_id": first["output"][-1]["call_id"], "output": "sun"}], **more)
    said = asker.sent()["messages"][1]["content"]
    assert said[0] == {"type": "thinking", "thinking": THINKING, "signature": SIGNATURE}, said
    return asker.word


@feature("previous_response_id")
def chain(asker: Asker) -> str:
    first = asker.stream(input=CALL, tools=[TOOL], store=True)
    asker.ask(previous_response_id=first["id"], store=True, tools=[TOOL], input=[{
        "type": "function_call_output", "call_id": first["output"][-1]["call_id"], "output": "sun"}])
    assert [message["role"] for message in asker.sent()["messages"]] == ["user", "assistant", "user"]
    return asker.word


@feature("a response is read, listed and deleted")
def kept(asker: Asker) -> str:
    made = asker.ask(store=True)
    path = f"/openai/v1/responses/{made['id']}"
    assert asker.proxy.ask("GET", path).json == made
    assert asker.proxy.ask("GET", path + "/input_items").json["data"][0]["role"] == "user"
    assert asker.proxy.ask("DELETE", path).json["deleted"] is True
    assert asker.proxy.ask("GET", path).status == 404
    return "yes"


@feature("input_tokens")
def count(asker: Asker) -> str:
    answer = asker.proxy.ask("POST", "/openai/v1/responses/input_tokens", {"model": MODEL, "input": "Hi"})
    assert answer.status == 200 and answer.json["object"] == "response.input_tokens" and answer.json["input_tokens"] > 0
    return "yes"


def fails_with(status: int, code: str | None) -> Feature:
    def check(asker: Asker) -> str:
        answer = asker.post(input=f"[[error:{status}]] Hi")
        assert answer.status == status and answer.json["error"]["code"] == code, (answer.status, answer.body)
        return "yes"
    return check


for status, code in {400: "invalid_prompt", 401: "invalid_api_key", 403: None, 404: "model_not_found", 429: "rate_limit_exceeded",
                     500: None, 529: "server_is_overloaded"}.items():
    FEATURES[f"error {status}"] = fails_with(status, code)


@feature("error: the prompt is too long")
def too_long(asker: Asker) -> str:
    prompt = "[[error:400]] [[errmsg:prompt is too long: 250000 tokens > 200000 maximum]]"
    assert asker.post(input=prompt).json["error"]["code"] == "context_length_exceeded"
    assert asker.stream(input=prompt)["error"]["code"] == "context_length_exceeded"
    return "yes"


@feature("error in mid-stream")
def broken(asker: Asker) -> str:
    for mark in ("[[sse_error:overloaded_error]]", "[[disconnect]]"):
        failed = asker.stream(input=f"[[len:9]] {mark}")
        assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
    return "yes"


@feature("a client that goes ends the API's request")
def gone(asker: Asker) -> str:
    asker.api.reset()
    stream = Stream(asker.proxy.port, "/openai/v1/responses", {"model": MODEL, "stream": True, "store": False,
                                                               "input": "[[len:99]] [[slow:0.05]] Hi"})
    next(iter(stream))
    stream.go()
    asker.api.wait("client_abort", 2)
    return "yes"
