"""Pods are made in growing batches, and a refusal is noticed early."""

from __future__ import annotations

from typing import Any

from procorch.client import Client
from procorch.controllers import resourcequota
from procorch.controllers.controller import Context, Controller, own
from procorch.controllers.pod_control import create_pods, delete_pods, pod_of
from procorch.objects import Object, controller_of, uid_of

QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "d"},
         "spec": {"hard": {"pods": "3"}}}  # fmt: skip


def owner() -> Object:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "w", "namespace": "d"}, "spec": spec}


async def test_they_are_made_told_of_and_deleted(client: Client, running: Any, eventually: Any) -> None:
    made = await client.create(owner())
    await client.create(QUOTA)
    contexts: list[Context] = []

    async def remember(key: str, context: Context) -> None:
        contexts.append(context)

    probe = Controller("probe", remember, {"ReplicaSet": own}, component="probe")
    async with running(probe, resourcequota.CONTROLLER):

        async def is_counted() -> bool:
            quota = await client.get("ResourceQuota", "d/q")
            return bool(quota.get("status"))

        await eventually(is_counted)

        async def is_there() -> list[Context]:
            return contexts

        (context,) = await eventually(is_there)
        error = await create_pods(made, [pod_of(made)] * 20, context)
        assert error is not None and "exceeded quota" in error.message
        pods = (await client.items("Pod", "d")).objects
        assert len(pods) == 3 and all(controller_of(pod)["uid"] == uid_of(made) for pod in pods)  # type: ignore[index]
        assert await delete_pods(made, pods, context) is None
        assert await delete_pods(made, pods[:1], context) is None, "what is gone already is no error"

        async def reasons() -> dict[str, int]:
            events = (await client.items("Event", "d")).objects
            found = {one["reason"]: 0 for one in events}
            for one in events:
                found[one["reason"]] += one["count"]
            return found if found.get("SuccessfulDelete") == 3 else {}

        told = await eventually(reasons)
        assert told["SuccessfulCreate"] == 3
        assert 1 <= told["FailedCreate"] <= 4, "the batches of eight and more were not tried"


def test_a_name_may_be_given() -> None:
    there = {**owner(), "metadata": {"name": "w", "namespace": "d", "uid": "u"}}

    assert pod_of(there)["metadata"]["generateName"] == "w-"
    assert pod_of(there, name="w-0")["metadata"]["name"] == "w-0"
