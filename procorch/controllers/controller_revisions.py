"""The templates that a DaemonSet or StatefulSet has had: its ControllerRevisions.

    the template ──▶ like one that is there? ── yes ──▶ it becomes the newest (a rollback)
                          │ no
                          ▼
                   a new one, called after the template's hash; another hash where the name is taken

`kubectl rollout history` and `undo` read them: `data` is a patch that puts the template back. Clients written in Go
compare its bytes with a patch that they write themselves, so its names are in their order, the alphabet's.
Source: pkg/controller/history, pkg/controller/daemon/update.go, pkg/controller/statefulset (getStatefulSetRevisions).
Where we leave it: a template that differs by defaults alone is the same, for both kinds; revisions that are alike stay.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

import orjson

from procorch.controllers import revisions
from procorch.controllers.controller import Context
from procorch.controllers.ownership import selector_of, settle
from procorch.objects import (
    AlreadyExists,
    NotFound,
    Object,
    annotations_of,
    controller_of,
    get,
    key_of,
    owner_reference,
    uid_of,
)
from procorch.pods import created_at

HASH = "controller-revision-hash"
"""The label of pods that says which revision they are."""

_LONGEST_NAME = 253 - 11
_MOST_COLLISIONS = 20
_DROPPED = {"kubectl.kubernetes.io/last-applied-configuration"}


@dataclass(frozen=True, slots=True)
class History:
    """newest: of the template as it is. others: all the rest, the oldest first. collisions: for the status."""

    newest: Object
    others: Sequence[Object]
    collisions: int


def template_of(revision: Object) -> Object:
    """The template that it keeps."""
    template: Object = copy.deepcopy(get(revision, ".data.spec.template", {}))
    template.pop("$patch", None)
    return template


def is_like(owner: Object, revision: Object) -> bool:
    """Whether its template is the owner's."""
    return revisions.is_like(owner, {"spec": {"template": template_of(revision)}})


def new_revision(owner: Object, number: int, collisions: int, hash_label: str) -> Object:
    """hash_label: under which the revision itself has its hash."""
    template = owner["spec"]["template"]
    word = revisions.hash_of(template, collisions)
    about = owner["metadata"]
    metadata: Object = {
        "name": f"{about['name'][:_LONGEST_NAME]}-{word}",
        "namespace": about["namespace"],
        "labels": {**get(template, ".metadata.labels", {}), hash_label: word},
        "ownerReferences": [owner_reference(owner)],
    }
    if annotations := {name: text for name, text in annotations_of(owner).items() if name not in _DROPPED}:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": _sorted({"spec": {"template": {**template, "$patch": "replace"}}}),
        "revision": number,
    }


def _sorted(data: Object) -> Object:
    ordered: Object = orjson.loads(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
    return ordered


def in_order(found: Sequence[Object]) -> list[Object]:
    return sorted(found, key=lambda one: (one.get("revision", 0), created_at(one), one["metadata"]["name"]))


async def keep(owner: Object, hash_label: str, context: Context) -> History:
    """Adopts and releases revisions, and sees to it that the newest is that of the template."""
    there = in_order(await settle(owner, "ControllerRevision", selector_of(owner), context))
    newest = next((one for one in reversed(there) if is_like(owner, one)), None)
    others = [one for one in there if one is not newest]
    number = max((one.get("revision", 0) for one in others), default=0) + 1
    collisions = int(get(owner, ".status.collisionCount", 0))
    if newest is None:
        newest, collisions = await _create(owner, number, collisions, hash_label, context)
    elif newest.get("revision", 0) < number:
        about = newest["metadata"]
        patch = {"metadata": {"uid": about["uid"], "resourceVersion": about["resourceVersion"]}, "revision": number}
        newest = await context.client.patch("ControllerRevision", key_of(newest), patch)
    return History(newest, others, collisions)


async def _create(owner: Object, number: int, collisions: int, hash_label: str, context: Context) -> tuple[Object, int]:
    while True:
        body = new_revision(owner, number, collisions, hash_label)
        try:
            return await context.client.create(body), collisions
        except AlreadyExists:
            there = await context.client.get("ControllerRevision", key_of(body))
            if (controller_of(there) or {}).get("uid") == uid_of(owner) and is_like(owner, there):
                return there, collisions  # made before, but not heard of yet
            if collisions >= _MOST_COLLISIONS + int(get(owner, ".status.collisionCount", 0)):
                raise
            collisions += 1


def surplus(owner: Object, history: History, live: Set[str]) -> list[Object]:
    """Revisions beyond the history limit, the oldest first. live: names of such as pods still have."""
    limit = get(owner, ".spec.revisionHistoryLimit", 10)
    past = [one for one in history.others if one["metadata"]["name"] not in live]
    return past[: max(0, len(past) - limit)] if limit >= 0 else []


async def forget(owner: Object, history: History, live: Set[str], context: Context) -> None:
    """Deletes revisions beyond the history limit."""
    for one in surplus(owner, history, live):
        with suppress(NotFound):
            version = one["metadata"]["resourceVersion"]
            await context.client.delete("ControllerRevision", key_of(one), uid=uid_of(one), resource_version=version)
