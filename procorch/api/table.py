"""Objects as others see them: a meta.k8s.io/v1 Table, which `kubectl get` prints, and PartialObjectMetadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from procorch.api.accept import Form
from procorch.api.cache import Entry
from procorch.kinds.kind import Kind
from procorch.objects import BadRequest, Cause, Object

_NAME_HELP = (
    "Name must be unique within a namespace. It cannot be changed, and is what other objects and URLs refer to."
)
_INCLUDES = ("None", "Metadata", "Object")


@dataclass(frozen=True, slots=True)
class View:
    """How objects of one kind are shown in one request. `key` is equal for views that make equal bytes.

    view: "", Table or PartialObjectMetadata, in this version of meta.k8s.io.
    include: what a table's row carries of its object.
    """

    kind: Kind
    view: str
    include: str
    clock: Callable[[], float]
    version: str = "v1"

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.kind.api_version, self.view, self.include, self.version

    @property
    def meta(self) -> str:
        """The apiVersion of what is not the object itself."""
        return f"meta.k8s.io/{self.version}"

    def one(self, entry: Entry, *, headers: bool = True) -> bytes:
        """One object, encoded. headers: with the columns, if it is a table."""
        if not self.view:
            return entry.data if self.kind.guise_of is None else orjson.dumps(self.kind.shown(entry.copy()))
        if self.view == "Table":
            made = self._table([entry], {"resourceVersion": str(entry.revision)})
            return orjson.dumps(made if headers else made | {"columnDefinitions": None})
        return orjson.dumps(partial(entry.for_json, self.meta))

    def _row_of_list(self, entry: Entry) -> tuple[bytes, bytes | memoryview]:
        if self.kind.guise_of is None:
            return entry.pieces()
        obj = self.kind.shown(entry.copy())
        return orjson.dumps({name: value for name, value in obj.items() if name not in ("apiVersion", "kind")}), b""

    def all_of(self, entries: Iterable[Entry], metadata: Object) -> bytes:
        """A list of them. metadata: the list's (resourceVersion, continue, remainingItemCount)."""
        if self.view == "Table":
            return orjson.dumps(self._table(entries, metadata), option=orjson.OPT_APPEND_NEWLINE)
        if self.view:
            rows = [orjson.dumps(partial(entry.for_json, self.meta)) for entry in entries]
            begun = _list_head("PartialObjectMetadataList", self.meta, metadata)
            return b"%b%b]}\n" % (begun, b",".join(rows))
        parts: list[bytes | memoryview] = [_list_head(f"{self.kind.name}List", self.kind.api_version, metadata)]
        for entry in entries:
            parts += (*self._row_of_list(entry), b",")
        parts[len(parts) - (len(parts) > 1) :] = [b"]}\n"]  # in the last comma's place
        return b"".join(parts)

    def bookmark(self, revision: int, annotations: dict[str, str] | None = None, *, headers: bool = True) -> bytes:
        """An object that has nothing but a resourceVersion."""
        metadata: Object = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        shell: Object = {"kind": self.kind.name, "apiVersion": self.kind.api_version, "metadata": metadata}
        if self.view == "Table":
            made = self._table([], {"resourceVersion": str(revision)})
            made["rows"] = [{"cells": ["" for _ in self.kind.columns], "object": partial(shell, self.meta)}]
            return orjson.dumps(made if headers else made | {"columnDefinitions": None})
        return orjson.dumps(partial(shell, self.meta) if self.view else shell)

    def _table(self, entries: Iterable[Entry], metadata: Object) -> Object:
        now = self.clock()  # for ages
        return {
            "kind": "Table",
            "apiVersion": self.meta,
            "metadata": metadata,
            "columnDefinitions": columns(self.kind),
            "rows": [self._row(entry, now) for entry in entries],
        }

    def _row(self, entry: Entry, now: float) -> Object:
        row: dict[str, Any] = {"cells": [column.cell(entry.object, now) for column in self.kind.columns]}
        if (condition := self.kind.finished(entry.object)) is not None:
            row["conditions"] = [condition]
        if self.include == "Metadata":
            row["object"] = partial(entry.for_json, self.meta)
        elif self.include == "Object":
            row["object"] = self.kind.shown(entry.for_json)
        return row


def _list_head(kind: str, api_version: str, metadata: Object) -> bytes:
    words = kind.encode(), api_version.encode(), orjson.dumps(metadata)
    return b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % words


def view_of(kind: Kind, form: Form, include: str, clock: Callable[[], float]) -> View:
    """include: the query's includeObject, empty for the default. Raises BadRequest."""
    if form.view != "Table":
        return View(kind, form.view.removesuffix("List"), "", clock, form.version)
    include = include or "Metadata"
    if include not in _INCLUDES:
        wrong = Cause.invalid("includeObject", include, "must be 'Metadata', 'Object', 'None', or empty")
        raise BadRequest.of(f"Unable to convert to Table as requested: {wrong.field}: {wrong.message}")
    return View(kind, "Table", include, clock, form.version)


def columns(kind: Kind) -> list[Object]:
    """A Table's columnDefinitions."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description or (_NAME_HELP if column.format == "name" else ""),
            "priority": column.priority,
        }
        for column in kind.columns
    ]


def partial(obj: Object, api_version: str) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": obj["metadata"]}
