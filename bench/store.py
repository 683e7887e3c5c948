"""The store's figures: writes beside etcd, start-up, memory: `python -m bench store`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import uvloop

from bench import commits, startup


def rows() -> list[tuple[str, str]]:
    """(what, figure). Takes some five minutes; uses the disk of the temporary directory (TMPDIR)."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as a user of its own
        found = []
        for part in (commits, startup):
            found += uvloop.run(part.measure(directory))
    return found
