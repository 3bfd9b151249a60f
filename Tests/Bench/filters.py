# SPDX-License-Identifier: MIT
"""How fast the filters are alone, beside cat, jq and a C program that parses and dumps with Jansson.

usage: filters.py FOLDER-OF-THE-PROGRAMS [RUNS]

Each program reads the same file on stdin and writes to a pipe that is read and thrown away; the programs take turns,
RUNS times (default 5), and the median of the CPU time counts: user and system, start-up included. Prints Markdown.
"""
from __future__ import annotations

import base64
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Callable

STREAMS, DELTAS = 64, 8_000


def line(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def deltas(dialect: str = "openai", **more: str) -> str:
    """Answers of many requests, interleaved: text deltas of 30 bytes, as they come from a backend."""
    ctx = {"op": "messages", "dialect": dialect, "http": {"time": 1_700_000_000_000_000},
           "model": {"asked": "gpt-4o", "effective": "claude-sonnet-5-5"}} | more
    rids = [f"r{number:013d}" for number in range(STREAMS)]
    text = [line({"rid": rid, "ctx": ctx, "begin": {"status": 200, "headers": {}}}) for rid in rids]
    start = {"type": "message_start", "message": {"id": "msg_01", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    text += [line({"rid": rid, "event": event}) for rid in rids for event in (start, block)]
    for number in range(DELTAS):
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"word and more text {number:06d} \n"}}
        text += [line({"rid": rid, "event": delta}) for rid in rids]
    return "".join(text)


def request(size: int) -> str:
    """A chat request of about that size: a history, and some tools."""
    tools = [{"type": "function", "function": {"name": f"tool{number}", "description": "d" * 80, "parameters": {
        "type": "object", "properties": {"a": {"type": "string"}}}}} for number in range(2 if size < 10_000 else 10)]
    messages, used = [], 200 * len(tools)
    while used < size:
        text = f'This is message {len(messages)} of some length, with "quotes" and\nnewlines. ' * 6
        messages.append({"role": "user" if len(messages) % 2 == 0 else "assistant", "content": text[:size - used]})
        used += len(text) + 40
    if messages[-1]["role"] == "assistant":
        messages.append({"role": "user", "content": "Go on."})
    return line({"model": "claude-sonnet-4-5", "messages": messages, "tools": tools, "temperature": 0.7})


def image_request(size: int) -> str:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(size * 3 // 4 - 8)).decode()
    return line({"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}}]}]})


def run(command: list[str], file: Path) -> tuple[float, int]:
    """Seconds of CPU and peak memory in KiB."""
    with open(file, "rb") as stdin:
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def drain() -> None:
            while os.read(process.stdout.fileno(), 1 << 20):
                pass

        reader = threading.Thread(target=drain)
        reader.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        process.stdout.close()
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


# The filter that each input of answers measures. All other inputs measure the filters of REQUEST_SIDE.
REQUEST_SIDE = ("model-map", "oai2anth")
ANSWER_SIDE = {"text deltas": "anth2oai", "text deltas of responses": "anth2resp", "text deltas, translated": "sse-encode"}
CASES: dict[str, tuple[Callable[[], str], int]] = {
    "text deltas": (deltas, 1),
    "text deltas of responses": (lambda: deltas("responses"), 1),
    # sse-encode refuses an answer that no translator has marked.
    "text deltas, translated": (lambda: deltas(translated="openai"), 1),
    "requests of 2 KB": (lambda: request(2_000), 10_000),
    "requests of 200 KB": (lambda: request(200_000), 200),
    "requests with an image of 5 MB": (lambda: image_request(5_000_000), 12),
    "one request of 32 MB": (lambda: image_request(33_000_000), 1),
}


def main() -> None:
    if sys.argv[1] == "--write":
        text, times = CASES[sys.argv[2]]
        Path(sys.argv[3]).write_text(text() * times)
        return
    programs = Path(sys.argv[1]).resolve()
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        yardstick = folder / "parse_and_dump"
        subprocess.run(["cc", "-O2", "-o", yardstick, Path(__file__).with_name("parse_and_dump.c"), "-ljansson"], check=True)
        commands = {"cat": ["cat"], "jq -c .": ["jq", "-c", "."], "C with Jansson": [str(yardstick)]}
        commands |= {name: [str(programs / name)] for name in (*REQUEST_SIDE, *ANSWER_SIDE.values())}
        print(f"{os.cpu_count()} cores, medians of {runs} runs in turn, CPU time of the whole process.\n")
        for title, (_, times) in CASES.items():
            is_answer = title in ANSWER_SIDE
            ours = (ANSWER_SIDE[title],) if is_answer else REQUEST_SIDE
            chosen = [name for name in commands if name in ours or name in ("cat", "jq -c .", "C with Jansson")]
            file = folder / "in"
            # By another process: a child's peak memory begins with that of the process that started it.
            subprocess.run([sys.executable, __file__, "--write", title, file], check=True)
            size, count = file.stat().st_size, STREAMS * DELTAS if is_answer else times
            measured: dict[str, list[tuple[float, int]]] = {name: [] for name in chosen}
            for _ in range(runs):
                for name in chosen:
                    if name == "jq -c ." and measured[name]:
                        continue  # It takes seconds, and more of them tell no more.
                    measured[name].append(run(commands[name], file))
            print(f"{title}: {size / 1e6:.0f} MB, {count} of them\n")
            print(f"| program | {'events/s' if is_answer else 'MB/s'} | CPU s | spread | peak MB |\n|---|---|---|---|---|")
            for name in chosen:
                seconds = [seconds for seconds, _ in measured[name]]
                median = max(statistics.median(seconds), 1e-3)
                rate = f"{count / median:,.0f}" if is_answer else f"{size / 1e6 / median:,.0f}"
                print(f"| {name} | {rate} | {median:.3f} | {(max(seconds) - min(seconds)) / median:.0%} "
                      f"| {max(peak for _, peak in measured[name]) / 1024:.0f} |")
            print()


if __name__ == "__main__":
    main()
