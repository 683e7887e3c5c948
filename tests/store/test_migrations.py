"""A store that an older version wrote opens, and is whole wherever the change to today's schema was killed."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from store import Log, Retention, Row, Write, schema
from store.checksum import is_whole

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


async def test_on_postgresql_two_masters_that_open_at_once_change_it_once(shared: str, monkeypatch: pytest.MonkeyPatch):
    log = await Log.open(shared, retention=FOREVER)
    for number in range(30):
        await log.append(Write(f"/{number % 7}", b"%d" % number))
    await log.close()
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute("ALTER TABLE changes DROP COLUMN checksum")
        connection.execute("UPDATE state SET value = 1 WHERE name = 'schema'")
        connection.execute("DELETE FROM state WHERE name = 'identity'")
    monkeypatch.setattr("store.migrations.PART", 4)
    logs = await asyncio.gather(*(Log.open(shared, retention=FOREVER) for _ in range(3)))
    with psycopg.connect(shared) as connection:
        state = dict(connection.execute("SELECT name, value FROM state").fetchall())
        unsealed = [row for row in connection.execute("SELECT * FROM changes") if not is_whole(row)]

    assert (state["schema"], unsealed) == (schema.VERSION, [])
    assert [len(await one.items("/")) for one in logs] == [7, 7, 7]
    assert len(await logs[0].events(0)) == 30
    for one in logs:
        await one.close()


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
