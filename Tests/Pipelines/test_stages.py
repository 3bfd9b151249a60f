# SPDX-License-Identifier: MIT
"""Any stage may be another program: here jq stands for one of ours, and the server works on."""
from __future__ import annotations

import subprocess
from typing import Any

import pytest
from server import PROGRAMS
from wire import text_of

ROUTES = ["/v1/messages", "/openai/v1/chat/completions"]

# In the place of model-map: names a model, and hides a word of the prompt. The bars within it are jq's.
REDACT = """jq --unbuffered -c 'if .request.messages then .ctx.model = {asked: .request.model, effective: "claude-haiku-4-5"}
| .request.model = "claude-haiku-4-5" | .request.messages |= map(.content |= (if type == "string" then gsub("sesame"; "xxxxxx") else . end))
else . end'"""

# In the place of a backend: a message with the length of the prompt. A cancel and an unknown record say nothing.
COUNT = """jq --unbuffered -c 'select(has("request")) | {rid, ctx, begin: {status: 200, headers: {}}},
{rid, response: {id: "msg_jq", type: "message", role: "assistant", model: (.request.model? // "none"),
content: [{type: "text", text: ((.request.messages? // [{content: ""}])[0].content | length | tostring)}],
stop_reason: "end_turn", stop_sequence: null, usage: {input_tokens: 1, output_tokens: 1}}}, {rid, end: {}}'"""


def one_line(program: str) -> str:
    return " ".join(program.split())


def ask_for(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": prompt}]} | more


def text_in(answer: Any) -> str:
    body = answer.json
    return body["choices"][0]["message"]["content"] if "choices" in body else body["content"][0]["text"]


def test_a_jq_line_in_place_of_model_map(start) -> None:
    """Both dialects pass through it, whole and as a stream; what it hides reaches nobody behind it."""
    proxy = start(PIPELINE=f"rate-limit | {one_line(REDACT)} | oai2anth | claude-echo | anth2oai | sse-encode")
    for path in ROUTES:
        answer = proxy.ask("POST", path, ask_for("open sesame"))
        assert answer.status == 200, answer.body
        assert "open xxxxxx" in text_in(answer)
        assert answer.headers["x-claude-model"] == "claude-haiku-4-5"
        stream = proxy.stream(path, ask_for("close sesame", stream=True))
        events = list(stream)
        assert stream.status == 200 and "close xxxxxx" in text_of(events)
        assert not any("sesame" in str(event.data) for event in events)
    assert "jq" in proxy.stages()


def test_a_jq_line_as_the_backend(start) -> None:
    """A backend in three lines of jq: the pipe is the plugin system."""
    proxy = start(PIPELINE=f"rate-limit | model-map | oai2anth | {one_line(COUNT)} | anth2oai | sse-encode")
    answer = proxy.ask("POST", "/v1/messages", ask_for("12345"))
    assert answer.status == 200 and text_in(answer) == "5", answer.body
    answer = proxy.ask("POST", "/openai/v1/chat/completions", ask_for("1234567"))
    assert answer.status == 200 and answer.json["object"] == "chat.completion", answer.body


def test_a_shorter_pipeline(start) -> None:
    """A backend and sse-encode are enough for the Messages API alone."""
    proxy = start(PIPELINE="claude-echo | sse-encode")
    answer = proxy.ask("POST", "/v1/messages", ask_for("just this"))
    assert answer.status == 200 and "just this" in text_in(answer)


@pytest.mark.parametrize("before, after, want", [
    ("", "", '"type":"message"'),
    ("oai2anth |", "| anth2oai", '"object":"chat.completion"'),
])
def test_bare_bodies_by_hand(before: str, after: str, want: str) -> None:
    """The same programs at a shell prompt: a body in, a body out, without any record."""
    body = '{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[{"role":"user","content":"by hand"}]}'
    command = f"printf '%s\\n' '{body}' | {before} claude-echo {after}"
    said = subprocess.run(["sh", "-euc", command], capture_output=True, text=True, timeout=10,
                          env={"PATH": f"{PROGRAMS}:/usr/bin:/bin"})
    assert said.returncode == 0 and said.stdout.count("\n") == 1, said
    assert want in said.stdout and "by hand" in said.stdout


@pytest.mark.parametrize("program", ["rate-limit", "model-map", "oai2anth", "anth2oai", "sse-encode", "claude-echo",
                                     "claude-http"])
def test_an_unknown_record_passes(program: str) -> None:
    """What a stage doesn't know it forwards as the bytes that came, odd spacing and escapes among them.

    A backend and sse-encode are ends of the pipe for what they know, and no exception for what they don't.
    """
    line = b'{"rid":"r-1", "novelty" : {"n":1.50e0,"s":"\\u00e9\\/ \xc3\xa9"}}\n'
    said = subprocess.run([PROGRAMS / program], input=line, capture_output=True, timeout=10)
    assert said.returncode == 0 and said.stdout == line, said
