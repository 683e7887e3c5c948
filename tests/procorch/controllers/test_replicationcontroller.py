"""ReplicationControllers: what differs from ReplicaSets; the rest is tested with them."""

from __future__ import annotations

from typing import Any

from procorch.client import Client
from procorch.controllers import garbage, replicationcontroller
from procorch.objects import Object, controller_of

RC: Object = {
    "apiVersion": "v1",
    "kind": "ReplicationController",
    "metadata": {"name": "mysql", "namespace": "d"},
    "spec": {
        "replicas": 1,
        "selector": {"app": "mysql"},
        "template": {
            "metadata": {"labels": {"app": "mysql"}},
            "spec": {"containers": [{"name": "mysql", "image": "mysql"}]},
        },
    },
}


async def test_one_pod_named_after_it_outlives_it(client: Client, running: Any, eventually: Any) -> None:
    """Deleting an RC through the API without a policy leaves its pods: no other kind does that."""
    async with running(replicationcontroller.CONTROLLER, garbage.CONTROLLER):
        await client.create(RC)

        async def pods() -> list[Object]:
            return (await client.items("Pod", "d")).objects

        pod = (await eventually(pods))[0]
        assert pod["metadata"]["name"].startswith("mysql-")
        await client.delete("ReplicationController", "d/mysql")

        async def orphaned() -> bool:
            gone = (await client.items("ReplicationController", "d")).objects == []
            return gone and [controller_of(one) for one in await pods()] == [None]

        await eventually(orphaned)
        assert [one["metadata"]["uid"] for one in await pods()] == [pod["metadata"]["uid"]]
