#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stand-in for the whole pipeline: request records on stdin, http records on stdout.

The request's model says how it is answered. STAGE_HEALTH is the answer to a health request. STAGE_LOG names a file that gets all lines of stdin; with STAGE_STUCK=1
cancels are not answered.
"""

import json
import os
import sys
import threading
import time

log = open(os.environ["STAGE_LOG"], "a") if "STAGE_LOG" in os.environ else None
is_stuck = os.environ.get("STAGE_STUCK") == "1"
lock = threading.Lock()
cancelled = set()


def write(text):
    with lock:
        sys.stdout.write(text)
        sys.stdout.flush()


def put(*records):
    write("".join(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n" for record in records))


class Request:
    def __init__(self, record):
        self.rid, self.ctx = record["rid"], record["ctx"]
        self.body = record["request"] or {}
        self.record = record

    def http(self, status, type_, **headers):
        put({"rid": self.rid, "ctx": self.ctx, "http": {"status": status, "headers": {"content-type": type_, **headers}}})

    def data(self, text):
        put({"rid": self.rid, "data": text})

    def end(self, **account):
        put({"rid": self.rid, "end": account})

    def whole(self, status, value, **headers):
        text = json.dumps(value, ensure_ascii=False)
        headers = {"content-length": str(len(text.encode())), **headers}
        self.http(status, "application/json", **headers)
        self.data(text)
        self.end()

    def answer(self):
        if self.ctx["op"] == "health":
            if "STAGE_HEALTH" in os.environ:
                report = json.loads(os.environ["STAGE_HEALTH"])
                return self.whole(503 if "error" in report else 200, report)
            return self.whole(200, {"status": "healthy", "components": {"claude_cli": {"status": "found"}}})
        kind = getattr(self, "answer_" + str(self.body.get("model", "")), None)
        return kind() if kind else self.whole(200, self.record)

    def answer_hang(self):
        pass

    def answer_half(self):
        self.http(200, "text/event-stream")
        self.data("event: x\ndata: {}\n\n")

    def answer_die(self):
        os._exit(3)

    def answer_error(self):
        self.whole(429, {"type": "error"})

    def answer_headers(self):
        self.whole(200, {}, **{"x-good": "yes", "x-bad": "a\r\nx-evil: 1", "x-bad\r\nx-evil2": "2", "connection": "x"})

    def answer_long(self):
        name = self.body["name"]
        self.whole(200, {}, **{"x-good": "yes", "x-claude-model": name, name: "x"},
                   **{"x-made-%d" % number: name for number in range(100)})

    def answer_large(self):
        """So many bytes, as fast as they are taken."""
        self.http(200, "text/event-stream")
        for at in range(0, self.body["n"], 100_000):
            self.data("x" * min(100_000, self.body["n"] - at))
        self.end()

    def answer_garbage(self):
        write("garbage\n")
        write('{"rid":"%s","data":\n' % self.rid)

    def answer_small(self):
        """Many events of 300 bytes, each in a write of its own, then the end, unless the client is gone."""
        self.http(200, "text/event-stream")
        for number in range(self.body["n"]):
            self.data("data: %08d%s\n\n" % (number, "x" * 284))
            time.sleep(0.00005)
        self.end()

    def answer_stream(self):
        self.http(200, "text/event-stream")
        for number in range(self.body.get("n", 3)):
            if self.rid in cancelled:
                return
            self.data('event: x\ndata: {"i":%d}\n\n' % number)
            time.sleep(self.body.get("pace", 0.01))
        self.end(model="m1", usage={"input_tokens": 3, "output_tokens": 5},
                 loss=[{"field": "logit_bias", "fate": "dropped"}])

    def answer_empty(self):
        """An answer whose status allows no body, with one."""
        self.http(self.body["status"], "text/plain")
        self.data("HTTP/1.1 200 OK\r\n\r\n")
        self.end()

    def answer_length(self):
        """An answer of another length than it says."""
        self.http(200, "text/plain", **{"content-length": "10"})
        self.data("x" * self.body["n"])
        self.end()

    def answer_login(self):
        self.http(200, "application/json")
        self.data("{}")
        self.end(login_limit={"status": "allowed", "windows": {
            "five_hour": {"utilization": 0.92, "resets_at": 1795365535}, "a\"} 1": {"utilization": 0.5}}})

    def answer_odd(self):
        self.http(200, "application/json")
        self.data("{}")
        self.end(model=self.body["name"], usage={"input_tokens": 7},
                 loss=[{"field": self.body["name"], "fate": "dropped"}])

    def answer_token(self):
        self.http(200, "text/event-stream")
        for number in range(50):
            self.data("data: %s %d\n\n" % (self.body["token"], number))
            time.sleep(0.005)
        self.end()

    def answer_flood(self):
        self.http(200, "text/event-stream")
        while self.rid not in cancelled:
            self.data("data: " + "x" * 60_000 + "\n\n")


for line in sys.stdin:
    if log:
        log.write(line)
        log.flush()
    record = json.loads(line)
    if "request" in record:
        threading.Thread(target=Request(record).answer, daemon=True).start()
    elif "cancel" in record:
        cancelled.add(record["rid"])
        if not is_stuck:
            put({"rid": record["rid"], "end": {"cancelled": True}})
