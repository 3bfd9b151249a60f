# SPDX-License-Identifier: MIT
"""responses-store: what it keeps, for whom, for how long, and what it does when its file is of no use."""
from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from responses_store import NOW, Failed, Store, ctx
from server import PROGRAMS, REPOSITORY

Json = dict[str, Any]
DAY = 86_400


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "responses.db"


@pytest.fixture
def store(file: Path, tmp_path: Path) -> Iterator[Store]:
    with Store(file, home=tmp_path) as started:
        yield started


def rows(file: Path, query: str = "SELECT state, id FROM responses ORDER BY number") -> list[Any]:
    with sqlite3.connect(file) as database:
        return database.execute(query).fetchall()


def texts(items: list[Json]) -> list[str]:
    return [part["text"] for item in items if item.get("type") == "message" for part in item["content"]]


def count(response: Json) -> int:
    """How many items its request had, with those of the earlier conversation."""
    return int(texts(response["output"])[0].split()[0])


def refused(call: Any, *words: Any, **more: Any) -> Failed:
    with pytest.raises(Failed) as caught:
        call(*words, **more)
    return caught.value


# What is kept, and what comes of it.


@pytest.mark.parametrize("stream", [True, False])
def test_three_turns(store: Store, stream: bool) -> None:
    one = store.create("one", stream=stream)
    two = store.create([{"role": "user", "content": "two"}], previous_response_id=one["id"], stream=stream)
    three = store.create("three", previous_response_id=two["id"], stream=stream)
    sent = store.sent()[-1]
    items = sent["request"]["input"]
    assert [item.get("type", "message") for item in items] == ["message", "reasoning", "message"] * 2 + ["message"]
    assert items[0]["content"] == [{"type": "input_text", "text": "one"}]
    assert items[3]["role"] == "user" and items[3]["content"] == "two" and items[3]["id"].startswith("msg_")
    assert items[4] == {"id": two["output"][0]["id"], "type": "reasoning", "summary": [],
                        "encrypted_content": "cpr1." + two["id"].removeprefix("resp_")}
    assert items[2] == one["output"][1] and items[-1]["content"] == [{"type": "input_text", "text": "three"}]
    assert sent["request"]["previous_response_id"] == two["id"]
    assert sent["ctx"]["responses-store"] == {"key": 3, "previous": two["id"]}
    assert store.ask("response", three["id"]) == three


def test_mode_and_folder(store: Store, file: Path) -> None:
    store.create()
    for path in [file, Path(f"{file}-wal"), Path(f"{file}-shm")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert rows(file, "PRAGMA auto_vacuum") == [(2,)] and rows(file, "PRAGMA journal_mode") == [("wal",)]


def test_others_see_nothing(store: Store) -> None:
    mine = store.create("secret", key="alice")["id"]
    item = store.ask("input_items", mine, key="alice")["data"][0]["id"]
    for key in ["bob", None, "alice "]:
        unknown = refused(store.create, previous_response_id="resp_none", key=key)
        found = refused(store.create, previous_response_id=mine, key=key)
        assert (found.status, found.error) == (400, {
            "message": f"Previous response with id '{mine}' not found.", "type": "invalid_request_error",
            "param": "previous_response_id", "code": "previous_response_not_found"})
        assert found.error["message"].replace(mine, "resp_none") == unknown.error["message"]
        for op in ["response", "delete_response", "input_items"]:
            found = refused(store.ask, op, mine, key=key)
            assert (found.status, found.error) == (404, {
                "message": f"Response with id '{mine}' not found.", "type": "invalid_request_error", "param": None, "code": None})
        found = refused(store.create, ["x", {"type": "item_reference", "id": item}], key=key)
        assert (found.status, found.error["param"], found.error["code"]) == (400, "input[1].id", "previous_response_not_found")
    assert store.ask("response", mine, key="alice")["id"] == mine


def test_expires_after_the_last_use(store: Store) -> None:
    one = store.create("one")["id"]
    two = store.create("two", previous_response_id=one, time=NOW + DAY - 10)["id"]
    # The first turn is in use as long as the second is.
    three = store.create("three", previous_response_id=two, time=NOW + 2 * DAY - 20, store=False)
    assert count(three) == 7
    late = NOW + 3 * DAY - 10
    assert refused(store.create, previous_response_id=two, time=late).error["code"] == "previous_response_not_found"
    assert refused(store.ask, "response", one, time=late).status == 404
    # They are gone, not only hidden.
    store.create(time=late)
    assert len(rows(store.file)) == 1 and len(rows(store.file, "SELECT * FROM items")) == 3


def test_store_false_keeps_nothing(store: Store) -> None:
    one = store.create("one")["id"]
    two = store.create("two", store=False, previous_response_id=one)
    assert count(two) == 4
    assert store.sent()[-1]["ctx"]["responses-store"] == {"previous": one}
    alone = store.create("three", store=False)
    assert "responses-store" not in store.sent()[-1]["ctx"] and store.sent()[-1]["request"]["input"] == "three"
    for made in [two, alone]:
        assert refused(store.create, previous_response_id=made["id"]).status == 400
    assert len(rows(store.file)) == 1


def test_counting_sees_the_conversation(store: Store) -> None:
    one = store.create("one")["id"]
    store.create("two", op="count_tokens", previous_response_id=one)
    assert len(store.sent()[-1]["request"]["input"]) == 4 and store.sent()[-1]["ctx"]["responses-store"] == {"previous": one}
    assert len(rows(store.file)) == 1


@pytest.mark.parametrize("body", [{"background": True}, {"conversation": "conv_1"}, {"previous_response_id": 7}])
def test_what_is_refused_later_passes(store: Store, body: Json) -> None:
    store.create("x", **body)
    assert store.sent()[-1]["request"] == {"model": "m", "input": "x", **body}
    assert "responses-store" not in store.sent()[-1]["ctx"]


@pytest.mark.parametrize("do", ["failed", "error", "broken"])
def test_what_fails_leaves_nothing(store: Store, do: str) -> None:
    try:
        store.create("x", metadata={"do": do}, stream=True)
    except Failed as failed:
        assert do == "error" and failed.status == 500
    kept = store.create("y")["id"]
    assert rows(store.file) == [(1, kept)]


def test_a_cancelled_request_is_forgotten(store: Store) -> None:
    store.write({"rid": "held1", "ctx": ctx(), "request": {"model": "m", "input": "x"}})
    store.create("y")
    assert [state for state, _ in rows(store.file)] == [0, 1]
    store.write({"rid": "held1", "cancel": True})
    store.create("z")
    assert [state for state, _ in rows(store.file)] == [1, 1]


def test_incomplete_is_kept(store: Store) -> None:
    made = store.create("x", metadata={"do": "incomplete"}, stream=True)
    assert store.ask("response", made["id"])["status"] == "incomplete"


def test_references_and_seals(store: Store) -> None:
    one = store.create("one")
    reasoning, message = one["output"]
    store.create([{"type": "item_reference", "id": message["id"]}, {"id": reasoning["id"]}, reasoning | {"encrypted_content": None},
                  {"role": "user", "content": "two"}])
    sealed = reasoning | {"encrypted_content": "cpr1." + one["id"].removeprefix("resp_")}
    assert store.sent()[-1]["request"]["input"] == [message, sealed, sealed, {"role": "user", "content": "two"}]
    # Reasoning that nobody knows is for the translator.
    store.create([{"type": "reasoning", "id": "rs_x", "summary": []}])
    assert store.sent()[-1]["request"]["input"] == [{"type": "reasoning", "id": "rs_x", "summary": []}]


def test_include(store: Store) -> None:
    one = store.create("one")["id"]
    two = store.create("two", previous_response_id=one)["id"]
    seal = "cpr1." + one.removeprefix("resp_")
    for query in ["include[]=reasoning.encrypted_content", "include%5B%5D=reasoning.encrypted_content", "include=reasoning.encrypted_content"]:
        assert store.ask("response", one, query)["output"][0]["encrypted_content"] == seal
        assert seal in [item.get("encrypted_content") for item in store.ask("input_items", two, query)["data"]]
    assert "encrypted_content" not in store.ask("response", one, "include[]=file_search_call.results")["output"][0]
    failed = refused(store.ask, "response", one, "stream=true")
    assert (failed.status, failed.error["param"]) == (400, "stream")


@pytest.mark.parametrize("op", ["response", "input_items"])
def test_include_of_something_else_is_told(store: Store, op: str) -> None:
    """It is dropped and listed among the losses, as in a request for a new response."""
    one = store.create("one")["id"]
    query = "include[]=x&include=reasoning.encrypted_content,y&include%5B1%5D=file_search_call.results&included=z&include="
    store.write({"rid": "told", "ctx": ctx(op, query=query) | {"id": one}, "request": None})
    begin = store.read()
    assert begin["begin"]["status"] == 200 and begin["ctx"]["loss"] == [
        {"field": "include", "fate": f"dropped {name}"} for name in ["x", "y", "file_search_call.results"]]
    assert store.read()["rid"] == "told" and store.read()["end"] == {}


def test_an_item_of_the_conversation_again(store: Store) -> None:
    """OpenAI's API refuses it too, in these words; other ids, and the same ids without previous_response_id, are fine."""
    one = store.create([{"id": "msg_own", "role": "user", "content": "one"}])
    two = store.create("two", previous_response_id=one["id"])
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    for item in [*one["output"], *two["output"], {"type": "item_reference", "id": two["output"][1]["id"]},
                 {"id": "msg_own", "role": "user", "content": "other words"}, call | {"id": one["output"][1]["id"]}]:
        for op in ["messages", "count_tokens"]:
            failed = refused(store.create, [{"id": "msg_new", "role": "user", "content": "x"}, item],
                             previous_response_id=two["id"], op=op)
            assert (failed.status, failed.error["type"], failed.error["param"], failed.error["code"]) == (
                400, "invalid_request_error", "input", None)
            assert failed.error["message"].startswith(
                f"Duplicate item found with id {item['id']}. Remove duplicate items from your input and try again.")
    # Of a response that isn't of this conversation.
    assert count(store.create([*one["output"], *two["output"]])) == 4
    assert count(store.create([{"type": "item_reference", "id": two["output"][1]["id"]}], previous_response_id=one["id"])) == 4
    assert count(store.create([call, {"id": "", "role": "user", "content": "x"}], previous_response_id=one["id"])) == 5


def test_input_items(store: Store) -> None:
    one = store.create([{"role": "user", "content": f"{number}"} for number in range(30)])["id"]
    two = store.create("last", previous_response_id=one)["id"]
    everything = store.ask("input_items", two, "order=asc&limit=100")
    items = everything["data"]
    assert (everything["object"], everything["has_more"], len(items)) == ("list", False, 33)
    assert texts(items)[:30] == [str(number) for number in range(30)] and texts(items)[-1] == "last"
    assert all(item["id"] and item["type"] for item in items)
    assert items[0] | {"id": ""} == {"id": "", "role": "user", "content": [{"type": "input_text", "text": "0"}], "status": "completed", "type": "message"}
    first = store.ask("input_items", two)
    assert first["data"] == items[:12:-1] and first["has_more"]
    assert (first["first_id"], first["last_id"]) == (items[-1]["id"], items[13]["id"])
    for order, expected in [("asc", items), ("desc", items[::-1])]:
        found: list[Json] = []
        while not found or page["has_more"]:
            page = store.ask("input_items", two, f"order={order}&limit=7" + (f"&after={found[-1]['id']}" if found else ""))
            found += page["data"]
        assert found == expected
    for query, param in [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=none", "after")]:
        failed = refused(store.ask, "input_items", two, query)
        assert (failed.status, failed.error["param"]) == (400, param)


def test_delete(store: Store) -> None:
    one = store.create("one")["id"]
    two = store.create("two", previous_response_id=one)["id"]
    assert store.ask("delete_response", one) == {"id": one, "object": "response", "deleted": True}
    for op in ["response", "delete_response", "input_items"]:
        assert refused(store.ask, op, one).status == 404
    assert refused(store.create, previous_response_id=one).status == 400
    assert refused(store.create, [{"type": "item_reference", "id": "msg_" + one.removeprefix("resp_") + "_1"}]).status == 400
    # What follows it still has its beginning, and takes it along at its own end.
    assert count(store.create("three", previous_response_id=two, store=False)) == 7
    store.ask("delete_response", two)
    assert rows(store.file) == [] and rows(store.file, "SELECT * FROM items") == [] and rows(store.file, "SELECT * FROM bodies") == []


def test_one_id_twice(store: Store) -> None:
    """A backend that plays a recording gives the same id to each turn."""
    said = [store.create(f"{number}", metadata={"core": "same"}, **({"previous_response_id": "resp_same"} if number else {}))
            for number in range(4)]
    assert [count(one) for one in said] == [1, 4, 7, 10]


def test_others_pass_as_the_bytes_that_came(store: Store) -> None:
    lines = [b'{"rid":"a","ctx":{"op":"messages","dialect":"openai"}, "request":{"store":true,"previous_response_id":"x"}}\n',
             b'{"rid":"a","begin":{"status":200 ,"headers":{}}}\n', b'{"rid":"a","event":{"type":"response.completed","response":{}}}\n',
             b'{"rid":"a","future":1.0}\n', b'{"rid":"a","end":{}}\n']
    store.load.stdin.write(b"".join(lines))
    store.load.stdin.flush()
    assert [store.save.stdout.readline() for _ in lines] == lines
    assert not store.file.exists()


# When the file is of no use.


@pytest.mark.parametrize("place", [0, 4096])
def test_a_damaged_file_is_put_aside(store: Store, file: Path, tmp_path: Path, place: int) -> None:
    """Whoever finds it out makes a new file, and the others go on with that."""
    one = store.create("one")["id"]
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(file, "r+b") as opened:
        opened.seek(place)
        opened.write(b"\xff" * 16_384)
    with Store(file, home=tmp_path) as other:
        assert refused(other.create, previous_response_id=one).error["code"] == "previous_response_not_found"
        two = other.create("two")["id"]
        aside = [path.name for path in file.parent.iterdir() if "damaged" in path.name and not path.name.endswith("-wal")]
        assert aside == [f"responses.db.damaged-{NOW}"]
        assert [line for line in other.logged() if "damaged" in line] == other.logged() and len(other.logged()) == 1
        assert store.create("three", previous_response_id=two)["previous_response_id"] == two
        for each in (store, other):
            assert each.health()["status"] == "ok" and each.health()["damaged"] == aside[0]
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_garbage_is_put_aside(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"this is no database\n" * 1000)
    with Store(file, home=tmp_path) as store:
        one = store.create("one")["id"]
        assert store.create("two", previous_response_id=one)
        assert (file.parent / f"responses.db.damaged-{NOW}").read_bytes().startswith(b"this is no")


def test_a_file_of_something_else_stays(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE mine (x)")
    before = file.read_bytes()
    with Store(file, home=tmp_path) as store:
        assert store.create("one")["status"] == "completed"
        assert refused(store.create, previous_response_id="resp_x").status == 400
        assert store.health()["status"] == "foreign"
    assert file.read_bytes() == before


def test_removed_while_it_is_in_use(store: Store, file: Path) -> None:
    one = store.create("one")["id"]
    for path in list(file.parent.iterdir()):
        path.unlink()
    assert refused(store.create, previous_response_id=one).error["code"] == "previous_response_not_found"
    two = store.create("two")["id"]
    assert store.ask("response", two)["id"] == two


def test_locked(store: Store, file: Path) -> None:
    one = store.create("one")["id"]
    blocker = sqlite3.connect(file, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    unkept = store.create("two", previous_response_id=one)
    assert time.monotonic() - began < 20 and "key" not in store.sent()[-1]["ctx"]["responses-store"]
    # From now on nobody waits for it.
    began = time.monotonic()
    for number in range(20):
        store.create(f"{number}", time=NOW + 1)
    assert time.monotonic() - began < 2
    assert store.health(NOW + 1)["status"] in ("ok", "locked")
    blocker.execute("ROLLBACK")
    blocker.close()
    kept = store.create("three", time=NOW + 10)["id"]
    assert store.ask("response", kept, time=NOW + 10)["id"] == kept
    assert refused(store.ask, "response", unkept["id"]).status == 404
    assert sum("can't be kept" in line for line in store.logged()) == sum("kept again" in line for line in store.logged()) >= 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_for_a_user(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.parent.chmod(0o500)
    with Store(file, home=tmp_path) as store:
        unusable(store)
    file.parent.chmod(0o700)


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Store(tmp_path / "file" / "responses.db", home=tmp_path) as store:
        unusable(store)
        (tmp_path / "file").unlink()
        # As soon as it can be made, it is.
        one = store.create("one", time=NOW + 10)["id"]
        assert store.create("two", previous_response_id=one, time=NOW + 10)
        assert store.health(NOW + 10)["status"] == "ok"


def unusable(store: Store) -> None:
    """It costs the memory, and no answer."""
    assert store.create("one")["status"] == "completed"
    failed = refused(store.create, previous_response_id="resp_x")
    assert failed.status == 400 and "can't read its store" in failed.error["message"]
    assert failed.error["code"] == "previous_response_not_found" and failed.error["param"] == "previous_response_id"
    assert refused(store.ask, "response", "resp_x").status == 503
    health = store.health()
    assert health["status"] == "unreadable" and "opened" in health["message"] and str(store.file.parent) not in health["message"]
    assert sum("kept or read" in line for line in store.logged()) <= 2


def test_full_disk(file: Path, tmp_path: Path) -> None:
    """A limit on the size of files acts like a full disk."""
    with Store(file, home=tmp_path, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))) as store:
        kept = store.create("one")["id"]
        made = [store.create("x" * 20_000)["id"] for _ in range(30)]
        assert store.health(NOW + 61)["status"] == "not_writable"
        # It can be read all the same.
        assert count(store.create("two", previous_response_id=kept, store=False)) == 4
        assert refused(store.create, previous_response_id=made[-1]).status == 400
        assert sum("can't be kept" in line for line in store.logged()) <= 2


def test_what_is_too_old_goes_with_health_too(store: Store, file: Path) -> None:
    store.create("one")
    store.health(NOW + 2 * DAY)
    assert rows(file) == [] and rows(file, "SELECT * FROM items") == []


def test_a_disk_that_is_full_and_one_that_is_read_only(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with Store(disk / "responses.db", home=tmp_path) as store:
            kept = store.create("one")["id"]
            for _ in range(30):
                store.create("x" * 20_000)
            assert store.health(NOW + 61)["status"] == "full"
            assert count(store.create("two", previous_response_id=kept, store=False)) == 4
            remount(disk, "size=40m")
            later = store.create("three", time=NOW + 70)["id"]
            assert store.ask("response", later, time=NOW + 70)["id"] == later
            assert store.health(NOW + 71)["status"] == "ok"
            assert [sum(word in line for line in store.logged()) for word in ("can't be kept", "kept again")] == [2, 2]
        remount(disk, "ro")
        with Store(disk / "responses.db", home=tmp_path) as store:
            assert store.create("one")["status"] == "completed"
            assert "can't read its store" in refused(store.create, previous_response_id=kept).error["message"]
            assert store.health()["status"] == "read_only"
            remount(disk, "rw")
            assert store.create("two", previous_response_id=kept, time=NOW + 10)["status"] == "completed"
    finally:
        subprocess.run(["umount", disk], check=True)


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


def test_oldest_out_first(file: Path, tmp_path: Path) -> None:
    limit = 1 << 20
    with Store(file, "--max-size", str(limit), home=tmp_path) as store:
        first = store.create("first")["id"]
        made = [store.create("x" * 30_000, time=NOW + number)["id"] for number in range(100)]
        assert refused(store.ask, "response", first).status == 404 and refused(store.ask, "response", made[0]).status == 404
        assert all(store.ask("response", id)["id"] == id for id in made[-10:])
        assert store.health()["bytes"] <= limit
        # One that alone is too much drives out nobody.
        huge = store.create("x" * (limit + 1))["id"]
        assert refused(store.ask, "response", huge).status == 404
        assert store.ask("response", made[-1])
    assert file.stat().st_size < limit + (8 << 20)


def test_the_file_shrinks(file: Path, tmp_path: Path) -> None:
    with Store(file, "--keep", "60", home=tmp_path) as store:
        for number in range(60):
            store.create("x" * 1_000_000, time=NOW)
        most = rows(file, "PRAGMA page_count")[0][0]
        for number in range(120):
            store.create("x", time=NOW + 100 + number)
        assert rows(file, "PRAGMA page_count")[0][0] < most / 3


# Many at once.


def test_two_pipelines_and_two_servers(file: Path, tmp_path: Path) -> None:
    """Four pipelines write at once; each response is there for each of them afterwards."""
    pipelines = [Store(file, home=tmp_path) for _ in range(4)]
    made: list[str] = []

    def work(store: Store) -> None:
        id = None
        for number in range(250):
            id = store.create(f"{number}", stream=True, **({"previous_response_id": id} if id and number % 10 else {}))["id"]
            made.append(id)

    threads = [threading.Thread(target=work, args=(store,)) for store in pipelines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1000
    for store in pipelines:
        assert [id for id in made if store.ask("response", id)["id"] != id] == []
        assert store.logged() == []
        store.stop()
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("victim", ["load", "save", "all"])
def test_nothing_seen_is_lost_by_kill(file: Path, tmp_path: Path, victim: str) -> None:
    """kill -9 at any moment: each response whose last event came is there afterwards, with its beginning."""
    rounds = 100 if victim == "all" else 50
    seen: list[tuple[str, int]] = []
    for turn in range(rounds):
        store = Store(file, home=tmp_path)
        killed = [getattr(store, victim)] if victim != "all" else store.processes
        timer = threading.Timer(0.03 + 0.001 * (turn % 40), lambda: [os.kill(process.pid, signal.SIGKILL) for process in killed])
        id, length = seen[-1] if seen and turn % 10 else (None, 0)
        # Every second time while it works for sure: on a busy machine it may not have begun by then.
        if turn % 2:
            timer.start()
        try:
            while True:
                id = store.create("x", stream=True, rid=f"k{turn}-{len(seen)}", **({"previous_response_id": id} if id else {}))["id"]
                length += 3
                seen.append((id, length))
                if not timer.ident:
                    timer.start()
        except (EOFError, BrokenPipeError, Failed) as end:
            assert not isinstance(end, Failed) or end.status != 400, end
        timer.join()
        for process in store.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        try:
            store.load.stdin.close()
        except BrokenPipeError:
            pass
        store.save.stdout.close()
    assert len(seen) >= rounds // 2
    with Store(file, home=tmp_path) as store:
        for id, length in seen:
            assert store.ask("response", id)["id"] == id
        for id, length in seen[:: max(1, len(seen) // 20)]:
            assert count(store.create("end", previous_response_id=id, store=False)) == length + 1
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_long_conversation_is_linear(store: Store) -> None:
    """500 turns: each costs what it sends, and not what others have cost."""
    id, times = None, []
    for number in range(500):
        began = time.process_time(), cpu(store)
        id = store.create("word " * 20, **({"previous_response_id": id} if id else {}))["id"]
        times.append(cpu(store) - began[1])
    sent = store.sent()[-1]["request"]["input"]
    assert len(sent) == 499 * 3 + 1
    half, whole = sum(times[225:275]), sum(times[450:])
    assert whole < 4 * half + 0.2, (half, whole)


def cpu(store: Store) -> float:
    """The CPU time of load and save, in seconds."""
    ticks = 0
    for process in (store.load, store.save):
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_a_conversation_that_is_too_large(file: Path, tmp_path: Path) -> None:
    with Store(file, "--max-size", str(1 << 30), home=tmp_path) as store:
        id = None
        for _ in range(3):
            id = store.create([{"role": "user", "content": "x" * 20_000_000}], **({"previous_response_id": id} if id else {}))["id"]
        failed = refused(store.create, [{"role": "user", "content": "x" * 20_000_000}], previous_response_id=id)
        assert (failed.status, failed.error["code"], failed.error["param"]) == (400, "context_length_exceeded", "previous_response_id")
        assert store.create("small")["status"] == "completed"


def test_a_conversation_of_too_many_values(file: Path, tmp_path: Path) -> None:
    with Store(file, home=tmp_path) as store:
        id = None
        for _ in range(3):
            parts = [{"type": "input_text", "text": "x"}] * 40_000
            id = store.create([{"role": "user", "content": parts}], **({"previous_response_id": id} if id else {}))["id"]
        failed = refused(store.create, [{"role": "user", "content": parts}], previous_response_id=id)
        assert failed.error["code"] == "context_length_exceeded" and "MAX_NODES" in failed.error["message"]


def test_references_to_one_large_item_are_bounded(store: Store) -> None:
    store.create([{"role": "user", "content": "x" * 1_000_000, "id": "msg_large"}])
    failed = refused(store.create, [{"type": "item_reference", "id": "msg_large"}] * 100)
    assert failed.error["code"] == "context_length_exceeded"


def test_memory_is_bounded(store: Store) -> None:
    for number in range(3000):
        store.create("x" * 5_000, stream=True)
    for process in (store.load, store.save):
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert int(status.partition("VmRSS:")[2].split()[0]) < 40_000


@pytest.mark.parametrize("part", ["load", "save"])
def test_no_bytes_end_it(file: Path, part: str) -> None:
    """Lines that are cut, doubled and spoilt in any place: each is answered or passed on, and the next one is taken."""
    chance = random.Random(part)
    cases = [path.read_bytes().splitlines() for path in sorted((REPOSITORY / "Tests/Golden/responses-store").glob(f"{part}-*.in"))]
    pieces = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"\\u0000", b"\xff", b'"id":""', b"{}", b'"type":"reasoning"', b"1e999"]
    lines = []
    for number in range(4_000):
        for good in chance.choice(cases):
            line = bytearray(good.replace(b'{"rid":"', b'{"rid":"%d-' % number))
            for _ in range(chance.choice([0, 1, 1, 4])):
                # The names at the beginning mostly stay.
                at = chance.randrange(0 if chance.random() < 0.05 else 20, max(len(line), 21))
                end = min(len(line), at + chance.randrange(12))
                line[at:end] = chance.choice([b"", chance.choice(pieces), bytes(line[at:end]) * 2])
            lines.append(bytes(line).replace(b"\n", b" "))
    last = b'{"rid":"last","future":1.0}\n'
    done = subprocess.run([PROGRAMS / "responses-store", part, "--file", file, "--log-level", "error"],
                          input=b"\n".join(lines) + b"\n" + last, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.endswith(b"\n" + last)
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
