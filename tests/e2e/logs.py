"""What the programs of a test wrote: shown when it fails, since the directories go with the test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

LINES = 60  # of each log's end
WIDTH = 600  # of each line
PATTERNS = ("log", "*.log", "*/log", "*/*.log", "*/log/*.log")  # no deeper: below are the pods' own files

_homes: list[Path] = []


def home() -> Path:
    """A directory for the programs of one cluster, readable to pods; whoever asks for it removes it."""
    made = Path(tempfile.mkdtemp(prefix="procorch-e2e-"))
    made.chmod(0o755)
    _homes.append(made)
    return made


def tails(since: float, *others: Path) -> Iterator[tuple[str, str]]:
    """(path, its end) of each log below the homes and others that was written to since then. since: of time.time."""
    _homes[:] = [home for home in _homes if home.is_dir()]
    for directory in (*_homes, *others):
        for path in sorted({path for pattern in PATTERNS for path in directory.glob(pattern) if path.is_file()}):
            if path.stat().st_mtime >= since:
                lines = path.read_text(errors="replace").splitlines()
                yield str(path), "\n".join(line[:WIDTH] for line in lines[-LINES:])
