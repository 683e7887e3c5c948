"""Namespaces that end."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.controllers import namespace
from procorch.controllers.namespace import plan_conditions
from procorch.objects import ApiError, NotFound, condition_of


async def test_a_deleted_namespace_takes_its_contents_along(
    client: Client, running: Any, eventually: Any, pod: Any
) -> None:
    await client.create(pod("a"))
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}})
    async with running(namespace.CONTROLLER):
        await client.delete("Namespace", "d")

        async def gone() -> bool:
            try:
                await client.get("Namespace", "d")
            except NotFound:
                return True
            return False

        await eventually(gone)
    assert (await client.items("Pod")).objects == []
    assert (await client.items("ConfigMap")).objects == []


async def test_pods_go_before_what_holds_them_in_check(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    held = pod("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(held)
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}})
    async with running(namespace.CONTROLLER):
        await client.delete("Namespace", "d")

        async def told() -> Any:
            return condition_of(await client.get("Namespace", "d"), "NamespaceContentRemaining")

        assert (await eventually(told))["message"] == "Some resources are remaining: pods. has 1 resource instances"
        assert (await client.get("Pod", "d/a"))["metadata"]["deletionTimestamp"]
        assert "deletionTimestamp" not in (await client.get("ConfigMap", "d/c"))["metadata"]
        await client.patch("Pod", "d/a", {"metadata": {"finalizers": None}})

        async def gone() -> bool:
            return not (await client.items("ConfigMap")).objects

        await eventually(gone)


async def test_what_holds_it_up_is_said_and_it_ends_when_that_lets_go(
    client: Client, running: Any, eventually: Any
) -> None:
    metadata = {"name": "c", "namespace": "d", "finalizers": ["example.com/hold"]}
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    async with running(namespace.CONTROLLER):
        await client.delete("Namespace", "d")

        async def told() -> bool:
            held = condition_of(await client.get("Namespace", "d"), "NamespaceFinalizersRemaining")
            return held is not None and "example.com/hold in 1 resource instances" in held["message"]

        await eventually(told)
        with pytest.raises(ApiError) as refused:
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "d"}})
        assert refused.value.code == 403
        await client.patch("ConfigMap", "d/c", {"metadata": {"finalizers": None}})

        async def gone() -> bool:
            return [one["metadata"]["name"] for one in (await client.items("Namespace")).objects].count("d") == 0

        await eventually(gone)


def test_the_conditions_count_what_is_left() -> None:
    held = {"metadata": {"name": "a", "finalizers": ["f"]}}
    rows = {row["type"]: row for row in plan_conditions({"pods.": [held, {"metadata": {"name": "b"}}]}, [], 0)}

    assert rows["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: pods. has 2 resource instances"
    )
    assert rows["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: f in 1 resource instances"
    )
    assert rows["NamespaceDeletionContentFailure"]["status"] == "False"
