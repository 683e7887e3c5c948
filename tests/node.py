"""Packages of npm, installed once into the user's cache: for the tests alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

SECONDS = 180


class Missing(Exception):
    """Why the package cannot be had here."""


def modules(package: str) -> Path:
    """A `node_modules` with this package in it. package: with its version, `@a/b@1.2.3`. Raises Missing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("needs node and npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "procorch-node"
    kept = cache / package.replace("/", "+")
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            made = Path(directory) / "made"
            made.mkdir()
            command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", package]
            try:
                done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise Missing(f"{package}: not installed within {SECONDS} s") from None
            if done.returncode != 0:
                raise Missing(f"{package}: npm could not install it: {done.stderr.strip()[-300:]}")
            with suppress(OSError):  # another run was quicker
                made.rename(kept)
    return kept / "node_modules"
