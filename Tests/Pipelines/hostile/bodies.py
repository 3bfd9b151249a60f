# SPDX-License-Identifier: MIT
"""Bodies that are no JSON object, and names that would break out of a header or a record."""
from __future__ import annotations

from . import GET, HOST, POST, Case, get, post

# RFC 8259, and https://github.com/nst/JSONTestSuite (n_*: what must be refused)
BODIES = [
    Case("no body", post(b""), 400, True),
    Case("no length", POST + b"\r\n", 400, True),
    Case("a body of spaces", post(b"  \r\n"), 400, True),
    Case("a body that breaks out", post(b'{}}\n{"rid":"r1","end":{}'), 400, True),
    Case("a body that is a record behind it", post(b'{}\n{"rid":"r1","request":{}}'), 400, True),
    Case("two bodies", post(b"{}{}"), 400, True),
    Case("a body with a comma behind it", post(b"{},"), 400, True),
    Case("a body with NUL behind it", post(b"{}\0"), 400, True),
    Case("half a body of JSON", post(b'{"a":'), 400, True),
    Case("an open string", post(b'{"a":"b}'), 400, True),
    Case("NUL in a body", post(b"{\0}"), 400, True),
    Case("NUL in a string", post(b'{"a":"\0"}'), 400, True),
    Case("LF in a string", post(b'{"a":"\n"}'), 400, True),
    Case("CR in a name", post(b'{"a\r":1}'), 400, True),
    Case("an array", post(b"[{}]"), 400, True),
    Case("a string", post(b'"{}"'), 400, True),
    Case("a number", post(b"1"), 400, True),
    Case("null", post(b"null"), 400, True),
    Case("a byte order mark", post(b"\xef\xbb\xbf{}"), 400, True),
    Case("UTF-16", post("{}".encode("utf-16")), 400, True),
    Case("no UTF-8", post(b'{"\xff"'), 400, True),
    Case("a surrogate in UTF-8", post(b'{"a":"\xed\xa0\x80"}'), 400, True),
    Case("a slash in too many bytes", post(b'{"a":"\xc0\xaf"}'), 400, True),
    Case("half a character", post(b'{"a":"\xe2\x82"}'), 400, True),
    Case("a character beyond Unicode", post(b'{"a":"\xf4\x90\x80\x80"}'), 400, True),
    Case("a body of many brackets", post(b"[" * 100_000), 400, True),
    Case("a body one level too deep", post(b'{"a":' + b"[" * 2048 + b"]" * 2048 + b"}"), 400, True),
    Case("a comma at the end", post(b'{"a":1,}'), 400, True),
    Case("single quotes", post(b"{'a':1}"), 400, True),
    Case("a name without quotes", post(b"{a:1}"), 400, True),
    Case("a comment", post(b"{/**/}"), 400, True),
    Case("a number with a zero before it", post(b'{"a":01}'), 400, True),
    Case("a number that is none", post(b'{"a":NaN}'), 400, True),
    Case("a bad escape", post(b'{"a":"\\x41"}'), 400, True),
    Case("a form feed for a space", post(b"{\x0c}"), 400, True),
    Case("a no-break space for a space", post(b"{\xc2\xa0}"), 400, True),
]


def typed(kind: bytes, body: bytes = b"{}") -> bytes:
    return (b"POST /v1/messages HTTP/1.1\r\n" + HOST + kind + b"content-length: %d\r\n\r\n" % len(body) + body)


# RFC 9110, 8.3: a page of another's may send the first four without asking
# (https://fetch.spec.whatwg.org/#cors-safelisted-request-header)
TYPES = [
    Case("a form", typed(b"content-type: text/plain\r\n"), 415, True),
    Case("a form of fields", typed(b"content-type: application/x-www-form-urlencoded\r\n", b"{}="), 415, True),
    Case("a form of files", typed(b"content-type: multipart/form-data; boundary=x\r\n",
                                  b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n{}\r\n--x--\r\n'), 415, True),
    Case("no type", typed(b""), 415, True),
    Case("an empty type", typed(b"content-type:\r\n"), 415, True),
    Case("a type of nonsense", typed(b"content-type: application/x-nonsense\r\n"), 415, True),
    Case("a type that ends as ours", typed(b"content-type: xapplication/json\r\n"), 415, True),
    Case("a type that begins as ours", typed(b"content-type: application/jsonp\r\n"), 415, True),
    Case("a type in a parameter", typed(b"content-type: text/plain; application/json\r\n"), 415, True),
    Case("a type with a boundary of ours", typed(b"content-type: multipart/form-data; boundary=x+json\r\n"), 415, True),
    Case("a list of types", typed(b"content-type: text/plain, application/json\r\n"), 415, True),
    Case("a list of types that ends as ours", typed(b"content-type: text/plain,a/b+json\r\n"), 415, True),
    Case("two types", typed(b"content-type: application/json\r\ncontent-type: text/plain\r\n"), 415, True),
    Case("two types, ours behind", typed(b"content-type: text/plain\r\ncontent-type: application/json\r\n"), 415, True),
    Case("a type with an escape", typed(b"content-type: text/plain\xff\r\n"), 415, True),
]

# Header and log injection (CWE-113, CWE-117): https://owasp.org/www-community/attacks/HTTP_Response_Splitting and
# https://github.com/MDA2AV/Http11Probe (malformed-input: URL-*)
NAMES = [
    Case("an id with CR and LF", get(path=b"/v1/models/x%0d%0ax-evil:%201"), 404, True),
    Case("an id with LF", get(path=b"/v1/models/x%0A%7B%22rid%22:%22r1%22%7D"), 404, True),
    Case("an id with NUL", get(path=b"/v1/models/x%00"), 404, True),
    Case("an id with an escape", get(path=b"/v1/models/%1b%5b2J"), 404, True),
    Case("an id with DEL", get(path=b"/openai/v1/models/x%7f"), 404, True),
    Case("an id with a next line", get(path=b"/v1/models/x%c2%85y"), 404, True),
    Case("an id with half an escape", get(path=b"/v1/models/x%0"), 404, True),
    Case("an id with an escape of letters", get(path=b"/v1/models/x%zz"), 404, True),
    Case("an id with digits beyond ASCII", get(path=b"/v1/models/%c3%28"), 404, True),
    Case("an id in too many bytes", get(path=b"/v1/models/%c0%af"), 404, True),
    Case("an id with a slash", get(path=b"/v1/models/a/b"), 404, True),
    Case("an id that is none", get(path=b"/v1/models/%zz"), 404, True),
    Case("a query of a page that isn't there", get(path=b"/x?a=%0d%0aset-cookie:b"), 404, True),
]

CASES = BODIES + TYPES + NAMES

# Asked of a server that wants a token, `sesame` (RFC 6750, 2.1 and 3; RFC 9110, 11.6.2)
TOKENS = [
    Case("no token", get(), 401, True),
    Case("no token for a message", post(b"{}"), 401, True),
    Case("another token", get(b"authorization: Bearer wrong"), 401, True),
    Case("another key", get(b"x-api-key: wrong"), 401, True),
    Case("half a token", get(b"authorization: Bearer sesam"), 401, True),
    Case("a token and more", get(b"authorization: Bearer sesame1"), 401, True),
    Case("a token in capitals", get(b"authorization: Bearer SESAME"), 401, True),
    Case("a token twice in a line", get(b"authorization: Bearer sesame, Bearer sesame"), 401, True),
    Case("an empty token", get(b"authorization: Bearer "), 401, True),
    Case("an empty key", get(b"x-api-key:"), 401, True),
    Case("a token without its scheme", get(b"authorization: sesame"), 401, True),
    Case("a token in another scheme", get(b"authorization: Basic c2VzYW1lOnNlc2FtZQ=="), 401, True),
    Case("a scheme without its space", get(b"authorization: Bearersesame"), 401, True),
    Case("a token in a query", get(path=b"/v1/models?api_key=sesame&access_token=sesame"), 401, True),
    Case("a token in a cookie", get(b"cookie: token=sesame"), 401, True),
    Case("a token in another header", get(b"proxy-authorization: Bearer sesame"), 401, True),
    Case("a token beyond ASCII", get(b"authorization: Bearer sesam\xe9"), 401, True),
    Case("a token behind two others", get(b"x-api-key: a", b"x-api-key: b", b"x-api-key: sesame"), 401, True),
    Case("a token with a control character", get(b"authorization: Bearer ses\x01ame"), 400),
    Case("a token with NUL behind it", get(b"authorization: Bearer sesame\0"), 400),
    Case("a token with CR in it", get(b"authorization: Bearer sesame\rx: y"), 400),
    Case("a token that is folded", get(b"authorization: Bearer\r\n sesame"), 400),
    Case("a token before a space and a colon", get(b"authorization : Bearer sesame"), 400),
    Case("a token as a user of the target", get(path=b"http://sesame@localhost/v1/models"), 400, True),
    Case("what only who is let in may see", get(path=b"/metrics"), 401, True),
    Case("more than who is not let in may see", get(path=b"/health/detailed"), 401, True),
]
