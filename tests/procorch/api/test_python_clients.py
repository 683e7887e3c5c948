"""Python's own clients of Kubernetes, unchanged: lists in pages, watches, patches, deletions, generated and dynamic."""

from __future__ import annotations

import asyncio
import warnings

import kr8s.asyncio
import pytest
from kr8s.asyncio.objects import ConfigMap, Pod
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "x"}}, "data": data}


# kr8s knows versions up to its own release
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported")

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one", "namespace": "default", "labels": {"app": "one"}},
    "spec": {"containers": [{"name": "main", "image": "host", "command": ["sleep", "60"]}]},
}


@pytest.fixture
def generated(served):
    """The official client, which blocks: to be used in a thread."""
    with config.new_client_from_config(str(served.kubeconfig())) as made:
        yield made


@pytest.fixture
async def api(served, monkeypatch):
    monkeypatch.setenv("HOME", str(served.directory))
    return await kr8s.asyncio.api(kubeconfig=str(served.kubeconfig()), namespace="default")


async def test_the_generated_client_lists_in_pages_and_reads_typed_objects(served, generated):
    core = client.CoreV1Api(generated)

    def work():
        for number in range(5):
            core.create_namespaced_config_map("default", config_map(f"c{number}", k=str(number)))
        seen, token = [], None
        while token != "":
            page = core.list_namespaced_config_map("default", limit=2, label_selector="app=x", _continue=token)
            seen += [(item.metadata.name, item.data["k"]) for item in page.items]
            token = page.metadata._continue or ""
        whole = core.list_config_map_for_all_namespaces(field_selector="metadata.name=c3")
        return seen, [item.metadata.name for item in whole.items], core.list_node().items

    seen, chosen, nodes = await asyncio.to_thread(work)

    assert seen == [(f"c{number}", str(number)) for number in range(5)]
    assert chosen == ["c3"] and nodes == []


async def test_the_generated_client_patches_in_every_way(served, generated):
    core = client.CoreV1Api(generated)

    def work():
        core.create_namespaced_pod("default", POD)
        strategic = core.patch_namespaced_pod(
            "one", "default", {"spec": {"containers": [{"name": "main", "image": "host:2"}]}}
        )
        merged = core.patch_namespaced_pod(
            "one", "default", {"metadata": {"labels": {"tier": "a"}}}, _content_type="application/merge-patch+json"
        )
        operations = [{"op": "add", "path": "/metadata/annotations", "value": {"k": "v"}}]
        patched = core.patch_namespaced_pod("one", "default", operations, _content_type="application/json-patch+json")
        dry = core.patch_namespaced_pod("one", "default", {"metadata": {"labels": {"dry": "1"}}}, dry_run="All")
        return strategic, merged, patched, dry, core.read_namespaced_pod("one", "default")

    strategic, merged, patched, dry, now = await asyncio.to_thread(work)

    (container,) = strategic.spec.containers
    assert (container.image, container.command) == ("host:2", ["sleep", "60"])
    assert merged.metadata.labels == {"app": "one", "tier": "a"} and patched.metadata.annotations == {"k": "v"}
    assert dry.metadata.labels["dry"] == "1" and "dry" not in now.metadata.labels
    assert now.metadata.creation_timestamp.tzinfo is not None


async def test_the_generated_client_watches_and_resumes(served, generated):
    core = client.CoreV1Api(generated)

    def work():
        core.create_namespaced_config_map("default", config_map("a", k="u"))
        watcher, seen = watch.Watch(), []
        for event in watcher.stream(core.list_namespaced_config_map, "default", timeout_seconds=5):
            seen.append((event["type"], event["object"].metadata.name, event["object"].data))
            if len(seen) == 1:
                core.patch_namespaced_config_map("a", "default", {"data": {"k": "v"}})
            elif len(seen) == 2:
                core.delete_namespaced_config_map("a", "default")
            elif len(seen) == 3:
                watcher.stop()
        return seen

    assert await asyncio.to_thread(work) == [("ADDED", "a", {"k": "u"}), ("MODIFIED", "a", {"k": "v"}),
                                             ("DELETED", "a", {"k": "v"})]  # fmt: skip


async def test_the_generated_client_is_told_of_an_expired_version(served, generated):
    core = client.CoreV1Api(generated)
    made = await served.client.create({**config_map("a"), "metadata": {"name": "a", "namespace": "default"}})
    for number in range(3):
        await served.client.patch("ConfigMap", "default/a", {"data": {"n": str(number)}})
    shelf = next(shelf for shelf in served.api.cache.shelves() if shelf.kind.name == "ConfigMap")
    shelf.window.clear()
    shelf.window_after = shelf.changed
    await served.api.log.compact(served.api.log.revision)

    def work():
        version = made["metadata"]["resourceVersion"]
        stream = watch.Watch().stream(core.list_namespaced_config_map, "default", resource_version=version)
        with pytest.raises(ApiException) as refused:
            next(iter(stream))
        return refused.value

    refused = await asyncio.to_thread(work)

    assert refused.status == 410 and "too old resource version" in refused.reason


async def test_the_dynamic_client_finds_kinds_and_names_the_rows_of_a_list(served, generated):
    def work():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dynamic.DynamicClient(generated)
        maps = found.resources.get(api_version="v1", kind="ConfigMap")
        maps.create(body=config_map("a", k="v"), namespace="default")
        listed = maps.get(namespace="default", label_selector="app=x")
        gone = maps.delete(name="a", namespace="default")
        return [(row.kind, row.apiVersion, row.data.k) for row in listed.items], gone.status

    assert await asyncio.to_thread(work) == ([("ConfigMap", "v1", "v")], "Success")


async def test_kr8s_lists_patches_watches_and_deletes(served, api):
    made = await ConfigMap(config_map("a", k="v"), api=api)
    await made.create()
    await made.patch({"data": {"k": "w"}})
    await made.label({"tier": "front"})

    async with asyncio.timeout(10):
        async for event, seen in api.watch("configmaps", namespace="default"):
            first = (event, seen.name, seen.data.k, seen.labels.tier)
            break
    listed = [one.name async for one in api.get("configmaps", namespace="default", label_selector={"tier": "front"})]
    chosen = [one.name async for one in api.get("cm", namespace=kr8s.ALL, field_selector={"metadata.name": "a"})]
    await made.delete()

    assert first == ("ADDED", "a", "w", "front")
    assert listed == chosen == ["a"]
    assert not await made.exists()


async def test_kr8s_knows_the_cluster(served, api):
    version = await api.version()
    kinds = {row["name"] async for row in _rows(api)}
    pod = await Pod(POD, api=api)
    await pod.create()

    assert version["gitVersion"].startswith("v1.37.")
    assert {"pods", "configmaps", "replicasets", "images"} <= kinds
    assert (await Pod.get("one", namespace="default", api=api)).spec.containers[0].image == "host"


async def _rows(api):
    for row in await api.api_resources():
        yield row
