"""Events: counted rather than repeated, and never too many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.events import BURST, EventRecorder
from procorch.objects import Object
from store import Log

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "d", "uid": "u", "resourceVersion": "7"},
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, User("kubernetes-admin", ("system:masters",))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    yield client
    await api.close()
    await log.close()


@asynccontextmanager
async def recording(client: Client, clock: Clock) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(client, "kubelet", clock, "n1")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(recorder.run())
        yield recorder
        task.cancel()


async def recorded(client: Client, recorder: EventRecorder) -> list[tuple[str, str, int]]:
    await asyncio.wait_for(recorder.flushed(), 5)
    return [(one["reason"], one["message"], one["count"]) for one in (await client.items("Event", "d")).objects]


async def test_an_event_says_what_happened_to_what_and_who_saw_it(client: Client) -> None:
    async with recording(client, Clock()) as recorder:
        recorder.event(POD, "Normal", "Started", "Container started", field_path="spec.containers{c}")
        await recorded(client, recorder)

    event = (await client.items("Event", "d")).objects[0]
    assert event["metadata"]["name"].startswith("web.")
    assert event["involvedObject"] == {
        "kind": "Pod", "apiVersion": "v1", "namespace": "d", "name": "web", "uid": "u", "resourceVersion": "7",
        "fieldPath": "spec.containers{c}",
    }  # fmt: skip
    assert event["source"] == {"component": "kubelet", "host": "n1"}
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "Started", 1)


async def test_the_same_again_counts_up(client: Client) -> None:
    clock = Clock()
    async with recording(client, clock) as recorder:
        for _ in range(3):
            recorder.event(POD, "Warning", "BackOff", "Back-off restarting")
            assert len(await recorded(client, recorder)) == 1
            clock.now += 60

        assert await recorded(client, recorder) == [("BackOff", "Back-off restarting", 3)]
    event = (await client.items("Event", "d")).objects[0]
    assert event["firstTimestamp"] < event["lastTimestamp"]


async def test_the_same_again_counts_up_also_when_the_object_was_written_meanwhile(client: Client) -> None:
    async with recording(client, Clock()) as recorder:
        for version in "789":
            pod = POD | {"metadata": POD["metadata"] | {"resourceVersion": version}}
            recorder.event(pod, "Warning", "BackOff", "Back-off restarting")

        assert await recorded(client, recorder) == [("BackOff", "Back-off restarting", 3)]


async def test_more_than_ten_that_differ_in_their_words_alone_become_one(client: Client) -> None:
    async with recording(client, Clock()) as recorder:
        for number in range(15):
            recorder.event(POD, "Warning", "Failed", f"try {number}")
        seen = await recorded(client, recorder)

    assert len(seen) == 11
    assert ("Failed", "(combined from similar events): try 14", 5) in seen


async def test_one_object_gets_a_burst_and_then_one_in_five_minutes(client: Client) -> None:
    clock = Clock()
    async with recording(client, clock) as recorder:
        for number in range(BURST + 10):
            recorder.event(POD, "Normal", f"Reason{number}", "x")
        assert len(await recorded(client, recorder)) == BURST
        clock.now += 301
        recorder.event(POD, "Normal", "Later", "x")
        assert len(await recorded(client, recorder)) == BURST + 1


async def test_an_event_that_expired_meanwhile_is_made_anew(client: Client) -> None:
    clock = Clock()
    async with recording(client, clock) as recorder:
        recorder.event(POD, "Normal", "Pulled", "x")
        await recorded(client, recorder)
        await client.delete_all("Event", "d")
        clock.now += 1
        recorder.event(POD, "Normal", "Pulled", "x")

        assert await recorded(client, recorder) == [("Pulled", "x", 1)]


async def test_an_event_that_cannot_be_written_harms_nobody(client: Client) -> None:
    async with recording(client, Clock()) as recorder:
        elsewhere = {**POD, "metadata": {**POD["metadata"], "namespace": "nowhere"}}
        recorder.event(elsewhere, "Normal", "Lost", "x")
        recorder.event(POD, "Normal", "Kept", "x")

        assert await recorded(client, recorder) == [("Kept", "x", 1)]
