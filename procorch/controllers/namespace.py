"""Namespaces that end: their pods are deleted, then everything else in them, then they may go.

Pods go first, so that none runs on without what holds it in check: a NetworkPolicy, a quota, its ConfigMaps. Source:
Kubernetes' OrderedNamespaceDeletion (KEP 5080).

The API marks a deleted Namespace (deletionTimestamp, phase Terminating) and keeps it while spec.finalizers is not
empty; this controller takes `kubernetes` out of it when nothing is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import orjson

from procorch.clock import timestamp
from procorch.controllers.controller import Context, Controller, KeysOf, own
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, Conflict, NotFound, Object, get, is_deleting

FINALIZER = "kubernetes"


def content_kinds() -> list[Kind]:
    """The namespaced kinds that can be listed and deleted, each storage once."""
    found = [kind for kind in KINDS if kind.namespaced and {"list", "delete"} <= set(kind.verbs)]
    return [kind for kind in found if kind.guise_of is None]


def plan_conditions(left: Mapping[str, Iterable[Object]], failures: Iterable[str], now: float) -> list[Object]:
    """What kubectl shows of a namespace that does not end. left: `pods.` → its objects, as `plural.group`."""
    counts = {name: len(list(objects)) for name, objects in left.items()}
    finalizers = Counter(name for objects in left.values() for obj in objects for name in _finalizers(obj))
    content = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(counts.items()) if count)
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    failed = ", ".join(sorted(failures))
    rows = (
        ("NamespaceDeletionContentFailure", failed, "ContentDeletionFailed", "ContentDeleted",
         f"Failed to delete all resource types, {failed}",
         "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining", content, "SomeResourcesRemain", "ContentRemoved",
         f"Some resources are remaining: {content}", "All content successfully removed"),
        ("NamespaceFinalizersRemaining", held, "SomeFinalizersRemain", "ContentHasNoFinalizers",
         f"Some content in the namespace has finalizers remaining: {held}",
         "All content-preserving finalizers finished"),
    )  # fmt: skip
    return [
        {
            "type": type_,
            "status": "True" if bad else "False",
            "lastTransitionTime": timestamp(now),
            "reason": reason if bad else good_reason,
            "message": message if bad else good_message,
        }
        for type_, bad, reason, good_reason, message, good_message in rows
    ]


def _finalizers(obj: Object) -> list[str]:
    return get(obj, ".metadata.finalizers", [])  # type: ignore[no-any-return]


async def reconcile(key: str, context: Context) -> float | None:
    namespace = context.lister["Namespace"].get(key)
    if namespace is None or not is_deleting(namespace):
        return None
    if FINALIZER not in get(namespace, ".spec.finalizers", []):
        return None
    if get(namespace, ".status.phase") != "Terminating":
        namespace = await context.client.update_status({**namespace, "status": {"phase": "Terminating"}})
    pods = [kind for kind in content_kinds() if kind.name == "Pod"]
    left, failures = await _empty(pods, key, context)
    if not (left or failures):
        left, failures = await _empty([kind for kind in content_kinds() if kind not in pods], key, context)
    if left or failures:
        await _report(namespace, plan_conditions(left, failures, context.clock()), context)
        return 1.0  # and at once when one of them goes
    await _finalize(namespace, context)
    return None


async def _empty(kinds: Iterable[Kind], namespace: str, context: Context) -> tuple[dict[str, list[Object]], list[str]]:
    """Deletes all objects of these kinds; what is left of them, and what went wrong."""
    left: dict[str, list[Object]] = {}
    failures: list[str] = []
    for kind in kinds:
        try:
            found = (await context.client.items(kind, namespace)).objects
            if found:
                await context.client.delete_all(kind, namespace, propagation="Background")
                found = (await context.client.items(kind, namespace)).objects
        except ApiError as error:
            failures.append(str(error))
            continue
        if found:
            left[f"{kind.plural}.{kind.group}"] = found
    return left, failures


async def _report(namespace: Object, conditions: list[Object], context: Context) -> None:
    """Writes the conditions where they say something new; the time of an unchanged one stays."""
    known = {row["type"]: row for row in get(namespace, ".status.conditions", [])}
    rows: list[Object] = []
    for row in conditions:
        old = known.pop(row["type"], None)
        if old is not None and old["status"] == row["status"]:
            row = {**row, "lastTransitionTime": old["lastTransitionTime"]}
        rows.append(row)
    rows = [*known.values(), *rows]
    if rows != get(namespace, ".status.conditions", []):
        status = {**namespace["status"], "phase": "Terminating", "conditions": rows}
        await context.client.update_status({**namespace, "status": status})


async def _finalize(namespace: Object, context: Context) -> None:
    name = namespace["metadata"]["name"]
    fresh = await context.client.get("Namespace", name)
    if not is_deleting(fresh) or fresh["metadata"]["uid"] != namespace["metadata"]["uid"]:
        raise Conflict.of("namespaces", name)
    finalizers = [one for one in get(fresh, ".spec.finalizers", []) if one != FINALIZER]
    body = {**fresh, "spec": {**fresh.get("spec", {}), "finalizers": finalizers}}
    try:
        path = KINDS["Namespace"].path(None, name, "finalize")
        await context.client.raw("PUT", path, body=orjson.dumps(body))
    except NotFound:
        return


def _of_content(obj: Object, lister: Mapping[str, Mapping[str, Object]]) -> list[str]:
    """The object's namespace, if that waits for it to go."""
    name = obj["metadata"].get("namespace")
    namespace = lister["Namespace"].get(name) if name else None
    return [name] if name and namespace is not None and is_deleting(namespace) else []


def _watches() -> dict[str, KeysOf]:
    watches: dict[str, KeysOf] = {"Namespace": own}
    return watches | {kind.name: _of_content for kind in content_kinds() if kind.name not in ("Event", "Lease")}


CONTROLLER = Controller("namespace", reconcile, watches=_watches())
