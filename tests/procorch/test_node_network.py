"""A node's network follows what the API says of Services and of the other nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from network.proxy import Backend, ServicePort
from procorch.client import Client
from procorch.informers import Informers
from procorch.node_network import follow_routes, follow_services, is_own, pod_range, routes_of
from procorch.objects import Object
from tests.procorch.test_informer import Scripted, until
from tests.procorch.test_services import endpoint, pod_with, service, slice_of


def node(name: str, pod_cidr: str = "", address: str = "", version: int = 3) -> Object:
    addresses = [{"type": "Hostname", "address": name}]
    addresses += [{"type": "InternalIP", "address": address}] if address else []
    metadata = {"name": name, "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"podCIDR": pod_cidr}, "status": {"addresses": addresses}}


OWN = node("own", "10.240.0.0/22", "10.0.0.1")
TWO = node("two", "10.240.4.0/22", "10.0.0.2")


def stored(obj: Object) -> Object:
    return obj | {"metadata": obj["metadata"] | {"uid": obj["metadata"]["name"], "resourceVersion": "3"}}


def test_routes_lead_to_every_other_node_that_is_complete() -> None:
    nodes = [OWN, TWO, node("new", "", "10.0.0.3"), node("odd", "10.240.8.0/22")]

    assert routes_of(nodes, "own") == {"10.240.4.0/22": "10.0.0.2"}


class Seat:
    """What a proxy or a network is told; it refuses the first time."""

    def __init__(self, *, refuses: bool) -> None:
        self.busy: dict[int, str] = {}
        self.told: list[Any] = []
        self.refuses = refuses

    def _take(self, wanted: Any) -> None:
        if self.refuses:
            self.refuses = False
            raise OSError("not now")
        self.told.append(wanted)

    async def sync(self, wanted: Iterable[ServicePort]) -> None:
        self._take(list(wanted))

    async def sync_routes(self, wanted: dict[str, str]) -> None:
        self._take(wanted)


async def test_services_are_served_once_all_are_known_and_tried_again_where_that_failed() -> None:
    lists = [stored(service())], [stored(slice_of(endpoint("10.240.0.2")))], [stored(pod_with({"hostPort": 8000}))]
    script = Scripted([(5, one) for one in lists], [])
    informers, proxy = Informers(Client(script)), Seat(refuses=True)
    for kind in ("Service", "EndpointSlice", "Pod"):
        informers.of(kind)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow_services(informers, informers.of("Pod"), proxy, "own"))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert proxy.told == []
        async with informers.running():
            await until(lambda: bool(proxy.told))
            following.cancel()

    assert [row.backends for row in proxy.told[-1]] == [(Backend("10.240.0.2", 8080),), (Backend("10.240.0.9", 80),)]


async def test_a_node_that_comes_is_routed_to() -> None:
    informers, network = Informers(Client(Scripted([(5, [OWN])], [[("ADDED", TWO), None]]))), Seat(refuses=False)
    informers.of("Node")

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow_routes(informers, network, "own"))  # type: ignore[arg-type]
        async with informers.running():
            await until(lambda: {"10.240.4.0/22": "10.0.0.2"} in network.told)
            following.cancel()


async def test_the_nodes_range_is_what_the_masters_give_it() -> None:
    given = node("own", "10.240.0.0/22", version=6)
    script = Scripted([(5, [node("own"), TWO])], [[("MODIFIED", given), None]])
    informers = Informers(Client(script))
    informers.of("Node")

    async with asyncio.timeout(5), informers.running():
        assert await pod_range(informers, "own") == "10.240.0.0/22"


def test_a_machine_knows_its_own_addresses() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("192.0.2.1")
    assert not is_own("no address")
