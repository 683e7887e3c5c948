"""Changes in a directory are heard, and only those that are meant."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from runtime.changes import Changes


async def heard(changes: Changes, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await changes.wait()
    except TimeoutError:
        return False
    return True


async def test_what_is_written_made_or_renamed_is_heard_once(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    try:
        for act in (
            lambda: (tmp_path / "a").write_text("1"),
            lambda: (tmp_path / "a").write_text("2"),
            lambda: (tmp_path / "a").rename(tmp_path / "b"),
            lambda: (tmp_path / "d").mkdir(),
        ):
            act()
            assert await heard(changes, 5)
            while await heard(changes, 0.02):
                pass
        changes.poke()
        assert await heard(changes, 5)
    finally:
        changes.close()


async def test_only_the_file_of_that_name_counts(tmp_path: Path) -> None:
    changes = Changes(tmp_path, "names.json")
    try:
        (tmp_path / "other").write_text("1")
        (tmp_path / ".names.json").write_text("1")
        assert not await heard(changes, 0.05)
        (tmp_path / ".names.json").rename(tmp_path / "names.json")
        assert await heard(changes, 5)
    finally:
        changes.close()


async def test_too_much_at_once_counts_as_a_change(tmp_path: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in "ab"]
    changes = Changes(tmp_path, "names.json")
    try:
        for number in range(most + 1):  # in turns, as like events in a row are one; the loop does not read meanwhile
            os.pwrite(files[number % 2], b"x", 0)
        assert await heard(changes, 5)
    finally:
        changes.close()
        for file in files:
            os.close(file)


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"inotify on .*/no: No such file"):
        Changes(tmp_path / "no")
