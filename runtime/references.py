"""Image references: `busybox`, `registry.local:5000/team/app:1.2`, `app@sha256:…`, and their one full spelling.

Source of the grammar: the OCI distribution specification, and for short names Docker's `reference` package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*)(:[0-9]{1,5})?")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Reference:
    """host: with its port, as written. tag and digest: of both, the digest says what is meant."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ValueError with what is wrong."""
        rest, _, digest = canonical(text).partition("@")
        host, _, path = rest.partition("/")
        repository, colon, tag = path.partition(":")
        if not _HOST.fullmatch(host):
            raise ValueError(f'"{host}" is no host name')
        if not all(_PART.fullmatch(part) for part in repository.split("/")):
            raise ValueError("a name is made of lower-case letters and digits, with . _ - between them")
        if colon and not _TAG.fullmatch(tag):
            raise ValueError(f'"{tag}" is no tag')
        if "@" in text and not DIGEST.fullmatch(digest):
            raise ValueError(f'"{digest}" is no digest')
        return cls(host, repository, tag, digest)

    @property
    def name(self) -> str:
        """Without tag and digest."""
        return f"{self.host}/{self.repository}"

    @property
    def key(self) -> str:
        """One spelling: a digest makes a tag beside it needless."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def wanted(self) -> str:
        """What a registry is asked for."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def canonical(name: str) -> str:
    """The one full spelling: `busybox` is docker.io/library/busybox:latest."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name
    if first == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    if "@" not in rest and ":" not in rest.rpartition("/")[2]:
        rest += ":latest"
    return f"{first}/{rest}"
