"""A backup reaches its file: from the API of a running master, or from the store of one that is stopped."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

import store
from procorch.restoration import KEYS
from store.backup import ROWS, Decoder, Encoder, Header, NotWhole, Summary

PATH = "/procorch/backup"
"""Where the API gives one, without keys."""


class BackupProblem(RuntimeError):
    """There is no backup; one line says why and what to do."""


async def from_store(url: str) -> AsyncIterator[bytes]:
    """Of a master that is stopped. Raises store.LogError: its master runs, say."""
    log = await store.Log.open(url, retention=store.Retention(age=None, size=None))
    try:
        async for piece in (await log.backup()).stream():
            yield piece
    finally:
        await log.close()


async def write(pieces: AsyncIterator[bytes], target: str, keys_of: Path | None) -> Summary:
    """Writes the file as a whole or not at all, each block proved on its way; `-` is standard output.

    keys_of: the data directory whose keys go into the backup; None for none. Raises BackupProblem, OSError, and what
    `pieces` raises.
    """
    decoder, encoder = Decoder(), None
    with _target(target) as out:
        try:
            async for piece in pieces:
                for kind, content in decoder.feed(piece):
                    if encoder is None:
                        encoder = Encoder(Header.decoded(content))
                        out.write(encoder.begin())
                        for name, key in _keys(keys_of):
                            out.write(encoder.file(name, key))
                    elif kind == ROWS:
                        out.write(encoder.rows_encoded(content))
            decoder.finish()
            assert encoder is not None
            out.write(encoder.end())
        except NotWhole as error:
            raise BackupProblem(f"what came is not whole: {error}") from error
    return encoder.summary()


def _keys(data_dir: Path | None) -> list[tuple[str, bytes]]:
    if data_dir is None:
        return []
    return [(name, (data_dir / name).read_bytes()) for name in KEYS if (data_dir / name).exists()]


@contextlib.contextmanager
def _target(target: str) -> Iterator[BinaryIO]:
    """A file of the owner's alone that gets its name when it is complete and on the disk."""
    if target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(target).absolute()
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
