"""Jobs that have ended go, with their pods, when their ttlSecondsAfterFinished are over.

Source: pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from contextlib import suppress

from procorch.clock import parse_timestamp
from procorch.controllers.controller import Context, Controller, own
from procorch.objects import NotFound, Object, condition_of, get, is_deleting, uid_of


def plan(job: Object, now: float) -> float | None:
    """Seconds until it has to go, 0 where that is now; None where it may stay."""
    ttl = get(job, ".spec.ttlSecondsAfterFinished")
    if ttl is None or is_deleting(job):
        return None
    for type_ in ("Complete", "Failed"):
        condition = condition_of(job, type_)
        if condition is not None and condition["status"] == "True":
            return max(0.0, parse_timestamp(condition["lastTransitionTime"]) + float(ttl) - now)
    return None


async def reconcile(key: str, context: Context) -> float | None:
    job = context.lister["Job"].get(key)
    left = None if job is None else plan(job, context.clock())
    if job is None or left is None or left > 0:
        return left
    with suppress(NotFound):
        # No other than the one that was looked at: its time to live may just have been made longer.
        version = job["metadata"]["resourceVersion"]
        await context.client.delete("Job", key, uid=uid_of(job), resource_version=version, propagation="Foreground")
    return None


CONTROLLER = Controller("ttl-after-finished", reconcile, watches={"Job": own})
