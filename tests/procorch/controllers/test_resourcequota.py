"""Quotas are counted."""

from __future__ import annotations

from typing import Any

from procorch.client import Client
from procorch.controllers import resourcequota
from procorch.controllers.resourcequota import plan
from procorch.kinds import KINDS
from procorch.objects import Object, get

NOW = 1_700_000_000.0


def quota(hard: dict[str, str], **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "d"},
            "spec": {"hard": hard}, **more}  # fmt: skip


def pod(cpu: str, phase: str = "Running") -> Object:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {}, "spec": {"containers": [container]}, "status": {"phase": phase}}


def test_what_is_used_is_summed_up() -> None:
    hard = {"cpu": "2", "pods": "5", "secrets": "3", "services": "1"}
    pods = [pod("500m"), pod("250m"), pod("1", "Succeeded")]
    status = plan(quota(hard), [(KINDS["Pod"], pods)], {"secrets": 2}, NOW)
    assert status == {"hard": hard, "used": {"cpu": "750m", "pods": "2", "secrets": "2", "services": "0"}}


def test_a_status_that_is_right_is_left_alone() -> None:
    hard = {"secrets": "3"}
    assert plan(quota(hard, status={"hard": hard, "used": {"secrets": "2"}}), [], {"secrets": 2}, NOW) is None
    assert plan(quota(hard, status={"hard": hard, "used": {"secrets": "1"}}), [], {"secrets": 2}, NOW) is not None


async def test_what_goes_is_given_back_and_what_ends_too(
    client: Client, running: Any, eventually: Any, pod: Any
) -> None:
    await client.create(quota({"pods": "5", "configmaps": "5", "resourcequotas": "3"}))

    async def used(**wanted: str) -> bool:
        found = get(await client.get("ResourceQuota", "d/q"), ".status.used", {})
        return all(found.get(name) == value for name, value in wanted.items())

    async with running(resourcequota.CONTROLLER):
        await eventually(lambda: used(pods="0", configmaps="0", resourcequotas="1"))
        await client.create(quota({"secrets": "1"}) | {"metadata": {"name": "other", "namespace": "d"}})
        await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "d"}})
        await client.create(pod("a"))
        await client.create(pod("b"))
        assert await used(pods="2", configmaps="1", resourcequotas="2")
        await client.delete("ConfigMap", "d/m")
        await client.delete("ResourceQuota", "d/other")
        await client.patch("Pod", "d/a", {"status": {"phase": "Succeeded"}}, subresource="status")
        await client.delete("Pod", "d/b", grace=0)
        await eventually(lambda: used(pods="0", configmaps="0", resourcequotas="1"))
        await client.patch("ResourceQuota", "d/q", {"spec": {"hard": {"pods": "7"}}})

        async def taken_over() -> bool:
            return bool(get(await client.get("ResourceQuota", "d/q"), ".status.hard", {}).get("pods") == "7")

        await eventually(taken_over)
