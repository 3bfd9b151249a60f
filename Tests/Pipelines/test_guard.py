# SPDX-License-Identifier: MIT
"""Who http-frontd lets in, and for how long: tokens, hosts, origins, proxies, time-outs and caps. What it refuses never reaches the pipeline."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest
from front import FRONT, JSON, Front, check_error, eventually, read_all, read_until, request, start
from patience import fair

SECRET = "token-that-nobody-may-see"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with tokens, and with all else that guards it."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"ann:{SECRET}-1\n{SECRET}-2\n")
    server = Front(
        folder, "--tokens", str(tokens), "--allowed-hosts", "my.name", "--cors-origins",
        "http://localhost:*, https://a.example", "--trusted-proxies", "127.0.0.1",
        env={"AUTH_TOKEN": SECRET + "-3", "BEARER_TOKEN": ""})
    server.tokens = tokens
    yield server
    assert server.stop() == 0


def requests(server):
    return [record for record in server.seen() if "request" in record and record["ctx"]["op"] != "health"]


# Tokens


@pytest.mark.parametrize("headers, name", [
    ({"authorization": f"Bearer {SECRET}-1"}, "ann"), ({"Authorization": f"bearer  {SECRET}-1 "}, "ann"),
    ({"x-api-key": f"{SECRET}-2"}, "token-2"), ({"x-api-key": f"{SECRET}-3"}, "default"),
    ({"x-api-key": "other", "authorization": f"Bearer {SECRET}-1"}, "ann")])
def test_a_token_lets_in_by_its_name(guarded, headers, name):
    status, _, body = guarded.ask("POST", "/v1/messages", "{}", JSON | headers)
    assert status == 200 and json.loads(body)["ctx"]["http"]["key"] == name and SECRET.encode() not in body
    assert eventually(lambda: [line for line in guarded.log() if line.get("key") == name])


@pytest.mark.parametrize("headers", [
    {}, {"authorization": f"Bearer {SECRET}"}, {"authorization": f"Basic {SECRET}-1"}, {"x-api-key": ""},
    {"authorization": f"{SECRET}-1"}, {"x-api-key": f"ann:{SECRET}-1"}, {"authorization": "Bearer"},
    {"cookie": f"x-api-key={SECRET}-1"}, {"x-api-key": f"{SECRET}-1x"}])
def test_without_one_nothing_comes_through(guarded, headers):
    before = len(requests(guarded))
    for method, path, body in [("POST", "/v1/messages", "{}"), ("GET", "/v1/models", None)]:
        status, answered, text = guarded.ask(method, path, body, JSON | headers)
        check_error(status, answered, text, 401, "authentication_error")
        assert answered["www-authenticate"] == "Bearer" and SECRET.encode() not in text
    assert len(requests(guarded)) == before


def test_what_stays_open(guarded):
    for path in ["/", "/health", "/health/live", "/health/ready"]:
        assert guarded.ask("GET", path)[0] == 200, path
    for path in ["/metrics", "/health/detailed"]:
        assert guarded.ask("GET", path)[0] == 401, path
        assert guarded.ask("GET", path, headers={"x-api-key": f"{SECRET}-2"})[0] == 200, path


def test_without_tokens_any_key_is_ignored(start):
    status, _, body = start().ask("POST", "/v1/messages", "{}", JSON | {"x-api-key": "any"})
    assert status == 200 and "key" not in json.loads(body)["ctx"]["http"]


def test_secrets_are_nowhere(guarded):
    guarded.ask("POST", "/v1/messages", "{}", JSON | {"authorization": f"Bearer {SECRET}-1"})
    for pid in [guarded.process.pid, *guarded.stages()]:
        for name in ["environ", "cmdline"]:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                assert SECRET.encode() not in file.read(), (pid, name)
    for stage in guarded.stages():
        with open(f"/proc/{stage}/environ", "rb") as file:
            assert b"AUTH_TOKEN" not in file.read()
    for path in [guarded.log_path, guarded.seen_path]:
        assert SECRET not in open(path).read(), path


def test_tokens_are_read_again(start, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text("a:one\n")
    server = start("--tokens", str(tokens))
    ask = lambda token: server.ask("GET", "/v1/models", headers={"x-api-key": token})[0]
    assert (ask("one"), ask("two")) == (200, 401)
    tokens.write_text("a:two\n")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: ask("two") == 200)
    assert ask("one") == 401
    # What can't be read changes nothing: least of all does it open the door.
    for spoil in [lambda: tokens.write_text(""), lambda: tokens.chmod(0o644), tokens.unlink]:
        said = len(server.log())
        spoil()
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: any("the tokens stay" in line["msg"] for line in server.log()[said:]))
        assert (ask("one"), ask("two")) == (401, 200)


@pytest.mark.parametrize("text, mode, code", [
    ("a:secret\n", 0o640, 78), ("a:secret\n", 0o604, 78), ("", 0o600, 78), ("# none\n", 0o600, 78),
    ("a:sec ret\n", 0o600, 78), (None, 0, 66)])
def test_a_wrong_file_of_tokens(tmp_path, text, mode, code):
    tokens = tmp_path / "tokens"
    if text is not None:
        tokens.write_text(text)
        tokens.chmod(mode)
    said = subprocess.run([FRONT, "--listen", "127.0.0.1:0", "--pipeline", "cat", "--tokens", str(tokens)],
                          capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert said.returncode == code and str(tokens) in said.stderr and "ret" not in said.stderr, said


# Hosts


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("my.name:80", 200),
    ("evil.example", 403), ("localhost.evil.example", 403), ("127.0.0.1.nip.io", 403), ("169.254.169.254", 403),
    ("a@localhost", 400), ("localhost, evil.example", 400), ("localhost:x", 400), ("", 400),
    (None, 400), ("localhost\r\nhost: evil.example", 400)])
def test_hosts(guarded, host, status):
    head = "" if host is None else f"host: {host}\r\n"
    answer = guarded.raw(f"GET /health/live HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    if status == 403:
        assert b"permission_error" in answer


def test_old_clients_name_no_host(guarded):
    assert guarded.raw(b"GET /health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")


def test_elsewhere_any_host_will_do(start):
    server = start(listen="0.0.0.0:0")
    answer = server.raw(b"GET /health/live HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


# Origins


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://a.example"])
def test_a_page_that_is_allowed(guarded, origin):
    ask = {"origin": origin, "access-control-request-method": "POST",
           "access-control-request-headers": "content-type,x-api-key, x-stainless-lang"}
    status, headers, body = guarded.ask("OPTIONS", "/v1/messages", headers=ask)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == origin and headers["vary"] == "origin"
    assert "POST" in headers["access-control-allow-methods"] and headers["access-control-max-age"] == "86400"
    assert headers["access-control-allow-headers"] == "content-type, x-api-key, x-stainless-lang"
    for key, expected in [(f"{SECRET}-1", 200), ("wrong", 401)]:
        status, headers, _ = guarded.ask("POST", "/v1/messages", "{}", JSON | {"origin": origin, "x-api-key": key})
        assert status == expected and headers["access-control-allow-origin"] == origin
        assert "x-proxy-loss" in headers["access-control-expose-headers"] and headers["vary"] == "origin"


@pytest.mark.parametrize("origin", [
    "null", "https://evil.example", "http://a.example", "https://a.example.evil", "http://localhost:80.evil",
    "http://localhost", "https://a.example, https://evil.example"])
@pytest.mark.parametrize("method, headers", [
    ("OPTIONS", {"access-control-request-method": "POST"}), ("POST", JSON), ("POST", {"content-type": "text/plain"}),
    ("POST", {}), ("GET", {})])
def test_a_page_that_is_not(guarded, origin, method, headers):
    before = len(requests(guarded))
    key = {"x-api-key": f"{SECRET}-1"}
    path = "/v1/models" if method == "GET" else "/v1/messages"
    status, answered, body = guarded.ask(
        method, path, "{}" if method == "POST" else None, headers | key | {"origin": origin})
    check_error(status, answered, body, 403, "permission_error")
    assert not [name for name in answered if name.lower().startswith("access-control-")]
    assert len(requests(guarded)) == before


@pytest.mark.parametrize("site, mode, dest, asks, looks", [
    ("cross-site", "no-cors", "image", 403, 403), ("same-site", "no-cors", "script", 403, 403),
    ("cross-site", "navigate", "iframe", 403, 403), ("cross-site", "navigate", "document", 403, 200),
    ("same-origin", "cors", "empty", 200, 200), ("none", "navigate", "document", 200, 200)])
def test_a_page_that_names_no_origin(guarded, site, mode, dest, asks, looks):
    """Browsers name none for what they load without being asked by a script: they say where it comes from otherwise."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest, "x-api-key": f"{SECRET}-1"}
    before = len(requests(guarded))
    for path, status in [("/v1/models", asks), ("/health", looks), ("/metrics", looks), ("/", looks)]:
        answered, answer_headers, body = guarded.ask("GET", path, headers=headers)
        assert answered == status, path
        if status == 403:
            check_error(answered, answer_headers, body, 403, "permission_error")
    assert len(requests(guarded)) == before + (asks == 200)


@pytest.mark.parametrize("origin, status, allowed", [
    ("https://a.example", 204, "true"), ("https://evil.example", 403, None), ("null", 403, None)])
def test_a_page_from_outside_of_the_private_network(guarded, origin, status, allowed):
    """Its browser asks whether it may, in the preflight (Private Network Access)."""
    ask = {"origin": origin, "access-control-request-method": "POST", "access-control-request-private-network": "true"}
    answered, headers, _ = guarded.ask("OPTIONS", "/v1/messages", headers=ask)
    assert (answered, headers.get("access-control-allow-private-network")) == (status, allowed)
    del ask["access-control-request-private-network"]
    answered, headers, _ = guarded.ask("OPTIONS", "/v1/messages", headers=ask)
    assert answered == status and "access-control-allow-private-network" not in headers


def test_all_pages(start):
    server = start("--cors-origins", "*")
    assert server.ask("GET", "/v1/models", headers={"sec-fetch-site": "cross-site"})[0] == 200
    for origin in ["https://any.example", "null"]:
        status, headers, _ = server.ask("GET", "/v1/models", headers={"origin": origin})
        assert status == 200 and headers["access-control-allow-origin"] == origin


# Proxies


@pytest.mark.parametrize("forwarded, peer", [
    ("203.0.113.9", "203.0.113.9"), ("1.1.1.1, 203.0.113.9", "203.0.113.9"), ("nonsense", "unknown"),
    (None, "127.0.0.1"), ('203.0.113.9"}', "unknown"), ("", "unknown"), ("127.evil", "unknown"),
    ("2001:DB8:0:0::1", "2001:db8::1"), ("::ffff:203.0.113.9", "203.0.113.9")])
def test_a_proxy_that_is_trusted(guarded, forwarded, peer):
    headers = {"x-api-key": f"{SECRET}-1"} | ({"x-forwarded-for": forwarded} if forwarded is not None else {})
    _, _, body = guarded.ask("GET", "/v1/models", headers=headers)
    assert json.loads(body)["ctx"]["http"]["peer"] == peer


def test_others_are_not(start):
    _, _, body = start().ask("GET", "/v1/models", headers={"x-forwarded-for": "203.0.113.9"})
    assert json.loads(body)["ctx"]["http"]["peer"] == "127.0.0.1"


# Patience and room


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    server = Front(tmp_path_factory.mktemp("hasty"), "--header-timeout", "1", "--body-timeout", "1",
                   "--keep-alive-timeout", "2", "--max-header", "8192")
    yield server
    assert server.stop() == 0


def trickle(client, data):
    """Sends a byte now and then until the other side has had enough; its answer."""
    client.settimeout(0.2)
    for byte in data:
        with contextlib.suppress(OSError):
            client.sendall(bytes([byte]))
        try:
            answer = client.recv(65536)
            client.settimeout(20)
            return answer + read_all(client) if answer else answer
        except TimeoutError:
            pass
    raise AssertionError("it was never refused")


def test_a_slow_head(hasty):
    began = time.monotonic()
    with hasty.socket() as client:
        answer = trickle(client, b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n" + b"x" * 100)
    assert answer.startswith(b"HTTP/1.1 408") and b"connection: close" in answer and fair(began) < 4
    # Also after a request that was good.
    with hasty.socket() as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\nGET")
        assert b"HTTP/1.1 200" in read_until(client, b"}\n")
        assert trickle(client, b" / HTTP/1.1\r\n" + b"x" * 100).startswith(b"HTTP/1.1 408")


def test_a_head_that_begins_while_an_answer_is_under_way(hasty):
    began = time.monotonic()
    with hasty.socket() as client:
        client.sendall(request({"model": "stream", "n": 10, "pace": 0.03}))
        read_until(client, b'{"i":1}')
        client.sendall(b"GET / HTTP/1.1\r\nho")
        answer = read_all(client)
    assert answer.index(b'{"i":9}') < answer.index(b"HTTP/1.1 408") and fair(began) < 4
    # What is no request breaks off nothing that came before it.
    with hasty.socket() as client:
        client.sendall(request({"model": "stream", "n": 10, "pace": 0.03}))
        read_until(client, b'{"i":1}')
        client.sendall(b"this is no request\r\n\r\n")
        answer = read_all(client)
    assert answer.index(b'{"i":9}') < answer.index(b"HTTP/1.1 400")


def test_a_client_that_sends_on_is_held_back(hasty):
    """While an answer is under way no more than a little of what follows is taken from the system."""
    with hasty.socket() as client:
        client.sendall(request({"model": "stream", "n": 40, "pace": 0.05}))
        read_until(client, b'{"i":1}')
        client.settimeout(0.5)
        sent, before = 0, client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                sent += client.send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1_000)
        assert sent < 32 << 20, before


def test_a_body_that_stops(hasty):
    head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    before = len(requests(hasty))
    for start in [b'content-length: 20\r\n\r\n{"a":', b'transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n']:
        with hasty.socket() as client:
            client.sendall(head + start)
            answer = read_all(client)
            assert answer.startswith(b"HTTP/1.1 408") and b"connection: close" in answer
    assert len(requests(hasty)) == before
    # One that goes on, if slowly, is taken.
    with hasty.socket() as client:
        client.sendall(head + b"connection: close\r\ncontent-length: 6\r\n\r\n")
        for byte in b'{    }':
            time.sleep(0.25)
            client.sendall(bytes([byte]))
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_a_refused_body_that_stops(hasty):
    with hasty.socket() as client:
        client.sendall(b"POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1 ") == 1


def test_an_idle_connection(hasty):
    for first in [b"", b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"]:
        with hasty.socket() as client:
            began = time.monotonic()
            client.sendall(first)
            answer = read_all(client)
            assert answer.count(b"HTTP/1.1 ") == bool(first) and b" 408 " not in answer
            assert 1.9 < time.monotonic() - began and fair(began) < 5


def test_our_own_standstill_is_not_held_against_a_client(tmp_path):
    """The machine has no time for the server, and then goes on: what came meanwhile is answered."""
    server = Front(tmp_path, "--keep-alive-timeout", "1", "--header-timeout", "1")
    try:
        with server.socket() as patient:
            patient.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert patient.recv(65536).startswith(b"HTTP/1.1 200 ")
            server.process.send_signal(signal.SIGSTOP)
            patient.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            time.sleep(2)
            server.process.send_signal(signal.SIGCONT)
            assert read_all(patient).startswith(b"HTTP/1.1 200 ")
        assert server.stop() == 0
    finally:
        server.process.kill()
        server.process.wait()


def test_an_answer_is_no_idleness(hasty):
    status, _, body = hasty.post({"model": "stream", "n": 7, "pace": 0.5})
    assert status == 200 and body.endswith(b'{"i":6}\n\n')


def test_a_large_head(hasty):
    for data in [b"x: " + b"a" * 9_000, b"\r\n".join(b"x%d: " % n + b"a" * 90 for n in range(100)),
                 b"\r\n".join(b"x: y" for _ in range(300))]:
        answer = hasty.raw(b"GET / HTTP/1.1\r\nhost: localhost\r\n" + data + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431 ") and b"connection: close" in answer
    fits = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: " + b"a" * 8_000 + b"\r\n\r\n"
    assert hasty.raw(fits).startswith(b"HTTP/1.1 200")


def test_no_more_room(start):
    server = start("--max-connections", "5", "--max-connections-per-address", "2")
    ask = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"

    def refused():
        with contextlib.suppress(ConnectionError), server.socket() as client:
            client.sendall(ask)
            return not client.recv(1)
        return True

    with contextlib.ExitStack() as held:
        for _ in range(5):
            client = held.enter_context(server.socket())
            client.sendall(ask)
            assert b"200" in read_until(client, b"}\n")
        assert refused() and refused()
        # Those who are in stay in.
        client.sendall(ask)
        assert b"200" in read_until(client, b"}\n")
    eventually(lambda: not refused())
    assert len([line for line in server.log() if line["msg"] == "connections are refused"]) == 1


def own_address():
    """An address of this machine that isn't loopback's; connecting a datagram socket sends nothing."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.254", 9))
        return probe.getsockname()[0]


@pytest.mark.skipif(not own_address(), reason="this machine has no address but loopback's")
def test_no_more_room_for_one_address(start):
    server = start("--max-connections-per-address", "2", listen="0.0.0.0:0")
    ask = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with contextlib.ExitStack() as held:
        for _ in range(2):
            client = held.enter_context(socket.create_connection((own_address(), server.port), timeout=20))
            client.sendall(ask)
            assert b"200" in read_until(client, b"}\n")
        with contextlib.suppress(ConnectionError), socket.create_connection((own_address(), server.port)) as client:
            client.sendall(ask)
            assert not client.recv(1)
        assert server.ask("GET", "/health/live")[0] == 200


@pytest.mark.parametrize("option, value", [
    ("--header-timeout", "0"), ("--max-connections", "0"), ("--max-header", "0"), ("--cors-origins", "a.example"), ("--trusted-proxies", "somewhere"), ("--trusted-proxies", "10.0.0.0/40")])
def test_wrong_settings(option, value):
    said = subprocess.run([FRONT, "--listen", "127.0.0.1:0", "--pipeline", "cat", option, value],
                          capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert said.returncode == 64 and option in said.stderr, said
