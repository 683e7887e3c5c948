"""Discovery, aggregated and not, the server's version, and answers that cannot be Tables."""

from __future__ import annotations

import orjson
import pytest

from procorch.client import Client
from tests.conformance.cluster import Cluster, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#: those of the conformance test, but for webhooks, custom resources and aggregation
RESOURCES = {
    ("apps", "v1", "deployments"), ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"), ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"), ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"), ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"), ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"), ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"), ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
}  # fmt: skip


async def _aggregated(cluster: Cluster, path: str) -> set[tuple[str, str, str]]:
    found = await cluster.json(path, Accept=AGGREGATED)
    assert found["kind"] == "APIGroupDiscoveryList"
    return {
        (group.get("metadata", {}).get("name", ""), version["version"], row["resource"])
        for group in found["items"]
        for version in group["versions"]
        for row in version["resources"]
    }


async def test_aggregated_discovery_has_what_is_built_in(cluster: Cluster) -> None:
    assert await _aggregated(cluster, "/apis") >= RESOURCES
    assert ("", "v1", "namespaces") in await _aggregated(cluster, "/api")


async def test_both_discoveries_tell_the_same(cluster: Cluster) -> None:
    told = set()
    for group in (await cluster.json("/apis"))["groups"]:
        for version in group["versions"]:
            listed = (await cluster.json(f"/apis/{version['groupVersion']}"))["resources"]
            told |= {(group["name"], version["version"], row["name"]) for row in listed if "/" not in row["name"]}
    assert told == await _aggregated(cluster, "/apis")


async def test_each_group_prefers_a_version_that_it_has_and_has_a_resource(cluster: Cluster) -> None:
    for group in (await cluster.json("/apis"))["groups"]:
        own = await cluster.json(f"/apis/{group['name']}")
        assert own["name"] == group["name"] and own["kind"] == "APIGroup"
        versions = [row["groupVersion"] for row in own["versions"]]
        assert own["preferredVersion"]["groupVersion"] in versions
        for version in versions:
            listed = await cluster.json(f"/apis/{version}")
            assert listed["groupVersion"] == version
            assert all(row["name"] and row["kind"] for row in listed["resources"]) and listed["resources"]


async def test_major_and_minor_are_numbers(cluster: Cluster) -> None:
    version = await cluster.json("/version")
    assert version["major"].isdigit() and version["minor"].isdigit()


async def test_what_has_no_metadata_is_no_table(client: Client) -> None:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}  # fmt: skip
    async with refused(406):
        await client.raw("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=orjson.dumps(body),
                         headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})  # fmt: skip
