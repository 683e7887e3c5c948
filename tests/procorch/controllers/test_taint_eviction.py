"""When a pod has to leave a tainted node."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.clock import timestamp
from procorch.controllers import taint_eviction
from procorch.controllers.taint_eviction import plan
from procorch.objects import Object, condition_of

CAME = 1_000_000.0


def tolerating(*tolerations: Object) -> Object:
    return {"metadata": {"name": "p"}, "spec": {"tolerations": list(tolerations)}}


def taint(key: str = "k") -> Object:
    return {"key": key, "effect": "NoExecute", "timeAdded": timestamp(CAME)}


def tolerates(key: str = "k", seconds: int | None = None, **more: Any) -> Object:
    row = {"key": key, "operator": "Exists", "effect": "NoExecute", **more}
    return row if seconds is None else {**row, "tolerationSeconds": seconds}


@pytest.mark.parametrize(
    ("asked", "taints", "when"),
    [
        pytest.param(tolerating(), [], None, id="no taint: stays"),
        pytest.param(tolerating(), [taint()], 0.0, id="not tolerated: at once"),
        pytest.param(tolerating(tolerates()), [taint()], None, id="tolerated for ever"),
        pytest.param(tolerating(tolerates(seconds=300)), [taint()], CAME + 300, id="tolerated for five minutes"),
        pytest.param(tolerating(tolerates(seconds=0)), [taint()], 0.0, id="tolerated for no time"),
        pytest.param(tolerating(tolerates(seconds=-1)), [taint()], 0.0, id="a negative time is none"),
        pytest.param(
            tolerating(tolerates(seconds=300), tolerates(seconds=60)), [taint()], CAME + 60, id="the shortest counts"
        ),
        pytest.param(
            tolerating(tolerates(seconds=300)), [taint(), taint("other")], 0.0, id="one of two is not tolerated"
        ),
        pytest.param(
            tolerating(tolerates(effect="NoSchedule")), [taint()], 0.0, id="tolerating another effect is no help"
        ),
    ],
)
def test_the_moment_to_go(asked: Object, taints: list[Object], when: float | None) -> None:
    assert plan(asked, taints) == when


async def test_a_pod_that_has_to_go_is_told_why(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    """Its node is not there to end it, so it stays for a while and can be looked at."""
    taints = [{"key": "k", "effect": "NoExecute"}]
    await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": taints}})
    made = await client.create(pod("a", nodeName="n"))
    await client.patch("Pod", "d/a", {"status": made["status"] | {"phase": "Running"}}, subresource="status")
    async with running(taint_eviction.CONTROLLER):

        async def going() -> bool:
            return "deletionTimestamp" in (await client.get("Pod", "d/a"))["metadata"]

        await eventually(going)

    condition = condition_of(await client.get("Pod", "d/a"), "DisruptionTarget")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("True", "DeletionByTaintManager")
