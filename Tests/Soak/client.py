# SPDX-License-Identifier: MIT
"""A connection to the server, by asyncio: it sends any bytes, reads answers piece by piece, and ends as told."""
from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, AsyncIterator, NamedTuple

from ledger import Wrong

# How long a good client waits for anything, in seconds: far above what a busy machine needs.
PATIENCE = 60


class Head(NamedTuple):
    status: int
    headers: dict[str, str]

    @property
    def rid(self) -> str:
        return self.headers.get("x-request-id", "")


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

    @staticmethod
    async def open(port: int, room: int | None = None) -> Client:
        """Room: how much the system takes for us when we don't read, in bytes."""
        # With its protocol's number asyncio switches the delays of small writes off, as every HTTP client does.
        end = socket.socket(proto=socket.IPPROTO_TCP)
        end.setblocking(False)
        if room:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_connect(end, ("127.0.0.1", port)), PATIENCE)
            return Client(*await asyncio.open_connection(sock=end, limit=room or 65536))
        except BaseException:
            end.close()
            raise

    # Sending

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), PATIENCE)

    def end_requests(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """Go by an RST: what is on its way to either side is lost."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()

    # Reading

    async def head(self) -> Head:
        """The head of the next answer, after any 100 (Continue)."""
        while True:
            text = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
            first, *lines = text.decode("latin-1").rstrip("\r\n").split("\r\n")
            version, status, _ = first.split(" ", 2)
            if version not in ("HTTP/1.1", "HTTP/1.0"):
                raise Wrong(f"the answer begins with {first!r}")
            if status != "100":
                named = (line.partition(": ") for line in lines)
                return Head(int(status), {name.lower(): value for name, _, value in named})

    async def pieces(self, head: Head) -> AsyncIterator[bytes]:
        """The bytes of its body as they come."""
        if head.headers.get("transfer-encoding") == "chunked":
            while size := int(await self._line(), 16):
                yield await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)
                await self._line()
            await self._line()
        elif "content-length" in head.headers:
            left = int(head.headers["content-length"])
            while left:
                piece = await asyncio.wait_for(self.reader.read(min(left, 65536)), PATIENCE)
                if not piece:
                    raise Wrong(f"the answer lacks {left} bytes")
                left -= len(piece)
                yield piece
        elif head.status != 204:
            while piece := await asyncio.wait_for(self.reader.read(65536), PATIENCE):
                yield piece

    async def _line(self) -> bytes:
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n"), PATIENCE))[:-2]

    async def body(self, head: Head) -> bytes:
        return b"".join([piece async for piece in self.pieces(head)])

    async def events(self, head: Head) -> AsyncIterator[tuple[str | None, Any]]:
        """The server-sent events of its body, as name and data; comments are left out."""
        rest = b""
        async for piece in self.pieces(head):
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                name, data = None, None
                for line in block.split(b"\n"):
                    if line.startswith(b"event: "):
                        name = line[7:].decode()
                    elif line.startswith(b"data: "):
                        data = line[6:]
                    elif not line.startswith(b":"):
                        raise Wrong(f"a stream has the line {line[:80]!r}")
                if data is not None:
                    yield name, data.decode() if data == b"[DONE]" else json.loads(data)
        if rest:
            raise Wrong(f"a stream ends within an event: {rest[:80]!r}")

    async def until_closed(self, seconds: float) -> bytes:
        """What still comes until the server closes, which must be within that time."""
        said = b""

        async def read() -> None:
            nonlocal said
            while piece := await self.reader.read(65536):
                said = (said + piece)[-4096:]

        try:
            await asyncio.wait_for(read(), seconds)
        except ConnectionError:
            pass
        except asyncio.TimeoutError:
            raise Wrong(f"the connection was not closed within {seconds} s") from None
        return said
