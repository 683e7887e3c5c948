"""DaemonSet: a pod on every node that fits, replaced node by node when its template changes.

    DaemonSet ──▶ its revisions (controller_revisions.py) and its pods (ownership.py)
                        │
        plan: nodes and pods in, names out (daemonset_plan.py) ──▶ pod_control.py
                        ▼
        status ──▶ revisions beyond the history limit go

Source: pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from procorch.controllers import controller_revisions
from procorch.controllers.controller import Context, Controller, KeysOf, Listers, own
from procorch.controllers.controller_revisions import HASH
from procorch.controllers.daemonset_plan import Plan, View, Wanted, plan, pod_of, status_of, view_of
from procorch.controllers.ownership import claim, orphans_of, owners_that_match, selector_of, settle
from procorch.controllers.pod_control import create_pods, delete_pods, is_namespace_ending
from procorch.controllers.replicas import look_again
from procorch.objects import ApiError, NotFound, Object, get, is_deleting, key_of, labels_of, uid_of

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 900.0


async def reconcile(key: str, context: Context) -> float | None:
    """Makes a DaemonSet's pods as it wants them, and its status true."""
    owner = context.lister["DaemonSet"].get(key)
    if owner is None:
        _forget(key, context)
        return None
    if is_deleting(owner):
        return None
    if not get(owner, ".spec.selector.matchLabels") and not get(owner, ".spec.selector.matchExpressions"):
        said = "This daemon set is selecting all pods. A non-empty selector is required."
        context.events.event(owner, "Warning", "SelectingAll", said)
        return None
    try:
        history = await controller_revisions.keep(owner, HASH, context)
    except ApiError as error:
        if is_namespace_ending(error):
            return None
        raise
    wanted = Wanted(owner, labels_of(history.newest).get(HASH, history.newest["metadata"]["name"]))
    view = _view(owner, await settle(owner, "Pod", selector_of(owner), context), context)
    made = plan(wanted, view, context.clock(), lambda node: _kept(key, owner, node, context))
    failure = await _carry_out(wanted, made, context)
    pods = claim(owner, context.lister["Pod"].by_owner(uid_of(owner)), selector_of(owner)).mine
    await _report(wanted, _view(owner, pods, context), history.collisions, context)
    if failure is not None:
        raise failure
    labels = {labels_of(pod).get(HASH) for pod in pods}
    live = {one["metadata"]["name"] for one in history.others if labels_of(one).get(HASH) in labels}
    await controller_revisions.forget(owner, history, live, context)
    waits = [one for one in (made.wait, look_again(owner, pods, context.clock())) if one is not None]
    return min(waits, default=None)


def _view(owner: Object, pods: Sequence[Object], context: Context) -> View:
    return view_of(owner, context.lister["Node"].values(), pods)


async def _carry_out(wanted: Wanted, made: Plan, context: Context) -> ApiError | None:
    for type_, reason, message in made.told:
        context.events.event(wanted.owner, type_, reason, message)
    if failure := await delete_pods(wanted.owner, made.delete, context):
        return failure  # what comes in the place of those may not come beside them
    return await create_pods(wanted.owner, [pod_of(wanted, node) for node in made.create], context)


async def _report(wanted: Wanted, view: View, collisions: int, context: Context) -> None:
    owner = wanted.owner
    known = context.lister["DaemonSet"].get(key_of(owner), owner)
    status = status_of(wanted, view, collisions, context.clock())
    if conditions := get(known, ".status.conditions"):
        status["conditions"] = conditions
    if uid_of(known) == uid_of(owner) and status != (known.get("status") or {}):
        with suppress(NotFound):
            await context.client.update_status({**known, "status": status})


def _kept(key: str, owner: Object, node: str, context: Context) -> float:
    """Seconds for which the node's failed pod stays; where that is over, the next stays twice as long."""
    waits: dict[tuple[str, str, str], tuple[float, float]] = context.state.setdefault("waits", {})
    now, place = context.clock(), (key, uid_of(owner), node)
    wait, since = waits.get(place, (0.0, 0.0))
    if since + wait > now:
        return since + wait - now
    calm = since + 2 * _LONGEST_WAIT < now
    waits[place] = (_FIRST_WAIT if calm or not wait else min(2 * wait, _LONGEST_WAIT)), now
    return 0.0


def _forget(key: str, context: Context) -> None:
    waits = context.state.get("waits", {})
    for place in [one for one in waits if one[0] == key]:
        del waits[place]


def _all(obj: Object, listers: Listers) -> list[str]:
    """A node concerns all of them."""
    return list(listers["DaemonSet"])


_of_pod: KeysOf = owners_that_match("DaemonSet", selector_of)

CONTROLLER = Controller(
    "daemonset",
    reconcile,
    watches={"DaemonSet": own, "Pod": _of_pod, "ControllerRevision": _of_pod, "Node": _all},
    indexes={**orphans_of("Pod"), **orphans_of("ControllerRevision")},
)
