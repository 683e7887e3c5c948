"""Events go an hour after they were last written."""

from __future__ import annotations

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client


def event(name, count=1):
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"}, "count": count,
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "reason": "R", "message": "m",
        "type": "Normal",
    }  # fmt: skip


async def names(client):
    return [obj["metadata"]["name"] for obj in (await client.items("Event")).objects]


async def test_old_events_go_when_new_ones_come_and_one_that_happens_again_stays():
    now = 1_800_000_000.0
    log = await store.Log.open(":memory:")
    api = Api(log, clock=lambda: now)
    await api.start()
    client = Client(LocalTransport(api, User("a", (MASTERS,))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    for name in ("a", "b", "c", "d"):
        await client.create(event(name))
    now += 3000
    await client.update(event("b", 2))  # a heartbeat: it happened once more
    now += 700

    await client.create(event("x"))
    assert await names(client) == ["b", "d", "x"]  # two at a time; b was passed over
    await client.create(event("y"))
    assert await names(client) == ["b", "x", "y"]
    await api.close()

    now += 3700  # and after a restart it is known from the events themselves
    again = Api(log, clock=lambda: now)
    await again.start()
    client = Client(LocalTransport(again, User("a", (MASTERS,))))
    await client.create(event("z"))
    await client.create(event("zz"))
    assert await names(client) == ["z", "zz"]
    await again.close()
    await log.close()
