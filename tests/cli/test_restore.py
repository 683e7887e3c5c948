"""`procorch restore`: what it says, and what it refuses (kills: tests/procorch/test_restoration.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.procorch, [str(word) for word in words])


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    import asyncio

    from store import Log, Write

    async def fill() -> None:
        log = await Log.open(tmp_path / "old/store.db")
        await log.append(*(Write(f"/{number}", b"x") for number in range(5)))
        await log.close()

    asyncio.run(fill())
    assert run("backup", tmp_path / "backup", "--data-dir", tmp_path / "old").exit_code == 0
    return tmp_path / "backup"


def test_it_says_what_was_restored_and_what_comes_next(backup: Path, tmp_path: Path):
    result = run("restore", backup, "--data-dir", tmp_path / "new")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("restored 5 objects as of revision 5; it goes on at ")
    assert "agents must join anew" in result.stderr, "there were no keys"


def test_from_standard_input(backup: Path, tmp_path: Path):
    command = [sys.executable, "-m", "cli", "restore", "-", "--data-dir", tmp_path / "new"]
    with backup.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True)

    assert done.stdout.startswith("restored 5 objects"), done.stderr


def test_what_is_there_is_put_aside_only_with_force(backup: Path, tmp_path: Path):
    refused = run("restore", backup, "--data-dir", tmp_path / "old")
    forced = run("restore", backup, "--data-dir", tmp_path / "old", "--force")

    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "holds a store already; --force puts it aside" in refused.stderr
    assert forced.exit_code == 0
    assert "what was there is in " in forced.stdout


@pytest.mark.parametrize("content,words", [(b"something else", "not a backup"), (b"", "cut off")])
def test_a_file_that_is_no_backup_is_one_line(tmp_path: Path, content: bytes, words: str):
    (tmp_path / "file").write_bytes(content)
    result = run("restore", tmp_path / "file", "--data-dir", tmp_path / "new")

    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert words in result.stderr
    assert not (tmp_path / "new/store.db").exists()


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path):
    result = run("restore", tmp_path / "none", "--data-dir", tmp_path / "new")

    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}/none: No such file or directory\n")
