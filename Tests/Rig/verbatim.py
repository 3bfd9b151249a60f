# SPDX-License-Identifier: MIT
"""Compares the body that reached the API with the client's, strictly: every difference has a name, or is a defect.

What the ledger of the answer's ctx names is first done to the client's body: so an entry that is not true is a
difference as well, and one that is missing leaves its difference unexplained. What is left may be of the CLI's own
making (`own`), or another form of the same (`form`), both as claude-exec(1) states them.
"""
from __future__ import annotations

import copy
import json
import re
from decimal import Decimal
from typing import Any

Json = dict[str, Any]
OWN_SYSTEM = re.compile(r"x-anthropic-billing-header: |You are Claude Code|You are a Claude agent, built on")
OWN_REMINDER = re.compile(r"(<system-reminder>\n)?(# Environment\n|You are powered by the model |Today's date is |"
                          r"As you answer the user's questions, you can use the following context:\n)")
# What stands for a member that the client left out.
EMPTY = {"system": [[]], "metadata": [{}], "tools": [[]], "stream": [True], "temperature": [1]}
# The models that think where a request says nothing of it.
THINKING_MODELS = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-5")


class Differences:
    """What was found in one comparison."""

    def __init__(self, way: str, asked: Json, arrived: Json, ledger: list[dict[str, str]]):
        self.way = way
        self.known: set[str] = set()
        self.defects: list[str] = []
        self._arrived = copy.deepcopy(arrived)
        self._reminders_follow = False
        self._compare(self._after(copy.deepcopy(asked), ledger), asked)

    # The ledger, done to the client's body.

    def _after(self, body: Json, ledger: list[dict[str, str]]) -> Json:
        joined, moved, left_out, gone = False, [], [], []
        for loss in ledger:
            field, fate = loss["field"], loss["fate"]
            place = re.match(r"messages\[(\d+)\](?:\.content\[(\d+)\])?", field)
            message = body["messages"][int(place[1])] if place else {}
            self.known.add("ledger: " + re.sub(r"\d+", "N", f"{field}: {fate}"))
            if fate == "moved to system":
                moved.append(message)
            elif re.match(r"joined from \d+ blocks", fate):
                joined = fate == f"joined from {len(body[field])} blocks"
            elif fate == "dropped its first line, another client's attribution":
                if isinstance(body["system"], str):
                    body["system"] = after_first_line(body["system"])
                else:
                    block = body["system"][int(field[len("system["):-1])]
                    block["text"] = after_first_line(block["text"])
            elif fate == "dropped, for the CLI says itself who it is":
                body["system"] = ""
            elif fate == "followed by the CLI's reminders":
                self._reminders_follow = True
            elif fate == "dropped images of an error":
                block = message["content"][int(place[2])]
                block["content"] = [part for part in block["content"] if part["type"] != "image"]
            elif fate == "dropped" and field.endswith("cache_control") and field != "cache_control":
                marked = body["system"] if field.startswith("system") else message["content"]
                for block in marked if not (place and place[2]) else [marked[int(place[2])]]:
                    block.pop("cache_control", None)
            elif fate == "dropped" and place and place[0] == field:
                left_out.append(message)
            elif fate == "dropped" and place and field.count(".") == 1:
                del message[field.rpartition(".")[2]]
            elif fate == "dropped" and field == "output_config.effort":
                del body["output_config"]["effort"]
                if not body["output_config"]:
                    gone.append("output_config")
            elif fate == "dropped" and field in body:
                gone.append(field)
            else:
                self.defects.append(f"the ledger's entry {loss} is not understood")
        if joined or moved:
            parts = blocks(body.get("system") or [])
            parts = [parts] if joined or len(parts) < 2 else [[part] for part in parts]
            texts = ["\n\n".join(part["text"] for part in one if part["text"]) for one in parts if one]
            texts += ["\n\n".join(part["text"] for part in blocks(one["content"])) for one in moved]
            body["system"] = "\n\n".join(text for text in texts if text)
        body["messages"] = [one for one in body["messages"] if not any(one is other for other in moved + left_out)]
        return {name: value for name, value in body.items() if name not in gone}

    # What is left.

    def _compare(self, wanted: Json, asked: Json) -> None:
        arrived = self._arrived
        self._drop_own(wanted, asked)
        if not self.way.endswith("V"):
            self._make_one_form(wanted)
        for name in wanted.keys() | arrived.keys():
            if name not in arrived:
                if wanted[name] is not None:
                    self.defects.append(f"{name}: lost")
            elif name not in wanted or name == "stream":
                if arrived[name] in self._empty(name, asked):
                    self.known.add(f"own: {name}, which the client left out")
                else:
                    self.defects.append(f"{name}: added {json.dumps(arrived[name])[:200]}")
            elif canonical(wanted[name]) != canonical(arrived[name]):
                if canonical(as_javascript(wanted[name])) == canonical(arrived[name]):
                    self.known.add("form: numbers as JavaScript has them")
                else:
                    self.defects += list(where(as_javascript(wanted[name]), arrived[name], name))

    def _empty(self, name: str, asked: Json) -> list[Any]:
        """What means the same as a member that is missing."""
        if name == "thinking":
            return [{"type": "adaptive" if THINKING_MODELS.match(asked["model"]) else "disabled"}]
        # Some models refuse it together with the other.
        return [] if name == "temperature" and "top_p" in asked else EMPTY.get(name, [])

    def _drop_own(self, wanted: Json, asked: Json) -> None:
        """Takes out of what arrived the CLI's own system blocks, reminders, marks and user id."""
        arrived = self._arrived
        if self.way.endswith("V"):
            return
        # They come first; a client may write the like behind them.
        own = [block for block in arrived["system"][:2] if OWN_SYSTEM.match(block["text"])]
        arrived["system"] = arrived["system"][len(own):]
        if own:
            self.known.add(f"own: {len(own)} system blocks")
        if "metadata" not in wanted and set(arrived.get("metadata", {})) == {"user_id"} \
                and "session_id" in arrived["metadata"]["user_id"]:
            self.known.add("own: metadata")
            del arrived["metadata"]
        reminders = 0
        for message in list(arrived["messages"]):
            if message["role"] == "system" and isinstance(message["content"], str) and OWN_REMINDER.match(message["content"]):
                message["content"] = []
                reminders += 1
            elif message["role"] == "user" and isinstance(message["content"], list):
                kept = [b for b in message["content"] if not (b["type"] == "text" and OWN_REMINDER.match(b["text"]))]
                reminders += len(message["content"]) - len(kept)
                if not kept and message is arrived["messages"][-1] and not self._reminders_follow:
                    self.defects.append("messages: reminders follow the last turn, and the ledger doesn't say so")
                message["content"] = kept
                if message is arrived["messages"][-1]:
                    reminders += self._drop_from_result(kept)
        arrived["messages"] = [message for message in arrived["messages"] if message["content"] != []]
        if reminders:
            self.known.add("own: reminders")
        if self.way.startswith("login") and not has_marks(asked) and has_marks([arrived["system"], arrived["messages"], own]):
            self.known.add("own: cache marks, where the client has none")
            drop_marks([arrived["system"], arrived["messages"]])

    def _drop_from_result(self, kept: list[Json]) -> int:
        """Takes the reminders out of the last turn's last tool result, into which they go where no text follows it."""
        if not kept or kept[-1]["type"] != "tool_result":
            return 0
        result = kept[-1]
        if isinstance(result.get("content"), str):
            text, *own = re.split(r"\n\n(?=<system-reminder>\n# Environment\n)", result["content"])
            result["content"] = text
            if OWN_REMINDER.match(text):  # The result had no content.
                own.append(result.pop("content"))
        else:
            parts = result.get("content", [])
            own = [part for part in parts if part["type"] == "text" and OWN_REMINDER.match(part["text"])]
            if own:
                result["content"] = [part for part in parts if part not in own]
            if own and result["content"] and result["content"][-1]["type"] == "text":
                # And a line break before them.
                result["content"][-1]["text"] = result["content"][-1]["text"].removesuffix("\n")
        if own:
            self.known.add("own: reminders, in the last tool result")
        return len(own)

    def _make_one_form(self, wanted: Json) -> None:
        """Texts as blocks, and what one speaker says in a row as one turn."""
        arrived = self._arrived
        if isinstance(wanted.get("system"), str):
            wanted["system"] = blocks(wanted["system"])
        if "system" in wanted:
            wanted["system"] = [block for block in wanted["system"] or [] if block["text"]]
        turns: list[Json] = []
        for message in wanted["messages"]:
            if isinstance(message["content"], str):
                self.known.add("form: text as a block")
                message["content"] = blocks(message["content"])
            if turns and turns[-1]["role"] == message["role"] == "user":
                self.known.add("form: user turns in a row as one")
                turns[-1]["content"] = turns[-1]["content"] + message["content"]
            else:
                turns.append(message)
        wanted["messages"] = turns
        for message in arrived["messages"]:
            message["content"] = blocks(message["content"])


def after_first_line(text: str) -> str:
    return text.partition("\n")[2].lstrip("\n")


def blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def canonical(value: Any) -> str:
    """Equal for values that are equal as JSON; 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True)


def as_javascript(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_javascript(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_javascript(one) for one in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        # Written without an exponent below 1e21, the digits behind the 17th being zeros.
        return int(Decimal(repr(number))) if number.is_integer() and abs(number) < 1e21 else number
    return value


def where(wanted: Any, arrived: Any, path: str) -> list[str]:
    """The places at which two values differ."""
    if canonical(wanted) == canonical(arrived):
        return []
    if isinstance(wanted, dict) and isinstance(arrived, dict):
        return [one for name in sorted(wanted.keys() | arrived.keys())
                for one in where(wanted.get(name, "(none)"), arrived.get(name, "(none)"), f"{path}.{name}")]
    if isinstance(wanted, list) and isinstance(arrived, list) and len(wanted) == len(arrived):
        return [one for index, pair in enumerate(zip(wanted, arrived)) for one in where(*pair, f"{path}[{index}]")]
    if isinstance(wanted, list) and isinstance(arrived, list):
        first = next((index for index, (one, other) in enumerate(zip(wanted, arrived)) if canonical(one) != canonical(other)),
                     min(len(wanted), len(arrived)))
        return [f"{path}: {len(wanted)} arrived as {len(arrived)}; the first that differs is [{first}]: "
                f"{json.dumps(wanted[first:first + 1])[:300]} arrived as {json.dumps(arrived[first:first + 1])[:300]}"]
    return [f"{path}: {json.dumps(wanted)[:300]} arrived as {json.dumps(arrived)[:300]}"]


def has_marks(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("cache_control") is not None or any(map(has_marks, value.values()))
    return isinstance(value, list) and any(map(has_marks, value))


def drop_marks(value: Any) -> None:
    for one in value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []:
        drop_marks(one)
    if isinstance(value, dict):
        value.pop("cache_control", None)
