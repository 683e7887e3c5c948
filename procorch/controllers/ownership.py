"""Whose an object is: a controller adopts the orphans that its selector matches, and releases what it matches no more.

                  objects of the owner's namespace
                              │ claim: owned or orphan? selector matches?
          adopt ◀─────────────┼─────────────▶ release
                              ▼
                            mine

The same for pods under a ReplicaSet and for ReplicaSets under a Deployment. `claim` decides, `settle` does it.
Source: pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from procorch.controllers.controller import Context, KeysOf, Listers
from procorch.lister import Lister, Words
from procorch.objects import (
    NotFound,
    Object,
    controller_of,
    is_deleting,
    key_of,
    labels_of,
    owner_reference,
    owners_of,
    uid_of,
)
from procorch.pods import is_terminal
from procorch.selectors import LabelSelector

SelectorOf = Callable[[Object], LabelSelector]
Member = Callable[[Object], bool]
"""Whether an object could be the owner's beyond its labels: by its name, say."""


def anything(obj: Object) -> bool:
    return True


def selector_of(owner: Object) -> LabelSelector:
    """The {matchLabels, matchExpressions} that every owner but a ReplicationController has."""
    return LabelSelector.of(owner["spec"]["selector"])


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose the objects are. mine: owned, or to be adopted."""

    mine: list[Object]
    adopt: list[Object]
    release: list[Object]


def claim(owner: Object, objects: Sequence[Object], selector: LabelSelector, member: Member = anything) -> Claim:
    """Nothing is adopted or released while the owner ends; what ends itself, or has ended, is not adopted."""
    mine: list[Object] = []
    adopt: list[Object] = []
    release: list[Object] = []
    for obj in objects:
        controller = controller_of(obj)
        matches = member(obj) and selector.matches(labels_of(obj))
        if controller is not None:
            if controller["uid"] != uid_of(owner):
                continue
            if matches:
                mine.append(obj)
            elif not is_deleting(owner):
                release.append(obj)
        elif matches and not is_deleting(owner) and not is_deleting(obj) and not is_terminal(obj):
            adopt.append(obj)
            mine.append(obj)
    return Claim(mine, adopt, release)


def orphans_of(kind: str) -> Mapping[tuple[str, str], Words]:
    """The index that `candidates` needs of a kind: what nobody controls, by namespace."""
    return {(kind, "orphan"): lambda obj: [] if controller_of(obj) else [obj["metadata"]["namespace"]]}


def candidates(owner: Object, lister: Lister) -> list[Object]:
    """The objects that are the owner's or could become so: no need to look at a whole namespace."""
    owned = [obj for obj in lister.by_owner(uid_of(owner)) if controller_of(obj)]
    return owned + lister.by("orphan", owner["metadata"]["namespace"])


async def settle(
    owner: Object,
    kind: str,
    selector: LabelSelector,
    context: Context,
    *,
    finalizer: str = "",
    member: Member = anything,
) -> list[Object]:
    """Adopts and releases objects of a kind; returns those that are the owner's afterwards, as they then are.

    finalizer: what is adopted gets it, and what is released loses it.
    """
    claimed = claim(owner, candidates(owner, context.lister[kind]), selector, member)
    adopted: dict[str, Object | None] = {}
    if claimed.adopt:
        # Not on the strength of what we remember: an owner that was deleted, or made anew, adopts nothing.
        fresh = await context.client.get(owner["kind"], key_of(owner))
        may = uid_of(fresh) == uid_of(owner) and not is_deleting(fresh)
        for obj in claimed.adopt:
            owners = [*owners_of(obj), owner_reference(owner)]
            kept = [finalizer] if finalizer else []
            adopted[uid_of(obj)] = await _set_owners(kind, obj, owners, context, add=kept) if may else None
    for obj in claimed.release:
        others = [row for row in owners_of(obj) if row["uid"] != uid_of(owner)]
        await _set_owners(kind, obj, others, context, drop=[finalizer] if finalizer else [])
    settled = (adopted.get(uid_of(obj), obj) for obj in claimed.mine)
    return [obj for obj in settled if obj is not None]


async def _set_owners(
    kind: str,
    obj: Object,
    owners: Sequence[Any],
    context: Context,
    *,
    add: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Object | None:
    """None where it is gone. The resourceVersion sees to it that no other change of the owners is undone.

    add, drop: finalizers.
    """
    metadata = obj["metadata"]
    patch: Object = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    patch["ownerReferences"] = list(owners) or None
    if add or drop:
        kept = [one for one in metadata.get("finalizers") or () if one not in drop]
        patch["finalizers"] = [*kept, *(one for one in add if one not in kept)] or None
    try:
        return await context.client.patch(kind, key_of(obj), {"metadata": patch})
    except NotFound:
        return None


def owners_that_match(kind: str, selector_of: SelectorOf) -> KeysOf:
    """The map function from an object: to its controller, or, for an orphan, to all that would like to have it."""

    def keys(obj: Object, lister: Listers) -> list[str]:
        namespace = obj["metadata"]["namespace"]
        controller = controller_of(obj)
        if controller is not None:
            return [f"{namespace}/{controller['name']}"] if controller["kind"] == kind else []
        labels = labels_of(obj)
        return [key_of(one) for one in lister[kind].by_namespace(namespace) if selector_of(one).matches(labels)]

    return keys
