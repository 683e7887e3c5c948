"""A store that an older version wrote opens, and is whole wherever the change to today's schema was killed."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import Connection

from store import Log, Retention, Row, Unusable, Write, migrations, schema
from store.checksum import is_named, is_whole
from store.dialects.sqlite_session import state_sum

VERSION_1 = Path(__file__).parent / "data" / "version1.sql"
FOREVER = Retention(age=None, size=None)


@pytest.fixture
def old(path: Path) -> Path:
    """A file as version 1 left it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(VERSION_1.read_text())
    connection.close()
    return path


async def check(path: Path) -> None:
    """All that the old store held is there, and it works as a new one does."""
    log = await Log.open(path, retention=FOREVER)
    present = await log.items("/registry/")
    past = await log.items("/registry/pods/", revision=6)
    events = await log.events(11)
    damaged = log.damaged
    revision, oldest = log.revision, log.oldest
    later = await log.append(Write("/registry/later", b"x"))
    await log.close()
    with sqlite3.connect(path) as connection:
        state = dict(connection.execute("SELECT name, value FROM state"))
        unsealed = [row for row in connection.execute("SELECT * FROM changes") if not is_whole(row)]

        indexes = connection.execute("SELECT name FROM sqlite_master WHERE name = 'changes_by_key'").fetchall()

    assert indexes == []
    assert [(row.key.rpartition("/")[2], row.value, row.revision, row.created) for row in present] == [
        ("été", bytes(range(256)), 14, 14),
        ("empty", b"", 15, 15),
        ("web-0", b'{"n":8}', 9, 1),
        ("web-1", b'{"n":9}', 10, 2),
        ("web-2", b'{"n":10}', 11, 3),
        ("s", b"new", 17, 17),
    ]
    assert [row.value for row in past] == [b'{"n":4}', b'{"n":5}', b'{"n":2}', b'{"n":3}']
    assert [(event.revision, event.value is None) for event in events] == [
        (12, False), (13, True), (14, False), (15, False), (17, False)
    ]  # fmt: skip
    assert events[1].previous == Row("/registry/pods/default/web-3", b'{"n":11}', 12, 4)
    assert (revision, oldest, later, damaged, unsealed) == (17, 5, [18], {}, [])
    assert state["schema"] == schema.VERSION
    assert state["identity"] > 0


async def test_a_store_of_version_1_opens_as_it_was(old: Path):
    await check(old)


def as_version_2(sql: Callable[[str], Iterable[Sequence[Any]]]) -> None:
    """Of a store of today what version 2 would have written. sql: carries out a statement."""
    sql("CREATE INDEX changes_by_key ON changes (key, revision)")
    as_version_3(sql, version=2)


def as_version_3(sql: Callable[[str], Iterable[Sequence[Any]]], *, version: int = 3) -> None:
    """Likewise, of one that had begun with version 2."""
    sql("UPDATE changes SET checksum = checksum & 4294967295 WHERE checksum >= 0")
    sql("UPDATE changes SET checksum = ~(~checksum & 4294967295) WHERE checksum < 0")
    sql(f"UPDATE state SET value = {version} WHERE name = 'schema'")
    numbers = dict(sql("SELECT name, value FROM state"))
    if "sum" in numbers:  # of a file
        sql(f"UPDATE state SET value = {state_sum(numbers)} WHERE name = 'sum'")


@pytest.fixture
async def version_2(database: str) -> str:
    """A database, of each kind once, as version 2 left it: keys with a past, one deleted, one with erased values."""
    log = await Log.open(database, retention=FOREVER)
    for number in range(12):
        await log.append(Write(f"/{number % 4}", b"%d" % number))
    await log.append(Write("/3", None), Write("/2", b"new", forget=True))
    await log.close()
    if "://" in database:
        with psycopg.connect(database, autocommit=True) as server:
            as_version_2(lambda statement: rows_of(server.execute(statement.encode())))
    else:
        with sqlite3.connect(database) as file:
            as_version_2(file.execute)
        file.close()
    return database


def rows_of(found: psycopg.Cursor[Any]) -> list[Any]:
    return found.fetchall() if found.description else []


async def test_a_store_of_version_2_opens_without_its_index_and_its_changes_say_whose_they_are(version_2: str):
    before = contents(version_2)
    log = await Log.open(version_2, retention=FOREVER)
    present, past = await log.items("/"), await log.items("/", revision=8)
    found = await log.check()
    await log.append(Write("/0", b"later"))
    await log.compact(log.revision)
    await log.close()

    assert [(row.key, row.value) for row in present] == [("/0", b"8"), ("/1", b"9"), ("/2", b"new")]
    assert [(row.key, row.value) for row in past] == [("/0", b"4"), ("/1", b"5"), ("/3", b"7")]
    assert found == (11, [])
    assert before.indexes == ["changes_by_key"]
    assert before.schema == 2
    after = contents(version_2)
    assert (after.indexes, after.schema) == ([], schema.VERSION)
    assert {row[:-1] for row in after.rows if row[0] <= 14} <= {row[:-1] for row in before.rows}
    assert all(is_named(*row[:2], row[-1]) for row in after.rows)


class Contents(NamedTuple):
    rows: list[Any]
    indexes: list[str]
    schema: int


def contents(url: str) -> Contents:
    def read(sql: Callable[[str], Iterable[Sequence[Any]]]) -> Contents:
        names = (
            "sqlite_master"
            if "://" not in url
            else "(SELECT indexname AS name FROM pg_indexes WHERE schemaname = current_schema()) i"
        )
        indexes = [name for (name,) in sql(f"SELECT name FROM {names} WHERE name = 'changes_by_key'")]
        ((schema,),) = sql("SELECT value FROM state WHERE name = 'schema'")
        return Contents(list(sql("SELECT * FROM changes ORDER BY revision")), indexes, schema)

    if "://" in url:
        with psycopg.connect(url) as server:
            return read(lambda statement: rows_of(server.execute(statement.encode())))
    with sqlite3.connect(url) as file:
        return read(file.execute)


async def test_on_postgresql_two_masters_that_open_at_once_change_it_once(shared: str, monkeypatch: pytest.MonkeyPatch):
    log = await Log.open(shared, retention=FOREVER)
    for number in range(30):
        await log.append(Write(f"/{number % 7}", b"%d" % number))
    await log.close()
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute("ALTER TABLE changes DROP COLUMN checksum")
        connection.execute("UPDATE state SET value = 1 WHERE name = 'schema'")
        connection.execute("DELETE FROM state WHERE name = 'identity'")
        connection.execute("CREATE INDEX changes_by_key ON changes (key, revision)")
    monkeypatch.setattr("store.migrations.PART", 4)
    logs = await asyncio.gather(*(Log.open(shared, retention=FOREVER) for _ in range(3)))
    with psycopg.connect(shared) as connection:
        state = dict(connection.execute("SELECT name, value FROM state").fetchall())
        unsealed = [row for row in connection.execute("SELECT * FROM changes") if not is_whole(row)]
        indexes = connection.execute("SELECT FROM pg_indexes WHERE indexname = 'changes_by_key' "
                                     "AND schemaname = current_schema()").fetchall()  # fmt: skip

    assert (state["schema"], unsealed, indexes) == (schema.VERSION, [], [])
    assert [len(await one.items("/")) for one in logs] == [7, 7, 7]
    assert len(await logs[0].events(0)) == 30
    for one in logs:
        await one.close()


@pytest.fixture
async def version_3(shared: str) -> str:
    """On PostgreSQL. Version 3 wrote every third change, version 2 the others, of which one is damaged."""
    log = await Log.open(shared, retention=FOREVER)
    for number in range(30):
        await log.append(Write(f"/{number % 7}", b"%d" % number if number % 5 else None))
    await log.close()
    with psycopg.connect(shared, autocommit=True) as server:
        kept = server.execute("SELECT revision, checksum FROM changes WHERE revision % 3 = 0").fetchall()
        as_version_3(lambda statement: rows_of(server.execute(statement.encode())))
        for revision, found in kept:
            server.execute("UPDATE changes SET checksum = %s WHERE revision = %s", (found, revision))
        server.execute("UPDATE changes SET value = 'bent' WHERE revision = 17")
    return shared


async def test_several_that_open_a_store_of_version_3_at_once_name_each_change_once(
    version_3: str, monkeypatch: pytest.MonkeyPatch
):
    """However often one of them ends between two parts; the one that is damaged does not come to pass for whole."""
    monkeypatch.setattr("store.migrations.PART", 4)
    parts = 0

    def dying(connection: Connection) -> None:
        nonlocal parts
        parts += 1
        step(connection)
        if parts % 3 == 0:
            raise MemoryError

    step = migrations.STEPS[3]
    monkeypatch.setitem(migrations.STEPS, 3, dying)

    async def opened() -> None:
        for _ in range(20):
            with contextlib.suppress(MemoryError):
                await Log.open(version_3, retention=FOREVER)

    with pytest.raises(Unusable, match="damaged: /2 at revision 17;"):
        await asyncio.gather(*(opened() for _ in range(3)))
    with psycopg.connect(version_3) as connection:
        rows = connection.execute("SELECT * FROM changes ORDER BY revision").fetchall()
        state = dict(connection.execute("SELECT name, value FROM state").fetchall())

    assert [row[0] for row in rows if not is_named(*row[:2], row[-1])] == [17]
    assert [row[0] for row in rows if not is_whole(row)] == [17]
    assert (state["schema"], "named" in state) == (schema.VERSION, False)


KILLED = """
import os, pathlib, signal, sqlite3, sys
from store import migrations
from store.dialects import sqlite
migrations.PART = 8
left = 0
connect = sqlite3.connect

def counting(statement):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def watched(*arguments, **named):
    connection = connect(*arguments, **named)
    connection.set_trace_callback(counting)
    return connection

content, directory = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])
status, lives = 9, 0
while status == 9:
    path = directory / str(lives) / "log.db"
    path.parent.mkdir()
    path.write_bytes(content)
    child = os.fork()
    if child == 0:
        left, sqlite3.connect = lives, watched
        database = sqlite.Sqlite(str(path))
        sqlite3.connect = connect
        database.close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    lives += 1
print(status, lives)
"""


async def test_killed_before_any_statement_it_is_whole_and_goes_on(old: Path, tmp_path: Path):
    """Each life is killed one statement later, until one comes to its end; after each the store opens as it was."""
    done = subprocess.run([sys.executable, "-c", KILLED, old, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status, lives = map(int, done.stdout.split())
    for life in range(lives):
        await check(tmp_path / str(life) / "log.db")

    assert status == 0
    assert lives > 40, "it was to be killed within each of its transactions"


FULL = """
import asyncio, pathlib, sqlite3, sys
from store import Log, StorageFull, migrations
migrations.PART = 100
directory = pathlib.Path(sys.argv[1])
path, ballast = directory / "log.db", directory / "ballast"
connection = sqlite3.connect(path)
connection.executescript(pathlib.Path(sys.argv[2]).read_text())
rows = [(number, f"/{number}", bytes(3000), number, 0) for number in range(100, 1100)]
connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", rows)
connection.commit()
connection.close()
ballast.write_bytes(bytes(7900 << 10))

async def main():
    try:
        await Log.open(path)
    except StorageFull as error:
        print(error)
    ballast.unlink()
    log = await Log.open(path)
    print(len(await log.items("/")))
    await log.close()

asyncio.run(main())
"""


@pytest.mark.kernel
def test_on_a_full_disk_it_is_told_and_goes_on_when_there_is_room(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=12m tmpfs {disk} && exec "$@"'
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh", sys.executable, "-c", FULL]
    done = subprocess.run([*command, disk, VERSION_1], capture_output=True, text=True)

    assert done.stdout.splitlines() == [f"{disk}/log.db: the disk is full", "1006"], done.stderr
