"""The status of each kind that has one: read, patched and updated beside its object."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from procorch.client import Client, kind_of
from procorch.clock import timestamp
from procorch.objects import Conflict, Object, get
from tests.conformance.test_operations import made_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NOW = timestamp(1_700_000_000)
_ROW = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "Set by an e2e test"}
_LATE = {**_ROW, "lastTransitionTime": _NOW}
_CONDITIONS = {"conditions": [_LATE]}
_BALANCER = {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}}

#: kind → (what a patch sets, what an update sets then)
STATUSES: dict[str, tuple[Object, Object]] = {
    "CronJob": ({"lastScheduleTime": _NOW}, {"lastScheduleTime": timestamp(1_700_003_600)}),
    "Job": ({"startTime": _NOW}, {"startTime": timestamp(1_700_003_600)}),
    "Deployment": (_CONDITIONS, {"conditions": [_LATE, {**_LATE, "type": "StatusUpdate"}]}),
    "ReplicaSet": (_CONDITIONS, {"conditions": [_LATE, {**_LATE, "type": "StatusUpdate"}]}),
    "ReplicationController": (_CONDITIONS, {"conditions": [_LATE, {**_LATE, "type": "StatusUpdate"}]}),
    "StatefulSet": (
        {"replicas": 0, "conditions": [_LATE]},
        {"replicas": 0, "conditions": [_LATE, {**_LATE, "type": "StatusUpdate"}]},
    ),
    "DaemonSet": (_CONDITIONS, {"conditions": [_LATE, {**_LATE, "type": "StatusUpdate"}]}),
    "Service": (_BALANCER, {"conditions": [{**_LATE, "type": "StatusUpdate"}]}),
    "Ingress": (_BALANCER, {"loadBalancer": {"ingress": [{"ip": "169.1.1.2"}]}}),
    "FlowSchema": (_CONDITIONS, {"conditions": [{**_LATE, "type": "StatusUpdated"}]}),
    "PriorityLevelConfiguration": (_CONDITIONS, {"conditions": [{**_LATE, "type": "StatusUpdated"}]}),
    "ServiceCIDR": (_CONDITIONS, {"conditions": [{**_LATE, "type": "StatusUpdated"}]}),
    "Node": (_CONDITIONS, {"conditions": [{**_LATE, "type": "StatusUpdated"}]}),
    "PersistentVolume": ({"message": "m", "reason": "StatusPatch"}, {"message": "n", "reason": "StatusUpdate"}),
    "PersistentVolumeClaim": (_CONDITIONS, {"conditions": [{**_LATE, "type": "StatusUpdate"}]}),
    "VolumeAttachment": ({"attached": True}, {"attached": False}),
    "Pod": ({"message": "Patched by e2e test", "reason": "E2E"}, {"message": "again", "reason": "E2E2"}),
    "HorizontalPodAutoscaler": (
        {"desiredReplicas": 1, "currentReplicas": 1, "conditions": [_LATE]},
        {"desiredReplicas": 2, "currentReplicas": 1, "conditions": [_LATE]},
    ),
}


def within(part: Any, whole: Any) -> bool:
    """All that the first says is in the second."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(within(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(within(one, other) for other in whole) for one in part)
    return bool(part == whole)


@pytest.mark.parametrize("name", STATUSES)
async def test_a_status_is_read_patched_and_updated(name: str, client: Client, ns: str) -> None:
    kind, (patched, updated) = kind_of(name), STATUSES[name]
    where = ns if kind.namespaced else None
    made = await client.create(made_of(name, 7, ns))
    key = f"{ns}/{made['metadata']['name']}" if where else made["metadata"]["name"]
    path = kind.path(where, made["metadata"]["name"], "status")
    assert orjson.loads((await client.raw("GET", path)).body)["metadata"]["uid"] == made["metadata"]["uid"]

    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": patched}
    answer = await client.patch(name, key, patch, subresource="status")
    assert within(patched, answer["status"])
    annotated = (answer["metadata"].get("annotations") or {}).get("patchedstatus")
    assert annotated == (None if "annotations" in kind.status_keeps else "true")
    assert get(answer, ".spec") == get(await client.get(name, key), ".spec")
    while True:
        fresh = copy.deepcopy(await client.get(name, key))
        fresh["status"] = {**fresh.get("status", {}), **updated}
        if "spec" in fresh:
            fresh["spec"] = {**fresh["spec"], "unknownToTheStatus": 1}  # not the status's to change
        try:
            assert within(updated, (await client.update_status(fresh))["status"])
        except Conflict:
            continue
        break
    await client.delete(name, key)


async def test_volumes_and_claims_begin_pending(client: Client, ns: str) -> None:
    for kind in ("PersistentVolume", "PersistentVolumeClaim"):
        made = await client.create(made_of(kind, 8, ns))
        assert get(made, ".status.phase") == "Pending"
        await client.delete(kind, f"{ns}/{made['metadata']['name']}" if "Claim" in kind else made["metadata"]["name"])
