"""The names that images in a store go by, in one file: given by hand when an archive was loaded, or by a registry.

names.json   {"docker.io/library/app:1": "sha256:…",                      loaded
              "registry.local/app:2": {"id": "sha256:…", "digest": …}}     pulled
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .changes import Changes
from .layers import Refused

FILE = "names.json"


@dataclass(frozen=True, slots=True)
class Name:
    """id: of the image. digest: what the registry has by this name, empty for a loaded one; pulled_at: epoch seconds.

    access: fingerprints of the credentials that the registry let in; None for everyone.
    """

    id: str
    digest: str = ""
    pulled_at: float = 0.0
    access: tuple[str, ...] | None = None

    @property
    def was_pulled(self) -> bool:
        return bool(self.digest)

    def shared_with(self, other: Name) -> Name:
        """Of one image pulled twice: whoever had access has it. other: the newer."""
        if (self.id, self.digest) != (other.id, other.digest):
            return other
        both = None if self.access is None or other.access is None else tuple({*self.access, *other.access})
        return Name(other.id, other.digest, other.pulled_at, both)


class Names:
    """directory: of the store. All here blocks; what cannot be read is Refused."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> dict[str, Name]:
        try:
            rows = json.loads((self._directory / FILE).read_bytes())
            return {name: _name(row) for name, row in rows.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(f"{self._directory / FILE} cannot be read: {error}") from error

    def write(self, new: Mapping[str, Name], gone: Iterable[str] = ()) -> None:
        """Names are given and taken in one step, whole after a power cut."""
        with locked(self._directory, "names"):
            old, lost = self.read(), set(gone)
            names = {name: row for name, row in old.items() if name not in lost}
            names |= {name: old[name].shared_with(row) if name in old else row for name, row in new.items()}
            partial = self._directory / ".names.partial"
            with partial.open("w") as file:
                json.dump({name: _row(one) for name, one in names.items()}, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._directory / FILE)
            sync(self._directory)

    def changes(self) -> Changes:
        """Heard whenever a name is given or taken, by whichever process. Called in a running loop."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Changes(self._directory, FILE)


@contextmanager
def locked(directory: Path, key: str, *, wait: bool = True) -> Iterator[None]:
    """One at a time, also of several processes. Raises BlockingIOError where it is not waited for."""
    locks = directory / ".locks"
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (locks / key).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def sync(directory: Path) -> None:
    """What was renamed in it stays so after a power cut."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _name(row: Any) -> Name:
    if isinstance(row, str):
        return Name(row)
    access = row.get("access")
    return Name(row["id"], row["digest"], row.get("pulledAt", 0.0), None if access is None else tuple(access))


def _row(name: Name) -> Any:
    if not name.was_pulled:
        return name.id
    row = {"id": name.id, "digest": name.digest, "pulledAt": name.pulled_at}
    return row | ({} if name.access is None else {"access": sorted(name.access)})
