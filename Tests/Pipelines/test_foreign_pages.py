# SPDX-License-Identifier: MIT
"""Pages of others, in a real browser: whatever they try, nothing reaches the API."""
from __future__ import annotations

import json
from typing import Callable, Iterator

import pytest
from browser import Browser
from messages_api import MessagesAPI
from pages import Pages
from processes import wait_for
from server import Proxy, free_port

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "spend it"}]}
POST = {"method": "POST", "headers": {"content-type": "application/json"}, "body": json.dumps(BODY)}
SETTINGS = {"BACKEND": "claude-http", "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests"}

# What a page can try, and the method of the request that must have been refused. `ended` waits for an element's
# events, `post` sends a form into a frame.
HELPERS = """
    const add = (kind, more) => new Promise(done => {
        const element = Object.assign(document.createElement(kind), more, {onload: done, onerror: done});
        document.documentElement.append(element);
    });
    const post = enctype => {
        const into = "frame" + Math.random();
        const ended = add("iframe", {name: into, sandbox: ""});
        const form = Object.assign(document.createElement("form"), {method: "POST", action: URL, enctype, target: into});
        // The name and the value, joined by "=", are JSON.
        const [name, value] = BODY.replace("spend it", "spend=it").split("=");
        form.append(Object.assign(document.createElement("input"), {name, value}));
        document.documentElement.append(form);
        form.submit();
    };
    const send = (body, more) => fetch(URL, {method: "POST", body, ...more});
    const quietly = (body, more) => send(body, {mode: "no-cors", ...more});
    const json = {"content-type": "application/json"};
"""
ATTEMPTS = {
    "JSON": ("OPTIONS", 'await send(BODY, {headers: json})'),
    "JSON with a key": ("OPTIONS", 'await send(BODY, {headers: {...json, "x-api-key": "guess"}})'),
    "JSON with credentials": ("OPTIONS", 'await send(BODY, {headers: json, credentials: "include"})'),
    "simple": ("POST", 'await send(BODY)'),
    "simple, no type": ("POST", 'await send(new Blob([BODY]))'),
    "no-cors, no type": ("POST", 'await quietly(new Blob([BODY]))'),
    "no-cors, bytes": ("POST", 'await quietly(new TextEncoder().encode(BODY))'),
    "no-cors, plain text": ("POST", 'await quietly(BODY)'),
    "no-cors, JSON is taken off": ("POST", 'await quietly(BODY, {headers: json})'),
    "no-cors, a typed blob": ("POST", 'await quietly(new Blob([BODY], {type: "text/plain;application/json"}))'),
    "no-cors, form": ("POST", 'await quietly(new URLSearchParams(BODY))'),
    "no-cors, parts": ("POST", 'const f = new FormData(); f.set("a", BODY); await quietly(f)'),
    "no-cors, kept alive": ("POST", 'await quietly(new Blob([BODY]), {keepalive: true})'),
    "no-cors, nothing said of where from": (
        "POST", 'await quietly(new Blob([BODY]), {referrerPolicy: "no-referrer"})'),
    "XMLHttpRequest": ("POST", 'const x = new XMLHttpRequest(); x.open("POST", URL); '
                       'await new Promise(done => { x.onloadend = done; x.send(new Blob([BODY])) })'),
    "beacon": ("POST", 'navigator.sendBeacon(URL, BODY)'),
    "beacon, no type": ("POST", 'navigator.sendBeacon(URL, new Blob([BODY]))'),
    "beacon, JSON": ("OPTIONS", 'navigator.sendBeacon(URL, new Blob([BODY], {type: "application/json"}))'),
    "form, plain text": ("POST", 'post("text/plain")'),
    "form": ("POST", 'post("application/x-www-form-urlencoded")'),
    "form, parts": ("POST", 'post("multipart/form-data")'),
    "no-cors GET": ("GET", 'await fetch(URL, {mode: "no-cors"})'),
    "GET": ("GET", 'await fetch(URL)'),
    "image": ("GET", 'await add("img", {src: URL})'),
    "script": ("GET", 'await add("script", {src: URL})'),
    "module": ("GET", 'await add("script", {src: URL, type: "module"})'),
    "style": ("GET", 'await add("link", {rel: "stylesheet", href: URL})'),
    "frame": ("GET", 'await add("iframe", {src: URL})'),
    "sound": ("GET", 'new Audio(URL).play().catch(() => 0)'),
    "event source": ("GET", 'await new Promise(done => { const s = new EventSource(URL); '
                     's.onerror = () => { s.close(); done() } })'),
    "web socket": ("GET", 'await new Promise(done => { new WebSocket(URL.replace("http", "ws")).onclose = done })'),
    "sandboxed frame": ("POST", 'await add("iframe", {sandbox: "allow-scripts", srcdoc: '
                        '`<script>fetch("${URL}", {method: "POST", mode: "no-cors", body: new Blob(["{}"])})</script>`})'),
    "frame of data": ("POST", 'await add("iframe", {src: "data:text/html,<script>fetch(\\"" + URL + '
                      '"\\", {method: \\"POST\\", mode: \\"no-cors\\", body: new Blob([\\"{}\\"])})</script>"})'),
}
# These ask a server of the page's own first, which data: has none of.
REDIRECTED = {
    "redirected by its own server": ("POST", 'await fetch(OWN, {method: "POST", body: BODY, mode: "no-cors"})'),
    "redirected by another": ("POST", 'await fetch(OTHER, {method: "POST", body: BODY, mode: "no-cors"})'),
    "image, redirected": ("GET", 'await add("img", {src: OTHER})'),
}


@pytest.fixture(scope="module")
def closed(standin: MessagesAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A server as it is without settings: no page is welcome but its own."""
    server = Proxy(tmp_path_factory.mktemp("closed"), ANTHROPIC_BASE_URL=standin.url, **SETTINGS)
    yield server
    server.stop()


class Accesses:
    """The server's log: method, path and status of each request, from where it was read last."""

    def __init__(self, proxy: Proxy):
        self._file = open(proxy.log)
        self._file.seek(0, 2)
        self._rest = ""

    def more(self) -> list[tuple[str, str, int]]:
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return [(record["method"], record["path"], record["status"]) for record in records if "method" in record]

    def wait(self, what: str) -> list[tuple[str, str, int]]:
        return wait_for(what, self.more)


# A page whose origin is null, as in a frame that has a sandbox.
SANDBOX = {"content-security-policy": "sandbox allow-scripts allow-forms"}


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1", "localhost", "sandbox", "data:"])
def test_whatever_it_tries(name: str, browser: Browser, pages: Pages, closed: Proxy, api: MessagesAPI) -> None:
    urls = {"data:": "data:text/html,<title>a page</title>", "sandbox": pages.at("evil.example", **SANDBOX)}
    tab = browser.page(urls.get(name) or pages.at(name))
    assert tab.run("return origin") == ("null" if name in urls else pages.origin(name))
    log, wrong = Accesses(closed), {}
    for what, (method, script) in (ATTEMPTS if name == "data:" else ATTEMPTS | REDIRECTED).items():
        path = "/v1/models" if method == "GET" else "/v1/messages"
        target = closed.url + path
        tab.run(f"{HELPERS} try {{ {script} }} catch {{ }}", BODY=json.dumps(BODY), URL=target,
                OWN=pages.at("evil.example", location=target), OTHER=pages.at("other.example", location=target))
        if (got := log.wait(what)) != [(method, path, 403)]:
            wrong[what] = got
    assert not wrong and not log.more()
    assert not api.records("request")
    tab.close()


def test_a_link_may_be_followed_but_asks_nothing(browser: Browser, pages: Pages, closed: Proxy, api: MessagesAPI) -> None:
    """From a page about the server to the server's own pages; not to what is answered upstream."""
    log = Accesses(closed)
    for path, status in (("/", 200), ("/health/live", 200), ("/v1/models", 403), ("/openai/v1/models", 403)):
        tab = browser.page(pages.at("evil.example"))
        tab.run("setTimeout(() => { location = URL })", URL=closed.url + path)
        assert ("GET", path, status) in log.wait(path)
        tab.close()
    assert not api.records("request")
    # Who types the address in comes from nowhere.
    tab = browser.page(closed.url + "/v1/models")
    assert "claude-sonnet" in tab.run("return document.body.innerText")


@pytest.mark.parametrize("settings", [{}, {"CORS_ORIGINS": "http://*.example"}])
def test_a_name_that_was_made_to_stand_for_ours(
        settings: dict[str, str], browser: Browser, start: Callable[..., Proxy], api: MessagesAPI) -> None:
    """The page's server and ours have one name and port, one after the other: to the browser they are the same."""
    port = free_port()
    with Pages(port) as pages:
        tab = browser.page(pages.at("rebind.example"))
    proxy = start(PORT=str(port), ANTHROPIC_BASE_URL=api.url, **SETTINGS, **settings)
    for path, more in (("/v1/messages", POST), ("/v1/messages", POST | {"headers": {}}), ("/v1/models", {}), ("/metrics", {})):
        status, text = tab.run("const answer = await fetch(PATH, MORE); return [answer.status, await answer.text()]",
                               PATH=path, MORE=more)
        assert status == 403 and "isn't called rebind.example" in json.loads(text)["error"]["message"]
    assert not api.records("request")
    tab.open(pages.at("rebind.example"))
    assert "isn't called rebind.example" in tab.run("return document.body.innerText")
    tab.close()


@pytest.mark.parametrize("name, settings", [("mine.example", {"ALLOWED_HOSTS": "mine.example"}), ("localhost", {})])
def test_our_own_pages_may(name: str, settings: dict[str, str], browser: Browser, start: Callable[..., Proxy],
                           api: MessagesAPI) -> None:
    proxy = start(ANTHROPIC_BASE_URL=api.url, **SETTINGS, **settings)
    tab = browser.page(f"http://{name}:{proxy.port}/")
    for path, more in (("/v1/messages", POST), ("/v1/models", {})):
        assert tab.run("return (await fetch(PATH, MORE)).status", PATH=path, MORE=more) == 200
    assert len(api.bodies()) == 1
    tab.close()
