"""What belongs to what is gone."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.controllers import garbage
from procorch.controllers.garbage import Delete, Keep, Owner, plan
from procorch.objects import Object, owner_reference


def obj(*finalizers: str, deleting: bool = False) -> Object:
    metadata: Object = {"name": "x", "uid": "x", "finalizers": list(finalizers)}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata}


@pytest.mark.parametrize(
    ("what", "owners", "has_dependents", "wanted"),
    [
        pytest.param(obj(), {}, False, None, id="nobody's: stays"),
        pytest.param(obj(), {"a": Owner.SOLID}, False, None, id="its owner is there: stays"),
        pytest.param(obj(), {"a": Owner.GONE}, False, Delete("Background"), id="its owner is gone: goes"),
        pytest.param(
            obj(), {"a": Owner.GONE, "b": Owner.SOLID}, False, Keep(("a",)), id="one of two is gone: loses that one"
        ),
        pytest.param(
            obj(), {"a": Owner.WAITING, "b": Owner.SOLID}, False, Keep(("a",)),
            id="one of two waits for its end: loses that one",
        ),
        pytest.param(obj(), {"a": Owner.UNKNOWN}, False, None, id="an owner of a kind unknown: stays"),
        pytest.param(
            obj(), {"a": Owner.WAITING}, True, Delete("Foreground"), id="its owner waits, and others wait for it"
        ),
        pytest.param(obj(), {"a": Owner.WAITING}, False, Delete("Background"), id="its owner waits: goes"),
        pytest.param(obj("orphan"), {"a": Owner.GONE}, True, Delete("Orphan"), id="its own dependents are to stay"),
        pytest.param(obj(deleting=True), {"a": Owner.GONE}, False, None, id="is going already"),
    ],
)  # fmt: skip
def test_what_becomes_of_an_object(what: Object, owners: Any, has_dependents: bool, wanted: Any) -> None:
    assert plan(what, owners, has_dependents) == wanted


async def family(client: Client, pod: Any, **reference: Any) -> None:
    """A ConfigMap that owns two pods."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parent", "namespace": "d"}}
    uid = (await client.create(body))["metadata"]["uid"]
    row = {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": uid, **reference}
    for name in "ab":
        await client.create(pod(name, owners=[row]))


async def names(client: Client, kind: str) -> list[str]:
    return [one["metadata"]["name"] for one in (await client.items(kind, "d")).objects]


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_dependents_go_with_their_owner(
    client: Client, running: Any, eventually: Any, pod: Any, propagation: str
) -> None:
    async with running(garbage.CONTROLLER):
        await family(client, pod, blockOwnerDeletion=True)
        await client.create(pod("stranger"))
        await client.delete("ConfigMap", "d/parent", propagation=propagation)

        async def gone() -> bool:
            return await names(client, "Pod") == ["stranger"] and await names(client, "ConfigMap") == []

        await eventually(gone)


async def test_orphans_lose_the_reference_and_stay(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    async with running(garbage.CONTROLLER) as runner:
        await family(client, pod)
        await client.delete("ConfigMap", "d/parent", propagation="Orphan")

        async def gone() -> bool:
            return await names(client, "ConfigMap") == [] and runner.queues["garbage-collector"].is_idle

        await eventually(gone)
        pods = (await client.items("Pod", "d")).objects
        assert [one["metadata"].get("ownerReferences") for one in pods] == [None, None]


async def test_an_owner_of_the_same_name_but_another_uid_is_no_owner(
    client: Client, running: Any, eventually: Any, pod: Any
) -> None:
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parent", "namespace": "d"}})
    row = {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": "0000"}
    async with running(garbage.CONTROLLER):
        await client.create(pod("a", owners=[row]))

        async def gone() -> bool:
            return await names(client, "Pod") == []

        await eventually(gone)
    assert await names(client, "ConfigMap") == ["parent"]


async def test_a_circle_that_is_deleted_in_the_foreground_is_no_obstacle(
    client: Client, running: Any, eventually: Any
) -> None:
    def part(name: str) -> Object:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}}

    made = [await client.create(part(name)) for name in "abc"]
    for number, name in enumerate("abc"):
        owners = [owner_reference(made[number - 1])]
        await client.patch("ConfigMap", f"d/{name}", {"metadata": {"ownerReferences": owners}})
    async with running(garbage.CONTROLLER):
        await client.delete("ConfigMap", "d/a", propagation="Foreground")

        async def none() -> bool:
            return not (await client.items("ConfigMap", "d")).objects

        await eventually(none)
