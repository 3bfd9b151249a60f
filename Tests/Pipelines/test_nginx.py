# SPDX-License-Identifier: MIT
"""scripts/nginx: TLS before the proxy, by the real nginx: nothing waits there that a client could have."""
from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import anthropic
import httpx2 as httpx
import openai
import pytest
from processes import wait_for
from recipes import SCRIPTS, Certificates, Running, program
from server import Proxy, free_port

RECIPE = SCRIPTS / "nginx/claude-proxy.conf"
NAME = "claude.example.com"
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "over here"}]}
SLOW = [{"role": "user", "content": "[[len:20]] [[slow:0.1]]"}]


class Edge:
    """nginx by the recipe, but for the port, the certificate and where the proxy is."""

    def __init__(self, home: Path):
        self.home = home
        self.certificates = Certificates(home)
        self.proxy = Proxy(home / "proxy", BACKEND="claude-echo", ALLOWED_HOSTS=NAME, TRUSTED_PROXIES="127.0.0.1",
                           ALLOW_UNAUTHENTICATED="1")
        self.port = free_port()
        recipe = RECIPE.read_text()
        folder = f"/etc/letsencrypt/live/{NAME}"
        for theirs, ours in ((":443", f":{self.port}"), ("listen 443", f"listen 127.0.0.1:{self.port}"),
                             ("127.0.0.1:8000", f"127.0.0.1:{self.proxy.port}"), (f"{folder}/fullchain", f"{home}/server"),
                             (f"{folder}/privkey.pem", f"{home}/server.key")):
            assert theirs in recipe, theirs
            recipe = recipe.replace(theirs, ours)
        (home / "claude-proxy.conf").write_text(recipe)
        (home / "nginx.conf").write_text(f"""daemon off; pid {home}/pid; error_log stderr; worker_processes 1;
            {'user root;' if Path('/proc/self').stat().st_uid == 0 else ''}
            events {{}} http {{ access_log off; client_body_temp_path {home}/bodies; proxy_temp_path {home}/answers;
            fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
            include {home}/claude-proxy.conf; }}""")
        try:
            self.nginx = Running(home / "nginx", [program("nginx"), "-e", "stderr", "-p", home, "-c", home / "nginx.conf"],
                                 self.port)
        except BaseException:
            self.proxy.stop()
            raise

    def curl(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = ["curl", "-sS", "--max-time", "20", "--cacert", self.certificates["ca.pem"], "--resolve",
                   f"{NAME}:{self.port}:127.0.0.1", *words]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(verify=self.certificates.context())

    def stop(self) -> None:
        self.nginx.stop()
        if self.proxy.process.poll() is None:
            self.proxy.stop()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    started = Edge(tmp_path_factory.mktemp("edge"))
    yield started
    started.stop()


def through_anthropic(edge: Edge) -> Iterator[str]:
    sdk = anthropic.Anthropic(base_url=edge.url, api_key="any", http_client=edge.client())
    with sdk.messages.stream(model="claude-sonnet-5-5", max_tokens=50, messages=SLOW) as stream:
        yield from stream.text_stream


def through_openai(edge: Edge) -> Iterator[str]:
    sdk = openai.OpenAI(base_url=edge.url + "/openai/v1", api_key="any", http_client=edge.client())
    for chunk in sdk.chat.completions.create(model="claude-sonnet-5-5", messages=SLOW, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


@pytest.mark.parametrize("pieces", [through_anthropic, through_openai])
def test_pieces_come_as_they_are_sent(edge: Edge, pieces: Callable[[Edge], Iterator[str]]) -> None:
    """Twenty words, one each tenth of a second: none waits for the next."""
    times = [time.monotonic() for _ in pieces(edge)]
    assert len(times) >= 20
    apart = [later - earlier for earlier, later in zip(times, times[1:])]
    assert times[-1] - times[0] > 1.5 and sum(gap > 0.05 for gap in apart) > 15, apart


def test_large_bodies(edge: Edge) -> None:
    """20 MB pass; what is above the limit is told in a form that an SDK reads; none of it is in a file."""
    sdk = anthropic.Anthropic(base_url=edge.url, api_key="any", http_client=edge.client(), max_retries=0)
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "x" * 20_000_000},
                                                  {"type": "text", "text": "[[say:it passed]]"}]}]
    answer = sdk.messages.create(model="claude-sonnet-5-5", max_tokens=50, messages=messages)
    assert answer.content[0].text == "it passed"
    # Larger by its head alone: no need to send it.
    said = edge.curl(f"https://{NAME}:{edge.port}/v1/messages", "-H", "content-type: application/json", "-H",
                     f"content-length: {33 << 20}", "-d", "{}", "-w", "\n%{http_code}", "--http1.1")
    body, status = said.stdout.rsplit("\n", 1)
    assert status == "413" and json.loads(body)["error"]["type"] == "request_too_large"
    assert not [path for folder in ("bodies", "answers") for path in (edge.home / folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize("version, option", [("2", "--http2"), ("1.1", "--http1.1")])
def test_versions_and_names(edge: Edge, tmp_path: Path, version: str, option: str) -> None:
    """HTTP/2 to the client, HTTP/1.1 to the proxy, which is told the name and the client's own address."""
    (tmp_path / "body").write_text(json.dumps(BODY))
    post = [option, "-H", "content-type: application/json", "-H", "x-forwarded-for: 192.0.2.6", "-d", f"@{tmp_path}/body",
            "--interface", "127.0.0.78", "-w", "\n%{http_version} %{http_code}"]
    for name, status in ((NAME, "200"), ("localhost", "200")):
        said = edge.curl(*post, f"https://{name}:{edge.port}/v1/messages")
        assert said.returncode == 0, said
        body, told = said.stdout.rsplit("\n", 1)
        assert told == f"{version} {status}" and "over here" in body
    # A name that isn't allowed is refused by the proxy itself.
    said = edge.curl(*post, "-H", "host: evil.example", f"https://{NAME}:{edge.port}/v1/messages")
    assert said.stdout.endswith(f"{version} 403")
    wait_for("it is logged", lambda: '"peer":"127.0.0.78"' in edge.proxy.log.read_text())
    assert "192.0.2.6" not in edge.proxy.log.read_text()


def test_a_client_that_goes(edge: Edge) -> None:
    """Its request is cancelled at the proxy."""
    before = edge.proxy.log.read_text()
    with edge.client() as client, client.stream("POST", edge.url + "/v1/messages", json=BODY | {
            "stream": True, "messages": [{"role": "user", "content": "[[len:500]] [[slow:0.1]]"}]}) as answer:
        next(answer.iter_lines())
    wait_for("it is logged", lambda: '"path":"/v1/messages"' in edge.proxy.log.read_text()[len(before):], 3)


def test_connections_are_kept(edge: Edge) -> None:
    """Requests of many clients go to the proxy by connections that stay."""
    for _ in range(10):
        with edge.client() as client:
            assert client.post(edge.url + "/v1/messages", json=BODY).status_code == 200
    ports = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
             if line.split()[2] == f"0100007F:{edge.proxy.port:04X}" and line.split()[3] == "01"}
    assert 0 < len(ports) <= 4


def test_the_proxy_is_away(edge: Edge) -> None:
    edge.proxy.stop()
    with pytest.raises(anthropic.InternalServerError) as raised:
        anthropic.Anthropic(base_url=edge.url, api_key="any", http_client=edge.client(), max_retries=0).messages.create(**BODY)
    assert raised.value.status_code == 503 and raised.value.response.headers["retry-after"] == "1"
    assert raised.value.body["error"]["type"] == "overloaded_error"
