"""Jobs, DaemonSets and StatefulSets whose controllers die between any two of their writes.

Each is told again and again: the controllers die at their first write, at their second, and so on, before it is done
and when it is done but not heard of. `make test` tries a few of these, `make faults` all.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import Runner, cronjob, daemonset, garbage, job, job_plan, statefulset
from procorch.objects import Object, annotations_of, condition_of, get
from procorch.pods import is_active
from store import Log
from tests.nodes import FAILS, Nodes, image_of
from tests.procorch.controllers import test_daemonset, test_job, test_statefulset
from tests.transports import MortalTransport

LONG = os.environ.get("FAULTS") == "long"
ADMIN = User("kubernetes-admin", ("system:masters",))
CONTROLLERS = (job.CONTROLLER, cronjob.CONTROLLER, daemonset.CONTROLLER, statefulset.CONTROLLER, garbage.CONTROLLER)

Deed = Callable[[Client], Awaitable[object]]
Check = Callable[[list[Object]], bool]


@dataclass(frozen=True, slots=True)
class Story:
    """kind: of the one object that it is about.

    before: done, and settled, while all is well. deed: while the controllers die. is_settled: of the object.
    is_right: of all pods in the end. most: active pods at any time.
    """

    kind: str
    before: tuple[Deed, ...]
    deed: Deed
    is_settled: Callable[[Object], bool]
    is_right: Check
    most: int


def ended(type_: str, succeeded: int, failed: int) -> Callable[[Object], bool]:
    def is_so(there: Object) -> bool:
        if (condition_of(there, type_) or {}).get("status") != "True":
            return False
        counts = get(there, ".status.succeeded", 0), get(there, ".status.failed", 0)
        assert counts == (succeeded, failed), counts
        return True

    return is_so


def counted(replicas: int, *names: str) -> Callable[[Object], bool]:
    def is_so(there: Object) -> bool:
        status = there.get("status") or {}
        known = status.get("observedGeneration") == there["metadata"]["generation"]
        return known and {status.get(name, 0) for name in names} == {replicas}

    return is_so


daemons = counted(3, "desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
stateful = counted(3, "replicas", "readyReplicas", "updatedReplicas")
smaller = counted(1, "replicas", "readyReplicas", "updatedReplicas")


def create(body: Object) -> Deed:
    return lambda client: client.create(body)


def set_image(kind: str, key: str, image: str) -> Deed:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    return lambda client: client.patch(kind, key, patch, type="json")


async def add_nodes(client: Client) -> None:
    for name in "abc":
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})


async def daemon_set(client: Client) -> None:
    await add_nodes(client)
    await client.create(test_daemonset.manifest())


async def surging(client: Client) -> None:
    await add_nodes(client)
    await client.create(test_daemonset.manifest(surge=1, unavailable=0))


def images(image: str, count: int) -> Check:
    return lambda pods: [image_of(pod) for pod in pods if is_active(pod)] == [image] * count


def indexes(pods: list[Object]) -> bool:
    return sorted(annotations_of(pod)["batch.kubernetes.io/job-completion-index"] for pod in pods) == list("0123")


def is_free(pods: list[Object]) -> bool:
    return all("finalizers" not in pod["metadata"] for pod in pods)


WITH_CLAIMS = test_statefulset.manifest(volumeClaimTemplates=test_statefulset.CLAIMS)
RESIZE: Deed = lambda client: client.patch("StatefulSet", "d/db", {"spec": {"replicas": 1}})  # noqa: E731
INDEXED = test_job.manifest(completions=4, parallelism=2, completionMode="Indexed")
STORIES = {
    "a Job": Story("Job", (), create(test_job.manifest(completions=4, parallelism=2)),
                   ended("Complete", 4, 0), lambda pods: len(pods) == 4 and is_free(pods), 2),
    "an indexed Job": Story("Job", (), create(INDEXED), ended("Complete", 4, 0),
                            lambda pods: indexes(pods) and is_free(pods), 2),
    "a Job that fails": Story("Job", (), create(test_job.manifest(FAILS, backoffLimit=2)),
                              ended("Failed", 0, 3), lambda pods: len(pods) == 3 and is_free(pods), 1),
    "a DaemonSet": Story("DaemonSet", (), daemon_set, daemons, images("one", 3), 3),
    "a DaemonSet rolled out": Story("DaemonSet", (daemon_set,), set_image("DaemonSet", "d/agent", "two"), daemons,
                                    images("two", 3), 3),
    "a DaemonSet that surges": Story("DaemonSet", (surging,), set_image("DaemonSet", "d/agent", "two"), daemons,
                                     images("two", 3), 4),
    "a StatefulSet": Story("StatefulSet", (), create(WITH_CLAIMS), stateful, images("one", 3), 3),
    "a StatefulSet rolled out": Story("StatefulSet", (create(WITH_CLAIMS),), set_image("StatefulSet", "d/db", "two"),
                                      stateful, images("two", 3), 3),
    "a StatefulSet made smaller": Story("StatefulSet", (create(WITH_CLAIMS),), RESIZE, smaller, images("one", 1), 3),
}  # fmt: skip


@asynccontextmanager
async def controllers(transport: LocalTransport) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        runner = Runner(CONTROLLERS, Client(transport), time.time)
        task = tasks.create_task(runner.run())
        try:
            await asyncio.wait_for(runner.synced(), 10)
            yield
        finally:
            task.cancel()
    if isinstance(transport, MortalTransport):
        await transport.buried()


async def settled(client: Client, story: Story, unless: asyncio.Event | None = None) -> bool:
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        objects = (await client.items(story.kind, "d")).objects
        if objects and story.is_settled(objects[0]) and story.is_right((await client.items("Pod", "d")).objects):
            return True
        if unless is not None and unless.is_set():
            return False
        if unless is None and asyncio.get_running_loop().time() > deadline:
            pods = [(pod["metadata"]["name"], pod["status"]) for pod in (await client.items("Pod", "d")).objects]
            raise AssertionError((objects, pods))
        await asyncio.sleep(0.002)


async def told(story: Story, last: int, after: bool) -> bool:
    """The story with a death at the `last` write; False where it was over before."""
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    try:
        client = Client(LocalTransport(api, ADMIN))
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
        async with Nodes(Client(LocalTransport(api, ADMIN)), slow=0.005).running() as nodes:
            async with controllers(LocalTransport(api, ADMIN)):
                for deed in story.before:
                    await deed(client)
                    while not (found := (await client.items(story.kind, "d")).objects) or not (
                        daemons if story.kind == "DaemonSet" else stateful
                    )(found[0]):
                        await asyncio.sleep(0.002)
            nodes.watch()
            died = asyncio.Event()
            async with controllers(MortalTransport(api, ADMIN, last, after=after, died=died.set)):
                await story.deed(client)
                await settled(client, story, died)
            async with controllers(LocalTransport(api, ADMIN)):
                await settled(client, story)
            assert nodes.most <= story.most
        return died.is_set()
    finally:
        await api.close()
        await log.close()


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("name", STORIES)
async def test_a_death_between_any_two_writes_changes_nothing_in_the_end(
    name: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_plan, "FIRST_WAIT", 0.0)
    story = STORIES[name]
    if LONG:
        last = 1
        while await told(story, last, after):
            last += 1
        assert last > 4, "it died often enough"
    else:
        deaths = [await told(story, last, after) for last in (1, 2 + after, 5 + after)]
        assert all(deaths[:2])
