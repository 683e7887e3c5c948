"""FlowSchemas say whether there is the priority level to which they send requests: the condition Dangling.

Source: apiserver pkg/util/flowcontrol (presyncFlowSchemaStatus), where each server writes it. Here the leader does.
"""

from __future__ import annotations

from collections.abc import Iterable

from procorch.clock import timestamp
from procorch.controllers.controller import Context, Controller, Listers, own
from procorch.objects import Conflict, NotFound, Object, condition_of, get


def plan(schema: Object, *, exists: bool) -> Object | None:
    """The condition as it should be, without its time; None where it is so."""
    level = get(schema, ".spec.priorityLevelConfiguration.name", "")
    about = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    wanted = {
        "type": "Dangling",
        "status": "False" if exists else "True",
        "reason": "Found" if exists else "NotFound",
        "message": f"{about} and it exists" if exists else f"{about} but there is no such object",
    }
    there = condition_of(schema, "Dangling") or {}
    return None if all(there.get(field) == value for field, value in wanted.items()) else wanted


async def reconcile(key: str, context: Context) -> float | None:
    schema = context.lister["FlowSchema"].get(key)
    if schema is None:
        return None
    level = get(schema, ".spec.priorityLevelConfiguration.name", "")
    condition = plan(schema, exists=context.lister["PriorityLevelConfiguration"].get(level) is not None)
    if condition is None:
        return None
    before = condition_of(schema, "Dangling") or {}
    since = before.get("lastTransitionTime") if before.get("status") == condition["status"] else None
    condition["lastTransitionTime"] = since or timestamp(context.clock())
    others = [one for one in get(schema, ".status.conditions", []) if one.get("type") != "Dangling"]
    try:
        await context.client.update_status({**schema, "status": {"conditions": [*others, condition]}})
    except (Conflict, NotFound):
        return None  # its change is on its way here
    return None


def _of_level(level: Object, lister: Listers) -> Iterable[str]:
    name = level["metadata"]["name"]
    for schema in lister["FlowSchema"].values():
        if get(schema, ".spec.priorityLevelConfiguration.name", "") == name:
            yield schema["metadata"]["name"]


CONTROLLER = Controller("flowschema", reconcile, watches={"FlowSchema": own, "PriorityLevelConfiguration": _of_level})
