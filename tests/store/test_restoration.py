"""A restored store has the objects of the backup, newer than anything a client has seen, and no past."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Compacted, Log, Retention, Row, Unusable, Write
from store.backup import Header, NotWhole, check, rows
from store.restoration import RATE, Occupied, base, restore

FOREVER = Retention(age=None, size=None)
NOW = 1_700_000_000.0


async def saved(url: str) -> tuple[Header, bytes, int]:
    """A backup, and the revision that the store reached after it."""
    log = await Log.open(url, retention=FOREVER, clock=lambda: NOW)
    for number in range(30):
        await log.append(Write(f"/{number % 7}", b"%d" % number))
    await log.append(Write("/3", None))
    await log.note(Write("/beat", b"1"))
    content = b"".join([piece async for piece in (await log.backup()).stream()])
    for number in range(20):
        await log.append(Write(f"/later/{number}", b"x"))
    reached = log.revision
    await log.close()
    return check(io.BytesIO(content)).header, content, reached


def into(url: str, content: bytes, header: Header, **more: object) -> int:
    return restore(url, header, rows(io.BytesIO(content)), NOW + 60, **more)  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite to sqlite", "sqlite to postgresql", "postgresql to sqlite"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of two empty databases."""
    source, _, target = request.param.partition(" to ")
    urls: dict[str, Callable[[str], str]] = {
        "sqlite": lambda name: str(tmp_path / name),
        "postgresql": lambda name: str(request.getfixturevalue("shared")),
    }
    return urls[source]("old.db"), urls[target]("new.db")


async def test_the_objects_are_those_of_the_backup_and_newer_than_all_that_was_seen(pair: tuple[str, str]):
    old, new = pair
    header, content, reached = await saved(old)
    revision = into(new, content, header)
    log = await Log.open(new, retention=FOREVER)
    found = await log.items("/")
    later = await log.append(Write("/4", b"again", next(row.revision for row in found if row.key == "/4")))

    held = sorted(rows(io.BytesIO(content)), key=lambda row: row.revision)
    assert [(row.key, row.value) for row in sorted(found, key=lambda row: row.revision)] == [
        (row.key, row.value) for row in held
    ], "in the old order"
    assert {row.key for row in found} == {"/0", "/1", "/2", "/4", "/5", "/6", "/beat"}
    assert min(row.revision for row in found) > reached + RATE * 60
    assert max(row.revision for row in found) == revision == log.oldest
    assert later == [max(revision, log.revision - 1) + 1]
    await log.close()


async def test_the_past_is_gone_at_every_revision_between(pair: tuple[str, str]):
    header, content, reached = await saved(pair[0])
    revision = into(pair[1], content, header)
    log = await Log.open(pair[1], retention=FOREVER)
    for seen in (1, header.revision, header.revision + 1, reached, reached + 1, revision - 10, revision - 1):
        for question in (log.events(seen), log.items("/", revision=seen), log.at("/1", seen)):
            with pytest.raises(Compacted) as raised:
                await question
            assert raised.value.oldest == revision

    assert await log.events(revision) == []
    await log.close()


async def test_a_store_that_is_not_empty_is_left_alone(database: str):
    header, content, _ = await saved(database)
    with pytest.raises(Occupied):
        into(database, content, header)
    log = await Log.open(database, retention=FOREVER)

    assert len(await log.items("/later/")) == 20
    await log.close()


async def test_what_breaks_off_in_the_middle_leaves_nothing(pair: tuple[str, str]):
    header, _, _ = await saved(pair[0])

    def breaking() -> Iterator[Row]:
        yield from (Row(f"/{number}", b"x", number, number) for number in range(1, 700))
        raise NotWhole("the disk went away")

    with pytest.raises(NotWhole):
        restore(pair[1], header, breaking(), NOW)
    log = await Log.open(pair[1], retention=FOREVER)
    there = await log.items("/"), log.oldest
    await log.close()

    assert there == ([], 0)


async def test_on_postgresql_what_was_there_is_put_aside_and_counts(shared: str):
    import psycopg

    header, content, reached = await saved(shared)
    log = await Log.open(shared, retention=FOREVER)
    with pytest.raises(Unusable, match="stop them"):
        into(shared, content, header, aside="before_1")
    await log.close()
    revision = into(shared, content, header, aside="before_1")
    log = await Log.open(shared, retention=FOREVER)
    with psycopg.connect(shared) as connection:
        aside = connection.execute("SELECT max(revision) FROM before_1.changes").fetchone()
        connection.execute("DROP SCHEMA before_1 CASCADE")

    assert aside is not None and aside[0] >= reached - 1
    assert len(await log.items("/")) == 7
    assert revision > reached
    await log.close()


async def test_restored_twice_it_is_above_the_first_time(tmp_path: Path):
    header, content, _ = await saved(str(tmp_path / "old.db"))
    first = into(str(tmp_path / "first.db"), content, header)
    log = await Log.open(tmp_path / "first.db", retention=FOREVER)
    for number in range(100):
        await log.append(Write(f"/{number}", b"x"))
    reached = log.revision
    await log.close()
    second = restore(str(tmp_path / "second.db"), header, rows(io.BytesIO(content)), NOW + 120)

    assert first < reached < second - 7


@pytest.mark.parametrize("elapsed,highest,least", [
    pytest.param(0.0, 0, 86_400 * RATE, id="at once: a day of the fastest"),
    pytest.param(-7200.0, 0, 86_400 * RATE, id="a clock that was set back"),
    pytest.param(30 * 86_400.0, 0, 31 * 86_400 * RATE, id="a month later: as if it had run all the time"),
    pytest.param(0.0, 10**15, 10**15, id="an old store that is known to be further"),
])  # fmt: skip
def test_the_number_to_go_on_from(elapsed: float, highest: int, least: int):
    assert base(Header(1, 900, 1, NOW), highest, NOW + elapsed) >= least


async def test_a_backup_of_a_restored_store_restores_again(tmp_path: Path):
    header, content, _ = await saved(str(tmp_path / "old.db"))
    into(str(tmp_path / "new.db"), content, header)
    log = await Log.open(tmp_path / "new.db", retention=FOREVER)
    again = b"".join([piece async for piece in (await log.backup()).stream()])
    await log.close()

    assert check(io.BytesIO(again)).header.store == header.store
    assert [row.value for row in rows(io.BytesIO(again))] == [row.value for row in rows(io.BytesIO(content))]
