"""Pod garbage: too many finished pods, pods of nodes that are no more, and unbound pods that were deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from procorch.controllers.controller import Context, Controller
from procorch.controllers.node_lifecycle import INDEXES
from procorch.objects import NotFound, Object, get, is_deleting, key_of, uid_of
from procorch.pods import created_at, disruption, is_terminal, phase_of

FINISHED = "finished"
_UNBOUND = "unbound:"
_NODE = "node:"


def plan_finished(pods: Iterable[Object], most: int) -> list[Object]:
    """The finished pods beyond `most`, the oldest first; 0 or less keeps them all."""
    if most <= 0:
        return []
    finished = [pod for pod in pods if is_terminal(pod) and not is_deleting(pod)]
    surplus = len(finished) - most
    return sorted(finished, key=lambda pod: (created_at(pod), key_of(pod)))[:surplus] if surplus > 0 else []


async def reconcile(key: str, context: Context) -> float | None:
    if key == FINISHED:
        pods, most = context.lister["Pod"], context.config.terminated_pods
        if pods.count(FINISHED, FINISHED) > most:
            for pod in plan_finished(pods.by(FINISHED, FINISHED), most):
                await _remove(pod, context)
        return None
    if key.startswith(_NODE):
        return await _orphans(key.removeprefix(_NODE), context)
    pod = context.lister["Pod"].get(key.removeprefix(_UNBOUND))
    if pod is not None and is_deleting(pod) and not get(pod, ".spec.nodeName"):
        await _remove(pod, context)
    return None


async def _orphans(name: str, context: Context) -> float | None:
    """Pods of a node that does not exist. It gets a while to come (back): a node may register after its pods."""
    missing: dict[str, float] = context.state.setdefault("missing", {})
    pods = context.lister["Pod"]
    if name in context.lister["Node"] or not pods.count("node", name):
        missing.pop(name, None)
        return None
    since = missing.setdefault(name, context.clock())
    wait = since + context.config.orphan_grace - context.clock()
    if wait > 0:
        return wait
    try:
        await context.client.get("Node", name)
    except NotFound:
        for pod in pods.by("node", name):  # what was not finished has failed
            why = "PodGC: node no longer exists"
            told = disruption(pod, "DeletionByPodGC", why, context.clock())
            told["status"]["phase"] = "Failed"
            with contextlib.suppress(NotFound):
                if not is_terminal(pod):
                    await context.client.patch("Pod", key_of(pod), told, type="strategic", subresource="status")
            await _remove(pod, context)
    return None


async def _remove(pod: Object, context: Context) -> None:
    """Without grace: nobody is there who would end it."""
    with contextlib.suppress(NotFound):
        await context.client.delete("Pod", key_of(pod), uid=uid_of(pod), grace=0)


def _of_pod(pod: Object, lister: Mapping[str, Mapping[str, Object]]) -> list[str]:
    keys = [FINISHED] if phase_of(pod) in ("Succeeded", "Failed") else []
    node = get(pod, ".spec.nodeName")
    if node and node not in lister["Node"]:
        keys.append(_NODE + node)
    elif not node and is_deleting(pod):
        keys.append(_UNBOUND + key_of(pod))
    return keys


def _of_node(node: Object, lister: object) -> list[str]:
    return [_NODE + node["metadata"]["name"]]


CONTROLLER = Controller(
    "podgc",
    reconcile,
    watches={"Pod": _of_pod, "Node": _of_node},
    indexes={**INDEXES, ("Pod", FINISHED): lambda pod: [FINISHED] if is_terminal(pod) else []},
    component="pod-garbage-collector",
    workers=1,
)
