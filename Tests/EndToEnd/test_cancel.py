# SPDX-License-Identifier: MIT
"""How fast a cancel reaches the API, by each way: from the record to the end of the API's connection."""
from __future__ import annotations

import os
import time
from typing import Callable

from backend import ask_for
from carriers import EACH_WAY, IS_LONG, Exec
from messages_api import MessagesAPI
from patience import again_if_busy
from processes import wait_for

COUNT = 100 if IS_LONG else 10
# In mid-stream, and when nothing has come yet. Either way the API waits, and sees at once when its client goes.
PROMPTS = [("[[len:50]][[slow:9]]", "begin"), ("[[delay:9]]", None)]


@EACH_WAY
@again_if_busy
def test_cancel(run: Callable[..., Exec], api: MessagesAPI, way: str) -> None:
    # One process: where it serves many, the next request has to take it.
    is_idle = os.getloadavg()[0] < (os.cpu_count() or 1)
    one = run(way, "--warm-processes", "0", "--max-processes", "1")
    one.ask("hello", rid="first", seconds=60)
    served = one.clis()
    took = []
    for number in range(COUNT):
        prompt, begun = PROMPTS[number % 2]
        api.reset()
        rid = f"r{number}"
        one.request(rid, ask_for(prompt, stream=True))
        api.wait("request", 60)
        if begun:
            one.wait(rid, begun, 60)
        cancelled = time.monotonic()
        one.send({"rid": rid, "cancel": True})
        took.append(1000 * (api.wait("client_abort", 10)["mono"] - cancelled))
        assert one.wait(rid, "end", 10)["end"] == {"cancelled": True}
    if not way.endswith("N"):
        # Seldom one doesn't heed in time, and is ended.
        assert len(one.clis()) == 1 and (one.clis() == served or IS_LONG), "the process serves the next"
    else:
        wait_for("each process is gone", lambda: not one.clis())
    took.sort()
    middle, last = took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)]
    print(f"\n{way}: from cancel to the end of the API's connection, of {COUNT}: p50 {middle:.0f} ms, p99 {last:.0f} ms")
    # What the machine does besides counts too: the limit holds where it does nothing else.
    assert middle < 1000 and (last < 100 or not IS_LONG or not is_idle)
