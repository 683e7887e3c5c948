"""A restore is done at one moment, whatever is killed, and what was there stays."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from procorch import backups, pki
from procorch.restoration import BESIDE, KEYS, PART, READY, STORE, RestoreProblem, finish, restore_into
from store import Log, Retention, Write

FOREVER = Retention(age=None, size=None)


async def cluster(data_dir: Path, name: str) -> None:
    """A data directory as a master that was killed leaves it: keys, and a store with its journal."""
    pki.Authority.open(data_dir / "pki", 1_700_000_000)
    pki.signing_key(data_dir / "pki")
    (data_dir / "admin.kubeconfig").write_text(name)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", FILL, data_dir / STORE, name)
    assert await child.wait() == -9


FILL = """
import asyncio, os, signal, sys
from store import Log, Write

async def main():
    log = await Log.open(sys.argv[1])
    for number in range(20):
        await log.append(Write(f"/{number}", sys.argv[2].encode()))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def contents(data_dir: Path) -> tuple[set[bytes], int, bytes]:
    """The values of the store, its revision, and the CA beside it, as the next master finds them."""
    finish(data_dir)
    log = await Log.open(data_dir / STORE, retention=FOREVER)
    values = {row.value for row in await log.items("/")}
    revision = log.revision
    await log.close()
    return values, revision, (data_dir / "pki/ca.crt").read_bytes()


@pytest.fixture
async def backup(tmp_path: Path) -> Path:
    """Of a cluster whose values are all `old`."""
    await cluster(tmp_path / "old", "old")
    path = tmp_path / "backup"
    await backups.write(backups.from_store(str(tmp_path / "old" / STORE)), str(path), tmp_path / "old")
    return path


async def test_on_an_empty_machine_objects_and_keys_are_as_they_were(backup: Path, tmp_path: Path):
    done = restore_into(tmp_path / "new", backup)

    assert done.aside is None
    assert await contents(tmp_path / "new") == ({b"old"}, done.revision, (tmp_path / "old/pki/ca.crt").read_bytes())
    for name in KEYS:
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "old" / name).read_bytes()
        assert (tmp_path / "new" / name).stat().st_mode & 0o077 == (0o044 if name.endswith(".crt") else 0)
    assert {path.name for path in (tmp_path / "new").iterdir()} >= {STORE, "pki"}
    assert not list((tmp_path / "new").glob("restore.*"))


async def test_what_is_there_is_refused_or_put_aside_whole(backup: Path, tmp_path: Path):
    there = tmp_path / "there"
    await cluster(there, "there")
    with pytest.raises(RestoreProblem, match="--force"):
        restore_into(there, backup)
    before = await contents(there)
    await cluster(there, "there")  # with a journal again
    assert before[0] == {b"there"}
    done = restore_into(there, backup, force=True)

    assert done.aside is not None and done.aside.parent == there
    assert (await contents(there))[0] == {b"old"}
    assert await contents(done.aside) == ({b"there"}, (await contents(done.aside))[1], before[2])
    assert done.revision > before[1]


async def test_it_goes_on_above_an_old_store_that_is_further_than_time_can_tell(backup: Path, tmp_path: Path):
    there = tmp_path / "there"
    log = await Log.open(there / STORE, reserved=10**15)
    await log.append(Write("/a", b"x"))
    await log.close()
    Path(f"{there / STORE}.mark").unlink()
    log = await Log.open(there / STORE, reserved=10**15)  # not closed: what it set aside may have been given
    done = None
    try:
        with pytest.raises(RestoreProblem, match="in use by process"):
            restore_into(there, backup, force=True)
    finally:
        await log._upkeep.reserve(log.revision + 10**16)
        await log._writer.stop()
        await log._disk.close()
        await asyncio.to_thread(log._dialect.close)
    done = restore_into(there, backup, force=True)

    assert done.revision > 10**16


async def test_a_damaged_backup_touches_nothing(backup: Path, tmp_path: Path):
    there = tmp_path / "there"
    await cluster(there, "there")
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 4
    backup.write_bytes(content)
    before = {path: path.read_bytes() for path in there.rglob("*") if path.is_file() and path.suffix != ".lock"}
    with pytest.raises(RestoreProblem, match=r"damaged behind byte .*; nothing was changed"):
        restore_into(there, backup, force=True)

    assert {path: path.read_bytes() for path in there.rglob("*") if path.is_file() and path.suffix != ".lock"} == before


async def test_keys_of_another_cluster_are_not_overwritten_and_equal_ones_are_no_hindrance(
    backup: Path, tmp_path: Path
):
    other, same = tmp_path / "other", tmp_path / "same"
    pki.Authority.open(other / "pki", 1_700_000_000)
    with pytest.raises(RestoreProblem, match="another than in the backup"):
        restore_into(other, backup)
    for name in KEYS:
        (same / name).parent.mkdir(parents=True, exist_ok=True)
        (same / name).write_bytes((tmp_path / "old" / name).read_bytes())

    assert restore_into(same, backup).aside is None


KILLED = """
import os, pathlib, shutil, signal, sys
from procorch.restoration import restore_into
import sqlalchemy.dialects.sqlite, store.dialects, store.restoration
source, backup, lives = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
left = None

def hook(event, arguments):
    global left
    if left is None or not (event.startswith(("os.", "shutil.")) or event in ("open", "sqlite3.connect")):
        return
    left -= 1
    if left < 0:
        left = None  # the kill itself is an event, too
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
status, life = 9, 0
while status == 9:
    shutil.copytree(source, lives / str(life))
    child = os.fork()
    if child == 0:
        left = life
        restore_into(lives / str(life), backup, force=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    life += 1
print(status, life)
"""


async def test_killed_before_any_step_it_is_all_done_or_nothing(backup: Path, tmp_path: Path):
    """Each life is killed one action on the file system later; then the next master opens what is there."""
    there = tmp_path / "there"
    await cluster(there, "there")
    new, old = (tmp_path / "old/pki/ca.crt").read_bytes(), (there / "pki/ca.crt").read_bytes()
    (tmp_path / "lives").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, there, backup, tmp_path / "lives"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    status, lives = map(int, done.stdout.split())
    outcomes = []
    for life in range(lives):
        values, _, ca = await contents(tmp_path / "lives" / str(life))
        assert (values, ca) in (({b"old"}, new), ({b"there"}, old)), f"killed at step {life}"
        outcomes.append(values == {b"old"})

    assert status == 0, done.stderr
    assert outcomes == sorted(outcomes), "once it is done it stays done"
    assert outcomes[0] is False and outcomes[-1] is True
    assert sum(outcomes) > 10 and len(outcomes) - sum(outcomes) > 10


async def test_with_a_database_elsewhere_the_keys_go_into_the_directory(backup: Path, tmp_path: Path, shared: str):
    done = restore_into(tmp_path / "new", backup, database=shared)
    log = await Log.open(shared, retention=FOREVER)

    assert {row.value for row in await log.items("/")} == {b"old"}
    assert log.revision >= done.revision
    await log.close()
    assert (tmp_path / "new/pki/ca.key").exists() and not (tmp_path / "new" / STORE).exists()
    with pytest.raises(RestoreProblem, match="--force"):
        restore_into(tmp_path / "new", backup, database=shared)
    with pytest.raises(RestoreProblem, match="--force"):
        restore_into(tmp_path / "third", backup, database=shared)
    assert not (tmp_path / "third/pki").exists(), "what is refused changes nothing"


def test_names_of_the_directory_are_the_stores():
    assert {PART, READY}.isdisjoint({STORE, *BESIDE})
