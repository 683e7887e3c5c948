"""What there is, told in both ways."""

from __future__ import annotations

import orjson

from procorch.api.discovery import AGGREGATED
from procorch.kinds import KINDS


async def test_every_kind_is_found_in_the_resource_list_of_its_group_version(served):
    for kind in KINDS:
        found = orjson.loads((await served.client.raw("GET", kind.prefix)).body)
        rows = {row["name"]: row for row in found["resources"]}

        assert rows[kind.plural]["kind"] == kind.name and rows[kind.plural]["namespaced"] == kind.namespaced


async def test_subresources_say_what_they_speak(served):
    rows = orjson.loads((await served.client.raw("GET", "/apis/apps/v1")).body)["resources"]
    scale = next(row for row in rows if row["name"] == "replicasets/scale")

    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


async def test_aggregated_discovery_is_not_sent_twice(served):
    transport = served.transport("kubernetes-admin", "system:masters")
    headers = {"Accept": f"{AGGREGATED},application/json"}

    first = await transport.send("GET", "/apis", headers=headers)
    second = await transport.send("GET", "/apis", headers={**headers, "If-None-Match": first.headers["etag"]})

    found = orjson.loads(first.body)
    assert found["kind"] == "APIGroupDiscoveryList"
    assert {item["metadata"]["name"] for item in found["items"]} >= {"apps", "procorch.dev"}
    assert (second.status, second.body) == (304, b"")
    await transport.close()


async def test_the_version_is_a_kubernetes_version(served):
    version = orjson.loads((await served.client.raw("GET", "/version")).body)

    assert version["gitVersion"].startswith("v1.37.")
