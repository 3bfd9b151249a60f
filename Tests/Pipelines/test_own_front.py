# SPDX-License-Identifier: MIT
"""A front format of the user's own: a setting, and the two filters of scripts/examples/front."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any, Callable

import pytest
from processes import wait_for
from server import PROGRAMS, REPOSITORY, Proxy, free_port
from test_scripts import SCRIPTS, run

FRONT = REPOSITORY / "scripts" / "examples" / "front"
ROUTES = "POST /mini/chat messages mini; GET /mini/notes/{id} note mini"
Start = Callable[..., Proxy]


def pipeline(notes: str = "milk=two-bottles 'the red one=a/b c'") -> str:
    return (f"model-map | oai2anth | {sys.executable} {FRONT}/mini2anth.py {notes} | claude-echo | "
            f"anth2oai | {sys.executable} {FRONT}/anth2mini.py | sse-encode")


@pytest.fixture
def mini(start: Start) -> Proxy:
    return start(ROUTES=ROUTES, PIPELINE=pipeline())


def events(proxy: Proxy, text: str) -> list[Any]:
    stream = proxy.stream("/mini/chat", {"say": text, "stream": True})
    assert stream.status == 200
    found = list(stream)
    assert all(event.name is None for event in found)
    return [event.data for event in found]


def test_whole_answers(mini: Proxy) -> None:
    answer = mini.ask("POST", "/mini/chat", {"say": "Hello there!"})
    assert (answer.status, answer.json) == (200, {"said": "Hello there!", "stopped": "end_turn"})
    short = mini.ask("POST", "/mini/chat", {"say": "[[stop:max_tokens]] Hello", "stream": False})
    assert short.json["stopped"] == "max_tokens"


def test_streams(mini: Proxy) -> None:
    told = events(mini, "[[say:one two three]]")
    assert "".join(event["piece"] for event in told[:-1]) == "one two three" and len(told) > 3
    assert told[-1] == {"done": "end_turn"}


def test_pieces_come_as_they_are_made(mini: Proxy) -> None:
    times = [event.time for event in mini.stream("/mini/chat", {"say": "[[slow:0.2]] [[say:one two three]]", "stream": True})]
    assert times[-1] - times[0] > 0.3


def test_errors(mini: Proxy) -> None:
    """Of the filter, of the backend whole and in mid-stream, and of the server itself: all have one form."""
    def error(answer: Any, status: int) -> dict[str, Any]:
        assert answer.status == status and isinstance(answer.json["error"]["message"], str), answer.body
        return answer.json["error"]

    assert error(mini.ask("POST", "/mini/chat", {"say": 1}), 400) == {
        "type": "invalid_request_error", "message": "say: expected a text that is not empty", "param": "say"}
    late = mini.ask("POST", "/mini/chat", {"say": "[[error:429]][[retryafter:7]]"})
    assert error(late, 429)["type"] == "rate_limit_error" and late.headers["retry-after"] == "7"
    told = events(mini, "[[sse_error:overloaded_error]]Hello to you")
    assert told[-1]["error"]["type"] == "overloaded_error" and "piece" in told[0]
    for body, headers, status in [(b"{", {}, 400), (b"[]", {}, 400), (b"", {}, 400), (b"{}", {"content-type": "text/plain"}, 415)]:
        error(mini.ask("POST", "/mini/chat", body, headers), status)
    lost = mini.ask("POST", "/mini/chat", {"say": "hi", "sing": True})
    assert lost.headers["x-proxy-loss"] == "unknown=1"


def test_a_broken_stream_ends_with_an_error(start: Start) -> None:
    """The server's own error in a stream has OpenAI's form, as of a dialect that it does not know."""
    proxy = start(ROUTES=ROUTES, PIPELINE=pipeline(), REQUEST_TIMEOUT="2")
    told = events(proxy, "[[slow:1]] [[say:one two three four five six seven]]")
    assert set(told[-1]) == {"error"} and told[-1]["error"]["type"] == "timeout_error", told


def test_the_id_of_the_path(mini: Proxy) -> None:
    answer = mini.ask("GET", "/mini/notes/milk")
    assert (answer.status, answer.json) == (200, {"id": "milk", "note": "two-bottles"})
    assert mini.ask("GET", "/mini/notes/the%20red%20one?x=1").json == {"id": "the red one", "note": "a/b c"}
    head = mini.ask("HEAD", "/mini/notes/milk")
    assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) == len(answer.body)
    none = mini.ask("GET", "/mini/notes/none")
    assert none.status == 404 and none.json["error"]["message"] == "the note none does not exist"
    assert none.json["error"]["type"] == "not_found_error" and "type" not in none.json
    assert mini.ask("GET", "/mini/notes/").status == mini.ask("GET", "/mini/notes/a/b").status == 404
    wrong = mini.ask("DELETE", "/mini/notes/milk")
    assert wrong.status == 405 and wrong.headers["allow"] == "GET, HEAD, OPTIONS"


def test_an_operation_that_no_stage_answers(start: Start) -> None:
    proxy = start(ROUTES=ROUTES, PIPELINE=pipeline(notes=""))
    answer = proxy.ask("GET", "/mini/notes/milk")
    assert answer.status == 404 and "no stage of the pipeline answers the operation note" in answer.json["error"]["message"]
    assert set(answer.json) == {"error"}


def test_a_translator_that_is_missing(start: Start) -> None:
    proxy = start(ROUTES=ROUTES, PIPELINE=pipeline().replace(f"| {sys.executable} {FRONT}/anth2mini.py ", ""))
    answer = proxy.ask("POST", "/mini/chat", {"say": "hi"})
    assert answer.status == 502 and 'the API \\"mini\\"' in answer.body.decode()


def test_the_other_apis_and_what_is_counted(mini: Proxy) -> None:
    question = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    assert mini.ask("POST", "/v1/messages", question).json["type"] == "message"
    assert mini.ask("POST", "/openai/v1/chat/completions", question).json["object"] == "chat.completion"
    assert mini.ask("GET", "/health/ready").status == 200
    mini.ask("GET", "/mini/notes/milk")
    mini.ask("POST", "/mini/chat", {"say": "hi"})
    text = mini.ask("GET", "/metrics").body.decode()
    assert 'requests_total{route="/mini/notes/{id}",status="200"} 1' in text
    assert 'requests_total{route="/mini/chat",status="200"} 1' in text


def test_a_route_in_the_place_of_a_built_in_one(start: Start) -> None:
    proxy = start(ROUTES="POST /v1/messages messages mini", PIPELINE=pipeline())
    assert proxy.ask("POST", "/messages", {"say": "hi"}).json == {"said": "hi", "stopped": "end_turn"}


def test_bodies(start: Start) -> None:
    """What is not a message may come without a body, by POST too; a GET's is passed over."""
    routes = "POST /n/{id} note mini; PUT /n/{id} note mini; PATCH /n/{id} note mini; DELETE /n/{id} note mini; GET /n/{id} note mini"
    proxy = start(ROUTES=routes, PIPELINE=pipeline())
    for method in ("POST", "PUT", "PATCH"):
        for body, headers, status in [
                (None, {}, 200), (b"", {}, 200), (b"", {"content-type": "text/plain"}, 200), (b"{}", {}, 200),
                (b'{"a":1}', {}, 200), (b"[]", {}, 400), (b"{", {}, 400), (b"{}", {"content-type": "text/plain"}, 415)]:
            answer = proxy.ask(method, "/n/milk", body, headers)
            assert answer.status == status, (method, body, headers, answer.body)
    for method in ("GET", "DELETE"):
        assert proxy.ask(method, "/n/milk").json == {"id": "milk", "note": "two-bottles"}
        assert proxy.ask(method, "/n/milk", b"[", {"content-type": "text/plain"}).status == 200


def test_a_reload_reads_the_routes_again(start: Start, tmp_path: Any) -> None:
    file = tmp_path / "settings"
    file.write_text(f"PIPELINE=\"{pipeline(notes='milk=two-bottles')}\"\n")
    proxy = start(CLAUDE_PROXY_CONFIG=str(file))
    assert proxy.ask("GET", "/mini/notes/milk").status == 404

    def reload(routes: str, says: str) -> None:
        file.write_text(file.read_text().splitlines()[0] + f'\nROUTES="{routes}"\n')
        before = len(proxy.log.read_text())
        proxy.process.send_signal(signal.SIGHUP)
        wait_for("it says what came of it", lambda: says in proxy.log.read_text()[before:])

    reload(ROUTES, "the settings were read again")
    assert proxy.ask("GET", "/mini/notes/milk").status == 200
    reload("GET /mini/notes/{id}", "line 1")
    assert proxy.ask("GET", "/mini/notes/milk").status == 200
    reload("GET /mine/{id} note mini", "the settings were read again")
    assert proxy.ask("GET", "/mine/milk").status == 200 and proxy.ask("GET", "/mini/notes/milk").status == 404
    text = proxy.ask("GET", "/metrics").body.decode()
    assert 'route="/mini/notes/{id}",status="200"} 2' in text and 'route="/mine/{id}",status="200"} 1' in text


@pytest.mark.parametrize("routes, says", [
    ("POST /mini/chat mini", 'line 1, "POST /mini/chat mini": expected METHOD PATH OPERATION DIALECT, for example'),
    ("GET /a b c; GET /health b c", 'line 2, "GET /health b c": the server answers /health by itself; choose another path'),
    ("\nGET /a b c\nSEND /a b c", 'line 3, "SEND /a b c": the method is SEND; expected GET, POST'),
])
def test_a_route_that_is_wrong(routes: str, says: str, tmp_path: Any) -> None:
    """The server does not start, and --check says the same."""
    for words in ([], ["--check"]):
        said = run(SCRIPTS / "claude-proxy", *words, BACKEND="claude-echo", PORT=str(free_port()), ROUTES=routes,
                   HOME=str(tmp_path))
        # A log line has the quotes of its JSON.
        told = (said.stdout + said.stderr).replace('\\"', '"')
        assert said.returncode in (64, 78) and "--routes (ROUTES): " + says in told, said


def test_the_filters_hold_nothing_back() -> None:
    """Each line comes out before the next one goes in, and what is another dialect's is not changed by a byte."""
    for filter, lines in {
        "mini2anth.py": ['{"rid":"r1","ctx":{ "dialect":"openai"},"request":{"say": 1}}', '{"rid":"r1","cancel":true}', '{"request":1', ""],
        "anth2mini.py": ['{"rid":"r1","ctx":{"dialect":"openai"},"begin":{}}', '{"rid":"r1","event":{ }}', '{"rid":"r1","end":{}}',
                         '{"rid":"r2","ctx":{"dialect":"mini","translated":"mini"},"begin":{ }}', '{"rid":"r2","response":{ }}', "x"],
    }.items():
        process = subprocess.Popen([FRONT / filter], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for line in lines:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == line.encode() + b"\n"
        process.stdin.close()
        assert process.wait(5) == 0


def test_a_backend_that_breaks_off() -> None:
    begun = json.dumps({"rid": "r1", "ctx": {"dialect": "mini", "op": "messages"}, "begin": {"status": 200, "headers": {}}})
    said = subprocess.run([FRONT / "anth2mini.py"], input=begun + "\n", text=True, capture_output=True, timeout=20).stdout
    records = [json.loads(line) for line in said.splitlines()]
    assert [list(record)[-1] for record in records] == ["begin", "error", "end"] and records[1]["error"]["status"] == 502
    assert records[0]["ctx"]["translated"] == "mini"


@pytest.mark.parametrize("dialect", ["responses", "mini", "", "OpenAI"])
def test_the_api_of_chat_completions_is_one_of_two(dialect: str) -> None:
    said = run(PROGRAMS / "http-frontd", "--check", "--chat-completions-dialect", dialect)
    assert said.returncode == 64 and f"--chat-completions-dialect {dialect}: expected openai, anthropic or auto" in said.stderr, said
