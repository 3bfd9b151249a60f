# SPDX-License-Identifier: MIT
"""Requests whose end one reader sees here and another there: lengths and codings."""
from __future__ import annotations

from . import CHUNKED, GET, LAST, POST, SMUGGLED, Case, post

# RFC 9112, 6.2 and 6.3 (https://www.rfc-editor.org/rfc/rfc9112#section-6.3), and the lists that try them:
# https://github.com/nodejs/llhttp/blob/main/test/request/content-length.md
# https://github.com/narfindustries/http-garden/blob/main/TROPHIES.md
# https://github.com/MDA2AV/Http11Probe (smuggling: CL-*)
LENGTHS = [
    Case("two lengths", POST + b"content-length: 2\r\ncontent-length: 9\r\n\r\n{}" + SMUGGLED, 400),
    Case("two equal lengths", POST + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}", 400),
    Case("two lengths apart", POST + b"content-length: 0\r\nx: y\r\nContent-Length: 47\r\n\r\n" + SMUGGLED, 400),
    Case("an empty length before another", POST + b"content-length:\r\ncontent-length: 43\r\n\r\n" + SMUGGLED, 400),
    Case("a list of lengths", POST + b"content-length: 2, 2\r\n\r\n{}", 400),
    Case("a list of two lengths", POST + b"content-length: 2,47\r\n\r\n{}" + SMUGGLED, 400),
    Case("a length before a comma", POST + b"content-length: 2,\r\n\r\n{}", 400),
    Case("a length behind a comma", POST + b"content-length: ,2\r\n\r\n{}", 400),
    Case("a signed length", POST + b"content-length: +2\r\n\r\n{}", 400),
    Case("a negative length", POST + b"content-length: -2\r\n\r\n{}", 400),
    Case("a negative length of nothing", POST + b"content-length: -0\r\n\r\n" + SMUGGLED, 400),
    Case("a hexadecimal length", POST + b"content-length: 0x2\r\n\r\n{}", 400),
    Case("a length of hexadecimal digits", POST + b"content-length: 2f\r\n\r\n{}", 400),
    Case("a length with an exponent", POST + b"content-length: 2e0\r\n\r\n{}", 400),
    Case("a length with an underscore", POST + b"content-length: 0_2\r\n\r\n{}", 400),
    Case("an octal length of another base", POST + b"content-length: 0o2\r\n\r\n{}", 400),
    Case("an empty length", POST + b"content-length:\r\n\r\n{}", 400),
    Case("a length of spaces", POST + b"content-length:   \r\n\r\n" + SMUGGLED, 400),
    Case("a fraction", POST + b"content-length: 2.0\r\n\r\n{}", 400),
    Case("a length in quotes", POST + b'content-length: "2"\r\n\r\n{}', 400),
    Case("a length with a space in it", POST + b"content-length: 1 2\r\n\r\n{}", 400),
    Case("a length behind a no-break space", POST + b"content-length: \xa02\r\n\r\n{}", 400),
    Case("a length behind a vertical tab", POST + b"content-length: \x0b2\r\n\r\n{}", 400),
    Case("a length before a tab", POST + b"content-length: 2\t\r\n\r\n{}", 400),
    Case("a length with NUL behind it", POST + b"content-length: 2\0\r\n\r\n{}", 400),
    Case("a length with CR in it", POST + b"content-length: 2\r3\r\n\r\n{}", 400),
    Case("a length with a sharp digit", POST + "content-length: ２\r\n\r\n{}".encode(), 400),
    Case("a length that is folded", POST + b"content-length:\r\n 2\r\n\r\n{}", 400),
    Case("a length before a space and a colon", POST + b"content-length : 2\r\n\r\n{}", 400),
    Case("a length without a colon", POST + b"content-length 2\r\n\r\n{}", 400),
    Case("a length beyond 64 bits", POST + b"content-length: 99999999999999999999\r\n\r\n{}", 400),
    Case("a length that wraps around", POST + b"content-length: 18446744073709551618\r\n\r\n{}", 400),
    Case("a length beyond the limit", POST + b"content-length: 99999999999\r\n\r\n{}", 413),
    Case("a length in letters", POST + b"content-length: two\r\n\r\n{}", 400),
    Case("a length by another name", POST + b"content_length: 2\r\n\r\n{}", 400),
    Case("less than its length", POST + b"content-length: 20\r\n\r\n{}", 0, ends=True),
]

# Both a length and a coding, RFC 9112, 6.1 and 11.2: https://portswigger.net/web-security/request-smuggling and
# https://portswigger.net/research/http-desync-attacks-request-smuggling-reborn (CL.TE, TE.CL), and
# https://portswigger.net/research/http1-must-die (0.CL, CL.0, and the Expect header).
BOTH = [
    Case("length and chunks", POST + b"content-length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, 400),
    Case("chunks and length", POST + CHUNKED + b"content-length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    Case("no length and chunks", POST + b"content-length: 0\r\n" + CHUNKED + b"\r\n" + LAST + SMUGGLED, 400),
    Case("both, without a body's method", GET + b"content-length: 6\r\n" + CHUNKED + b"\r\n" + LAST + b"G", 400),
    Case("both, with the connection to be closed",
         POST + b"connection: close\r\ncontent-length: 6\r\n" + CHUNKED + b"\r\n" + LAST + b"G", 400),
    Case("both, with a promise",
         POST + b"expect: 100-continue\r\ncontent-length: 4\r\n" + CHUNKED + b"\r\n" + LAST + SMUGGLED, 400),
    Case("an empty coding and a length",
         POST + b"content-length: 10\r\ntransfer-encoding:\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("identity and a length", POST + b"transfer-encoding: identity\r\ncontent-length: 2\r\n\r\n{}", 400),
    Case("a hidden coding and a length",
         POST + b"content-length: 4\r\ntransfer-encoding: ,chunked\r\n\r\n" + LAST + SMUGGLED, 400),
    Case("a length hidden by a space",
         POST + b"content-length : 47\r\n" + CHUNKED + b"\r\n" + LAST + SMUGGLED, 400),
    Case("a length below a header that LF ends",
         POST + b"x: y\ncontent-length: 47\r\n" + CHUNKED + b"\r\n" + LAST + SMUGGLED, 400),
    Case("a body of GET that isn't all there", GET + b"content-length: 47\r\n\r\nG", 0, ends=True),
]

# TE.TE: codings that one reader takes for chunked and another doesn't. The words are those of
# https://portswigger.net/web-security/request-smuggling#te-te-behavior-obfuscating-the-te-header and
# https://github.com/defparam/smuggler, https://github.com/nodejs/llhttp/blob/main/test/request/transfer-encoding.md and
# https://github.com/MDA2AV/Http11Probe (smuggling: TE-*).
CODINGS = [
    Case("an unknown coding", POST + b"transfer-encoding: xchunked\r\n\r\n" + LAST, 400),
    Case("pigeons", POST + b"transfer-encoding: pigeons\r\n\r\n" + SMUGGLED, 400),
    Case("identity", POST + b"transfer-encoding: identity\r\n\r\n{}", 400),
    Case("an empty coding", POST + b"transfer-encoding:\r\n\r\n" + SMUGGLED, 400),
    Case("a coding of a comma", POST + b"transfer-encoding: ,\r\n\r\n" + LAST, 400),
    Case("chunked, then another", POST + b"transfer-encoding: chunked, identity\r\n\r\n" + LAST, 400),
    Case("another, then chunked", POST + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("another line, then chunked",
         POST + b"transfer-encoding: gzip\r\n" + CHUNKED + b"\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunked, then another line", POST + CHUNKED + b"transfer-encoding: x\r\n\r\n" + LAST, 400),
    Case("chunked twice", POST + CHUNKED + CHUNKED + b"\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunked twice in a line", POST + b"transfer-encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunked without a gap", POST + b"transfer-encoding: chunkedchunked\r\n\r\n" + LAST, 400),
    Case("chunked before a comma", POST + b"transfer-encoding: chunked,\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunked behind a comma", POST + b"transfer-encoding: , chunked\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunked with a parameter", POST + b"transfer-encoding: chunked;q=1\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunked behind a vertical tab", POST + b"transfer-encoding: \x0bchunked\r\n\r\n" + LAST, 400),
    Case("chunked behind a form feed", POST + b"transfer-encoding: \x0cchunked\r\n\r\n" + LAST, 400),
    Case("chunked before a vertical tab", POST + b"transfer-encoding: chunked\x0b\r\n\r\n" + LAST, 400),
    Case("chunked behind a no-break space", POST + b"transfer-encoding: \xa0chunked\r\n\r\n" + LAST, 400),
    Case("chunked in bytes beyond ASCII", POST + b"transfer-encoding: \xffchunked\xff\r\n\r\n" + LAST, 400),
    Case("chunked before a tab", POST + b"transfer-encoding: chunked\t\r\n\r\n" + LAST, 400),
    Case("chunked with NUL behind it", POST + b"transfer-encoding: chunked\0\r\n\r\n" + LAST, 400),
    Case("chunked with NUL in it", POST + b"transfer-encoding: ch\0unked\r\n\r\n" + LAST, 400),
    Case("chunked in quotes", POST + b'transfer-encoding: "chunked"\r\n\r\n' + LAST, 400),
    Case("chunked in single quotes", POST + b"transfer-encoding: 'chunked'\r\n\r\n" + LAST, 400),
    Case("chunked in a word", POST + b"transfer-encoding: x chunked\r\n\r\n" + LAST, 400),
    Case("chunked that is folded", POST + b"transfer-encoding:\r\n chunked\r\n\r\n" + LAST, 400),
    Case("chunked with a fold behind it", POST + b"transfer-encoding: chunked\r\n  abc\r\n\r\n" + LAST, 400),
    Case("a space before the colon", POST + b"transfer-encoding : chunked\r\n\r\n" + LAST, 400),
    Case("a tab before the colon", POST + b"transfer-encoding\t: chunked\r\n\r\n" + LAST, 400),
    Case("a space before the coding's name", POST + b" transfer-encoding: chunked\r\n\r\n" + LAST, 400),
    Case("a coding's name that is cut", POST + b"transfer-\r\nencoding: chunked\r\n\r\n" + LAST, 400),
    Case("a coding behind LF", POST + b"x: x\ntransfer-encoding: chunked\r\n\r\n" + LAST, 400),
    Case("a coding behind CR", POST + b"x: x\rtransfer-encoding: chunked\r\n\r\n" + LAST, 400),
    Case("a coding in an empty header's LF", POST + b"x:\ntransfer-encoding: chunked\r\n\r\n" + LAST, 400),
    Case("a coding by another name", POST + b"transfer_encoding: chunked\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunks of an old version", POST.replace(b"1.1", b"1.0", 1) + CHUNKED + b"\r\n2\r\n{}\r\n" + LAST, 400),
    Case("chunks and length of an old version",
         POST.replace(b"1.1", b"1.0", 1) + CHUNKED + b"content-length: 2\r\n\r\n2\r\n{}\r\n" + LAST, 400),
    Case("a coding of GET", GET + b"transfer-encoding: x\r\n\r\n" + SMUGGLED, 400),
]

# What a body is encoded with (RFC 9110, 8.4), and what is expected (RFC 9110, 10.1.1).
EXPECTED = [
    Case("an unknown expectation", post(b"{}", b"expect: 200-ok"), 417),
    Case("an expectation among others", post(b"{}", b"expect: 100-continue, x"), 417),
    Case("an expectation of its own line", post(b"{}", b"expect: 100-continue", b"expect: y"), 417),
    Case("an expectation with a parameter", post(b"{}", b"expect: 100-continue;q=1"), 417),
    Case("an expectation behind letters", post(b"{}", b"expect: y 100-continue"), 417),
    Case("an expectation of GET", GET + b"expect: x\r\n\r\n", 417),
    Case("a body in gzip", post(b"\x1f\x8b\x08\0\0\0\0\0\0\3\xab\xae\5\0C\xbf\xa6\xa3\2\0\0\0", b"content-encoding: gzip"),
         415, True),
    Case("a body that is said to be in gzip", post(b"{}", b"content-encoding: gzip"), 415, True),
    Case("a body in two codings", post(b"{}", b"content-encoding: identity", b"content-encoding: br"), 415, True),
]

CASES = LENGTHS + BOTH + CODINGS + EXPECTED
