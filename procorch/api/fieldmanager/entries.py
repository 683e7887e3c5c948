"""metadata.managedFields as entries: who manages which fields, read, written, sorted and kept to a number.

Source of the rules: apimachinery pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from procorch.api.fieldmanager import fieldset
from procorch.api.fieldmanager.fieldset import FieldSet
from procorch.objects import Object

APPLY, UPDATE = "Apply", "Update"
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"  # who has what those managers had that are too many
_FIELDS_TYPE = "FieldsV1"

Identity = tuple[str, str, str, str]
"""operation, manager, subresource, and of an update its apiVersion."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's fields. time: as metav1.Time writes it, empty where it is not known."""

    manager: str
    operation: str
    api_version: str
    fields: FieldSet
    subresource: str = ""
    time: str = ""

    @property
    def identity(self) -> Identity:
        return self.operation, self.manager, self.subresource, "" if self.operation == APPLY else self.api_version

    def shown(self) -> str:
        """As a conflict names it."""
        text = orjson.dumps(self.manager).decode()
        if self.subresource:
            text += f" with subresource {orjson.dumps(self.subresource).decode()}"
        return text if self.operation == APPLY else f"{text} using {self.api_version}"


Managed = dict[Identity, Entry]


def read(rows: object, *, trusted: bool = False) -> Managed:
    """The entries of a metadata.managedFields. trusted: they are the server's own. Raises ValueError."""
    if not isinstance(rows, list):
        return {}
    entries = [_entry(row, trusted) for row in rows]
    return {entry.identity: entry for entry in entries}


def _entry(row: Any, trusted: bool) -> Entry:
    fields = row.get("fieldsV1") or {}
    if not trusted:
        if row.get("operation") not in (APPLY, UPDATE):
            raise ValueError(f"operation is {row.get('operation')!r} but must be Apply or Update")
        if not row.get("apiVersion"):
            raise ValueError("apiVersion must not be empty")
        if row.get("fieldsType") != _FIELDS_TYPE:
            raise ValueError(f"fieldsType is {row.get('fieldsType')!r} but must be {_FIELDS_TYPE}")
        fieldset.check(fields)
    return Entry(
        row.get("manager") or "", row["operation"], row["apiVersion"], fields,
        row.get("subresource") or "", row.get("time") or "",
    )  # fmt: skip


def written(managed: Managed) -> list[Object]:
    """As metadata.managedFields has them: appliers first, then by time."""
    ordered = sorted(managed.values(), key=lambda entry: (entry.operation, entry.time, *entry.identity))
    return [_row(entry) for entry in ordered]


def write(obj: Object, managed: Managed) -> None:
    """Sets the object's managedFields; where nobody manages anything there are none."""
    if managed:
        obj["metadata"]["managedFields"] = written(managed)
    else:
        obj["metadata"].pop("managedFields", None)


def _row(entry: Entry) -> Object:
    row: Object = {"manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version}
    if entry.time:
        row["time"] = entry.time
    row |= {"fieldsType": _FIELDS_TYPE, "fieldsV1": entry.fields}
    if entry.subresource:
        row["subresource"] = entry.subresource
    return row


def is_reset(rows: object) -> bool:
    """Whether a client asks that nobody manage anything any more: a list with one empty entry."""
    return rows == [{}]


def same_but_times(one: list[Object], other: list[Object]) -> bool:
    """Whether two managedFields tell the same of everybody."""

    def same(mine: Object, theirs: Object) -> bool:
        return mine == theirs or {**mine, "time": ""} == {**theirs, "time": ""}

    return len(one) == len(other) and all(map(same, one, other))


def owned(entries: Iterable[Entry]) -> FieldSet:
    """What all of them together manage."""
    fields: FieldSet = {}
    for entry in entries:
        fields = fieldset.union(fields, entry.fields)
    return fields


def capped(managed: Mapping[Identity, Entry]) -> Managed:
    """At most MOST_UPDATERS that have updated: the oldest of each apiVersion become one."""
    result = dict(managed)
    updaters = sorted(
        (entry for entry in managed.values() if entry.operation == UPDATE),
        key=lambda entry: (entry.time, entry.manager, entry.identity),
    )
    surplus = len(updaters) - MOST_UPDATERS
    first: dict[str, Entry] = {}
    for entry in updaters:
        if surplus <= 0:
            break
        if entry.api_version not in first:
            first[entry.api_version] = entry
            continue
        bucket = Entry(ANCIENT, UPDATE, entry.api_version, {})
        known = result.get(bucket.identity)
        if known is None:
            known = first[entry.api_version]
            result.pop(known.identity, None)
        fields = fieldset.ordered(fieldset.union(entry.fields, known.fields))
        result.pop(entry.identity, None)
        result[bucket.identity] = replace(bucket, fields=fields, time=entry.time)
        surplus -= 1
    return result
