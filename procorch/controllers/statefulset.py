"""StatefulSet: pods with names and claims of their own, made, updated and deleted in order.

    StatefulSet ──▶ its revisions (controller_revisions.py) and its pods (ownership.py)
                          │
        plan: numbers and pods (statefulset_plan.py) ──▶ claims, then the pod (statefulset_pods.py)
                          ▼
        claims go with the set, with the pod, or stay ──▶ status ──▶ revisions beyond the history limit go

Pods are deleted with their grace, never by force: as long as a node may still run one, there is no other of its name.
Source: pkg/controller/statefulset.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress

from procorch.controllers import controller_revisions
from procorch.controllers.controller import Context, Controller, KeysOf, Listers, own
from procorch.controllers.controller_revisions import History
from procorch.controllers.ownership import claim, orphans_of, owners_that_match, selector_of, settle
from procorch.controllers.pod_control import all_of, is_namespace_ending
from procorch.controllers.replicas import look_again
from procorch.controllers.statefulset_plan import Plan, View, plan, status_of, view_of
from procorch.controllers.statefulset_pods import (
    claim_owners,
    claims_of,
    has_other_controller,
    identity,
    is_stale,
    name_of,
    number_of,
    pod_of,
    retention,
    revision_of,
)
from procorch.objects import (
    AlreadyExists,
    ApiError,
    Conflict,
    NotFound,
    Object,
    controller_of,
    get,
    is_deleting,
    key_of,
    labels_of,
    owners_of,
    uid_of,
)
from procorch.pods import phase_of

_HASH = "controller.kubernetes.io/hash"
"""The label of a revision that has its hash; pods are labelled with the revision's name."""


async def reconcile(key: str, context: Context) -> float | None:
    """Makes a StatefulSet's pods and claims as it wants them, and its status true."""
    owner = context.lister["StatefulSet"].get(key)
    if owner is None or is_deleting(owner):
        return None

    def is_member(pod: Object) -> bool:
        return number_of(owner, pod) is not None

    selector = selector_of(owner)
    pods = await settle(owner, "Pod", selector, context, member=is_member)
    try:
        history = await controller_revisions.keep(owner, _HASH, context)
    except ApiError as error:
        if is_namespace_ending(error):
            return None
        raise
    known = {one["metadata"]["name"]: one for one in (*history.others, history.newest)}
    update = history.newest["metadata"]["name"]
    current = _current(owner, pods, known) or update
    view = view_of(owner, pods, current, update, context.clock())
    failure = await _carry_out(view, plan(view), known, context)
    pods = claim(owner, context.lister["Pod"].by_owner(uid_of(owner)), selector, is_member).mine
    status = await _report(view_of(owner, pods, current, update, context.clock()), history, context)
    if failure is not None:
        raise failure
    live = {status, *map(revision_of, pods)}
    await controller_revisions.forget(owner, history, live, context)
    return look_again(owner, pods, context.clock())


def _current(owner: Object, pods: Sequence[Object], known: Mapping[str, Object]) -> str:
    """The revision before the newest: what the status says, or, where it does not yet, what the first pod has."""
    first = min(pods, key=lambda pod: number_of(owner, pod) or 0, default=None)
    said = (str(get(owner, ".status.currentRevision", "")), revision_of(first) if first is not None else "")
    return next((name for name in said if name in known), "")


async def _carry_out(view: View, wanted: Plan, known: dict[str, Object], context: Context) -> ApiError | None:
    owner = view.owner
    for number, pod in view.pods.items():
        if error := await _put_right(owner, number, pod, context):
            return error
    if error := await all_of([_delete(owner, pod, context) for pod in wanted.delete]):
        return error
    made, batch = 0, 1
    while made < len(wanted.create):  # 1, 2, 4 …: what is refused is refused once
        some = wanted.create[made : made + batch]
        ways = [_create(owner, number, known[view.revision_for(number)], context) for number in some]
        if error := await all_of(ways):
            return error
        made += len(some)
        batch *= 2
    return None


async def _put_right(owner: Object, number: int, pod: Object, context: Context) -> ApiError | None:
    """Its labels (of one that was adopted), its claims while it waits for them, and whom these go with."""
    if is_deleting(pod):
        return None
    if not identity(owner, number).items() <= labels_of(pod).items():
        patch = {"metadata": {"uid": uid_of(pod), "labels": identity(owner, number)}}
        way = context.client.patch("Pod", key_of(pod), patch)
        if error := await _told(owner, "update", pod["metadata"]["name"], way, context):
            return error
    if phase_of(pod) == "Pending" and (error := await _create_claims(owner, number, context)):
        return error
    return await _set_retention(owner, number, pod, context)


async def _told(owner: Object, verb: str, name: str, way: Awaitable[Object], context: Context) -> ApiError | None:
    """Does something to a pod, and says so."""
    what = f"{verb} Pod {name} in StatefulSet {owner['metadata']['name']}"
    try:
        await way
    except ApiError as error:
        if (verb == "create" and is_namespace_ending(error)) or (verb != "create" and isinstance(error, NotFound)):
            return None
        if not isinstance(error, AlreadyExists | Conflict):
            said = f"{what} failed error: {error}"
            context.events.event(owner, "Warning", f"Failed{verb.capitalize()}", said)
        return error
    context.events.event(owner, "Normal", f"Successful{verb.capitalize()}", f"{what} successful")
    return None


async def _create(owner: Object, number: int, revision: Object, context: Context) -> ApiError | None:
    name, namespace = name_of(owner, number), owner["metadata"]["namespace"]
    if (other := context.lister["Pod"].get(f"{namespace}/{name}")) is not None:
        error = AlreadyExists.of("pods", name)
        if (controller_of(other) or {}).get("uid") != uid_of(owner):
            said = f"create Pod {name} in StatefulSet {owner['metadata']['name']} failed error: {error}"
            context.events.event(owner, "Warning", "FailedCreate", said)
        return error
    if retention(owner)[1]:
        claims = context.lister["PersistentVolumeClaim"]
        there = (claims.get(f"{namespace}/{body['metadata']['name']}") for body in claims_of(owner, number))
        if any(one is not None and is_stale(one, name) for one in there):
            return None  # its going is heard of
    if failure := await _create_claims(owner, number, context):
        return failure
    body = pod_of(owner, number, revision)
    if failure := await _told(owner, "create", name, context.client.create(body), context):
        return failure
    pod = context.lister["Pod"].get(f"{namespace}/{name}")
    return await _set_retention(owner, number, pod, context) if pod is not None else None


async def _delete(owner: Object, pod: Object, context: Context) -> ApiError | None:
    way = context.client.delete("Pod", key_of(pod), uid=uid_of(pod))
    return await _told(owner, "delete", pod["metadata"]["name"], way, context)


async def _create_claims(owner: Object, number: int, context: Context) -> ApiError | None:
    name = name_of(owner, number)
    for body in claims_of(owner, number):
        there = context.lister["PersistentVolumeClaim"].get(key_of(body))
        claim_name = body["metadata"]["name"]
        if there is not None and is_deleting(there):
            return Conflict.of("persistentvolumeclaims", claim_name, why=f"pvc {claim_name} is being deleted")
        if there is not None:
            continue
        what = f"create Claim {claim_name} Pod {name} in StatefulSet {owner['metadata']['name']}"
        try:
            await context.client.create(body)
        except AlreadyExists:
            continue
        except ApiError as error:
            if is_namespace_ending(error):
                return None
            context.events.event(owner, "Warning", "FailedCreate", f"{what} failed error: {error}")
            return error
        context.events.event(owner, "Normal", "SuccessfulCreate", f"{what} success")
    return None


async def _set_retention(owner: Object, number: int, pod: Object, context: Context) -> ApiError | None:
    """Who is gone takes the claims along, if it is to."""
    for body in claims_of(owner, number):
        there = context.lister["PersistentVolumeClaim"].get(key_of(body))
        if there is None:
            continue
        wanted = claim_owners(owner, pod, there)
        if any(retention(owner)) and has_other_controller(owner, pod, there):
            name = there["metadata"]["name"]
            said = f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a managing controller, "
            context.events.event(
                owner, "Warning", "ConflictingController", said + "the retention policy is ignored for this claim"
            )
        if wanted == owners_of(there):
            continue
        about = there["metadata"]
        patch = {"uid": about["uid"], "resourceVersion": about["resourceVersion"], "ownerReferences": wanted or None}
        try:
            await context.client.patch("PersistentVolumeClaim", key_of(there), {"metadata": patch})
        except NotFound:
            continue
        except ApiError as error:
            return error
    return None


async def _report(view: View, history: History, context: Context) -> str:
    """Returns the name of the revision that is now the current one."""
    owner = view.owner
    known = context.lister["StatefulSet"].get(key_of(owner), owner)
    status = status_of(view, history.collisions)
    if conditions := get(known, ".status.conditions"):
        status["conditions"] = conditions
    if uid_of(known) == uid_of(owner) and status != (known.get("status") or {}):
        with suppress(NotFound):
            await context.client.update_status({**known, "status": status})
    return str(status["currentRevision"])


_of_owned: KeysOf = owners_that_match("StatefulSet", selector_of)


def _of_pod(pod: Object, listers: Listers) -> Iterable[str]:
    """Also the set after which a pod is called: somebody else's may be in the way."""
    yield from _of_owned(pod, listers)
    key = key_of(pod).rpartition("-")[0]
    if key in listers["StatefulSet"]:
        yield key


def _of_claim(claim_: Object, listers: Listers) -> Iterable[str]:
    """A claim carries the labels by which the set chooses its pods."""
    labels = labels_of(claim_)
    for owner in listers["StatefulSet"].by_namespace(claim_["metadata"]["namespace"]):
        if get(owner, ".spec.volumeClaimTemplates") and selector_of(owner).matches(labels):
            yield key_of(owner)


CONTROLLER = Controller(
    "statefulset",
    reconcile,
    watches={
        "StatefulSet": own, "Pod": _of_pod, "ControllerRevision": _of_owned, "PersistentVolumeClaim": _of_claim,
    },
    indexes={**orphans_of("Pod"), **orphans_of("ControllerRevision")},
)  # fmt: skip
