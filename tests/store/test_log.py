import asyncio
import gc
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from store import Conflict, Event, Log, Row, Unavailable, Write


async def test_an_append_returns_one_revision_a_write(log: Log):
    revisions = await log.append(Write("/a", b"1", 0), Write("/b", b"2"))

    assert revisions == [1, 2]
    assert log.revision == 2
    assert await log.latest("/a") == Row("/a", b"1", 1, 1)


async def test_a_change_keeps_the_revision_of_creation_until_the_key_is_deleted(log: Log):
    await log.append(Write("/a", b"1"))
    await log.append(Write("/a", b"2"))
    changed = await log.latest("/a")
    await log.append(Write("/a", None))
    await log.append(Write("/a", b"3"))

    assert changed == Row("/a", b"2", 2, 1)
    assert await log.latest("/a") == Row("/a", b"3", 4, 4)


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        pytest.param(0, False, id="must not exist, but does"),
        pytest.param(1, False, id="a stale revision"),
        pytest.param(3, False, id="a revision of the future"),
        pytest.param(2, True, id="the revision that is there"),
        pytest.param(None, True, id="any"),
    ],
)
@pytest.mark.parametrize("value", [b"new", None], ids=["write", "delete"])
async def test_a_precondition_is_the_revision_that_the_key_has(log: Log, expected, holds, value):
    await log.append(Write("/a", b"1"))
    await log.append(Write("/a", b"2"))

    if holds:
        assert await log.append(Write("/a", value, expected)) == [3]
    else:
        with pytest.raises(Conflict) as raised:
            await log.append(Write("/a", value, expected))
        assert raised.value.row == Row("/a", b"2", 2, 1)
        assert (log.revision, await log.latest("/a")) == (2, Row("/a", b"2", 2, 1))


async def test_a_conflict_with_nothing_there_says_so(log: Log):
    with pytest.raises(Conflict) as raised:
        await log.append(Write("/a", b"1", 7))

    assert raised.value.row is None


async def test_one_failing_write_undoes_its_append_and_nothing_of_others_in_the_batch(log: Log):
    first = log.append(Write("/a", b"first", 0))
    half = log.append(Write("/b", b"half", 0), Write("/a", b"no", 0), Write("/c", b"half", 0))
    last = log.append(Write("/d", b"last", 0))

    answers = await asyncio.gather(first, half, last, return_exceptions=True)

    assert answers[0] == [1] and answers[2] == [2]
    assert isinstance(answers[1], Conflict) and answers[1].row == Row("/a", b"first", 1, 1)
    assert [row.key for row in await log.items("/")] == ["/a", "/d"]


async def test_of_two_updates_of_one_revision_in_one_batch_one_wins(log: Log):
    await log.append(Write("/a", b"0"))

    answers = await asyncio.gather(
        *(log.append(Write("/a", str(number).encode(), 1)) for number in range(20)), return_exceptions=True
    )

    assert [answer for answer in answers if not isinstance(answer, Conflict)] == [[2]]


async def test_revisions_are_gapless_and_in_the_order_of_events_under_32_callers(database: str):
    log = await Log.open(database)
    events: list[Event] = []
    log.subscribe(events.extend)
    acknowledged: list[int] = []

    async def call(caller: int) -> None:
        for number in range(25):
            revisions = await log.append(Write(f"/{caller}/{number}", b"x"), Write(f"/{caller}", b"%d" % number))
            assert events[-1].revision >= revisions[-1], "published before the caller resumes"
            acknowledged.extend(revisions)

    await asyncio.gather(*map(call, range(32)))
    await log.close()

    assert sorted(acknowledged) == list(range(1, 32 * 25 * 2 + 1))
    assert [event.revision for event in events] == list(range(1, 32 * 25 * 2 + 1))


async def test_events_tell_what_was_there_before(log: Log):
    events: list[Event] = []
    log.subscribe(events.extend)
    await log.append(Write("/a", b"1"))
    await log.note(Write("/a", b"2"))
    await log.append(Write("/a", None))

    assert events == [
        Event(1, "/a", b"1", None),
        Event(2, "/a", b"2", Row("/a", b"1", 1, 1)),
        Event(3, "/a", None, Row("/a", b"2", 2, 1)),
    ]


async def test_a_subscriber_that_joins_at_a_revision_gets_all_after_it_once(log: Log):
    joined: list[tuple[int, list[Event]]] = []

    async def write() -> None:
        for number in range(50):
            await log.append(Write(f"/{number % 7}", b"x"))
            await log.note(Write("/beat", b"x"))

    async def join() -> None:
        for _ in range(20):
            events: list[Event] = []
            joined.append((log.revision, events))
            log.subscribe(events.extend)
            await asyncio.sleep(0.0005)

    await asyncio.gather(write(), write(), join())

    for start, events in joined:
        assert [event.revision for event in events] == list(range(start + 1, log.revision + 1))


async def test_a_subscriber_may_write_notes_and_everyone_still_sees_the_order(log: Log):
    before: list[int] = []
    after: list[int] = []
    log.subscribe(lambda events: before.extend(event.revision for event in events))
    echoes: list[asyncio.Future[int]] = []

    def echo(events: Sequence[Event]) -> None:
        echoes.extend(
            asyncio.get_running_loop().create_task(log.note(Write("/echo", b"")))
            for event in events
            if event.key == "/a"
        )

    log.subscribe(echo)
    log.subscribe(lambda events: after.extend(event.revision for event in events))

    await log.append(Write("/a", b"1"))
    assert await asyncio.gather(*echoes) == [2]

    assert before == after == [1, 2]


async def test_a_subscriber_that_fails_costs_the_others_nothing(log: Log):
    told: list[Event] = []
    reports: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
    log.subscribe(lambda events: 1 // 0)
    leave = log.subscribe(told.extend)
    await log.append(Write("/a", b"1"))
    leave()
    await log.append(Write("/a", b"2"))

    assert [event.revision for event in told] == [1]
    assert len(reports) == 2


async def test_items_are_the_keys_under_a_prefix_in_order(log: Log):
    await log.append(*(Write(key, b"x") for key in ["/a/2", "/a/1", "/ab", "/a/\U0010ffff", "/b", "/a/10"]))
    await log.append(Write("/a/2", None))

    def keys(rows: list[Row]) -> list[str]:
        return [row.key for row in rows]

    assert keys(await log.items("/a/")) == ["/a/1", "/a/10", "/a/\U0010ffff"]
    assert keys(await log.items("/a/", after="/a/1", limit=1)) == ["/a/10"]
    assert keys(await log.items("/a/", revision=6, limit=3)) == ["/a/1", "/a/10", "/a/2"]
    assert keys(await log.items("/a/", revision=6, after="/a/10")) == ["/a/2", "/a/\U0010ffff"]


async def test_a_note_is_seen_at_once_and_keeps_preconditions(log: Log):
    await log.append(Write("/lease", b"0"))
    with pytest.raises(Conflict):
        await log.note(Write("/lease", b"no", 0))
    revision = await log.note(Write("/lease", b"1", 1))

    assert (revision, log.revision) == (2, 2)
    assert await log.latest("/lease") == Row("/lease", b"1", 2, 1)
    with pytest.raises(Conflict):
        await log.append(Write("/lease", b"no", 1))
    assert await log.append(Write("/lease", b"2", 2)) == [3]


async def test_a_note_during_a_commit_comes_right_behind_it_and_loses_to_it(log: Log):
    await log.append(Write("/a", b"0"), Write("/b", b"0"))
    events: list[Event] = []
    log.subscribe(events.extend)
    append = asyncio.gather(log.append(Write("/a", b"1")))
    while log._committing._flight is None:
        await asyncio.sleep(0)

    notes = [Write("/a", b"lost update", 1), Write("/b", b"1", 2), Write("/b", b"2", 4)]
    told = await asyncio.gather(*map(log.note, notes), return_exceptions=True)

    assert isinstance(told[0], Conflict) and told[1:] == [4, 5]
    assert await append == [[3]]
    assert [(event.revision, event.value) for event in events] == [(3, b"1"), (4, b"1"), (5, b"2")]
    assert events[2].previous == Row("/b", b"1", 4, 2)


async def test_a_deletion_is_no_note(log: Log):
    with pytest.raises(ValueError, match="deletion"):
        await log.note(Write("/a", None))


async def test_notes_of_a_quiet_cluster_write_nothing(path: Path):
    log = await Log.open(path)
    await log.append(Write("/lease", b"0"))
    await log._compaction.look()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for _ in range(1000):
        await log.note(Write("/lease", b"beat"))
        await asyncio.sleep(0)
    await log._compaction.look()
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    await log.close()

    before.pop("log.db-shm"), after.pop("log.db-shm")  # memory shared between connections: holds readers' marks
    assert before == after


async def test_many_notes_set_more_revisions_aside_in_time(database: str):
    log = await Log.open(database, reserved=100)
    for _ in range(500):
        await log.note(Write("/lease", b"beat"))
        async with asyncio.timeout(20):  # a slow disk must not be too slow: it is asked when half is used up
            while not log.is_shared and log._upkeep.reserved < log.revision + 40:
                await asyncio.sleep(0.001)
    await log.append(Write("/a", b"1"))
    await log.close()
    again = await Log.open(database)

    assert again.revision == 501
    await again.close()


async def test_a_reopened_log_goes_on_where_it_was(path: Path):
    log = await Log.open(path)
    await log.append(Write("/a", b"1"), Write("/b", b"1"))
    await log.append(Write("/b", None))
    await log.note(Write("/a", b"beat"))
    await log.close()
    log = await Log.open(f"sqlite:///{path}")

    assert log.revision == 4
    assert await log.items("") == [Row("/a", b"1", 1, 1)]
    assert await log.append(Write("/c", b"1")) == [5]
    await log.close()


async def test_a_closed_log_finishes_what_waits_and_takes_no_more(database: str):
    log = await Log.open(database)
    appends = asyncio.gather(*(log.append(Write(f"/{number}", b"x")) for number in range(600)))
    await asyncio.sleep(0)
    await log.close()

    assert len(await appends) == 600
    for late in (log.append(Write("/late", b"x")), log.at("/0", 1), log.compact(1), log.forget("/0")):
        with pytest.raises(Unavailable):
            await late
    with pytest.raises(Unavailable):
        await log.note(Write("/late", b"x"))


async def test_a_caller_that_gave_up_before_its_turn_has_changed_nothing(log: Log):
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(log.append(Write("/gone", b"x")))
        stays = group.create_task(log.append(Write("/stays", b"x")))
        await asyncio.sleep(0)
        gone.cancel()

    assert stays.result() == [1]
    assert await log.latest("/gone") is None


async def test_appends_of_any_size_are_one_transaction(log: Log):
    assert await log.append(*(Write(f"/{number:04}", b"x") for number in range(1003))) == list(range(1, 1004))
    assert len(await log.items("/", revision=1002)) == 1002
    assert await log.append() == []


@pytest.mark.parametrize(
    ("write", "error"),
    [
        pytest.param(Write("", b""), ValueError, id="no key"),
        pytest.param(Write("/a\0b", b""), ValueError, id="NUL"),
        pytest.param(Write("/\ud800", b""), ValueError, id="half a character"),
        pytest.param(Write("/a", "text"), TypeError, id="a value that is not bytes"),  # type: ignore[arg-type]
    ],
)
async def test_what_no_database_could_keep_is_refused_alone(log: Log, write, error):
    answers = await asyncio.gather(log.append(Write("/ok", b"")), log.append(write), return_exceptions=True)

    assert answers[0] == [1]
    assert isinstance(answers[1], error)


async def test_a_busy_loop_does_not_starve_the_writer(database: str):
    """Without courtesy one commit beside a loop that never idles takes seconds."""
    log = await Log.open(database)
    busy = True

    async def compute() -> None:
        while busy:
            end = time.perf_counter() + 0.0003
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0)

    waits = []
    async with asyncio.TaskGroup() as group:
        group.create_task(compute())
        for number in range(50):
            begun = time.perf_counter()
            await log.append(Write("/a", b"%d" % number))
            waits.append(time.perf_counter() - begun)
        busy = False
    await log.close()

    assert sorted(waits)[25] < 0.2


async def test_nothing_is_left_running_after_close(path: Path):
    import threading

    log = await Log.open(path)
    await log.append(Write("/a", b"1"))
    await log.close()
    gc.collect()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("store")]
    files = ["log.db", "log.db.lock", "log.db.mark", "log.db.reserve"]
    assert sorted(file.name for file in path.parent.iterdir()) == files
