"""Deployment: like pods, replaced step by step when their template changes; its ReplicaSets make and delete them.

    Deployment ──▶ its ReplicaSets: adopt, release (ownership.py)
                       │ split: which of them is new? (revisions.py)
                       ▼
        plan: how many pods each (rollout.py) ──▶ make the new set, resize the others
                       ▼
        status: counts and conditions (progress.py) ──▶ sets beyond the history limit go

Each write makes the world one step more as it is wanted, and no step relies on a former one having been remembered:
whoever comes after a crash between any two of them goes on from there.
Source: pkg/controller/deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from procorch.controllers import progress, revisions, rollback, rollout
from procorch.controllers.controller import Context, Controller, Listers, own
from procorch.controllers.ownership import orphans_of, owners_that_match, selector_of, settle
from procorch.controllers.pod_control import is_namespace_ending
from procorch.controllers.progress import Seen
from procorch.controllers.rollout import Plan, Wanted
from procorch.objects import (
    AlreadyExists,
    ApiError,
    NotFound,
    Object,
    annotations_of,
    condition_of,
    controller_of,
    get,
    is_deleting,
    key_of,
    uid_of,
)
from procorch.pods import is_terminal


async def reconcile(key: str, context: Context) -> float | None:
    """Makes a Deployment's ReplicaSets as it wants them, and its status true."""
    deployment = context.lister["Deployment"].get(key)
    if deployment is None:
        return None
    sets = await settle(deployment, "ReplicaSet", selector_of(deployment), context)
    new, old = revisions.split(deployment, sets)
    wanted = rollout.wanted_of(deployment)
    if is_deleting(deployment):
        await _report(deployment, wanted, Seen(new, old, estimates=False), context)
        return None
    if not wanted.paused and (asked := rollback.plan(deployment, new, old)) is not None:
        await context.client.update(asked.deployment)
        context.events.event(deployment, asked.type, asked.reason, asked.message)
        return None  # the next pass rolls it out
    plan = rollout.plan(
        wanted,
        revisions.in_numbers(new) if new else None,
        [revisions.in_numbers(one) for one in old],
        pods_left=wanted.recreate and has_pods_left(old, context.lister),
    )
    seen, error = await _carry_out(deployment, wanted, Seen(new, old, estimates=plan.rolls), plan, context)
    status = await _report(deployment, wanted, seen, context)
    if error is not None:
        raise error
    if wanted.paused or progress.is_complete(deployment, wanted, status):
        await _forget(deployment, seen.old, context)
    progressing = condition_of({"status": status}, "Progressing") or {}
    return progress.seconds_left(deployment, wanted, status, progressing, context.clock())


def has_pods_left(old: Sequence[Object], lister: Listers) -> bool:
    """Whether any pod of an old set has not ended yet: before that nothing new is started where all is recreated."""
    return any(
        get(one, ".status.replicas", 0) > 0 or any(not is_terminal(pod) for pod in lister["Pod"].by_owner(uid_of(one)))
        for one in old
    )


async def _carry_out(
    deployment: Object, wanted: Wanted, seen: Seen, plan: Plan, context: Context
) -> tuple[Seen, ApiError | None]:
    """What is seen afterwards, and why the new set could not be made: then the old ones stay as they are."""
    if plan.create is not None:
        seen, error = await _make(deployment, wanted, seen, plan.create, context)
        if not seen.made:
            return seen, error
    new, old = seen.new, []
    if new is not None and not seen.made:
        new = await _change(deployment, new, changes_of_new(deployment, wanted, seen, plan.sizes), context)
    for one in seen.old:
        size = plan.sizes.get(one["metadata"]["name"])
        changed = one if size is None else await _change(deployment, one, resized(wanted, one, size), context)
        if changed is not None:
            old.append(changed)
    return replace(seen, new=new, old=old), None


async def _make(
    deployment: Object, wanted: Wanted, seen: Seen, replicas: int, context: Context
) -> tuple[Seen, ApiError | None]:
    body = revisions.new_set(deployment, wanted, replicas, revisions.next_revision(seen.old))
    name = body["metadata"]["name"]
    try:
        made = await context.client.create(body)
    except AlreadyExists:
        there = await context.client.get("ReplicaSet", key_of(body))
        is_ours = (controller_of(there) or {}).get("uid") == uid_of(deployment)
        if is_ours and revisions.is_like(deployment, there):  # made before, but not heard of yet
            return replace(seen, new=there), None
        return replace(seen, collided=True), None
    except ApiError as error:
        if is_namespace_ending(error):
            return seen, None
        said = f'Failed to create new replica set "{name}": {error}'
        context.events.event(deployment, "Warning", "ReplicaSetCreateError", said)
        return replace(seen, failure=said), error
    if replicas:
        _tell_scaled(deployment, name, 0, replicas, context)
    return replace(seen, new=made, made=True), None


def resized(wanted: Wanted, rs: Object, size: int) -> Object:
    """The patch that gives a set its size."""
    told = {name: text for name, text in revisions.size_annotations(wanted).items()
            if annotations_of(rs).get(name) != text}  # fmt: skip
    spec = {"replicas": size} if get(rs, ".spec.replicas", 0) != size else {}
    return _patch(told, spec)


def changes_of_new(deployment: Object, wanted: Wanted, seen: Seen, sizes: dict[str, int]) -> Object:
    """The patch that makes a set the newest revision, of the size that is planned for it, if it is planned."""
    new = seen.new
    assert new is not None
    annotations = revisions.new_annotations(deployment, new, seen.old)
    spec: dict[str, Any] = {}
    min_ready = get(deployment, ".spec.minReadySeconds", 0)
    if get(new, ".spec.minReadySeconds", 0) != min_ready:
        spec["minReadySeconds"] = min_ready
    size = sizes.get(new["metadata"]["name"])
    also = resized(wanted, new, size) if size is not None else {}
    return _patch({**annotations, **get(also, ".metadata.annotations", {})}, {**spec, **also.get("spec", {})})


def _patch(annotations: dict[str, str], spec: dict[str, Any]) -> Object:
    patch: Object = {"metadata": {"annotations": annotations}} if annotations else {}
    return patch | ({"spec": spec} if spec else {})


async def _change(deployment: Object, rs: Object, patch: Object, context: Context) -> Object | None:
    """The set as it is afterwards; None where it is gone. Raises Conflict where it is not what was planned for."""
    if not patch:
        return rs
    about = rs["metadata"]
    precondition = {"uid": about["uid"], "resourceVersion": about["resourceVersion"]}
    sent = {**patch, "metadata": {**patch.get("metadata", {}), **precondition}}
    try:
        changed = await context.client.patch("ReplicaSet", key_of(rs), sent)
    except NotFound:
        return None
    before, after = get(rs, ".spec.replicas", 0), get(changed, ".spec.replicas", 0)
    if before != after:
        _tell_scaled(deployment, about["name"], before, after, context)
    return changed


def _tell_scaled(deployment: Object, name: str, before: int, after: int, context: Context) -> None:
    way = "up" if after > before else "down"
    said = f"Scaled {way} replica set {name} from {before} to {after}"
    context.events.event(deployment, "Normal", "ScalingReplicaSet", said)


async def _report(deployment: Object, wanted: Wanted, seen: Seen, context: Context) -> progress.Status:
    """The status as it now is. The revision goes along: so written, an annotation is no new generation."""
    known = context.lister["Deployment"].get(key_of(deployment), deployment)
    status = progress.status_of(deployment, wanted, seen, context.clock())
    annotations = dict(annotations_of(known))
    if seen.new is not None and (revision := annotations_of(seen.new).get(revisions.REVISION)):
        annotations[revisions.REVISION] = revision
    if uid_of(known) != uid_of(deployment) or (
        status == (known.get("status") or {}) and annotations == annotations_of(known)
    ):
        return status
    metadata = {**known["metadata"], "annotations": annotations}
    with suppress(NotFound):
        await context.client.update_status({**known, "metadata": metadata, "status": status})
    return status


async def _forget(deployment: Object, old: Sequence[Object], context: Context) -> None:
    """Deletes sets beyond the history limit, none that has changed since it was looked at."""
    for rs in revisions.surplus(deployment, old):
        version = rs["metadata"]["resourceVersion"]
        with suppress(NotFound):
            await context.client.delete("ReplicaSet", key_of(rs), uid=uid_of(rs), resource_version=version)


def _recreated(pod: Object, lister: Listers) -> list[str]:
    """The Deployment that waits for the pod's end; others do not look at pods."""
    rs = _above(pod, "ReplicaSet", lister)
    deployment = _above(rs, "Deployment", lister) if rs is not None else None
    return [key_of(deployment)] if deployment is not None and rollout.wanted_of(deployment).recreate else []


def _above(obj: Object, kind: str, lister: Listers) -> Object | None:
    controller = controller_of(obj)
    if controller is None or controller["kind"] != kind:
        return None
    owner: Object | None = lister[kind].get(f"{obj['metadata']['namespace']}/{controller['name']}")
    return owner if owner is not None and uid_of(owner) == controller["uid"] else None


CONTROLLER = Controller(
    "deployment",
    reconcile,
    watches={"Deployment": own, "ReplicaSet": owners_that_match("Deployment", selector_of), "Pod": _recreated},
    indexes=orphans_of("ReplicaSet"),
)
