"""The registries that a node may ask, and for which names: nothing else is ever asked on the network.

registry.local:5000                 serves references that begin with this host name
http://registry.local:5000          the same without TLS, which has to be said
docker.io=registry.local:5000       a mirror: it is asked for docker.io's images (and so for short names), too
docker.io=https://harbor.local/hub  a mirror that keeps them below a name of its own: hub/library/busybox
*=registry.local:5000               a mirror for every host
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

_HUB, _HUB_URL = "docker.io", "https://registry-1.docker.io"  # the one registry whose name is not its address
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?")
_PREFIX = re.compile(r"([a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one host's images are asked for. url: scheme and host. prefix: before each repository's name, or empty.

    mirror_of: the host whose images these are, empty for the registry's own.
    """

    url: str
    prefix: str = ""
    mirror_of: str = ""

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    @property
    def is_secure(self) -> bool:
        return self.url.startswith("https://")

    def repository(self, name: str) -> str:
        """As this registry calls it."""
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    url: str
    prefix: str


class Registries:
    """words: as in the picture above, in the order in which they are asked. Raises ValueError with what is wrong."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._rows: list[_Row] = []
        for word in words:
            self._rows += _rows(word)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def of(self, host: str) -> list[Endpoint]:
        """Whom to ask for this host's images, one after the other: mirrors of it, mirrors of all, itself."""
        mirrors = [row for wanted in (host, "*") for row in self._rows if row.name == wanted]
        own = [row for row in self._rows if not row.name and _own_name(row.url) == host]
        found = [Endpoint(row.url, row.prefix, host) for row in mirrors if _own_name(row.url) != host or row.prefix]
        found += [Endpoint(row.url) for row in own]
        return list(dict.fromkeys(found))


def _rows(word: str) -> list[_Row]:
    name, equals, target = word.rpartition("=")
    if equals and name != "*" and not _HOST.fullmatch(name):
        raise ValueError(f'{word}: "{name}" is no host name: write HOST[:PORT]=URL or *=URL')
    url = urlsplit(target if "://" in target else f"https://{target}")
    if url.scheme not in ("https", "http") or not _HOST.fullmatch(url.netloc) or url.query or url.fragment:
        raise ValueError(f"{word}: write HOST[:PORT], https://HOST[:PORT], or http://HOST[:PORT] for one without TLS")
    prefix = url.path.strip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f'{word}: "{prefix}" cannot be the beginning of image names')
    if prefix and not equals:
        raise ValueError(f"{word}: say whose images are there: docker.io={target}")
    base = _HUB_URL if url.netloc == _HUB else f"{url.scheme}://{url.netloc}"
    own = _Row("", base, "")
    return [_Row(name, base, prefix), own] if equals else [own]


def _own_name(url: str) -> str:
    return _HUB if url == _HUB_URL else url.partition("://")[2]
