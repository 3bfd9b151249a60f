# SPDX-License-Identifier: MIT
"""claude-http and TLS: certificates that are and aren't to be trusted, HTTP/2, and proxies in between; by nginx."""
from __future__ import annotations

import json
import select
import socket
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest
from backend import SECRET, ask_for
from http_backend import BEGUN, STREAM, run, stream_in_chunks  # noqa: F401
from messages_api import MessagesAPI
from patience import fair
from processes import descriptors, wait_for
from tls import Authority, Nginx
from upstream import Request, Upstream, Wire, out_of_reach


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def trusting(authority: Authority) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(authority.certificate)}


@pytest.fixture(scope="module")
def server(authority: Authority, standin: MessagesAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), authority, standin.url) as nginx:
        yield nginx


def refusal(backend, *secrets: str) -> str:
    """What the client is told where there is no connection: nothing about this machine; the operator is told why."""
    error = backend.error("hi", stream=True)
    assert error["status"] == 502 and error["headers"] == {}
    assert error["body"]["error"]["type"] == "api_error"
    said = error["body"]["error"]["message"]
    assert not any(part in said for part in ("/", "127.0.0.1", "localhost", *secrets)), said
    assert "the request to the API failed" in backend.log.read_text()
    return said


def test_a_certificate_that_is_trusted(run, authority: Authority, server: Nginx, api: MessagesAPI) -> None:
    backend = run(server.url, **trusting(authority))
    assert backend.ask("[[say:by TLS]]")[1]["response"]["content"][0]["text"] == "by TLS"
    stream = backend.ask("[[say:as a stream]]", rid="s", stream=True)
    assert "".join(record["event"].get("delta", {}).get("text", "") for record in stream if "event" in record) == "as a stream"
    assert {protocol for _, protocol in server.requests()} == {"HTTP/2.0"}
    # A folder of certificates does as well, and beside a file that doesn't help.
    folder = authority.certificate.parent / "folder"
    folder.mkdir()
    (folder / f"{authority.hash()}.0").write_bytes(authority.certificate.read_bytes())
    other = Authority(authority.certificate.parent / "other")
    for settings in ({}, trusting(other)):
        assert "response" in run(server.url, SSL_CERT_DIR=str(folder), **settings).ask("hi")[1]


def test_a_certificate_that_nobody_vouches_for(run, server: Nginx, api: MessagesAPI, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    for settings in ({}, trusting(other)):
        assert refusal(run(server.url, **settings)) == "the API could not be reached: its certificate can't be verified"
    missing = run(server.url, SSL_CERT_FILE=str(tmp_path / "missing.pem"))
    assert "the certificates to trust can't be read" in refusal(missing, "missing.pem")
    assert not api.records()


def test_a_wrong_name_and_one_that_has_run_out(run, authority: Authority, api: MessagesAPI, tmp_path: Path) -> None:
    with Nginx(tmp_path / "named", authority, api.url, names="DNS:elsewhere.example,IP:127.0.0.2") as other:
        assert "its certificate can't be verified" in refusal(run(other.url, **trusting(authority)), "elsewhere")
    with Nginx(tmp_path / "old", authority, api.url, days=0) as old:
        assert "its certificate can't be verified" in refusal(run(old.url, **trusting(authority)))
    with Nginx(tmp_path / "local", authority, api.url, names="DNS:localhost") as local:
        url = local.url.replace("127.0.0.1", "localhost")
        assert "response" in run(url, **trusting(authority)).ask("hi")[1]
    assert len(api.records("request")) == 1


def test_no_tls_behind_https(run, api: MessagesAPI) -> None:
    assert "could not be reached" in refusal(run(api.url.replace("http:", "https:")))


def test_a_thousand_streams_over_eight_connections(run, authority: Authority, tmp_path: Path) -> None:
    """As few as nginx's limit of 128 streams asks for; and a stream that is cancelled closes nothing else."""
    held = threading.Event()

    def play(wire: Wire, _: Request) -> None:
        wire.head()
        wire.chunk(BEGUN)
        held.wait(60)
        wire.chunk(STREAM[len(BEGUN):])
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream, Nginx(tmp_path / "nginx", authority, upstream.url) as nginx:
        backend = run(nginx.url, **trusting(authority))
        for number in range(1000):
            backend.request(f"r{number}", ask_for("hi", stream=True))
        for number in range(1000):
            backend.wait(f"r{number}", "event", 60)
        # Eight connections, and what a program has besides.
        assert descriptors(backend.process.pid) < 8 + 12
        backend.send(*({"rid": f"r{number}", "cancel": True} for number in range(0, 1000, 10)))
        for number in range(0, 1000, 10):
            assert backend.answer(f"r{number}", 30)[-1]["end"] == {"cancelled": True}
        # They make room for others.
        backend.request("more", ask_for("hi", stream=True))
        backend.wait("more", "event", 30)
        held.set()
        for number in range(1000):
            if number % 10:
                assert [list(record)[-1] for record in backend.answer(f"r{number}", 60)][-2:] == ["event", "end"]
        wait_for("all is logged", lambda: len(nginx.requests()) == 1001, 10)
        assert nginx.connections() == 8 and backend.close() == 0


def test_a_server_that_allows_few_streams_and_closes(run, authority: Authority, tmp_path: Path) -> None:
    """Each connection takes 20 streams in all, then the server wants to be rid of it; nothing is lost by that."""
    with Upstream(stream_in_chunks(100)) as upstream, \
            Nginx(tmp_path / "nginx", authority, upstream.url, more="keepalive_requests 20;") as nginx:
        backend = run(nginx.url, **trusting(authority))
        for wave in range(4):
            names = [f"r{wave}.{number}" for number in range(100)]
            for name in names:
                backend.request(name, ask_for("hi", stream=True))
            for name in names:
                assert "end" in backend.answer(name, 30)[-1] and "error" not in backend.kept[name][-2], backend.kept[name][-2]
        assert 20 <= nginx.connections() <= 100


def test_http_2_that_dies_with_requests(run, authority: Authority, tmp_path: Path) -> None:
    """Each was with the upstream, so none is sent again, though another server is there at once."""
    seen: list[bytes] = []

    def play(wire: Wire, request: Request) -> None:
        if b"held" in request.body:
            seen.append(request.body)
            time.sleep(1.5)
        wire.head()
        wire.chunk(STREAM)
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream, Nginx(tmp_path / "one", authority, upstream.url, protocol="http2 reuseport") as one:
        backend = run(one.url, **trusting(authority))
        assert "end" in backend.ask("warm", rid="warm", stream=True)[-1]
        for number in range(5):
            backend.request(f"r{number}", ask_for(f"held {number}", stream=True))
        wait_for("all are there", lambda: len(seen) == 5)
        with Nginx(tmp_path / "two", authority, upstream.url, protocol="http2 reuseport", port=one.port) as two:
            # Both listen on the one port: the second is there when there are two.
            wait_for("the second is up", lambda: Path("/proc/net/tcp").read_text().count(f":{two.port:04X} 00000000:0000 0A") == 2)
            one.process.kill()
            one.process.wait(10)
            for number in range(5):
                error = backend.answer(f"r{number}")[0]["error"]
                assert error["status"] == 502 and "may have been processed" in error["body"]["error"]["message"], error
            assert "end" in backend.ask("good", rid="good", stream=True)[-1] and "begin" in backend.kept["good"][0]
            assert len(seen) == 5 and two.connections() <= 1


def test_http_1_over_tls(run, authority: Authority, tmp_path: Path) -> None:
    """A connection for each request at once, none waiting for another's, and each kept for the next one."""
    held = threading.Event()

    def play(wire: Wire, _: Request) -> None:
        wire.head()
        wire.chunk(BEGUN)
        held.wait(30)
        wire.chunk(STREAM[len(BEGUN):])
        wire.send(b"0\r\n\r\n")

    with Upstream(play) as upstream, Nginx(tmp_path / "nginx", authority, upstream.url, protocol="") as nginx:
        backend = run(nginx.url, **trusting(authority))
        for number in range(100):
            backend.request(f"r{number}", ask_for("hi", stream=True))
        for number in range(100):
            backend.wait(f"r{number}", "event", 30)
        held.set()
        for number in range(100):
            backend.answer(f"r{number}", 30)
        for number in range(100):
            assert "end" in backend.ask("hi", rid=f"again{number}", stream=True)[-1]
        wait_for("all is logged", lambda: len(nginx.requests()) == 200, 10)
        assert nginx.connections() <= 102 and {protocol for _, protocol in nginx.requests()} == {"HTTP/1.1"}


def test_an_upstream_out_of_reach_is_told_to_all_in_time(run) -> None:
    """The others wait for a connection that may be shared, but not for one after the other that can't be had."""
    with out_of_reach() as port:
        backend = run(f"https://127.0.0.1:{port}", "--connect-timeout", "1")
        began = time.monotonic()
        for number in range(20):
            backend.request(f"r{number}", ask_for("hi"))
        for number in range(20):
            assert backend.answer(f"r{number}")[0]["error"]["status"] == 504
        assert fair(began) < 2.8


class Tunnel:
    """An HTTP proxy that opens tunnels, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refuses = False
        self._upstream = Upstream(self._play)
        self.url = self._upstream.url

    def __enter__(self) -> Tunnel:
        self._upstream.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._upstream.__exit__()

    def _play(self, wire: Wire, request: Request) -> bool:
        self.asked.append((request.line, request.headers))
        if self.refuses:
            wire.answer(407, b"who are you?", "text/plain", request_id="of the proxy")
            return True
        host, port = request.line.split()[1].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as behind:
            wire.send(b"HTTP/1.1 200 Connected\r\nrequest-id: of the proxy\r\n\r\n")
            ends = {wire.socket: behind, behind: wire.socket}
            while True:
                for ready in select.select(list(ends), [], [], 30)[0]:
                    if not (data := ready.recv(65536)):
                        return True
                    ends[ready].sendall(data)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_by_each_variable(run, authority: Authority, server: Nginx, api: MessagesAPI, variable: str) -> None:
    """It sees where the tunnel goes, and nothing of the request; its own headers reach nobody."""
    with Tunnel() as proxy:
        backend = run(server.url, **trusting(authority), **{variable: proxy.url})
        [begin, response, _] = backend.ask("[[say:through it]]")
        assert response["response"]["content"][0]["text"] == "through it"
        assert begin["begin"]["headers"]["request-id"].startswith("req_standin")
        [(line, headers)] = proxy.asked
        assert line == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1" and SECRET not in json.dumps(headers)
        backend.ask("hi", rid="again")
        assert len(proxy.asked) == 1, "the tunnel is kept"


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_hosts_without_a_proxy(run, authority: Authority, server: Nginx, api: MessagesAPI, variable: str) -> None:
    with Tunnel() as proxy:
        backend = run(server.url, **trusting(authority), HTTPS_PROXY=proxy.url, **{variable: "example.com,127.0.0.1"})
        assert "response" in backend.ask("hi")[1] and not proxy.asked


def test_a_proxy_that_refuses(run, authority: Authority, server: Nginx) -> None:
    with Tunnel() as proxy:
        proxy.refuses = True
        refusal(run(server.url, **trusting(authority), https_proxy=proxy.url), "407", "who are you")


def test_a_proxy_for_clear_text(run, api: MessagesAPI) -> None:
    """Only by the name in lower case, as curl has it: in upper case a CGI's client could set it."""
    with Upstream(lambda wire, _: wire.answer(200, b'{"by":"the proxy","content":[]}')) as proxy:
        answer = run("http://api.invalid", http_proxy=proxy.url).ask("hi")
        assert answer[1]["response"]["by"] == "the proxy"
        assert proxy.requests[0].line == "POST http://api.invalid/v1/messages HTTP/1.1"
        assert "content" in run(api.url, HTTP_PROXY=proxy.url).ask("hi")[1]["response"]
