# SPDX-License-Identifier: MIT
"""http-frontd from outside: HTTP in, records out, and the other way round.

The pipeline is a stand-in, front_stage.py: what it answers is told by the request's model.
"""

import concurrent.futures
import contextlib
import glob
import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time

import pytest
from front import FRONT, JSON, STAGE, Front, check_error, eventually, gone, read_all, read_until, request, start
from patience import fair


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    server = Front(tmp_path_factory.mktemp("front"), "--max-body", "100000")
    yield server
    stages = server.stages()
    assert server.stop() == 0
    assert all(gone(pid) for pid in stages)


# Routes


@pytest.mark.parametrize("method, path, op, dialect", [
    ("POST", "/openai/v1/chat/completions", "messages", "openai"),
    ("GET", "/openai/v1/models", "models", "openai"),
    ("GET", "/openai/v1/models/m", "model", "openai"),
    ("POST", "/v1/messages", "messages", "anthropic"),
    ("POST", "/v1/messages/count_tokens", "count_tokens", "anthropic"),
    ("POST", "/v1/chat/completions", "messages", "auto"),
    ("GET", "/v1/models", "models", "auto"),
    ("GET", "/v1/models/m", "model", "auto"),
    # What people's base URLs make; PureTests.swift has many more.
    ("POST", "/chat/completions?x=y", "messages", "openai"),
    ("POST", "/openai/chat/completions/", "messages", "openai"),
    ("POST", "/v1/v1/chat/completions", "messages", "auto"),
    ("POST", "/messages?beta=true", "messages", "anthropic"),
    ("POST", "/anthropic/v1/messages", "messages", "anthropic"),
    ("POST", "//v1//messages/count_tokens/?beta=true", "count_tokens", "anthropic"),
    ("GET", "/models", "models", "auto"),
    ("GET", "/openai/models/m", "model", "openai"),
    ("GET", "/anthropic/models", "models", "anthropic"),
])
def test_routes(front, method, path, op, dialect):
    status, headers, body = front.ask(method, path, "{}" if method == "POST" else None)
    answer = json.loads(body)
    assert status == 200
    assert (answer["ctx"]["op"], answer["ctx"]["dialect"]) == (op, dialect)
    assert answer["ctx"].get("model_id") == ("m" if op == "model" else None)
    assert answer["request"] == ({} if method == "POST" else None)
    assert answer["rid"] == headers["x-request-id"] == headers["request-id"]
    assert len(answer["rid"]) <= 15 and re.fullmatch(r"[A-Za-z0-9_]+", answer["rid"])


def test_context(front):
    headers = JSON | {
        "anthropic-version": "2023-06-01", "x-stainless-lang": "python", "user-agent": "OpenAI/1",
        "x-api-key": "secret-1", "authorization": "Bearer secret-2", "cookie": "secret-3", "x-other": "4"}
    before = time.time()
    _, _, body = front.ask("POST", "/v1/messages?beta=true", "{}", headers)
    http_ = json.loads(body)["ctx"]["http"]
    assert (http_["method"], http_["path"], http_["query"]) == ("POST", "/v1/messages", "beta=true")
    assert http_["headers"]["anthropic-version"] == "2023-06-01"
    assert http_["headers"]["x-stainless-lang"] == "python"
    assert http_["headers"]["user-agent"] == "OpenAI/1"
    assert "x-other" not in http_["headers"] and b"secret" not in body
    assert http_["auth"] == "x-api-key" and http_["peer"] == "127.0.0.1"
    assert before - 1 < http_["time"] / 1e6 < time.time() + 1
    _, _, body = front.ask("POST", "/v1/messages", "{}", JSON | {"authorization": "Bearer secret-2"})
    assert json.loads(body)["ctx"]["http"]["auth"] == "bearer"


@pytest.mark.parametrize("sent, kind", [
    ("Bearer", "empty"), ("bearer  ", "empty"), ("", "empty"), ("Bearer x", "bearer"), ("Basic eDp5", None)])
def test_an_authorization_without_a_token(front, sent, kind):
    _, _, body = front.ask("POST", "/v1/messages", "{}", JSON | {"authorization": sent})
    assert json.loads(body)["ctx"]["http"].get("auth") == kind


@pytest.mark.parametrize("method, path, headers", [
    ("GET", "/" + "a" * 60_000, {}), ("DELETE", "/v1/models/" + "a" * 60_000, {}),
    ("GET", "/v1/models", {"host": "a" * 60_000}), ("GET", "/", {"host": "[::1]:" + "0" * 60_000 + "80"}),
    ("GET", "/", {"host": "a" * 60_000 + ".localhost"}),
    ("POST", "/v1/messages", {"content-type": "a" * 60_000, "content-length": "0"})])
def test_an_answer_repeats_only_a_part_of_the_request(front, method, path, headers):
    _, _, body = front.ask(method, path, None, headers)
    assert len(body) < 4096, body[:200]


def test_the_pipeline_can_make_no_large_head(front):
    """However long the names are that it is made of."""
    status, headers, _ = front.post({"model": "long", "name": "é" * 15_000})
    assert status == 200 and headers["x-good"] == "yes"
    assert 1000 < len(headers["x-claude-model"].encode("latin-1")) <= 1024
    assert headers["x-claude-model"].encode("latin-1").decode() == "é" * 512
    assert sum(len(name) + len(value) for name, value in headers.items()) < 20_000


def test_chat_completions_dialect(start):
    server = start("--chat-completions-dialect", "openai")
    assert json.loads(server.post({}, "/v1/chat/completions")[2])["ctx"]["dialect"] == "openai"


def test_unknown_path(front):
    check_error(*front.ask("GET", "/v2/messages"), 404, "not_found_error")


def test_wrong_method(front):
    status, headers, body = front.ask("GET", "/v1/messages")
    check_error(status, headers, body, 405)
    assert headers["allow"] == "POST, OPTIONS"
    status, headers, body = front.ask("POST", "/v1/models", "{}")
    check_error(status, headers, body, 405)
    assert headers["allow"] == "GET, HEAD, OPTIONS"


def test_options(front):
    status, headers, body = front.ask("OPTIONS", "/v1/messages")
    assert (status, headers["allow"], body) == (204, "POST, OPTIONS", b"")
    assert front.ask("OPTIONS", "/nothing")[0] == 404


def test_content_type(front):
    for type_ in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"]:
        check_error(*front.ask("POST", "/v1/messages", "{}", {"content-type": type_}), 415)
    check_error(*front.ask("POST", "/v1/messages", "{}", {}), 415)
    for type_ in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]:
        assert front.ask("POST", "/v1/messages", "{}", {"content-type": type_})[0] == 200


def test_origin(front):
    requests = lambda: [record for record in front.seen() if "request" in record]
    seen = len(requests())
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"]:
        check_error(*front.ask("POST", "/v1/messages", "{}", JSON | {"origin": origin}), 403, "permission_error")
    assert len(requests()) == seen
    same = {"origin": f"http://127.0.0.1:{front.port}"}
    assert front.ask("POST", "/v1/messages", "{}", JSON | same)[0] == 200


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_gets_none(front, status):
    """Or its bytes would be the answer to the next request."""
    with front.socket() as client:
        client.sendall(request({"model": "empty", "status": status}) + request({"model": "error"}))
        heads = [read_until(client, b"\r\n\r\n")]
        heads = (heads[0] if b" 429 " in heads[0] else heads[0] + read_until(client, b"error")).split(b"HTTP/1.1 ")
    assert [head[:3] for head in heads] == [b"", b"%d" % status, b"429"]


@pytest.mark.parametrize("length", [9, 11])
def test_an_answer_of_another_length_than_it_says_is_broken_off(front, length):
    """Neither may the client wait for more, nor take what is too much for the next answer."""
    answer = front.raw(request({"model": "length", "n": length}))
    assert answer.partition(b"\r\n\r\n")[2] in (b"", b"x" * 9)
    assert front.post({"model": "error"})[0] == 429


# Bodies


@pytest.mark.parametrize("body, position", [
    ('{"a":1,}', 7), ('{"a":tru}', 8), ("", 0), ('{"a":1', 6), ('{"a":"\x01"}', 6), ("{} x", 3), ('{"a":01}', 6)])
def test_not_json(front, body, position):
    message = check_error(*front.ask("POST", "/v1/messages", body, JSON), 400)
    assert f"at byte {position}," in message


def test_not_json_in_pieces(front):
    """The fault is answered where it stands, before the rest of the body has come."""
    with front.socket() as client:
        client.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                       b"content-length: 1000\r\n\r\n{\"a\"")
        time.sleep(0.05)
        client.sendall(b" 1")
        assert b"at byte 5," in read_until(client, b"}")


def test_not_an_object(front):
    for body in ["[]", '"x"', "1", "null"]:
        assert "not an object" in check_error(*front.ask("POST", "/v1/messages", body, JSON), 400)


def test_body_cannot_break_out(front):
    body = '{\r\n"a" :\n"x\\n"\n}\r\n'
    status, _, answer = front.ask("POST", "/v1/messages", body, JSON)
    assert status == 200 and json.loads(answer)["request"] == {"a": "x\n"}


def test_body_is_passed_as_it_came(front):
    body = '{"b":1.50, "a":"\\u00e9\\/é", "b2":12345678901234567890123}'
    front.ask("POST", "/v1/messages", body.encode(), JSON)
    assert body in open(front.seen_path).read()


def test_body_limit(front):
    body = json.dumps({"a": "x" * 100_000})
    check_error(*front.ask("POST", "/v1/messages", body), 413, "request_too_large")
    # Without a length it shows only as it comes.
    connection = front.connect()
    connection.request("POST", "/v1/messages", (piece.encode() for piece in ['{"a":"', "x" * 60_000, "x" * 60_000]),
                       JSON, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413 and answer.getheader("connection") == "close"


def test_large_body(start):
    server = start()
    text = "x" * (8 << 20)
    status, _, body = server.post({"a": text})
    assert status == 200 and json.loads(body)["request"] == {"a": text}


def test_chunked_request(front):
    connection = front.connect()
    connection.request("POST", "/v1/messages", (piece.encode() for piece in ['{"a":', '"b"', "}"]), JSON,
                       encode_chunked=True)
    assert json.loads(connection.getresponse().read())["request"] == {"a": "b"}


# The protocol


def test_keep_alive(front):
    connection = front.connect()
    for number in range(3):
        connection.request("POST", "/v1/messages", json.dumps({"n": number}), JSON)
        assert json.loads(connection.getresponse().read())["request"] == {"n": number}
    connection.request("GET", "/nothing")
    assert connection.getresponse().read()
    connection.request("POST", "/v1/messages", "no", JSON)
    assert connection.getresponse().read()
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200


def test_pipelining(front):
    """The second answer is ready long before the first."""
    with front.socket() as client:
        client.sendall(request({"model": "stream", "n": 5, "pace": 0.02}) + request({"second": 1})
                       + b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        data = read_all(client)
    assert data.count(b"HTTP/1.1 200") == 3
    assert data.index(b'{"i":4}') < data.index(b'"second"') < data.index(b'"alive"')


def test_silent_stream(front):
    """A comment after 15 s, for what ends idle connections. It has no empty line: some clients take that for an event."""
    with front.socket() as client:
        client.settimeout(60)
        client.sendall(request({"model": "half"}))
        data = read_until(client, b":\n\r\n")
    assert data.endswith(b"\r\nevent: x\ndata: {}\n\n\r\n2\r\n:\n\r\n"), data


def test_head(front):
    for path in ["/v1/models", "/health", "/health/live", "/metrics", "/"]:
        with front.socket() as client:
            client.sendall(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            head, _, body = read_all(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200") and body == b"", path
        assert int(re.search(rb"content-length: (\d+)", head)[1]) > 0


def test_http_1_0(front):
    answer = front.raw(request({"model": "stream"}, version="1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200") and b"transfer-encoding" not in head and b"connection: close" in head
    assert body == b"".join(b'event: x\ndata: {"i":%d}\n\n' % i for i in range(3))
    with front.socket() as client:
        for _ in range(2):
            client.sendall(request({"a": 1}, "connection: keep-alive", version="1.0"))
            head = read_until(client, b"\r\n\r\n")
            assert b"connection: keep-alive" in head


def test_connection_close(front):
    answer = front.raw(request({"a": 1}, "connection: close"))
    assert b"connection: close" in answer


def test_expect_continue(front):
    body = b'{"a":1}'
    head = (b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n"
            b"content-length: %d\r\n\r\n")
    with front.socket() as client:
        client.sendall(head % (b"/v1/messages", len(body)))
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert read_until(client, b'"a": 1}}').startswith(b"HTTP/1.1 200")
    for path, length, status in [(b"/v1/messages", 10**9, b"413"), (b"/nothing", 7, b"404")]:
        with front.socket() as client:
            client.sendall(head % (path, length))
            answer = read_all(client)
            assert answer.startswith(b"HTTP/1.1 " + status) and b"connection: close" in answer


def test_malformed(front):
    for data in [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nhost x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n"]:
        answer = front.raw(data)
        assert answer.startswith(b"HTTP/1.1 400") and b"x-request-id" in answer, data
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"


def test_many_headers(front):
    assert front.raw(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n").startswith(b"HTTP/1.1 4")


# Answers


def test_stream(front):
    connection = front.connect()
    connection.request("POST", "/v1/messages", json.dumps({"model": "stream", "n": 5, "pace": 0.1}), JSON)
    answer = connection.getresponse()
    began = time.monotonic()
    assert answer.getheader("content-type") == "text/event-stream"
    first = answer.read1(65536)
    assert fair(began) < 0.3 and first.startswith(b'event: x\ndata: {"i":0}\n\n') and b'{"i":4}' not in first
    assert answer.read().endswith(b'{"i":4}\n\n')


def test_many_streams(front):
    """A hundred streams at once, each with its own token: each client gets its own, whole and in order."""
    def stream(number):
        _, _, body = front.post({"model": "token", "token": f"t{number}"})
        return body == b"".join(b"data: t%d %d\n\n" % (number, event) for event in range(50))

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        assert all(pool.map(stream, range(100)))


def test_cancel(front):
    for _ in range(2):
        client = front.socket()
        client.sendall(request({"model": "stream", "n": 1000, "pace": 0.01}))
        rid = re.search(rb"x-request-id: (\w+)", read_until(client, b'{"i":1}'))[1].decode()
        client.close()
        gone_at = time.monotonic()
        eventually(lambda: {"rid": rid, "cancel": True} in front.seen())
        assert fair(gone_at) < 1
    line = eventually(lambda: [line for line in front.log() if line.get("id") == rid and line["msg"] == "request"])
    assert line[0]["error"] == "client_gone"
    assert front.post({})[0] == 200


def test_cancel_before_the_answer(front):
    client = front.socket()
    client.sendall(request({"model": "hang"}))
    record = eventually(lambda: [r for r in front.seen() if (r.get("request") or {}).get("model") == "hang"])[-1]
    client.close()
    eventually(lambda: {"rid": record["rid"], "cancel": True} in front.seen())


def test_cancel_after_error(front):
    status, headers, _ = front.post({"model": "error"})
    assert status == 429
    eventually(lambda: {"rid": headers["x-request-id"], "cancel": True} in front.seen())


def test_timeout(start):
    server = start("--request-timeout", "1")
    check_error(*server.post({"model": "hang"}), 504, "timeout_error")
    eventually(lambda: [r for r in server.seen() if "cancel" in r])
    _, _, body = server.post({"model": "half"})
    assert body.startswith(b"event: x\ndata: {}\n\nevent: error\ndata: {") and b'"timeout_error"' in body
    _, _, body = server.post({"model": "half"}, "/openai/v1/chat/completions")
    event = body.split(b"\n\n")[1]
    assert json.loads(event.removeprefix(b"data: "))["error"]["type"] == "timeout_error"


def test_in_flight_limit(start):
    server = start("--max-in-flight", "2")
    clients = [server.socket() for _ in range(2)]
    for client in clients:
        client.sendall(request({"model": "hang"}))
    eventually(lambda: len(server.seen()) == 2)
    status, headers, body = server.post({})
    check_error(status, headers, body, 429, "rate_limit_error")
    assert headers["retry-after"] == "1"
    assert server.ask("GET", "/health")[0] == 200
    for client in clients:
        client.close()
    eventually(lambda: server.post({})[0] == 200)


def test_slow_client(start):
    """A client that doesn't read is given up where there is no more room, and nobody else suffers."""
    server = start("--max-buffered", "40000000")
    client = server.socket()
    client.sendall(request({"model": "flood"}))
    time.sleep(0.2)
    assert server.post({"a": 1})[0] == 200
    eventually(lambda: any("cancel" in r for r in server.seen()))
    client.close()


def test_bad_records(front):
    """A line that is no record kills nothing; where it shows whose it is, that request gets 502."""
    check_error(*front.post({"model": "garbage"}), 502, "api_error")
    assert front.post({})[0] == 200


def test_header_injection(front):
    status, headers, _ = front.post({"model": "headers"})
    assert status == 200
    assert headers["x-good"] == "yes" and not any(name.startswith("x-evil") for name in headers)


def test_access_log(front):
    _, headers, _ = front.ask("POST", "/v1/messages", '{"model":"stream"}', JSON | {"x-request-id": "mine"})
    line = eventually(lambda: [line for line in front.log() if line.get("id") == headers["x-request-id"]])[0]
    assert (line["msg"], line["method"], line["path"], line["status"]) == ("request", "POST", "/v1/messages", 200)
    assert line["client_id"] == "mine" and line["peer"] == "127.0.0.1" and line["bytes"] == 72
    assert line["duration_ms"] >= line["ttft_ms"] >= 0
    assert (line["model"], line["tokens_input"], line["loss"]) == ("m1", 3, ["logit_bias dropped"])


# Health and figures


def test_health(front):
    assert json.loads(front.ask("GET", "/health")[2])["status"] == "healthy"
    assert json.loads(front.ask("GET", "/health/live")[2])["status"] == "alive"
    assert json.loads(front.ask("GET", "/health/ready")[2])["status"] == "ready"
    detailed = json.loads(front.ask("GET", "/health/detailed")[2])
    assert detailed["status"] == "healthy" and detailed["components"]["claude_cli"] == {"status": "found"}
    pipelines = detailed["components"]["pipelines"]
    stages = pipelines.pop("stages")
    assert pipelines == {"state": "running", "restarts": 0, "in_flight": 0, "count": 1, "processes": 2}
    assert len(stages) == 2 and stages[0].startswith("python") and stages[1] == "cat"
    assert detailed["components"]["api_server"]["requests_processed"] > 0


def test_health_without_pipeline(start):
    server = start(pipeline="false")
    status, _, body = server.ask("GET", "/health")
    assert (status, json.loads(body)["status"]) == (503, "unhealthy") and json.loads(body)["error"]
    assert server.ask("GET", "/health/ready")[0] == 503
    assert server.ask("GET", "/health/live")[0] == 200
    status, _, body = server.ask("GET", "/health/detailed")
    assert status == 503 and json.loads(body)["components"]["pipelines"]["restarts"] > 0
    assert server.post({})[0] in (502, 503)


def test_metrics(front):
    front.post({"model": "stream"})
    status, headers, body = front.ask("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    text = body.decode()
    assert re.search(r'^claude_proxy_requests_total\{route="/v1/messages",status="200"\} \d+$', text, re.M)
    assert re.search(r'^claude_proxy_tokens_total\{model="m1",kind="output"\} \d+$', text, re.M)
    assert re.search(r'^claude_proxy_loss_total\{field="logit_bias"\} \d+$', text, re.M)
    for line in text.splitlines():
        assert line.startswith("# ") or re.fullmatch(r'claude_proxy_[a-z_]+(\{.*\})? [0-9.e+-]+', line), line


def test_index(front):
    _, headers, body = front.ask("GET", "/")
    assert headers["content-type"].startswith("text/plain") and b"/openai/v1/chat/completions" in body


# The pipeline's life


@pytest.mark.parametrize("number", [0, 1])
def test_stage_killed(start, number):
    server = start()
    begun, waiting = server.socket(), server.socket()
    begun.sendall(request({"model": "half"}))
    read_until(begun, b"data: {}\n\n")
    waiting.sendall(request({"model": "hang"}))
    eventually(lambda: len(server.seen()) == 2)
    before = server.stages()
    os.kill(before[number], signal.SIGKILL)
    killed_at = time.monotonic()
    assert b"HTTP/1.1 502" in read_until(waiting, b"}")
    assert b"event: error" in read_until(begun, b"0\r\n\r\n")
    assert server.post({})[0] == 200
    assert fair(killed_at) < 1
    eventually(lambda: all(gone(pid) for pid in before))
    assert len(server.stages()) == 2


def test_stage_exits(start):
    server = start()
    check_error(*server.post({"model": "die"}), 502, "api_error")
    assert server.post({})[0] == 200
    assert b"claude_proxy_pipeline_restarts_total 1" in server.ask("GET", "/metrics")[2]


def test_stubborn_stage(start):
    """A stage that ignores TERM is killed after a second."""
    server = start(pipeline=f"sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' | {STAGE}")
    before = server.stages()
    os.kill(before[1], signal.SIGKILL)
    eventually(lambda: all(gone(pid) for pid in before), 4)


def test_a_cancel_without_an_end(start):
    """A pipeline that ends no cancelled request goes on as long as it answers health requests."""
    server = start(env={"STAGE_STUCK": "1"})
    before = server.stages()
    client = server.socket()
    client.sendall(request({"model": "hang"}))
    eventually(lambda: server.seen())
    client.close()
    eventually(lambda: any("got no end" in line["msg"] for line in server.log()), 10)
    assert server.post({})[0] == 200 and server.stages() == before


def test_hang_up_replaces_the_pipeline(start):
    server = start()
    before = server.stages()
    connection = server.connect()
    connection.request("POST", "/v1/messages", json.dumps({"model": "stream", "n": 20, "pace": 0.03}), JSON)
    answer = connection.getresponse()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.stages()) == 4)
    assert server.post({})[0] == 200
    assert answer.read().endswith(b'{"i":19}\n\n')
    eventually(lambda: len(server.stages()) == 2)
    assert all(gone(pid) for pid in before)


def test_terminate(start):
    """Who is being served is served to the end; nobody else is let in; nothing is left."""
    server = start()
    connection = server.connect()
    connection.request("POST", "/v1/messages", json.dumps({"model": "stream", "n": 30, "pace": 0.02}), JSON)
    answer = connection.getresponse()
    idle = server.socket()
    stages = server.stages()
    server.process.terminate()
    assert idle.recv(1) == b""
    with pytest.raises(OSError):
        server.socket()
    assert answer.read().endswith(b'{"i":29}\n\n')
    assert server.process.wait(20) == 0
    assert all(gone(pid) for pid in stages)


def test_grace_ends(start):
    server = start("--grace", "1")
    client = server.socket()
    client.sendall(request({"model": "half"}))
    read_until(client, b"data: {}\n\n")
    stages = server.stages()
    server.process.terminate()
    assert b"event: error" in read_all(client)
    assert server.process.wait(20) == 0
    assert all(gone(pid) for pid in stages)


def test_second_signal(start):
    server = start()
    client = server.socket()
    client.sendall(request({"model": "hang"}))
    eventually(lambda: server.seen())
    stages = server.stages()
    server.process.terminate()
    time.sleep(0.1)
    server.process.terminate()
    told = time.monotonic()
    assert server.process.wait(20) == 0 and fair(told) < 1
    eventually(lambda: all(gone(pid) for pid in stages))


def test_no_orphans(start):
    """Killed outright, it leaves no process: the stages see the end of their input."""
    server = start()
    stages = server.stages()
    server.process.kill()
    server.process.wait()
    eventually(lambda: all(gone(pid) for pid in stages))


def test_descriptors_come_back(start):
    server = start()
    server.post({})
    before = len(glob.glob(f"/proc/{server.process.pid}/fd/*"))
    for _ in range(20):
        server.post({"model": "stream"})
        client = server.socket()
        client.sendall(request({"model": "hang"}))
        client.close()
    server.post({"model": "die"})
    eventually(lambda: server.post({})[0] == 200)
    eventually(lambda: len(glob.glob(f"/proc/{server.process.pid}/fd/*")) <= before)


# The other ways in


def test_unix_socket(start, tmp_path):
    path = str(tmp_path / "front.sock")
    server = start(listen="unix:" + path)
    assert server.place == path
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(request({"a": 1}, "connection: close"))
        assert b"HTTP/1.1 200" in read_all(client)


def test_ipv6(start):
    server = start(listen="[::1]:0")
    with socket.create_connection(("::1", server.port)) as client:
        client.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert b'"peer": "::1"' in read_all(client)


def inetd(tmp_path, **streams):
    return subprocess.Popen([FRONT, "--pipeline", STAGE + " | cat"], **streams,
                            env=os.environ | {"STAGE_LOG": str(tmp_path / "seen")})


def no_processes_left(tmp_path):
    """None that has our STAGE_LOG in its environment."""
    mark = f"STAGE_LOG={tmp_path}/seen".encode()
    for path in glob.glob("/proc/[0-9]*/environ"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if mark in file.read():
                return False
    return True


TWO = request({"first": 1}) + request({"second": 2})


def test_inetd_pipes(tmp_path):
    process = inetd(tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, errors = process.communicate(TWO, timeout=30)
    assert process.returncode == 0, errors
    assert out.count(b"HTTP/1.1 200") == 2 and out.index(b'"first"') < out.index(b'"second"')
    eventually(lambda: no_processes_left(tmp_path), 1)


def test_inetd_socket(tmp_path):
    """As inetd has it: the three standard descriptors are one socket, and no log line gets into the answers."""
    ours, theirs = socket.socketpair()
    process = inetd(tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    theirs.close()
    ours.settimeout(30)
    ours.sendall(TWO)
    data = b""
    while b'{"second": 2}}' not in data:
        data += ours.recv(65536)
    assert data.count(b"HTTP/1.1 200") == 2 and b'"level"' not in data and process.poll() is None
    ours.close()
    assert process.wait(20) == 0
    eventually(lambda: no_processes_left(tmp_path), 1)


def test_inetd_close(tmp_path):
    ours, theirs = socket.socketpair()
    process = inetd(tmp_path, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    theirs.close()
    ours.settimeout(30)
    ours.sendall(request({"a": 1}, "connection: close"))
    assert read_all(ours).startswith(b"HTTP/1.1 200")
    assert process.wait(20) == 0


def test_filter(tmp_path):
    """Without --pipeline it is a filter; two fifos and any shell command complete it."""
    os.mkfifo(tmp_path / "to")
    os.mkfifo(tmp_path / "from")
    ready, told = os.pipe()
    shell = subprocess.Popen(
        ["sh", "-c", f'{shlex.quote(FRONT)} --listen 127.0.0.1:0 --notify-fd {told} >to <from & {STAGE} <to >from; wait'],
        cwd=tmp_path, pass_fds=[told], stderr=subprocess.DEVNULL, env=os.environ | {"STAGE_LOG": str(tmp_path / "seen")})
    os.close(told)
    with os.fdopen(ready) as pipe:
        port = int(pipe.readline())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/messages", '{"a":1}', JSON)
    assert json.loads(connection.getresponse().read())["request"] == {"a": 1}
    # The end of its input: what is open gets 502, then it ends.
    connection.request("POST", "/v1/messages", '{"model":"die"}', JSON)
    assert connection.getresponse().status == 502
    shell.wait(20)


# The command line


@pytest.mark.parametrize("options, status", [
    (["--listen", "127.0.0.1:0", "--pipeline", "cat; ls"], 64),
    (["--listen", "127.0.0.1:0", "--pipeline", "cat | | cat"], 64),
    (["--listen", "127.0.0.1:0", "--pipeline", "cat > x"], 64),
    (["--listen", "nowhere", "--pipeline", "cat"], 64),
    (["--listen", "127.0.0.1:0", "--pipeline", "no-such-program | cat"], 69),
    (["--listen", "192.0.2.1:1", "--pipeline", "cat"], 69),
    ([], 64),
    (["--listen", "127.0.0.1:0", "--pipeline", "cat", "--max-body", "0"], 64),
    (["--help"], 0),
])
def test_statuses(options, status):
    process = subprocess.run([FRONT, *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert process.returncode == status, process.stderr
