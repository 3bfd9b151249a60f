#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A loopback stand-in for the Messages API, for tests (standard library only).

    python3 messages_api.py [--port 0] [--bind ADDRESS] [--gap SECONDS] [--log FILE]

prints the port it listens on, and serves until it is killed. In a test, use ``with MessagesAPI() as api``.

It refuses what the real API would refuse (no credential, no max_tokens, empty text, a tool result without its
call), so that a test that passes here says something; or what its `judge` refuses instead. Else the answer is chosen by marks in the text of the
last user message; any number may be given:

    [[thinking]]              a thinking block, with its signature, before the text
    [[redacted]]              a redacted_thinking block before the text
    [[tool:NAME {"a":1}]]     a tool_use block (repeat it for parallel calls); stop_reason tool_use
    [[notext]]                no text block
    [[say:TEXT]]              TEXT is the answer
    [[len:N]]                 N words are the answer
    [[clock:N]]               N deltas, each the time when it is sent, of CLOCK_MONOTONIC in seconds
    [[cite]]                  a citation in the text block
    [[stop:REASON]]           stop_reason REASON
    [[slow:S]]                S seconds between deltas
    [[delay:S]]               S seconds before the answer begins
    [[ping:N]]                N pings before the first block
    [[error:CODE]]            HTTP status CODE with the API's error body
    [[error:CODExN]]          the same, the first N times this very text is seen
    [[loginerror:CODE]]       the same, for who comes with a login's token
    [[keyerror:CODE]]         the same, for who comes with a key
    [[errmsg:TEXT]]           the message of that error
    [[retryafter:S]]          a retry-after header on it
    [[shouldretry:BOOL]]      an x-should-retry header on it
    [[sse_error:TYPE]]        an error event after the first delta
    [[disconnect]]            the connection is reset after the second delta
    [[disconnect0]]           the connection is reset before any byte of an answer
    [[break:HOW N]]           the first time this very text is seen, the stream ends within block N (0 without it;
                              end: only message_stop is missing),
                              one delta after its start: by `reset`, by `eof` (its formal end, without the events
                              that are missing), or by an error event of the type HOW
    [[gap:N]]                 block N and those after it have an index that is one too high
    [[ratelimit]]             the rate limit headers of a subscription
    [[surplus]]               with the answer another one, that nobody asked for, on the same connection

A last user message that holds only tool results is answered with their text.

``GET /__mock/requests`` gives the log as JSON, ``POST /__mock/reset`` empties it. Its records:

    {"event":"request","n":1,"t":WALL,"mono":MONOTONIC,"method","path","headers":[[name,value]],"bytes","sha256","body"}
    {"event":"response_done","n":1,"status":200,…}     the whole answer was written
    {"event":"client_abort","n":1,"mono":…}            the client went before that; seen within 100 ms
    {"event":"disconnect","n":1}                       we went, as asked

``mono`` is CLOCK_MONOTONIC, the same clock for all processes of a machine. No credential is kept.
"""
from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import itertools
import json
import re
import select
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Iterator

from messages_refusals import refusal_of_blocks, refusal_of_schemas

Json = dict[str, Any]

ERRORS = {
    400: ("invalid_request_error", "this request is invalid"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low"),
    403: ("permission_error", "Your account does not have access"),
    404: ("not_found_error", "model: not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit"),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Timed out"),
    529: ("overloaded_error", "Overloaded"),
}
MODELS = [
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", "2026-09-01T00:00:00Z"),
    ("claude-opus-5-5", "Claude Opus 5.5", "2026-09-01T00:00:00Z"),
    ("claude-haiku-4-5", "Claude Haiku 4.5", "2025-10-01T00:00:00Z"),
]
ANSWER = "Hello from the stand-in. This is a plain text answer."
THINKING = "Let me think about this step by step. The user wants an answer."
SIGNATURE = "c3RhbmQtaW4tc2lnbmF0dXJlLTAxMjM0NTY3ODk="
WATCH = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class ClientGone(Exception):
    """The client closed its connection before the answer was written."""


class Marks:
    """The marks of one prompt."""

    def __init__(self, text: str):
        self.text = text

    def __contains__(self, name: str) -> bool:
        return re.search(r"\[\[%s(:[^\]]*)?\]\]" % name, self.text) is not None

    def get(self, name: str, default: str = "") -> str:
        found = re.search(r"\[\[%s:([^\]]*)\]\]" % name, self.text)
        return found.group(1) if found else default

    def tools(self) -> list[tuple[str, Json]]:
        found = re.findall(r"\[\[tool:([\w.\-]+)\s*(\{.*?\})?\s*\]\]", self.text, re.S)
        return [(name, json.loads(given) if given else {}) for name, given in found]


def blocks_of(message: Json) -> list[Json]:
    """The content of a message as a list of blocks."""
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def last_user(body: Json) -> tuple[str, list[Json]]:
    """The text and the tool results of the last user message. Reminders that the CLI adds don't count."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            blocks = blocks_of(message)
            texts = [b["text"] for b in blocks if b["type"] == "text"]
            texts = [t for t in texts if not t.lstrip().startswith("<system-reminder>")]
            return "\n".join(texts), [b for b in blocks if b["type"] == "tool_result"]
    return "", []


def refusal(body: Any, messages_only: bool = False) -> str | None:
    """Why the real API would refuse this body with a 400, or None."""
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    if not isinstance(body.get("model"), str):
        return "model: Field required"
    if not messages_only and (not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1):
        return "max_tokens: Field required"
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        return "messages: at least one message is required"
    called: set[str] = set()
    for i, message in enumerate(body["messages"]):
        if message.get("role") not in ("user", "assistant", "system"):
            return f"messages.{i}.role: unexpected {message.get('role')!r}"
        calls = set()
        for j, block in enumerate(blocks_of(message)):
            where = f"messages.{i}.content.{j}"
            if block.get("type") == "text" and not block.get("text", "").strip():
                return f"{where}: text content blocks must contain non-whitespace text"
            if block.get("type") == "tool_use":
                if not re.fullmatch(r"[a-zA-Z0-9_-]+", block.get("id", "")):
                    return f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
                calls.add(block["id"])
            if block.get("type") == "tool_result":
                if block.get("tool_use_id") not in called:
                    return f"{where}: unexpected `tool_use_id` found in `tool_result` blocks"
                called.discard(block["tool_use_id"])
        if called:
            return f"messages.{i}: `tool_use` ids were found without `tool_result` blocks after them: {called}"
        called = calls
    return refusal_of_schemas(body) or refusal_of_blocks(body)


def tokens(value: Any) -> int:
    """A rough count, the same for the same value."""
    return max(1, len(json.dumps(value, ensure_ascii=False)) // 4)


def compose(marks: Marks, results: list[Json], number: int) -> list[Json]:
    """The content blocks that the marks ask for."""
    blocks: list[Json] = []
    if "thinking" in marks:
        blocks.append({"type": "thinking", "thinking": THINKING, "signature": SIGNATURE})
    if "redacted" in marks:
        blocks.append({"type": "redacted_thinking", "data": "c3RhbmQtaW4tcmVkYWN0ZWQ="})
    if "notext" not in marks:
        text = ANSWER
        if "say" in marks:
            text = marks.get("say")
        elif "clock" in marks:
            text = " ".join(["clock"] * int(marks.get("clock")))
        elif "len" in marks:
            text = " ".join(f"word{i}" for i in range(int(marks.get("len"))))
        elif results and not marks.text.strip():
            text = "tool result: " + json.dumps([r.get("content") for r in results], ensure_ascii=False)
        block: Json = {"type": "text", "text": text}
        if "cite" in marks:
            block["citations"] = [{
                "type": "char_location", "cited_text": "abc", "document_index": 0, "document_title": "doc",
                "start_char_index": 0, "end_char_index": 3}]
        blocks.append(block)
    for i, (name, given) in enumerate(marks.tools()):
        blocks.append({"type": "tool_use", "id": f"toolu_standin{number:06d}{i:02d}", "name": name, "input": given})
    return blocks


def deltas_of(block: Json) -> tuple[Json, list[Json]]:
    """What a block is when it starts in a stream, and the deltas that complete it."""
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": w} for w in re.findall(r"\s*\S+\s*", block["text"])]
        deltas += [{"type": "citations_delta", "citation": c} for c in block.get("citations", [])]
        return {"type": "text", "text": ""}, deltas
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": w} for w in re.findall(r"\S+\s*", block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if block["type"] == "tool_use":
        text = json.dumps(block["input"], ensure_ascii=False)
        pieces = [""] + [text[k:k + 8] for k in range(0, len(text), 8)]
        return dict(block, input={}), [{"type": "input_json_delta", "partial_json": p} for p in pieces]
    return block, []


def events_of(message: Json, pings: int) -> Iterator[Json]:
    """The stream events of a whole message. Each delta is due one gap after what went before."""
    start = dict(message, content=[], stop_reason=None, stop_sequence=None)
    start["usage"] = dict(message["usage"], output_tokens=1)
    yield {"type": "message_start", "message": start}
    for _ in range(1 + pings):
        yield {"type": "ping"}
    for i, block in enumerate(message["content"]):
        begun, deltas = deltas_of(block)
        yield {"type": "content_block_start", "index": i, "content_block": begun}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": i, "delta": delta}
        yield {"type": "content_block_stop", "index": i}
    usage = {k: v for k, v in message["usage"].items() if k.endswith("_tokens")}
    yield {"type": "message_delta", "usage": usage,
           "delta": {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}}
    yield {"type": "message_stop"}


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server_version = "messages-api-stand-in"
    sys_version = ""
    disable_nagle_algorithm = True
    api: MessagesAPI

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: the log is the records."""

    # What the server owes HTTP.

    def read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        else:
            raw = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw

    def send_json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_error_body(self, n: int, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        kind, usual = ERRORS.get(status, ("api_error", f"status {status}"))
        self.send_json(status, {"type": "error", "error": {"type": kind, "message": message or usual},
                                "request_id": f"req_standin{n:06d}"},
                       {"request-id": f"req_standin{n:06d}"} | (headers or {}))
        self.api.note("response_done", n, status=status)

    def reset(self, n: int) -> None:
        """End the connection with an RST, as a failing network does."""
        self.api.note("disconnect", n)
        self.close_connection = True
        # A reset throws away what the peer's kernel has and the peer has not read yet: give it the time.
        time.sleep(0.1)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def pause(self, seconds: float) -> None:
        """Wait, and see at once when the client goes meanwhile."""
        poll = select.poll()
        poll.register(self.connection, WATCH)
        if poll.poll(seconds * 1000):
            raise ClientGone("the peer closed the connection")

    # Routes.

    def note_request(self) -> tuple[int, Any]:
        raw = self.read_body()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = {"__raw": raw[:2000].decode("utf-8", "replace")}
        masked = ("x-api-key", "authorization", "cookie")
        headers = [[k, "(masked)" if k.lower() in masked else v] for k, v in self.headers.items()]
        n = next(self.api.numbers)
        self.api.note("request", n, method=self.command, path=self.path, headers=headers, bytes=len(raw),
                      sha256=hashlib.sha256(raw).hexdigest(), body=body)
        return n, body

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/__mock/requests":
            return self.send_json(200, self.api.records())
        n, _ = self.note_request()
        path = self.path.split("?")[0]
        models = [{"type": "model", "id": i, "display_name": d, "created_at": c, "lifecycle": "active"} for i, d, c in MODELS]
        if path == "/":
            return self.send_json(200, {"ok": True})
        if path == "/v1/models":
            return self.send_json(200, {"data": models, "has_more": False,
                                        "first_id": models[0]["id"], "last_id": models[-1]["id"]})
        for model in models:
            if path == f"/v1/models/{model['id']}":
                return self.send_json(200, model)
        return self.send_error_body(n, 404, f"no such path: {path}")

    def do_POST(self) -> None:
        if self.path == "/__mock/reset":
            self.read_body()
            self.api.reset()
            return self.send_json(200, {"ok": True})
        n, body = self.note_request()
        path = self.path.split("?")[0]
        if path not in ("/v1/messages", "/v1/messages/count_tokens"):
            return self.send_error_body(n, 404, f"no such path: {path}")
        if not (self.headers.get("x-api-key") or self.headers.get("authorization")):
            return self.send_error_body(n, 401, "x-api-key header is required")
        if wrong := self.api.judge(body, path.endswith("count_tokens")):
            return self.send_error_body(n, 400, wrong)
        if path.endswith("count_tokens"):
            return self.send_json(200, {"input_tokens": tokens(body)})
        try:
            self.send_with_surplus(n, body) if "surplus" in Marks(last_user(body)[0]) else self.answer(n, body)
        except (ClientGone, OSError) as error:
            self.api.note("client_abort", n, error=type(error).__name__)
            self.close_connection = True

    def send_with_surplus(self, n: int, body: Json) -> None:
        """The answer, and one too many as a broken server sends it, in one piece: the next client must not get it."""
        connection, self.wfile = self.wfile, io.BytesIO()
        try:
            self.answer(n, body)
            self.send_json(200, {"id": "msg_surplus", "type": "message", "role": "assistant", "model": body["model"],
                                 "content": [{"type": "text", "text": "an answer that nobody asked for"}],
                                 "stop_reason": "end_turn", "stop_sequence": None,
                                 "usage": {"input_tokens": 1, "output_tokens": 1}})
        finally:
            said, self.wfile = self.wfile.getvalue(), connection
        self.wfile.write(said)

    def answer(self, n: int, body: Json) -> None:
        text, results = last_user(body)
        marks = Marks(text)
        self.pause(float(marks.get("delay", "0")))
        if "disconnect0" in marks:
            return self.reset(n)
        headers = {"request-id": f"req_standin{n:06d}"}
        if "ratelimit" in marks:
            window = "anthropic-ratelimit-unified-"
            headers |= {window + "status": "allowed_warning", window + "reset": str(int(time.time()) + 3600),
                        window + "representative-claim": "five_hour"}
            for name, used, seconds in (("5h", "0.92", 3600), ("7d", "0.31", 400_000)):
                headers |= {f"{window}{name}-utilization": used, f"{window}{name}-status": "allowed",
                            f"{window}{name}-reset": str(int(time.time()) + seconds)}
        payer = "loginerror" if self.headers.get("authorization") else "keyerror"
        mark = payer if payer in marks else "error"
        if mark in marks:
            code, _, times = marks.get(mark).partition("x")
            if not times or self.api.seen(text) <= int(times):
                for name, header in (("retryafter", "retry-after"), ("shouldretry", "x-should-retry")):
                    if name in marks:
                        headers[header] = marks.get(name)
                return self.send_error_body(n, int(code), marks.get("errmsg"), headers)
        blocks = compose(marks, results, n)
        stop = marks.get("stop") or ("tool_use" if marks.tools() else "end_turn")
        message = {
            "id": f"msg_standin{n:06d}", "type": "message", "role": "assistant", "model": body["model"],
            "content": blocks, "stop_reason": stop,
            "stop_sequence": (body.get("stop_sequences") or ["STOP"])[0] if stop == "stop_sequence" else None,
            "usage": {"input_tokens": tokens(body["messages"]), "cache_creation_input_tokens": 11,
                      "cache_read_input_tokens": 22,
                      "cache_creation": {"ephemeral_5m_input_tokens": 11, "ephemeral_1h_input_tokens": 0},
                      "output_tokens": tokens(blocks), "service_tier": "standard"}}
        if not body.get("stream"):
            self.send_json(200, message, headers)
            return self.api.note("response_done", n, status=200)
        self.stream(n, message, marks, headers, text)

    def stream(self, n: int, message: Json, marks: Marks, headers: dict[str, str], text: str) -> None:
        gap = float(marks.get("slow") or self.api.gap)
        self.send_response(200)
        headers |= {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache",
                    "transfer-encoding": "chunked"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        deltas, failed = 0, None
        how, _, place = marks.get("break").partition(" ")
        if how and self.api.seen(text) > 1:
            how = ""
        for event in events_of(message, int(marks.get("ping", "0"))):
            if "gap" in marks and event.get("index", -1) >= int(marks.get("gap")):
                event["index"] += 1
            if event["type"] == "content_block_delta":
                self.pause(gap)
                deltas += 1
                if "clock" in marks:
                    event["delta"]["text"] = f"{time.monotonic():.6f}"
            self.send_event(event)
            if deltas == 1 and "sse_error" in marks:
                failed = marks.get("sse_error") or "overloaded_error"
                self.send_event({"type": "error", "error": {"type": failed, "message": "it failed in mid-stream"}})
                break
            if deltas == 2 and "disconnect" in marks:
                return self.reset(n)
            ends = event["type"] == "message_delta" if place == "end" else (
                event["type"] == "content_block_delta" and event["index"] == int(place or "0"))
            if how and ends:
                if how == "reset":
                    return self.reset(n)
                if how != "eof":
                    self.send_event({"type": "error", "error": {"type": how, "message": "it failed in mid-stream"}})
                failed = how
                break
        self.wfile.write(b"0\r\n\r\n")
        self.api.note("response_done", n, status=200, deltas=deltas, **({"error": failed} if failed else {}))

    def send_event(self, event: Json) -> None:
        data = f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes between two requests is no error."""


class MessagesAPI:
    """A stand-in that serves on a loopback port from `start` to `stop`, or within a `with`."""

    def __init__(self, port: int = 0, bind: str = "127.0.0.1", gap: float = 0.002, log: str | None = None,
                 judge: Callable[[Any, bool], str | None] = refusal):
        self.gap = gap
        self.judge = judge
        self.numbers = itertools.count(1)
        self._log = open(log, "a", encoding="utf-8") if log else None
        self._lock = threading.Lock()
        self._records: list[Json] = []
        self._seen: dict[str, int] = {}
        handler = type("BoundHandler", (Handler,), {"api": self})
        self._server = Server((bind, port), handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{bind}:{self.port}"

    def __enter__(self) -> MessagesAPI:
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.1)

    def note(self, event: str, n: int, **more: Any) -> None:
        """Append a record to the log."""
        record = {"event": event, "n": n, "t": time.time(), "mono": time.monotonic(), **more}
        with self._lock:
            self._records.append(record)
            if self._log:
                self._log.write(json.dumps(record, ensure_ascii=False) + "\n")
                self._log.flush()

    def seen(self, text: str) -> int:
        """How often this text has been asked, this time included."""
        with self._lock:
            self._seen[text] = self._seen.get(text, 0) + 1
            return self._seen[text]

    def records(self, event: str | None = None) -> list[Json]:
        """The log, or its records of one kind."""
        with self._lock:
            return [r for r in self._records if event in (None, r["event"])]

    def bodies(self) -> list[Json]:
        """The bodies that were posted to /v1/messages, in order."""
        posted = [r for r in self.records("request") if r["method"] == "POST"]
        return [r["body"] for r in posted if r["path"].split("?")[0] == "/v1/messages"]

    def wait(self, event: str, seconds: float = 20, count: int = 1) -> Json:
        """The record of this kind with this number, waited for."""
        until = time.monotonic() + seconds
        while len(found := self.records(event)) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"no {event} within {seconds} s: {[r['event'] for r in self.records()]}")
            time.sleep(0.005)
        return found[count - 1]

    def reset(self) -> None:
        """Forget the log and what was seen."""
        with self._lock:
            self._records.clear()
            self._seen.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gap", type=float, default=0.002, help="seconds between deltas")
    parser.add_argument("--log", help="a file that gets the records too, one JSON value a line")
    api = MessagesAPI(**vars(parser.parse_args()))
    print(api.port, flush=True)
    try:
        api.serve()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
