"""Whom a registry takes us for: what a Docker config.json, or a Secret made of one, says of which registry.

Source of the matching: Kubernetes documentation, "Images", section "Interpretation of config.json": globs match within
a part of the host's name, ports must be alike, a path is a beginning; of several all are tried, the longest first.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_HUB = {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}


@dataclass(frozen=True, slots=True)
class Credential:
    """username and password; or a token: identity_token is exchanged for others, registry_token sent as it is."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """By which one that has had access is known again; it is kept where only root can read."""
        parts = (self.username, self.password, self.identity_token, self.registry_token)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Row:
    host: str
    port: str
    path: str
    credential: Credential


class Keyring:
    """Credentials by registry, in order."""

    def __init__(self, rows: Iterable[_Row] = ()) -> None:
        self._rows = tuple(rows)

    def __add__(self, other: Keyring) -> Keyring:
        """This one's first."""
        return Keyring((*self._rows, *other._rows))

    @classmethod
    def parse(cls, text: bytes | str, *, legacy: bool = False) -> Keyring:
        """A config.json; legacy: of the form .dockercfg, which has its `auths` on top. Raises ValueError."""
        data = json.loads(text)
        auths = data if legacy else data.get("auths") or {} if isinstance(data, dict) else None
        if not isinstance(auths, dict):
            raise ValueError('there is no map "auths"')
        rows = []
        for where, entry in auths.items():
            if not isinstance(entry, dict):
                raise ValueError(f'the entry "{where}" is no map')
            if (credential := _credential(entry, where)) is not None:
                rows.append(_row(where, credential))
        return cls(rows)

    @property
    def fingerprints(self) -> set[str]:
        """Of all."""
        return {row.credential.fingerprint for row in self._rows}

    def of(self, host: str, repository: str) -> list[Credential]:
        """Those for a repository of this host (with its port), the most specific first."""
        name, _, port = _plain(host).partition(":")
        found = [row for row in self._rows if _fits(row, name, port, repository)]
        found.sort(key=lambda row: (-len(row.path), "*" in row.host or "?" in row.host))
        return list(dict.fromkeys(row.credential for row in found))


def _row(where: str, credential: Credential) -> _Row:
    rest = where.partition("://")[2] or where
    host, _, path = rest.partition("/")
    if path.strip("/") in ("v1", "v2"):  # as Docker writes its own registry's address
        path = ""
    name, _, port = _plain(host).partition(":")
    return _Row(name, port, path.strip("/"), credential)


def _plain(host: str) -> str:
    return "docker.io" if host in _HUB else host


def _fits(row: _Row, name: str, port: str, repository: str) -> bool:
    patterns, parts = row.host.split("."), name.split(".")
    if len(patterns) != len(parts) or row.port != port:
        return False
    if not all(fnmatch.fnmatchcase(part, pattern) for part, pattern in zip(parts, patterns, strict=True)):
        return False
    return not row.path or repository == row.path or repository.startswith(f"{row.path}/")


def _credential(entry: Mapping[str, Any], where: str) -> Credential | None:
    words = {name: entry.get(name) or "" for name in ("username", "password", "auth", "identitytoken", "registrytoken")}
    if not all(isinstance(word, str) for word in words.values()):
        raise ValueError(f'the entry "{where}" has something else than texts')
    username, password = words["username"], words["password"]
    if words["auth"] and not (username and password):
        try:
            username, _, password = base64.b64decode(words["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError(f'the "auth" of "{where}" is no base64 of user:password') from None
    password = password.rstrip("\0")  # as Docker does
    credential = Credential(username, password, words["identitytoken"], words["registrytoken"])
    return credential if credential != Credential() else None
