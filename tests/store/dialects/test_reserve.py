"""Room that is kept, given up and taken back."""

import os
from pathlib import Path

import pytest

from store.dialects import reserve
from store.dialects.reserve import SIZE, STEP, Reserve


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_it_is_real_blocks_and_gone_when_it_is_spent(tmp_path: Path):
    path = tmp_path / "reserve"
    made = Reserve(path)
    kept = blocks(path)
    spent = made.spend(last=False), blocks(path), made.spend(last=True)
    made.refill()

    assert kept >= SIZE
    assert spent == (True, 0, False)
    assert blocks(path) >= SIZE


def test_it_takes_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def little(fd: int, offset: int, size: int) -> None:
        if size > room:
            raise OSError(28, "No space left on device")
        os.truncate(fd, size)

    monkeypatch.setattr(reserve.os, "posix_fallocate", little)
    room = SIZE // 4 + 1
    some = Reserve(tmp_path / "some")
    room = STEP // 2
    none = Reserve(tmp_path / "none")

    assert (tmp_path / "some").stat().st_size == SIZE // 4
    assert [some.spend(last=last) for last in (False, True)] == [False, True], "the last of it is for compaction"
    assert not none.spend(last=True)


def test_what_cannot_be_had_is_no_failure(tmp_path: Path):
    assert not Reserve(tmp_path / "no" / "such" / "directory").spend(last=True)
    assert not Reserve(None).spend(last=True)
