# SPDX-License-Identifier: MIT
"""A stage that is late with one request: that request suffers, and nobody else's stream."""
from __future__ import annotations

import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from front import FRONT, JSON, STAGE, Front, eventually, gone, read_all, read_until, request, start
from patience import fair
from server import REPOSITORY

LATE = f"{shlex.quote(sys.executable)} -u {shlex.quote(str(REPOSITORY / 'Tests/Pipelines/late_stage.py'))}"
GIVEN_UP, STUCK, STILL = "got no end within 5 s", "did not answer a health request", "nothing came from it"


def says(server: Front, text: str) -> int:
    return sum(text in line["msg"] for line in server.log())


class Streams:
    """Streams that have begun, each of which must come to its own end."""

    def __init__(self, server: Front, count: int, seconds: float):
        self.number, self.threads, self.answers = int(seconds / 0.1), ThreadPoolExecutor(count), []
        body = json.dumps({"model": "stream", "n": self.number, "pace": 0.1})
        for _ in range(count):
            connection = server.connect()
            connection.request("POST", "/v1/messages", body, JSON)
            self.answers.append(connection.getresponse())
        self.rest = [self.threads.submit(answer.read) for answer in self.answers]

    def are_whole(self) -> bool:
        end = b'event: x\ndata: {"i":%d}\n\n' % (self.number - 1)
        return all(one.result(60).endswith(end) and b"event: error" not in one.result() for one in self.rest)


def hold(server: Front, seconds: float) -> socket.socket:
    client = server.socket()
    client.sendall(request({"model": "any", "hold": seconds}))
    # It has reached the stage.
    time.sleep(0.5)
    return client


@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_stage_is_busy_with_a_request_that_is_cancelled(start, place):
    """For longer than a cancelled request may be: it is given up, and the pipeline goes on."""
    server = start(pipeline=f"{LATE} | {STAGE}" if place == "before" else f"cat | {LATE} | {STAGE} | cat")
    before, streams = server.stages(), Streams(server, 20, 12)
    hold(server, 8).close()
    eventually(lambda: says(server, GIVEN_UP) == 1, 10)
    # What came after it waits for the stage, and is served by the same pipeline.
    began = time.monotonic()
    assert server.post({"b": 1})[0] == 200 and fair(began) < 8
    assert streams.are_whole()
    assert server.stages() == before and not says(server, STUCK)
    lines = [line for line in server.log() if line["msg"] == "request" and line["status"] == 499]
    assert len(lines) == 1 and lines[0]["error"] == "client_gone"
    assert b"claude_proxy_pipeline_restarts_total 0" in server.ask("GET", "/metrics")[2]


def test_many_are_cancelled_while_a_stage_is_busy(start):
    server = start(pipeline=f"{LATE} | {STAGE}")
    before, streams = server.stages(), Streams(server, 10, 12)
    hold(server, 7).close()
    for _ in range(20):
        client = server.socket()
        client.sendall(request({}))
        client.close()
    eventually(lambda: says(server, GIVEN_UP) >= 1, 10)
    assert streams.are_whole() and server.post({})[0] == 200
    assert server.stages() == before and not says(server, STUCK)


def test_a_stage_that_is_stuck(start):
    """It is replaced; streams that flow go to their ends; what doesn't move any more is ended."""
    server = start(pipeline=f"{LATE} | {STAGE}")
    before = server.stages()
    still = server.socket()
    still.sendall(request({"model": "half"}))
    read_until(still, b"data: {}\n\n")
    streams = Streams(server, 20, 30)
    began = time.monotonic()
    hold(server, 1000).close()
    # It was asked whether it is well after 5 s, and had 15 s. Requests that came after the health request get 503.
    waiting = server.socket()
    eventually(lambda: says(server, GIVEN_UP) == 1, 10)
    waiting.sendall(request({}, "connection: close"))
    eventually(lambda: says(server, STUCK) == 1, 30)
    assert fair(began) < 25
    answer = read_all(waiting)
    assert answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer
    # At once, by a new pipeline beside it.
    asked = time.monotonic()
    assert server.post({})[0] == 200 and fair(asked) < 2
    assert set(before) < set(server.stages())
    assert streams.are_whole()
    assert all(not gone(pid) for pid in before), "the last stream has only just ended"
    # The one stream that has stopped gets an error.
    rest = read_until(still, b"0\r\n\r\n")
    assert b"event: error" in rest and says(server, STILL) == 1
    eventually(lambda: all(gone(pid) for pid in before), 10)
    assert len(server.stages()) == len(before)
    assert server.post({})[0] == 200


def test_a_stuck_stage_goes_on(start):
    """Replaced already, it still serves what it has, and ends as any pipeline does."""
    server = start(pipeline=f"{LATE} | {STAGE}")
    before, streams = server.stages(), Streams(server, 5, 26)
    client = hold(server, 24)
    early = server.socket()
    early.sendall(request({"e": 1}, "connection: close"))
    client.close()
    eventually(lambda: says(server, STUCK) == 1, 30)
    assert server.post({})[0] == 200
    assert read_all(early).startswith(b"HTTP/1.1 200 "), "sent before the question, and served when the stage goes on"
    assert streams.are_whole()
    eventually(lambda: all(gone(pid) for pid in before), 10)
    assert not says(server, STILL)


def test_nobody_is_left_while_a_stage_is_stuck(start):
    """Without any client too it is found out, and the next one is served."""
    server = start(pipeline=f"{LATE} | {STAGE}")
    before = server.stages()
    hold(server, 1000).close()
    eventually(lambda: all(gone(pid) for pid in before), 40)
    assert says(server, STUCK) == 1 and server.post({})[0] == 200


def test_as_a_filter():
    """Where it starts no pipeline, it only gives the request up."""
    ready, told = os.pipe()
    process = subprocess.Popen([FRONT, "--listen", "127.0.0.1:0", "--notify-fd", str(told)], pass_fds=[told],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(told)
    port = int(os.fdopen(ready).readline())
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(request({}))
    rid = json.loads(process.stdout.readline())["rid"]
    client.close()
    assert json.loads(process.stdout.readline()) == {"rid": rid, "cancel": True}
    time.sleep(6.5)
    assert process.poll() is None
    # The end that comes after all is nobody's, and harms nobody.
    process.stdin.write(b'{"rid":"%s","end":{}}\n' % rid.encode())
    process.stdin.flush()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/messages", "{}", JSON)
    answered = threading.Thread(target=lambda: connection.getresponse().read())
    answered.start()
    rid = json.loads(process.stdout.readline())["rid"]
    process.stdin.write(b'{"rid":"%s","http":{"status":200,"headers":{}}}\n{"rid":"%s","end":{}}\n' % (rid.encode(), rid.encode()))
    process.stdin.flush()
    answered.join(10)
    assert not answered.is_alive()
    process.terminate()
    assert process.wait(20) == 0 and GIVEN_UP.encode() in process.stderr.read()
