"""metrics.k8s.io over the nodes' links: who has figures, who has none, and how often a node is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

import store
from procorch.api import Api, LocalTransport, User, measurements
from procorch.api.measurements import FRESH_SECONDS, sound
from procorch.client import Client
from procorch.kinds.podspec.mirror import MIRROR
from procorch.link import Stream
from procorch.objects import MethodNotAllowed, NotFound, Object, uid_of
from tests.metered import Meter, dialled_in

ADMIN = User("admin", ("system:masters",))


class Timer:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
async def api(timer: Timer) -> AsyncIterator[Api]:
    log = await store.Log.open(":memory:")
    api = Api(log, clock=lambda: 1_700_000_000.0, timer=timer)
    await api.start()
    yield api
    await api.close()
    await log.close()


@pytest.fixture
async def client(api: Api) -> Client:
    client = Client(LocalTransport(api, ADMIN))
    for name in ("d", "e"):
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for name in ("n1", "n2"):
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"at": name}}})
    return client


async def pod(
    client: Client, name: str, node: str = "n1", namespace: str = "d", phase: str = "Running", **about: Any
) -> Object:
    containers = [{"name": one, "image": "host", "command": ["true"]} for one in ("a", "b")]
    made = await client.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}, **about},
            "spec": {"nodeName": node, "containers": containers},
        }
    )
    return await client.update_status({**made, "status": {"phase": phase}})


async def names(client: Client, kind: str, *args: str, **query: str) -> list[str]:
    return [one["metadata"]["name"] for one in (await client.items(kind, *args, **query)).objects]


async def test_pods_and_nodes_are_shown_in_metrics_servers_form(api: Api, client: Client) -> None:
    meter = Meter(millicores=1234, window=15.08)
    meter.uses(await pod(client, "web"), a=(250, 3 << 20), b=(0, 5000))
    async with dialled_in(api.links, "n1", meter):
        found = await client.get("PodMetrics", "d/web")
        node = await client.get("NodeMetrics", "n1")
        table = await client.table("PodMetrics", "d")
        both = [await names(client, "NodeMetrics"), await names(client, "PodMetrics")]

    assert found == {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "PodMetrics",
        "metadata": {
            "name": "web",
            "namespace": "d",
            "labels": {"app": "web"},
            "creationTimestamp": "2023-11-14T22:13:20Z",
        },
        "timestamp": found["timestamp"],
        "window": "15.08s",
        "containers": [
            {"name": "a", "usage": {"cpu": "250m", "memory": "3Mi"}},
            {"name": "b", "usage": {"cpu": "0", "memory": "5000"}},
        ],
    }
    assert node["usage"] == {"cpu": "1234m", "memory": "1Gi"}
    assert node["metadata"]["labels"] == {"at": "n1"}
    assert table["rows"][0]["cells"] == ["web", "250m", "3150728", "15.08s"]
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert both == [["n1"], ["web"]], "n2 is not connected"


async def test_lists_are_of_a_namespace_and_of_what_selectors_choose(api: Api, client: Client) -> None:
    meter = Meter()
    for name, namespace in (("one", "d"), ("two", "d"), ("one", "e")):
        meter.uses(await pod(client, name, namespace=namespace), a=(1, 1))
    async with dialled_in(api.links, "n1", meter):
        assert await names(client, "PodMetrics") == ["one", "two", "one"]
        assert await names(client, "PodMetrics", "d") == ["one", "two"]
        assert await names(client, "PodMetrics", "d", label_selector="app=two") == ["two"]
        assert await names(client, "PodMetrics", field_selector="metadata.name=one") == ["one", "one"]
        assert await names(client, "NodeMetrics", label_selector="at=n2") == []
    assert meter.asked == 1, "all within a moment"


async def test_without_figures_one_is_not_found(api: Api, client: Client) -> None:
    """Also a pod that is not there, one of another uid, one that has ended, and one on a node that is away."""
    meter = Meter()
    there = await pod(client, "there")
    meter.uses({"metadata": {**there["metadata"], "uid": "another"}}, a=(1, 1))
    meter.uses(await pod(client, "over", phase="Succeeded"), a=(1, 1))
    meter.uses(away := await pod(client, "away", node="n2"), a=(1, 1))
    async with dialled_in(api.links, "n1", meter):
        for name in ("there", "over", "gone"):
            with pytest.raises(NotFound, match=rf'podmetrics\.metrics\.k8s\.io "d/{name}" not found'):
                await client.get("PodMetrics", f"d/{name}")
        with pytest.raises(NotFound, match=r'nodemetrics\.metrics\.k8s\.io "n2" not found'):
            await client.get("NodeMetrics", "n2")
        with pytest.raises(NotFound, match=r'nodemetrics\.metrics\.k8s\.io "n3" not found'):
            await client.get("NodeMetrics", "n3")
        assert away["metadata"]["name"] not in await names(client, "PodMetrics", field_selector="metadata.name=away")
    with pytest.raises(NotFound):
        await client.get("NodeMetrics", "n1")


async def test_a_node_is_asked_again_when_its_answer_is_old_or_was_none(api: Api, client: Client, timer: Timer) -> None:
    meter = Meter()
    async with dialled_in(api.links, "n1", meter):
        await asyncio.gather(*(names(client, "NodeMetrics") for _ in range(10)))
        assert meter.asked == 1
        timer.now += FRESH_SECONDS + 0.1
        assert await names(client, "NodeMetrics") == ["n1"]
        assert meter.asked == 2
        timer.now += FRESH_SECONDS + 0.1
        meter.status = 500
        assert await names(client, "NodeMetrics") == [] == await names(client, "NodeMetrics")
        assert meter.asked == 4


async def test_a_static_pods_figures_are_its_mirrors(api: Api, client: Client) -> None:
    """On its node its uid is that of its file, which the mirror carries."""
    meter, node = Meter(), await client.get("Node", "n1")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid_of(node), "controller": True}
    own = Client(LocalTransport(api, User("system:node:n1", ("system:nodes", "system:masters"))))
    annotations = {MIRROR: "of-the-file"}
    mirror = await pod(own, "web-n1", annotations=annotations, ownerReferences=[owner])
    meter.uses({"metadata": {**mirror["metadata"], "uid": "of-the-file"}}, a=(7, 1))
    meter.uses({"metadata": {"namespace": "d", "name": "other", "uid": "elsewhere"}}, a=(7, 1))
    await pod(client, "curious", annotations={}, labels={})
    async with dialled_in(api.links, "n1", meter):
        assert await names(client, "PodMetrics") == ["web-n1"]


async def test_a_node_that_has_stopped_is_waited_for_once(
    api: Api, client: Client, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements, "ANSWER_SECONDS", 0.05)
    meter = Meter()
    async with dialled_in(api.links, "n1", Stopped()), dialled_in(api.links, "n2", meter):
        assert await names(client, "NodeMetrics") == ["n2"]
        timer.now += measurements.SILENT_SECONDS - 1
        assert await names(client, "NodeMetrics") == ["n2"]
        assert len(Stopped.heard) == 1
        timer.now += 2
        assert await names(client, "NodeMetrics") == ["n2"]
        assert len(Stopped.heard) == 2
    async with dialled_in(api.links, "n1", meter):
        assert await names(client, "NodeMetrics") == ["n1"], "it has dialled in again"


class Stopped:
    """Answers nothing."""

    heard: ClassVar[list[str]] = []

    async def accept(self, header: dict[str, Any], stream: Stream) -> None:
        self.heard.append(header["path"])
        await stream.read()


GOOD: dict[str, Any] = {"nanocores": 1, "bytes": 2, "window": 15.0}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([], id="another form"),
        pytest.param({"timestamp": "now", "pods": []}, id="no time"),
        pytest.param({"timestamp": "2023-11-14T22:13:20Z"}, id="no pods"),
        pytest.param({"timestamp": "2023-11-14T22:13:20Z", "pods": [], "node": {**GOOD, "bytes": -1}}, id="negative"),
        pytest.param({"timestamp": "2023-11-14T22:13:20Z", "pods": [], "node": {**GOOD, "window": "x"}}, id="text"),
        pytest.param({"timestamp": "2023-11-14T22:13:20Z", "pods": [], "node": {**GOOD, "bytes": 1e300}}, id="huge"),
    ],
)
def test_a_node_that_says_nonsense_is_not_believed(said: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        sound(said)


async def test_a_node_is_not_believed_about_the_pods_of_another(api: Api, client: Client) -> None:
    liar = Meter()
    liar.uses(await pod(client, "web", node="n2"), a=(1, 1))
    async with dialled_in(api.links, "n1", liar), dialled_in(api.links, "n2", Meter()):
        assert await names(client, "PodMetrics") == []
        assert await names(client, "NodeMetrics") == ["n1", "n2"]


async def test_they_are_read_only_and_cannot_be_watched(client: Client) -> None:
    body = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": {"name": "x", "namespace": "d"}}
    with pytest.raises(MethodNotAllowed):
        await client.create(body)
    with pytest.raises(MethodNotAllowed):
        async for _ in client.watch("PodMetrics", "d"):
            pass


async def test_they_are_told_in_protobuf_to_who_asks(api: Api, client: Client) -> None:
    meter = Meter()
    meter.uses(await pod(client, "web"), a=(250, 3 << 20))
    accept = {"Accept": "application/vnd.kubernetes.protobuf,application/json"}
    async with dialled_in(api.links, "n1", meter):
        answer = await client.raw("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/d/pods", headers=accept)
    assert answer.headers["content-type"].startswith("application/vnd.kubernetes.protobuf")
    assert answer.body[:4] == b"k8s\0" and b"PodMetricsList" in answer.body and b"250m" in answer.body
