"""A backup's file is whole or not there, the owner's alone, and has keys only from the machine that has them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from procorch import backups, pki
from procorch.backups import BackupProblem
from procorch.restoration import KEYS, STORE
from store import Log, Unusable, Write
from store.backup import check


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    found = tmp_path / "data"
    pki.Authority.open(found / "pki", 1_700_000_000)
    pki.signing_key(found / "pki")
    log = await Log.open(found / STORE)
    for number in range(50):
        await log.append(Write(f"/{number}", bytes(30_000)))
    await log.close()
    return found


def pieces_of(data_dir: Path) -> AsyncIterator[bytes]:
    return backups.from_store(str(data_dir / STORE))


async def test_a_backup_is_its_owners_alone_and_told_as_sha256sum_would(data_dir: Path, tmp_path: Path):
    target = tmp_path / "backup"
    told = await backups.write(pieces_of(data_dir), str(target), data_dir)
    with target.open("rb") as file:
        found = check(file)

    assert target.stat().st_mode & 0o777 == 0o600
    assert (told.size, told.sha256) == (target.stat().st_size, hashlib.sha256(target.read_bytes()).hexdigest())
    assert told == found
    assert (told.objects, told.files, told.header.revision) == (50, KEYS, 50)
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup"]


async def test_without_a_data_directory_there_are_no_keys(data_dir: Path, tmp_path: Path):
    await backups.write(pieces_of(data_dir), str(tmp_path / "backup"), None)

    assert b"PRIVATE KEY" not in (tmp_path / "backup").read_bytes()


@pytest.mark.parametrize("how", ["cut off", "a flipped bit", "broken off"])
async def test_what_does_not_arrive_whole_leaves_the_old_file(data_dir: Path, tmp_path: Path, how: str):
    target = tmp_path / "backup"
    target.write_bytes(b"yesterday's")
    content = bytearray(b"".join([piece async for piece in pieces_of(data_dir)]))

    async def spoiled() -> AsyncIterator[bytes]:
        if how == "a flipped bit":
            content[700_000] ^= 1
            yield bytes(content)
            return
        yield bytes(content[:-20])
        if how == "broken off":
            raise ConnectionError("the master was killed")

    with pytest.raises(ConnectionError if how == "broken off" else BackupProblem) as raised:
        await backups.write(spoiled(), str(target), data_dir)
    assert "\n" not in str(raised.value)
    assert target.read_bytes() == b"yesterday's"
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup"]


async def test_a_store_that_is_in_use_says_so(data_dir: Path, tmp_path: Path):
    log = await Log.open(data_dir / STORE)
    with pytest.raises(Unusable, match="in use by process"):
        await backups.write(pieces_of(data_dir), str(tmp_path / "backup"), None)
    await log.close()

    assert not (tmp_path / "backup").exists()


async def test_cancelled_it_leaves_nothing(data_dir: Path, tmp_path: Path):
    async def endless() -> AsyncIterator[bytes]:
        yield b"procorch backup 1\n"
        await asyncio.sleep(60)

    task = asyncio.get_running_loop().create_task(backups.write(endless(), str(tmp_path / "backup"), None))
    async with asyncio.timeout(5):
        while not list(tmp_path.glob(".backup.*")):
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not list(tmp_path.glob("*backup*")) and not list(tmp_path.glob(".backup*"))
