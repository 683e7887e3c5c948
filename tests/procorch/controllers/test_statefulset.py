"""StatefulSets at work on the real API; pods run on nodes that only the API sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import garbage, statefulset
from procorch.controllers.controller_revisions import HASH
from procorch.objects import Object, controller_of, labels_of, owners_of, uid_of
from tests.nodes import BROKEN, Nodes, image_of
from tests.transports import LateTransport

ADMIN = User("kubernetes-admin", ("system:masters",))
Until = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
CLAIMS = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                                                  "resources": {"requests": {"storage": "1Gi"}}}}]  # fmt: skip


def manifest(image: str = "one", replicas: int = 3, **spec: Any) -> Object:
    labels = {"app": "db"}
    pod_spec = {"containers": [{"name": "c", "image": image, "command": ["sleep", "1"]}]}
    whole = {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": labels},
             "template": {"metadata": {"labels": labels}, "spec": pod_spec}, **spec}  # fmt: skip
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "d"}, "spec": whole}


class World:
    def __init__(self, client: Client, nodes: Nodes, eventually: Until) -> None:
        self.client, self.nodes, self.eventually = client, nodes, eventually

    async def there(self, is_so: Callable[[Object], Any]) -> Object:
        async def look() -> Object | None:
            found = await self.client.get("StatefulSet", "d/db")
            status = found.get("status") or {}
            known = status.get("observedGeneration") == found["metadata"]["generation"]
            return found if known and is_so(status) else None

        found: Object = await self.eventually(look)
        return found

    async def done(self, replicas: int = 3, updated: int | None = None) -> Object:
        names = ("replicas", "readyReplicas", "availableReplicas")
        wanted = replicas if updated is None else updated
        return await self.there(
            lambda status: (
                {status.get(name, 0) for name in names} == {replicas} and status.get("updatedReplicas", 0) == wanted
            )
        )

    async def pods(self) -> dict[str, Object]:
        return {pod["metadata"]["name"]: pod for pod in (await self.client.items("Pod", "d")).objects}

    async def images(self) -> list[str]:
        return [image_of(pod) for _, pod in sorted((await self.pods()).items())]

    async def until(self, is_so: Callable[[], Awaitable[Any]]) -> Any:
        return await self.eventually(is_so)

    async def set_image(self, image: str) -> None:
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        await self.client.patch("StatefulSet", "d/db", patch, type="json")

    async def claims(self) -> dict[str, Object]:
        found = (await self.client.items("PersistentVolumeClaim", "d")).objects
        return {one["metadata"]["name"]: one for one in found}


@pytest.fixture
def late() -> bool:
    return False


@pytest.fixture
async def world(api: Api, client: Client, running: Any, eventually: Until, late: bool) -> AsyncIterator[World]:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    ready: asyncio.Future[World] = loop.create_future()
    using = Client(LateTransport(api, ADMIN, late=0.03, cut=30, seed=7)) if late else None

    async def live() -> None:
        nodes = Nodes(Client(LocalTransport(api, ADMIN)))
        async with nodes.running(), running(statefulset.CONTROLLER, garbage.CONTROLLER, using=using):
            ready.set_result(World(client, nodes, eventually))
            await over.wait()

    living = loop.create_task(live())  # one task, for what it opens must be closed by the same
    try:
        await asyncio.wait((ready, living), return_when=asyncio.FIRST_COMPLETED)
        yield ready.result() if ready.done() else living.result()  # type: ignore[misc]
    finally:
        over.set()
        await living


async def test_they_come_one_after_the_other_and_go_from_the_end(world: World, client: Client) -> None:
    made = await client.create(manifest())
    there = await world.done()
    pods = await world.pods()

    assert sorted(pods) == ["db-0", "db-1", "db-2"]
    born = [int(pods[f"db-{number}"]["metadata"]["resourceVersion"]) for number in range(3)]
    assert born == sorted(born)
    assert {(controller_of(pod) or {})["uid"] for pod in pods.values()} == {uid_of(made)}
    (revision,) = (await client.items("ControllerRevision", "d")).objects
    name = revision["metadata"]["name"]
    assert there["status"] == {
        "replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3,
        "currentRevision": name, "updateRevision": name, "observedGeneration": 1, "collisionCount": 0,
    }  # fmt: skip
    assert {labels_of(pod)[HASH] for pod in pods.values()} == {name}
    await client.patch("StatefulSet", "d/db", {"spec": {"replicas": 1}})
    await world.done(1)
    assert sorted(await world.pods()) == ["db-0"]

    async def told() -> list[str]:
        events = (await client.items("Event", "d")).objects
        found = [one["message"] for one in events if one["reason"] in ("SuccessfulCreate", "SuccessfulDelete")]
        return found if len(found) == 5 else []

    messages = [f"create Pod db-{number} in StatefulSet db successful" for number in range(3)]
    messages += [f"delete Pod db-{number} in StatefulSet db successful" for number in (2, 1)]
    assert await world.until(told) == messages


async def test_a_new_template_goes_from_the_end_to_the_beginning(world: World, client: Client) -> None:
    await client.create(manifest())
    await world.done()
    world.nodes.watch()
    await world.set_image("two")
    there = await world.done()

    assert await world.images() == ["two"] * 3
    assert world.nodes.most <= 3 and world.nodes.least >= 2
    assert there["status"]["currentRevision"] == there["status"]["updateRevision"]
    assert len((await client.items("ControllerRevision", "d")).objects) == 2


async def test_a_partition_holds_the_rest_back(world: World, client: Client) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await client.create(manifest(updateStrategy=strategy))
    await world.done()
    await world.set_image("two")
    there = await world.done(updated=1)
    assert await world.images() == ["one", "one", "two"]
    assert there["status"]["currentRevision"] != there["status"]["updateRevision"]
    first = (await world.pods())["db-0"]
    await client.delete("Pod", "d/db-0")

    async def is_back() -> bool:
        pod = (await world.pods()).get("db-0")
        return pod is not None and uid_of(pod) != uid_of(first)

    await world.until(is_back)
    assert await world.images() == ["one", "one", "two"]
    await client.patch("StatefulSet", "d/db", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    await world.done()
    assert await world.images() == ["two"] * 3


async def test_all_at_once_by_hand_and_from_another_number_on(world: World, client: Client) -> None:
    spec = {"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}, "ordinals": {"start": 4}}
    await client.create(manifest(BROKEN, **spec))

    async def names() -> bool:
        return sorted(await world.pods()) == ["db-4", "db-5", "db-6"]

    await world.until(names)
    await world.set_image("two")
    await world.there(lambda status: status.get("updateRevision") != status.get("currentRevision"))
    await client.delete("Pod", "d/db-5")

    async def is_updated() -> bool:
        return await world.images() == [BROKEN, "two", BROKEN]

    await world.until(is_updated)


async def test_what_does_not_work_stops_and_a_parallel_set_is_taken_back(world: World, client: Client) -> None:
    await client.create(manifest(podManagementPolicy="Parallel"))
    there = await world.done()
    old = there["status"]["currentRevision"]
    await world.set_image(BROKEN)
    await world.there(lambda status: status.get("updatedReplicas") == 1 and status.get("readyReplicas") == 2)
    data = (await client.get("ControllerRevision", f"d/{old}"))["data"]
    await client.patch("StatefulSet", "d/db", data, type="strategic")  # as kubectl rollout undo does
    there = await world.done()

    assert await world.images() == ["one"] * 3 and there["status"]["updateRevision"] == old


async def test_each_has_claims_that_outlive_it(world: World, client: Client) -> None:
    await client.create(manifest(replicas=2, volumeClaimTemplates=CLAIMS))
    await world.done(2)
    claims = await world.claims()
    assert sorted(claims) == ["data-db-0", "data-db-1"]
    assert labels_of(claims["data-db-0"]) == {"app": "db"} and not owners_of(claims["data-db-0"])
    await client.patch("StatefulSet", "d/db", {"spec": {"replicas": 1}})
    await world.done(1)
    await client.delete("StatefulSet", "d/db", propagation="Background")

    async def is_gone() -> bool:
        return not await world.pods()

    await world.until(is_gone)
    assert {uid_of(one) for one in (await world.claims()).values()} == {uid_of(one) for one in claims.values()}


async def test_claims_go_with_what_is_too_much_and_with_the_set(world: World, client: Client) -> None:
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    await client.create(manifest(volumeClaimTemplates=CLAIMS, persistentVolumeClaimRetentionPolicy=policy))
    await world.done()
    before = await world.claims()
    assert [row["kind"] for row in owners_of(before["data-db-0"])] == ["StatefulSet"]
    await client.patch("StatefulSet", "d/db", {"spec": {"replicas": 1}})

    async def is_one() -> bool:
        return sorted(await world.claims()) == ["data-db-0"]

    await world.until(is_one)
    await client.patch("StatefulSet", "d/db", {"spec": {"replicas": 2}})
    await world.done(2)
    assert uid_of((await world.claims())["data-db-1"]) != uid_of(before["data-db-1"])
    await client.delete("StatefulSet", "d/db", propagation="Background")

    async def is_gone() -> bool:
        return not await world.claims()

    await world.until(is_gone)


async def test_there_is_no_other_while_one_may_still_run(client: Client, running: Any, eventually: Until) -> None:
    """A node that is lost ends nothing: the pod stays, and so does its name."""
    async with running(statefulset.CONTROLLER, garbage.CONTROLLER):
        world = World(client, None, eventually)  # type: ignore[arg-type]
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lost"}})
        await client.create(manifest(replicas=1))
        await world.there(lambda status: status.get("replicas") == 1)
        first = uid_of((await world.pods())["db-0"])
        await client.bind("d/db-0", "lost", first)
        await client.delete("Pod", "d/db-0")
        await world.there(lambda status: status.get("replicas") == 1 and "currentReplicas" not in status)
        await asyncio.sleep(0.1)
        assert [uid_of(pod) for pod in (await world.pods()).values()] == [first]
        await client.delete("Pod", "d/db-0", grace=0)

        async def is_new() -> bool:
            pod = (await world.pods()).get("db-0")
            return pod is not None and uid_of(pod) != first

        await eventually(is_new)


async def test_somebody_elses_pod_is_in_the_way(world: World, client: Client, pod: Any) -> None:
    await client.create(pod("db-0"))
    await client.create(manifest(replicas=1))

    async def told() -> bool:
        events = (await client.items("Event", "d", field_selector="reason=FailedCreate")).objects
        return any('pods "db-0" already exists' in one["message"] for one in events)

    await world.until(told)
    assert controller_of((await world.pods())["db-0"]) is None
    await client.delete("Pod", "d/db-0", grace=0)
    await world.done(1)


async def test_only_pods_of_its_name_are_adopted(world: World, client: Client, pod: Any) -> None:
    await client.create(pod("db-0", {"app": "db"}))
    await client.create(pod("other", {"app": "db"}))
    made = await client.create(manifest(replicas=2))
    await world.there(lambda status: status.get("replicas") == 2)
    pods = await world.pods()

    assert (controller_of(pods["db-0"]) or {})["uid"] == uid_of(made) and controller_of(pods["other"]) is None
    assert labels_of(pods["db-0"])["statefulset.kubernetes.io/pod-name"] == "db-0"


@pytest.mark.parametrize("late", [True])
async def test_late_and_cut_watches_make_no_pod_too_many(world: World, client: Client) -> None:
    world.nodes.watch()
    await client.create(manifest(volumeClaimTemplates=CLAIMS))
    await world.done()
    await world.set_image("two")
    await world.done()

    assert world.nodes.most <= 3
