"""A pod's status reaches the API: once, whole, and not in another pod's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from procorch.kubelet.record import Attempt, PodRecord
from procorch.kubelet.reporter import Reporter
from procorch.objects import Object

from .conftest import Cluster, status_of

pytestmark = pytest.mark.kernel


class Around:
    """Of the node's surroundings what a reporter needs."""

    node_ip = "10.0.0.1"

    def __init__(self, cluster: Cluster) -> None:
        self.client = cluster.client
        self.clock = cluster.api.clock
        self.synced = asyncio.Event()
        self.synced.set()


class Told:
    """A reporter that runs, the pod it tells of, and how often it found that pod gone."""

    def __init__(self, cluster: Cluster, pod: Object) -> None:
        self.pod = pod
        self.record = PodRecord()
        self.gone = asyncio.Event()
        self.around = Around(cluster)
        self.reporter = Reporter(self.around, lambda: self.pod, self.record, self.gone.set)  # type: ignore[arg-type]


Start = Callable[[Object], Told]


@pytest.fixture
async def start(cluster: Cluster) -> AsyncIterator[Start]:
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[Any]] = []

        def begin(pod: Object) -> Told:
            told = Told(cluster, pod)
            running.append(tasks.create_task(told.reporter.run()))
            return told

        yield begin
        for task in running:
            task.cancel()


async def test_what_the_record_says_is_told(cluster: Cluster, start: Start) -> None:
    told = start(await cluster.pod("web", "true"))
    told.record.of("a").begin(Attempt(0, "s", "host", 7, 1.0))
    told.reporter.changed()

    pod = await cluster.until(lambda pod: "running" in status_of(pod).get("state", {}), seconds=5)
    assert (pod["status"]["phase"], pod["status"]["hostIP"]) == ("Running", "10.0.0.1")


async def test_a_status_that_is_there_already_is_not_sent_again(cluster: Cluster, start: Start) -> None:
    told = start(await cluster.pod("web", "true"))
    told.reporter.changed()
    told.pod = await cluster.until(lambda pod: "hostIP" in pod["status"], seconds=5)
    version = cluster.api.log.revision

    for _ in range(3):
        told.reporter.changed()
        await asyncio.sleep(0.02)

    assert cluster.api.log.revision == version


async def test_nothing_is_told_before_the_api_has_said_which_pods_are_here(cluster: Cluster, start: Start) -> None:
    pod = await cluster.pod("web", "true")
    told = start(pod)
    told.around.synced.clear()
    told.reporter.changed()
    await asyncio.sleep(0.02)

    assert (await cluster.get())["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]
    told.around.synced.set()
    await cluster.until(lambda pod: "hostIP" in pod["status"], seconds=5)


async def test_a_deleted_pod_of_which_nothing_is_left_goes_off_the_api(cluster: Cluster, start: Start) -> None:
    pod = await cluster.pod("web", "true")
    await cluster.client.delete("Pod", "default/web", grace=30)
    told = start(await cluster.get())
    told.reporter.changed()
    await cluster.until(lambda pod: "hostIP" in pod["status"], seconds=5)
    assert not told.gone.is_set()

    told.record.torn_down = True
    told.reporter.changed()

    await cluster.gone(seconds=5)
    async with asyncio.timeout(5):
        await told.gone.wait()
    assert pod["metadata"]["uid"]


async def test_another_pod_of_the_same_name_is_left_alone(cluster: Cluster, start: Start) -> None:
    old = await cluster.pod("web", "true")
    await cluster.client.delete("Pod", "default/web", grace=0)
    await cluster.gone(seconds=5)
    new = await cluster.pod("web", "true")
    told = start(old)

    told.reporter.changed()

    async with asyncio.timeout(5):
        await told.gone.wait()
    assert (await cluster.get())["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"]


async def test_a_pod_that_is_not_there_is_gone(cluster: Cluster, start: Start) -> None:
    pod = await cluster.pod("web", "true")
    await cluster.client.delete("Pod", "default/web", grace=0)
    await cluster.gone(seconds=5)
    told = start(pod)

    told.reporter.changed()

    async with asyncio.timeout(5):
        await told.gone.wait()


async def test_who_is_stopped_tells_nothing_more(cluster: Cluster, start: Start) -> None:
    pod = await cluster.pod("web", "true")
    told = start(pod)
    told.reporter.stop()
    told.reporter.changed()
    await asyncio.sleep(0.02)

    assert (await cluster.get())["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]
