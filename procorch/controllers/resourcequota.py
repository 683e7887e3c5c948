"""ResourceQuotas are counted: what they allow, and how much of it the objects of their namespace use.

What a new object costs is charged by the API in the append that makes it; here it is counted anew after a quota was
changed, and where something went or ended. A count is of lists read after the quota itself, and is written under its
resourceVersion: whatever was made meanwhile has changed that, so nothing that was charged is ever forgotten.
Source: pkg/controller/resourcequota.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from fractions import Fraction

from procorch import quota as costs
from procorch.controllers.controller import Context, Controller, KeysOf, Listers, own
from procorch.controllers.namespace import content_kinds
from procorch.kinds import KINDS
from procorch.kinds.fields import mapping, part, rows, texts
from procorch.kinds.kind import Kind
from procorch.objects import NotFound, Object, is_deleting, key_of
from procorch.pods import is_terminal
from procorch.quantity import Quantity

#: what changes can make cheaper, beside their end
_SHRINKING = ("Pod", "Service", "PersistentVolumeClaim")


def plan(
    quota: Object, found: Iterable[tuple[Kind, Iterable[Object]]], counts: Mapping[str, int], now: float
) -> Object | None:
    """The status as it ought to be; None where it is so already.

    found: the objects whose contents matter, by kind. counts: of the other resources, how many objects there are.
    """
    hard = part(quota, "spec").get("hard") or {}
    used: costs.Usage = dict.fromkeys(hard, Quantity(Fraction(0)))
    for name, count in counts.items():
        used[name] = Quantity(Fraction(count))
    for kind, objects in found:
        names = costs.concerning(kind, hard)
        for obj in objects:
            if costs.matches(quota, kind, obj):
                cost = costs.usage_of(kind, obj, now)
                used = costs.added(used, {name: amount for name, amount in cost.items() if name in names})
    status = {"hard": dict(hard), "used": costs.shown(used)} if hard else {}
    return None if status == mapping(quota.get("status")) else status


async def reconcile(key: str, context: Context) -> float | None:
    try:
        quota = await context.client.get("ResourceQuota", key)
    except NotFound:
        return None
    if is_deleting(quota):
        return None
    namespace, hard = quota["metadata"]["namespace"], mapping(part(quota, "spec").get("hard"))
    scoped = any(part(quota, "spec").get(field) for field in ("scopes", "scopeSelector"))
    found: list[tuple[Kind, list[Object]]] = []
    counts: dict[str, int] = {}
    for kind in content_kinds():
        names = costs.concerning(kind, hard)
        if not names or (scoped and kind.name not in ("Pod", "PersistentVolumeClaim")):
            continue
        if kind.name in _SHRINKING:
            found.append((kind, (await context.client.items(kind, namespace)).objects))
        else:
            page = await context.client.items(kind, namespace, limit=1)
            counts |= dict.fromkeys(names, len(page.objects) + (page.remaining or 0))
    status = plan(quota, found, counts, context.clock())
    if status is not None:
        with contextlib.suppress(NotFound):
            await context.client.update_status({**quota, "status": status})
    return None


def _of(kind: Kind) -> KeysOf:
    """The quotas of a namespace in which something went, or became cheaper."""

    def keys(obj: Object, lister: Listers) -> list[str]:
        quotas = lister["ResourceQuota"].by_namespace(obj["metadata"].get("namespace") or "")
        if not quotas:
            return []
        if key_of(obj) in lister[kind.name] and not _may_shrink(kind, obj):
            quotas = [quota for quota in quotas if _may_leave(quota, kind, obj)]
        return [key_of(quota) for quota in quotas if costs.concerning(kind, mapping(part(quota, "spec").get("hard")))]

    return keys


def _may_shrink(kind: Kind, obj: Object) -> bool:
    return kind.name in _SHRINKING and (kind.name != "Pod" or is_terminal(obj) or is_deleting(obj))


def _may_leave(quota: Object, kind: Kind, obj: Object) -> bool:
    """Whether it is a pod that may have been given a deadline, and is of a quota for those without."""
    if kind.name != "Pod" or not costs.ends_by_itself(obj):
        return False
    rules = rows(part(quota, "spec", "scopeSelector").get("matchExpressions"))
    scopes = [*texts(part(quota, "spec").get("scopes")), *(rule.get("scopeName") for rule in rules)]
    return "NotTerminating" in scopes


def _of_quota(quota: Object, lister: Listers) -> list[str]:
    """Itself; others that count quotas, when it goes."""
    return [*own(quota, lister), *_of(KINDS["ResourceQuota"])(quota, lister)]


def _watches() -> dict[str, KeysOf]:
    """Events and Leases are counted, but their going is not watched: they come and go all day."""
    watches: dict[str, KeysOf] = {"ResourceQuota": _of_quota}
    others = [kind for kind in content_kinds() if kind.name not in ("Event", "Lease", "ResourceQuota")]
    return watches | {kind.name: _of(kind) for kind in others}


CONTROLLER = Controller("resourcequota", reconcile, watches=_watches(), component="resourcequota-controller")
