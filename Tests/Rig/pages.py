# SPDX-License-Identifier: MIT
"""A web server whose pages ask what isn't theirs. What it shows is empty: the scripts come from the test."""
from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """The query says what stands in the answer's head: `/?name=value`; `/?location=URL` redirects."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)
        self.send_response(307 if dict(headers).get("location") else 200)
        for name, value in [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title>")

    do_GET = do_POST = answer


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int):
        super().__init__(("127.0.0.1", port), Handler)
        self.connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes is no error."""


class Pages:
    """The server, on a loopback port from `with` on; each connection serves one answer."""

    def __init__(self, port: int = 0):
        self._server = Server(port)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Pages:
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        # A browser has connections in reserve: they end too.
        for connection in self._server.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def origin(self, name: str) -> str:
        return f"http://{name}:{self.port}"

    def at(self, name: str, **headers: str) -> str:
        """A page's address by one of the server's names."""
        return self.origin(name) + "/" + ("?" + urllib.parse.urlencode(headers) if headers else "")
