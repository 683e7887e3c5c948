"""What every namespace has."""

from __future__ import annotations

from typing import Any

from procorch.client import Client
from procorch.controllers import ControllerConfig, serviceaccount


async def test_a_namespace_gets_its_account_and_the_ca_and_gets_them_back(
    client: Client, running: Any, eventually: Any
) -> None:
    async with running(serviceaccount.CONTROLLER, config=ControllerConfig(root_ca="PEM")):
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})

        async def complete() -> bool:
            accounts = (await client.items("ServiceAccount", "new")).objects
            maps = (await client.items("ConfigMap", "new")).objects
            return [one["metadata"]["name"] for one in accounts] == ["default"] and [one["data"] for one in maps] == [
                {"ca.crt": "PEM"}
            ]

        await eventually(complete)
        await client.delete("ServiceAccount", "new/default")
        await client.patch("ConfigMap", "new/kube-root-ca.crt", {"data": {"ca.crt": "other"}})
        await eventually(complete)
