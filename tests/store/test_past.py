"""Reads of the past while what they are made of is erased, compacted, or changed under them."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest

from store import Compacted, Log, Retention, Row, Write
from store.history import History

FOREVER = Retention(age=None, size=None)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Arranges that something is done between the look-up in memory and the next read of the disk."""

    def arrange(work: Callable[[], Any]) -> None:
        read = History.read

        async def interrupting(self: History, question: Any) -> Any:
            monkeypatch.setattr(History, "read", read)
            await work()
            return await read(self, question)

        monkeypatch.setattr(History, "read", interrupting)

    return arrange


async def filled(log: Log) -> None:
    """1–4: /0 to /3, 5–8 the same anew, 9: /3 deleted."""
    for value in (b"old", b"new"):
        await log.append(*(Write(f"/{number}", value) for number in range(4)))
    await log.append(Write("/3", None))


async def test_an_erasure_that_comes_between_leaves_a_page_full(log: Log, interrupted):
    await filled(log)
    interrupted(lambda: log.forget("/1"))
    rows = await log.items("/", revision=4, limit=3)

    assert [row.key for row in rows] == ["/0", "/2", "/3"]
    interrupted(lambda: log.forget("/2"))
    assert await log.at("/2", 3) is None
    interrupted(lambda: log.forget("/0"))
    assert [event.key for event in await log.events(4)] == ["/0", "/1", "/2", "/3", "/3"]


async def test_an_erasure_is_not_taken_for_damage_before_memory_knows_of_it(path: Path, interrupted):
    """The rows are gone from the disk, and the loop has not been told yet."""
    log = await Log.open(path, retention=FOREVER)
    await filled(log)

    async def erase() -> None:
        log._writer.submit(methodcaller("erase", [2]), lambda *_: log._head.index.erase("/1", [2]))
        with sqlite3.connect(path) as connection:
            deadline = time.monotonic() + 10
            while connection.execute("SELECT count(*) FROM changes WHERE revision = 2").fetchone() != (0,):
                assert time.monotonic() < deadline
        connection.close()

    interrupted(erase)
    assert await log.at("/1", 2) is None
    assert log.damaged == {}
    await log.close()


async def test_a_compaction_that_comes_between_is_told(log: Log, interrupted):
    await filled(log)
    for question in (lambda: log.items("/", revision=4), lambda: log.events(4)):
        interrupted(lambda: log.compact(9))
        with pytest.raises(Compacted) as raised:
            await question()
        assert raised.value.oldest == 9


async def test_what_another_master_erased_reads_as_if_it_had_not_been(shared: str):
    one, two = [await Log.open(shared, retention=FOREVER) for _ in range(2)]
    await filled(one)
    await two.current()
    await one.forget("/1")
    await one.append(Write("/2", b"newest", forget=True))
    await two.current()

    assert await two.at("/1", 4) is None
    assert await two.items("/", revision=8) == [
        Row("/0", b"new", 5, 1),
        Row("/1", b"new", 6, 2),
        Row("/3", b"new", 8, 4),
    ]
    assert [(event.revision, event.previous is None) for event in await two.events(4)] == [
        (5, False), (6, True), (8, False), (9, False), (10, True)
    ]  # fmt: skip
    assert two.damaged == {}
    for log in (one, two):
        await log.close()


async def test_a_look_up_in_many_turns_of_the_loop_is_one_moment(log: Log, monkeypatch: pytest.MonkeyPatch):
    """Between them keys are changed, deleted, and made."""
    monkeypatch.setattr("store.past.AT_ONCE", 2)
    await log.append(*(Write(f"/{number:02}", b"old") for number in range(40)))
    at, turn = log.revision, 0
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(log.items("/", revision=at))
        while not reading.done():
            turn += 1
            changed, deleted = f"/{turn * 7 % 40:02}", f"/{turn * 3 % 40:02}"
            await log.append(Write(changed, b"new"), Write(deleted, None), Write(f"/x{turn}", b""))

    assert [row.value for row in reading.result()] == [b"old"] * 40


async def test_what_is_still_present_is_not_read_from_disk(path: Path):
    log = await Log.open(path, retention=FOREVER)
    await log.append(Write("/a", b"1"), Write("/b", b"1"))
    await log.append(Write("/b", b"2"), Write("/c", b"2"))
    present = await log.items("/")

    assert (await log.items("/", revision=3))[0] is present[0]
    assert await log.items("/", revision=3, after="/a") == [Row("/b", b"2", 3, 2)]
    await log.close()
