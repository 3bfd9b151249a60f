# SPDX-License-Identifier: MIT
"""SIGHUP: what http-frontd is told anew takes effect for new requests; what can't be put in force changes nothing."""

import json
import os
import re
import signal
import socket
import time

import pytest
from front import JSON, STAGE, eventually, gone, start

assert start
WAY = STAGE + " | cat"


class Told:
    """What a server is told at SIGHUP: a file, as the program of --reload writes it."""

    def __init__(self, path):
        self.path = path
        self.option = ["--reload", f"cat '{path}'"]

    def write(self, *words, pipeline=WAY, **environment):
        words = ["--listen", "127.0.0.1:0", "--pipeline", pipeline, "--log-level", "debug", *self.option, *words]
        entries = [f"{name}={value}" for name, value in (os.environ | environment).items()]
        self.path.write_text("".join(part + "\0" for part in [str(len(words)), *words, *entries]))


@pytest.fixture
def told(tmp_path):
    return Told(tmp_path / "told")


def reload(server, says="the settings were read again"):
    """Sends SIGHUP, and waits for what the log says of it: one line."""
    before = len(server.log())
    server.process.send_signal(signal.SIGHUP)
    end = ("the settings were read again", "the settings and the tokens stay as they are")
    ends = lambda: [line for line in server.log()[before:] if line["msg"].startswith(end)]
    eventually(ends)
    [line] = ends()
    assert line["msg"].startswith(says), line
    return line


def test_all_options(start, told, tmp_path):
    """Limits, guard, dialect, tokens, log and environment."""
    server = start(*told.option)
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text("ann:of-the-file\n")
    told.write("--max-body", "50", "--allowed-hosts", "good.example", "--cors-origins", "https://page.example",
               "--trusted-proxies", "127.0.0.1", "--chat-completions-dialect", "openai", "--tokens", str(tokens),
               "--max-in-flight", "7", "--request-timeout", "77", "--grace", "3", AUTH_TOKEN="of-the-environment",
               STAGE_HEALTH=json.dumps({"status": "healthy", "mark": 1}))
    named, page = {"host": "good.example"}, {"origin": "https://page.example"}
    assert server.ask("GET", "/", headers=named)[0] == server.ask("GET", "/v1/models", headers=page)[0] == 403
    assert server.post({"text": "x" * 60})[0] == 200
    reload(server)
    for token in ("of-the-file", "of-the-environment"):
        key = {"x-api-key": token}
        assert server.ask("GET", "/v1/models", headers=key)[0] == 200
    assert server.ask("GET", "/v1/models")[0] == 401
    assert server.ask("GET", "/", headers=named)[0] == 200
    status, headers, _ = server.ask("GET", "/v1/models", headers=page | key)
    assert status == 200 and headers["access-control-allow-origin"] == "https://page.example"
    assert server.ask("POST", "/v1/messages", json.dumps({"text": "x" * 60}), JSON | key)[0] == 413
    _, _, record = server.ask("POST", "/v1/chat/completions", "{}", JSON | key | {"x-forwarded-for": "192.0.2.7"})
    ctx = json.loads(record)["ctx"]
    assert ctx["dialect"] == "openai" and ctx["http"]["peer"] == "192.0.2.7"
    details = json.loads(server.ask("GET", "/health/detailed", headers=key)[2])
    assert details["mark"] == 1, "the stages got the new environment"
    in_force = details["configuration"]
    assert (in_force["max_body"], in_force["max_in_flight"], in_force["request_timeout"], in_force["grace_period"]) == (50, 7, 77, 3)
    # A stage of the old pipeline may end meanwhile.
    eventually(lambda: len(server.stages()) == 2)
    for pid in server.stages():
        assert b"of-the-environment" not in open(f"/proc/{pid}/environ", "rb").read()
    assert "of-the-" not in open(server.log_path).read()


def test_what_a_restart_alone_can_change(start, told):
    server = start(*told.option)
    told.write("--listen", "127.0.0.2:1", "--counters", "/dev/null")
    before = len(server.log())
    reload(server)
    warnings = [line for line in server.log()[before:] if line["level"] == "warning"]
    assert [line["msg"].partition(" changed by a restart alone")[0] for line in warnings] == [
        "the addresses to listen at are", "the file of counters is"]
    assert warnings[0]["asked"] == ["127.0.0.1:0", "127.0.0.2:1"] and warnings[0]["in_force"] == ["127.0.0.1:0"]
    assert server.post({})[0] == 200


@pytest.mark.parametrize("options, pipeline, says", [
    (["--max-body", "none"], WAY, "max-body"),
    (["--max-body", "0"], WAY, "--max-body=0: expected a number of bytes, 1 to "),
    (["--no-such-option"], WAY, "no-such-option"),
    (["--tokens", "/nonexistent"], WAY, "/nonexistent"),
    ([], "no-such-program", "no-such-program"),
    # It starts, and only then turns out to be none.
    ([], STAGE + " | false", "the new pipeline ended before it had answered"),
    ([], "cat", "did not answer a health request by HTTP records"),
    (["--pipelines", "3"], "false", "the new pipeline ended before it had answered"),
])
def test_wrong_settings_change_nothing(start, told, options, pipeline, says):
    """One line in the log, the old processes, the old settings, and nobody notices."""
    server = start(*told.option)
    stages = server.stages()
    connection = server.connect()
    connection.request("POST", "/v1/messages", json.dumps({"model": "stream", "n": 20, "pace": 0.02}), JSON)
    answer = connection.getresponse()
    told.write("--allowed-hosts", "good.example", *options, pipeline=pipeline)
    line = reload(server, "the settings and the tokens stay as they are: ")
    assert line["level"] == "error" and says in line["msg"], line
    assert server.ask("GET", "/", headers={"host": "good.example"})[0] == 403
    assert server.post({})[0] == 200 and answer.read().endswith(b'{"i":19}\n\n')
    eventually(lambda: set(server.stages()) == set(stages))
    # And then right ones do.
    told.write("--allowed-hosts", "good.example")
    reload(server)
    assert server.ask("GET", "/", headers={"host": "good.example"})[0] == 200
    eventually(lambda: all(gone(pid) for pid in stages))


@pytest.mark.parametrize("text", ["", "1\0", "x\0--listen\0", "3\0--max-body\0", "-1\0", "2\0--max-body\x0012345"])
def test_what_is_no_telling(start, told, text):
    server = start(*told.option)
    told.path.write_text(text)
    line = reload(server, "the settings and the tokens stay as they are: ")
    assert "cat wrote something else than options" in line["msg"], line
    told.path.unlink()
    # What it says of that stands in the same line.
    line = reload(server, "the settings and the tokens stay as they are: ")
    assert "cat exited with status 1; cat: " in line["msg"] and str(told.path) in line["msg"]
    assert server.post({})[0] == 200


def test_reach_is_looked_at_again(start, told):
    """What is open to others stays guarded."""
    told.path.with_name("tokens").touch(mode=0o600)
    told.path.with_name("tokens").write_text("secret\n")
    server = start(*told.option, "--tokens", str(told.path.with_name("tokens")), listen="0.0.0.0:0")
    told.write("--loopback-only", "set AUTH_TOKEN")
    assert "set AUTH_TOKEN" in reload(server, "the settings and the tokens stay as they are: ")["msg"]
    assert server.ask("GET", "/v1/models", headers={"host": "x"})[0] == 401


@pytest.mark.parametrize("taken", ["setting", "empty setting", "no file", "emptied file", "cut file", "comments"])
def test_the_last_token_is_not_taken_away(start, told, tmp_path, taken):
    """Neither by a setting that is emptied nor by a file: or everybody would be let in."""
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    file.write_text("ann:of-the-file\nbob:another\n")
    by_file = taken not in ["setting", "empty setting"]
    told.write(*(["--tokens", str(file)] if by_file else []), **({} if by_file else {"AUTH_TOKEN": "of-the-file"}))
    server = start(*told.option)
    reload(server)
    asked = lambda: server.ask("GET", "/v1/models")[0]
    known = lambda: server.ask("GET", "/v1/models", headers={"x-api-key": "of-the-file"})[0]
    assert asked() == 401 and known() == 200
    if by_file and taken != "no file":
        file.write_text({"emptied file": "", "cut file": "# staff", "comments": "# ann:of-the-file\n\n"}[taken])
    else:
        told.write(**({"AUTH_TOKEN": ""} if taken == "empty setting" else {}))
    line = reload(server, "the settings and the tokens stay as they are: ")
    assert "token" in line["msg"] and line["level"] == "error"
    assert asked() == 401 and known() == 200
    # Fewer are fine; and none are, where that is meant.
    file.write_text("ann:of-the-file\n")
    told.write("--tokens", str(file))
    reload(server)
    assert asked() == 401 and known() == 200
    told.write("--allow-unauthenticated")
    reload(server)
    assert asked() == 200


def test_a_proxy_is_open_to_others(start, told):
    """So it is refused where that is, at the start and at a reload."""
    server = start(*told.option)
    told.write("--loopback-only", "set AUTH_TOKEN", "--trusted-proxies", "127.0.0.1")
    assert "--trusted-proxies" in reload(server, "the settings and the tokens stay as they are: ")["msg"]
    told.write("--trusted-proxies", "127.0.0.1")
    reload(server)


def test_again_and_again(start, told):
    """Signals that come while one is at work are not lost, and no process is left."""
    server = start(*told.option)
    told.write()
    for number in range(10):
        told.write("--allowed-hosts", f"host{number}.example")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    eventually(lambda: server.ask("GET", "/", headers={"host": "host9.example"})[0] == 200)
    eventually(lambda: len(server.stages()) == 2)


def test_the_end_while_it_is_at_work(start, tmp_path):
    server = start("--reload", "sleep 60")
    before = len(server.stages())
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.stages()) == before + 1)
    children = server.stages()
    assert server.stop() == 0 and all(gone(pid) for pid in children)


# What a service manager is told


class Manager:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(30)

    def told(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_service_manager(start, told, tmp_path, kind):
    """sd_notify's datagrams: ready, reloading at a time, ready again, stopping; the stages can't send any."""
    name = str(tmp_path / "notify") if kind == "path" else f"@claude-proxy-test-{os.getpid()}"
    manager = Manager(re.sub("^@", "\0", name))
    server = start(*told.option, env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    assert manager.told() == {"READY": "1", "STATUS": "Serving"}
    for pid in server.stages():
        assert b"NOTIFY_SOCKET" not in open(f"/proc/{pid}/environ", "rb").read()
    told.write()
    for status in ("Serving", "The old settings are in force: "):
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.process.send_signal(signal.SIGHUP)
        message = manager.told()
        assert message["RELOADING"] == "1"
        assert began <= int(message["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        message = manager.told()
        assert message["READY"] == "1" and message["STATUS"].startswith(status)
        told.write("--no-such-option")
    # Who has been told that it's ready may ask.
    assert server.post({})[0] == 200
    server.process.terminate()
    assert manager.told()["STOPPING"] == "1"
    assert server.process.wait(20) == 0


@pytest.mark.parametrize("name", ["", "/nonexistent/notify", "vsock:2:1", "relative", "/" + "x" * 200])
def test_no_service_manager(start, name):
    """Whoever doesn't listen is not told."""
    assert start(env={"NOTIFY_SOCKET": name}).post({})[0] == 200
