# SPDX-License-Identifier: MIT
"""Messages requests of all kinds, made up: the same number always gives the same request."""
from __future__ import annotations

import base64
import random
import struct
import zlib
from typing import Any

Json = dict[str, Any]
MODELS = ["claude-sonnet-4-5", "claude-opus-5-5", "claude-haiku-4-5", "claude-sonnet-5-5", "claude-opus-4-1"]
TEXTS = [
    "plain words", "  spaces around  ", "two\nlines\r\nand a return", "\ttab", "Grüße, 世界, 🦉, שלום, e\u0301",
    "\u2028 and \u2029", 'quotes " and \\ and \\n', "<tag attribute='1'>&amp;</tag>", "```swift\nlet a = 1\n```",
    "@/etc/hostname", "/help", "!ls", "# memory", "[Image #1]", "<system-reminder>the client's own</system-reminder>",
    "\u0001 control \u001b[31m", "x" * 3000, "{\"type\":\"text\"}", "No response requested.", "Continue."]
TOOL_NAMES = ["weather", "Bash", "Read", "mcp__server__tool", "a-b_C9", "StructuredOutput", "Task"]


def png(width: int, height: int, noise: random.Random) -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(image).decode()


class Generator:
    """Makes one request."""

    def __init__(self, number: int):
        self.random = random.Random(number)
        self.number = number
        self.marks = self.random.choice([0, 0, 0, 1, 2, 4])
        self.calls = 0

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def text(self) -> str:
        return " ".join(self.random.choice(TEXTS) for _ in range(self.random.randint(1, 3))) + "."

    def marked(self, block: Json) -> Json:
        """With a cache mark, while there are some left: the API takes four."""
        if self.marks and self.maybe(0.3):
            self.marks -= 1
            return block | {"cache_control": {"type": "ephemeral"} | ({"ttl": "1h"} if self.maybe(0.3) else {})}
        return block

    def image(self) -> Json:
        if self.maybe(0.4):
            return {"type": "image", "source": {"type": "url", "url": "https://example.com/a%20b.png?x=1&y=2"}}
        side = self.random.choice([1, 8, 40, 300])
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(side, side, self.random)}}

    def document(self) -> Json:
        pdf = base64.b64encode(b"%PDF-1.4\n" + self.random.randbytes(self.random.choice([50, 20_000]))).decode()
        source = self.random.choice([
            {"type": "base64", "media_type": "application/pdf", "data": pdf},
            {"type": "text", "media_type": "text/plain", "data": self.text()},
            {"type": "url", "url": "https://example.com/paper.pdf"}, {"type": "file", "file_id": "file_011"},
            {"type": "content", "content": [{"type": "text", "text": self.text()}]}])
        block: Json = {"type": "document", "source": source}
        if self.maybe(0.5):
            block |= {"title": self.text()[:200], "context": self.text()}
        return block | ({"citations": {"enabled": True}} if self.maybe(0.3) else {})

    def part(self) -> Json:
        """A block of a user's turn."""
        kind = self.random.choice(["text", "text", "text", "image", "document", "search"])
        if kind == "text":
            return self.marked({"type": "text", "text": self.text()})
        if kind == "search":
            return {"type": "search_result", "source": "https://example.com", "title": self.text()[:100],
                    "content": [{"type": "text", "text": self.text()}], "citations": {"enabled": True}}
        return self.marked(self.image() if kind == "image" else self.document())

    def user(self) -> Json:
        if self.maybe(0.4):
            return {"role": "user", "content": self.text()}
        return {"role": "user", "content": [self.part() for _ in range(self.random.randint(1, 4))]}

    def result(self, call: str) -> Json:
        block: Json = {"type": "tool_result", "tool_use_id": call}
        kind = self.random.choice(["none", "text", "blocks", "images"])
        if kind == "text":
            block["content"] = self.text()
        elif kind != "none":
            block["content"] = [{"type": "text", "text": self.text()}]
            block["content"] += [self.image()] if kind == "images" else []
        if self.maybe(0.3):
            block["is_error"] = self.maybe(0.7)
        return self.marked(block)

    def assistant(self) -> list[Json]:
        """A turn of the model's; with the results of its calls, where it has some."""
        if self.maybe(0.3):
            return [{"role": "assistant", "content": self.text()}]
        parts: list[Json] = []
        if self.maybe(0.3):
            parts.append({"type": "thinking", "thinking": self.text(), "signature": "c2lnbmF0dXJl" * 9})
        if self.maybe(0.1):
            parts.append({"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="})
        if self.maybe(0.1):
            parts += [{"type": "server_tool_use", "id": f"srvtoolu_{self.calls}", "name": "web_search", "input": {"query": "q"}},
                      {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{self.calls}", "content": [
                          {"type": "web_search_result", "url": "https://a.b", "title": "t", "encrypted_content": "ZQ==", "page_age": None}]}]
        parts.append(self.marked({"type": "text", "text": self.text()}))
        if not self.maybe(0.4):
            return [{"role": "assistant", "content": parts}]
        calls = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            self.calls += 1
            calls.append(f"toolu_{self.number}_{self.calls}")
            given = self.random.choice([{}, {"a": 1.5, "b": [True, None, -3]}, {"text": self.text(), "deep": {"er": {"x": []}}},
                                        {"2": "b", "1": "a", "__proto__": "p", "big": 12345678901234567890, "real": 2.0}])
            parts.append(self.marked({"type": "tool_use", "id": calls[-1], "name": self.random.choice(TOOL_NAMES), "input": given}))
        results = [self.result(call) for call in calls]
        if self.maybe(0.3):
            results.append({"type": "text", "text": self.text()})
        return [{"role": "assistant", "content": parts}, {"role": "user", "content": results}]

    def messages(self) -> list[Json]:
        first = {"role": "user", "content": [{"type": "text", "text": f"request-{self.number}-begins"}]}
        if self.maybe(0.4):
            first["content"].append(self.part())
        messages = [first]
        for _ in range(self.random.choice([0, 0, 1, 2, 5, 60 if self.maybe(0.3) else 9])):
            messages += self.assistant()
            if messages[-1]["role"] == "assistant" or self.maybe(0.15):
                messages.append(self.user())
            if self.maybe(0.04):
                messages.append({"role": "system", "content": self.text()})
        if messages[-1]["role"] == "user" and self.maybe(0.08):
            messages.append({"role": "assistant", "content": "The answer begins"})
        elif self.maybe(0.05):
            messages[-1]["name"] = "someone"
        return messages

    def tools(self) -> list[Json]:
        schema = {"type": "object", "required": ["b"], "properties": {
            "b": {"type": "string", "enum": ["x", "y"]}, "a": {"type": "number", "minimum": 0.5, "maximum": 1e3}}}
        tools: list[Json] = []
        for name in self.random.sample(TOOL_NAMES, self.random.randint(1, 5)):
            tool: Json = {"name": name, "description": self.text(), "input_schema": schema}
            tool |= {"strict": True} if self.maybe(0.2) else {}
            tool |= {"input_examples": [{"b": "x"}]} if self.maybe(0.2) else {}
            tools.append(self.marked(tool | ({"type": "custom"} if self.maybe(0.2) else {})))
        if self.maybe(0.3):
            tools.append({"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "allowed_domains": ["a.b"]})
        return tools

    def system(self) -> Any:
        kind = self.random.choice(["text", "text", "empty", "one", "more", "null"])
        if kind in ("text", "empty", "null"):
            return {"text": self.text(), "empty": "", "null": None}[kind]
        return [self.marked({"type": "text", "text": self.text()}) for _ in range(1 if kind == "one" else 3)]

    def request(self) -> Json:
        body: Json = {"model": self.random.choice(MODELS), "max_tokens": self.random.choice([1, 99, 4096, 64000])}
        if self.maybe(0.7):
            body["system"] = self.system()
        body["messages"] = self.messages()
        if self.maybe(0.5):
            body["tools"] = self.tools()
            if self.maybe(0.6):
                body["tool_choice"] = self.random.choice([
                    {"type": "auto"}, {"type": "any", "disable_parallel_tool_use": True}, {"type": "none"},
                    {"type": "tool", "name": body["tools"][0]["name"]}])
        for name, values in (
            ("temperature", [0, 0.7, 1]), ("top_p", [0.5, 1]), ("top_k", [1, 40]), ("stream", [True, False]),
            ("stop_sequences", [["END"], ["\n\nHuman:", "🦉", "</x>"], []]), ("service_tier", ["auto", "standard_only"]),
            ("metadata", [{"user_id": "someone"}, {}]), ("inference_geo", ["eu"]), ("speed", ["fast"]),
            ("thinking", [{"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}, {"type": "adaptive"},
                          {"type": "adaptive", "display": "summarized"}]),
            ("output_config", [{"effort": "low"}, {"format": {"type": "json_schema", "schema": {"type": "object"}}},
                               {"effort": "high", "task_budget": {"type": "tokens", "total": 64000}}]),
            ("context_management", [{"edits": [{"type": "clear_tool_uses_20250919"}]}]),
            ("container", ["container_01", {"id": "c", "skills": []}]), ("cache_control", [{"type": "ephemeral"}]),
            ("mcp_servers", [[{"type": "url", "name": "m", "url": "https://m.example/sse"}]]),
            ("future_parameter", [{"a": [1]}]),
        ):
            if self.maybe(0.25 if name not in ("future_parameter", "cache_control") else 0.06):
                body[name] = self.random.choice(values)
        return body


def request(number: int) -> Json:
    """The request of that number; its first text names it."""
    return Generator(number).request()
