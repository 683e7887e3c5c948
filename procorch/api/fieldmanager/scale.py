"""Who manages spec.replicas when it is set through the scale subresource.

The object's other fields are not in a Scale, so that a writer of the subresource takes over, or shares, this one alone.
Source: apimachinery pkg/util/managedfields/scalehandler.go.
"""

from __future__ import annotations

from dataclasses import replace

from procorch.api.fieldmanager import entries
from procorch.api.fieldmanager.apply import Apply, conflict
from procorch.api.fieldmanager.entries import APPLY, UPDATE, Entry, Managed
from procorch.api.fieldmanager.fieldset import MEMBER, FieldSet, difference, intersection
from procorch.api.fieldmanager.update import Update
from procorch.clock import timestamp
from procorch.objects import Object

REPLICAS: FieldSet = {"f:spec": {"f:replicas": MEMBER}}
_SUBRESOURCE = "scale"
_IN_CONFLICTS = "autoscaling/v1"  # the words in which the client speaks


def update_scale(obj: Object, replicas: int, update: Update) -> None:
    """Sets the replicas; who wrote manages them, if they were others."""
    if obj["spec"].get("replicas") == replicas:
        return
    obj["spec"]["replicas"] = replicas
    managed = entries.read(obj["metadata"].get("managedFields"), trusted=True)
    if not managed:
        return
    mine = Entry(update.manager, UPDATE, update.kind.api_version, REPLICAS, _SUBRESOURCE, timestamp(update.now))
    managed = _released(managed)
    managed[mine.identity] = mine
    entries.write(obj, entries.capped(managed))


def apply_scale(obj: Object, replicas: int | None, apply: Apply) -> None:
    """Sets the replicas, None where the configuration does not speak of them. Raises Conflict."""
    managed = apply.standing(obj)
    mine = Entry(apply.manager, APPLY, apply.kind.api_version, REPLICAS, _SUBRESOURCE, timestamp(apply.now))
    last = managed.pop(mine.identity, None)
    before = obj["spec"].get("replicas")
    if replicas is not None and replicas != before:
        found = [(replace(entry, api_version=_IN_CONFLICTS), REPLICAS) for entry in managed.values()
                 if intersection(entry.fields, REPLICAS)]  # fmt: skip
        if found and not apply.force:
            raise conflict(found)
        managed = _released(managed)
        obj["spec"]["replicas"] = replicas
    if replicas is not None:
        managed[mine.identity] = last if last is not None and replicas == before else mine
    entries.write(obj, managed)


def _released(managed: Managed) -> Managed:
    left = {identity: replace(entry, fields=difference(entry.fields, REPLICAS)) for identity, entry in managed.items()}
    return {identity: entry for identity, entry in left.items() if entry.fields}
