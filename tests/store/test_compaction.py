import asyncio
import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from store import Compacted, Log, LogError, Retention, Row, Unavailable, Write


async def test_compaction_keeps_the_state_as_of_its_revision_and_all_after_it(log: Log):
    for number in range(10):
        await log.append(Write("/a", b"%d" % number), Write("/gone", None if number % 2 else b"x"))
    await log.compact(12)

    assert log.oldest == 12
    assert await log.items("/", revision=12) == [Row("/a", b"5", 11, 1)]
    assert [event.revision for event in await log.events(12)] == list(range(13, 21))
    for question in (log.items("/", revision=11), log.at("/a", 11), log.events(11)):
        with pytest.raises(Compacted) as raised:
            await question
        assert raised.value.oldest == 12


async def test_compaction_twice_or_backward_does_nothing(log: Log):
    await log.append(Write("/a", b"1"), Write("/a", b"2"), Write("/a", b"3"))
    await log.compact(2)
    await log.compact(2)
    await log.compact(1)

    assert log.oldest == 2
    assert await log.at("/a", 2) == Row("/a", b"2", 2, 1)


async def test_what_is_compacted_is_deleted(path: Path):
    log = await Log.open(path)
    for number in range(1000):
        await log.append(Write(f"/{number % 3}", b"%d" % number))
    await log.append(Write("/2", None))
    await log.compact(log.revision)
    await log.close()

    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT revision, key FROM changes ORDER BY revision").fetchall()
    assert rows == [(998, "/1"), (1000, "/0")]


async def test_a_sweep_cut_short_goes_on_after_the_restart(path: Path):
    log = await Log.open(path)
    for number in range(50):
        await log.append(Write("/a", b"%d" % number))
    await log._writer.perform(lambda session: session.remember(oldest=40, oldest_moment=0))
    part = log._head.index.sweep(40, 10)
    await log._writer.perform(lambda session: session.sweep(part))
    await log.close()

    log = await Log.open(path)
    with pytest.raises(Compacted):
        await log.at("/a", 39)
    await log._compaction.look()
    await log.close()

    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT min(revision), count(*) FROM changes").fetchone() == (40, 11)


async def test_history_goes_by_age_and_a_quiet_cluster_is_left_alone(path: Path):
    now = 100_000.0
    log = await Log.open(path, clock=lambda: now, retention=Retention(age=3600, size=None))
    await log._compaction.look()
    for number in range(10):
        await log.append(Write("/a", b"%d" % number))
        now += 600
    await log._compaction.look()
    aged = log.oldest
    now += 100_000
    await log._compaction.look()
    end = log.oldest
    content = Path(f"{path}-wal").read_bytes()
    for _ in range(3):
        now += 100_000
        await log._compaction.look()

    assert aged == 5  # written at 102,400; an hour before 106,000
    assert end == 10
    assert Path(f"{path}-wal").read_bytes() == content
    await log.close()


async def test_history_goes_by_size_but_never_the_present(path: Path):
    log = await Log.open(path, retention=Retention(age=None, size=400_000))
    for number in range(400):
        await log.append(Write(f"/{number % 10}", b"x" * 4000))
    await log._compaction.look()

    assert 0 < log.oldest < 400
    assert await log._writer.perform(lambda session: session.used()) <= 400_000
    assert len(await log.items("/")) == 10
    await log.close()


async def test_live_data_above_the_limit_stops_at_the_newest_revision():
    log = await Log.open(":memory:", retention=Retention(age=None, size=10_000))
    await log.append(*(Write(f"/{number}", b"x" * 4000) for number in range(50)))
    await log._compaction.look()

    assert len(await log.items("/")) == 50
    assert await log.append(Write("/more", b"x")) == [51]
    await log.close()


@pytest.mark.parametrize("how", ["forget", "write", "delete"])
async def test_a_forgotten_value_is_in_no_file(path: Path, how):
    """Small and large values, spread among others, moved about by page splits before they go."""
    log = await Log.open(path, traceless=["/secret/"])
    secret = b"hunter2-is-the-password"
    for number in range(300):
        size = (1, 40, 400)[number % 3]
        await log.append(Write(f"/other/{number * 7919 % 300}", b"x" * (number * 37 % 3000)))
        await log.append(Write(f"/secret/{number * 31 % 300}", secret * size))
    present = [secret in file.read_bytes() for file in path.parent.iterdir() if file.name in ("log.db", "log.db-wal")]
    for number in range(300):
        if how == "forget":
            await log.append(Write(f"/secret/{number}", b"new"))
            await log.forget(f"/secret/{number}")
        else:
            await log.append(Write(f"/secret/{number}", b"new" if how == "write" else None, forget=True))
    await log.forget("/secret/0")  # returns when the journal is empty

    assert any(present)
    assert [file.name for file in path.parent.iterdir() if secret in file.read_bytes()] == []
    assert await log.at("/secret/31", 600) is None
    await log.close()


async def test_forgetting_keeps_the_durable_row_below_a_note(path: Path):
    log = await Log.open(path)
    await log.append(Write("/a", b"1"))
    await log.note(Write("/a", b"2"))
    await log.forget("/a")
    await log.close()
    log = await Log.open(path)

    assert await log.latest("/a") == Row("/a", b"1", 1, 1)
    await log.close()


UPDATES, KEYS, SIZE = 36_000, 500, 1500


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, Path(f"{path}-wal")))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("trouble", ["none", "an open reader", "locked"])
async def test_updates_take_no_more_than_three_times_the_live_data_and_64_mib(path: Path, trouble: str):
    """Six minutes of 100 updates a second as fast as they go, with a look at each minute's end, as there would be.

    From the third to the fourth another program has a snapshot open, or the file locked.
    """
    now = 1_700_000_000.0
    log = await Log.open(path, clock=lambda: now, patience=0.05)
    blob, draw = random.Random(1).randbytes(2 * SIZE), random.Random(2)
    sizes: list[int] = []

    async def update(count: int) -> None:
        nonlocal now
        for _ in range(count):
            start = draw.randrange(SIZE)
            with contextlib.suppress(Unavailable):
                await log.append(Write(f"/{draw.randrange(KEYS)}", blob[start : start + SIZE]))
            now += 0.01

    for minute in range(UPDATES // 6000):
        other = sqlite3.connect(path, isolation_level=None)
        if minute == 2 and trouble != "none":
            other.execute("BEGIN" if trouble == "an open reader" else "BEGIN IMMEDIATE")
            other.execute("SELECT count(*) FROM changes").fetchone()
        await asyncio.gather(*(update(100 if trouble != "locked" or minute != 2 else 1) for _ in range(60)))
        with contextlib.suppress(LogError):
            await log._compaction.look()
        other.close()
        if minute != 2 or trouble != "an open reader":  # while it is open, SQLite keeps all that it may want to see
            sizes.append(on_disk(path))
    live = sum(len(row.key) + len(row.value) for row in await log.items("/"))
    await log.close()

    assert live == KEYS * SIZE + sum(len(f"/{number}") for number in range(KEYS))
    assert max(sizes) <= 3 * live + (64 << 20)
    assert log.oldest > 0


async def test_much_written_at_once_brings_the_next_look_forward(path: Path):
    log = await Log.open(path, retention=Retention(age=None, size=30 << 20, interval=3600))
    for number in range(40):
        await log.append(Write("/a", b"%d" % number * (500_000 // len(b"%d" % number))))
    for _ in range(40):
        await log.append(Write("/b", bytes(1_000_000)))
    async with asyncio.timeout(20):
        while log.oldest == 0:
            await asyncio.sleep(0.05)

    await log.close()
