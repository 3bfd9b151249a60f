# SPDX-License-Identifier: MIT
"""What may stand in the input of a response besides text: pictures, files, roles, and what is refused."""
from __future__ import annotations

import base64
from typing import Any

import pytest
from messages_api import MessagesAPI
from server import Proxy
from test_sdks import picture

MODEL = "claude-sonnet-4-5"
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n").decode()
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}


def ask(proxy: Proxy, **body: Any) -> Any:
    return proxy.ask("POST", "/openai/v1/responses", {"model": MODEL, "store": False} | body)


def test_pictures_and_files(each: Proxy, api: MessagesAPI) -> None:
    """By data URL and by URL, in the order in which they stand."""
    image = picture()
    answer = ask(each, input=[{"role": "user", "content": [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{image}", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        {"type": "input_file", "file_url": "https://example.com/b.pdf"}]}])
    assert answer.status == 200, answer.body
    [body] = api.bodies()
    # With a login, the CLI adds a text to a picture that says where it came from.
    blocks = [block for block in body["messages"][-1]["content"] if block["type"] != "text" or block["text"] == "What is it?"]
    assert [block["type"] for block in blocks] == ["text", "image", "image", "document", "document"]
    assert [block["source"]["type"] for block in blocks[1:]] == ["base64", "url", "base64", "url"]
    assert blocks[1]["source"]["data"] == image and blocks[3]["source"]["data"] == PDF


def test_roles(most: Proxy, api: MessagesAPI) -> None:
    """Instructions come first, and the other texts of the system after them, in their order."""
    answer = ask(most, instructions="One.", input=[
        {"role": "developer", "content": "Two."}, {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Yes?", "annotations": []}]},
        {"role": "user", "content": "Go on."}])
    assert answer.status == 200, answer.body
    [body] = api.bodies()
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    system = str(body["system"])
    assert 0 <= system.find("One.") < system.find("Two.")


@pytest.mark.parametrize("choice, wanted", [
    ("auto", {"type": "auto"}), ("none", {"type": "none"}), ("required", {"type": "any"}),
    ({"type": "function", "name": "get_weather"}, {"type": "tool", "name": "get_weather"})])
def test_tool_choice(direct: Proxy, api: MessagesAPI, choice: Any, wanted: Any) -> None:
    answer = ask(direct, input="Hi", tools=[WEATHER], tool_choice=choice)
    assert answer.status == 200 and answer.json["tool_choice"] == choice
    [body] = api.bodies()
    assert body.get("tool_choice", {"type": "auto"})["type"] == wanted["type"]


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"background": True}, "background"), ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"), ({"input": [{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]}]}, "input[0].content[0]"),
    ({"input": [{"role": "robot", "content": "Hi"}]}, "input[0].role"),
    ({"input": 3}, "input"), ({"tools": [{"type": "function"}]}, "tools[0].name")]


@pytest.mark.parametrize("body, param", REFUSED, ids=[str(param) for _, param in REFUSED])
def test_refused(direct: Proxy, api: MessagesAPI, body: dict[str, Any], param: str) -> None:
    """A request whose answer would be wrong without the member is refused, by the member's own name."""
    for stream in (False, True):
        answer = ask(direct, **{"input": "Hi", "stream": stream} | body)
        assert answer.status == 400, answer.body
        error = answer.json["error"]
        assert error["type"] == "invalid_request_error" and {"message", "param", "code"} <= error.keys()
        assert (error["param"] or "").startswith(param), error
    assert not api.bodies()


@pytest.mark.parametrize("method, path", [
    ("POST", "/responses/compact"), ("POST", "/conversations"), ("GET", "/conversations/conv_1"),
    ("POST", "/responses/resp_1/cancel")])
def test_the_rest_of_the_family(direct: Proxy, api: MessagesAPI, method: str, path: str) -> None:
    """What is not offered says so, and says what is."""
    answer = direct.ask(method, "/openai/v1" + path, {} if method == "POST" else None)
    assert answer.status in (400, 404), answer.body
    assert len(answer.json["error"]["message"]) > 20 and "type" in answer.json["error"]


def test_websocket(direct: Proxy) -> None:
    """426, whereupon Codex asks by HTTP at once: by any other status it tries again for seconds, or gives up."""
    answer = direct.ask("GET", "/openai/v1/responses", headers={
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert answer.status == 426 and "POST" in answer.json["error"]["message"]
