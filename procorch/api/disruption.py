"""Whether a pod may be evicted: what the PodDisruptionBudget that covers it still allows.

Who counts the healthy pods is a controller; an eviction spends one of `status.disruptionsAllowed` and notes the pod in
`status.disruptedPods`, so that ten evictions at once cannot all spend the last one.
Source: pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procorch.api.cache import LostEntry
from procorch.api.routes import parse
from procorch.clock import timestamp
from procorch.kinds import KINDS
from procorch.kinds.fields import rows
from procorch.objects import ApiError, Forbidden, Object, TooManyRequests, condition_of, get, is_deleting, labels_of
from procorch.selectors import LabelSelector

if TYPE_CHECKING:
    from procorch.api.api import Api

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_MOST_NOTED = 2000
_BUDGET = "poddisruptionbudgets"
_SOON = 10  # seconds until a budget will have been counted


async def allow(api: Api, pod: Object, *, dry_run: bool) -> None:
    """Spends one disruption of the budget that covers the pod. Raises TooManyRequests where none is left.

    A pod that has ended, has not begun, or is going already costs nothing; nor, where its application has enough
    others, one that is not ready.
    """
    if get(pod, ".status.phase") in ("Succeeded", "Failed", "Pending") or is_deleting(pod):
        return
    budgets = _budgets(api, pod)
    if len(budgets) > 1:
        raise ApiError(_SEVERAL, 500, "InternalError")
    if not budgets or _costs_nothing(pod, budgets[0]):
        return
    namespace, name = pod["metadata"]["namespace"], budgets[0]["metadata"]["name"]
    path = f"{KINDS['PodDisruptionBudget'].path(namespace, name)}/status"

    def spend(budget: Object) -> Object:
        _spend(budget, pod["metadata"]["name"], timestamp(api.clock()))
        return budget

    await api.rest.change(parse(KINDS, "PUT", path, {}), spend, dry_run=dry_run)


def _budgets(api: Api, pod: Object) -> list[Object]:
    """Those whose selector chooses the pod; one without a selector chooses none. Raises ApiError for a lost one."""
    kind = KINDS["PodDisruptionBudget"]
    budgets = []
    for entry in api.cache.shelf(kind).within(pod["metadata"]["namespace"]):
        if isinstance(entry, LostEntry):  # it may have been this pod's
            raise entry.error(kind)
        budgets.append(entry.object)
    return [one for one in budgets if LabelSelector.of(get(one, ".spec.selector")).matches(labels_of(pod))]


def _costs_nothing(pod: Object, budget: Object) -> bool:
    ready = condition_of(pod, "Ready")
    if ready is not None and ready.get("status") == "True":
        return False
    if get(budget, ".spec.unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    wanted = get(budget, ".status.desiredHealthy", 0)
    return bool(0 < wanted <= get(budget, ".status.currentHealthy", 0))


def _spend(budget: Object, pod: str, now: str) -> None:
    """Notes in the budget's status that this pod goes. now: as the API writes times. Raises TooManyRequests."""
    name, status = budget["metadata"]["name"], budget.setdefault("status", {})
    left = status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", _SOON)
    if left < 0:
        raise Forbidden.of(_BUDGET, name, "pod disruption budget disruptions allowed is negative", "policy")
    noted: dict[str, Any] = status.setdefault("disruptedPods", {})
    if len(noted) > _MOST_NOTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Forbidden.of(_BUDGET, name, why, "policy")
    if left == 0:
        raise _refusal(_why_none(budget))
    status["disruptionsAllowed"] = left - 1
    if left == 1:
        _exhaust(budget, now)
    noted[pod] = now


def _exhaust(budget: Object, now: str) -> None:
    """The condition says that nothing is left, before the controller does."""
    condition = {
        "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": budget["status"].get("observedGeneration", 0), "lastTransitionTime": now,
    }  # fmt: skip
    before = condition_of(budget, "DisruptionAllowed")
    if before is not None and before.get("status") == "False":
        condition["lastTransitionTime"] = before.get("lastTransitionTime", now)
    others = [row for row in rows(budget["status"].get("conditions")) if row.get("type") != "DisruptionAllowed"]
    budget["status"]["conditions"] = [*others, condition]


def _why_none(budget: Object) -> str:
    name, status, condition = budget["metadata"]["name"], budget["status"], condition_of(budget, "DisruptionAllowed")
    if condition is not None and condition.get("reason") == "SyncFailed":
        said = condition.get("message", "")
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {said}"
    wanted, seen = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return f"The disruption budget {name} needs {wanted} healthy pods and has {seen} currently"


def _refusal(why: str, retry_after: int | None = None) -> TooManyRequests:
    """retry_after: seconds, where waiting alone will help."""
    refused = TooManyRequests.of(_REFUSED)
    refused.retry_after = retry_after
    refused.details = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    return refused
