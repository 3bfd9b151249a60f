# SPDX-License-Identifier: MIT
"""http-frontd alone, before a pipeline that is a stand-in: Pipelines/front_stage.py, told by the request's model."""

import contextlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys

import pytest
from processes import wait_for
from server import PROGRAMS, REPOSITORY

FRONT = str(PROGRAMS / "http-frontd")
STAGE = f"{shlex.quote(sys.executable)} -u {shlex.quote(str(REPOSITORY / 'Tests/Pipelines/front_stage.py'))}"
JSON = {"content-type": "application/json"}


class Front:
    """A running server, and what its pipeline got."""

    def __init__(self, folder, *options, pipeline=STAGE + " | cat", listen="127.0.0.1:0", env=None, stderr=None,
                 wrapper=()):
        self.seen_path = os.path.join(folder, "seen")
        self.log_path = os.path.join(folder, "log")
        ready, told = os.pipe()
        command = [*wrapper, FRONT, "--listen", listen, "--notify-fd", str(told), "--log-level", "debug", *options]
        command += ["--pipeline", pipeline] if pipeline else []
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                command, pass_fds=[told], stderr=log if stderr is None else stderr, stdin=subprocess.DEVNULL,
                env=os.environ | {"STAGE_LOG": self.seen_path} | (env or {}))
        os.close(told)
        with os.fdopen(ready) as pipe:
            self.place = pipe.readline().strip()
        assert self.place, open(self.log_path).read()

    @property
    def port(self):
        return int(self.place)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, path, body, headers if headers is not None else (JSON if body else {}))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def post(self, body, path="/v1/messages"):
        return self.ask("POST", path, json.dumps(body))

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, data):
        with self.socket() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR) if not data else None
            return read_all(client)

    def seen(self):
        """The records that its pipeline got, without the health request that a new server asks."""
        with contextlib.suppress(FileNotFoundError), open(self.seen_path) as file:
            records = [json.loads(line) for line in file]
            return records[1:] if records and records[0].get("ctx", {}).get("op") == "health" else records
        return []

    def log(self):
        return [json.loads(line) for line in open(self.log_path)]

    def stages(self):
        """The processes of the pipeline."""
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        return [int(pid) for pid in children]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)


def read_all(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def read_until(client, end):
    data = b""
    while end not in data:
        piece = client.recv(65536)
        assert piece, data
        data += piece
    return data


def eventually(check, seconds=20.0):
    return wait_for("what had to happen", check, seconds)


def request(body, *headers, version="1.1"):
    text = json.dumps(body).encode()
    head = [f"POST /v1/messages HTTP/{version}", "host: localhost", "content-type: application/json"]
    head += [f"content-length: {len(text)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def check_error(status, headers, body, expected, type_="invalid_request_error"):
    answer = json.loads(body)
    assert status == expected
    assert answer["type"] == "error" and answer["error"]["type"] == type_
    assert set(answer["error"]) == {"type", "message", "param", "code"}
    assert answer["request_id"] == headers["x-request-id"]
    return answer["error"]["message"]


@pytest.fixture
def start(tmp_path):
    """Starts a server of the test's own."""
    servers = []

    def start(*options, **keywords):
        servers.append(Front(tmp_path, *options, **keywords))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
