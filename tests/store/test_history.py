import asyncio

import pytest

from store import Compacted, Event, Log, Retention, Row, Write, history


async def filled(log: Log) -> None:
    """1: a=1, 2: b=1, 3: a=2, 4: b deleted, 5: c=1."""
    for write in [Write("/a", b"1"), Write("/b", b"1"), Write("/a", b"2"), Write("/b", None), Write("/c", b"1")]:
        await log.append(write)


async def test_the_past_is_read_as_of_a_revision(log: Log):
    await filled(log)

    assert await log.items("/", revision=0) == []
    assert await log.items("/", revision=2) == [Row("/a", b"1", 1, 1), Row("/b", b"1", 2, 2)]
    assert await log.items("/", revision=4) == [Row("/a", b"2", 3, 1)]
    assert await log.at("/b", 3) == Row("/b", b"1", 2, 2)
    assert await log.at("/b", 4) is None


async def test_a_log_opens_with_the_newest_of_every_key(database: str):
    """More keys than are fetched at a time, some with a past, some deleted, one made anew."""
    keys = [f"/many/{number:05}" for number in range(history.FETCHED + 500)]
    log = await Log.open(database, retention=Retention(age=None, size=None))
    await log.append(*(Write(key, b"first") for key in keys))
    await log.append(*(Write(key, b"second \0\xff") for key in keys[::3]))
    await log.append(*(Write(key, None) for key in keys[::5]))
    await log.append(Write(keys[0], b""))
    there = await log.items("/")
    await log.close()
    log = await Log.open(database)

    assert await log.items("/") == there and len(there) == len(keys) - len(keys[::5]) + 1
    await log.close()


async def test_the_future_is_not_read(log: Log):
    for question in (log.items("/", revision=1), log.at("/a", 1), log.events(1), log.compact(1)):
        with pytest.raises(ValueError, match="future"):
            await question


async def test_events_of_the_past_are_those_that_were_published(log: Log):
    published: list[Event] = []
    log.subscribe(published.extend)
    await filled(log)

    for after in range(6):
        assert await log.events(after) == published[after:]
    assert await log.events(0, "/b") == [event for event in published if event.key == "/b"]


async def test_events_of_the_past_have_the_last_note_of_a_key(log: Log):
    await log.append(Write("/lease", b"0"), Write("/a", b"1"))
    await log.note(Write("/lease", b"1"))
    await log.note(Write("/lease", b"2"))
    await log.append(Write("/a", b"2"))

    assert await log.events(2) == [
        Event(4, "/lease", b"2", Row("/lease", b"0", 1, 1)),
        Event(5, "/a", b"2", Row("/a", b"1", 2, 2)),
    ]
    assert await log.events(4, "/lease") == []


async def test_a_time_has_a_revision():
    now = 1000.0
    log = await Log.open(":memory:", clock=lambda: now, retention=Retention(age=None, size=None))
    for number in range(10):
        now = 1000.0 + number
        await log.append(Write("/a", b"%d" % number), Write("/b", b""))
        await log.note(Write("/beat", b""))
    now = 500.0  # a clock that was set back: moments do not decrease
    last = await log.append(Write("/a", b"late"))
    found = [await log.revision_at(moment) for moment in (999.9, 1000.0, 1004.5, 1008.999, 1009, 5000)]
    await log.compact(14)

    assert found == [0, 2, 14, 26, last[0], last[0]]
    assert await log.revision_at(1004.5) == 14
    with pytest.raises(Compacted):
        await log.revision_at(1003.9)
    await log.close()


async def test_a_page_after_page_walk_at_one_revision_is_one_snapshot(log: Log):
    await log.append(*(Write(f"/{number:03}", b"old") for number in range(100)))
    at, seen = log.revision, []
    while page := await log.items("/", revision=at, after=seen[-1].key if seen else "", limit=7):
        seen += page
        await log.append(Write(f"/{len(seen) % 100:03}", b"new"), Write(f"/{len(seen):03}x", b"new"))

    assert [row.value for row in seen] == [b"old"] * 100


async def test_reading_the_past_does_not_stop_the_loop(log: Log):
    await log.append(*(Write(f"/{number:05}", b"x" * 100) for number in range(20_000)))
    await log.append(*(Write(f"/{number:05}", b"later") for number in range(20_000)))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async with asyncio.TaskGroup() as group:
        counter = group.create_task(count())
        rows = await log.items("/", revision=20_000)
        counter.cancel()

    assert len(rows) == 20_000
    assert turns > 3
