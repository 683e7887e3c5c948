"""Services, Endpoints and EndpointSlices: the parts that are the API's."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from procorch.client import Client, kind_of
from procorch.objects import Object, get
from tests.conformance.cluster import Cluster, obj, pod

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}]


def service(name: str, ns: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return obj("Service", name, ns, labels, spec={"ports": PORT, **spec})


async def slices(client: Client, ns: str, name: str) -> list[Object]:
    return (await client.items("EndpointSlice", ns, label_selector=f"kubernetes.io/service-name={name}")).objects


async def addresses(client: Client, ns: str, name: str) -> list[tuple[str, int | None]]:
    """Address and port of all that is ready."""
    return sorted(
        (address, port.get("port"))
        for one in await slices(client, ns, name)
        for endpoint in one.get("endpoints") or []
        if get(endpoint, ".conditions.ready")
        for address in endpoint["addresses"]
        for port in one.get("ports") or []
    )


async def test_there_is_one_for_the_api(cluster: Cluster, client: Client) -> None:
    found = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in (await client.items("Service")).objects}
    assert ("default", "kubernetes") in found
    made = await client.get("Service", "default/kubernetes")
    assert [(row["name"], row["port"]) for row in made["spec"]["ports"]] == [("https", 443)]
    endpoints = await client.get("Endpoints", "default/kubernetes")
    told = {row["ip"] for subset in endpoints["subsets"] for row in subset["addresses"]}
    (one,) = await slices(client, "default", "kubernetes")
    assert {address for row in one["endpoints"] for address in row["addresses"]} == told == {"10.0.0.9"}


async def test_a_status_through_its_life(cluster: Cluster, client: Client, ns: str) -> None:
    labels, key = {"test-service-static": "true"}, f"{ns}/s"
    async with cluster.watching("Service", ns, label_selector="test-service-static=true") as watch:
        await client.create(service("s", ns, labels, type="LoadBalancer"))
        await watch.find("ADDED")
        path = kind_of("Service").path(ns, "s", "status")
        assert "loadBalancer" in orjson.loads((await client.raw("GET", path)).body)["status"]
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}},
                 "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}  # fmt: skip
        await client.patch("Service", key, patch, subresource="status")
        seen = await watch.find("MODIFIED", lambda one: get(one, ".metadata.annotations.patchedstatus"))
        assert seen["status"]["loadBalancer"]["ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]
        found = await client.get("Service", key)
        row = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}
        found["status"]["conditions"] = [{**row, "lastTransitionTime": "2026-01-01T00:00:00Z"}]
        await client.update_status(found)
        await watch.find("MODIFIED", lambda one: get(one, ".status.conditions"))
        await client.patch("Service", key, {"metadata": {"labels": {"test-service": "patched"}}})
        await watch.find("MODIFIED", lambda one: one["metadata"]["labels"].get("test-service") == "patched")
        await client.delete("Service", key)
        await watch.find("DELETED")


async def test_a_collection_is_deleted_by_its_labels(client: Client, ns: str) -> None:
    for number, label in enumerate(("go", "go", "stay")):
        await client.create(service(f"s-{number}", ns, {"test": label}))
    await client.delete_all("Service", ns, label_selector="test=go")
    assert [one["metadata"]["name"] for one in (await client.items("Service", ns)).objects] == ["s-2"]


@pytest.mark.parametrize("other", ["ClusterIP", "NodePort"])
async def test_a_type_changes_to_a_name_and_back(other: str, client: Client, ns: str) -> None:
    external = {"type": "ExternalName", "externalName": "clusterip-service.example.com"}
    made = await client.create(service("s", ns, type=other))
    assert made["spec"]["clusterIP"]
    assert bool(made["spec"]["ports"][0].get("nodePort")) == (other == "NodePort")
    made["spec"] |= external
    for name in ("clusterIP", "clusterIPs"):
        made["spec"].pop(name)
    named = await client.update(made)
    assert not named["spec"].get("clusterIP") and not named["spec"]["ports"][0].get("nodePort")
    changed = await client.get("Service", f"{ns}/s")
    changed["spec"] |= {"type": other, "externalName": ""}
    back = await client.update(changed)
    assert back["spec"]["clusterIP"] and not back["spec"].get("externalName")
    assert bool(back["spec"]["ports"][0].get("nodePort")) == (other == "NodePort")


async def test_affinity_is_switched(client: Client, ns: str) -> None:
    made = await client.create(service("s", ns, sessionAffinity="ClientIP"))
    assert made["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10800
    off = {"spec": {"sessionAffinity": "None", "sessionAffinityConfig": None}}
    assert (await client.patch("Service", f"{ns}/s", off))["spec"]["sessionAffinity"] == "None"
    on = {"spec": {"sessionAffinity": "ClientIP"}}
    assert (await client.patch("Service", f"{ns}/s", on))["spec"]["sessionAffinityConfig"]["clientIP"]


async def test_endpoints_follow_the_pods(cluster: Cluster, client: Client, ns: str) -> None:
    ports = [{"name": "one", "port": 80, "targetPort": 100}, {"name": "two", "port": 81, "targetPort": "second"}]
    await client.create(obj("Service", "s", ns, spec={"ports": ports, "selector": {"app": "x"}}))

    async def ports_are(wanted: list[int]) -> bool:
        found = await addresses(client, ns, "s")
        flat = await client.get("Endpoints", f"{ns}/s")
        told = sorted(row["port"] for subset in flat.get("subsets", []) if subset.get("addresses")
                      for row in subset["ports"])  # fmt: skip
        return sorted(port for _, port in found if port) == wanted and told == sorted(set(wanted))

    container = {"name": "c", "image": "host", "command": ["sleep", "1000"]}
    second = {**container, "ports": [{"name": "second", "containerPort": 101}]}
    await client.create(pod("a", ns, {"app": "x"}, containers=[container]))
    await cluster.until(lambda: ports_are([100]))
    await client.create(pod("b", ns, {"app": "x"}, containers=[second]))
    await cluster.until(lambda: ports_are([100, 100, 101]))
    await client.delete("Pod", f"{ns}/a", grace=0)
    await cluster.until(lambda: ports_are([100, 101]))
    await client.delete("Pod", f"{ns}/b", grace=0)
    await cluster.until(lambda: ports_are([]))


async def test_slices_and_endpoints_come_and_go_with_the_service(cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(service("s", ns, selector={"does-not-match-anything": "true"}))

    async def there() -> bool:
        return len(await slices(client, ns, "s")) == 1 and await cluster.has("Endpoints", f"{ns}/s")

    async def gone() -> bool:
        return not await slices(client, ns, "s") and await cluster.gone("Endpoints", f"{ns}/s")

    await cluster.until(there)
    await client.delete("Service", f"{ns}/s")
    await cluster.until(gone)


async def test_the_life_of_endpoints(cluster: Cluster, client: Client, ns: str) -> None:
    labels, key = {"test-endpoint-static": "true"}, f"{ns}/testservice"
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    async with cluster.watching("Endpoints", ns, label_selector="test-endpoint-static=true") as watch:
        await client.create(obj("Endpoints", "testservice", ns, labels, subsets=[subset]))
        await watch.find("ADDED")
        found = await client.get("Endpoints", key)
        found["metadata"]["labels"]["test-service"] = "updated"
        await client.update(found)
        await watch.find("MODIFIED", lambda one: one["metadata"]["labels"].get("test-service") == "updated")
        moved = {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}
        patch = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [moved]}
        await client.patch("Endpoints", key, patch, type="strategic")
        seen = await watch.find("MODIFIED", lambda one: one["metadata"]["labels"].get("test-service") == "patched")
        assert seen["subsets"][0]["addresses"][0]["ip"] == "10.0.0.25"
        assert seen["subsets"][0]["ports"][0] == {"name": "http-test", "port": 8080, "protocol": "TCP"}
        await client.delete_all("Endpoints", ns, label_selector="test-endpoint-static=true")
        await watch.find("DELETED")


async def test_endpoints_of_ones_own_are_mirrored(cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(service("s", ns))
    ports = [{"name": "example", "port": 9000, "protocol": "TCP"}]
    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": ports}
    await client.create(obj("Endpoints", "s", ns, subsets=[subset]))

    async def mirrors(*wanted: str) -> bool:
        found = await slices(client, ns, "s")
        managed = {one["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] for one in found}
        told = [row["addresses"][0] for one in found for row in one.get("endpoints") or []]
        return tuple(sorted(told)) == wanted and managed <= {"endpointslicemirroring-controller.k8s.io"}

    await cluster.until(lambda: mirrors("10.1.2.3"))
    moved = {"subsets": [{**subset, "addresses": [{"ip": "10.2.3.4"}]}]}
    await client.patch("Endpoints", f"{ns}/s", moved)
    await cluster.until(lambda: mirrors("10.2.3.4"))
    await client.delete("Endpoints", f"{ns}/s")
    await cluster.until(lambda: mirrors())


async def test_one_port_of_two_protocols(cluster: Cluster, client: Client, ns: str) -> None:
    ports = [{"name": proto.lower(), "port": 80, "targetPort": 80, "protocol": proto} for proto in ("TCP", "UDP")]
    made = await client.create(obj("Service", "s", ns, spec={"ports": ports, "selector": {"app": "x"}}))
    assert len(made["spec"]["ports"]) == 2
    await client.create(pod("p", ns, {"app": "x"}))

    async def protocols(*wanted: str) -> bool:
        found = [row["protocol"] for one in await slices(client, ns, "s") for row in one.get("ports") or []]
        return tuple(sorted(found)) == wanted

    await cluster.until(lambda: protocols("TCP", "UDP"))
    for protocol in ("TCP", "UDP"):
        only = [row for row in ports if row["protocol"] == protocol]
        await client.patch("Service", f"{ns}/s", {"spec": {"ports": only}})
        await cluster.until(lambda wanted=protocol: protocols(wanted))
