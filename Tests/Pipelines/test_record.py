# SPDX-License-Identifier: MIT
"""A recorded session is answered offline, byte for byte; a recording becomes a golden case."""
from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from messages_api import MessagesAPI
from patience import fair
from processes import wait_for
from server import PROGRAMS, REPOSITORY, Proxy

RECORD = REPOSITORY / "scripts" / "record"
KEY = "sk-ant-api03-the-owners"
TOOLS = [{"name": "look", "description": "d", "input_schema": {"type": "object", "properties": {}}}]


def ask_for(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]} | more


# What a session asks, by both interfaces: whole, as a stream, with tools, thinking, errors of both kinds, twice the same.
SESSION: list[tuple[str, dict[str, Any] | None]] = [
    ("/v1/messages", ask_for("[[say:Grüß dich]] \"quoted\" 😀", stream=True)),
    ("/v1/messages", ask_for("[[thinking]] [[tool:look {\"a\":1.50}]]", tools=TOOLS)),
    ("/openai/v1/chat/completions", ask_for("[[len:5]]", stream=True, stream_options={"include_usage": True})),
    ("/openai/v1/chat/completions", ask_for("[[len:3]]")),
    ("/v1/messages", ask_for("[[error:429x1]][[retryafter:7]][[say:at last]]")),
    ("/v1/messages", ask_for("[[error:429x1]][[retryafter:7]][[say:at last]]")),
    ("/v1/messages", ask_for("[[sse_error]]", stream=True)),
    ("/v1/messages/count_tokens", ask_for("count")),
    ("/v1/messages", ask_for("my key is sk-ant-api03-a_secret-of-mine, \"keep\" it")),
    ("/v1/models", None),
]


def play(proxy: Proxy) -> list[tuple[int, bytes, dict[str, str]]]:
    answers = []
    for path, body in SESSION:
        answer = proxy.ask("GET" if body is None else "POST", path, body)
        # Each exchange has a name of its own; it is the upstream's too where that gave none.
        name = answer.headers["x-request-id"]
        answers.append((answer.status, answer.body, {k: v for k, v in answer.headers.items() if v != name and k != "date"}))
    return answers


def test_a_session_is_answered_offline_byte_for_byte(start: Callable[..., Proxy], api: MessagesAPI, tmp_path: Path) -> None:
    session = tmp_path / "session"
    settings = {"BACKEND": "claude-http", "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url, "RECORD": str(session)}
    recorded = play(start(**settings))
    assert [status for status, _, _ in recorded] == [200, 200, 200, 200, 429, 200, 200, 200, 200, 200]
    text = session.read_text()
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert KEY not in text and "a_secret-of-mine" not in text and "[redacted]" in text

    stages = ("model-map", "oai2anth", f"claude-echo --replay {session}", "anth2oai", "sse-encode")
    offline = start(PIPELINE=" | ".join(stages))
    api.reset()
    replayed = play(offline)
    assert not api.records(), "nothing went anywhere"
    for (path, _), one, other in zip(SESSION, recorded, replayed):
        assert one == other, path
    # The last two were answered; once more is more than was recorded, and health is always there.
    again = offline.ask("POST", *SESSION[0])
    assert again.status == 404 and "recorded once, and has been asked more often" in again.json["error"]["message"]
    assert offline.ask("GET", "/health/ready").status == 200


def test_as_fast_as_recorded(tmp_path: Path) -> None:
    """Timing is optional: at once, as recorded, or so many times as fast."""
    session = tmp_path / "session"
    body = json.dumps(ask_for("[[slow:0.1]] one two three four five six", stream=True)) + "\n"

    def run(command: list[Any]) -> tuple[float, float, bytes]:
        """How long it took, and would have taken where nothing else runs; and what it said."""
        before = time.monotonic()
        said = subprocess.run(command, input=record.encode(), capture_output=True, timeout=30)
        assert said.returncode == 0, said.stderr
        return time.monotonic() - before, fair(before), said.stdout

    record = '{"rid":"r1","request":' + body.strip() + "}\n"
    took, _, said = run([RECORD, session, "--", PROGRAMS / "claude-echo"])
    assert took > 0.6
    echo = [PROGRAMS / "claude-echo", "--replay", session]
    for options, least, most in (([], 0, 0.4), (["--replay-speed", "1"], 0.55, 5), (["--replay-speed", "2"], 0.25, took)):
        seconds, ours, replayed = run([*echo, *options])
        assert replayed == said and least < seconds and ours < most, (options, seconds, ours)


@pytest.mark.parametrize("options", [["--replay-speed", "2"], ["--replay", "x", "--replay-speed", "0"],
                                     ["--replay", "x", "--replay-speed", "-1"]])
def test_options_that_make_no_sense(options: list[str]) -> None:
    assert subprocess.run([PROGRAMS / "claude-echo", *options], capture_output=True).returncode == 64


class TestTheStage:
    def test_bytes_pass_as_they_come(self, tmp_path: Path) -> None:
        """Not even whole lines are waited for; in the file stand whole ones only."""
        process = subprocess.Popen([RECORD, tmp_path / "f"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for piece in (b'{"rid":"r1","request":{"a":', b"1}}\n{", b'"x":"\xff\x00', b'"}\n', b"no end"):
            process.stdin.write(piece)
            process.stdin.flush()
            assert os.read(process.stdout.fileno(), 4096) == piece
        process.stdin.close()
        assert process.wait(20) == 0
        kept = [line for line in (tmp_path / "f").read_bytes().splitlines() if not line.startswith(b'{"rid":"record",')]
        assert kept == [b'{"rid":"r1","request":{"a":1}}', b'{"x":"\xff\x00"}']

    @pytest.mark.parametrize("text, kept", [
        ("a sk-ant-api03-Ab_c-9 b", "a [redacted] b"),
        ("\\nsk-ant-oat01-x\\n", "\\n[redacted]\\n"),
        ("sk-proj-abc", "[redacted]"),
        ("curl -H 'Authorization: Bearer abcdefgh.ijk=='", "curl -H 'Authorization: Bearer [redacted]'"),
        ('\\"X-API-Key\\": \\"hidden\\"', '\\"X-API-Key\\": \\"[redacted]\\"'),
        ("a task-and-risk-based key, authored", "a task-and-risk-based key, authored"),
        ("https://a.example/b?key=abc&c=d", "https://a.example/b?key=[redacted]&c=d"),
        ("https://a.example/b?c=d&api_key=abc#e", "https://a.example/b?c=d&api_key=[redacted]#e"),
        ("https://a.example/?access_token=abc.def", "https://a.example/?access_token=[redacted]"),
        ("https://a.example/?X-Goog-Signature=abc;apikey=1", "https://a.example/?X-Goog-Signature=[redacted];apikey=[redacted]"),
        ("/b?sig\\u003dabc\\u0026a=b", "/b?sig\\u003d[redacted]\\u0026a=b"),
        ("https://ann:open@a.example/b", "https://[redacted]@a.example/b"),
        ("curl -H 'x-goog-api-key: abc' -H 'a: b'", "curl -H 'x-goog-api-key: [redacted]' -H 'a: b'"),
        ("'Authorization: Basic YWJj'", "'Authorization: Basic [redacted]'"),
        ("why? token counts; a basic understanding of it, my key: none", "why? token counts; a basic understanding of it, my key: none"),
        ("/b?%6bey=abc&acces%73_token=def", "/b?%6bey=[redacted]&acces%73_token=[redacted]"),
        ("/b?%62eta=true&a%20b=c", "/b?%62eta=true&a%20b=c"),
        ("?monkey=banana&tokens=5", "?monkey=banana&tokens=5"),
    ])
    def test_secrets(self, tmp_path: Path, text: str, kept: str) -> None:
        """In the file alone; rather too much than too little."""
        line = '{"rid":"r1","request":{"x":"%s"}}\n'
        said = subprocess.run([RECORD, tmp_path / "f"], input=line % text, capture_output=True, text=True)
        assert said.stdout == line % text
        assert (tmp_path / "f").read_text().endswith(line % kept)

    def test_the_query_of_a_request(self, tmp_path: Path) -> None:
        """It stands in the ctx without the sign that begins it."""
        line = '{"rid":"r1","ctx":{"http":{"path":"/v1/models","query":"key=abc&beta=true&access_token=def"}},"request":null}\n'
        subprocess.run([RECORD, tmp_path / "f"], input=line, capture_output=True, text=True)
        kept = (tmp_path / "f").read_text()
        assert '"query":"key=[redacted]&beta=true&access_token=[redacted]"' in kept, kept
        subprocess.run([RECORD, tmp_path / "g"], input=line.replace("key", "k%65y"), capture_output=True, text=True)
        assert '"query":"k%65y=[redacted]&' in (tmp_path / "g").read_text()

    def test_it_dies_with_what_it_runs(self, tmp_path: Path) -> None:
        """The backend's status is its own, and a signal goes to the backend: nothing is left behind."""
        for script, status in (("exit 7", 7), ("kill -KILL $$", 137)):
            assert subprocess.run([RECORD, tmp_path / "f", "--", "sh", "-c", script], stdin=subprocess.DEVNULL).returncode == status
        assert subprocess.run([RECORD, tmp_path / "f", "--", "/no/such"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 69
        process = subprocess.Popen([RECORD, tmp_path / "f", "--", PROGRAMS / "claude-echo"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, start_new_session=True)
        process.stdin.write(b'{"rid":"r1","request":{"messages":[]}}\n')
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

        def group() -> str:
            return subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True).stdout

        wait_for("nothing is left", lambda: not group())

    def test_a_reader_that_goes(self, tmp_path: Path) -> None:
        for more in ([], ["--", PROGRAMS / "claude-echo"]):
            process = subprocess.Popen([RECORD, tmp_path / "f", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdout.close()
            process.stdin.write(b'{"rid":"r1","request":{"messages":[]}}\n')
            process.stdin.flush()
            assert process.wait(20) == -signal.SIGPIPE
            process.stdin.close()

    def test_a_full_disk_stops_the_recording_and_nothing_else(self, tmp_path: Path) -> None:
        line = '{"rid":"r1","request":{"messages":[]}}\n'
        said = subprocess.run(["sh", "-c", f"ulimit -f 0; trap '' XFSZ; exec {RECORD} {tmp_path / 'f'}"], input=line,
                              capture_output=True, text=True)
        assert said.returncode == 0 and said.stdout == line
        assert json.loads(said.stderr)["program"] == "record"

    def test_places_that_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        for place in (tmp_path, tmp_path / "link", tmp_path / "no/file", "/dev/null"):
            said = subprocess.run([RECORD, place], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            assert said.returncode == 73 and str(place) in said.stderr, said
        assert subprocess.run([RECORD], capture_output=True).returncode == 64


def test_a_recording_becomes_a_golden_case(tmp_path: Path) -> None:
    """By one command, for a filter of either side; what it says today is what is expected until someone mends it."""
    for name in ("golden", "golden-from"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "scripts" / name, tmp_path / "scripts" / name)
    for program in ("oai2anth", "sse-encode"):
        (tmp_path / "Tests/Golden" / program).mkdir(parents=True)
    (tmp_path / ".build").mkdir()
    (tmp_path / ".build/release").symlink_to(PROGRAMS)
    environment = {name: value for name, value in os.environ.items() if name != "SCRATCH"}

    def make(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([tmp_path / "scripts/golden-from", *words], env=environment, capture_output=True, text=True)

    recording = tmp_path / "recording"
    ctx = '"ctx":{"op":"messages","dialect":"openai","a":{"b":"}\\"{"}},'
    requests = ['{"rid":"r%d",%s"request":{"model":"m","messages":[],"x":1.50}}' % (n, ctx) for n in (1, 2)]
    answers = ['{"rid":"r1",%s"begin":{"status":200,"headers":{}}}' % ctx, '{"rid":"r1","response":{"a":"\\u00fc"}}', '{"rid":"r1","end":{}}']
    recording.write_text("\n".join(['{"rid":"record","time":1}', *requests, '{"rid":"record","time":2}', "", *answers, ""]))
    assert make(str(recording), "oai2anth/a-bug", "--strict").returncode == 0
    assert make("--rid", "r1", str(recording), "oai2anth/one").returncode == 0
    assert make(str(recording), "sse-encode/a-bug").returncode == 0
    golden = tmp_path / "Tests/Golden"
    assert (golden / "oai2anth/a-bug.in").read_text().splitlines() == requests
    assert (golden / "oai2anth/a-bug.args").read_text() == "--strict\n"
    assert (golden / "oai2anth/one.in").read_text().splitlines() == requests[:1]
    assert (golden / "sse-encode/a-bug.in").read_text().splitlines() == answers
    assert '"data":' in (golden / "sse-encode/a-bug.out").read_text()
    checked = subprocess.run([tmp_path / "scripts/golden"], env=environment, capture_output=True, text=True)
    assert checked.stdout == "golden: 3 passed, 0 failed\n"

    # None is written over, none is made of nothing.
    for words in ((str(recording), "sse-encode/a-bug"), ("--rid", "r9", str(recording), "oai2anth/b"),
                  (str(recording), "no-filter/b"), (str(recording), "../b"), (str(tmp_path / "none"), "oai2anth/b"), ()):
        said = make(*words)
        assert said.returncode in (64, 65, 66, 73) and said.stderr.startswith("golden-from: "), said
    assert not (golden / "oai2anth/b.in").exists()
