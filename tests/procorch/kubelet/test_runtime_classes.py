"""Which pods this node can run by their RuntimeClass."""

from __future__ import annotations

import pytest

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.kubelet.runtime_classes import problem


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (None, ""),
        ("ours", ""),
        ("other", 'no runtime for "kata" is configured: this node has "procorch"'),
        ("gone", 'RuntimeClass "gone" not found'),
    ],
)
async def test_a_pod_waits_for_a_handler_that_is_not_here(name: str | None, why: str) -> None:
    log = await store.Log.open(":memory:")
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, User("admin", (MASTERS,))))
    for class_name, handler in (("ours", "procorch"), ("other", "kata")):
        body = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": class_name}}
        await client.create({**body, "handler": handler})

    found = await problem({"spec": {"runtimeClassName": name} if name else {}}, client)

    assert found.startswith(why) and bool(found) == bool(why)
    await client.transport.close()
    found = await problem({"spec": {"runtimeClassName": "ours"}}, client)
    assert found.startswith('RuntimeClass "ours" cannot be read')
    await api.close()
    await log.close()
