import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from store import Log, Unusable, Write, schema
from store.dialects.sqlite import Sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


async def refusal(path: Path) -> str:
    with pytest.raises(Unusable) as raised:
        await Log.open(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def test_a_commit_is_synced_and_deleted_bytes_are_overwritten(path: Path):
    dialect = Sqlite(str(path))
    connection = dialect.connect()
    settings = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete")
    }
    connection.close()
    dialect.close()

    assert settings == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


async def test_a_second_process_is_refused_and_told_the_first(path: Path):
    hold = f"import fcntl, sys; f = open({str(path) + '.lock'!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX)\n"
    hold += "f.write('4711\\n'); f.flush(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        message = await refusal(path)

    assert message == f"{path}: in use by process 4711"
    log = await Log.open(path)  # the holder has ended, its lock with it
    assert await refusal(path) == f"{path}: in use by process {os.getpid()}"
    await log.close()


async def test_a_newer_schema_is_refused(path: Path):
    await (await Log.open(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE state SET value = {schema.VERSION + 1} WHERE name = 'schema'")

    assert f"written by a newer version (schema {schema.VERSION + 1}" in await refusal(path)


async def test_another_programs_database_is_refused_and_left_as_it_is(path: Path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE accounts (name)")
    content = path.read_bytes()

    assert "another program" in await refusal(path)
    assert path.read_bytes() == content


async def test_a_file_that_is_no_database_is_refused(path: Path):
    path.write_bytes(b"not a database, though long enough to be taken for one" * 100)

    assert "damaged" in await refusal(path)


async def test_a_damaged_database_is_refused(path: Path):
    log = await Log.open(path)
    await log.append(*(Write(f"/{number}", b"x" * 3000) for number in range(100)))
    await log.close()
    content = bytearray(path.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    path.write_bytes(content)

    assert "damaged" in await refusal(path)


async def test_a_directory_in_the_way_or_a_place_without_room_is_one_line(tmp_path: Path):
    assert "cannot be opened" in await refusal(tmp_path)
    assert "cannot be opened" in await refusal(Path("/proc/self/log.db"))


async def test_an_unknown_kind_of_database_is_refused():
    with pytest.raises(Unusable, match="no such database here"):
        await Log.open("mysql://localhost/x")


async def test_values_are_readable_to_their_owner_alone(path: Path):
    log = await Log.open(path)
    await log.append(Write("/a", b"1"))
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    await log.close()

    assert set(modes.values()) == {"0o600"}
