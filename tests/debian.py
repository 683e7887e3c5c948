"""Programs of Debian's packages, unpacked into the user's cache and never installed: for the tests alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SECONDS = 120


class Missing(Exception):
    """Why the program cannot be had here."""


def program(package: str, path: str) -> Path:
    """A program of a package that needs no other package at run time. path: as it is in the package.

    Raises Missing.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "procorch-debian"
    kept = cache / package
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            root = Path(directory) / "root"
            _run(directory, "apt-get", "download", "--quiet", package)
            archives = list(Path(directory).glob("*.deb"))
            _run(directory, "dpkg", "-x", *map(str, archives), str(root))
            try:
                root.rename(kept)
            except OSError:  # another run was quicker
                shutil.rmtree(root)
    found = kept / path.lstrip("/")
    if not found.exists():
        raise Missing(f"Debian's {package} of this release has no {path}")
    return found


def _run(directory: str, *command: str) -> None:
    if shutil.which(command[0]) is None:
        raise Missing(f"needs {command[0]}, which unpacks Debian's packages")
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Missing(f"{' '.join(command)}: not done within {SECONDS} s") from None
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
