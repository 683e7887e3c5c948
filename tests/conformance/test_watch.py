"""Watchers: what they see, in which order, and how they go on."""

from __future__ import annotations

import asyncio
import random

import pytest

from procorch.client import Client
from procorch.objects import Object
from tests.conformance.cluster import Cluster, obj

pytestmark = pytest.mark.asyncio(loop_scope="module")

LABEL = "watch-this-configmap"


def config_map(ns: str, name: str, label: str) -> Object:
    return obj("ConfigMap", name, ns, {LABEL: label})


async def mutate(client: Client, key: str, number: int) -> Object:
    return await client.patch("ConfigMap", key, {"data": {"mutation": str(number)}})


async def test_three_watchers_see_what_their_selectors_choose(cluster: Cluster, client: Client, ns: str) -> None:
    def watching(selector: str):  # type: ignore[no-untyped-def]
        return cluster.watching("ConfigMap", ns, label_selector=f"{LABEL} in ({selector})")

    async with watching("A") as a, watching("B") as b, watching("A,B") as both:
        await client.create(config_map(ns, "a", "A"))
        await mutate(client, f"{ns}/a", 1)
        await mutate(client, f"{ns}/a", 2)
        await client.delete("ConfigMap", f"{ns}/a")
        for watch in (a, both):
            seen = [await watch.next() for _ in range(4)]
            assert [type_ for type_, _ in seen] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
            assert [one.get("data", {}).get("mutation") for _, one in seen] == [None, "1", "2", "2"]
        await b.nothing()
        await client.create(config_map(ns, "b", "B"))
        await client.delete("ConfigMap", f"{ns}/b")
        for watch in (b, both):
            assert [(await watch.next())[0] for _ in range(2)] == ["ADDED", "DELETED"]
        await a.nothing()


async def test_from_a_version_of_the_past(cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(config_map(ns, "m", "past"))
    first = await mutate(client, f"{ns}/m", 1)
    await mutate(client, f"{ns}/m", 2)
    await client.delete("ConfigMap", f"{ns}/m")
    async with cluster.watching("ConfigMap", ns, resource_version=first["metadata"]["resourceVersion"]) as watch:
        type_, seen = await watch.next()
        assert (type_, seen["data"]["mutation"]) == ("MODIFIED", "2")
        assert (await watch.next())[0] == "DELETED"


async def test_it_goes_on_where_another_ended(cluster: Cluster, client: Client, ns: str) -> None:
    async with cluster.watching("ConfigMap", ns, label_selector=f"{LABEL}=restart") as watch:
        await client.create(config_map(ns, "m", "restart"))
        await mutate(client, f"{ns}/m", 1)
        await watch.next()
        _, last = await watch.next()
    await mutate(client, f"{ns}/m", 2)
    await client.delete("ConfigMap", f"{ns}/m")
    version = last["metadata"]["resourceVersion"]
    chosen = {"label_selector": f"{LABEL}=restart", "resource_version": version}
    async with cluster.watching("ConfigMap", ns, **chosen) as watch:
        type_, seen = await watch.next()
        assert (type_, seen["data"]["mutation"]) == ("MODIFIED", "2")
        assert (await watch.next())[0] == "DELETED"


async def test_who_leaves_a_selector_is_deleted_and_added_again(cluster: Cluster, client: Client, ns: str) -> None:
    key = f"{ns}/m"
    async with cluster.watching("ConfigMap", ns, label_selector=f"{LABEL}=here") as watch:
        await client.create(config_map(ns, "m", "here"))
        await mutate(client, key, 1)
        await client.patch("ConfigMap", key, {"metadata": {"labels": {LABEL: "elsewhere"}}})
        assert [(await watch.next())[0] for _ in range(3)] == ["ADDED", "MODIFIED", "DELETED"]
        await mutate(client, key, 2)
        await watch.nothing()
        await client.patch("ConfigMap", key, {"metadata": {"labels": {LABEL: "here"}}})
        await mutate(client, key, 3)
        await client.delete("ConfigMap", key)
        assert [(await watch.next())[0] for _ in range(3)] == ["ADDED", "MODIFIED", "DELETED"]


async def test_all_watches_see_one_order(cluster: Cluster, client: Client, ns: str) -> None:
    """A watch from each event of the first on, while many write."""
    versions = [(await client.items("ConfigMap", ns)).resource_version]

    async def write(name: str) -> None:
        for number in range(10):
            await client.create(obj("ConfigMap", f"{name}-{number}", ns))
            await mutate(client, f"{ns}/{name}-{number}", number)
            if random.random() < 0.5:
                await client.delete("ConfigMap", f"{ns}/{name}-{number}")

    async with cluster.watching("ConfigMap", ns, resource_version=versions[0]) as watch:
        await asyncio.gather(*(write(name) for name in "abcd"))
        await client.create(obj("ConfigMap", "last", ns))
        await watch.find("ADDED", lambda one: one["metadata"]["name"] == "last")
        order = [one["metadata"]["resourceVersion"] for _, one in watch.events]
    for number, version in enumerate(order[:-1:7]):
        async with cluster.watching("ConfigMap", ns, resource_version=version) as other:
            await other.find("ADDED", lambda one: one["metadata"]["name"] == "last")
            assert [one["metadata"]["resourceVersion"] for _, one in other.events] == order[number * 7 + 1 :]
