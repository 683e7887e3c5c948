"""Any write but an apply: who wrote manages from now on what it changed, whoever managed that before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from procorch.api.fieldmanager import entries
from procorch.api.fieldmanager.changes import Changes
from procorch.api.fieldmanager.entries import UPDATE, Entry, Managed
from procorch.api.fieldmanager.fieldset import ordered, union
from procorch.clock import timestamp
from procorch.kinds.kind import Kind
from procorch.objects import Object


def keep_times(obj: Object, old: Object) -> None:
    """When nothing but the times of managedFields would change, those stay, and nothing is written."""
    metadata, before = obj["metadata"], old["metadata"]
    now, then = metadata.get("managedFields"), before.get("managedFields")
    if not now or not then or now == then or not entries.same_but_times(now, then):
        return
    if {**obj, "metadata": {**metadata, "managedFields": then}} == old:
        metadata["managedFields"] = then


@dataclass(frozen=True, slots=True)
class Update:
    """A write by this manager. kind: as it was asked for. now: seconds since the epoch."""

    manager: str
    kind: Kind
    subresource: str
    now: float

    def track(self, obj: Object, old: Object | None) -> None:
        """Sets the metadata.managedFields of `obj`, the successor of `old` as both are stored, with its defaults."""
        metadata = obj["metadata"]
        said = metadata.pop("managedFields", None)
        stood = old["metadata"].get("managedFields") if old is not None else None
        managed = self._managed(said, stood)
        if not managed and old is not None:
            return  # nobody keeps track until somebody applies
        shown = self.kind.shown
        before = {} if old is None else shown(old)
        changes = Changes(self.kind, self.subresource, before, shown(obj))
        after = self._after(managed, changes)
        if after is managed and managed and said in (None, stood):
            metadata["managedFields"] = stood
        else:
            entries.write(obj, after)

    def _managed(self, said: object, stood: object) -> Managed:
        """The managers so far: as the client says, who may correct them, or else as they were."""
        if said and said != stood and not self.subresource:
            if entries.is_reset(said):
                return {}
            try:
                return entries.read(said) or entries.read(stood, trusted=True)
            except (ValueError, TypeError, AttributeError, RecursionError):
                pass  # as Kubernetes: what cannot be read is as if it were not there
        return entries.read(stood, trusted=True)

    def _after(self, managed: Managed, changes: Changes) -> Managed:
        found = changes.at(self.kind.api_version)
        assert found is not None
        touched, gone = found
        if not touched and not gone:
            return managed
        result = changes.released(managed)
        if touched:
            mine = Entry(self.manager, UPDATE, self.kind.api_version, touched, self.subresource, timestamp(self.now))
            former = result.get(mine.identity)
            if former is not None:
                touched = union(former.fields, touched)
            mine = replace(mine, fields=ordered(touched))
            result[mine.identity] = mine
        return entries.capped(result)
