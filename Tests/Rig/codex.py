# SPDX-License-Identifier: MIT
"""The real Codex CLI, unmodified, as its users run it without a terminal: `codex exec`."""
from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import BUILD

Json = dict[str, Any]
BINARY = BUILD / "codex" / "codex"
CONFIG = """\
model = "{model}"
model_provider = "proxy"
check_for_update_on_startup = false
{more}
[analytics]
enabled = false

[model_providers.proxy]
name = "proxy"
base_url = "{url}/openai/v1"
env_key = "PROXY_KEY"
wire_api = "responses"
{provider}
"""


@dataclass
class Run:
    """What one `codex exec --json` did."""

    code: int
    events: list[Json]
    stderr: str

    def items(self, kind: str) -> list[Json]:
        """The items that were completed, of one kind."""
        return [event["item"] for event in self.events if event["type"] == "item.completed" and event["item"]["type"] == kind]

    @property
    def text(self) -> str:
        """The last message of the model."""
        messages = self.items("agent_message")
        return messages[-1]["text"] if messages else ""

    @property
    def usage(self) -> Json:
        [done] = [event for event in self.events if event["type"] == "turn.completed"]
        return done["usage"]

    @property
    def failure(self) -> str:
        """Why the turn failed; nothing where it did not."""
        return " ".join(event["error"]["message"] for event in self.events if event["type"] == "turn.failed")

    def __str__(self) -> str:
        return f"ended with {self.code}\n" + "\n".join(map(json.dumps, self.events)) + f"\n{self.stderr}"


class Codex:
    """Codex with a home of its own, whose provider is our server. Its session goes on from run to run."""

    def __init__(self, home: Path, url: str, model: str = "claude-sonnet-4-5", key: str = "any", more: str = "",
                 provider: str = ""):
        self.home, self.key, self.is_begun = home, key, False
        self.folder = home / "work"
        self.folder.mkdir(parents=True)
        (home / ".codex").mkdir()
        (home / ".codex" / "config.toml").write_text(CONFIG.format(url=url, model=model, more=more, provider=provider))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts it with these words; nothing of this account's environment gets in."""
        environment = {"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
                       "PROXY_KEY": self.key, "SHELL": "/bin/sh"}
        return subprocess.Popen([os.path.realpath(BINARY), *words], env=environment, cwd=self.folder, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, prompt: str, *options: str, seconds: float = 60) -> Run:
        """One turn, and all that it makes of it: its tools run in its folder, without a sandbox."""
        flags = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", *options, "--", prompt)
        process = self.start("exec", *(["resume", "--last"] if self.is_begun else []), *flags)
        self.is_begun = True
        try:
            said, errors = process.communicate(timeout=seconds)
        finally:
            process.kill()
        return Run(process.returncode, [json.loads(line) for line in said.splitlines() if line.startswith("{")], errors)
