"""A backup takes the place of what a data directory holds: all of it at one moment, or nothing.

    restore.part/      made in peace: store.db, pki/…
    restore.ready/     the same, renamed: from this moment on it is done, whatever is killed
        │ finish: what was there moves into before-restore-…/, what is new into its place
        ▼
    store.db, pki/…

`finish` is called by whoever uses the directory next (a master, `up`, another restore), and may itself be killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import store
from procorch.pki import write_private, write_public
from store.backup import FILE, Summary, blocks, check, file_of, rows
from store.dialects import mark
from store.dialects.inspection import mark_of
from store.dialects.ownership import claim
from store.restoration import Occupied, restore

PART, READY = "restore.part", "restore.ready"
STORE = "store.db"
BESIDE = tuple(STORE + end for end in ("-wal", "-shm", ".mark"))
KEYS = ("pki/ca.crt", "pki/ca.key", "pki/service-account.key")
"""What only a master has, and without which no agent, kubeconfig or token of the old cluster is believed."""
MADE_FROM_KEYS = ("pki/apiserver.crt", "pki/apiserver.key", "admin.kubeconfig")
_ASIDE = "aside"  # in READY: the name of the directory for what was there


class RestoreProblem(RuntimeError):
    """Nothing was changed; one line says why and what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """revision: at which the store stands. aside: where what was there is now, None where nothing was."""

    summary: Summary
    revision: int
    aside: Path | None


def restore_into(
    data_dir: Path, backup: Path, *, database: str = "", force: bool = False, clock: Callable[[], float] = time.time
) -> Restored:
    """Restores into the directory's own store, or into `database` (a URL) with the keys into the directory.

    Raises RestoreProblem, OSError.
    """
    with _claimed(data_dir), backup.open("rb") as file:
        summary = _checked(file, backup)
        keys = _keys(file, data_dir)
        _refuse(data_dir, keys, own_store=not database, force=force)
        now = clock()
        name = time.strftime("before-restore-%Y%m%d-%H%M%S", time.gmtime(now))
        part = data_dir / PART
        shutil.rmtree(part, ignore_errors=True)
        try:
            _write_keys(part, keys, name)
            file.seek(0)
            if database:  # killed between the keys and the commit it may be done again: keys alone are no harm
                schema = name.replace("-", "_") if force else ""
                put: list[Path | None] = []
                revision = restore(
                    database, summary.header, rows(file), now, aside=schema,
                    last_of_all=lambda: put.append(_ready(data_dir)),
                )  # fmt: skip
                (aside,) = put
            else:
                highest = highest_in(data_dir / STORE)
                revision = restore(str(part / STORE), summary.header, rows(file), now, highest=highest)
                (part / f"{STORE}.lock").unlink()
                aside = _ready(data_dir)
        except Occupied as error:
            raise RestoreProblem(f"{error}; --force puts what is there aside") from error
        except store.LogError as error:
            raise RestoreProblem(str(error)) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return Restored(summary, revision, aside)


def finish(data_dir: Path) -> None:
    """Puts a restore in place that was ready when it was killed. Raises RestoreProblem while one is under way."""
    if (data_dir / READY).is_dir():
        with _claimed(data_dir):
            pass


def _finish(data_dir: Path) -> Path | None:
    """Where what was there is now, None where nothing was. Raises OSError."""
    ready = data_dir / READY
    if not ready.is_dir():
        return None
    aside = data_dir / ((ready / _ASIDE).read_text().strip() or "before-restore")
    fresh = [name for name in (*KEYS, STORE) if (ready / name).exists()]
    old: list[str] = []
    if STORE in fresh:
        old += BESIDE
    if KEYS[0] in fresh:
        old += MADE_FROM_KEYS
    # What belongs to the old store goes first: the new one must never be read with the old one's journal.
    for name in [*old, *fresh]:
        if (data_dir / name).exists():
            _move(data_dir / name, aside / name)
    for name in fresh:
        _move(ready / name, data_dir / name)
    ready.rename(data_dir / PART)  # at one moment; half of it would be no restore that is ready
    shutil.rmtree(data_dir / PART)
    _sync(data_dir)
    return aside if aside.exists() else None


def highest_in(database: Path) -> int:
    """The highest number that an SQLite store may have given, as far as it can be read; 0 where there is none."""
    import sqlite3

    found = max(mark.read(mark_of(database)))
    if not database.exists():
        return found
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        question = (
            "SELECT max(revision) FROM changes UNION ALL SELECT value FROM state WHERE name IN ('reserved', 'oldest')"
        )
        found = max(found, *(number or 0 for (number,) in connection.execute(question)))
    return found


@contextlib.contextmanager
def _claimed(data_dir: Path) -> Iterator[None]:
    """No master meanwhile, and no other restore; what an earlier one left is put in place first."""
    try:
        lock = claim(data_dir / STORE)
    except store.Unusable as error:
        raise RestoreProblem(f"{error}; stop the master first (`procorch down`)") from error
    except store.LogError as error:
        raise RestoreProblem(str(error)) from error
    try:
        _finish(data_dir)
        yield
    finally:
        os.close(lock)


def _checked(file: BinaryIO, backup: Path) -> Summary:
    """The whole file is proved before anything is touched."""
    try:
        return check(file)
    except store.LogError as error:
        raise RestoreProblem(f"{backup}: {error}; nothing was changed") from error


def _keys(file: BinaryIO, data_dir: Path) -> dict[str, bytes]:
    """The keys of the backup that are not in the directory already."""
    file.seek(0)
    found = dict(file_of(block) for block in blocks(file) if block.kind == FILE)
    there = {name: (data_dir / name).read_bytes() for name in KEYS if (data_dir / name).exists()}
    return {name: content for name, content in found.items() if name in KEYS and there.get(name) != content}


def _write_keys(part: Path, keys: Mapping[str, bytes], aside: str) -> None:
    part.mkdir(mode=0o700)
    for name, content in keys.items():
        (write_public if name.endswith(".crt") else write_private)(part / name, content)
    (part / _ASIDE).write_text(aside)


def _refuse(data_dir: Path, keys: Mapping[str, bytes], *, own_store: bool, force: bool) -> None:
    if force:
        return
    database = data_dir / STORE
    if own_store and any((data_dir / name).exists() and (data_dir / name).stat().st_size for name in (STORE, *BESIDE)):
        raise RestoreProblem(f"{database} holds a store already; --force puts it aside, or choose another --data-dir")
    for name in keys:
        if (data_dir / name).exists():
            raise RestoreProblem(f"{data_dir / name} is another than in the backup; --force puts it aside")


def _ready(data_dir: Path) -> Path | None:
    """The moment from which on the restore is done, and what follows from it."""
    part = data_dir / PART
    for directory in (part, part / "pki"):
        if directory.is_dir():
            _sync(directory)
    part.rename(data_dir / READY)
    _sync(data_dir)
    return _finish(data_dir)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source.rename(target)
    _sync(source.parent)
    _sync(target.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
