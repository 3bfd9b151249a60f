# SPDX-License-Identifier: MIT
"""Messages of the Messages API made by chance, of a seed; and the streams that carry them."""
from __future__ import annotations

import json
import random
from typing import Any, Iterator

Json = dict[str, Any]

WORDS = ["Oslo", "naïve", "北京", "🐟🐠", "e\u0301", "\u2028", "\"quoted\"", "back\\slash", "tab\t", "new\nline", "</script>",
         "\u0000", "𝔘", "null", "{\"a\":1}", "ß", " ", "", "0.7", "👩‍👩‍👧"]


def text(source: random.Random, most: int = 12) -> str:
    return " ".join(source.choices(WORDS, k=source.randint(1, most)))


def value(source: random.Random, depth: int = 3) -> Any:
    kind = source.randrange(8 if depth else 5)
    if kind == 0:
        return text(source, 4)
    if kind == 1:
        return source.choice([0, -1, 2**53, 10**18, 7])
    if kind == 2:
        return source.choice([0.7, -1.5e-7, 1e300, 3.25])
    if kind in (3, 4):
        return source.choice([True, False, None])
    if kind == 5:
        return [value(source, depth - 1) for _ in range(source.randrange(4))]
    return {text(source, 2).replace("\u0000", ""): value(source, depth - 1) for _ in range(source.randrange(4))}


def block(source: random.Random, number: int) -> Json:
    kind = source.choice(["text", "text", "text", "cited", "tool_use", "tool_use", "server_tool_use", "redacted_thinking"])
    if kind == "text":
        return {"type": "text", "text": text(source)}
    if kind == "cited":
        cited = {"type": "char_location", "cited_text": text(source, 3), "document_index": 0, "document_title": None,
                 "start_char_index": 0, "end_char_index": 5, "file_id": None}
        return {"type": "text", "text": text(source), "citations": [cited] * source.randint(1, 2)}
    if kind == "redacted_thinking":
        return {"type": "redacted_thinking", "data": f"cmVkYWN0ZWQ{number}"}
    made = {f"k{i}": value(source) for i in range(source.randrange(4))}
    return {"type": kind, "id": f"toolu_{number}", "name": f"tool_{number}", "input": made}


def search(source: random.Random, number: int) -> list[Json]:
    """A search of the vendor's own tool, its result where there is one, and text that cites it."""
    address = f"https://a.example/{number}"
    made: list[Json] = [{"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search",
                         "input": {"query": text(source, 3)}}]
    found: Any = [{"type": "web_search_result", "url": address, "title": text(source, 2), "encrypted_content": "e"}]
    if source.random() < 0.3:
        found = {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    if source.random() < 0.9:
        made.append({"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{number}", "content": found})
    cited = {"type": "web_search_result_location", "url": address, "title": source.choice([None, text(source, 2)]),
             "cited_text": text(source, 2), "encrypted_index": "e"}
    return made + [{"type": "text", "text": text(source)},
                   {"type": "text", "text": text(source), "citations": [cited] * source.randint(1, 2)}]


def agents_message(source: random.Random) -> Json:
    """A message as agents get it: thinking between the calls, searches, links and compactions too."""
    made = message(source)
    more: list[Json] = []
    for number in range(source.randint(0, 4)):
        kind = source.choice(["search", "thinking", "compaction"])
        if kind == "search":
            more += search(source, number)
        elif kind == "thinking":
            more.append({"type": "thinking", "thinking": source.choice(["", text(source)]), "signature": f"c2ln{number}"})
        else:
            more.append({"type": "compaction", "content": text(source), "signature": "c2ln"})
    for one in more:
        made["content"].insert(source.randint(0, len(made["content"])), one)
    return made


def message(source: random.Random) -> Json:
    content: list[Json] = []
    if source.random() < 0.4:
        content.append({"type": "thinking", "thinking": text(source), "signature": f"c2ln{source.randrange(10**6)}"})
    content += [block(source, number) for number in range(source.randint(0, 6))]
    has_tool = any(one["type"] == "tool_use" for one in content)
    stop = "tool_use" if has_tool else source.choice(["end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal"])
    usage: Json = {"input_tokens": source.randrange(5000), "output_tokens": source.randint(2, 5000)}
    if source.random() < 0.6:
        usage |= {"cache_read_input_tokens": source.randrange(1, 5000),
                  "cache_creation_input_tokens": source.randrange(5000), "service_tier": "standard",
                  "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}}
    if source.random() < 0.3:
        usage["output_tokens_details"] = {"thinking_tokens": source.randrange(100)}
    return {"id": f"msg_{source.randrange(10**9)}", "type": "message", "role": "assistant", "model": "claude-effective",
            "content": content, "stop_reason": stop, "stop_sequence": "END" if stop == "stop_sequence" else None,
            "stop_details": {"type": "refusal", "category": None, "explanation": text(source)}
            if stop == "refusal" and source.random() < 0.5 else None, "usage": usage}


def pieces(whole: str, source: random.Random) -> Iterator[str]:
    while whole:
        size = source.randint(1, 9)
        yield whole[:size]
        whole = whole[size:]


def deltas(content: Json, source: random.Random) -> tuple[Json, list[Json]]:
    """The block as it starts, and what completes it."""
    kind = content["type"]
    if kind == "text":
        made = [{"type": "text_delta", "text": piece} for piece in pieces(content["text"], source)]
        made += [{"type": "citations_delta", "citation": one} for one in content.get("citations", [])]
        return {"type": "text", "text": ""}, made
    if kind == "thinking":
        made = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(content["thinking"], source)]
        return ({"type": "thinking", "thinking": "", "signature": ""},
                [*made, {"type": "signature_delta", "signature": content["signature"]}])
    if kind in ("redacted_thinking", "web_search_tool_result"):
        return content, []
    if kind == "compaction":
        return content | {"content": None}, [{"type": "compaction_delta", "content": content["content"]}]
    whole = json.dumps(content["input"], ensure_ascii=source.random() < 0.5) if content["input"] else ""
    return content | {"input": {}}, [{"type": "input_json_delta", "partial_json": piece}
                                     for piece in ["", *pieces(whole, source)]]


def events(message: Json, source: random.Random) -> Iterator[Json]:
    """The stream of a message, as the API sends it: usage first as far as it is known, then its sum."""
    usage = message["usage"]
    yield {"type": "message_start", "message": message | {
        "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None,
        "usage": {name: one for name, one in usage.items() if name != "output_tokens_details"} | {"output_tokens": 1}}}
    for index, content in enumerate(message["content"]):
        begun, made = deltas(content, source)
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        if source.random() < 0.2:
            yield {"type": "ping"}
        for delta in made:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "usage": {
        name: one for name, one in usage.items() if name not in ("service_tier", "cache_creation")},
        "delta": {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}}
    yield {"type": "message_stop"}
