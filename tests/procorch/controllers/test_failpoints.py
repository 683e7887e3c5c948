"""Controllers that die between any two of their writes: whoever comes after them goes on from there.

A story is what users do to a Deployment. Its controllers die at their first write, at their second, and so on: before
it is done, and when it is done but they have not heard of it. `make test` tries a few of these, `make faults` all.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import Runner, deployment, garbage, replicaset
from procorch.controllers.revisions import REVISION
from procorch.objects import Object, annotations_of, controller_of, key_of, uid_of
from procorch.pods import is_active
from store import Log
from tests.nodes import Nodes, image_of
from tests.transports import MortalTransport

LONG = os.environ.get("FAULTS") == "long"
ADMIN = User("kubernetes-admin", ("system:masters",))
CONTROLLERS = (deployment.CONTROLLER, replicaset.CONTROLLER, garbage.CONTROLLER)
KEY = "d/web"


def manifest(**spec: Any) -> Object:
    labels = {"app": "web"}
    pod_spec = {"containers": [{"name": "c", "image": "one", "command": ["sleep", "1"]}]}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    whole = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template, "strategy": strategy, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "d"}, "spec": whole}


async def set_image(client: Client, image: str) -> None:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    await client.patch("Deployment", KEY, patch, type="json")


async def scale(client: Client, replicas: int) -> None:
    await client.patch("Deployment", KEY, {"spec": {"replicas": replicas}})


async def create(client: Client) -> None:
    await client.create(manifest())


async def both(client: Client) -> None:
    """Another template and another number, in one write."""
    there = await client.get("Deployment", KEY)
    there["spec"]["replicas"] = 4
    there["spec"]["template"]["spec"]["containers"][0]["image"] = "two"
    await client.update(there)


Deed = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Story:
    """before: done, and settled, while all is well. deed: while the controllers die.

    replicas, images: in the end; the first of the images is the one that runs, and each has one ReplicaSet.
    most: active pods at any time. available: at any time, at least.
    """

    before: tuple[Deed, ...]
    deed: Deed
    replicas: int
    images: tuple[str, ...]
    most: int
    available: int = 0


async def recreating(client: Client) -> None:
    await client.create(manifest(strategy={"type": "Recreate"}))


async def forgetful(client: Client) -> None:
    await client.create(manifest(replicas=2, revisionHistoryLimit=0))


async def orphan(client: Client) -> None:
    """The Deployment goes, its set stays, and the Deployment is made anew."""
    await client.delete("Deployment", KEY, propagation="Orphan")
    while (await client.items("Deployment", "d")).objects:
        await asyncio.sleep(0.005)


STORIES = {
    "created": Story((), create, 3, ("one",), 3),
    "rolled out": Story((create,), lambda c: set_image(c, "two"), 3, ("two", "one"), 4, 3),
    "rolled back": Story(
        (create, lambda c: set_image(c, "two")), lambda c: set_image(c, "one"), 3, ("one", "two"), 4, 3
    ),
    "recreated": Story((recreating,), lambda c: set_image(c, "two"), 3, ("two", "one"), 3),
    "scaled up": Story((create,), lambda c: scale(c, 5), 5, ("one",), 5, 3),
    "scaled down": Story((create,), lambda c: scale(c, 1), 1, ("one",), 3, 1),
    "changed and scaled at once": Story((create,), both, 4, ("two", "one"), 5, 3),
    "forgotten": Story((forgetful,), lambda c: set_image(c, "two"), 2, ("two",), 3, 2),
}


class World:
    """An API, nodes, and controllers that come and go."""

    def __init__(self, api: Api) -> None:
        self.api, self.client = api, Client(LocalTransport(api, ADMIN))
        self.nodes = Nodes(Client(LocalTransport(api, ADMIN)), slow=0.005)

    @asynccontextmanager
    async def controllers(self, transport: LocalTransport) -> AsyncIterator[Runner]:
        async with asyncio.TaskGroup() as tasks:
            runner = Runner(CONTROLLERS, Client(transport), time.time)
            task = tasks.create_task(runner.run())
            try:
                await asyncio.wait_for(runner.synced(), 10)
                yield runner
            finally:
                task.cancel()
        if isinstance(transport, MortalTransport):
            await transport.buried()

    async def settled(self, story: Story | None = None, unless: asyncio.Event | None = None) -> bool:
        """Waits until all is as it should be; False when `unless` came before."""
        deadline = asyncio.get_running_loop().time() + 20
        while not await self._is_settled(story):
            if unless is not None and unless.is_set():
                return False
            assert asyncio.get_running_loop().time() < deadline, await self.client.items("Deployment", "d")
            await asyncio.sleep(0.002)
        return True

    async def _is_settled(self, story: Story | None) -> bool:
        (there,) = (await self.client.items("Deployment", "d")).objects
        status, wanted = there.get("status") or {}, there["spec"]["replicas"]
        if any(status.get(name, 0) != wanted for name in ("replicas", "updatedReplicas", "availableReplicas")):
            return False
        reasons = [row["reason"] for row in status["conditions"]]
        return (
            status["observedGeneration"] == there["metadata"]["generation"]
            and "NewReplicaSetAvailable" in reasons
            and (story is None or len((await self.client.items("ReplicaSet", "d")).objects) == len(story.images))
        )


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    made = World(api)
    await made.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    async with made.nodes.running():
        yield made
    await api.close()
    await log.close()


async def told(story: Story, last: int, after: bool) -> bool:
    """The story with a death at the `last` write; False where it was over before."""
    async with world() as made:
        if story.before:
            async with made.controllers(LocalTransport(made.api, ADMIN)):
                for deed in story.before:
                    await deed(made.client)
                    await made.settled()
        made.nodes.watch()
        died = asyncio.Event()
        transport = MortalTransport(made.api, ADMIN, last, after=after, died=died.set)
        async with made.controllers(transport):
            await story.deed(made.client)
            await made.settled(story, died)
        async with made.controllers(LocalTransport(made.api, ADMIN)):
            await made.settled(story)
        await check(made, story)
        return died.is_set()


async def check(made: World, story: Story) -> None:
    sets = (await made.client.items("ReplicaSet", "d")).objects
    pods = [pod for pod in (await made.client.items("Pod", "d")).objects if is_active(pod)]
    (owner,) = (await made.client.items("Deployment", "d")).objects
    by_image = {image_of(one["spec"]["template"]): one for one in sets}
    running = by_image[story.images[0]]

    assert sorted(by_image) == sorted(story.images) and len(sets) == len(story.images), "one set a template"
    assert {image: one["spec"]["replicas"] for image, one in by_image.items() if one["spec"]["replicas"]} == {
        story.images[0]: story.replicas
    }
    assert {(controller_of(one) or {})["uid"] for one in sets} == {uid_of(owner)}
    assert len(pods) == story.replicas
    assert {(controller_of(pod) or {})["uid"] for pod in pods} == {uid_of(running)}
    revisions = [annotations_of(one)[REVISION] for one in sets]
    assert len(set(revisions)) == len(revisions)
    assert annotations_of(owner)[REVISION] == annotations_of(running)[REVISION] == max(revisions)
    assert made.nodes.most <= story.most
    assert made.nodes.least >= story.available


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("name", STORIES)
async def test_a_death_between_any_two_writes_changes_nothing_in_the_end(name: str, after: bool) -> None:
    story = STORIES[name]
    if LONG:
        last = 1
        while await told(story, last, after):
            last += 1
        assert last > 5, "it died often enough"
    else:
        deaths = [await told(story, last, after) for last in (1, 2, 4 + after, 8 + after)]
        assert deaths[:3] == [True] * 3


async def test_a_set_that_outlived_its_deployment_is_taken_over_after_a_death() -> None:
    """Adoption is a write too."""
    for last in range(1, 20 if LONG else 4):
        async with world() as made:
            async with made.controllers(LocalTransport(made.api, ADMIN)):
                await create(made.client)
                await made.settled()
                (rs,) = (await made.client.items("ReplicaSet", "d")).objects
                await orphan(made.client)
            died = asyncio.Event()
            async with made.controllers(MortalTransport(made.api, ADMIN, last, after=last % 2 == 0, died=died.set)):
                await create(made.client)
                await made.settled(STORIES["created"], died)
            async with made.controllers(LocalTransport(made.api, ADMIN)):
                await made.settled(STORIES["created"])
            await check(made, STORIES["created"])
            assert uid_of(await made.client.get("ReplicaSet", key_of(rs))) == uid_of(rs)
