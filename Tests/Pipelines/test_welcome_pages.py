# SPDX-License-Identifier: MIT
"""Pages whose origin is allowed, in a real browser: they ask as the vendors' SDKs do there, and read all they need."""
from __future__ import annotations

from typing import Any, Iterator

import pytest
from browser import Browser, Page
from messages_api import MessagesAPI
from pages import Pages
from server import Proxy

TOKEN = "token-of-the-page"
MESSAGES, CHAT = "/v1/messages", "/openai/v1/chat/completions"
# What the SDKs for JavaScript send from a browser, beside their keys.
STAINLESS = {"x-stainless-" + name: "1" for name in (
    "lang", "package-version", "os", "arch", "runtime", "runtime-version", "retry-count", "timeout", "helper",
    "helper-method", "poll-helper", "custom-poll-interval")}
SENT: dict[str, dict[str, str]] = {
    MESSAGES: {"anthropic-version": "2023-06-01", "anthropic-beta": "a-beta", "x-api-key": TOKEN,
               "anthropic-dangerous-direct-browser-access": "true", "idempotency-key": "1"},
    CHAT: {"authorization": "Bearer " + TOKEN, "openai-organization": "org", "openai-project": "proj",
           "openai-beta": "assistants=v2", "idempotency-key": "1"}}
ASK = """
    const answer = await fetch(URL, {method: "POST", headers: HEADERS, body: JSON.stringify(BODY)});
    const headers = Object.fromEntries(answer.headers);
"""
# The text of the pieces as they come, and the time of each, in seconds since the epoch.
READ = ASK + """
    const pieces = [], decoder = new TextDecoder(), reader = answer.body.getReader();
    for (;;) {
        const {done, value} = await reader.read();
        if (done) return {status: answer.status, headers, pieces};
        pieces.push([(performance.timeOrigin + performance.now()) / 1000, decoder.decode(value, {stream: true})]);
    }
"""


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]} | more


@pytest.fixture(scope="module")
def open_(standin: MessagesAPI, pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A server that lets some pages in, if they have its token; what comes from here counts for the limits."""
    server = Proxy(
        tmp_path_factory.mktemp("open"), BACKEND="claude-http", ANTHROPIC_API_KEY="sk-ant-dummy-for-tests",
        ANTHROPIC_BASE_URL=standin.url, AUTH_TOKEN=TOKEN, RATE_LIMIT_REQUESTS="1000", RATE_LIMIT_BURST="100",
        CORS_ORIGINS=f"{pages.origin('app.example')}, http://localhost:*")
    yield server
    server.stop()


@pytest.fixture(params=["app.example", "localhost"])
def page(request: pytest.FixtureRequest, browser: Browser, pages: Pages) -> Iterator[Page]:
    """A page by the name that is listed, and one that a star lets in."""
    tab = browser.page(pages.at(request.param))
    yield tab
    tab.close()


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_stream_comes_piece_by_piece(path: str, page: Page, open_: Proxy, api: MessagesAPI) -> None:
    headers = {"content-type": "application/json"} | SENT[path] | STAINLESS
    said = page.run(READ, URL=open_.url + path, HEADERS=headers,
                    BODY=body("[[clock:6]] [[slow:0.3]] [[ratelimit]]", stream=True, **({"seed": 1} if path == CHAT else {})))
    assert said["status"] == 200
    # The first word was read long before the last one was sent; each word is in a piece of its own.
    text = "".join(piece for _, piece in said["pieces"])
    mark = "text_delta" if path == MESSAGES else '"content":"'
    times = [time for time, piece in said["pieces"] if mark in piece]
    assert text.endswith("data: [DONE]\n\n" if path == CHAT else '"message_stop"}\n\n'), text
    assert times[0] < api.wait("response_done", 5)["t"] - 0.5 and len(times) >= 4, said["pieces"]
    # What the SDKs look for, what we say of limits and of loss, and what the upstream says.
    wanted = {"content-type", "cache-control", "x-request-id", "request-id", "x-ratelimit-limit",
              "x-ratelimit-remaining", "x-ratelimit-reset", "anthropic-ratelimit-unified-status"}
    assert wanted | ({"x-proxy-loss"} if path == CHAT else set()) <= set(said["headers"]), said["headers"]


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_an_answer_and_the_errors_can_be_read(path: str, page: Page, open_: Proxy, api: MessagesAPI) -> None:
    """A page that couldn't read why it was refused would try again and again."""
    headers = {"content-type": "application/json"} | SENT[path]
    wrong = {"x-api-key": "wrong"} if path == MESSAGES else {"authorization": "Bearer wrong"}
    busy = "[[error:429]] [[retryafter:7]] [[shouldretry:false]]"
    for status, given, sent in ((200, body("hello"), headers), (401, body("hello"), headers | wrong),
                                (400, {}, headers), (429, body(busy), headers),
                                (415, body("hello"), headers | {"content-type": "text/plain"})):
        said = page.run(ASK + "return {status: answer.status, headers, body: await answer.json()}",
                        URL=open_.url + path, HEADERS=sent, BODY=given)
        assert (said["status"], "error" in said["body"]) == (status, status != 200), said
        assert said["headers"]["x-request-id"]
        if status == 429:
            assert said["headers"]["retry-after"] == "7" and said["headers"]["x-should-retry"] == "false"


def test_a_page_lists_the_models(page: Page, open_: Proxy) -> None:
    for path, headers in (("/v1/models", SENT[MESSAGES]), ("/openai/v1/models", SENT[CHAT])):
        said = page.run("return (await fetch(URL, {headers: HEADERS})).json()", URL=open_.url + path, HEADERS=headers)
        assert len(said["data"]) > 1


def test_a_page_goes_in_mid_stream(browser: Browser, pages: Pages, open_: Proxy, api: MessagesAPI) -> None:
    """By its own stop button, or with its tab: the work upstream is stopped."""
    headers = {"content-type": "application/json"} | SENT[MESSAGES]
    begin = """
        window.stop = new AbortController();
        const answer = await fetch(URL, {method: "POST", headers: HEADERS, body: JSON.stringify(BODY), signal: stop.signal});
        await answer.body.getReader().read();
    """
    for count, how in enumerate(("stop", "close"), 1):
        tab = browser.page(pages.at("app.example"))
        tab.run(begin, URL=open_.url + MESSAGES, HEADERS=headers, BODY=body("[[len:500]] [[slow:0.1]]", stream=True))
        if how == "stop":
            tab.run("window.stop.abort()")
        tab.close()
        api.wait("client_abort", 5, count)


def test_others_are_still_refused(browser: Browser, pages: Pages, open_: Proxy, api: MessagesAPI) -> None:
    """Also one that has the token: its key may be known, its page isn't."""
    for name in ("127.0.0.1", "app.example.example", "evil.example"):
        tab = browser.page(pages.at(name))
        for headers in ({}, {"content-type": "application/json"} | SENT[MESSAGES]):
            failed = "try { await fetch(URL, {method: 'POST', body: '{}', headers: HEADERS}) } catch (e) { return e.name }"
            assert tab.run(failed, URL=open_.url + MESSAGES, HEADERS=headers) == "TypeError"
        tab.close()
    assert not api.records("request")
