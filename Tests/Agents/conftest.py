# SPDX-License-Identifier: MIT
"""A stand-in for the API behind the servers, for the clients that need more than canned answers."""
from __future__ import annotations

import pytest
from messages_api import MessagesAPI
from served import api, direct, each, served_by, upstream  # noqa: F401  (fixtures)
from server import CLI

pytest.register_assert_rewrite("loops")


@pytest.fixture(scope="session")
def settings(upstream: MessagesAPI) -> dict[str, str]:  # noqa: F811
    """The settings of a server that has the real CLI and an API key, and the stand-in as its API."""
    return {"BACKEND": "claude-exec", "CLAUDE_CLI_PATH": str(CLI), "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests",
            "ANTHROPIC_BASE_URL": upstream.url}
