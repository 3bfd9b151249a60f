# SPDX-License-Identifier: MIT
"""Bodies that take the most memory for their size: as many JSON values, or as many bytes, as a body may have."""
from __future__ import annotations

import json
from typing import Any, Iterator

MAX_BODY = 32 << 20
MAX_NODES = 1_000_000
# What an object counts besides its members; test_memory.py holds it, as it does nodes(), to what the programs count.
OBJECT = 3
# What stands around the values.
FEW = 50
HI = '{"role":"user","content":"hi"}'


def chat(*, messages: str = HI, more: str = "") -> str:
    return '{"model":"claude-sonnet-4-5","max_tokens":100,' + more + '"messages":[' + messages + "]}"


def nodes(value: Any) -> int:
    """What a value counts: each value and each key is one, but an object is ``OBJECT``."""
    if isinstance(value, dict):
        return OBJECT + sum(1 + nodes(member) for member in value.values())
    return 1 + (sum(map(nodes, value)) if isinstance(value, list) else 0)


def times(text: str) -> int:
    """How often the limit allows elements or members such as these."""
    is_member = text.startswith('"') and ":" in text and not text.endswith('"')
    return (MAX_NODES - FEW) // (nodes(json.loads("{" + text + "}")) - OBJECT if is_member else nodes(json.loads(f"[{text}]")) - 1)


def many(value: str) -> str:
    """A value as often as the limit allows."""
    return ",".join([value] * times(value))


def numbered(value: str) -> str:
    return ",".join(value % number for number in range(times(value % 0)))


def padded(body: str) -> str:
    """The same with one long string, up to the largest body."""
    return body[:-2] + ',{"role":"user","content":"' + "x" * (MAX_BODY - len(body) - 40) + '"}]}'


def bodies() -> Iterator[tuple[str, str]]:
    chain = '{"a":' * 400 + "0" + "}" * 400
    schema = '"tools":[{"type":"function","function":{"name":"t","parameters":{"type":"object","properties":{"a":{"enum":[%s]}}}}}],'
    yield "empty objects", chat(more='"x":[' + many("{}") + "],")
    yield "empty objects in a tool", chat(more=schema % many("{}"))
    yield "nested objects in a tool", chat(more=schema % many(chain))
    yield "lists of lists", chat(more='"x":[' + many("[[]]") + "],")
    yield "small strings", chat(more=schema % many('"abcdefghijklmnopqrstuvwxy"'))
    yield "escaped strings", chat(more=schema % many(r'"\u0041\u00e9\u4e2d\u0001x"'))
    yield "numbers", chat(more=schema % many("12345678"))
    yield "long numbers", chat(more=schema % many("1234567890123456789012345678"))
    yield "many keys", chat(more='"metadata":{' + numbered('"key-number-%014d":0') + "},")
    yield "one key again and again", chat(more=many('"k":0') + ",")
    yield "many messages", chat(messages=many(HI + ',{"role":"assistant","content":"hi"}') + "," + HI)
    yield "many messages of one side", chat(messages=many(HI))
    yield "many parts", chat(messages='{"role":"user","content":[' + many('{"type":"text","text":"a"}') + "]}")
    calls = '{"role":"assistant","tool_calls":[' + numbered(
        '{"id":"c%d","type":"function","function":{"name":"t","arguments":"{}"}}') + "]}"
    yield "many calls", chat(messages=HI + "," + calls)
    yield "many calls and a long string", padded(chat(messages=HI + "," + calls))
    yield "many tools", chat(more='"tools":[' + numbered('{"type":"function","function":{"name":"t%d"}}') + "],")
    yield "one long string", padded(chat())
    yield "long escapes", chat(messages='{"role":"user","content":"' + r"\u00e9" * ((MAX_BODY - 200) // 6) + '"}')
    yield "empty objects and a long string", padded(chat(more=schema % many("{}")))
    yield "many messages and a long string", padded(chat(messages=many(HI + ',{"role":"assistant","content":"hi"}')))
