"""DaemonSets at work on the real API; pods run on nodes that only the API sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import daemonset, garbage
from procorch.controllers.controller_revisions import HASH
from procorch.objects import Object, controller_of, get, labels_of, uid_of
from procorch.pods import is_active
from tests.nodes import BROKEN, FAILS, Nodes, image_of
from tests.transports import LateTransport

ADMIN = User("kubernetes-admin", ("system:masters",))
Until = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


def manifest(image: str = "one", *, surge: int = 0, unavailable: int = 1, **spec: Any) -> Object:
    labels = {"app": "agent"}
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    pod_spec = {"containers": [{"name": "c", "image": image, "command": ["sleep", "1"]}]}
    whole = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod_spec},
             "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}, **spec}  # fmt: skip
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "d"},
        "spec": whole,
    }


class World:
    def __init__(self, client: Client, nodes: Nodes, eventually: Until) -> None:
        self.client, self.nodes, self.eventually = client, nodes, eventually

    async def add_nodes(self, *names: str) -> None:
        for name in names:
            await self.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})

    async def there(self, is_so: Callable[[Object], Any]) -> Object:
        async def look() -> Object | None:
            found = await self.client.get("DaemonSet", "d/agent")
            return found if found.get("status") and is_so(found) else None

        found: Object = await self.eventually(look)
        return found

    async def done(self, nodes: int) -> Object:
        """By the rules of `kubectl rollout status`."""

        def is_done(found: Object) -> bool:
            status = found["status"]
            names = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
            return {status.get(name, 0) for name in names} == {nodes} and (
                status.get("observedGeneration") == found["metadata"]["generation"]
            )

        return await self.there(is_done)

    async def pods(self) -> list[Object]:
        return [pod for pod in (await self.client.items("Pod", "d")).objects if is_active(pod)]

    async def images(self) -> dict[str, str]:
        return {get(pod, ".spec.nodeName", ""): image_of(pod) for pod in await self.pods()}

    async def until_images(self, images: dict[str, str]) -> None:
        async def look() -> bool:
            return await self.images() == images

        await self.eventually(look)

    async def set_image(self, image: str) -> None:
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        await self.client.patch("DaemonSet", "d/agent", patch, type="json")

    async def revisions(self) -> dict[int, Object]:
        return {one["revision"]: one for one in (await self.client.items("ControllerRevision", "d")).objects}


@pytest.fixture
def late() -> bool:
    return False


@pytest.fixture
async def world(api: Api, client: Client, running: Any, eventually: Until, late: bool) -> AsyncIterator[World]:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    ready: asyncio.Future[World] = loop.create_future()
    using = Client(LateTransport(api, ADMIN, late=0.03, cut=30, seed=5)) if late else None

    async def live() -> None:
        nodes = Nodes(Client(LocalTransport(api, ADMIN)))
        async with nodes.running(), running(daemonset.CONTROLLER, garbage.CONTROLLER, using=using):
            ready.set_result(World(client, nodes, eventually))
            await over.wait()

    living = loop.create_task(live())  # one task, for what it opens must be closed by the same
    try:
        await asyncio.wait((ready, living), return_when=asyncio.FIRST_COMPLETED)
        yield ready.result() if ready.done() else living.result()  # type: ignore[misc]
    finally:
        over.set()
        await living


async def test_each_node_gets_one_and_loses_it(world: World, client: Client) -> None:
    await world.add_nodes("a", "b")
    made = await client.create(manifest())
    there = await world.done(2)
    (revision,) = (await world.revisions()).values()
    pods = await world.pods()

    assert {get(pod, ".spec.nodeName") for pod in pods} == {"a", "b"}
    assert {(controller_of(pod) or {})["uid"] for pod in pods} == {uid_of(made)} == {controller_of(revision)["uid"]}  # type: ignore[index]
    assert {labels_of(pod)[HASH] for pod in pods} == {labels_of(revision)[HASH]}
    assert revision["metadata"]["name"] == f"agent-{labels_of(revision)[HASH]}"
    assert there["status"] == {
        "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberMisscheduled": 0, "numberReady": 2,
        "updatedNumberScheduled": 2, "numberAvailable": 2, "observedGeneration": 1,
    }  # fmt: skip
    await world.add_nodes("c")
    await world.done(3)
    taint = {"spec": {"taints": [{"key": "own", "effect": "NoExecute"}]}}
    await client.patch("Node", "c", taint)
    await world.done(2)
    await world.until_images({"a": "one", "b": "one"})
    await client.delete("DaemonSet", "d/agent", propagation="Background")
    await world.until_images({})


@pytest.mark.parametrize(("surge", "unavailable", "most", "least"), [(0, 1, 3, 2), (2, 0, 5, 3)])
async def test_a_new_template_is_rolled_out_node_by_node(
    surge: int, unavailable: int, most: int, least: int, world: World, client: Client
) -> None:
    await world.add_nodes("a", "b", "c")
    await client.create(manifest(surge=surge, unavailable=unavailable))
    await world.done(3)
    world.nodes.watch()
    await world.set_image("two")
    await world.done(3)
    await world.until_images(dict.fromkeys("abc", "two"))

    assert world.nodes.most <= most and world.nodes.least >= least
    assert sorted(await world.revisions()) == [1, 2]


async def test_a_template_that_does_not_work_stops_and_is_taken_back(world: World, client: Client) -> None:
    await world.add_nodes("a", "b")
    await client.create(manifest())
    await world.done(2)
    await world.set_image(BROKEN)
    await world.there(lambda found: found["status"].get("updatedNumberScheduled") == 1)
    assert sorted((await world.images()).values()) == [BROKEN, "one"]
    data = (await world.revisions())[1]["data"]
    await client.patch("DaemonSet", "d/agent", data, type="strategic")  # as kubectl rollout undo does
    await world.done(2)
    await world.until_images(dict.fromkeys("ab", "one"))

    assert sorted(await world.revisions()) == [2, 3], "the old revision is the newest again"


async def test_by_hand_and_with_a_short_memory(world: World, client: Client) -> None:
    await world.add_nodes("a")
    await client.create(manifest(updateStrategy={"type": "OnDelete"}, revisionHistoryLimit=1))
    await world.done(1)
    for image in ("two", "three", "four"):
        await world.set_image(image)
        await world.there(lambda found: found["status"].get("observedGeneration") == found["metadata"]["generation"])
    assert await world.images() == {"a": "one"}
    (pod,) = await world.pods()
    await client.delete("Pod", f"d/{pod['metadata']['name']}")
    await world.until_images({"a": "four"})

    async def is_short() -> bool:
        return sorted(await world.revisions()) == [3, 4]

    await world.eventually(is_short)


async def test_failed_pods_are_replaced_less_and_less_often(world: World, client: Client) -> None:
    await world.add_nodes("a")
    await client.create(manifest(FAILS))

    async def told() -> int:
        events = (await client.items("Event", "d", field_selector="reason=FailedDaemonPod")).objects
        return sum(one["count"] for one in events)

    async def twice() -> bool:
        return await told() == 2

    await world.eventually(twice)
    assert await told() == 2, "the third is kept for two seconds"


async def test_revisions_and_pods_that_are_orphans_are_adopted(world: World, client: Client) -> None:
    await world.add_nodes("a")
    await client.create(manifest())
    await world.done(1)
    before = {uid_of(pod) for pod in await world.pods()}
    await client.delete("DaemonSet", "d/agent", propagation="Orphan")

    async def is_gone() -> bool:
        return not (await client.items("DaemonSet", "d")).objects

    await world.eventually(is_gone)
    made = await client.create(manifest())
    await world.done(1)

    assert {uid_of(pod) for pod in await world.pods()} == before
    (revision,) = (await world.revisions()).values()
    assert (controller_of(revision) or {})["uid"] == uid_of(made)


@pytest.mark.parametrize("late", [True])
async def test_late_and_cut_watches_make_no_pod_too_many(world: World, client: Client) -> None:
    await world.add_nodes("a", "b", "c")
    world.nodes.watch()
    await client.create(manifest())
    await world.done(3)
    await world.set_image("two")
    await world.done(3)

    assert world.nodes.most <= 3
