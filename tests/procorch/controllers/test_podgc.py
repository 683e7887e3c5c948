"""Pods that nobody needs: which they are, and that they go."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.clock import timestamp
from procorch.controllers import ControllerConfig, podgc
from procorch.controllers.podgc import plan_finished
from procorch.objects import Object


def finished(name: str, at: float, phase: str = "Succeeded") -> Object:
    metadata = {"name": name, "namespace": "d", "creationTimestamp": timestamp(at)}
    return {"metadata": metadata, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("most", "wanted"),
    [
        pytest.param(2, ["b"], id="the oldest goes"),
        pytest.param(1, ["b", "a"], id="the two oldest go"),
        pytest.param(3, [], id="so many may stay"),
        pytest.param(0, [], id="zero keeps all"),
    ],
)
def test_finished_pods_beyond_a_number_go(most: int, wanted: list[str]) -> None:
    pods = [finished("a", 20), finished("b", 10, "Failed"), finished("c", 30), finished("d", 1, "Running")]

    assert [one["metadata"]["name"] for one in plan_finished(pods, most)] == wanted


async def test_pods_of_a_node_that_is_gone_are_deleted(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    await client.create(pod("a", nodeName="n"))
    await client.create(pod("free"))
    async with running(podgc.CONTROLLER, config=ControllerConfig(orphan_grace=0.05)):
        await client.delete("Node", "n")

        async def left() -> bool:
            return [one["metadata"]["name"] for one in (await client.items("Pod", "d")).objects] == ["free"]

        await eventually(left)


async def test_only_so_many_finished_pods_are_kept(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    for name in "abc":
        await client.create(pod(name))
        await client.patch("Pod", f"d/{name}", {"status": {"phase": "Succeeded"}}, subresource="status")
    async with running(podgc.CONTROLLER, config=ControllerConfig(terminated_pods=1)):

        async def left() -> bool:
            return [one["metadata"]["name"] for one in (await client.items("Pod", "d")).objects] == ["c"]

        await eventually(left)
