# SPDX-License-Identifier: MIT
"""An upstream that a test writes byte by byte, for what the stand-in of the Messages API doesn't do."""
from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from typing import Callable, Iterator, NamedTuple


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection of a client."""

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self._file = connection.makefile("rb")

    def read(self) -> Request | None:
        """The next request; None when the client has closed."""
        try:
            line = self._file.readline().decode().strip()
            if not line:
                return None
            headers = {}
            while text := self._file.readline().decode().strip():
                name, _, value = text.partition(":")
                assert name.lower() not in headers, f"{name} twice"
                headers[name.lower()] = value.strip()
            return Request(line, headers, self._file.read(int(headers.get("content-length", "0"))))
        except OSError:
            return None

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
        """The head of an answer in chunks."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n{more}\r\n".encode())

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        self.send(head.encode() + body)

    def wait_closed(self, seconds: float = 10) -> float:
        """The time at which the client closed."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return time.monotonic()


class Upstream:
    """Calls ``play`` with each request, on a thread for each connection, until it returns True."""

    def __init__(self, play: Callable[[Wire, Request], bool | None], tls: ssl.SSLContext | None = None):
        self.play, self.tls = play, tls
        self.requests: list[Request] = []
        self.connections = 0
        self.closed: list[float] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Upstream:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            wire = Wire(self.tls.wrap_socket(connection, server_side=True) if self.tls else connection)
        except OSError:
            return connection.close()
        with wire.socket:
            while request := wire.read():
                self.requests.append(request)
                try:
                    if self.play(wire, request):
                        return
                except OSError:
                    return


@contextlib.contextmanager
def out_of_reach() -> Iterator[int]:
    """A port whose queue of connections is full: the next one neither stands nor fails."""
    with contextlib.ExitStack() as open_ones:
        full = open_ones.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = open_ones.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def data_of(stream: bytes) -> list[bytes]:
    """What stands behind ``data:`` in a plain stream."""
    return re.findall(rb"^data: (.*)$", stream, re.M)
