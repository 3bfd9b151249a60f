# SPDX-License-Identifier: MIT
"""The whole way: a client, our server, the real CLI, and a stand-in for the API behind it."""
from __future__ import annotations

import contextlib
import itertools
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from carriers import Exec
from messages_api import MessagesAPI
from served import api, direct, each, served_by, upstream  # noqa: F401  (fixtures)
from server import CLI, Proxy


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


@pytest.fixture(params=["claude-http", "key-V", "login-S"])
def most(request: pytest.FixtureRequest, served_by: Callable[[str], Proxy], api: MessagesAPI) -> Proxy:
    """The same without the ways that start a CLI for each request, which take half a second."""
    return served_by(request.param)


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
