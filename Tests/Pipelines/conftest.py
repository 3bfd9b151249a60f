# SPDX-License-Identifier: MIT
"""A stand-in for the API, for the pipelines' tests that need one."""
from __future__ import annotations

from typing import Iterator

import pytest
from messages_api import MessagesAPI


@pytest.fixture(scope="module")
def standin() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture
def api(standin: MessagesAPI) -> MessagesAPI:
    standin.reset()
    return standin
