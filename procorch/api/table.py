"""Objects as others see them: a meta.k8s.io/v1 Table, which `kubectl get` prints, and PartialObjectMetadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from procorch.api.cache import Entry
from procorch.kinds.kind import Kind
from procorch.objects import Cause, Invalid, Object

_NAME_HELP = (
    "Name must be unique within a namespace. It cannot be changed, and is what other objects and URLs refer to."
)
_INCLUDES = ("None", "Metadata", "Object")


@dataclass(frozen=True, slots=True)
class View:
    """How objects of one kind are shown in one request. `key` is equal for views that make equal bytes.

    view: "", Table or PartialObjectMetadata. include: what a table's row carries of its object.
    """

    kind: Kind
    view: str
    include: str
    clock: Callable[[], float]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind.api_version, self.view, self.include

    def one(self, entry: Entry) -> bytes:
        """One object, encoded."""
        if not self.view:
            return self._bytes(entry)
        if self.view == "Table":
            return orjson.dumps(table(self.kind, [entry], self.clock(), self.include, str(entry.revision)))
        return orjson.dumps(partial(entry.object))

    def _bytes(self, entry: Entry) -> bytes:
        return b"".join(self._pieces(entry))

    def _pieces(self, entry: Entry) -> tuple[bytes, bytes | memoryview]:
        return entry.pieces() if self.kind.guise_of is None else (orjson.dumps(self.kind.shown(entry.copy())), b"")

    def all_of(self, entries: Iterable[Entry], metadata: Object) -> bytes:
        """A list of them. metadata: the list's (resourceVersion, continue, remainingItemCount)."""
        if self.view == "Table":
            made = table(self.kind, entries, self.clock(), self.include, metadata["resourceVersion"])
            made["metadata"] = metadata
            return orjson.dumps(made)
        if self.view:
            rows = [orjson.dumps(partial(entry.object)) for entry in entries]
            begun = _list_head("PartialObjectMetadataList", "meta.k8s.io/v1", metadata)
            return b"%b%b]}\n" % (begun, b",".join(rows))
        parts: list[bytes | memoryview] = [_list_head(f"{self.kind.name}List", self.kind.api_version, metadata)]
        for entry in entries:
            parts += (*self._pieces(entry), b",")
        parts[len(parts) - (len(parts) > 1) :] = [b"]}\n"]  # in the last comma's place
        return b"".join(parts)

    def bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> bytes:
        """An object that has nothing but a resourceVersion."""
        metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        if self.view == "Table":
            row = {"cells": [], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}}
            row["object"]["metadata"] = metadata  # type: ignore[index]
            made = table(self.kind, [], 0, self.include, str(revision))
            return orjson.dumps(made | {"rows": [row] if annotations else []})
        if self.view:
            return orjson.dumps({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        shell: Object = {"kind": self.kind.name, "apiVersion": self.kind.api_version, "metadata": metadata}
        return orjson.dumps(shell)


def _list_head(kind: str, api_version: str, metadata: Object) -> bytes:
    words = kind.encode(), api_version.encode(), orjson.dumps(metadata)
    return b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % words


def view_of(kind: Kind, view: str, include: str, clock: Callable[[], float]) -> View:
    """include: the query's includeObject, empty for the default. Raises Invalid."""
    include = include or "Metadata"
    if view == "Table" and include not in _INCLUDES:
        cause = Cause.unsupported("includeObject", include, _INCLUDES)
        raise Invalid.of("TableOptions", "", [cause], "meta.k8s.io")
    if view == "PartialObjectMetadataList":
        view = "PartialObjectMetadata"
    return View(kind, view, include if view == "Table" else "", clock)


def table(kind: Kind, entries: Iterable[Entry], now: float, include: str, revision: str) -> Object:
    """now: seconds since the epoch, for ages."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description or (_NAME_HELP if column.format == "name" else ""),
                "priority": column.priority,
            }
            for column in kind.columns
        ],
        "rows": [_row(kind, entry.object, now, include) for entry in entries],
    }


def partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _row(kind: Kind, obj: Object, now: float, include: str) -> Object:
    row: dict[str, Any] = {"cells": [column.cell(obj, now) for column in kind.columns]}
    if include == "Metadata":
        row["object"] = partial(obj)
    elif include == "Object":
        row["object"] = kind.shown(obj)
    return row
