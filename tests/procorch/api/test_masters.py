"""Two APIs on one PostgreSQL, as two masters have it: whichever is asked, it knows what the other has acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import AlreadyExists, Conflict, Invalid, NotFound
from store import Log

ADMIN = User("admin", ("system:masters",))
TURNS = 25  # an order that depends on luck would show


@pytest.fixture
async def apis(shared: str) -> AsyncIterator[tuple[Client, Client]]:
    logs = [await Log.open(shared) for _ in range(2)]
    made = [Api(log) for log in logs]
    for api in made:
        await api.start()
    clients = [Client(LocalTransport(api, ADMIN)) for api in made]
    await clients[0].create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    yield clients[0], clients[1]
    for api in made:
        await api.close()
    for log in logs:
        await log.close()


def config_map(name: str, value: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "d"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


async def test_what_one_made_the_other_finds_changes_and_deletes_at_once(apis: tuple[Client, Client]) -> None:
    one, two = apis
    for turn in range(TURNS):
        made = await one.create(config_map("c", str(turn)))
        assert (await two.get("ConfigMap", "d/c")) == made
        changed = await two.update({**made, "data": {"value": "changed"}})
        assert [row["data"] for row in (await one.items("ConfigMap", "d")).objects] == [{"value": "changed"}]
        with pytest.raises(Conflict):
            await one.update({**made, "data": {"value": "late"}})
        await one.update({**changed, "data": {"value": "again"}})
        await two.delete("ConfigMap", "d/c")
        with pytest.raises(NotFound):
            await one.get("ConfigMap", "d/c")


async def test_a_name_is_free_or_taken_as_the_other_left_it(apis: tuple[Client, Client]) -> None:
    one, two = apis
    for turn in range(TURNS):
        await one.create(config_map("c", str(turn)))
        with pytest.raises(AlreadyExists):
            await two.create(config_map("c", "twice"))
        await two.delete("ConfigMap", "d/c")
        await one.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"n{turn}"}})
        obj = config_map("c", "in a namespace that the other has just made")
        obj["metadata"]["namespace"] = f"n{turn}"
        await two.create(obj)


async def test_a_change_back_to_what_an_old_memory_holds_is_not_dropped(apis: tuple[Client, Client]) -> None:
    one, two = apis
    await one.create(config_map("c", "a"))
    for _ in range(TURNS):
        await two.patch("ConfigMap", "d/c", {"data": {"value": "a"}})
        await one.patch("ConfigMap", "d/c", {"data": {"value": "b"}})
        await two.patch("ConfigMap", "d/c", {"data": {"value": "a"}})
        assert (await one.get("ConfigMap", "d/c"))["data"]["value"] == "a"


async def test_a_list_begun_at_one_goes_on_at_the_other(apis: tuple[Client, Client]) -> None:
    one, two = apis
    for number in range(6):
        await one.create(config_map(f"c{number}", ""))
    page = await one.items("ConfigMap", "d", limit=2)
    names = [row["metadata"]["name"] for row in page.objects]
    for client in (two, one):
        page = await client.items("ConfigMap", "d", limit=2, continue_token=page.continue_token)
        names += [row["metadata"]["name"] for row in page.objects]

    assert names == [f"c{number}" for number in range(6)]


async def test_a_watch_goes_on_at_the_other_from_the_revision_that_one_told(apis: tuple[Client, Client]) -> None:
    one, two = apis
    version = ""
    for number in range(5):
        version = (await one.create(config_map(f"c{number}", "")))["metadata"]["resourceVersion"]
    watch = two.watch("ConfigMap", "d", resource_version=version)
    await one.create(config_map("late", ""))
    async with asyncio.timeout(10):
        kind, obj = await anext(watch)
    await watch.aclose()

    assert (kind, obj["metadata"]["name"]) == ("ADDED", "late")


async def test_no_two_services_get_one_address(apis: tuple[Client, Client]) -> None:
    one, two = apis

    def service(name: str, **spec: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "d"}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}}

    answers = await asyncio.gather(
        *(client.create(service(f"s{number}", clusterIP="10.96.7.7")) for number, client in enumerate((one, two) * 3)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert {type(answer) for answer in answers if not isinstance(answer, dict)} == {Invalid}
    made = await asyncio.gather(
        *(client.create(service(f"t{number}")) for number, client in enumerate((one, two) * 10))
    )
    assert len({row["spec"]["clusterIP"] for row in made}) == 20


async def test_a_heartbeat_at_one_is_seen_at_the_other(apis: tuple[Client, Client]) -> None:
    one, two = apis
    metadata = {"name": "l", "namespace": "d"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
    await one.create({**lease, "spec": {"holderIdentity": "n", "renewTime": "2026-01-01T00:00:00.000000Z"}})
    for turn in range(10, 10 + TURNS):
        time = f"2026-01-01T00:00:{turn}.000000Z"
        await (one, two)[turn % 2].patch("Lease", "d/l", {"spec": {"renewTime": time}})
        assert (await (two, one)[turn % 2].get("Lease", "d/l"))["spec"]["renewTime"] == time
