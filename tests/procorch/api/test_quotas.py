"""Quotas at the door; what the conformance tests ask is in tests/conformance/test_resource_quota.py."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import ApiError, Conflict, Forbidden, Object


def quota(hard: dict[str, str], name: str = "q") -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


def config_map(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


async def counted(client: Client, hard: dict[str, str], used: dict[str, str], name: str = "q") -> None:
    """A quota as the controller leaves it."""
    made = await client.create(quota(hard, name))
    await client.update_status({**made, "status": {"hard": hard, "used": used}})


async def used(client: Client, name: str = "q") -> Any:
    return (await client.get("ResourceQuota", f"default/{name}"))["status"]["used"]


async def test_a_quota_that_nobody_has_counted_yet_refuses(served):
    made = await served.client.create(quota({"configmaps": "5"}))
    await served.client.update_status({**made, "status": {"hard": {"configmaps": "5"}}})
    with pytest.raises(Forbidden) as refused:
        await served.client.create(config_map("a"))
    assert str(refused.value) == (
        'configmaps "a" is forbidden: status unknown for quota: q, resources: configmaps'
    )  # fmt: skip


async def test_all_quotas_are_charged_or_none(served):
    await counted(served.client, {"configmaps": "5"}, {"configmaps": "0"}, "a")
    await counted(served.client, {"count/configmaps": "1"}, {"count/configmaps": "1"}, "b")
    with pytest.raises(Forbidden) as refused:
        await served.client.create(config_map("m"))
    assert str(refused.value) == (
        'configmaps "m" is forbidden: exceeded quota: b, requested: count/configmaps=1, used: count/configmaps=1, '
        "limited: count/configmaps=1"
    )
    assert await used(served.client, "a") == {"configmaps": "0"}


async def test_the_object_and_its_cost_are_one_append(served):
    """Their revisions follow each other: there is no moment in which one is there without the other."""
    await counted(served.client, {"configmaps": "5"}, {"configmaps": "0"})
    made = await served.client.create(config_map("m"))
    after = await served.client.get("ResourceQuota", "default/q")
    assert int(after["metadata"]["resourceVersion"]) == int(made["metadata"]["resourceVersion"]) + 1
    assert after["status"]["used"] == {"configmaps": "1"}


async def test_server_side_apply_is_charged_like_a_create(served):
    await counted(served.client, {"configmaps": "1"}, {"configmaps": "0"})
    query = {"fieldManager": "m"}
    for name, fits in (("a", True), ("a", True), ("b", False)):
        try:
            await served.client.patch("ConfigMap", f"default/{name}", config_map(name), type="apply", query=query)
        except Forbidden:
            assert not fits
    assert await used(served.client) == {"configmaps": "1"}


async def test_two_masters_at_once_do_not_get_past_it(tmp_path):
    """Each has a memory of its own; the rows' preconditions are what counts."""
    log = await store.Log.open(tmp_path / "store.db")
    apis = [Api(log), Api(log)]
    for api in apis:
        await api.start()
    clients = [Client(LocalTransport(api, User("admin", (MASTERS,)))) for api in apis]
    await clients[0].create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    await counted(clients[0], {"configmaps": "10"}, {"configmaps": "0"})

    async def one(number: int) -> bool:
        while True:
            try:
                await clients[number % 2].create(config_map(f"m-{number}"))
            except Conflict:  # too many were quicker
                continue
            except ApiError:
                return False
            return True

    assert sum(await asyncio.gather(*(one(number) for number in range(60)))) == 10
    assert await used(clients[1]) == {"configmaps": "10"}
    assert len((await clients[1].items("ConfigMap", "default")).objects) == 10
    for api in apis:
        await api.close()
    await log.close()


async def test_what_is_made_before_the_first_count_makes_a_count_that_has_begun_fail(served):
    """A controller reads the quota, then counts; whoever is made in between is free, and must not be forgotten."""
    read = await served.client.create(quota({"configmaps": "5", "secrets": "5"}))
    await served.client.create(config_map("m"))

    with pytest.raises(Conflict):
        await served.client.update_status(
            {**read, "status": {"hard": {"configmaps": "5"}, "used": {"configmaps": "0"}}}
        )

    read = await served.client.get("ResourceQuota", "default/q")
    await served.client.update_status({**read, "status": {"hard": {"configmaps": "5"}, "used": {"configmaps": "1"}}})
    await served.client.create(config_map("n"))
    assert await used(served.client) == {"configmaps": "2"}
    before = await served.client.get("ResourceQuota", "default/q")
    await served.client.create({**config_map("s"), "kind": "Secret"})
    assert (await served.client.get("ResourceQuota", "default/q"))["metadata"] != before["metadata"]
