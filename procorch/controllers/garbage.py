"""Garbage: what belongs to an object that is gone goes too.

    owner deleted Background  the owner goes at once; its dependents, when they are seen to have no owner left
    owner deleted Foreground  finalizer foregroundDeletion: dependents first, those that block are waited for
    owner deleted Orphan      finalizer orphan: the dependents lose the reference, then the owner goes

An owner is who has the uid in ownerReferences, never just the name; that it is gone is asked of the API before anything
is deleted. A key is `Kind:namespace/name`. Source: pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from procorch.controllers.controller import Context, Controller, KeysOf, Listers
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import Conflict, NotFound, Object, OwnerReference, is_deleting, key_of, owners_of, uid_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Owner(Enum):
    """How an owner stands."""

    SOLID = "there"
    GONE = "gone"
    WAITING = "waits for its dependents"
    UNKNOWN = "of a kind that this API does not have"


@dataclass(frozen=True, slots=True)
class Delete:
    propagation: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Only without these owners."""

    without: tuple[str, ...]


def plan(obj: Object, owners: Mapping[str, Owner], has_dependents: bool) -> Delete | Keep | None:
    """What becomes of an object. owners: uid → how it stands, for each of its ownerReferences.

    It lives as long as one owner does; then the references to the others are taken away.
    """
    if is_deleting(obj) or not owners:
        return None
    standing = set(owners.values())
    lost = tuple(uid for uid, owner in owners.items() if owner in (Owner.GONE, Owner.WAITING))
    if Owner.SOLID in standing or Owner.UNKNOWN in standing:
        return Keep(lost) if lost else None
    if Owner.WAITING in standing and has_dependents:
        return Delete("Foreground")  # its owner waits for it, so its own dependents have to go before it
    finalizers = obj["metadata"].get("finalizers") or []
    policies = ((ORPHAN, "Orphan"), (FOREGROUND, "Foreground"))
    return Delete(next((policy for name, policy in policies if name in finalizers), "Background"))


def blocks(dependent: Object, owner_uid: str) -> bool:
    """Whether the owner, deleted in the foreground, has to wait for this dependent."""
    return any(row["uid"] == owner_uid and row.get("blockOwnerDeletion") for row in owners_of(dependent))


async def reconcile(key: str, context: Context) -> float | None:
    kind, _, name = key.partition(":")
    obj = context.lister[kind].get(name)
    if obj is None:
        return None
    finalizers = obj["metadata"].get("finalizers") or []
    if is_deleting(obj):
        if ORPHAN in finalizers:
            await _orphan(obj, context)
        elif FOREGROUND in finalizers:
            await _foreground(obj, context)
        return None
    if not owners_of(obj):
        return None
    owners = {row["uid"]: await _standing(obj, row, context) for row in owners_of(obj)}
    dependents = dependents_of(uid_of(obj), context.lister)
    match plan(obj, owners, bool(dependents)):
        case Delete(propagation):
            if propagation == "Foreground" and any(_waits(dependent) for dependent in dependents):
                obj = await _unblocked(obj, context)
            await _delete(obj, propagation, context)
        case Keep(without):
            await _set_owners(obj, [row for row in owners_of(obj) if row["uid"] not in without], context)
    return None


async def _standing(obj: Object, row: OwnerReference, context: Context) -> Owner:
    """An owner that we do not know of is asked for: it may be newer than what we know."""
    kind = _kind_of(row)
    if kind is None:
        return Owner.UNKNOWN
    namespace = obj["metadata"].get("namespace") if kind.namespaced else None
    if kind.namespaced and namespace is None:
        return Owner.UNKNOWN  # a cluster-wide object cannot belong to a namespaced one: a mistake, not garbage
    key = f"{namespace}/{row['name']}" if namespace else row["name"]
    known: Mapping[str, Object] = context.lister.get(kind.name, {})
    owner = known.get(key)
    if owner is None or uid_of(owner) != row["uid"]:
        try:
            owner = await context.client.get(kind, key)
        except NotFound:
            return Owner.GONE
        if uid_of(owner) != row["uid"]:
            return Owner.GONE
    return Owner.WAITING if _waits(owner) else Owner.SOLID


def _waits(obj: Object) -> bool:
    """It is deleted in the foreground, and waits for its dependents."""
    return is_deleting(obj) and FOREGROUND in (obj["metadata"].get("finalizers") or [])


def _kind_of(row: OwnerReference) -> Kind | None:
    """By group and name, whatever the version."""
    group = row["apiVersion"].rpartition("/")[0]
    return next((kind for kind in KINDS if kind.name == row["kind"] and kind.group == group), None)


def dependents_of(uid: str, lister: Listers) -> list[Object]:
    return [obj for one in lister.values() for obj in one.by_owner(uid)]


async def _delete(obj: Object, propagation: str, context: Context) -> None:
    """The resourceVersion: an object that has just got another owner, or lost the reference, is spared."""
    try:
        await context.client.delete(
            KINDS.of(obj),
            key_of(obj),
            uid=uid_of(obj),
            resource_version=obj["metadata"]["resourceVersion"],
            propagation=propagation,
        )
    except NotFound:
        return


async def _unblocked(obj: Object, context: Context) -> Object:
    """The object, no longer waited for by its owners: they may be waiting for each other in a circle."""
    owners = [{**row, "blockOwnerDeletion": False} for row in owners_of(obj)]
    if owners == owners_of(obj):
        return obj
    return await _patch_metadata(obj, {"ownerReferences": owners}, context) or obj


async def _orphan(owner: Object, context: Context) -> None:
    for dependent in dependents_of(uid_of(owner), context.lister):
        await _set_owners(dependent, [row for row in owners_of(dependent) if row["uid"] != uid_of(owner)], context)
    await _remove_finalizer(owner, ORPHAN, context)


async def _foreground(owner: Object, context: Context) -> None:
    """Without dependents that block it goes; each of the others has its own key and is looked at by itself."""
    if not any(blocks(dependent, uid_of(owner)) for dependent in dependents_of(uid_of(owner), context.lister)):
        await _remove_finalizer(owner, FOREGROUND, context)


async def _remove_finalizer(obj: Object, name: str, context: Context) -> None:
    finalizers = [one for one in obj["metadata"].get("finalizers") or [] if one != name]
    await _patch_metadata(obj, {"finalizers": finalizers or None}, context)


async def _set_owners(obj: Object, owners: Sequence[OwnerReference], context: Context) -> None:
    await _patch_metadata(obj, {"ownerReferences": list(owners) or None}, context)


async def _patch_metadata(obj: Object, change: dict[str, Any], context: Context) -> Object | None:
    """The object as it stands then; None where it is gone, or another by now."""
    metadata = obj["metadata"]
    precondition = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    try:
        return await context.client.patch(KINDS.of(obj), key_of(obj), {"metadata": {**precondition, **change}})
    except NotFound:
        return None
    except Conflict:
        fresh = await context.client.get(KINDS.of(obj), key_of(obj))
        if uid_of(fresh) == metadata["uid"]:
            raise
        return None


def graph_kinds() -> list[Kind]:
    """All kinds, each storage once, but Events, which belong to nobody and come by the thousand."""
    found = [kind for kind in KINDS if kind.guise_of is None and {"list", "watch", "delete"} <= set(kind.verbs)]
    return [kind for kind in found if kind.name != "Event"]


def _of(kind: str) -> KeysOf:
    def keys(obj: Object, lister: Listers) -> list[str]:
        """Itself, if it has owners or is ending; its dependents, if it ends or is gone; its owners that wait for it."""
        metadata = obj["metadata"]
        found = [f"{kind}:{key_of(obj)}"] if metadata.get("ownerReferences") or metadata.get("finalizers") else []
        known = lister[kind].get(key_of(obj))
        if is_deleting(obj) or known is None or uid_of(known) != metadata["uid"]:
            found += [f"{one['kind']}:{key_of(one)}" for one in dependents_of(metadata["uid"], lister)]
        for row in owners_of(obj):
            if (above := _kind_of(row)) is not None and above.name in lister:
                namespace = metadata.get("namespace") if above.namespaced else None
                key = f"{namespace}/{row['name']}" if namespace else row["name"]
                owner = lister[above.name].get(key)
                if owner is not None and is_deleting(owner):
                    found.append(f"{above.name}:{key}")
        return found

    return keys


CONTROLLER = Controller(
    "garbage-collector",
    reconcile,
    watches={kind.name: _of(kind.name) for kind in graph_kinds()},
    workers=20,
    resync=0,
)
