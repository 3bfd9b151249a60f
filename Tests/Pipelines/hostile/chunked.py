# SPDX-License-Identifier: MIT
"""Bodies in chunks that readers cut in different places."""
from __future__ import annotations

from . import LAST, SMUGGLED, Case, chunks

# RFC 9112, 7.1 (https://www.rfc-editor.org/rfc/rfc9112#section-7.1),
# https://github.com/nodejs/llhttp/blob/main/test/request/transfer-encoding.md,
# https://github.com/narfindustries/http-garden/blob/main/TROPHIES.md and
# https://github.com/MDA2AV/Http11Probe (smuggling: CHUNK-*)
SIZES = [
    Case("a chunk without a size", chunks(b"\r\n{}\r\n" + LAST), 400),
    Case("a chunk size that is none", chunks(b"zz\r\n{}\r\n" + LAST), 400),
    Case("a signed chunk size", chunks(b"+2\r\n{}\r\n" + LAST), 400),
    Case("a negative chunk size", chunks(b"-2\r\n{}\r\n" + LAST), 400),
    Case("a chunk size with 0x", chunks(b"0x2\r\n{}\r\n" + LAST), 400),
    Case("a chunk size with an underscore", chunks(b"0_2\r\n{}\r\n" + LAST), 400),
    Case("a chunk size in quotes", chunks(b'"2"\r\n{}\r\n' + LAST), 400),
    Case("a chunk size with a fraction", chunks(b"2.0\r\n{}\r\n" + LAST), 400),
    Case("a chunk size beyond 64 bits", chunks(b"10000000000000002\r\n{}\r\n" + LAST), 400),
    Case("the largest chunk size", chunks(b"ffffffffffffffff\r\n{}\r\n" + LAST), 400),
    Case("a chunk size beyond the limit", chunks(b"7fffffff\r\n" + b" " * 100), 0, ends=True),
    Case("a chunk size behind a space", chunks(b" 2\r\n{}\r\n" + LAST), 400),
    Case("a chunk size before a space", chunks(b"2 \r\n{}\r\n" + LAST), 400),
    Case("a chunk size before a tab", chunks(b"2\t\r\n{}\r\n" + LAST), 400),
    Case("a chunk size with NUL behind it", chunks(b"2\0\r\n{}\r\n" + LAST), 400),
    Case("a last chunk with a sign", chunks(b"2\r\n{}\r\n+0\r\n\r\nX"), 400),
    Case("a chunk longer than its size", chunks(b"1\r\n{}\r\n" + LAST), 400),
    Case("a chunk shorter than its size", chunks(b"3\r\n{}\r\n" + LAST), 400),
    Case("no last chunk", chunks(b"2\r\n{}\r\n"), 0, ends=True),
    Case("half a last chunk", chunks(b"2\r\n{}\r\n0\r\n"), 0, ends=True),
    Case("another request where a chunk should be", chunks(SMUGGLED), 400),
]

# Lines that end in one reader and go on in another: https://w4ke.info/2025/06/18/funky-chunks.html and
# https://w4ke.info/2025/10/29/funky-chunks-2.html (TERM: the end of a chunk's first line; EXT: within its extension;
# SPILL: the end of its data).
LINES = [
    # TERM.EXT and EXT.TERM
    Case("a chunk size that ends with LF", chunks(b"2\n{}\r\n" + LAST), 400),
    Case("a chunk size that ends with CR", chunks(b"2\r{}\r\n" + LAST), 400),
    Case("a chunk extension with LF", chunks(b"2;a\n{}\r\n" + LAST), 400),
    Case("an empty chunk extension with LF", chunks(b"2;\n{}\r\n" + LAST), 400),
    Case("a chunk extension's value with LF", chunks(b"2;a=b\n{}\r\n" + LAST), 400),
    Case("a chunk extension with CR", chunks(b"2;a\rb\r\n{}\r\n" + LAST), 400),
    Case("a chunk extension with CR at its end", chunks(b"2;a=b\r\rXX\r\n{}\r\n" + LAST), 400),
    Case("a chunk size with two CR", chunks(b"2\r\r;a\r\n{}\r\n" + LAST), 400),
    Case("a chunk extension with LF in quotes", chunks(b'2;a="\n{}\r\n' + LAST), 400),
    Case("a chunk extension with CR LF in quotes", chunks(b'2;a="\r\n{}\r\n' + LAST), 400),
    Case("a chunk extension with an escaped CR", chunks(b'2;a="\\\r\n{}\r\n' + LAST), 400),
    Case("a last chunk's extension with LF",
         chunks(b"2\r\n{}\r\n0;\n" + SMUGGLED), 400),
    Case("a chunk extension without its semicolon", chunks(b"2 a=b\r\n{}\r\n" + LAST), 400),
    Case("a chunk extension of nothing", chunks(b"2;\r\n{}\r\n" + LAST), 400),
    Case("a chunk extension that is no token", chunks(b"2;[a]\r\n{}\r\n" + LAST), 400),
    Case("a chunk extension with NUL", chunks(b"2;\0a\r\n{}\r\n" + LAST), 400),
    Case("a chunk extension beyond ASCII", chunks(b"2;\xe9\r\n{}\r\n" + LAST), 400),
    # TERM.SPILL and SPILL.TERM
    Case("a chunk that ends with LF", chunks(b"2\r\n{}\n" + LAST), 400),
    Case("a chunk that ends with CR", chunks(b"2\r\n{}\r" + LAST), 400),
    Case("a chunk that ends with any two bytes", chunks(b"2\r\n{}XX" + LAST), 400),
    Case("a chunk that doesn't end", chunks(b"2\r\n{}" + LAST), 400),
    Case("a chunk that ends twice", chunks(b"2\r\n{}\r\n\r\n" + LAST), 400),
    Case("a chunk whose end spills", chunks(b"2\r\n{}\r\n0\n\r\n" + SMUGGLED), 400),
    Case("a last chunk that ends with LF", chunks(b"2\r\n{}\r\n0\r\n\n"), 400),
    Case("a last chunk that ends with CR", chunks(b"2\r\n{}\r\n0\r\n\rX"), 400),
    Case("a last chunk that ends with other bytes", chunks(b"2\r\n{}\r\n0\r\nXX\r\n" + SMUGGLED), 400),
]

# What may not come behind the body (RFC 9110, 6.5.1), as it was needed to read it or to let it in:
# https://github.com/MDA2AV/Http11Probe (smuggling: TRAILER-*)
TRAILERS = [
    Case(f"a trailer of {name.decode()}", chunks(b"2\r\n{}\r\n0\r\n" + name + b": " + value + b"\r\n\r\n"), 400)
    for name, value in [
        (b"content-length", b"47"), (b"transfer-encoding", b"chunked"), (b"host", b"evil.example"),
        (b"authorization", b"Bearer evil"), (b"x-api-key", b"evil"), (b"content-type", b"text/plain"),
        (b"content-encoding", b"gzip"), (b"connection", b"upgrade"), (b"expect", b"100-continue"),
        (b"origin", b"https://evil.example"), (b"x-forwarded-for", b"127.0.0.1"), (b"cookie", b"a=b"),
    ]
] + [
    Case("a trailer without a colon", chunks(b"2\r\n{}\r\n0\r\nx\r\n\r\n"), 400),
    Case("a trailer that ends with LF", chunks(b"2\r\n{}\r\n0\r\nx: y\n\r\n"), 400),
    Case("a trailer that is folded", chunks(b"2\r\n{}\r\n0\r\nx: y\r\n z\r\n\r\n"), 400),
    Case("a trailer with NUL", chunks(b"2\r\n{}\r\n0\r\nx: y\0z\r\n\r\n"), 400),
    Case("a trailer that is a request", chunks(b"2\r\n{}\r\n0\r\nx:POST / HTTP/1.1\r\n" + SMUGGLED), 400),
    Case("trailers too large", chunks(b"2\r\n{}\r\n0\r\nx: " + b"y" * 70_000 + b"\r\n\r\n"), 431),
    Case("too many trailers", chunks(b"2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 300 + b"\r\n"), 431),
]

CASES = SIZES + LINES + TRAILERS
