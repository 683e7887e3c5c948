"""Pods and what is kept beside them: the parts that are the API's and the scheduler's."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from procorch.client import Client, kind_of
from procorch.objects import Invalid, Object, condition_of, get, is_deleting
from tests.conformance.cluster import NODE, Cluster, obj, pod, pod_spec, refused, running, sized

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = {"test-pod-static": "true"}


async def _runs(client: Client, key: str) -> bool:
    return bool(get(await client.get("Pod", key), ".status.phase") == "Running")


async def test_a_pod_and_its_status_through_their_life(cluster: Cluster, client: Client, ns: str) -> None:
    key = f"{ns}/pod-test"
    async with cluster.watching("Pod", ns, label_selector="test-pod-static=true") as watch:
        await client.create(pod("pod-test", ns, HERE, terminationGracePeriodSeconds=1))
        await watch.find("MODIFIED", lambda one: get(one, ".status.phase") == "Running")
        patch = {"metadata": {"labels": {"test-pod": "patched"}},
                 "spec": {"containers": [{"name": "c", "image": "host"}]}}  # fmt: skip
        await client.patch("Pod", key, patch, type="strategic")
        await watch.find("MODIFIED", lambda one: one["metadata"]["labels"].get("test-pod") == "patched")
        found = await client.get("Pod", key)
        ready = condition_of(found, "Ready")
        assert ready is not None
        ready["status"] = "False"
        assert (condition_of(await client.update_status(found), "Ready") or {})["status"] == "False"
        await watch.find("MODIFIED", lambda one: (condition_of(one, "Ready") or {}).get("status") == "False")
        await client.delete_all("Pod", ns, label_selector="test-pod-static=true")
        await watch.find("DELETED")


async def test_a_status_is_patched(cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(pod("p", ns, HERE))
    await cluster.until(lambda: _runs(client, f"{ns}/p"))
    patch = {"status": {"message": "Patched by e2e test", "reason": "E2E"}}
    patched = await client.patch("Pod", f"{ns}/p", patch, subresource="status")
    assert (patched["status"]["message"], patched["status"]["reason"]) == ("Patched by e2e test", "E2E")


async def test_a_pod_is_submitted_and_removed(cluster: Cluster, client: Client, ns: str) -> None:
    chosen = {"label_selector": "time=now"}
    assert (await client.items("Pod", ns, **chosen)).objects == []
    async with cluster.watching("Pod", ns, **chosen) as watch:
        await client.create(pod("p", ns, {"time": "now"}))
        await watch.find("ADDED")
        await watch.find("MODIFIED", lambda one: get(one, ".status.phase") == "Running")
        answer = await client.delete("Pod", f"{ns}/p", grace=30)
        assert answer["metadata"]["deletionTimestamp"] and answer["metadata"]["deletionGracePeriodSeconds"] == 30
        assert await watch.find("MODIFIED", is_deleting)
        last = await watch.find("DELETED")
        assert is_deleting(last)
    assert (await client.items("Pod", ns, **chosen)).objects == []


async def test_labels_and_the_deadline_can_be_updated(client: Client, ns: str) -> None:
    made = await client.create(pod("p", ns, {"time": "one"}))
    made = await client.get("Pod", f"{ns}/p")
    made["metadata"]["labels"]["time"] = "two"
    await client.patch("Pod", f"{ns}/p", {"metadata": {"labels": made["metadata"]["labels"]}})
    assert len((await client.items("Pod", ns, label_selector="time=two")).objects) == 1
    assert (await client.patch("Pod", f"{ns}/p", {"spec": {"activeDeadlineSeconds": 5}}))["spec"][
        "activeDeadlineSeconds"
    ] == 5
    with pytest.raises(Invalid):
        await client.patch("Pod", f"{ns}/p", {"spec": {"activeDeadlineSeconds": 50}})


async def test_a_collection_is_deleted(cluster: Cluster, client: Client, ns: str) -> None:
    for number in range(3):
        await client.create(pod(f"p-{number}", ns, {"type": "Testing"}, terminationGracePeriodSeconds=1))
    assert len((await client.items("Pod", ns, label_selector="type=Testing")).objects) == 3
    await client.delete_all("Pod", ns, label_selector="type=Testing")

    async def none() -> bool:
        return not (await client.items("Pod", ns, label_selector="type=Testing")).objects

    await cluster.until(none)


@pytest.mark.parametrize(
    ("requests", "limits", "qos"),
    [
        ({"cpu": "100m", "memory": "100Mi"}, {"cpu": "100m", "memory": "100Mi"}, "Guaranteed"),
        ({"cpu": "100m"}, {}, "Burstable"),
        ({}, {}, "BestEffort"),
    ],
)
async def test_the_class_of_service(requests: Object, limits: Object, qos: str, client: Client, ns: str) -> None:
    made = await client.create(pod("p", ns, containers=[sized(requests, limits)]))
    assert made["status"]["qosClass"] == qos


async def test_ephemeral_containers_are_added_one_by_one(client: Client, ns: str) -> None:
    await client.create(pod("p", ns))
    for count in (1, 2):
        found = await client.get("Pod", f"{ns}/p")
        rows = found["spec"].get("ephemeralContainers") or []
        rows.append({"name": f"debugger-{count}", "image": "host", "command": ["sleep", "1"], "tty": True})
        patch = {"spec": {"ephemeralContainers": rows}}
        answer = await client.patch("Pod", f"{ns}/p", patch, type="strategic", subresource="ephemeralcontainers")
        assert len(answer["spec"]["ephemeralContainers"]) == count


async def test_a_pod_is_resized_within_a_quota_and_a_limit_range(cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(pod("p", ns, containers=[sized({"cpu": "100m"}, {"cpu": "200m"})]))
    await client.create(obj("ResourceQuota", "q", ns, spec={"hard": {"requests.cpu": "1"}}))

    async def used() -> Any:
        return get(await client.get("ResourceQuota", f"{ns}/q"), ".status.used", {}).get("requests.cpu")

    await cluster.until(used)

    async def resize(request: str, limit: str) -> Object:
        resources = {"requests": {"cpu": request}, "limits": {"cpu": limit}}
        patch = {"spec": {"containers": [{"name": "c", "resources": resources}]}}
        return await client.patch("Pod", f"{ns}/p", patch, type="strategic", subresource="resize")

    assert (await resize("300m", "400m"))["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "300m"
    assert await used() == "300m"
    async with refused(403, "exceeded quota: q, requested: requests.cpu=1700m"):
        await resize("2", "2")
    await client.create(obj("LimitRange", "l", ns, spec={"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}))
    async with refused(403, "maximum cpu usage per Container is 500m, but limit is 600m"):
        await resize("300m", "600m")


async def test_runtime_classes_are_kept_to(cluster: Cluster, client: Client, ns: str) -> None:
    async with refused(403, f'pods "p" is forbidden: pod rejected: RuntimeClass "{ns}-none" not found'):
        await client.create(pod("p", ns, runtimeClassName=f"{ns}-none"))
    fixed = {"podFixed": {"cpu": "10m", "memory": "1Mi"}}
    await client.create(obj("RuntimeClass", f"{ns}-over", handler="runc", overhead=fixed))
    await client.create(obj("RuntimeClass", f"{ns}-plain", handler="runc"))
    made = await client.create(pod("over", ns, runtimeClassName=f"{ns}-over"))
    assert made["spec"]["overhead"] == fixed["podFixed"]
    assert "overhead" not in (await client.create(pod("plain", ns, runtimeClassName=f"{ns}-plain")))["spec"]
    for name in ("over", "plain"):
        await cluster.until(lambda name=name: _bound(client, f"{ns}/{name}"))
    await client.delete("RuntimeClass", f"{ns}-plain")
    async with refused(403, "pod rejected: RuntimeClass"):
        await client.create(pod("p", ns, runtimeClassName=f"{ns}-plain"))


async def _bound(client: Client, key: str) -> bool:
    return bool(get(await client.get("Pod", key), ".spec.nodeName"))


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_what_is_immutable_stays_as_it_is(kind: str, client: Client, ns: str) -> None:
    key = f"{ns}/m"
    await client.create(obj(kind, "m", ns, data={"a": "MQ=="}))
    await client.patch(kind, key, {"data": {"b": "Mg=="}})
    await client.patch(kind, key, {"immutable": True})
    for change in ({"data": {"c": "Mw=="}}, {"immutable": False}):
        with pytest.raises(Invalid):
            await client.patch(kind, key, change)
    assert (await client.patch(kind, key, {"metadata": {"labels": {"a": "b"}}}))["metadata"]["labels"] == {"a": "b"}
    await client.delete(kind, key)


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_an_empty_key_is_refused(kind: str, client: Client, ns: str) -> None:
    with pytest.raises(Invalid):
        await client.create(obj(kind, "m", ns, data={"": "dmFsdWU="}))


async def test_priority_classes_keep_their_value(client: Client, ns: str) -> None:
    made = await client.create(obj("PriorityClass", f"{ns}-p1", value=1))
    made["description"] = "updateDescription"
    assert (await client.update(made))["description"] == "updateDescription"
    patched = await client.patch("PriorityClass", f"{ns}-p1", {"description": "patchDescription"}, type="strategic")
    assert patched["description"] == "patchDescription"
    for change in (client.patch("PriorityClass", f"{ns}-p1", {"value": 99}), client.update({**patched, "value": 99})):
        with pytest.raises(Invalid):
            await change


async def test_volumes_of_drivers_are_kept(client: Client, ns: str) -> None:
    volume = {"name": "v", "csi": {"driver": "e2e.example.com", "readOnly": True}}
    await client.create(pod("p", ns, {"csi": "yes"}, volumes=[volume], nodeSelector={"nowhere": "yes"}))
    (found,) = (await client.items("Pod", ns, label_selector="csi=yes")).objects
    assert found["spec"]["volumes"][0]["csi"]["driver"] == "e2e.example.com"
    patched = await client.patch("Pod", f"{ns}/p", {"metadata": {"labels": {"patched": "yes"}}}, type="strategic")
    assert patched["metadata"]["labels"]["patched"] == "yes"
    await client.delete("Pod", f"{ns}/p", grace=0)


async def test_a_pod_meets_the_scheduler(cluster: Cluster, client: Client, ns: str) -> None:
    """A selector that matches, one that does not, and more than a node has."""
    await client.patch("Node", NODE, {"metadata": {"labels": {"e2e": ns}}})
    await client.create(pod("fits", ns, nodeSelector={"e2e": ns}))
    await client.create(pod("none", ns, nodeSelector={"e2e": "nowhere"}))
    await client.create(pod("large", ns, containers=[sized({"cpu": "1000"})]))
    await cluster.until(lambda: _bound(client, f"{ns}/fits"))

    async def refusal(name: str) -> Any:
        condition = condition_of(await client.get("Pod", f"{ns}/{name}"), "PodScheduled") or {}
        return condition.get("reason") == "Unschedulable"

    for name in ("none", "large"):
        await cluster.until(lambda name=name: refusal(name))


async def test_nodes_through_their_life(client: Client, ns: str) -> None:
    name = f"e2e-node-{ns}"
    await client.create(obj("Node", name, spec={"unschedulable": True}))
    patch = {"metadata": {"labels": {name: "patched"}}}
    assert (await client.patch("Node", name, patch, type="strategic"))["metadata"]["labels"][name] == "patched"
    assert len((await client.items("Node", label_selector=f"{name}=patched")).objects) == 1
    while True:
        found = await client.get("Node", name)
        found["metadata"]["labels"][name] = "updated"
        updated = await client.raw("PUT", kind_of("Node").path(None, name), body=orjson.dumps(found))
        if updated.status == 200:
            break
    await client.delete("Node", name)
    async with refused(404):
        await client.get("Node", name)


async def test_events_in_both_groups_are_one(client: Client, ns: str) -> None:
    about = {"kind": "Pod", "namespace": ns, "name": "p", "apiVersion": "v1"}
    body = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": ns},
            "regarding": about, "action": "Do", "reason": "Test", "type": "Normal", "note": "note",
            "reportingController": "test-controller", "reportingInstance": "test-node",
            "eventTime": "2026-01-01T00:00:00.000000Z"}  # fmt: skip
    path = f"/apis/events.k8s.io/v1/namespaces/{ns}/events"
    await client.raw("POST", path, body=orjson.dumps(body))
    assert (await client.get("Event", f"{ns}/e"))["message"] == "note"
    patch = b'{"series":{"count":2,"lastObservedTime":"2026-01-01T00:01:00.000000Z"}}'
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    patched = orjson.loads((await client.raw("PATCH", f"{path}/e", headers=headers, body=patch)).body)
    assert patched["series"]["count"] == 2
    patched["series"] = {"count": 100, "lastObservedTime": "2026-01-01T00:02:00.000000Z"}
    updated = orjson.loads((await client.raw("PUT", f"{path}/e", body=orjson.dumps(patched))).body)
    assert updated["series"]["count"] == 100
    listed = orjson.loads((await client.raw("GET", "/apis/events.k8s.io/v1/events")).body)["items"]
    assert [one["note"] for one in listed if one["metadata"]["namespace"] == ns] == ["note"]
    await client.raw("DELETE", path)
    assert orjson.loads((await client.raw("GET", path)).body)["items"] == []


async def test_a_template_is_replaced(client: Client, ns: str) -> None:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()}
    made = await client.create(obj("PodTemplate", "t", ns, {"podtemplate-static": "true"}, template=template))
    patch = {"metadata": {"labels": {"podtemplate": "patched"}}}
    patched = await client.patch("PodTemplate", f"{ns}/t", patch, type="strategic")
    assert patched["metadata"]["labels"] == {"podtemplate-static": "true", "podtemplate": "patched"}
    patched["template"]["spec"]["containers"][0]["name"] = "e2e"
    patched["metadata"]["annotations"] = {"updated": "true"}
    updated = await client.update(patched)
    assert updated["metadata"]["uid"] == made["metadata"]["uid"] and updated["metadata"]["annotations"]


async def test_statuses_of_pods_need_no_node(client: Client, ns: str) -> None:
    """What a kubelet reports is taken whole, and the reported address is shown."""
    made = await client.create(pod("p", ns, {"unready": ""}))
    answer = await client.patch("Pod", f"{ns}/p", {"status": running(made, "10.9.8.7")}, subresource="status")
    assert get(answer, ".status.podIP") == "10.9.8.7" and get(answer, ".status.hostIP")
