# SPDX-License-Identifier: MIT
"""Each pipeline that a page, a man page or a script shows for a server answers clients of both interfaces."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Callable

import pytest
from server import REPOSITORY, Proxy

PLACES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("Sources/Documentation.docc/*.md")), *sorted(REPOSITORY.glob("Sources/*/*.[1-8]")),
          *sorted(REPOSITORY.glob("scripts/*.[1-8]")),
          *(path for path in sorted(REPOSITORY.glob("scripts/**/*")) if path.is_file() and path.suffix not in (".png",))]

def samples() -> list[tuple[str, str]]:
    found = []
    for path in PLACES:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for line in text.splitlines():
            line = line.replace("\\(dq", '"').replace("\\e|", "|").replace("\\-", "-")
            for match in re.finditer(r"""(?:PIPELINE=|--pipeline )("[^"]*"|'[^']*'|[^\s"'`]+)""", line):
                stages = match[1].strip("\"'")
                # With a quote within: up to the quote that ends the whole.
                if match[1].startswith("'") and line[match.end():].strip().startswith('"'):
                    stages = line[match.start(1) + 1:line.rindex("'")]
                if "|" in stages:
                    found.append((str(path.relative_to(REPOSITORY)), stages))
    return sorted(set(found))


SAMPLES = samples()


def runnable(stages: str, folder: Path) -> str:
    """A sample with canned answers for the backend, and with something for what stands for any filter."""
    (folder / "my-backend").write_text("#!/bin/sh\nexec claude-echo\n")
    (folder / "my-backend").chmod(0o755)
    (folder / "thrift").write_text("#!/bin/sh\nexec cat\n")
    (folder / "thrift").chmod(0o755)
    stages = stages.replace("jq …", "jq -c --unbuffered .").replace("claude-exec", "claude-echo").replace("my-backend", f"{folder}/my-backend")
    stages = stages.replace("$stages", f"model-map | oai2anth | {folder}/thrift").replace("$front", "scripts/examples/front")
    stages = stages.replace("scripts/", f"{REPOSITORY}/scripts/")
    return stages.replace("spent.json", f"{folder}/spent.json")


def test_there_are_samples() -> None:
    places = {place for place, _ in SAMPLES}
    assert {"README.md", "Sources/http-frontd/http-frontd.1", "Sources/Documentation.docc/WritingAFilter.md",
            "Sources/Documentation.docc/AddingABackend.md", "scripts/examples/filters/redact.sh"} <= places, places


@pytest.mark.parametrize("place, stages", SAMPLES, ids=[place for place, _ in SAMPLES])
def test_both_interfaces(start: Callable[..., Proxy], place: str, stages: str, tmp_path: Path) -> None:
    proxy = start(PIPELINE=runnable(stages, tmp_path), PATH=f"{tmp_path}:{os.environ['PATH']}")
    body = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi there"}]}
    answer = proxy.ask("POST", "/v1/messages", body)
    assert answer.status == 200 and answer.json["type"] == "message", answer.body
    answer = proxy.ask("POST", "/openai/v1/chat/completions", body)
    assert answer.status == 200 and answer.json["object"] == "chat.completion", answer.body
    stream = proxy.stream("/openai/v1/chat/completions", body | {"stream": True})
    events = [str(event.data) for event in stream]
    assert stream.status == 200 and events[-1] == "[DONE]" and all("chat.completion.chunk" in event for event in events[:-1]), events
