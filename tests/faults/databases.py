"""The databases that faults are tried on, each a row of `DATABASES`: how to have one, and how to look at it from
outside, past every line of the store's own code."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgresql

Row = tuple[int, str, bytes | None]
"""Revision, key and value of one change."""
CHANGES = "SELECT revision, key, value FROM changes WHERE revision > {} ORDER BY revision"
_numbers = itertools.count()
_servers: dict[str, postgresql.Server] = {}


@dataclass(frozen=True)
class Database:
    """make: a new, empty one in a directory, for as long as the context lasts; its URL.

    changes: what a URL's database has on disk after a revision, in order; nobody need have closed it.
    notes: the heartbeats that outlive the process that made them.
    processes: how many may have it open at once.
    faults: what can happen to its server, by name, while those processes live.
    settings: module attributes of the store that make rare things frequent (checkpoints) in a life of 0.1 s.
    """

    name: str
    make: Callable[[Path], AbstractContextManager[str]]
    changes: Callable[[str, int], list[Row]]
    notes: Callable[[str], list[Row]] = lambda url: []
    keeps_notes: bool = False
    processes: int = 1
    faults: Mapping[str, Callable[[str], None]] = field(default_factory=dict)
    settings: tuple[tuple[str, str, Any], ...] = ()

    @property
    def is_server(self) -> bool:
        """One that a master is told of by --database, not a file of its own."""
        return self.processes > 1


@contextmanager
def _sqlite(directory: Path) -> Iterator[str]:
    yield str(directory / "log.db")


def _sqlite_changes(url: str, after: int) -> list[Row]:
    """Reads a copy, so that the files that the next life finds are as the last one left them."""
    with tempfile.TemporaryDirectory() as directory:
        for end in ("", "-wal"):
            if Path(url + end).exists():
                shutil.copyfile(url + end, f"{directory}/copy{end}")
        with closing(sqlite3.connect(f"{directory}/copy")) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'changes'").fetchone():
                return []
            return connection.execute(CHANGES.format("?"), (after,)).fetchall()


@contextmanager
def _postgresql(directory: Path) -> Iterator[str]:
    if postgresql.binaries() is None:
        pytest.skip("needs PostgreSQL")
    server = postgresql.Server()
    url = server.schema(f"f{os.getpid()}_{next(_numbers)}")
    _servers[url] = server
    try:
        yield url
    finally:
        server.stop()


def _postgresql_changes(url: str, after: int) -> list[Row]:
    return _rows(url, CHANGES.format("%s"), after)


def _postgresql_notes(url: str) -> list[Row]:
    return _rows(url, "SELECT revision, key, value FROM notes")


def _terminate(url: str) -> None:
    """Connections of our processes end, in whatever statement they are."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'procorch'"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(query.encode())


def _crash(url: str) -> None:
    """`pg_ctl restart -m immediate`: no checkpoint, and what is unlogged is lost."""
    _servers[url].crash()


def _rows(url: str, query: str, *values: int) -> list[Row]:
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            return connection.execute(query.encode(), values).fetchall()
        except psycopg.errors.UndefinedTable:  # killed before it had made any
            return []


DATABASES = (
    Database(
        "sqlite",
        _sqlite,
        _sqlite_changes,
        settings=(
            ("store.dialects.sqlite", "CHECKPOINT_BYTES", 128 << 10),
            ("store.dialects.sqlite", "CHECKPOINT_PAGES_WRITER", 256),
        ),
    ),
    Database(
        "postgresql",
        _postgresql,
        _postgresql_changes,
        notes=_postgresql_notes,
        keeps_notes=True,
        processes=2,
        faults={"connections end": _terminate, "the server crashes": _crash},
    ),
)
