"""Endpoints that a user wrote become EndpointSlices."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.controllers import endpointslice_mirroring
from procorch.controllers.endpointslice_mirroring import SKIP, contents, is_mirrored, plan
from procorch.objects import Object

ENDPOINTS: Object = {
    "apiVersion": "v1",
    "kind": "Endpoints",
    "metadata": {"name": "db", "namespace": "d", "uid": "e"},
    "subsets": [
        {
            "addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}],
            "notReadyAddresses": [{"ip": "192.0.2.2", "nodeName": "n1"}],
            "ports": [{"port": 3306}],
        }
    ],
}
SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db", "namespace": "d"},
    "spec": {"ports": [{"port": 3306}]},
}


def test_each_subset_becomes_the_content_of_a_slice() -> None:
    assert contents(ENDPOINTS) == [
        {
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["192.0.2.1"], "conditions": {"ready": True}},
                {"addresses": ["192.0.2.2"], "conditions": {"ready": False}, "nodeName": "n1"},
            ],
            "ports": [{"name": "", "port": 3306, "protocol": "TCP"}],
        }
    ]


@pytest.mark.parametrize(
    ("service", "labels", "wanted"),
    [
        pytest.param(SERVICE, {}, True, id="a Service without selector"),
        pytest.param(None, {}, False, id="no Service"),
        pytest.param({**SERVICE, "spec": {"selector": {"a": "b"}}}, {}, False, id="a Service with a selector"),
        pytest.param(SERVICE, {SKIP: "true"}, False, id="somebody makes the slices himself"),
    ],
)
def test_what_is_mirrored(service: Object | None, labels: dict[str, str], wanted: bool) -> None:
    assert is_mirrored(service, {**ENDPOINTS, "metadata": {**ENDPOINTS["metadata"], "labels": labels}}) is wanted


def test_a_right_slice_stays_a_wrong_one_is_changed_and_a_spare_one_deleted() -> None:
    made = plan(ENDPOINTS, []).create[0]
    right = {**made, "metadata": {**made["metadata"], "name": "x"}}
    assert plan(ENDPOINTS, [right]) == endpointslice_mirroring.Plan([], [], [])

    wrong = {**right, "endpoints": []}
    changed = plan(ENDPOINTS, [wrong, {**wrong, "metadata": {**wrong["metadata"], "name": "y"}}])
    assert [one["metadata"]["name"] for one in changed.update] == ["x"]
    assert [one["metadata"]["name"] for one in changed.delete] == ["y"]


async def test_the_slice_follows_the_endpoints(client: Client, running: Any, eventually: Any) -> None:
    async with running(endpointslice_mirroring.CONTROLLER) as runner:
        await client.create(SERVICE)
        made = await client.create({**ENDPOINTS, "metadata": {"name": "db", "namespace": "d"}})

        async def addresses(wanted: list[str]) -> bool:
            slices = (await client.items("EndpointSlice", "d")).objects
            return [ip for one in slices for row in one["endpoints"] for ip in row["addresses"]] == wanted

        await eventually(lambda: addresses(["192.0.2.1", "192.0.2.2"]))
        await client.update({**made, "subsets": [{"addresses": [{"ip": "192.0.2.9"}], "ports": [{"port": 3306}]}]})
        await eventually(lambda: addresses(["192.0.2.9"]))

        async def idle() -> bool:
            return runner.queues["endpointslicemirroring"].is_idle

        await eventually(idle)
        versions = [one["metadata"]["resourceVersion"] for one in (await client.items("EndpointSlice")).objects]
        runner.queues["endpointslicemirroring"].add("d/db")
        await eventually(idle)
        assert [one["metadata"]["resourceVersion"] for one in (await client.items("EndpointSlice")).objects] == versions
        await client.delete("Service", "d/db")
        await eventually(lambda: addresses([]))
