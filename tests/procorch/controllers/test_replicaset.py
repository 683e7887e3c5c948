"""ReplicaSets and ReplicationControllers at work on the real API."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest

from procorch.api import User
from procorch.client import Client
from procorch.controllers import replicaset, replicationcontroller
from procorch.objects import NotFound, Object, controller_of, is_deleting, key_of
from tests.transports import LateTransport


def owner(kind: str, replicas: int = 3) -> Object:
    labels = {"app": "web"}
    pod_spec = {"containers": [{"name": "c", "image": "host", "command": ["sleep", "1"]}]}
    spec: Object = {"replicas": replicas, "template": {"metadata": {"labels": labels}, "spec": pod_spec}}
    spec["selector"] = {"matchLabels": labels} if kind == "ReplicaSet" else labels
    api_version = "apps/v1" if kind == "ReplicaSet" else "v1"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "d"}, "spec": spec}


async def owned(client: Client, uid: str) -> list[Object]:
    pods = (await client.items("Pod", "d")).objects
    return [pod for pod in pods if not is_deleting(pod) and (controller_of(pod) or {}).get("uid") == uid]


@pytest.mark.parametrize(
    ("kind", "controller"),
    [("ReplicaSet", replicaset.CONTROLLER), ("ReplicationController", replicationcontroller.CONTROLLER)],
)
async def test_pods_are_made_replaced_and_scaled_away(
    client: Client, running: Any, eventually: Any, kind: str, controller: Any
) -> None:
    async with running(controller):
        made = await client.create(owner(kind))
        uid = made["metadata"]["uid"]

        async def there(count: int) -> bool:
            status = (await client.get(kind, "d/web")).get("status") or {}
            return len(await owned(client, uid)) == count and status.get("replicas") == count

        await eventually(lambda: there(3))
        await client.delete("Pod", f"d/{(await owned(client, uid))[0]['metadata']['name']}")
        await eventually(lambda: there(3))
        await client.patch(kind, "d/web", {"spec": {"replicas": 1}})
        await eventually(lambda: there(1))

        async def told() -> bool:
            reasons = [event["reason"] for event in (await client.items("Event", "d")).objects]
            return reasons.count("SuccessfulCreate") == 4 and reasons.count("SuccessfulDelete") == 2

        await eventually(told)


async def test_an_orphan_is_adopted_and_a_relabelled_pod_released(
    client: Client, running: Any, eventually: Any, pod: Any
) -> None:
    orphan = await client.create(pod("orphan", {"app": "web"}))
    async with running(replicaset.CONTROLLER):
        uid = (await client.create(owner("ReplicaSet", 2)))["metadata"]["uid"]

        async def adopted() -> bool:
            pods = await owned(client, uid)
            return len(pods) == 2 and "orphan" in [one["metadata"]["name"] for one in pods]

        await eventually(adopted)
        await client.patch("Pod", "d/orphan", {"metadata": {"labels": {"app": "debug"}}})

        async def released() -> bool:
            pods = await owned(client, uid)
            return len(pods) == 2 and controller_of(await client.get("Pod", "d/orphan")) is None

        await eventually(released)
    assert (await client.get("Pod", "d/orphan"))["metadata"]["uid"] == orphan["metadata"]["uid"]


async def test_a_late_watch_makes_no_pod_too_many(client: Client, api: Any, running: Any, eventually: Any) -> None:
    """Without knowing its own writes a controller makes twelve pods of three when its watch is late."""
    late = Client(LateTransport(api, User("kubernetes-admin", ("system:masters",))))
    made: set[str] = set()
    async with running(replicaset.CONTROLLER, using=late):
        late.on_write.append(lambda kind, obj, gone: made.add(obj["metadata"]["uid"]) if kind.name == "Pod" else None)
        uid = (await client.create(owner("ReplicaSet", 3)))["metadata"]["uid"]

        async def settled() -> bool:
            return (await client.get("ReplicaSet", "d/web"))["status"].get("replicas") == 3

        await eventually(settled)
        await asyncio.sleep(0.5)  # the late events of all of it have come by now

        assert len(await owned(client, uid)) == len(made) == 3


async def test_an_owner_with_the_status_of_now_is_not_written_again(
    client: Client, running: Any, eventually: Any
) -> None:
    async with running(replicaset.CONTROLLER) as runner:
        await client.create(owner("ReplicaSet", 2))

        async def settled() -> bool:
            return (await client.get("ReplicaSet", "d/web"))["status"].get("replicas") == 2

        await eventually(settled)
        version = (await client.get("ReplicaSet", "d/web"))["metadata"]["resourceVersion"]
        runner.queues["replicaset"].add("d/web")

        async def idle() -> bool:
            return runner.queues["replicaset"].is_idle

        await eventually(idle)
        assert (await client.get("ReplicaSet", "d/web"))["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_users_do_there_are_never_too_many_and_in_the_end_just_enough(
    client: Client, api: Any, running: Any, eventually: Any, seed: int
) -> None:
    """Scaling, deleting and relabelling at random, with a watch that is late and breaks."""
    draw = random.Random(seed)
    late = Client(LateTransport(api, User("kubernetes-admin", ("system:masters",)), cut=10, seed=seed))
    uid = (await client.create(owner("ReplicaSet", 3)))["metadata"]["uid"]
    most = wanted = 3
    async with running(replicaset.CONTROLLER, using=late):
        for _ in range(20):
            pods = await owned(client, uid)
            assert len(pods) <= most
            match draw.choice(("scale", "delete", "relabel", "wait")):
                case "scale":
                    wanted = draw.randrange(6)
                    most = max(most, wanted)
                    await client.patch("ReplicaSet", "d/web", {"spec": {"replicas": wanted}})
                case "delete" if pods:
                    with suppress(NotFound):
                        await client.delete("Pod", key_of(draw.choice(pods)), grace=0)
                case "relabel" if pods:
                    with suppress(NotFound):
                        await client.patch("Pod", key_of(draw.choice(pods)), {"metadata": {"labels": {"app": "x"}}})
            await asyncio.sleep(draw.random() * 0.1)

        async def settled() -> bool:
            return len(await owned(client, uid)) == wanted

        await eventually(settled)
        assert len(await owned(client, uid)) <= most
