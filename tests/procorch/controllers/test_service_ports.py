"""Services at work: Endpoints and EndpointSlices follow the pods."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.controllers import endpoints, endpointslice
from procorch.controllers.service_ports import target_port
from procorch.objects import NotFound, Object

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "d"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


async def ready(client: Client, name: str, ip: str) -> None:
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}
    await client.patch("Pod", f"d/{name}", {"status": status}, subresource="status")


async def test_addresses_come_and_go_with_the_pods(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    async with running(endpoints.CONTROLLER, endpointslice.CONTROLLER):
        await client.create(SERVICE)
        await client.create(pod("a", {"app": "web"}))
        await ready(client, "a", "10.240.0.2")

        async def old() -> list[str]:
            try:
                subsets = (await client.get("Endpoints", "d/web")).get("subsets") or []
            except NotFound:
                return []
            return [row["ip"] for subset in subsets for row in subset.get("addresses", [])]

        async def new() -> list[str]:
            slices = (await client.items("EndpointSlice", "d")).objects
            return [ip for one in slices for row in one.get("endpoints") or [] for ip in row["addresses"]]

        async def both(wanted: list[str]) -> bool:
            return await old() == wanted and await new() == wanted

        await eventually(lambda: both(["10.240.0.2"]))
        await client.patch("Pod", "d/a", {"metadata": {"labels": {"app": "other"}}})
        await eventually(lambda: both([]))
        await client.patch("Pod", "d/a", {"metadata": {"labels": {"app": "web"}}})
        await eventually(lambda: both(["10.240.0.2"]))
        await client.delete("Pod", "d/a", grace=0)
        await eventually(lambda: both([]))


async def test_they_go_with_their_service(client: Client, running: Any, eventually: Any) -> None:
    async with running(endpoints.CONTROLLER, endpointslice.CONTROLLER):
        await client.create(SERVICE)

        async def count(wanted: int) -> bool:
            old = (await client.items("Endpoints", "d")).objects
            new = (await client.items("EndpointSlice", "d")).objects
            return len(old) == len(new) == wanted

        await eventually(lambda: count(1))
        await client.delete("Service", "d/web")
        await eventually(lambda: count(0))


async def test_a_users_own_endpoints_are_left_alone(client: Client, running: Any, eventually: Any) -> None:
    mine = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "outside", "namespace": "d"},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}],
    }
    await client.create(mine)
    spec = {"ports": [{"port": 80}]}
    outside = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "outside", "namespace": "d"}, "spec": spec}
    async with running(endpoints.CONTROLLER) as runner:
        await client.create(outside)
        await client.create(SERVICE)

        async def seen() -> bool:
            return "d/web" in runner.informers["Endpoints"] and runner.queues["endpoint"].is_idle

        await eventually(seen)
        assert (await client.get("Endpoints", "d/outside"))["subsets"][0]["addresses"] == [{"ip": "192.0.2.1"}]


@pytest.mark.parametrize(
    ("port", "number"),
    [
        pytest.param({"port": 80}, 80, id="no target port: the port itself"),
        pytest.param({"port": 80, "targetPort": 8080}, 8080, id="a number"),
        pytest.param({"port": 80, "targetPort": "http"}, 9000, id="a container's name for it"),
        pytest.param({"port": 80, "targetPort": "http", "protocol": "UDP"}, None, id="the name is of another protocol"),
        pytest.param({"port": 80, "targetPort": "side"}, 9001, id="a sidecar's name for it"),
    ],
)
def test_the_target_port(port: Object, number: int | None) -> None:
    ports = [{"name": "http", "containerPort": 9000}]
    sidecar = {"restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 9001}]}

    assert target_port({"spec": {"containers": [{"ports": ports}], "initContainers": [sidecar]}}, port) == number
