"""ConfigMaps, Secrets and tokens, from the real API in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from procorch.client import Unreachable
from procorch.kubelet import sources as module
from procorch.kubelet.environment import Facts
from procorch.kubelet.sources import PodSource, Sources
from procorch.objects import NotFound, Object

from .conftest import Cluster

pytestmark = pytest.mark.kernel


class Node:
    """Sources, the clock they read, and whom they told of a change."""

    def __init__(self, cluster: Cluster, tasks: asyncio.TaskGroup) -> None:
        self.now = cluster.api.clock()
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.sources = Sources(cluster.client, lambda: self.now, tasks, self.told.put_nowait)

    def of(self, pod: Object) -> PodSource:
        return self.sources.of(pod, Facts())


@pytest.fixture
async def node(cluster: Cluster) -> AsyncIterator[Node]:
    async with asyncio.TaskGroup() as tasks:
        node = Node(cluster, tasks)
        yield node
        node.sources.close()


def config_map(value: str) -> Object:
    metadata = {"name": "c", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}


async def test_an_object_is_found_and_its_change_is_told_to_who_uses_it(cluster: Cluster, node: Node) -> None:
    await cluster.client.create(config_map("old"))
    pod = await cluster.pod("web", "true")
    source = node.of(pod)

    assert (await source.find("ConfigMap", "default", "c"))["data"] == {"key": "old"}
    while not node.told.empty():
        node.told.get_nowait()
    await cluster.client.patch("ConfigMap", "default/c", {"data": {"key": "new"}})

    async with asyncio.timeout(5):
        assert await node.told.get() == pod["metadata"]["uid"]
    assert (await source.find("ConfigMap", "default", "c"))["data"] == {"key": "new"}


async def test_what_is_not_there_is_told_when_it_comes(cluster: Cluster, node: Node) -> None:
    pod = await cluster.pod("web", "true")
    with pytest.raises(NotFound, match='configmaps "c" not found'):
        await node.of(pod).find("ConfigMap", "default", "c")

    await cluster.client.create(config_map("late"))

    async with asyncio.timeout(5):
        assert await node.told.get() == pod["metadata"]["uid"]
    assert (await node.of(pod).find("ConfigMap", "default", "c"))["data"] == {"key": "late"}


async def test_a_pod_that_is_gone_is_told_nothing(cluster: Cluster, node: Node) -> None:
    one, other = await cluster.pod("one", "true"), await cluster.pod("other", "true")
    await cluster.client.create(config_map("old"))
    for pod in (one, other):
        await node.of(pod).find("ConfigMap", "default", "c")
    node.sources.release(one["metadata"]["uid"])
    while not node.told.empty():
        node.told.get_nowait()

    await cluster.client.patch("ConfigMap", "default/c", {"data": {"key": "new"}})

    async with asyncio.timeout(5):
        assert await node.told.get() == other["metadata"]["uid"]
    assert node.told.empty()


async def test_an_api_that_does_not_answer_is_waited_for_a_while(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    async with away(cluster) as node:
        pod: Object = {"metadata": {"uid": "u"}}
        with pytest.raises(Unreachable, match='configmap "c": the API does not answer'):
            await node.of(pod).find("ConfigMap", "default", "c")


@asynccontextmanager
async def away(cluster: Cluster) -> AsyncIterator[Node]:
    await cluster.client.transport.close()
    async with asyncio.TaskGroup() as tasks:
        node = Node(cluster, tasks)
        yield node
        node.sources.close()


async def test_a_token_is_kept_until_a_fifth_of_its_life_is_left(cluster: Cluster, node: Node) -> None:
    pod = await cluster.pod("web", "true")
    source = node.of(pod)

    first, renew = await source.token(pod, "", 3600)
    assert await source.token(pod, "", 3600) == (first, renew)
    assert renew == pytest.approx(node.now + 3600 * 0.8, abs=3)

    node.now = renew + 1
    second, later = await source.token(pod, "", 3600)
    assert second.count(".") == 2
    assert later > renew


async def test_each_audience_has_its_token(cluster: Cluster, node: Node) -> None:
    pod = await cluster.pod("web", "true")

    tokens = {(await node.of(pod).token(pod, audience, 3600))[0] for audience in ("", "vault", "other")}

    assert len(tokens) == 3
