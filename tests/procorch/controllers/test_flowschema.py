"""The condition Dangling."""

from __future__ import annotations

from typing import Any

from procorch.client import Client
from procorch.controllers import flowschema
from procorch.objects import condition_of

GROUP = "flowcontrol.apiserver.k8s.io/v1"
LEVEL = {"apiVersion": GROUP, "kind": "PriorityLevelConfiguration", "metadata": {"name": "mine"}, "spec": {
    "type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}}}  # fmt: skip
SCHEMA = {"apiVersion": GROUP, "kind": "FlowSchema", "metadata": {"name": "mine"}, "spec": {
    "priorityLevelConfiguration": {"name": "mine"}, "matchingPrecedence": 7, "rules": []}}  # fmt: skip


def test_a_condition_that_is_right_is_left_alone() -> None:
    wanted = flowschema.plan(SCHEMA, exists=False)
    assert wanted is not None and (wanted["status"], wanted["reason"]) == ("True", "NotFound")
    assert wanted["message"] == (
        'This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object'
    )

    schema = {**SCHEMA, "status": {"conditions": [{**wanted, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}
    assert flowschema.plan(schema, exists=False) is None
    assert flowschema.plan(schema, exists=True) is not None


async def test_a_schema_tells_whether_its_level_is_there(client: Client, running: Any, eventually: Any) -> None:
    async def dangles() -> str:
        condition = condition_of(await client.get("FlowSchema", "mine"), "Dangling") or {}
        return f"{condition.get('status')} {condition.get('reason')}"

    async def is_found() -> bool:
        return await dangles() == "False Found"

    async def is_missing() -> bool:
        return await dangles() == "True NotFound"

    async with running(flowschema.CONTROLLER):
        await client.create(SCHEMA)
        await eventually(is_missing)
        await client.create(LEVEL)
        await eventually(is_found)
        await client.delete("PriorityLevelConfiguration", "mine")
        await eventually(is_missing)
