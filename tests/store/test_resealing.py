"""Values on disk get the form in which they would be written now, under load, and whatever happens meanwhile."""

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from store import Key, Log, Lost, Outcome, Rule, Tally, Write
from store.backup import rows
from store.restoration import restore
from store.sealing import Sealing
from tests.store.conftest import FOREVER
from tests.store.test_sealing import put, raw

ONE, TWO = Key("one", bytes(range(32))), Key("two", bytes(range(16)))
PLAIN = [Rule("/secrets/", (None,))]
FIRST = [Rule("/secrets/", (ONE, None))]
BOTH = [Rule("/secrets/", (TWO, ONE))]
SECOND = [Rule("/secrets/", (TWO,))]
SECRET = b"hunter2-is-the-password"


def all_values(database: str) -> list[tuple[str, int, bytes]]:
    question = "SELECT key, revision, value FROM changes WHERE value IS NOT NULL"
    if database.startswith("postgresql"):
        with psycopg.connect(database) as connection:
            notes = "SELECT key, revision, value FROM notes"
            return connection.execute(f"{question} UNION ALL {notes}".encode()).fetchall()
    connection = sqlite3.connect(database)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


async def reseal(log: Log) -> Outcome:
    """To the end."""
    *_, outcome = [outcome async for outcome in log.resealing.reseal()]
    return outcome


async def filled(database: str, rules: list[Rule], count: int = 30) -> Log:
    """A log in which every key has a past."""
    log = await Log.open(database, retention=FOREVER, rules=rules)
    for turn in range(3):
        for number in range(count):
            await log.append(Write(f"/secrets/{number}", SECRET + b"%d" % turn), Write(f"/other/{number}", b"x"))
    return log


async def test_plain_values_become_sealed_and_no_plain_copy_stays_in_any_file(path: Path):
    log = await filled(str(path), [], 300)
    log.resealing.use(FIRST)
    before = await log.items("/secrets/", revision=700), await log.events(0), log.revision
    outcome = await reseal(log)

    assert (outcome.changed, outcome.left, outcome.lost) == (900, 0, {})
    assert (await log.items("/secrets/", revision=700), await log.events(0), log.revision) == before
    assert [file.name for file in path.parent.iterdir() if SECRET in file.read_bytes()] == []
    await log.close()


async def test_after_it_the_old_key_is_not_needed_for_the_present_nor_the_past(database: str):
    log = await filled(database, FIRST)
    await log.note(Write("/secrets/5", b"noted"))
    log.resealing.use(BOTH)
    outcome = await reseal(log)
    again = await reseal(log)
    await log.close()

    assert (outcome.changed, again.changed) == (90 + log.is_shared, 0)
    log = await Log.open(database, retention=FOREVER, rules=SECOND)
    assert all(not isinstance(event.value, Lost) for event in await log.events(0))
    assert (await log.at("/secrets/3", 10)).value == SECRET + b"0"  # type: ignore[union-attr]
    opened = Sealing(SECOND)
    for key, _, value in all_values(database):
        assert not isinstance(opened.open(key, value), Lost)
        assert value.startswith(TWO.head()) == key.startswith("/secrets/")
    await log.close()


async def test_it_goes_back_to_plain_where_the_rules_say_so(database: str):
    log = await filled(database, FIRST)
    for rules in (PLAIN + FIRST, [Rule("/other/", (ONE, None))]):
        log.resealing.use(rules)
        await reseal(log)
        for key, _, value in all_values(database):
            assert value.startswith(ONE.head()) == (key.startswith("/other/") and rules[0].prefix == "/other/")
    await log.close()
    log = await Log.open(database, retention=FOREVER, rules=[Rule("/other/", (ONE,))])
    assert (await log.latest("/secrets/1")).value == SECRET + b"2"  # type: ignore[union-attr]
    await log.close()


async def test_the_tally_tells_what_lies_there_and_which_key_is_needed(database: str):
    log = await filled(database, FIRST, 5)
    log.resealing.use(BOTH)
    await log.append(Write("/secrets/1", b"new"), Write("/secrets/2", None))

    assert set(await log.resealing.tally()) == {
        Tally("/secrets/", ONE.id, 15),
        Tally("/secrets/", TWO.id, 1),
        Tally(None, None, 15),
    }
    assert set(await log.resealing.tally([])) == {
        Tally(None, ONE.id, 15),
        Tally(None, TWO.id, 1),
        Tally(None, None, 15),
    }
    await log.close()


async def test_it_runs_under_load_and_nobody_notices(database: str):
    """Values of every size, written, deleted, forgotten and compacted while all of them are sealed anew."""
    log = await filled(database, FIRST, 100)
    log.resealing.use(BOTH)
    draw = random.Random(3)
    told = await log.events(0)
    log.subscribe(told.extend)
    wanted = {row.key: row.value for row in await log.items("/")}
    is_over = False

    async def write(writer: int) -> None:
        while not is_over:
            number = draw.randrange(writer, 100, 4)
            key = f"/secrets/{number}"
            value = None if draw.random() < 0.1 else SECRET * draw.randrange(1, 300)
            await log.append(Write(key, value, forget=draw.random() < 0.3))
            wanted[key] = value  # type: ignore[assignment]

    async def again_and_again() -> None:
        nonlocal is_over
        for _ in range(5):
            for rules in (BOTH, [Rule("/secrets/", (ONE, TWO))]):
                log.resealing.use(rules)
                assert (await reseal(log)).lost == {}
            await log.compact(log.revision - 50)
        log.resealing.use(BOTH)
        is_over = True

    await asyncio.gather(*(write(number) for number in range(4)), again_and_again())
    outcome = await reseal(log)
    expected = {key: value for key, value in wanted.items() if value is not None}
    assert (outcome.left, outcome.lost) == (0, {})
    assert {row.key: row.value for row in await log.items("/")} == expected
    assert [event.revision for event in told] == list(range(1, log.revision + 1)), "nothing was told but the writes"
    await log.close()
    log = await Log.open(database, retention=FOREVER, rules=SECOND)
    assert {row.key: row.value for row in await log.items("/")} == expected
    await log.close()


async def test_several_do_it_at_once_while_both_write(shared: str):
    one, two = await filled(shared, FIRST, 100), await Log.open(shared, retention=FOREVER, rules=FIRST)
    written, is_over = {one: 0, two: 0}, False

    async def write(log: Log) -> None:
        while not is_over:
            written[log] += 1
            await log.append(Write(f"/secrets/{written[log] % 100}", SECRET, forget=written[log] % 3 == 0))

    async def again_and_again() -> None:
        nonlocal is_over
        while min(written.values()) < 30:
            for rules in (BOTH, [Rule("/secrets/", (ONE, TWO))]):
                for log in (one, two):
                    log.resealing.use(rules)
                outcomes = await asyncio.gather(*(reseal(log) for log in (one, two)))
                assert [outcome.lost for outcome in outcomes] == [{}, {}]
        is_over = True

    await asyncio.gather(write(one), write(two), again_and_again())
    for log in (one, two):
        log.resealing.use(BOTH)
    last = await reseal(one)

    assert (last.left, last.lost) == (0, {})
    await one.close()
    await two.close()
    opened = Sealing(SECOND)
    assert not any(isinstance(opened.open(key, value), Lost) for key, _, value in all_values(shared))


async def test_what_does_not_open_is_named_and_left_as_it_is(database: str):
    log = await filled(database, FIRST, 5)
    broken = raw(database, "/secrets/2")[:-1]
    put(database, "/secrets/2", broken)
    log.resealing.use(BOTH)
    outcome = await reseal(log)

    assert outcome.changed == 14
    assert [key for key, _ in outcome.lost] == ["/secrets/2"]
    assert raw(database, "/secrets/2") == broken
    await log.close()


async def test_a_damaged_value_gets_no_checksum_that_would_make_it_pass_for_good(path: Path):
    log = await filled(str(path), FIRST, 5)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE changes SET moment = moment + 1 WHERE revision = 3")
    log.resealing.use(BOTH)
    outcome = await reseal(log)

    assert (outcome.changed, outcome.lost) == (14, {("/secrets/1", 3): "is damaged"})
    assert [found.revision for found in (await log.check())[1]] == [3]
    connection.close()
    await log.close()


async def test_every_change_fits_its_checksum_afterwards(database: str):
    log = await filled(database, FIRST)
    log.resealing.use(BOTH)
    assert (await reseal(log)).changed == 90

    assert await log.check() == (180, [])
    await log.close()


async def test_a_backup_is_encrypted_and_restored_without_a_key(database: str, tmp_path: Path):
    log = await filled(database, FIRST, 5)
    snapshot = await log.backup()
    data = b"".join([piece async for piece in snapshot.stream()])
    expected = {row.key: row.value for row in await log.items("/")}
    await log.close()
    file = tmp_path / "backup"
    file.write_bytes(data)
    with file.open("rb") as opened:
        restore(str(tmp_path / "new.db"), snapshot.header, rows(opened), now=1.0)

    assert SECRET not in data
    log = await Log.open(tmp_path / "new.db", rules=FIRST)
    assert {row.key: row.value for row in await log.items("/")} == expected
    await log.close()


CHILD = """
import asyncio, sys
from store import Key, Log, Retention, Rule

ONE, TWO = Key("one", bytes(range(32))), Key("two", bytes(range(16)))

async def main():
    rules = [Rule("/secrets/", (ONE, TWO) if sys.argv[2] == "one" else (TWO, ONE))]
    log = await Log.open(sys.argv[1], rules=rules, retention=Retention(age=None, size=None))
    print("begins", flush=True)
    *_, outcome = [outcome async for outcome in log.resealing.reseal()]
    print(outcome.changed, flush=True)
    await log.close()

asyncio.run(main())
"""


async def test_killed_at_any_moment_it_is_done_by_doing_it_again(database: str):
    log = await filled(database, FIRST, 200)
    expected = [(event.revision, event.key, event.value) for event in await log.events(0)]
    await log.close()
    draw, cut = random.Random(5), 0
    for turn in range(5):
        command = [sys.executable, "-c", CHILD, database, ("two", "one")[turn % 2]]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "begins\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(draw.random() * 0.06)
        child.kill()
        cut += child.stdout.readline() == ""
        child.wait()
    assert cut > 1, "kills that came in the middle"

    log = await Log.open(database, retention=FOREVER, rules=BOTH)
    outcome = await reseal(log)
    await log.close()
    assert (outcome.left, outcome.lost) == (0, {})
    log = await Log.open(database, retention=FOREVER, rules=SECOND)
    assert [(event.revision, event.key, event.value) for event in await log.events(0)] == expected
    await log.close()


@pytest.mark.parametrize("size", [0, 1, 100_000])
async def test_values_of_every_size(database: str, size: int):
    log = await Log.open(database, retention=FOREVER)
    await log.append(Write("/secrets/a", bytes(size)))
    log.resealing.use(FIRST)

    assert (await reseal(log)).changed == 1
    assert len(raw(database, "/secrets/a")) == size + 44
    await log.close()
