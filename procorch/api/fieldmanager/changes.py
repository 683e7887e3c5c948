"""What a write changes, in the words of each apiVersion in which somebody manages fields of the object."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from procorch.api.fieldmanager.entries import Entry, Identity, Managed
from procorch.api.fieldmanager.fieldset import FieldSet, difference, intersection
from procorch.api.fieldmanager.schema import written_shape
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import Object


def kind_at(kind: Kind, api_version: str) -> Kind | None:
    """The same objects in another apiVersion; None where they are not served in that."""
    if kind.api_version == api_version:
        return kind
    return next(
        (one for one in KINDS if one.api_version == api_version and one.storage is kind.storage), None
    )  # fmt: skip


def in_words_of(obj: Object, of: Kind, to: Kind) -> Object:
    return obj if of is to else to.shown(of.stored(obj))


@dataclass(slots=True)
class Changes:
    """From `old` to `new`, both in the words of `kind`, by a write to the object or to a subresource.

    Neither may change while this is asked.
    """

    kind: Kind
    subresource: str
    old: Object
    new: Object
    _at: dict[str, tuple[FieldSet, FieldSet] | None] = field(default_factory=dict)

    def at(self, api_version: str) -> tuple[FieldSet, FieldSet] | None:
        """The fields that were added or changed, and those that went; None in an apiVersion that is not served."""
        if api_version not in self._at:
            self._at[api_version] = self._compared(api_version)
        return self._at[api_version]

    def _compared(self, api_version: str) -> tuple[FieldSet, FieldSet] | None:
        to = kind_at(self.kind, api_version)
        if to is None:
            return None
        old = in_words_of(self.old, self.kind, to) if self.old else {}
        touched, gone = written_shape(to, self.subresource).compared(old, in_words_of(self.new, self.kind, to))
        return touched or {}, gone or {}

    def conflicts(self, managed: Managed, mine: Identity) -> list[tuple[Entry, FieldSet]]:
        """What other managers have of the fields that were added or changed."""
        found = []
        for identity, entry in managed.items():
            changes = self.at(entry.api_version)
            if identity == mine or changes is None:
                continue
            if taken := intersection(entry.fields, changes[0]):
                found.append((entry, taken))
        return found

    def released(self, managed: Managed, mine: Identity | None = None) -> Managed:
        """The managers without what is not theirs any more; who has nothing left is gone. mine: is left as it is."""
        result: Managed = {}
        for identity, entry in managed.items():
            changes = self.at(entry.api_version)
            if identity == mine:
                result[identity] = entry
            elif changes is not None:
                fields = difference(difference(entry.fields, changes[0]), changes[1])
                if fields:
                    result[identity] = entry if fields is entry.fields else replace(entry, fields=fields)
        return result
