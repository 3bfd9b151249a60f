# SPDX-License-Identifier: MIT
"""The server's own error in a stream that has begun: in the form in which each API's clients look for it."""
from __future__ import annotations

import sys
from typing import Any, Callable, Iterator

import anthropic
import openai
import pytest
from server import Proxy

# Begins a stream of events for each request, and never ends it.
STAGE = '''
import json, sys
for line in sys.stdin:
    record = json.loads(line)
    if "request" not in record:
        continue
    rid, ctx, body = record["rid"], record["ctx"], record["request"]
    if ctx["op"] == "health":
        said = '{"status":"healthy"}'
        print(json.dumps({"rid": rid, "ctx": ctx, "http": {"status": 200, "headers": {"content-length": str(len(said))}}}))
        print(json.dumps({"rid": rid, "data": said}))
        print(json.dumps({"rid": rid, "end": {}}), flush=True)
        continue
    print(json.dumps({"rid": rid, "ctx": ctx, "http": {"status": 200, "headers": {"content-type": "text/event-stream"}}}))
    event = json.dumps({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "object": "response",
        "created_at": 1, "model": "m", "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}})
    begun = "event: response.created\\ndata: " + event + "\\n\\n" if ctx["dialect"] == "responses" else ": begun\\n"
    print(json.dumps({"rid": rid, "data": begun}), flush=True)
'''
QUESTION: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("stuck")
    (folder / "stage.py").write_text(STAGE)
    proxy = Proxy(folder / "home", PIPELINE=f"{sys.executable} {folder / 'stage.py'}", REQUEST_TIMEOUT="1",
                  ROUTES="POST /mini/chat messages mini")
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("path, name, members", [
    ("/v1/messages", "error", {"type", "error", "request_id"}),
    ("/openai/v1/chat/completions", None, {"error"}),
    ("/mini/chat", None, {"error"}),
    ("/v1/responses", "error", {"type", "message", "param", "code", "error", "request_id"}),
    ("/responses", "error", {"type", "message", "param", "code", "error", "request_id"}),
])
def test_the_event(stuck: Proxy, path: str, name: str | None, members: set[str]) -> None:
    events = list(stuck.stream(path, QUESTION | {"stream": True}))
    last = events[-1]
    assert last.name == name and set(last.data) == members
    assert last.data["error"] == {"type": "timeout_error", "message": "the answer took too long", "param": None, "code": None}
    if "message" in members:
        assert last.data["message"] == "the answer took too long" and last.data["type"] == "error"


def test_the_sdks_raise_it(stuck: Proxy) -> None:
    """Each vendor's SDK makes an exception of it. Of a response.failed, OpenAI's makes an event."""
    client = openai.OpenAI(base_url=stuck.url + "/openai/v1", api_key="any", max_retries=0)
    asks: list[Callable[[], Any]] = [
        lambda: list(client.responses.create(model="m", input="hi", stream=True)),
        lambda: client.responses.stream(model="m", input="hi").__enter__().until_done(),
        lambda: list(client.chat.completions.create(stream=True, **QUESTION)),
    ]
    for ask in asks:
        with pytest.raises(openai.APIError) as raised:
            ask()
        assert raised.value.message == "the answer took too long" and raised.value.type == "timeout_error"
    with pytest.raises(anthropic.APIStatusError, match="took too long"):
        list(anthropic.Anthropic(base_url=stuck.url, api_key="any", max_retries=0).messages.create(stream=True, **QUESTION))
