"""Every kind that is served, found by name, by URL and by object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from procorch.kinds.kind import Kind


class Registry:
    """The kinds in the order in which discovery lists them.

    registry["Pod"] by name (the first of that name); get by group, version and plural; of by an object's apiVersion
    and kind. What is not there is a KeyError, or the default of get.
    """

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = tuple(kinds)
        self._by_name: dict[str, Kind] = {}
        for kind in self._kinds:
            self._by_name.setdefault(kind.name, kind)
        self._by_plural = {(kind.group, kind.version, kind.plural): kind for kind in self._kinds}
        self._by_object = {(kind.api_version, kind.name): kind for kind in self._kinds}

    def __getitem__(self, name: str) -> Kind:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def get(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a URL; the core group is ""."""
        return self._by_plural.get((group, version, plural))

    def of(self, obj: Mapping[str, Any]) -> Kind:
        """The kind of an object, by its apiVersion and kind."""
        return self._by_object[str(obj.get("apiVersion")), str(obj.get("kind"))]

    def groups(self) -> dict[str, list[str]]:
        """Group → its versions, in order; the core group is ""."""
        found: dict[str, list[str]] = {}
        for kind in self._kinds:
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return found
