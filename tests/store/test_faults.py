"""Disks that are full, failing or held by others: callers are told, everything else goes on, and it heals."""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from store import Event, Log, Row, Unavailable, Write

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def python(program: str, *arguments: object, before: list[str]) -> str:
    command = [*before, sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_while_another_program_holds_the_database_only_appends_fail(path: Path):
    log = await Log.open(path, patience=0.1)
    await log.append(Write("/a", b"1"))
    await log.append(Write("/a", b"2"))
    events: list[Event] = []
    log.subscribe(events.extend)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(Unavailable, match="another program"):
        await log.append(Write("/a", b"3"))
    assert await log.note(Write("/beat", b"1")) == 3
    assert await log.latest("/a") == Row("/a", b"2", 2, 1)
    assert await log.at("/a", 1) == Row("/a", b"1", 1, 1)
    assert [event.key for event in events] == ["/beat"]

    other.execute("ROLLBACK")
    other.close()
    assert await log.append(Write("/a", b"3")) == [4]
    await log.close()


async def test_a_failed_commit_leaves_no_hole_when_no_note_came_behind_it(path: Path):
    log = await Log.open(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    failed = await asyncio.gather(
        *(log.append(Write(f"/{number}", b"x")) for number in range(3)), return_exceptions=True
    )
    other.execute("ROLLBACK")
    other.close()

    assert [type(error) for error in failed] == [Unavailable] * 3
    assert await log.append(Write("/a", b"1")) == [1]
    await log.close()


async def test_a_conflict_with_what_failed_to_commit_is_not_told_as_one(path: Path):
    log = await Log.open(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(
        log.append(Write("/a", b"1", 0)), log.append(Write("/a", b"2", 0)), return_exceptions=True
    )
    other.close()

    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    await log.close()


FULL = """
import asyncio, pathlib, sys
from store import Log, StorageFull, Write

async def main():
    directory = pathlib.Path(sys.argv[1])
    ballast = directory / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    log = await Log.open(directory / "log.db")
    events, written = [], 0
    log.subscribe(events.extend)
    try:
        while True:
            await log.append(Write(f"/{written}", bytes(20_000)), Write(f"/{written}/b", b""))
            written += 1
    except StorageFull:
        pass
    before = log.revision
    try:
        await log.append(Write("/half", bytes(3000)), Write("/half/b", bytes(500_000)))
    except StorageFull:
        pass
    assert log.revision == before and await log.latest("/half") is None
    assert await log.note(Write("/beat", b"1")) == before + 1 == events[-1].revision
    assert len(await log.items("/", revision=written)) == written
    ballast.unlink()
    assert await log.append(Write("/again", b"x")) == [before + 2]
    await log.close()
    log = await Log.open(directory / "log.db")
    assert len(await log.items("/")) == 2 * written + 1, "nothing acknowledged is lost, nothing else is there"
    assert [event.revision for event in events] == list(range(1, before + 3))
    await log.close()
    print("healed", written)

asyncio.run(main())
"""


@pytest.mark.kernel
def test_a_full_disk_is_told_and_heals_when_there_is_room(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=4m tmpfs {disk} && exec "$@"'

    assert "healed" in python(FULL, disk, before=["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh"])


DELETING = """
import asyncio, contextlib, pathlib, sys
from store import Log, StorageFull, Write

async def main():
    directory = pathlib.Path(sys.argv[1])
    log = await Log.open(directory / "log.db")
    for number in range(0, 400, 20):
        await log.append(*(Write(f"/{number + more}", bytes(1000)) for more in range(20)))
    with (directory / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))

    async def create(number):
        while True:
            try:
                await log.append(Write(f"/more/{number}", bytes(1000)))
            except StorageFull:
                full.set()
            await asyncio.sleep(0)

    full = asyncio.Event()
    creators = [asyncio.create_task(create(number)) for number in range(8)]
    await full.wait()
    before = len(await log.items("/"))
    for number in range(400):
        await log.append(Write(f"/{number}", None), spare=True)
    for creator in creators:
        creator.cancel()
    await asyncio.wait(creators)
    await log.close()
    log = await Log.open(directory / "log.db")
    left = await log.items("/")
    assert all(row.key.startswith("/more/") for row in left)
    for row in left:
        await log.append(Write(row.key, None, row.revision), spare=True)
    await log.compact(log.revision)
    (directory / "ballast").unlink()
    await log.append(*(Write(f"/again/{number}", bytes(1000)) for number in range(50)))
    print("deleted", before, len(left))
    await log.close()

asyncio.run(main())
"""


@pytest.mark.kernel
def test_on_a_full_disk_one_can_delete_and_compact(tmp_path: Path):
    """Also while others go on trying to write."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=5m tmpfs {disk} && exec "$@"'
    before = ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh"]

    assert "deleted" in python(DELETING, disk, before=before)


FAILING = """
import asyncio, sys
from store import Log, Unknown, Write

async def main():
    log = await Log.open(sys.argv[1])
    events, kept, unknown = [], [], 0
    log.subscribe(events.extend)
    for number in range(60):
        try:
            kept.append((await log.append(Write(f"/{number}", b"x")))[0])
        except Unknown:
            unknown += 1
            assert await log.latest(f"/{number}") is None
            assert await log.note(Write("/beat", b"")) == log.revision
    assert [event.revision for event in events if event.key != "/beat"] == kept
    assert kept == sorted(set(kept)) and unknown and kept
    await log.close()
    log = await Log.open(sys.argv[1])
    assert sorted(row.revision for row in await log.items("/")) == kept
    await log.close()
    print("healed", unknown)

asyncio.run(main())
"""


@needs_strace
def test_an_io_error_while_committing_is_unknown_and_heals(path: Path):
    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]

    assert "healed" in python(FAILING, path, before=[*inject, "inject=fdatasync:error=EIO:when=20+13"])


ACKNOWLEDGE = """
import asyncio, os, sys
from store import Log, Write

async def main():
    log = await Log.open(sys.argv[1])
    await asyncio.sleep(0.1)
    for number in range(20):
        await log.append(Write("/a", b"%d" % number))
        os.write(1, b"acknowledged\\n")
    os._exit(0)

asyncio.run(main())
"""


@needs_strace
def test_the_journal_is_on_disk_before_an_append_returns(path: Path, tmp_path: Path):
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,pwrite64,write"
    python(ACKNOWLEDGE, path, before=["strace", "-f", "-y", "-qq", "-o", str(trace), "-e", calls])

    acknowledged, dirty = 0, False
    synced = written = 0
    for line in trace.read_text().splitlines():
        if re.search(r"pwrite64\(\d+<[^>]*-wal>", line):
            dirty, written = True, written + 1
        elif re.search(r"(fdatasync|fsync)(\(\d+<[^>]*-wal>| resumed).*= 0", line):
            dirty, synced = False, synced + 1
        elif "acknowledged" in line:
            acknowledged += 1
            assert not dirty and synced >= acknowledged
    assert acknowledged == 20 and written >= 20
