"""custom.metrics.k8s.io: the values of pods, of what selects them, and of a namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

import store
from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import ApiError, MethodNotAllowed, NotFound, Object
from tests.metered import dialled_in

from .test_scraping import Pods

ADMIN = User("admin", ("system:masters",))
ROOT = "/apis/custom.metrics.k8s.io/v1beta2"


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
async def api(pods: Pods) -> AsyncIterator[Api]:
    log = await store.Log.open(":memory:")
    api = Api(log, clock=lambda: 1_700_000_000.0, timer=lambda: pods.now)
    await api.start()
    async with dialled_in(api.links, "n1", pods):
        yield api
        await api.close()
    await log.close()


@pytest.fixture
async def client(api: Api, pods: Pods) -> Client:
    """Two pods that say something, one that does not, and what selects the two."""
    client = Client(LocalTransport(api, ADMIN))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    for name, page, app in (("a", "queue 3\n", "web"), ("b", "queue 1.5\n", "web"), ("c", None, "other")):
        made = pods.pod(name, page)
        about = {"name": name, "namespace": "d", "labels": {"app": app}, "annotations": made["metadata"]["annotations"]}
        container = {"name": "c", "image": "host", "command": ["true"]}
        spec = {"nodeName": "n1", "containers": [container]}
        pod = await client.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
        await client.update_status({**pod, "status": made["status"]})
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    for kind, version, spec in (
        ("Service", "v1", {"selector": {"app": "web"}, "ports": [{"port": 80}]}),
        ("ReplicationController", "v1", {"replicas": 0, "selector": {"app": "web"}, "template": template}),
        ("Deployment", "apps/v1", {"selector": {"matchLabels": {"app": "web"}}, "template": template}),
    ):
        about = {"name": "web", "namespace": "d"}
        await client.create({"apiVersion": version, "kind": kind, "metadata": about, "spec": spec})
    return client


async def ask(client: Client, path: str, **query: str) -> Object:
    found: Object = orjson.loads((await client.raw("GET", f"{ROOT}/{path}", query=query)).body)
    return found


async def values(client: Client, path: str, **query: str) -> dict[str, Any]:
    return {one["describedObject"]["name"]: one["value"] for one in (await ask(client, path, **query))["items"]}


async def test_pods_have_values_each_for_itself(client: Client) -> None:
    found = await ask(client, "namespaces/d/pods/a/queue")
    assert found == {
        "kind": "MetricValueList",
        "apiVersion": "custom.metrics.k8s.io/v1beta2",
        "metadata": {},
        "items": [
            {
                "describedObject": {"kind": "Pod", "namespace": "d", "name": "a", "apiVersion": "v1"},
                "metric": {"name": "queue"},
                "timestamp": "2023-11-14T22:13:20Z",
                "value": "3",
            }
        ],
    }
    assert await values(client, "namespaces/d/pods/*/queue") == {"a": "3", "b": "1500m"}
    assert await values(client, "namespaces/d/pods/*/queue", labelSelector="app=web") == {"a": "3", "b": "1500m"}


@pytest.mark.parametrize("of", ["services", "replicationcontrollers", "deployments.apps", "deployments"])
async def test_what_selects_pods_has_their_sum(client: Client, of: str) -> None:
    assert await values(client, f"namespaces/d/{of}/web/queue") == {"web": "4500m"}


async def test_so_has_their_namespace(client: Client) -> None:
    assert await values(client, "namespaces/d/metrics/queue") == {"d": "4500m"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("namespaces/d/pods/*/other", "the server could not find the metric other for pods"),
        ("namespaces/d/pods/c/queue", "the server could not find the metric queue for pods c"),
        ("namespaces/d/pods/gone/queue", 'pods "gone" not found'),
        ("namespaces/d/secrets/x/queue", "the server could not find the requested resource"),
        ("pods/a/queue", "the server could not find the requested resource"),
    ],
)
async def test_what_is_not_there_is_not_found(client: Client, path: str, words: str) -> None:
    with pytest.raises(NotFound) as caught:
        await ask(client, path)
    assert str(caught.value) == words


async def test_a_selector_that_is_none_is_told_and_nothing_is_written(client: Client) -> None:
    with pytest.raises(ApiError, match="unable to parse"):
        await ask(client, "namespaces/d/pods/*/queue", metricLabelSelector="a in")
    with pytest.raises(MethodNotAllowed):
        await client.raw("DELETE", f"{ROOT}/namespaces/d/pods/a/queue")


async def test_discovery_says_of_what_one_may_ask(client: Client) -> None:
    names = {one["name"] for one in (await ask(client, ""))["resources"]}
    assert {"pods/*", "services/*", "deployments.apps/*", "namespaces/*"} <= names
