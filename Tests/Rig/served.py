# SPDX-License-Identifier: MIT
"""Fixtures: a stand-in for the API, and a server by each backend that asks it.

A conftest that imports them has a fixture `settings`, the settings of its servers.
"""
from __future__ import annotations

import contextlib
from typing import Callable, Iterator

import pytest
from carriers import WAYS
from messages_api import MessagesAPI
from server import Proxy


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


@pytest.fixture
def direct(served_by: Callable[[str], Proxy], api: MessagesAPI) -> Proxy:
    """The server by claude-http, for what is the same by any backend."""
    return served_by("claude-http")
