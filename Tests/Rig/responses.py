# SPDX-License-Identifier: MIT
"""Reads the stream of a response as strictly as any client does, and says what it carried."""
from __future__ import annotations

import json
from typing import Any, Iterable

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from wire import Event

Json = dict[str, Any]
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
LAST = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}
# What a piece of text is called in its deltas, in its last event, and in the item that it belongs to.
PIECES = {"response.output_text": "text", "response.refusal": "refusal", "response.reasoning_summary_text": "text",
          "response.function_call_arguments": "arguments", "response.custom_tool_call_input": "input"}


def typed(response: Json) -> Json:
    """The response with an error code that OpenAI's type lists: Codex reads more codes than the type has."""
    error = response.get("error")
    return response | {"error": error | {"code": "server_error"}} if error and isinstance(error["code"], str) else response


def check_whole(response: Json) -> Json:
    """The whole response has all that OpenAI's type demands, and ids that differ. Gives it back."""
    Response.model_validate_json(json.dumps(typed(response)), strict=True)
    assert response["object"] == "response" and response["id"].startswith("resp_")
    ids = [item["id"] for item in response["output"]]
    assert len(set(ids)) == len(ids)
    usage = response["usage"]
    if response["status"] != "failed":
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
        assert "cached_tokens" in usage["input_tokens_details"] and "reasoning_tokens" in usage["output_tokens_details"]
    return response


class Items:
    """The items of a stream as its events make them: each is added, filled, and done."""

    def __init__(self) -> None:
        self.items: list[Json] = []
        self.is_done: list[bool] = []
        # The text so far, by the event's kind, the item and the part.
        self.texts: dict[tuple[str, int, int], str] = {}
        self.finished: set[tuple[str, int, int]] = set()

    def feed(self, event: Json) -> None:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert event["output_index"] == len(self.items), "an item out of its order"
            self.items.append(event["item"])
            self.is_done.append(False)
        elif "output_index" in event:
            self.fill(kind, event)

    def fill(self, kind: str, event: Json) -> None:
        index = event["output_index"]
        assert not self.is_done[index], f"{kind} after the item was done"
        if kind == "response.output_item.done":
            self.finish(index, event["item"])
            return
        assert event["item_id"] == self.items[index]["id"]
        stem, _, step = kind.rpartition(".")
        place = (stem, index, event.get("content_index", event.get("summary_index", 0)))
        if stem in PIECES and step == "delta":
            assert place not in self.finished
            self.texts[place] = self.texts.get(place, "") + event["delta"]
        elif stem in PIECES and step == "done":
            assert self.texts.get(place, "") == event[PIECES[stem]], f"{kind} differs from its deltas"
            self.finished.add(place)

    def finish(self, index: int, item: Json) -> None:
        """The whole item, and the deltas said the same."""
        begun = self.items[index]
        assert (item["type"], item["id"]) == (begun["type"], begun["id"])
        kept = {key: value for key, value in item.items() if key in begun and key in ("name", "namespace", "call_id", "role")}
        assert all(begun[key] == value for key, value in kept.items()), (begun, item)
        for (stem, number, part), text in self.texts.items():
            if number == index:
                assert (stem, number, part) in self.finished, f"{stem} has no end"
                parts = item.get("content") or item.get("summary") or []
                assert text == (item[PIECES[stem]] if stem.endswith(("arguments", "input")) else parts[part][PIECES[stem]])
        self.items[index], self.is_done[index] = item, True


def check_stream(events: Iterable[Event]) -> Json:
    """The events are a stream as OpenAI's types and clients demand; gives the whole response of the last event."""
    items, last = Items(), None
    for number, (name, event, _) in enumerate(events):
        assert last is None, f"{name} after {last}"
        assert event != "[DONE]" and name == event["type"] and event["sequence_number"] == number, (name, event)
        EVENTS.validate_json(json.dumps(event | {"response": typed(event["response"])} if "response" in event else event), strict=True)
        if number < 2:
            assert event["type"] == ("response.created", "response.in_progress")[number], event["type"]
            assert event["response"]["status"] == "in_progress" and event["response"]["output"] == []
            first = event["response"]
        items.feed(event)
        last = event["type"] if event["type"] in LAST else None
    assert last, "the stream has no end"
    response = check_whole(event["response"])
    assert response["status"] == LAST[last] and response["id"] == first["id"]
    if last != "response.failed":
        assert all(items.is_done)
        assert response["output"] == items.items, "the last event has other items than the stream"
    return response
