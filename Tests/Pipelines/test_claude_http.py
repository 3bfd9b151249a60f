# SPDX-License-Identifier: MIT
"""claude-http by its pipe, with a stand-in for the Messages API behind it, or an upstream written byte by byte."""
from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from backend import PATH, PROGRAMS, SECRET, ask_for
from http_backend import BEGUN, MESSAGE, STREAM, run, stream_in_chunks  # noqa: F401
from messages_api import MessagesAPI
from patience import fair
from processes import wait_for
from server import free_port
from upstream import Request, Upstream, Wire, data_of, out_of_reach
from wire import text_of


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_a_stream_byte_by_byte(run, size: int) -> None:
    """The data of each event comes as it was sent, however it was cut."""
    with Upstream(stream_in_chunks(size)) as upstream:
        backend = run(upstream.url)
        records = backend.ask("hi", stream=True)
        assert backend.payloads("event") == data_of(STREAM)
        assert records[0]["ctx"] == {"op": "messages"}
        assert records[0]["begin"] == {"status": 200, "headers": {"request-id": "req_1"}}
        end = records[-1]["end"]
        assert end.pop("ttft_ms") >= 0
        assert end == {"model": "m-1", "usage": {"input_tokens": 10, "output_tokens": 7}}


def test_a_request_byte_by_byte(run) -> None:
    """Numbers, escapes, key order, repeated and unknown fields go out as they came; of the headers, those listed."""
    body = (b'{"stream" : true,"z":1.50e0,"a":12345678901234567890123,"t":"\\u00e9\\/ \xc3\xa9 \\ud83d\\ude42",'
            b'"future":{"x":[-0.0, 1e400]},"z":2 ,"messages":[]}')
    ctx = (b'{"op":"messages","http":{"headers":{"anthropic-version":"2024-09-09","anthropic-beta":"b-1, b.2",'
           b'"user-agent":"client/1","x-stainless-os":"Linux","accept":"x/y"}}}')
    with Upstream(stream_in_chunks(100)) as upstream:
        backend = run(upstream.url + "/gateway/")
        backend.process.stdin.write(b'{"rid":"r","ctx":' + ctx + b',"request":' + body + b"}\n")
        backend.process.stdin.flush()
        backend.answer("r")
        [sent] = upstream.requests
    assert sent.line == "POST /gateway/v1/messages HTTP/1.1"
    assert sent.body == body
    assert sent.headers.pop("user-agent").startswith("claude-proxy/")
    assert sent.headers == {
        "host": f"127.0.0.1:{upstream.port}", "content-length": str(len(body)), "content-type": "application/json",
        "anthropic-version": "2024-09-09", "anthropic-beta": "b-1,b.2", "x-api-key": SECRET}


@pytest.mark.parametrize("megabytes", [0.05, 0.0625, 0.1, 20])
def test_large_bodies(run, megabytes: float) -> None:
    """Those that go out piece by piece among them."""
    with Upstream(stream_in_chunks(1000)) as upstream:
        backend = run(upstream.url)
        text = "x" * int(megabytes * (1 << 20))
        for rid in ("a", "b"):
            backend.request(rid, ask_for(text, stream=True))
            assert "event" in backend.answer(rid, 30)[1]
        assert [json.loads(r.body)["messages"][0]["content"] == text for r in upstream.requests] == [True, True]
        # The end is told before the last chunk has come: a request at once after it may need a second connection.
        assert upstream.connections <= 2 and "expect" not in upstream.requests[0].headers


def test_a_token_and_both(run) -> None:
    with Upstream(lambda wire, _: wire.answer(200, MESSAGE)) as upstream:
        for settings in ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "tok\n"}, {"ANTHROPIC_AUTH_TOKEN": "tok"}):
            run(upstream.url, **settings).ask("hi")
        assert [(r.headers.get("x-api-key"), r.headers["authorization"]) for r in upstream.requests] == [
            (None, "Bearer tok"), (SECRET, "Bearer tok")]


def test_the_operations(run, api: MessagesAPI) -> None:
    backend = run(api.url)
    whole = backend.ask("[[say:whole]]", rid="whole")
    assert whole[1]["response"]["content"] == [{"type": "text", "text": "whole"}]
    assert whole[0]["begin"]["headers"]["request-id"].startswith("req_standin")
    assert whole[-1]["end"]["usage"] == whole[1]["response"]["usage"] and whole[-1]["end"]["model"]
    backend.request("count", ask_for("hi"), op="count_tokens")
    assert backend.answer("count")[1]["response"]["input_tokens"] > 0
    backend.request("models", None, op="models")
    assert len(backend.answer("models")[1]["response"]["data"]) == 3
    backend.request("model", None, op="model", model_id="claude-opus-5-5")
    assert backend.answer("model")[1]["response"]["display_name"] == "Claude Opus 5.5"
    backend.request("none", None, op="model", model_id="a/../b?")
    assert backend.answer("none")[0]["error"]["status"] == 404
    backend.request("health", None, op="health", http={"time": 1_700_000_000_000_000})
    health = backend.answer("health")
    assert health[0]["begin"]["status"] == 200
    assert health[1]["response"]["status"] == "healthy" and health[1]["response"]["backend"] == "claude-http"
    paths = [record["path"] for record in api.records("request")]
    assert paths == ["/v1/messages", "/v1/messages/count_tokens", "/v1/models?limit=1000",
                     "/v1/models/claude-opus-5-5", "/v1/models/a%2F..%2Fb%3F"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status, kind", [
    (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"), (403, "permission_error"),
    (404, "not_found_error"), (413, "request_too_large"), (429, "rate_limit_error"), (500, "api_error"),
    (504, "timeout_error"), (529, "overloaded_error")])
def test_each_error(run, api: MessagesAPI, status: int, kind: str, stream: bool) -> None:
    """Status, body and the listed headers as the upstream gave them."""
    marks = f"[[error:{status}]][[retryafter:12]][[shouldretry:false]][[ratelimit]][[errmsg:for you]]"
    [error, end] = run(api.url).ask(marks, stream=stream)
    assert error["ctx"] == {"op": "messages"} and end["end"] == {}
    assert error["error"]["status"] == status
    body = error["error"]["body"]
    assert body["error"] == {"type": kind, "message": "for you"} and body["request_id"].startswith("req_standin")
    headers = error["error"]["headers"]
    assert headers.pop("anthropic-ratelimit-unified-status") == "allowed_warning"
    assert headers["retry-after"] == "12" and headers["x-should-retry"] == "false"
    assert headers["request-id"] == body["request_id"]
    assert all(name.startswith("anthropic-ratelimit-") for name in headers.keys() - {
        "retry-after", "x-should-retry", "request-id"})


@pytest.mark.parametrize("kind, status", [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500)])
def test_an_error_in_mid_stream(run, api: MessagesAPI, kind: str, status: int) -> None:
    records = run(api.url).ask(f"[[sse_error:{kind}]]", stream=True)
    assert [list(record)[-1] for record in records[-3:]] == ["event", "error", "end"]
    assert records[-2]["error"]["status"] == status
    assert records[-2]["error"]["body"]["error"] == {"type": kind, "message": "it failed in mid-stream"}
    assert records[-1]["end"]["usage"]["input_tokens"] > 0


@pytest.mark.parametrize("mark, kinds", [("disconnect0", ["error", "end"]), ("disconnect", ["begin", "error", "end"])])
def test_a_connection_that_breaks(run, api: MessagesAPI, mark: str, kinds: list[str]) -> None:
    backend = run(api.url)
    records = backend.ask(f"[[{mark}]]", stream=True)
    assert [list(record)[-1] for record in records if "event" not in record] == kinds
    assert records[-2]["error"]["status"] == 502 and records[-2]["error"]["body"]["error"]["type"] == "api_error"
    # The next request is none the worse for it.
    assert "response" in backend.ask("hi", rid="next")[1]


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + STREAM[:-60],
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"data: {\"a\n\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"a\":1}",
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x16\x03\x01\x02\x00\xff\xfe\n\n",
    b"",
])
def test_nonsense_from_upstream(run, answer: bytes) -> None:
    """Whatever comes, the request ends once, with a 502."""
    def play(wire: Wire, _: Request) -> bool:
        wire.send(answer)
        return True

    with Upstream(play) as upstream:
        records = run(upstream.url).ask("hi", stream=True)
        assert records[-2]["error"]["status"] == 502, records
        assert not any(request.line.startswith("GET") for request in upstream.requests)


def test_no_redirect_is_followed(run) -> None:
    """The key goes nowhere but where the operator said."""
    with Upstream(lambda wire, _: wire.answer(200, MESSAGE)) as elsewhere:
        with Upstream(lambda wire, _: wire.answer(307, b"", location=f"{elsewhere.url}/v1/messages")) as upstream:
            records = run(upstream.url).ask("hi")
        assert records[0]["error"]["status"] == 502 and not elsewhere.requests
        assert elsewhere.url not in json.dumps(records)


def test_an_error_that_is_not_the_apis(run) -> None:
    with Upstream(lambda wire, _: wire.answer(503, b"<html>at 10.1.2.3</html>", "text/html")) as upstream:
        [error, _] = run(upstream.url).ask("hi")
    assert error["error"] == {"status": 503, "headers": {}, "body": {
        "type": "error", "error": {"type": "api_error", "message": "the API answered with status 503"},
        "request_id": "r"}}


def test_lines_within_an_answer(run) -> None:
    """An answer of several lines is one line in the record, and a stream's data too; not a byte else changes."""
    with Upstream(lambda wire, _: wire.answer(200, b'{\r\n  "content": [],\n  "b": "\\n", "c":1.0\n}\n')) as upstream:
        backend = run(upstream.url)
        backend.ask("hi")
        assert backend.payloads("response") == [b'{    "content": [],   "b": "\\n", "c":1.0 } ']


def test_halves_of_surrogate_pairs(run) -> None:
    """An escape that stands for no character is U+FFFD: some clients can't read it, others can't write it again."""
    said, kept = rb'a\ud83d\ude00b\ud83dc\ude00\\ud83d', rb'a\ud83d\ude00b\ufffdc\ufffd\\ud83d'
    message = b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"%b"}]}'
    event = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b"}}'
    start = b'{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[]}}'
    end = [b'{"type":"message_delta","delta":{"stop_reason":"end_turn"}}', b'{"type":"message_stop"}']
    with Upstream(lambda wire, _: wire.answer(200, message % said)) as upstream:
        backend = run(upstream.url)
        backend.ask("hi")
        assert backend.payloads("response") == [message % kept]
    stream = b"".join(b"data: " + data + b"\n\n" for data in (start, event % said, *end))
    with Upstream(lambda wire, _: wire.answer(200, stream, "text/event-stream")) as upstream:
        backend = run(upstream.url)
        backend.ask("hi", stream=True)
        assert backend.payloads("event") == [start, event % kept, *end]


def test_cancel_closes_the_upstream_at_once(run, api: MessagesAPI) -> None:
    backend = run(api.url)
    backend.request("c", ask_for("[[len:1000]][[slow:0.05]]", stream=True))
    backend.wait("c", "event")
    gone = time.monotonic()
    backend.send({"rid": "c", "cancel": True}, {"rid": "nobody", "cancel": True})
    records = backend.answer("c")
    assert records[-1] == {"rid": "c", "end": {"cancelled": True}}
    took = fair(gone, api.wait("client_abort")["mono"])
    assert took < 0.2, took
    backend.request("d", ask_for("[[delay:30]]"))
    wait_for("the request has come", lambda: len(api.records("request")) == 2)
    gone = time.monotonic()
    backend.send({"rid": "d", "cancel": True})
    assert backend.answer("d") == [{"rid": "d", "end": {"cancelled": True}}]
    took = fair(gone, api.wait("client_abort", count=2)["mono"])
    assert took < 0.5, took
    assert backend.close() == 0 and "nobody" not in backend.kept


def test_two_hundred_at_once(run, api: MessagesAPI) -> None:
    backend = run(api.url)
    for number in range(200):
        backend.request(f"r{number}", ask_for(f"[[say:answer {number} is here]][[slow:0.1]]", stream=True))
    began = time.monotonic()
    for number in range(200):
        records = backend.answer(f"r{number}", 30)
        text = "".join(record["event"].get("delta", {}).get("text", "") for record in records if "event" in record)
        assert text == f"answer {number} is here"
    assert fair(began) < 20
    assert backend.close() == 0


def test_connections_are_kept(run, api: MessagesAPI) -> None:
    with Upstream(stream_in_chunks(100)) as upstream:
        backend = run(upstream.url)
        for number in range(20):
            backend.ask("hi", rid=f"r{number}", stream=True)
        assert upstream.connections <= 3


def test_times(run) -> None:
    def silent(wire: Wire, request: Request) -> bool:
        if b"begun" in request.body:
            wire.head()
            wire.chunk(STREAM[:200])
        wire.wait_closed()
        return True

    with Upstream(silent) as upstream:
        backend = run(upstream.url, IDLE_TIMEOUT="1")
        for rid, text in (("a", "never"), ("b", "begun")):
            began = time.monotonic()
            records = backend.ask(text, rid=rid, stream=True)
            assert records[-2]["error"]["status"] == 504
            assert records[-2]["error"]["body"]["error"]["type"] == "timeout_error"
            assert 0.9 < time.monotonic() - began and fair(began) < 2
        # Nothing comes of an answer that isn't streamed before it is whole: only the time for all of it counts.
        backend = run(upstream.url, "--request-timeout", "2", "--idle-timeout", "1")
        began = time.monotonic()
        assert backend.error("whole")["status"] == 504
        assert 1.9 < time.monotonic() - began and fair(began) < 3


def test_pings_are_no_silence(run) -> None:
    def play(wire: Wire, _: Request) -> None:
        wire.head()
        for _ in range(8):
            wire.chunk(b'event: ping\ndata: {"type":"ping"}\n\n')
            time.sleep(0.2)
        wire.chunk(STREAM)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream:
        records = run(upstream.url, IDLE_TIMEOUT="1").ask("hi", stream=True)
        assert "end" in records[-1] and not any("error" in record for record in records)


def test_an_upstream_that_can_t_be_reached(run) -> None:
    port = free_port()
    backend = run(f"http://127.0.0.1:{port}")
    error = backend.error("hi")
    assert error["status"] == 502 and error["body"]["error"]["type"] == "api_error"
    assert str(port) not in json.dumps(error) and "127.0.0.1" not in json.dumps(error)
    assert f"{port}" in backend.log.read_text(), "the operator is told where"
    with out_of_reach() as port:
        error = run(f"http://127.0.0.1:{port}", "--connect-timeout", "1").error("hi")
        assert error["status"] == 504 and error["body"]["error"]["type"] == "timeout_error"


def test_no_key(run, api: MessagesAPI) -> None:
    backend = run(api.url, ANTHROPIC_API_KEY="")
    error = backend.error("hi")
    assert error["status"] == 401 and error["body"]["error"]["type"] == "authentication_error"
    assert "ANTHROPIC_API_KEY" in error["body"]["error"]["message"]
    backend.request("h", None, op="health")
    [begin, response, _] = backend.answer("h")
    assert begin["begin"]["status"] == 503
    assert response["response"]["status"] == "unhealthy" and response["response"]["error"] == "no API key"
    assert not api.records()


@pytest.mark.parametrize("body, ctx", [
    (None, {}), ([], {}), ("text", {}), ({}, {"http": {"headers": {"anthropic-beta": "a\r\nx-evil: 1"}}}),
    ({}, {"http": {"headers": {"anthropic-version": "1 2"}}})])
def test_what_is_refused_here(run, api: MessagesAPI, body: Any, ctx: dict[str, Any]) -> None:
    backend = run(api.url)
    backend.request("r", body, **ctx)
    assert backend.answer("r")[0]["error"]["status"] == 400 and not api.records()


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/passwd", "api.anthropic.com", "https://me:hunter2@x/",
                                 "http://x/?hunter2", "https:///v1"])
def test_a_base_that_is_none(url: str) -> None:
    for arguments, settings in (((), {"ANTHROPIC_BASE_URL": url}), (("--base-url", url), {})):
        said = subprocess.run([PROGRAMS / "claude-http", *arguments], env={"PATH": PATH} | settings,
                              input=b"", capture_output=True, timeout=10)
        assert said.returncode == 78 and b"ANTHROPIC_BASE_URL" in said.stderr and b"hunter2" not in said.stderr


@pytest.mark.parametrize("arguments, settings, status", [
    (("--decline", "200"), {}, 64), (("--decline", "x"), {}, 64), (("--idle-timeout", "0"), {}, 64),
    ((), {"IDLE_TIMEOUT": "soon"}, 78), ((), {"ANTHROPIC_API_KEY": "a\nb"}, 78)])
def test_settings_that_are_none(arguments: tuple[str, ...], settings: dict[str, str], status: int) -> None:
    said = subprocess.run([PROGRAMS / "claude-http", *arguments], env={"PATH": PATH} | settings, input=b"",
                          capture_output=True, timeout=10)
    assert said.returncode == status, said


def test_declined_requests_go_on_as_they_came(run) -> None:
    """Before the first event only; a cancel follows its request, and what isn't declined is answered."""
    def play(wire: Wire, request: Request) -> None:
        if status := re.search(rb"fail (\d+)", request.body):
            return wire.answer(int(status[1]), b'{"type":"error","error":{"type":"x","message":""}}')
        wire.head()
        if b"in stream" in request.body:
            wire.chunk(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":""}}\n\n')
        elif b"late" in request.body:
            wire.chunk(BEGUN + b'data: {"type":"error","error":{"type":"overloaded_error","message":""}}\n\n')
        else:
            wire.chunk(STREAM)
        wire.send(b"0\r\n\r\n")

    lines = [b'{"rid":"%s", "ctx" : {"op":"messages"}, "request" : {"stream":true,"n":1.0e0,"t":"%s"}}\n' % (
        rid, text) for rid, text in ((b"a", b"fail 429"), (b"b", b"fail 500"), (b"c", b"in stream"), (b"d", b"late"),
                                     (b"e", b"good"))]
    with Upstream(play) as upstream:
        backend = run(upstream.url, "--decline", "401,429,529")
        backend.process.stdin.write(b"".join(lines))
        backend.process.stdin.flush()
        for rid in ("a", "c"):
            backend.wait(rid, "request")
        assert lines[0] in backend.raw and lines[2] in backend.raw
        assert backend.answer("b")[0]["error"]["status"] == 500
        late = backend.answer("d")
        assert "begin" in late[0] and late[-2]["error"]["status"] == 529
        assert [list(record)[-1] for record in backend.answer("e")] == ["begin"] + 6 * ["event"] + ["end"]
        backend.send({"rid": "a", "cancel": True})
        backend.wait("a", "cancel")
        assert backend.close() == 0
    assert not any("end" in record for rid in ("a", "c") for record in backend.kept[rid])
    # Where there is no key, everything goes on: the next backend may have what it takes.
    line = b'{"rid":"h","ctx":{"op":"health"},"request":null}\n'
    said = subprocess.run([PROGRAMS / "claude-http", "--decline", "401"], env={"PATH": PATH}, input=line + lines[0],
                          capture_output=True, timeout=10)
    assert said.stdout == line + lines[0]


def test_secrets_stay_where_they_are(run, api: MessagesAPI) -> None:
    backend = run(api.url, "--log-level", "debug")
    for rid, text in (("a", "hi"), ("b", "[[error:401]]"), ("c", "[[disconnect0]]")):
        backend.ask(text, rid=rid)
    command = Path(f"/proc/{backend.process.pid}/cmdline").read_bytes()
    for place in (command, b"".join(backend.raw), backend.log.read_bytes()):
        assert SECRET.encode() not in place


def test_bare_bodies_keep_their_order(api: MessagesAPI) -> None:
    bodies = [ask_for("[[say:first]][[delay:0.3]]"), ask_for("[[say:second]]"), ask_for("[[error:429]]"),
              ask_for("[[say:last]]")]
    text = "".join(json.dumps(body) + "\n" for body in bodies)
    said = subprocess.run([PROGRAMS / "claude-http"], env={"PATH": PATH, "ANTHROPIC_BASE_URL": api.url,
                          "ANTHROPIC_API_KEY": SECRET}, input=text.encode(), capture_output=True, timeout=10)
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert [answer.get("content", [{}])[0].get("text") for answer in answers] == ["first", "second", None, "last"]
    assert said.returncode == 0 and answers[2]["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(run, api: MessagesAPI, number: signal.Signals) -> None:
    backend = run(api.url)
    backend.request("a", ask_for("[[len:100]][[slow:0.1]]", stream=True))
    backend.wait("a", "event")
    told = time.monotonic()
    backend.process.send_signal(number)
    assert backend.process.wait(20) == 0
    assert fair(told, api.wait("client_abort")["mono"]) < 2 and fair(told) < 2


def test_the_end_of_the_input_waits_for_answers(run, api: MessagesAPI) -> None:
    backend = run(api.url)
    backend.request("a", ask_for("[[len:20]][[slow:0.02]]", stream=True))
    assert backend.close() == 0
    assert "usage" in backend.answer("a")[-1]["end"]


def test_a_reader_that_goes_ends_it(api: MessagesAPI) -> None:
    """Quietly, with its work, though its input stays open."""
    with subprocess.Popen([PROGRAMS / "claude-http"], env={"PATH": PATH, "ANTHROPIC_BASE_URL": api.url,
                          "ANTHROPIC_API_KEY": SECRET}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdin.write(json.dumps(ask_for("[[len:1000]][[slow:0.02]]", stream=True)).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b'{"type": "message_start"')
        process.stdout.close()
        closed = time.monotonic()
        assert process.wait(20) == 0 and process.stderr.read() == b""
    assert fair(closed, api.wait("client_abort")["mono"]) < 2 and fair(closed) < 2


def test_the_whole_proxy(start, api: MessagesAPI) -> None:
    """Both dialects, whole and as a stream; the API's headers and errors reach the client."""
    proxy = start(BACKEND="claude-http", ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=SECRET)
    for path in ("/v1/messages", "/openai/v1/chat/completions"):
        answer = proxy.ask("POST", path, ask_for("[[say:by key]][[ratelimit]]"))
        assert answer.status == 200 and b"by key" in answer.body
        assert answer.headers["anthropic-ratelimit-unified-status"] == "allowed_warning"
        stream = proxy.stream(path, ask_for("[[say:by key, as a stream]]", stream=True))
        assert text_of(list(stream)) == "by key, as a stream"
        answer = proxy.ask("POST", path, ask_for("[[error:429]][[retryafter:9]]"))
        assert answer.status == 429 and answer.headers["retry-after"] == "9"
    assert proxy.ask("POST", "/v1/messages/count_tokens", ask_for("hi")).json["input_tokens"] > 0
    assert len(proxy.ask("GET", "/v1/models").json["data"]) == 3
    assert proxy.ask("GET", "/v1/models/claude-opus-5-5").json["id"] == "claude-opus-5-5"
    health = proxy.ask("GET", "/health")
    assert health.status == 200 and health.json["backend"] == "claude-http"
    assert SECRET not in proxy.log.read_text()


def test_a_chain_falls_over(start, api: MessagesAPI) -> None:
    """What the first backend declines, the second answers."""
    proxy = start(BACKEND="claude-http,claude-echo", ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=SECRET)
    for status in (401, 429, 529):
        for stream in (False, True):
            answer = proxy.ask("POST", "/v1/messages", ask_for(f"[[error:{status}]]", stream=stream))
            # claude-echo takes the same mark, and says who it is.
            assert answer.status == status and b"claude-echo was told to fail" in answer.body, answer
    assert b"by the first" in proxy.ask("POST", "/v1/messages", ask_for("[[say:by the first]]")).body
    answer = proxy.ask("POST", "/v1/messages", ask_for("[[error:403]]"))
    assert answer.status == 403 and b"claude-echo" not in answer.body
