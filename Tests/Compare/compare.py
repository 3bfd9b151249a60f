# SPDX-License-Identifier: MIT
"""Gives the same chat requests to oai2anth and to LiteLLM's transformation for Anthropic, and tables how they differ.

The inputs are those of the golden cases of oai2anth, and generated ones. What only differs in form is made equal
first. Each kind of difference has a verdict in verdicts.toml: ours, theirs (then ours is to be mended), or taste.
Ends with 1 when a kind has none.
"""
from __future__ import annotations

import collections
import copy
import fnmatch
import json
import os
import random
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Iterator

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # No network.

import litellm  # noqa: E402
from litellm.llms.anthropic.chat.transformation import AnthropicConfig  # noqa: E402

Json = dict[str, Any]
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PROGRAMS = (REPOSITORY / os.environ.get("SCRATCH", ".build") / "release").resolve()
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def golden() -> Iterator[tuple[str, Json]]:
    for path in sorted((REPOSITORY / "Tests/Golden/oai2anth").glob("*.in")):
        for line in path.read_bytes().split(b"\n"):
            try:
                body = json.loads(line)
                if "rid" in body:
                    if (body.get("ctx") or {}).get("dialect") != "openai" or body["ctx"].get("op", "messages") != "messages":
                        continue
                    body = body["request"]
                if body["messages"] and isinstance(body["messages"], list):
                    yield path.stem, body
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue


def generated(source: random.Random, count: int) -> Iterator[tuple[str, Json]]:
    """Conversations as agents have them."""
    for number in range(count):
        messages: list[Json] = [{"role": source.choice(["system", "developer"]), "content": "Be brief."}]
        body: Json = {"model": source.choice(["claude-opus-4-6", "claude-sonnet-5-5", "claude-haiku-4-5",
                                              "claude-opus-5-5"]), "messages": messages}
        for turn in range(source.randint(1, 4)):
            parts: Any = source.choice([f"Question {turn}", [
                {"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": PIXEL}}]])
            messages.append({"role": "user", "content": parts})
            if source.random() < 0.5:
                calls = [{"id": f"call_{turn}_{i}", "type": "function", "function": {
                    "name": "look", "arguments": json.dumps({"at": i})}} for i in range(source.randint(1, 3))]
                messages.append({"role": "assistant", "content": source.choice([None, "Let me look."]),
                                 "tool_calls": calls})
                messages += [{"role": "tool", "tool_call_id": call["id"], "content": "seen"} for call in calls]
                body["tools"] = [{"type": "function", "function": {
                    "name": "look", "description": "Looks.", "parameters": {
                        "type": "object", "properties": {"at": {"type": "integer"}}, "required": ["at"]}}}]
            messages.append({"role": "assistant", "content": f"Answer {turn}"})
        messages.append({"role": "user", "content": "And now?"})
        for name, value in {"temperature": 0.5, "top_p": 0.9, "stop": ["END"], "user": "u-1", "max_tokens": 900,
                            "stream": True, "parallel_tool_calls": False, "tool_choice": "auto",
                            "reasoning_effort": source.choice(["low", "high"])}.items():
            if source.random() < 0.25 and ("tool" not in name or "tools" in body):
                body[name] = value
        yield f"generated-{number}", body


def ours(bodies: list[Json]) -> list[Json]:
    lines = [json.dumps({"rid": str(n), "ctx": {"op": "messages", "dialect": "openai"}, "request": body})
             for n, body in enumerate(bodies)]
    said = subprocess.run(["sh", "-euc", "model-map | oai2anth"], input="\n".join(lines) + "\n", text=True,
                          capture_output=True, check=True, env={"PATH": f"{PROGRAMS}:/usr/bin:/bin"})
    found: dict[str, Json] = {}
    for line in said.stdout.split("\n")[:-1]:
        record = json.loads(line)
        if "request" in record or "error" in record:
            found[record["rid"]] = record
    return [found[str(n)] for n in range(len(bodies))]


def theirs(body: Json) -> Json:
    body = copy.deepcopy(body)
    model, messages = body.pop("model"), body.pop("messages")
    # What completion() does before the transformation: developer is system, and null is nothing.
    messages = [{**m, "role": "system" if m["role"] == "developer" else m["role"]} for m in messages]
    config = AnthropicConfig()
    known = set(config.get_supported_openai_params(model)) | {"max_tokens"}
    params = {k: v for k, v in body.items() if v is not None}
    made = config.map_openai_params({k: v for k, v in params.items() if k in known}, {}, model, True)
    for name, value in params.items():  # Others go through, as extra_body does.
        if name not in known and name not in OPENAI:
            made.setdefault(name, value)
    return config.transform_request(model, messages, made, {}, {})


# Fields of OpenAI's that LiteLLM drops with drop_params, before the transformation.
OPENAI = {"seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "prediction", "store",
          "verbosity", "moderation", "prompt_cache_options", "prompt_cache_key", "prompt_cache_retention", "n", "modalities",
          "audio", "service_tier", "safety_identifier", "metadata", "functions", "function_call", "stream_options"}


def normal(made: Json) -> Json:
    """What means the same looks the same."""
    made = copy.deepcopy(made)
    made.pop("json_mode", None)
    if form := made.pop("output_format", None):
        made.setdefault("output_config", {})["format"] = form
    for tool in made.get("tools") or []:
        if tool.get("type") == "custom":
            del tool["type"]
    for holder in made.get("messages", []):
        if isinstance(holder.get("content"), str):
            holder["content"] = [{"type": "text", "text": holder["content"]}]
        for block in holder["content"]:
            if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
                block["content"] = [{"type": "text", "text": one["text"]} if set(one) == {"type", "text"} else one
                                    for one in block["content"]]
                if [one.get("type") for one in block["content"]] == ["text"] and set(block["content"][0]) == {"type", "text"}:
                    block["content"] = block["content"][0]["text"]
    return made


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            below = f"{path}.{name}" if path else name
            if name not in other:
                yield f"{below}: only ours", one[name], None
            elif name not in one:
                yield f"{below}: only theirs", None, other[name]
            else:
                yield from differences(one[name], other[name], below)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{path}: another number", one, other
        for a, b in zip(one, other) if len(one) == len(other) else ():
            yield from differences(a, b, path)
    elif one != other or type(one) is not type(other):
        yield f"{path}: another value", one, other


def kinds(name: str, body: Json, record: Json) -> Iterator[tuple[str, Any, Any]]:
    try:
        made = theirs(body)
    except Exception as error:  # noqa: BLE001: whatever it is, it is their answer
        words = re.sub(r"\s+", " ", str(error)).split("Received Messages")[0][:90]
        if "error" not in record:
            yield f"request: only theirs fails ({type(error).__name__})", "taken", words
        return
    if "error" in record:
        message = record["error"]["body"]["error"]["message"]
        field = re.sub(r"[^a-z_.].*", "", re.sub(r"\[\d+\]", "", message))
        yield f"request: only ours is refused ({field})", message, "taken"
        return
    yield from differences(normal(record["request"]), normal(made))


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return (text if len(text) < 60 else text[:57] + "...").replace("|", "\\|").replace("`", "'").replace("\n", " ")


def main() -> int:
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    litellm.modify_params = True
    named = [*golden(), *generated(random.Random(1122), 300)]
    for _, body in named:
        if not str(body.get("model", "")).startswith("claude-") or "-" not in str(body.get("model")):
            body["model"] = "claude-opus-4-6"
    records = ours([body for _, body in named])
    for (_, body), record in zip(named, records):
        if "request" in record:
            body["model"] = record["request"]["model"]
    found: dict[str, list[tuple[str, Any, Any]]] = collections.defaultdict(list)
    equal = 0
    for (name, body), record in zip(named, records):
        seen = list(kinds(name, body, record))
        equal += not seen
        for kind, one, other in seen:
            found[kind].append((name, one, other))
    verdicts: dict[str, Json] = tomllib.loads((HERE / "verdicts.toml").read_text())
    unused, missing = set(verdicts), 0
    print(f"{len(named)} requests, {equal} translated alike; {len(found)} kinds of difference to LiteLLM.\n")
    print("| what | times | ours | theirs | verdict | why |\n|---|---|---|---|---|---|")
    for kind, cases in sorted(found.items(), key=lambda entry: -len(entry[1])):
        pattern = next((p for p in verdicts if fnmatch.fnmatchcase(kind, p)), None)
        unused.discard(pattern)
        missing += pattern is None
        verdict = verdicts.get(pattern, {"verdict": "**none yet**", "why": f"in {cases[0][0]}"})
        print(f"| {kind} | {len(cases)} | `{short(cases[0][1])}` | `{short(cases[0][2])}` "
              f"| {verdict['verdict']} | {verdict['why']} |")
    counted = collections.Counter(verdicts[p]["verdict"] for p in verdicts if p not in unused)
    print(f"\nVerdicts in use: {dict(counted)}; without one: {missing}.")
    for pattern in sorted(unused):
        print(f"No longer met: {pattern}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
