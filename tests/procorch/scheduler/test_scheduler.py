"""The scheduler at work on the real API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import Object, condition_of, get
from procorch.scheduler import Scheduler
from store import Log


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, User("kubernetes-admin", ("system:masters",))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    yield client
    await api.close()
    await log.close()


@pytest.fixture
async def scheduler(client: Client) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(client, time.time, backoff=(0.01, 0.05))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(scheduler.run())
        await asyncio.wait_for(scheduler.synced(), 10)
        yield scheduler
        task.cancel()


async def eventually(ask: Callable[[], Awaitable[Any]]) -> Any:
    deadline = asyncio.get_running_loop().time() + 10
    while not (answer := await ask()):
        assert asyncio.get_running_loop().time() < deadline, f"still {answer!r}"
        await asyncio.sleep(0.005)
    return answer


async def add_node(client: Client, name: str, cpu: str = "1", **spec: Any) -> None:
    await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec})
    status = {"allocatable": {"cpu": cpu, "memory": "1Gi", "pods": "10"}}
    await client.patch("Node", name, {"status": status}, subresource="status")


def pod(name: str, cpu: str = "100m", **spec: Any) -> Object:
    container = {"name": "c", "image": "host", "command": ["true"], "resources": {"requests": {"cpu": cpu}}}
    metadata = {"name": name, "namespace": "d"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


async def node_of(client: Client, name: str) -> str:
    return str(get(await client.get("Pod", f"d/{name}"), ".spec.nodeName", ""))


async def messages(client: Client, reason: str) -> list[str]:
    return [one["message"] for one in (await client.items("Event", "d")).objects if one["reason"] == reason]


async def test_a_pod_gets_a_node_and_an_event_says_so(client: Client, scheduler: Scheduler) -> None:
    await add_node(client, "n1")
    await client.create(pod("a"))

    assert await eventually(lambda: node_of(client, "a")) == "n1"
    assert await eventually(lambda: messages(client, "Scheduled")) == ["Successfully assigned d/a to n1"]


async def test_a_pod_that_fits_nowhere_says_why_and_goes_when_there_is_room(
    client: Client, scheduler: Scheduler
) -> None:
    await add_node(client, "n1")
    await client.create(pod("big", "800m"))
    await eventually(lambda: node_of(client, "big"))
    await client.create(pod("late", "500m"))

    async def unschedulable() -> Any:
        condition = condition_of(await client.get("Pod", "d/late"), "PodScheduled")
        return condition is not None and (condition["status"], condition["reason"], condition["message"])

    why = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )
    assert await eventually(unschedulable) == ("False", "Unschedulable", why)
    assert await eventually(lambda: messages(client, "FailedScheduling")) == [why]

    await client.delete("Pod", "d/big", grace=0)
    assert await eventually(lambda: node_of(client, "late")) == "n1"
    assert condition_of(await client.get("Pod", "d/late"), "PodScheduled") is not None


async def test_a_pod_waits_for_the_first_node(client: Client, scheduler: Scheduler) -> None:
    await client.create(pod("a"))
    assert await eventually(lambda: messages(client, "FailedScheduling")) == ["no nodes available to schedule pods"]

    await add_node(client, "n1")
    assert await eventually(lambda: node_of(client, "a")) == "n1"


async def test_cordoned_and_tainted_nodes_are_left_alone_until_they_are_not(
    client: Client, scheduler: Scheduler
) -> None:
    await add_node(client, "n1", unschedulable=True)
    await add_node(client, "n2", taints=[{"key": "k", "effect": "NoSchedule"}])
    await client.create(pod("a"))

    assert await eventually(lambda: messages(client, "FailedScheduling")) == [
        "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. preemption: "
        "0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    ]
    await client.patch("Node", "n1", {"spec": {"unschedulable": None}})
    assert await eventually(lambda: node_of(client, "a")) == "n1"


async def test_a_pod_that_shrinks_holds_its_place_until_the_node_has_followed(
    client: Client, scheduler: Scheduler
) -> None:
    await add_node(client, "n1", cpu="4")
    large = {"requests": {"cpu": "3"}}
    container = {"name": "c", "image": "i", "resources": large}
    first = await client.create(pod("first", containers=[container]))
    await eventually(lambda: node_of(client, "first"))

    async def tell(resources: dict[str, Any]) -> None:
        row = {"name": "c", "image": "i", "imageID": "", "ready": True, "restartCount": 0, "resources": resources}
        status = {"containerStatuses": [{**row, "allocatedResources": resources["requests"]}]}
        await client.patch("Pod", f"{first['metadata']['namespace']}/first", {"status": status}, subresource="status")

    await tell(large)
    small = {"requests": {"cpu": "1"}}
    change = {"spec": {"containers": [{"name": "c", "resources": small}]}}
    key = f"{first['metadata']['namespace']}/first"
    await client.patch("Pod", key, change, type="strategic", subresource="resize")
    await client.create(pod("second", containers=[{**container, "resources": {"requests": {"cpu": "2"}}}]))
    assert "Insufficient cpu" in (await eventually(lambda: messages(client, "FailedScheduling")))[0]

    await tell(small)
    assert await eventually(lambda: node_of(client, "second")) == "n1"


async def test_another_schedulers_pod_is_not_touched(client: Client, scheduler: Scheduler) -> None:
    await add_node(client, "n1")
    await client.create(pod("theirs", schedulerName="mine"))
    await client.create(pod("ours"))

    await eventually(lambda: node_of(client, "ours"))
    assert await node_of(client, "theirs") == ""


async def test_many_pods_at_once_never_overfill_a_node(client: Client, scheduler: Scheduler) -> None:
    for name in ("n1", "n2", "n3"):
        await add_node(client, name)
    await asyncio.gather(*(client.create(pod(f"p{number}", "300m")) for number in range(12)))

    async def placed() -> list[Object]:
        pods = (await client.items("Pod", "d")).objects
        bound = [one for one in pods if get(one, ".spec.nodeName")]
        waiting = [one for one in pods if condition_of(one, "PodScheduled") and not get(one, ".spec.nodeName")]
        return bound if len(bound) + len(waiting) == 12 else []

    bound = await eventually(placed)
    counts = [sum(get(one, ".spec.nodeName") == name for one in bound) for name in ("n1", "n2", "n3")]
    assert counts == [3, 3, 3]


async def test_pods_that_were_bound_before_the_scheduler_came_are_counted(client: Client) -> None:
    await add_node(client, "n1")
    await client.create(pod("old", "800m", nodeName="n1"))
    await client.create(pod("new", "500m"))
    scheduler = Scheduler(client, time.time)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(scheduler.run())
        await eventually(lambda: messages(client, "FailedScheduling"))
        task.cancel()

    assert await node_of(client, "new") == ""
