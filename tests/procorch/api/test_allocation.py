"""ClusterIPs and NodePorts through the API: chosen, requested, refused, freed."""

from __future__ import annotations

import asyncio
import ipaddress
import random

import pytest

import store
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.client import Client
from procorch.objects import AlreadyExists, Invalid


def service(name, **spec):
    base = {"selector": {"app": name}, "ports": [{"port": 80}]}
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": base | spec}


async def test_a_service_gets_an_address_of_the_range_and_keeps_it(served):
    made = await served.client.create(service("a"))
    address = made["spec"]["clusterIP"]

    assert ipaddress.ip_address(address) in ipaddress.ip_network("10.96.0.0/12")
    assert made["spec"]["clusterIPs"] == [address]
    again = await served.client.update(service("a", ports=[{"port": 81}]))
    assert again["spec"]["clusterIP"] == address


async def test_a_requested_address_is_given_once(served):
    made = await served.client.create(service("a", clusterIP="10.96.0.10"))
    assert made["spec"]["clusterIP"] == "10.96.0.10"

    with pytest.raises(Invalid, match=r"failed to allocate IP 10.96.0.10: provided IP is already allocated"):
        await served.client.create(service("b", clusterIP="10.96.0.10"))
    for outside in ("10.0.0.1", "10.96.0.0", "10.111.255.255"):
        with pytest.raises(Invalid, match=f"{outside}: the provided network does not match the current range"):
            await served.client.create(service("b", clusterIP=outside))


async def test_a_service_that_is_there_already_exists_whatever_address_it_asks_for(served):
    await served.client.create(service("a", clusterIP="10.96.0.10"))

    with pytest.raises(AlreadyExists):
        await served.client.create(service("a", clusterIP="10.96.0.10"))


async def test_headless_and_external_services_take_no_address(served):
    headless = await served.client.create(service("a", clusterIP="None"))
    external = await served.client.create(service("b", type="ExternalName", externalName="example.com", ports=None))

    assert headless["spec"]["clusterIPs"] == ["None"] and "clusterIP" not in external["spec"]
    assert await served.api.log.items("/allocations/") == []


async def test_node_ports_are_chosen_or_given_as_asked(served):
    made = await served.client.create(service("a", type="NodePort", ports=[{"port": 8080, "nodePort": 30001}]))
    chosen = await served.client.create(service("b", type="NodePort"))

    assert made["spec"]["ports"][0]["nodePort"] == 30001
    assert 30000 <= chosen["spec"]["ports"][0]["nodePort"] <= 32767


async def test_a_balancer_that_keeps_addresses_has_a_port_for_health(served):
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    made = await served.client.create(service("a", **spec))
    port = made["spec"]["healthCheckNodePort"]
    assert 30000 <= port <= 32767 and port != made["spec"]["ports"][0]["nodePort"]

    assert (await served.client.update(service("a", **spec)))["spec"]["healthCheckNodePort"] == port
    with pytest.raises(Invalid, match=r"spec.healthCheckNodePort: Forbidden: field is immutable"):
        await served.client.update(service("a", **spec, healthCheckNodePort=port ^ 1))
    with pytest.raises(Invalid, match=rf"spec.healthCheckNodePort: Invalid value: {port}: provided port is already"):
        await served.client.create(service("b", **spec, healthCheckNodePort=port))
    plain = await served.client.update(service("a", type="LoadBalancer", healthCheckNodePort=port))
    assert "healthCheckNodePort" not in plain["spec"]
    given = await served.client.create(service("b", **spec, healthCheckNodePort=port))
    assert given["spec"]["healthCheckNodePort"] == port


@pytest.mark.parametrize(
    ("port", "message"),
    [
        pytest.param(30001, "provided port is already allocated", id="taken"),
        pytest.param(
            80, "provided port is not in the valid range. The range of valid ports is 30000-32767", id="out of range"
        ),
    ],
)
async def test_a_node_port_that_cannot_be_had_is_422_with_its_field(served, port, message):
    await served.client.create(service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30001}]))

    with pytest.raises(Invalid) as refused:
        await served.client.create(service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}]))

    assert refused.value.message == (
        f'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: {port}: {message}'
    )
    assert len(await served.api.log.items("/allocations/clusterip/")) == 1


async def test_what_a_service_had_is_free_after_it_and_after_a_change_of_type(served):
    await served.client.create(service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30001}]))
    await served.client.patch("Service", "default/a", {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}})
    await served.client.create(
        service("b", type="NodePort", clusterIP="10.96.0.77", ports=[{"port": 80, "nodePort": 30001}])
    )
    await served.client.delete("Service", "default/b")
    await served.client.create(
        service("c", type="NodePort", clusterIP="10.96.0.77", ports=[{"port": 80, "nodePort": 30001}])
    )

    held = {row.key for row in await served.api.log.items("/allocations/")}
    assert {"/allocations/clusterip/10.96.0.77", "/allocations/nodeport/30001"} <= held and len(held) == 3


async def test_a_dry_run_takes_nothing(served):
    await served.client.create(service("a", type="NodePort"), query={"dryRun": "All"})

    assert await served.api.log.items("/allocations/") == []


async def test_a_hundred_services_at_once_in_a_range_for_them_have_an_address_each():
    """Many choose the same free address at the same moment: the rows decide, and who lost chooses again."""
    log = await store.Log.open(":memory:")
    config = ApiConfig(service_cidr="10.1.0.0/25", node_port_range=(30000, 30099))
    api = Api(log, config=config, draw=random.Random(1))
    await api.start()
    client = Client(LocalTransport(api, User("a", (MASTERS,))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.create(service(f"s{i}", type="NodePort"))) for i in range(100)]
    made = [task.result()["spec"] for task in tasks]

    assert len({spec["clusterIP"] for spec in made}) == 100
    assert {spec["ports"][0]["nodePort"] for spec in made} == set(range(30000, 30100))
    with pytest.raises(Invalid, match="range is full"):
        await client.create(service("one-too-many", type="NodePort"))
    await api.close()
    await log.close()
