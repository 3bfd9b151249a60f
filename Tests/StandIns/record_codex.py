#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Records what the real Codex CLI sends, for the tests that replay it: recordings/codex_*.json.

    scripts/fetch codex venv && PYTHONPATH=Tests/Rig .build/venv/bin/python Tests/StandIns/record_codex.py

Codex talks to a stand-in of the Responses API here, not to our server: what is recorded says how Codex is, whatever
we do. A recording is {"client", "headers", "requests"}. The first request is a whole body. Of each later one it has
the members that changed, and the items of `input` that are new. An item that Codex made of the answer before is a
form: "$same" stands for the member of the answered item of the type that "$answered" names, and "$call" for its call id.
Paths, ids, times and long texts of this machine and of Codex's prompts are replaced.
"""
from __future__ import annotations

import json
import re
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from codex import Codex

Json = dict[str, Any]
FOLDER = Path(__file__).parent / "recordings"
KEPT_TEXT, KEPT_DESCRIPTION = 600, 200
PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d494844520000000100000001080400000 0b51c0c02".replace(" ", "")
                        + "0000000b4944415478da63fcff1f0003030200efa2a75b0000000049454e44ae426082")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
PATCH = "*** Begin Patch\n*** Add File: hello.txt\n+hello\n*** End Patch"
SCRIPT = "text(await tools.exec_command({cmd: 'echo hi'}))"


def call(name: str, arguments: Json, **more: str) -> Json:
    return {"type": "function_call", "name": name, "arguments": json.dumps(arguments), **more}


def custom(name: str, text: str, **more: str) -> Json:
    return {"type": "custom_tool_call", "name": name, "input": text, **more}


def say(text: str) -> Json:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}


# A session by its name: the model, then of each prompt its options and what the model answers to it, request by request.
# The marks in the prompts have the stand-in for the Messages API answer the same in the replay.
Prompt = tuple[str, list[str], list[Json]]
SESSIONS: dict[str, tuple[str, str, list[Prompt]]] = {
    "claude": ("claude-sonnet-4-5", "", [
        ('[[thinking]] [[tool:exec_command {"cmd":"echo hi"}]] Run it.', [], [call("exec_command", {"cmd": "echo hi"}), say("Done.")]),
        ('[[tool:multi_agent_v1__close_agent {"target":"nobody"}]] Close it.', [], [
            call("close_agent", {"target": "nobody"}, namespace="multi_agent_v1"), say("Done.")])]),
    "patch": ("gpt-5.5", "", [
        (f'[[thinking]] [[tool:apply_patch {json.dumps({"input": PATCH})}]] Add it.', [], [custom("apply_patch", PATCH), say("Done.")])]),
    "code_mode": ("gpt-6.1-sol", "", [
        (f'[[tool:functions__exec {json.dumps({"input": SCRIPT})}]] Run it.', [], [
            custom("exec", SCRIPT, namespace="functions"), say("Done.")])]),
    "picture": ("claude-sonnet-4-5", "", [
        ('[[say:{"city":"Oslo"}]] Where is it?', ["-i", "{home}/picture.png", "--output-schema", "{home}/schema.json"],
         [say('{"city":"Oslo"}')])]),
    "compaction": ("claude-sonnet-4-5", "model_auto_compact_token_limit = 10000", [
        ('[[tool:exec_command {"cmd":"echo hi"}]] Run it.', [], [call("exec_command", {"cmd": "echo hi"}), say("Done.")]),
        ("Go on.", [], [say("A summary."), say("Done.")])]),
}


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next item of the session, after a reasoning item."""

    session: Session

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number, output = self.session.take(dict(self.headers.items()), body)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        # Two requests take more than the limit of a session that is to be compacted.
        used = 6000 * (number + 1)
        usage = {"input_tokens": used - 1, "output_tokens": 1, "total_tokens": used}
        response = {"id": f"resp_{number}", "object": "response", "created_at": 1, "model": body["model"], "output": output}
        events: list[Json] = [{"type": "response.created", "response": response | {"output": []}}]
        for index, item in enumerate(output):
            events += [{"type": f"response.output_item.{step}", "output_index": index, "item": item} for step in ("added", "done")]
        for number, event in enumerate([*events, {"type": "response.completed", "response": response | {"usage": usage}}]):
            text = json.dumps(event | {"sequence_number": number})
            self.wfile.write(f"event: {event['type']}\ndata: {text}\n\n".encode())


class Session:
    """What is asked and answered in one session."""

    def __init__(self, answers: list[Json]):
        self.answers, self.requests, self.outputs = answers, [], []
        self.headers: Json = {}

    def take(self, headers: Json, body: Json) -> tuple[int, list[Json]]:
        number = len(self.requests)
        self.headers = self.headers or headers
        self.requests.append(body)
        item = dict(self.answers[number], id=f"item_{number}", status="completed")
        if item["type"].endswith("call"):
            item["call_id"] = f"call_{number}"
        thought = {"type": "reasoning", "id": f"rs_{number}", "encrypted_content": f"sealed{number}",
                   "summary": [{"type": "summary_text", "text": "So."}]}
        self.outputs.append([thought, item])
        return number, self.outputs[-1]


def form_of(item: Json, outputs: list[list[Json]]) -> Json:
    """An item of `input` as a form, where it is made of the last answer."""
    last = outputs[-1] if outputs else []
    for answered in last:
        if item.get("call_id") and item["call_id"] == answered.get("call_id") and item["type"] != answered["type"]:
            return dict(item, call_id="$call")
        if item["type"] == answered["type"] and item.get("role", "assistant") == "assistant":
            return {"$answered": item["type"]} | {key: "$same" if key in answered else value for key, value in item.items()}
    return item


def later(body: Json, before: Json, outputs: list[list[Json]]) -> Json:
    """What a request has that the one before it had not; after a compaction, that is all of its input."""
    changed = {key: value for key, value in body.items() if before.get(key) != value}
    changed |= {key: None for key in before if key not in body}
    known = len(before["input"])
    if body["input"][:known] == before["input"]:
        changed["input"] = {"appended": [form_of(item, outputs) for item in body["input"][known:]]}
    else:
        changed["input"] = body["input"]
    return changed


class Cleaner:
    """Replaces what is of this machine, and shortens what is long."""

    def __init__(self, home: Path):
        self.home, self.ids = str(home), {}

    def text(self, text: str, limit: int) -> str:
        text = text.replace(self.home, "/home/someone")
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", self.id, text)
        text = re.sub(r'(?<=_ms\\":)\d{13}|(?<=_ms":)\d{13}', "1700000000000", text)
        text = re.sub(r"(?<=<current_date>)[\d-]+", "2026-01-01", text)
        return text if len(text) <= limit else text[:limit] + "…"

    def id(self, found: re.Match[str]) -> str:
        return "00000000-0000-4000-8000-%012d" % self.ids.setdefault(found[0], len(self.ids) + 1)

    def clean(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: self.clean(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.clean(v, key) for v in value]
        if isinstance(value, str):
            whole = key in ("definition", "image_url", "x-codex-turn-metadata")
            return self.text(value, 1 << 20 if whole else KEPT_DESCRIPTION if key == "description" else KEPT_TEXT)
        return value


def record(name: str) -> Json:
    model, more, prompts = SESSIONS[name]
    session = Session([answer for _, _, answers in prompts for answer in answers])
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"session": session}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        codex = Codex(home, f"http://127.0.0.1:{server.server_port}", model, more=more)
        (home / "picture.png").write_bytes(PICTURE)
        (home / "schema.json").write_text(json.dumps(SCHEMA))
        for prompt, options, _ in prompts:
            run = codex.ask(prompt, *(option.format(home=home) for option in options))
            assert run.code == 0 and not run.failure, run
        server.shutdown()
        server.server_close()
        cleaner = Cleaner(home)
        requests = session.requests[:1] + [
            later(body, before, session.outputs[:number])
            for number, (before, body) in enumerate(zip(session.requests, session.requests[1:]), 1)]
        left_out = ("host", "content-length", "authorization", "content-type")
        headers = {key.lower(): value for key, value in session.headers.items() if key.lower() not in left_out}
        return {"client": headers["user-agent"].split(" ")[0], "headers": cleaner.clean(headers),
                "requests": cleaner.clean(requests)}


if __name__ == "__main__":
    for name in SESSIONS:
        path = FOLDER / f"codex_{name}.json"
        path.write_text(json.dumps(record(name), indent=1, ensure_ascii=False) + "\n")
        print(path, path.stat().st_size)
