# SPDX-License-Identifier: MIT
"""The documentation is true: its samples run, and its tables are those of the programs."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from examples import Example, check, examples, run, runnable, settings
from messages_api import MessagesAPI
from processes import wait_for
from server import PROGRAMS, REPOSITORY, Proxy, free_port
from wire import ask

CATALOG = REPOSITORY / "Sources/Documentation.docc"
MAN_TO_DOCC = REPOSITORY / "scripts/man-to-docc"
# Each man page, with the name that it has in the catalog.
MAN_PAGES = {REPOSITORY / path: name for path, name in
             (line.split() for line in subprocess.run([MAN_TO_DOCC, "--list"], capture_output=True, text=True, check=True).stdout.splitlines())}
FAKE_CLI = REPOSITORY / "Tests/StandIns/fake-claude"
# What serves until it is told to end.
SERVERS = ("http-frontd --listen", "socat", "systemd-socket-activate", "mkfifo")
SERVER = "claude-proxy"


def page(name: str) -> str:
    return (CATALOG / f"{name}.md").read_text()


def of_catalog() -> list[Example]:
    return [example for path in sorted(CATALOG.glob("*.md")) for example in examples(path.stem, path.read_text())]


def of_man_pages() -> list[Example]:
    """The samples of the man pages, as the site shows them."""
    found = []
    for path in MAN_PAGES:
        made = subprocess.run([MAN_TO_DOCC, path], capture_output=True, text=True, check=True)
        found += examples(path.name, made.stdout)
    return found


def settings_scripts() -> str:
    """What starts the server and what reads the settings for it, as one text."""
    return "\n".join((REPOSITORY / "scripts" / name).read_text() for name in ("claude-proxy", "claude-proxy-settings.sh"))


@pytest.mark.parametrize("example", of_catalog(), ids=str)
def test_sample(example: Example, echo: Proxy, tmp_path: Path) -> None:
    check(example, echo.port, tmp_path)


@pytest.mark.parametrize("example", of_man_pages(), ids=str)
def test_sample_of_a_man_page(example: Example, api: MessagesAPI, tmp_path: Path) -> None:
    """As it stands, but with stand-ins for the CLI and the API; where it shows records or text, there are some."""
    (tmp_path / "log").write_text('{"msg":"request","id":"r1","duration_ms":7.1}\n')
    more = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "CLAUDE_CLI_PATH": str(FAKE_CLI), "CLAUDE_AUTH": "key", "ANTHROPIC_API_KEY": "dummy",
            "ANTHROPIC_BASE_URL": api.url, "CLAUDE_WARM_PROCESSES": "0"}
    # What is installed under another name.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/claude-record").symlink_to(REPOSITORY / "scripts/record")
    if example.commands.startswith(SERVERS) or example.commands.split()[-1] == SERVER:
        return serves(example, settings(tmp_path, **more), tmp_path)
    (tmp_path / "scripts").symlink_to(REPOSITORY / "scripts")
    if "responses.sqlite" in example.commands:
        keep_a_response(tmp_path / "responses.sqlite")
    said = run(example, 0, tmp_path, cwd=tmp_path, **more)
    # One that begins with a backend takes its requests from elsewhere.
    if not example.commands.startswith("claude-"):
        assert said.strip(), f"{example} says nothing"


def keep_a_response(file: Path) -> None:
    """Makes the file that a running proxy has, with one response in it."""
    store, request = f"responses-store {{}} --file {file}", '{"rid":"r1","ctx":{"dialect":"responses"},"request":{"model":"sonnet","input":"hi"}}'
    subprocess.run(["sh", "-euc", f"{store.format('load')} | resp2anth | claude-echo | anth2resp | {store.format('save')}"], input=request + "\n",
                   text=True, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"})


def serves(example: Example, environment: dict[str, str], cwd: Path) -> None:
    """A sample that is a server answers, and ends when it is told to."""
    port = free_port()
    script = runnable(example.commands).replace("8000", str(port))
    environment |= {"PORT": str(port)}

    def is_up() -> bool:
        try:
            return ask(port, "GET", "/health/live").status == 200
        except OSError:
            return False

    with open(cwd / "said", "wb") as said:
        process = subprocess.Popen(["sh", "-eu", "-c", script], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=said, stderr=said, start_new_session=True)
    try:
        wait_for(f"{example} answers: {script}", is_up, 10)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it: without a warning of DocC's, and without a broken link."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    said = subprocess.run([REPOSITORY / "scripts/docs", folder], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stdout + said.stderr
    return folder


def check_links(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([REPOSITORY / "scripts/check-links", site], capture_output=True, text=True, timeout=60)


def test_the_site(site: Path) -> None:
    """It has a page of each page of the catalog, and of each man page."""
    pages = {path.stem for path in (site / "data").rglob("*.json")}
    assert {name.lower() for name in [*(path.stem for path in CATALOG.glob("*.md")), *MAN_PAGES.values()]} <= pages


@pytest.mark.parametrize(("file", "right", "wrong", "said"), [
    ("data/documentation/claude-proxy/headers.json", r'claude-proxy\/whatislost"', r'claude-proxy\/nowhere"',
     "leads nowhere"),
    ("data/documentation/claude-proxy/errors.json", "#When-a-stream-fails", "#Never", "no such heading"),
    ("data/documentation/claude-proxy/endpoints.json", '"#One-path-for-two-interfaces"', '"#Two"', "no such heading"),
    ("index/index.json", r"\/documentation\/claude-proxy\/tools", r"\/documentation\/tools", "leads nowhere"),
    ("documentation/claude-proxy/tools/index.html", 'src="/js/', 'src="/sj/', "is not there"),
])
def test_a_broken_link_is_found(site: Path, tmp_path: Path, file: str, right: str, wrong: str, said: str) -> None:
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    assert check_links(broken).returncode == 0
    text = (broken / file).read_text()
    assert right in text
    (broken / file).write_text(text.replace(right, wrong))
    found = check_links(broken)
    assert found.returncode == 1 and said in found.stdout, found.stdout + found.stderr


def test_a_page_that_nobody_leads_to_is_found(site: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "site"
    shutil.copytree(site, lonely)
    for folder, name in [("data/documentation/claude-proxy", "logs.json"), ("documentation/claude-proxy", "logs")]:
        page = lonely / folder / name
        copy = shutil.copytree if page.is_dir() else shutil.copy
        copy(page, page.with_stem("lonely"))
    found = check_links(lonely)
    assert found.returncode == 1 and "no page leads to it" in found.stdout, found.stdout + found.stderr


def test_the_code_fits_its_place() -> None:
    """A block of code shows 80 columns; what is shown of an answer may go on beyond."""
    for path in CATALOG.glob("*.md"):
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text(), re.S | re.M):
            assert language == "console" or max(map(len, code.splitlines())) <= 80, f"{path.name}: {code}"


def test_every_program_has_a_page() -> None:
    """Each man page is a page of the site, and the page of the filters leads to it."""
    assert len(MAN_PAGES) >= 10
    for path, name in MAN_PAGES.items():
        assert f"<doc:{name}>" in page("Filters"), f"Filters.md doesn't lead to {path.name}"


def test_the_settings_are_those_of_the_programs() -> None:
    """Settings.md has every setting that README, the script that starts the server, or a backend knows."""
    lines = page("Settings").splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("|")]
    name = r"`([A-Z][A-Z_]+)(?:=[^`]*)?`"
    told = set(re.findall(name, "\n".join(rows)))
    # What other programs know too is told in words.
    in_words = set(re.findall(name, "\n".join(line for line in lines if not line.startswith("|"))))
    table = [line.split("|")[1] for line in (REPOSITORY / "README.md").read_text().splitlines() if line.startswith("| `")]
    known = set(re.findall(r"`([A-Z][A-Z_]+)`", "\n".join(table)))
    script = settings_scripts()
    header = re.search(r"# Settings, of the environment[^:]*:(.*?)\nset -eu", script, re.S)
    assert header
    known |= set(re.findall(r"\b[A-Z]+_[A-Z_]*[A-Z]\b", re.sub(r"\b\w+_\*", "", header[1])))
    for backend in ("claude-exec", "claude-http"):
        source = "\n".join(path.read_text() for path in (REPOSITORY / "Sources" / backend).glob("*.swift"))
        known |= set(re.findall(r'"([A-Z]+_[A-Z_]+)"', source))
    assert len(known) > 30
    assert known - told - in_words - {"XDG_RUNTIME_DIR"} == set()
    # And none that no program knows.
    everything = script + (REPOSITORY / "scripts/claude-proxy-inetd").read_text() + "\n".join(
        path.read_text() for path in REPOSITORY.glob("Sources/*/*.swift"))
    assert {name for name in told if name not in everything} == set()


def test_the_endpoints_are_those_of_the_server() -> None:
    """Endpoints.md has every path of the server's table; those that are refused, by their beginnings."""
    routes = (REPOSITORY / "Sources/HTTPFront/RouteTable.swift").read_text()
    routes = routes[routes.index("static let builtInLines"):]
    lines = re.findall(r"^ +[A-Z]+ +(/\S*) +([a-z_]+) +[a-z]+$", routes, re.MULTILINE)
    assert len(lines) > 25
    text = page("Endpoints")
    for path, op in lines:
        place = "/v1" if path.startswith(("/responses", "/conversations")) else ""
        assert re.search(rf"[ `]{re.escape(place + path)}`", text) or op == "conversations", f"Endpoints.md says nothing of {path}"
    assert "`/v1/conversations`" in text


def test_the_metrics_are_those_of_the_server(echo: Proxy) -> None:
    """Metrics.md has the families of /metrics, with their kinds and labels."""
    table = dict(re.findall(r"^\| `(claude_proxy_\w+)(?:\{[\w,]+\})?` \| (\w+) \|", page("Metrics"), re.M))
    echo.ask("POST", "/v1/messages", {"messages": [{"role": "user", "content": "hi"}]})
    text = echo.ask("GET", "/metrics").body.decode()
    there = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    # The backend's login and the store of responses say something, or not.
    optional = re.compile("claude_proxy_(login_limit|responses_)")
    assert ({name: kind for name, kind in table.items() if not optional.match(name)}
            == {name: kind for name, kind in there.items() if not optional.match(name)})
    assert there.items() <= table.items()
    for name, labels in re.findall(r"^\| `(claude_proxy_\w+)\{([\w,]+)\}`", page("Metrics"), re.M):
        if sample := re.search(rf"^{name}\{{(.*)\}}", text, re.M):
            assert re.findall(r'(\w+)="', sample[1]) == labels.split(",")
    gauges = (REPOSITORY / "Sources/HTTPFront/MetricsText.swift").read_text()
    for name in re.findall(r'family\("(\w+)"', gauges):
        assert f"claude_proxy_{name}" in table, f"Metrics.md says nothing of {name}"


def test_the_defaults_are_those_of_the_server(echo: Proxy) -> None:
    """The numbers in Settings.md are those in force where nothing is set."""
    table = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+(?: [KM]iB)?) \|", page("Settings"), re.M))
    units = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}

    def number(text: str) -> int:
        digits, _, unit = text.partition(" ")
        return int(digits.replace(",", "")) * units[unit]

    there = echo.ask("GET", "/health/detailed").json["configuration"]
    assert len(there) >= 10
    assert {name: number(table[name.upper()]) for name in there} == there
    script = settings_scripts()
    for name in ("PORT", "RATE_LIMIT_REQUESTS", "RATE_LIMIT_BURST"):
        assert f"${{{name}:-{table[name]}}}" in script, f"{name} is not {table[name]}"
    backend = "\n".join(path.read_text() for path in (REPOSITORY / "Sources").glob("claude-*/*.1"))
    for name in ("CLAUDE_MAX_PROCESSES", "CLAUDE_WARM_PROCESSES", "QUEUE_TIMEOUT", "IDLE_TIMEOUT"):
        assert re.search(rf"^\.It Ev {name}\nAs\n\.Fl [^\n]*\n{table[name]}\.$", backend, re.M), name


def test_every_status_is_told() -> None:
    """Errors.md has each status that a program answers with by itself, and its type."""
    table = dict(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", page("Errors"), re.M))
    sources = "\n".join(path.read_text() for path in REPOSITORY.glob("Sources/*/*.swift") if path.parent.name != "Echo")
    answered = set(re.findall(r"APIError\(\s*status: (\d{3})", sources))
    assert len(answered) > 10
    assert answered - table.keys() == set()
    types = (REPOSITORY / "Sources/Records/APIError.swift").read_text()
    for status, kind in re.findall(r'case (\d{3}): "(\w+)"', types):
        assert table[status] == kind


def test_the_models_are_those_of_the_table() -> None:
    """Models.md tells what model-map makes of each kind of name."""
    text = page("Models")
    names = {"sonnet": "sonnet", "opus": "opus", "haiku": "haiku", "fable": "fable", "claude-3-5-haiku-latest": "haiku",
             "claude-2.1": "sonnet", "claude-instant-1": "haiku", "claude-opus-4-20250514": "opus",
             "claude-sonnet-4-20250514": "sonnet"}
    for row, family in [("newest haiku", "haiku"), ("newest sonnet", "sonnet"), ("newest opus", "opus")]:
        line = next(line for line in text.splitlines() if line.endswith(f"| the {row} |"))
        names |= {name.replace("…", "-x" if name.endswith("…") else ""): family for name in re.findall(r"`([^`]+)`", line)}
    asked = "".join(f'{{"model":"{name}"}}\n' for name in names)
    made = subprocess.run([PROGRAMS / "model-map"], input=asked, capture_output=True, text=True, check=True).stdout
    assert len(names) > 15
    for name, line in zip(names, made.splitlines(), strict=True):
        assert json.loads(line)["model"].startswith(f"claude-{names[name]}-5"), f"{name}: {line}"
