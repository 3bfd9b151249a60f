# SPDX-License-Identifier: MIT
"""Bodies that take the most memory for their size: as many JSON values, or as many bytes, as a body may have."""
from __future__ import annotations

from typing import Iterator

MAX_BODY = 32 << 20
MAX_NODES = 1_000_000
# What stands around the values.
FEW = 50
HI = '{"role":"user","content":"hi"}'


def chat(*, messages: str = HI, more: str = "") -> str:
    return '{"model":"claude-sonnet-4-5","max_tokens":100,' + more + '"messages":[' + messages + "]}"


def many(value: str, values: int) -> str:
    """A value of so many values in all, as often as the limit allows."""
    return ",".join([value] * ((MAX_NODES - FEW) // values))


def numbered(value: str, values: int) -> str:
    return ",".join(value % number for number in range((MAX_NODES - FEW) // values))


def padded(body: str) -> str:
    """The same with one long string, up to the largest body."""
    return body[:-2] + ',{"role":"user","content":"' + "x" * (MAX_BODY - len(body) - 40) + '"}]}'


def bodies() -> Iterator[tuple[str, str]]:
    chain = '{"a":' * 1_000 + "0" + "}" * 1_000
    schema = '"tools":[{"type":"function","function":{"name":"t","parameters":{"type":"object","properties":{"a":{"enum":[%s]}}}}}],'
    yield "empty objects", chat(more='"x":[' + many("{}", 1) + "],")
    yield "empty objects in a tool", chat(more=schema % many("{}", 1))
    yield "nested objects in a tool", chat(more=schema % many(chain, 1_001))
    yield "lists of lists", chat(more='"x":[' + many("[[]]", 2) + "],")
    yield "small strings", chat(more=schema % many('"abcdefghijklmnopqrstuvwxy"', 1))
    yield "escaped strings", chat(more=schema % many(r'"\u0041\u00e9\u4e2d\u0001x"', 1))
    yield "numbers", chat(more=schema % many("12345678", 1))
    yield "long numbers", chat(more=schema % many("1234567890123456789012345678", 1))
    yield "many keys", chat(more='"metadata":{' + numbered('"key-number-%014d":0', 1) + "},")
    yield "one key again and again", chat(more=many('"k":0', 1) + ",")
    yield "many messages", chat(messages=many(HI + ',{"role":"assistant","content":"hi"}', 6) + "," + HI)
    yield "many messages of one side", chat(messages=many(HI, 3))
    yield "many parts", chat(messages='{"role":"user","content":[' + many('{"type":"text","text":"a"}', 3) + "]}")
    calls = '{"role":"assistant","tool_calls":[' + numbered(
        '{"id":"c%d","type":"function","function":{"name":"t","arguments":"{}"}}', 6) + "]}"
    yield "many calls", chat(messages=HI + "," + calls)
    yield "many calls and a long string", padded(chat(messages=HI + "," + calls))
    yield "many tools", chat(more='"tools":[' + numbered('{"type":"function","function":{"name":"t%d"}}', 4) + "],")
    yield "one long string", padded(chat())
    yield "long escapes", chat(messages='{"role":"user","content":"' + r"\u00e9" * ((MAX_BODY - 200) // 6) + '"}')
    yield "empty objects and a long string", padded(chat(more=schema % many("{}", 1)))
    yield "many messages and a long string", padded(chat(messages=many(HI + ',{"role":"assistant","content":"hi"}', 6)))
