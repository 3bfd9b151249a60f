# SPDX-License-Identifier: MIT
"""The whole way: a client, our server, the real CLI, and a stand-in for the API behind it."""
from __future__ import annotations

import contextlib
import itertools
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from carriers import WAYS, Exec
from messages_api import MessagesAPI
from server import CLI, Proxy


@pytest.fixture(scope="session")
def upstream() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture
def api(upstream: MessagesAPI) -> MessagesAPI:
    """The stand-in, with an empty log."""
    upstream.reset()
    return upstream


@pytest.fixture(scope="session")
def cli() -> str:
    """The real CLI, as scripts/setup found or fetched it."""
    said = subprocess.run([CLI, "--version"], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0 and "Claude Code" in said.stdout, f"{CLI}: {said}"
    return str(CLI)


@pytest.fixture(scope="session")
def settings(upstream: MessagesAPI, cli: str) -> dict[str, str]:
    """The settings of a server that has the real CLI and an API key, and the stand-in as its API."""
    return {"BACKEND": "claude-exec", "CLAUDE_CLI_PATH": cli, "CLAUDE_AUTH": "key", "MAX_BODY": "200000",
            "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "ANTHROPIC_BASE_URL": upstream.url}


@pytest.fixture(scope="session")
def proxy(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One server for all tests that don't need one of their own."""
    server = Proxy(tmp_path_factory.mktemp("proxy"), **settings)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def served_by(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Proxy]]:
    """Gives a server that answers by this backend: claude-http, or claude-exec in one of its ways. Each starts once."""
    with contextlib.ExitStack() as started:
        servers: dict[str, Proxy] = {}

        def server(backend: str) -> Proxy:
            if backend not in servers:
                chosen = settings | (WAYS[backend] if backend in WAYS else {"BACKEND": "claude-http"})
                servers[backend] = Proxy(tmp_path_factory.mktemp(backend), **chosen)
                started.callback(servers[backend].stop)
            return servers[backend]

        yield server


@pytest.fixture(params=["claude-http", *WAYS])
def each(request: pytest.FixtureRequest, served_by: Callable[[str], Proxy], api: MessagesAPI) -> Proxy:
    """A server by each backend, and by each way that claude-exec has."""
    return served_by(request.param)


@pytest.fixture(params=["claude-http", "key-V", "login-S"])
def most(request: pytest.FixtureRequest, served_by: Callable[[str], Proxy], api: MessagesAPI) -> Proxy:
    """The same without the ways that start a CLI for each request, which take half a second."""
    return served_by(request.param)


@pytest.fixture
def direct(served_by: Callable[[str], Proxy], api: MessagesAPI) -> Proxy:
    """The server by claude-http, for what is the same by any backend."""
    return served_by("claude-http")


@pytest.fixture
def sent(api: MessagesAPI) -> Callable[[], dict[str, Any]]:
    """Gives the one body that reached the API."""

    def one_body() -> dict[str, Any]:
        bodies = api.bodies()
        assert len(bodies) == 1, f"{len(bodies)} requests reached the API"
        return bodies[0]

    return one_body


@pytest.fixture
def run(tmp_path: Path, api: MessagesAPI, cli: str) -> Iterator[Callable[..., Exec]]:
    """Starts claude-exec by its pipe, for a way by its name; each is ended after the test."""
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def run_one(way: str = "key-V", *arguments: str, home: Path | None = None, **settings: str) -> Exec:
            one = Exec(home or tmp_path / f"exec{next(numbers)}", api.url, *arguments, way=way, **settings)
            started.callback(one.stop)
            return one

        yield run_one
