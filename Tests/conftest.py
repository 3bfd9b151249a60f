# SPDX-License-Identifier: MIT
"""What all tests of running servers share."""
from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from server import Proxy


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """Starts servers with the settings given; each is ended after the test, and must leave nothing."""
    with contextlib.ExitStack() as started:
        numbers = itertools.count()

        def start_one(**settings: Any) -> Proxy:
            proxy = Proxy(tmp_path / f"home{next(numbers)}", **settings)
            started.callback(proxy.stop)
            return proxy

        yield start_one


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A server that answers by claude-echo, shared by a module."""
    proxy = Proxy(tmp_path_factory.mktemp("echo"), BACKEND="claude-echo")
    yield proxy
    proxy.stop()
