# SPDX-License-Identifier: MIT
"""claude-pipe runs the stages of a text in one process, and gives the bytes that they give as processes."""
from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from http_backend import MESSAGE, STREAM
from processes import memory, wait_for
from server import PROGRAMS, STAGES
from upstream import Request, Upstream, Wire

PATH = f"{PROGRAMS}:/usr/bin:/bin"
TIME = 1_700_000_000_000_000
REQUEST_SIDE = ["rate-limit", "model-map", "oai2anth", "resp2anth"]
TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a b": {"type": "string"}}}}


def shell(command: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-uc", command], input=given, capture_output=True, timeout=60,
                          env={"PATH": PATH} | environment)


def pipe(text: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([PROGRAMS / "claude-pipe", text], input=given, capture_output=True, timeout=60,
                          env={"PATH": PATH} | environment)


def log_lines(said: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.stderr.splitlines()]


def of_each_program(said: subprocess.CompletedProcess[bytes]) -> dict[str, list[dict[str, Any]]]:
    """The log lines of each program in their order, without their times."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in log_lines(said):
        del line["ts"]
        found.setdefault(line["program"], []).append(line)
    return found


def of_each_request(output: bytes) -> dict[bytes, list[bytes]]:
    """The lines of each request in their order; what is bare stands under no name."""
    found: dict[bytes, list[bytes]] = collections.defaultdict(list)
    for line in output.splitlines(keepends=True):
        rid = re.match(rb'\{"rid":"([^"]*)"', line)
        found[rid.group(1) if rid else b""].append(line)
    return dict(found)


def record(rid: str, dialect: str, body: Any, op: str = "messages", **http: Any) -> bytes:
    ctx = {"op": op, "dialect": dialect, "http": {"time": TIME, "peer": "192.0.2.1:1", "headers": {}} | http}
    return json.dumps({"rid": rid, "ctx": ctx, "request": body}, separators=(",", ":")).encode() + b"\n"


def chat(text: str, **more: Any) -> Any:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]} | more


def message(text: str, **more: Any) -> Any:
    return {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]} | more


def response(text: str, **more: Any) -> Any:
    return {"model": "gpt-4o", "input": text, "instructions": "be brief"} | more


def session(seed: int, bare: bool) -> bytes:
    """Requests of all dialects among lines that are none, and the answers that early stages write."""
    chance = random.Random(seed)
    names = itertools.count()
    lines: list[bytes] = []
    for _ in range(60):
        rid = f"r{next(names)}"
        text = "".join(chance.choices("ab \"\\é\n", k=chance.randrange(40)))
        stream = chance.random() < 0.5
        lines += chance.choice([
            lambda: [record(rid, "openai", chat(text, stream=stream))],
            lambda: [record(rid, "openai", chat(text, stream=stream, tools=[{"type": "function", "function": TOOL}]))],
            lambda: [record(rid, "openai", chat(text, messages="wrong"))],
            lambda: [record(rid, "anthropic", message(text, stream=stream))],
            lambda: [record(rid, "anthropic", message(text, top_p="wrong"))],
            lambda: [record(rid, "anthropic", message(text), op="count_tokens")],
            lambda: [record(rid, "responses", response(text, stream=stream, tools=[{"type": "function"} | TOOL]))],
            lambda: [record(rid, "responses", response(text, store=False, stream=stream))],
            lambda: [record(rid, chance.choice(["openai", "anthropic"]), {}, op=chance.choice(["models", "health"]))],
            lambda: [record(rid, "openai", chat(text), op="unheard_of")],
            lambda: [record(rid, "unheard_of", chat(text))],
            lambda: [record(rid, "openai", chat(text)), b'{"rid":"%s","cancel":{}}\n' % rid.encode()],
            lambda: [b'{"rid":"%s","cancel":{}}\n' % rid.encode()],
            lambda: [b'{"rid":"%s","unheard_of":[1,2]}\n{"rid":"%s","keep":{"a":"b"}}\n' % (rid.encode(), rid.encode())],
            lambda: [b'{"rid":"%s","request":\n' % rid.encode()],
            lambda: [b'{"rid":"%s","ctx":{"op":"messages"},"request":{"model":"m","messages":[}}\n' % rid.encode()],
            lambda: [b'{"ctx":{},"rid":"%s","request":{}}\n' % rid.encode()],
            lambda: [b'{"rid":"%s"}\n' % rid.encode(), b" \n", b"\n", b"\0\xff\n"],
            lambda: [b'{"rid":"%s","ctx":{"dialect":"openai"},"error":{"status":429,"headers":{},"body":{"type":"error",'
                     b'"error":{"type":"rate_limit_error","message":"m"}}}}\n{"rid":"%s","end":{}}\n' % ((rid.encode(),) * 2)],
            lambda: [json.dumps(chat(text)).encode() + b"\n"] if bare else [],
        ])()
    return b"".join(lines)


def endings() -> dict[str, bytes]:
    whole = record("last", "openai", chat("x"))
    return {"a whole line": b"", "a record without its end": whole[:-1], "half a record": whole[:70],
            "a bare body without its end": json.dumps(chat("last")).encode(), "half a bare body": b'{"model":"gpt-4o","mess'}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("end", endings())
def test_the_request_side_gives_the_same_bytes(seed: int, end: str) -> None:
    given = session(seed, bare=True) + endings()[end]
    text = " | ".join(REQUEST_SIDE)
    apart, together = shell(text, given), pipe(text, given)
    assert apart.stdout.count(b"\n") > 40
    assert together.stdout == apart.stdout
    assert of_each_program(together) == of_each_program(apart)
    assert together.returncode == apart.returncode == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bare", [False, True], ids=["records", "with bare bodies"])
def test_a_session_with_an_echo_gives_the_same_bytes(seed: int, bare: bool, tmp_path: Path) -> None:
    given = session(seed + 10, bare) + endings()["a record without its end"]
    said = []
    for run, way in ((shell, "apart"), (pipe, "together")):
        text = " | ".join(f"{stage} --file {tmp_path}/{way}.db" if stage.startswith("responses-store") else stage
                          for stage in STAGES)
        said.append(run(text, given))
    apart, together = said
    assert of_each_request(together.stdout) == of_each_request(apart.stdout)
    assert of_each_program(together) == of_each_program(apart)
    assert together.returncode == apart.returncode == 0 and len(of_each_request(apart.stdout)) > 40


def test_an_earlier_response_is_found_again(tmp_path: Path) -> None:
    """Both stages of responses-store in one process, with the file between them."""
    text = " | ".join(f"{stage} --file {tmp_path}/r.db" if stage.startswith("responses-store") else stage for stage in STAGES)
    first = pipe(text, record("r1", "responses", response("sesame"), id="1"))
    name = re.search(rb'resp_[A-Za-z0-9_-]+', first.stdout).group(0).decode()
    second = pipe(text, record("r2", "responses", response("and then?", previous_response_id=name), id="2"))
    assert b'"status":200' in second.stdout, second.stdout
    assert b"and then?" in second.stdout


def play(wire: Wire, request: Request) -> None:
    body = json.loads(request.body)
    if "refuse" in json.dumps(body):
        wire.answer(400, b'{"type":"error","error":{"type":"invalid_request_error","message":"refused"}}')
    elif body.get("stream"):
        wire.head(request_id="req_1")
        # Every other stream has a number that OpenAI's form can't have.
        stream = STREAM if len(request.body) % 2 else STREAM.replace(b"1e400", b"1e40")
        for at in range(0, len(stream), 50):
            wire.chunk(stream[at:at + 50])
        wire.send(b"0\r\n\r\n")
    else:
        wire.answer(200, MESSAGE, request_id="req_1")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(play) as one:
        yield one


@pytest.mark.parametrize("seed", range(3))
def test_a_session_with_an_upstream_gives_the_same_bytes(seed: int, upstream: Upstream) -> None:
    lines = [record(f"r{seed}-{number}", dialect, make(text, stream=number % 2 == 0))
             for number, (text, (dialect, make)) in enumerate(itertools.product(
                 ["a", "refuse", "é" * 1000], [("openai", chat), ("anthropic", message), ("responses", response)] * 4))]
    random.Random(seed).shuffle(lines)
    given = b"".join(lines) + b'{"rid":"gone","cancel":{}}\n{"rid":"odd","odd":1}\n{"rid":"broken","ctx":{"a":1},"request":\n'
    text = "model-map | oai2anth | resp2anth | claude-http | anth2oai | anth2resp | sse-encode"
    settings = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": upstream.url}
    apart, together = shell(text, given, **settings), pipe(text, given, **settings)
    answers = [of_each_request(re.sub(rb'"ttft_ms":\d+', b'"ttft_ms":0', said.stdout)) for said in (apart, together)]
    assert answers[0] == answers[1]
    assert len(answers[0]) == len(lines) + 2, (apart.stdout, apart.stderr)
    # The answers come in any order, and so do the log lines about them.
    notes = [{program: sorted(re.sub(r"line \d+", "line N", str(line)) for line in lines)
              for program, lines in of_each_program(said).items()} for said in (apart, together)]
    assert notes[0] == notes[1]


def test_bare_requests_are_answered_one_after_the_other(upstream: Upstream) -> None:
    given = b"".join(json.dumps(chat(f"{number}", stream=number % 3 == 0)).encode() + b"\n" for number in range(12))
    text = "model-map | oai2anth | claude-http | anth2oai"
    settings = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": upstream.url}
    apart, together = shell(text, given, **settings), pipe(text, given, **settings)
    assert together.stdout == apart.stdout and apart.stdout.count(b"\n") > 12, apart.stderr


def test_large_bodies_give_the_same_bytes() -> None:
    given = b"".join(record(f"r{number}", dialect, make("é\\\"x" * (number << 19)))
                     for number, (dialect, make) in enumerate([("openai", chat), ("anthropic", message), ("responses", response)]))
    text = "rate-limit | model-map | oai2anth | resp2anth | claude-echo | anth2oai | anth2resp | sse-encode"
    apart, together = shell(text, given), pipe(text, given)
    assert together.stdout == apart.stdout and len(apart.stdout) > 4 << 20
    assert together.returncode == 0


@pytest.mark.parametrize("text", [
    "anth2oai | oai2anth", "sse-encode | model-map | sse-encode", "claude-echo | model-map", "anth2oai | claude-echo | oai2anth",
    "model-map | model-map", "claude-echo", "sse-encode"])
def test_stages_in_an_odd_order_give_the_same_bytes(text: str) -> None:
    given = session(3, bare=True)
    apart, together = shell(text, given), pipe(text, given)
    assert of_each_request(together.stdout) == of_each_request(apart.stdout) and apart.stdout
    assert of_each_program(together) == of_each_program(apart)


def test_a_line_is_answered_before_the_next_one_comes() -> None:
    for text in (" | ".join(REQUEST_SIDE), "model-map | oai2anth | claude-echo | anth2oai | sse-encode"):
        with subprocess.Popen([PROGRAMS / "claude-pipe", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for number in range(3):
                process.stdin.write(record(f"r{number}", "openai", chat("hi")))
                process.stdin.flush()
                assert process.stdout.readline().startswith(b'{"rid":"r%d"' % number)
                while b"claude-echo" in text.encode() and b'"end"' not in process.stdout.readline():
                    pass
            process.stdin.close()
            assert process.wait(20) == 0


# What fails

BAD_REQUEST = b'{"rid":"bad","request":\n'
# A record, but its payload is no JSON: the stage that translates it finds that out.
BAD_ANSWER = (b'{"rid":"bad","ctx":{"op":"messages","dialect":"openai"},"begin":{"status":200,"headers":{}}}\n'
              b'{"rid":"bad","event":{"type":}}\n')


@pytest.mark.parametrize("text, bad", [
    ("oai2anth --strict-input", BAD_REQUEST), ("oai2anth --strict-input | model-map | resp2anth", BAD_REQUEST),
    ("oai2anth --strict-input | claude-echo | anth2oai | sse-encode", BAD_REQUEST),
    # The backend refuses an operation that it does not know.
    ("oai2anth | claude-echo --strict-input | anth2oai | sse-encode", record("bad", "anthropic", {}, op="unheard_of")),
    ("claude-echo | anth2oai --strict-input | sse-encode", BAD_ANSWER), ("anth2oai --strict-input | sse-encode", BAD_ANSWER)])
def test_a_stage_that_fails_ends_as_in_a_pipe(text: str, bad: bytes) -> None:
    """What came before is answered; the stages after the one that failed take the end of their input."""
    given = record("r1", "anthropic", message("hi")) + bad + record("r2", "anthropic", message("no"))
    apart, together = shell(text, given), pipe(text, given)
    assert together.returncode == 65
    assert together.stdout == apart.stdout and b'"r1"' in apart.stdout and b'"r2"' not in apart.stdout
    assert of_each_program(together) == of_each_program(apart) and together.stderr


def test_an_answer_stage_that_fails_ends_the_backend() -> None:
    """As a broken pipe does, though the input goes on."""
    with subprocess.Popen([PROGRAMS / "claude-pipe", "claude-echo | anth2oai --strict-input | sse-encode"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(BAD_ANSWER)
        process.stdin.flush()
        assert process.wait(20) == 65
        assert json.loads(process.stderr.read())["program"] == "anth2oai"
        assert b'"status":502' in process.stdout.read()


@pytest.mark.parametrize("redirection, status", [(">/dev/full", 74), (">&-", 74), ("<&-", 74), ("</", 74)])
@pytest.mark.parametrize("text", ["model-map | oai2anth", "model-map | claude-echo | sse-encode"])
def test_what_cannot_be_read_or_written_is_74(text: str, redirection: str, status: int) -> None:
    said = shell(f"claude-pipe '{text}' {redirection}", json.dumps(message("hi")).encode() + b"\n")
    assert said.returncode == status and said.stdout == b"", said
    [line] = log_lines(said)
    stages = text.split(" | ")
    assert line["level"] == "error" and line["program"] == stages[-1 if ">" in redirection else 0]


@pytest.mark.parametrize("text, status", [("model-map | oai2anth", -signal.SIGPIPE), ("claude-echo | sse-encode", 0)])
def test_a_reader_that_goes_away_ends_it_quietly(text: str, status: int) -> None:
    process = subprocess.Popen([PROGRAMS / "claude-pipe", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, restore_signals=False)
    process.stdout.close()
    process.stdin.write(record("r1", "anthropic", message("hi")))
    process.stdin.flush()
    assert process.wait(20) == status
    assert process.stderr.read() == b""


@pytest.mark.parametrize("number, text, status", [
    (signal.SIGTERM, "model-map | claude-echo | sse-encode", 0), (signal.SIGINT, "claude-echo | sse-encode", 0),
    (signal.SIGHUP, "claude-echo", 0), (signal.SIGTERM, "model-map | oai2anth", -signal.SIGTERM)])
def test_signals_end_it(number: int, text: str, status: int) -> None:
    with subprocess.Popen([PROGRAMS / "claude-pipe", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(record("r1", "anthropic", message("hi")))
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(number)
        assert process.wait(20) == status


@pytest.mark.parametrize("nonblocking", [False, True], ids=["blocking", "nonblocking"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_does_not_wait_for_a_reader_that_reads_nothing(number: int, nonblocking: bool) -> None:
    ends = os.pipe()
    os.set_blocking(ends[1], not nonblocking)
    with subprocess.Popen([PROGRAMS / "claude-pipe", "model-map | claude-echo | sse-encode"], stdin=subprocess.PIPE,
                          stdout=ends[1], stderr=subprocess.PIPE) as process:
        os.close(ends[1])
        lines = b"".join(record(f"r{n}", "anthropic", message("hi " * 50)) for n in range(2_000))
        writer = threading.Thread(target=lambda: suppressed(process.stdin, lines))
        writer.start()
        wait_for("it waits for its reader", lambda: any(place in waits_in(process.pid) for place in WRITING))
        process.send_signal(number)
        assert process.wait(5) == 0
        writer.join()
        assert process.stderr.read() == b""
    os.close(ends[0])


def suppressed(stream, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        stream.write(data)


# Where a process waits for room in its standard output: in a write, or in poll(2), not in the wait of its event loop.
WRITING = ("pipe_write", "poll_schedule_timeout", "do_sys_poll")


def waits_in(pid: int) -> str:
    """What a process waits for in the kernel."""
    return Path(f"/proc/{pid}/wchan").read_text()


# Its command line

@pytest.mark.parametrize("text, words", [
    ("", ["empty stage", "claude-pipe 'oai2anth | claude-http | anth2oai'"]), ("model-map |", ["empty stage"]),
    ("model-map; cat", ["';'"]), ("model-map > f", ["'>'"]), ("model-map | $X", ["'$'"]),
    ("model-map | jq -c '.a' | oai2anth", ["stage 2, jq,", "Run it beside them: model-map | jq -c '.a' | oai2anth"]),
    ("model-map | oai2anth | jq . | claude-echo | anth2oai",
     ["stage 3, jq,", "claude-pipe 'model-map | oai2anth' | jq . | claude-pipe 'claude-echo | anth2oai'"]),
    ("model-map | claude-http | claude-exec | anth2oai",
     ["stage 3, claude-exec, is a second backend", "claude-pipe 'model-map | claude-http' | claude-pipe 'claude-exec | anth2oai'"]),
    ("model-map | claude-pipe 'oai2anth'", ["stage 2, claude-pipe,"]), ("http-frontd", ["stage 1, http-frontd,"]),
    ("/usr/bin/oai2anth | model-map", ["stage 1, /usr/bin/oai2anth,", "folder of claude-pipe"]),
    ("model-map | oai2anth --frobnicate", ["stage 2, oai2anth:", "--frobnicate", "oai2anth --help"]),
    ("model-map | oai2anth extra", ["stage 2, oai2anth:", "extra"]),
    ("model-map | rate-limit --burst 0", ["stage 2, rate-limit:", "--burst=0: expected a number of requests"]),
    ("oai2anth --max-nodes 0", ["stage 1, oai2anth:", "--max-nodes=0"]),
    ("model-map | oai2anth --help", ["stage 2, oai2anth:", "shows neither", "Run: oai2anth --help"]),
    ("model-map -h", ["stage 1, model-map:", "shows neither", "Run: model-map -h"]),
    ("model-map | oai2anth --opp messages", ["stage 2, oai2anth:", "'--op'? The options are shown by: oai2anth --help"]),
    ("sse-encode --version", ["stage 1, sse-encode:", "shows neither", "Run: sse-encode --version"]),
    ("responses-store --file x", ["stage 1, responses-store:", "--file"]), ("responses-store", ["responses-store:", "load or save"]),
    ("responses-store load", ["stage 1, responses-store:", "--file"]),
])
def test_what_it_refuses(text: str, words: list[str]) -> None:
    said = pipe(text, BAD_REQUEST)
    assert said.returncode == 64 and said.stdout == b"", said
    [line] = log_lines(said)
    assert line["program"] == "claude-pipe" and line["level"] == "error"
    assert all(word in line["msg"] for word in words), line["msg"]


@pytest.mark.parametrize("text, program, status", [
    ("model-map --models /nowhere | oai2anth", "model-map", 66), ("model-map | claude-exec --carrier V", "claude-exec", 64),
    ("claude-http --max-retries 99", "claude-http", 64), ("rate-limit --exempt 1.2.3.4/99", "rate-limit", 64)])
def test_a_stage_that_cannot_start_has_its_own_status(text: str, program: str, status: int) -> None:
    said, alone = pipe(text), shell(text.split(" | ")[-1 if program.startswith("claude") else 0])
    assert said.returncode == alone.returncode == status, (said, alone)
    assert of_each_program(said) == of_each_program(alone) and set(of_each_program(said)) == {program}


@pytest.mark.parametrize("arguments", [[], ["model-map", "oai2anth"], ["--group"], ["--frobnicate", "model-map"]])
def test_its_own_usage(arguments: list[str]) -> None:
    said = subprocess.run([PROGRAMS / "claude-pipe", *arguments], capture_output=True, timeout=20)
    assert said.returncode == 64 and said.stdout == b"" and b"claude-pipe" in said.stderr


def test_stages_by_their_paths(tmp_path: Path) -> None:
    """Beside claude-pipe, whatever links lead there; elsewhere the same name is another program."""
    given = record("r1", "openai", chat("hi"))
    expected = shell("model-map | oai2anth", given).stdout
    linked = tmp_path / "a folder"
    linked.symlink_to(PROGRAMS)
    one = tmp_path / "oai2anth"
    one.symlink_to(PROGRAMS / "oai2anth")
    for text in (f"{PROGRAMS}/model-map | {PROGRAMS}/oai2anth", f"'{linked}/model-map' | {one}",
                 f"model-map | '{linked}/../release/oai2anth'"):
        assert pipe(text, given).stdout == expected, text
    other = tmp_path / "model-map"
    other.write_text("#!/bin/sh\ncat\n")
    other.chmod(0o755)
    assert pipe(f"{other} | oai2anth").returncode == 64


def group(text: str) -> str:
    said = subprocess.run([PROGRAMS / "claude-pipe", "--group", text], capture_output=True, timeout=20, check=True)
    return said.stdout.decode().removesuffix("\n")


@pytest.mark.parametrize("text, grouped", [
    ("model-map", "model-map"), ("jq .", "jq ."), ("model-map | oai2anth", "claude-pipe 'model-map | oai2anth'"),
    ("model-map | jq -c  \".a\" | oai2anth", "model-map | jq -c  \".a\" | oai2anth"),
    ("rate-limit --exempt 'a b' | model-map", r"claude-pipe 'rate-limit --exempt '\''a b'\'' | model-map'"),
    ("claude-http --decline 401 | claude-exec | anth2oai", "claude-http --decline 401 | claude-pipe 'claude-exec | anth2oai'"),
    ("claude-pipe 'model-map | oai2anth' | claude-echo | anth2oai",
     "claude-pipe 'model-map | oai2anth' | claude-pipe 'claude-echo | anth2oai'"),
    ("/usr/bin/model-map | /usr/bin/oai2anth", "/usr/bin/model-map | /usr/bin/oai2anth")])
def test_groups(text: str, grouped: str) -> None:
    assert group(text) == grouped
    assert group(grouped) == grouped


def test_a_group_of_paths_is_called_by_its_path(tmp_path: Path) -> None:
    assert group(f"{PROGRAMS}/model-map | {PROGRAMS}/oai2anth").startswith(f"{PROGRAMS}/claude-pipe '")
    linked = tmp_path / "it's a folder"
    linked.symlink_to(PROGRAMS)
    path = str(linked).replace("'", "'\\''")
    text = group(f"'{path}/model-map' | '{path}/oai2anth'")
    given = record("r1", "openai", chat("hi"))
    assert shell(text, given).stdout == shell("model-map | oai2anth", given).stdout
    assert "claude-pipe' '" in text


@pytest.mark.parametrize("name", ["a b", "it's", '"', "\\", "a\\'b", "$X `y`", "é", "a|b", "a\nb", "''", "#", "~", "*"])
def test_quotes_survive_a_shell_and_the_program(name: str) -> None:
    """The name of a model, which goes into each request as it was written."""
    quoted = name.replace("'", "'\\''")
    doubled = re.sub(r'([\\"$`])', r"\\\1", name)
    given = b'{"messages":[]}\n'
    texts = [f"rate-limit | model-map --default-model '{quoted}'"]
    # These have a meaning in double quotes, so claude-pipe refuses them there.
    if not re.search(r"[$`]", name):
        texts.append(f'rate-limit | model-map --default-model "{doubled}"')
    for text in texts:
        expected = shell(text, given).stdout
        assert json.loads(expected)["model"] == name
        assert shell(group(text), given).stdout == expected
        assert pipe(text, given).stdout == expected


# What it takes of the machine

def test_a_pipe_without_claude_http_loads_no_curl(tmp_path: Path) -> None:
    for text, loads in (("model-map | oai2anth | claude-echo | anth2oai", False), ("claude-exec --cli /nowhere", False),
                        ("model-map | claude-http", True)):
        environment = {"PATH": PATH, "HOME": str(tmp_path), "RUN_DIR": str(tmp_path / "run"), "ANTHROPIC_API_KEY": "k",
                       "CLAUDE_AUTH": "key", "CLAUDE_WARM_PROCESSES": "0"}
        with subprocess.Popen([PROGRAMS / "claude-pipe", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env=environment) as process:
            process.stdin.write(b'{"rid":"r1","odd":1}\n')
            process.stdin.flush()
            assert process.stdout.readline(), text
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            assert ("libcurl" in maps, "libssl" in maps) == (loads, loads), text
            process.stdin.close()
            process.wait(20)


def test_a_large_record_is_not_paid_for_ever_after() -> None:
    for text in ("rate-limit | model-map | oai2anth | resp2anth", "model-map | oai2anth | claude-echo | anth2oai | sse-encode"):
        with subprocess.Popen([PROGRAMS / "claude-pipe", text], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            process.stdin.write(record("r1", "openai", chat("x" * (8 << 20))))
            process.stdin.flush()
            wait_for("it has the large one", lambda: memory(process.pid, "Pss_Anon") > 8 << 10)
            wait_for("the buffers are given back", lambda: memory(process.pid, "Pss_Anon") < 6 << 10)
            process.stdin.close()
            assert process.wait(20) == 0


def test_each_stage_has_its_own_bound_of_values() -> None:
    """A stage's --max-nodes binds that stage alone, whichever stage worked before."""
    given = record("r1", "openai", chat("hi", stop=["a"] * 40)) + record("r2", "anthropic", message("hi", stop_sequences=["a"] * 40))
    for text in ("oai2anth --max-nodes 20 | claude-echo", "oai2anth | claude-echo --max-nodes 2", "oai2anth | claude-echo",
                 "oai2anth --max-nodes 20 | resp2anth | claude-echo | anth2oai --max-nodes 3 | sse-encode"):
        assert pipe(text, given).stdout == shell(text, given).stdout
    assert pipe("oai2anth --max-nodes 20 | claude-echo", given).stdout != pipe("oai2anth | claude-echo", given).stdout


# Crashes

@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that stands before Jansson: making the object of that number ends in a signal."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faulty.c").write_text("""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
void *json_object(void) {
  static int count;
  if (++count == atoi(getenv("FAULTY_OBJECT"))) {
    if (atoi(getenv("FAULTY_SIGNAL")) == SIGSEGV) *(volatile int *)16 = 1;
    if (atoi(getenv("FAULTY_SIGNAL")) == SIGILL) __builtin_trap();
    abort();
  }
  return ((void *(*)(void))dlsym(RTLD_NEXT, "json_object"))();
}
""")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "faulty.so", folder / "faulty.c", "-ldl"], check=True)
    return folder / "faulty.so"


def test_a_crash_names_the_stage(faulty: Path) -> None:
    text = "rate-limit | model-map | oai2anth | claude-echo | anth2oai | sse-encode"
    stages = text.split(" | ")
    given = record("r1", "openai", chat("hi", stream=True, tools=[{"type": "function", "function": TOOL}]))
    named: list[str] = []
    # Each stage makes several; some of them are enough.
    for number in itertools.count(1, 4):
        code = [signal.SIGABRT, signal.SIGSEGV, signal.SIGILL][number % 3]
        said = pipe(text, given, LD_PRELOAD=str(faulty), FAULTY_OBJECT=str(number), FAULTY_SIGNAL=str(int(code)))
        if said.returncode == 0:
            break
        assert said.returncode == -code
        [line] = log_lines(said)
        place = re.fullmatch(r"stage (\d), (.*), crashed", line["msg"])
        assert place and stages[int(place[1]) - 1] == place[2] == line["program"], line
        assert line["level"] == "error" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
        written = time.strptime(line["ts"][:19], "%Y-%m-%dT%H:%M:%S")
        assert abs(time.mktime(written) - time.timezone - time.time()) < 60
        named.append(place[2])
    # Each object is made in its stage, one stage after the other: once at the start, and once for the request.
    places = [stages.index(name) for name in named]
    assert sum(later < earlier for earlier, later in itertools.pairwise(places)) <= 1 and len(set(named)) >= 3, named


@pytest.mark.parametrize("text, message", [
    ("model-map | oai2anth", "crashed while no stage was at work"),
    ("oai2anth | claude-echo | anth2oai", "stage 2, claude-echo, crashed")])
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_crash_while_it_waits(text: str, message: str, form: str) -> None:
    with subprocess.Popen([PROGRAMS / "claude-pipe", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={"PATH": PATH, "LOG_FORMAT": form}) as process:
        process.stdin.write(b'{"rid":"r1","odd":1}\n')
        process.stdin.flush()
        assert process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGSEGV)
        assert process.wait(20) == -signal.SIGSEGV
        said = process.stderr.read().decode()
    assert said.count("\n") == 1 and message in said
    assert (json.loads(said)["msg"] == message) if form == "json" else said.endswith(f": {message}\n")
