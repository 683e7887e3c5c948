"""The FlowSchemas and priority levels that every cluster has are there, and stay as they should be.

Source: pkg/registry/flowcontrol/ensurer. The mandatory ones are kept as they are; a suggested one follows this program
as long as its annotation apf.kubernetes.io/autoupdate-spec says so, or, where it says nothing, as long as nobody has
changed it. One that has the annotation and is known no more goes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from procorch.client import Client
from procorch.kinds.flowcontrol import AUTO_UPDATE, EXEMPT, mandatory, suggested
from procorch.objects import AlreadyExists, Conflict, NotFound, Object

KINDS = ("PriorityLevelConfiguration", "FlowSchema")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


async def ensure(client: Client) -> None:
    """Writes nothing where all is as it should be. Raises ApiError."""
    there = {kind: {one["metadata"]["name"]: one for one in (await client.items(kind)).objects} for kind in KINDS}
    wanted = [(one, False) for one in suggested()] + [(one, True) for one in mandatory()]
    missing = [one for one, _ in wanted if one["metadata"]["name"] not in there[one["kind"]]]
    await asyncio.gather(
        *(_create(client, one) for one in missing)
    )  # at once: one commit for all, at a cluster's start
    for one, is_mandatory in wanted:
        old = there[one["kind"]].get(one["metadata"]["name"])
        revised = None if old is None else revise(old, one, is_mandatory=is_mandatory)
        if revised is not None:
            with contextlib.suppress(Conflict, NotFound):  # somebody is at it: looked at again soon
                await client.update(revised)
    names = {(one["kind"], one["metadata"]["name"]) for one, _ in wanted}
    for kind in reversed(KINDS):
        for name in left_over(there[kind].values(), {name for of, name in names if of == kind}):
            with contextlib.suppress(NotFound):
                await client.delete(kind, name)


async def _create(client: Client, obj: Object) -> None:
    with contextlib.suppress(AlreadyExists):  # another master was faster
        await client.create(obj)


def revise(old: Object, wanted: Object, *, is_mandatory: bool) -> Object | None:
    """The object as it should be; None where it is so."""
    said = (old["metadata"].get("annotations") or {}).get(AUTO_UPDATE)
    follows = is_mandatory or _follows(said, old["metadata"].get("generation", 1))
    annotations = old["metadata"].get("annotations") or {}
    if said not in (_TRUE if follows else _FALSE):
        annotations = {**annotations, AUTO_UPDATE: "true" if follows else "false"}
    spec = wanted["spec"] if follows and not _is_as(wanted, old) else old["spec"]
    if spec == old["spec"] and annotations == (old["metadata"].get("annotations") or {}):
        return None
    return {**old, "metadata": {**old["metadata"], "annotations": annotations}, "spec": spec}


def left_over(there: Iterable[Object], names: set[str]) -> list[str]:
    """Those that an older program made, and nobody knows any more."""
    return [
        one["metadata"]["name"]
        for one in there
        if one["metadata"]["name"] not in names and (one["metadata"].get("annotations") or {}).get(AUTO_UPDATE) in _TRUE
    ]


def _follows(said: str | None, generation: int) -> bool:
    if said in (*_TRUE, *_FALSE):
        return said in _TRUE
    return generation == 1


def _is_as(wanted: Object, old: Object) -> bool:
    """Of the level `exempt` the numbers are the administrator's."""
    spec = wanted["spec"]
    if (wanted["kind"], wanted["metadata"]["name"]) == ("PriorityLevelConfiguration", EXEMPT):
        spec = {**spec, "exempt": old["spec"].get("exempt") or spec["exempt"]}
    return bool(spec == old["spec"])
