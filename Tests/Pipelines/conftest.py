# SPDX-License-Identifier: MIT
"""A stand-in for the API, and a browser, for the pipelines' tests that need them."""
from __future__ import annotations

from typing import Iterator

import pytest
from browser import Browser
from messages_api import MessagesAPI
from pages import Pages

# The pages' names all stand for this machine.
NAMES = "MAP *.example 127.0.0.1"


@pytest.fixture(scope="module")
def standin() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture
def api(standin: MessagesAPI) -> MessagesAPI:
    standin.reset()
    return standin


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser without what newer ones do to shield servers of this machine: ours has to guard itself."""
    with Browser(tmp_path_factory.mktemp("browser"), f"--host-resolver-rules={NAMES}",
                 "--disable-features=LocalNetworkAccessChecks") as started:
        yield started


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    with Pages() as started:
        yield started
