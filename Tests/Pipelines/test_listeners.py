# SPDX-License-Identifier: MIT
"""Other programs that hold our connections, each told by the very text that we ship: socat with TLS, xinetd, ucspi-tcp, runit."""
from __future__ import annotations

import os
import pwd
import re
import shlex
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import anthropic
import httpx2 as httpx
import openai
import processes
import pytest
from processes import wait_for, with_home
from recipes import SCRIPTS, Certificates, Running, program
from server import free_port
from wire import Stream, ask, connect, text_of

INETD = SCRIPTS / "claude-proxy-inetd"
USER = pwd.getpwuid(os.getuid()).pw_name
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "over here"}]}
SLOW = [{"role": "user", "content": "[[len:10]] [[slow:0.1]]"}]


def lines(start: str) -> list[str]:
    """The command lines of that program in the head of claude-proxy-inetd, without what is said of them."""
    return [line.split("  ")[0] for line in re.findall(rf"^#(?: usage:)? +({start} .*)$", INETD.read_text(), re.M)]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts a program that holds connections; afterwards nothing of it may be left."""
    started: list[Running] = []

    def one(command: list[object], port: int, **settings: str) -> Running:
        chosen = {"BACKEND": "claude-echo", "LOG_FILE": str(tmp_path / "own.log"), **settings}
        started.append(Running(tmp_path, command, port, **chosen))
        return started[-1]

    yield one
    for running in started:
        running.stop()
    wait_for("nothing is left", lambda: not with_home(tmp_path))


def ours(home: Path) -> set[str]:
    return {stage for pid in with_home(home) for stage in processes.stages(pid)} & {"http-frontd", "claude-echo", "sse-encode"}


def check_answers(server: Running) -> None:
    """Answers and a stream on one connection each, in order; then the processes of the connection go."""
    connection = connect(server.port)
    for path, body, status in (("/v1/messages", BODY, 200), ("/v1/messages", b"{", 400),
                               ("/openai/v1/chat/completions", BODY, 200)):
        answer = ask(server.port, "POST", path, body, connection=connection)
        assert answer.status == status, answer.body
    assert ours(server.home) == {"http-frontd", "claude-echo", "sse-encode"}
    connection.close()
    stream = Stream(server.port, "/v1/messages", BODY | {"stream": True, "messages": SLOW})
    events = list(stream)
    assert len(text_of(events).split()) == 10 and events[-1].time - events[0].time > 0.7
    stream.close()
    wait_for("the processes are gone", lambda: not ours(server.home))


# ucspi-tcp


def test_tcpserver(hold: Callable[..., Running], tmp_path: Path) -> None:
    [line] = lines("tcpserver")
    port = free_port()
    command = [{"tcpserver": program("tcpserver"), "8000": port, INETD.name: INETD}.get(word, word)
               for word in shlex.split(line)]
    server = hold(command, port)
    check_answers(server)
    assert '"peer":"127.0.0.1"' in server.log.read_text()


# xinetd


def test_xinetd(hold: Callable[..., Running], tmp_path: Path) -> None:
    text, port = (SCRIPTS / "xinetd/claude-proxy").read_text(), free_port()
    settings = tmp_path / "settings"
    settings.write_text("DEFAULT_MODEL=claude-opus-4-8\n")
    for theirs, ours_ in (("= 8000", f"= {port}"), ("user            = claude-proxy", f"user = {USER}"),
                          ("/usr/local/bin", str(SCRIPTS)), ("/etc/claude-proxy/settings", str(settings)),
                          ("/var/lib/claude-proxy", str(tmp_path)), ("/var/log", str(tmp_path))):
        assert theirs in text, theirs
        text = text.replace(theirs, ours_)
    (tmp_path / "xinetd.conf").write_text("defaults\n{\n}\n" + text)
    server = hold([program("xinetd"), "-dontfork", "-pidfile", tmp_path / "pid", "-f", tmp_path / "xinetd.conf"], port)
    check_answers(server)
    without_model = {name: value for name, value in BODY.items() if name != "model"}
    assert ask(port, "POST", "/v1/messages", without_model).headers["x-claude-model"] == "claude-opus-4-8"
    # The log is where the file says, and none of it was taken for HTTP.
    log = (tmp_path / "claude-proxy.log").read_text()
    assert log.count('"path":"/v1/messages"') >= 3 and '"peer":"127.0.0.1"' in log


# socat with TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def with_tls(hold: Callable[..., Running], certificates: Certificates, line: str, **settings: str) -> Running:
    port = free_port()
    for theirs, ours_ in (("LISTEN:8443", f"LISTEN:{port}"), ("cert=", f"cert={certificates.folder}/"),
                          ("key=", f"key={certificates.folder}/"), ("cafile=clients", f"cafile={certificates.folder}/ca"),
                          ("scripts/", f"{SCRIPTS}/")):
        assert theirs in line or theirs.startswith("cafile"), theirs
        line = line.replace(theirs, ours_)
    return hold(shlex.split(line), port, **settings)


def sdk_client(context: ssl.SSLContext) -> httpx.Client:
    return httpx.Client(verify=context)


def test_socat_with_a_certificate(hold: Callable[..., Running], certificates: Certificates) -> None:
    """Both SDKs, and their pieces as they come; who is there is known through the TLS; a token is asked for."""
    server = with_tls(hold, certificates, lines("socat OPENSSL-LISTEN.*verify=0")[0], AUTH_TOKEN="secret")
    url = f"https://localhost:{server.port}"
    with sdk_client(certificates.context()) as http:
        claude = anthropic.Anthropic(base_url=url, api_key="secret", http_client=http)
        with claude.messages.stream(model="m", max_tokens=50, messages=SLOW) as stream:
            times = [time.monotonic() for _ in stream.text_stream]
        assert len(times) >= 10 and times[-1] - times[0] > 0.7
        gpt = openai.OpenAI(base_url=url + "/openai/v1", api_key="secret", http_client=http)
        times = [time.monotonic() for _ in gpt.chat.completions.create(model="m", messages=SLOW, stream=True)]
        assert len(times) >= 10 and times[-1] - times[0] > 0.7
        with pytest.raises(anthropic.AuthenticationError):
            claude.with_options(api_key="wrong").messages.create(**BODY)
        long: Any = BODY | {"messages": [{"role": "user", "content": "x" * 5_000_000}]}
        assert len(claude.messages.create(**long).content[0].text) == 5_000_000
    assert '"peer":"127.0.0.1"' in server.log.read_text()


def test_socat_with_certificates_of_clients(hold: Callable[..., Running], certificates: Certificates) -> None:
    server = with_tls(hold, certificates, lines("socat OPENSSL-LISTEN.*verify=1")[0])
    url = f"https://localhost:{server.port}/v1/messages"
    with sdk_client(certificates.context("client")) as known:
        assert known.post(url, json=BODY).json()["content"][0]["text"] == "over here"
    before = server.log.read_text().count('"msg":"request"')
    for name in (None, "stranger"):
        with sdk_client(certificates.context(name)) as unknown, pytest.raises(httpx.TransportError):
            unknown.post(url, json=BODY)
    assert server.log.read_text().count('"msg":"request"') == before, "it got through without a certificate"


# runit


def test_runit(tmp_path: Path) -> None:
    """It is kept running, reads its settings again by `hup`, and ends by `down`."""
    service, home, port = tmp_path / "sv", tmp_path / "home", free_port()
    for folder in (service, home):
        folder.mkdir()
    settings = tmp_path / "settings"
    settings.write_text(f"PORT={port}\nBACKEND=claude-echo\n")
    script = (SCRIPTS / "runit/run").read_text()
    for theirs, ours_ in (("-o claude-proxy", f"-o {USER}"), ("/etc/claude-proxy/settings", str(settings)),
                          ("chpst -u claude-proxy", f"{program('chpst')} -u {USER}" if os.getuid() == 0 else ""),
                          ("/usr/local/bin", str(SCRIPTS)), ("/var/lib/claude-proxy", str(home)),
                          ("/run/claude-proxy\n", f"{home}/run\n")):
        assert theirs in script, theirs
        script = script.replace(theirs, ours_)
    (service / "run").write_text(script)
    (service / "run").chmod(0o755)

    def tell(*words: str) -> str:
        return subprocess.run([program("sv"), *words, str(service)], capture_output=True, text=True, timeout=20).stdout

    def model() -> str:
        body = {name: value for name, value in BODY.items() if name != "model"}
        return ask(port, "POST", "/v1/messages", body).headers["x-claude-model"]

    runsv = Running(home, [program("runsv"), service], port)
    try:
        first = wait_for("it runs", lambda: re.search(r"run: .*pid (\d+)", tell("status")))[1]
        assert processes.name(int(first)) == "http-frontd" and model() != "claude-opus-4-8"
        with open(settings, "a") as file:
            file.write("DEFAULT_MODEL=claude-opus-4-8\n")
        tell("hup")
        wait_for("the new settings are in force", lambda: model() == "claude-opus-4-8")
        os.kill(int(first), 9)
        wait_for("it is there again", lambda: (found := re.search(r"run: .*pid (\d+)", tell("status")))
                 and found[1] != first)
        wait_for("and answers", runsv.listens)
        assert model() == "claude-opus-4-8"
        tell("down")
        wait_for("it is down", lambda: tell("status").startswith("down: ") and not ours(home))
    finally:
        tell("exit")
        runsv.stop()
    wait_for("nothing is left", lambda: not with_home(home))
