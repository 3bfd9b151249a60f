#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An agent in one file: it looks around in a folder, and may write there, until it has an answer.

usage: agent.py FOLDER TASK...

Nothing but Python. Its tools see that folder alone; it makes at most 20 turns.
"""
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

BASE = os.environ.get("ANTHROPIC_BASE_URL", "http://localhost:8000")
KEY = os.environ.get("ANTHROPIC_API_KEY", "any")  # AUTH_TOKEN, where the proxy has one
MAX_TURNS = 20


def within(root: Path, name: str) -> Path:
    """The path of a name in the folder; links out of it lead nowhere."""
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise PermissionError(f"{name} is not in the folder")
    return path


def list_files(root: Path) -> str:
    return "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())) or "(none)"


def read_file(root: Path, name: str) -> str:
    return within(root, name).read_text(errors="replace")[:50_000]


def write_file(root: Path, name: str, text: str) -> str:
    path = within(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"wrote {len(text)} characters"


def schema(**properties: str) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "additionalProperties": False,
            "properties": {name: {"type": "string", "description": text} for name, text in properties.items()}}


TOOLS = {
    list_files: ("The names of all files.", schema()),
    read_file: ("The text of a file.", schema(name="its name")),
    write_file: ("Makes a file, or writes it anew.", schema(name="its name", text="all of its text")),
}


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The next message."""
    tools = [{"name": tool.__name__, "description": text, "input_schema": form} for tool, (text, form) in TOOLS.items()]
    body = {"model": "claude-sonnet-5-5", "max_tokens": 8000, "messages": messages, "tools": tools,
            "system": "You work on the files of one folder. Look before you write. Be brief."}
    request = urllib.request.Request(f"{BASE}/v1/messages", json.dumps(body).encode(), {
        "content-type": "application/json", "x-api-key": KEY, "anthropic-version": "2023-06-01"})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"agent: {error.code}: {json.load(error)['error']['message']}")


def use(root: Path, call: dict[str, Any]) -> dict[str, Any]:
    """The result of a call. What goes wrong is the model's to read."""
    print(f"{call['name']} {json.dumps(call['input'], ensure_ascii=False)[:100]}", file=sys.stderr)
    result = {"type": "tool_result", "tool_use_id": call["id"]}
    try:
        [tool] = [tool for tool in TOOLS if tool.__name__ == call["name"]]
        return result | {"content": tool(root, **call["input"])}
    except (OSError, TypeError, ValueError) as error:
        return result | {"content": f"{type(error).__name__}: {error}", "is_error": True}


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: agent.py FOLDER TASK...")
    root = Path(sys.argv[1]).resolve(strict=True)
    messages: list[dict[str, Any]] = [{"role": "user", "content": " ".join(sys.argv[2:])}]
    for _ in range(MAX_TURNS):
        message = ask(messages)
        calls = [block for block in message["content"] if block["type"] == "tool_use"]
        print("".join(block["text"] for block in message["content"] if block["type"] == "text"))
        if not calls:
            return
        messages.append({"role": "assistant", "content": message["content"]})
        messages.append({"role": "user", "content": [use(root, call) for call in calls]})
    sys.exit(f"agent: no answer after {MAX_TURNS} turns")


if __name__ == "__main__":
    main()
