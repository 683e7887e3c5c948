"""The work queue and the runner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from procorch.client import Client
from procorch.controllers.controller import Context, Controller, WorkQueue, own, owner
from procorch.objects import Object


@pytest.fixture
def queue() -> WorkQueue:
    return WorkQueue(first=0.001, most=0.01, draw=lambda: 0.0)


async def test_a_key_that_is_added_twice_is_worked_on_once(queue: WorkQueue) -> None:
    queue.add("a")
    queue.add("a")

    assert await queue.get() == "a"
    queue.done("a")
    assert queue.is_idle


async def test_a_key_that_is_added_while_it_is_worked_on_comes_again_afterwards(queue: WorkQueue) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0

    queue.done("a")
    assert await queue.get() == "a"


async def test_the_oldest_key_is_first(queue: WorkQueue) -> None:
    for key in "abc":
        queue.add(key)

    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]


async def test_failures_wait_twice_as_long_each_time_and_a_success_forgets_them(queue: WorkQueue) -> None:
    waits = [queue.add_failed("a") for _ in range(6)]
    queue.forget("a")

    assert waits == [0.001, 0.002, 0.004, 0.008, 0.01, 0.01]
    assert queue.add_failed("a") == 0.001
    queue.close()


async def test_of_two_times_the_earlier_wins(queue: WorkQueue) -> None:
    queue.add_after("a", 60)
    queue.add_after("a", 0.001)
    queue.add_after("a", 60)

    assert await asyncio.wait_for(queue.get(), 5) == "a"
    queue.close()


def test_two_times_that_are_due_at_once_are_one_also_under_uvloop() -> None:
    async def main() -> str:
        queue = WorkQueue()
        queue.add_after("a", 0.0001)  # uvloop gives no TimerHandle for less than half a millisecond
        queue.add_after("a", 0)
        return await asyncio.wait_for(queue.get(), 5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == "a"


async def test_each_of_several_waiting_workers_gets_a_key(queue: WorkQueue) -> None:
    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for key in "abc":
            queue.add(key)

    assert sorted(task.result() for task in workers) == ["a", "b", "c"]


async def test_a_cancelled_worker_loses_no_key(queue: WorkQueue) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(queue.get())
        second = tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        for worker in (second, first):  # whichever was woken for it
            if not worker.done():
                worker.cancel()
                break
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not first.cancelled() and not second.cancelled():
            return
        survivor = second if first.cancelled() else first
        assert await asyncio.wait_for(survivor, 5) == "a"


def test_the_owners_key_is_that_of_the_controller_of_this_kind() -> None:
    row = {"kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}
    pod: Object = {"metadata": {"name": "p", "namespace": "d", "ownerReferences": [row]}}

    assert list(owner("ReplicaSet")(pod, {})) == ["d/web"]
    assert list(owner("Job")(pod, {})) == []
    assert list(own(pod, {})) == ["d/p"]


async def test_one_key_is_never_worked_on_twice_at_once_and_a_failure_is_tried_again(
    client: Client, running: Any, eventually: Any
) -> None:
    working: set[str] = set()
    calls: list[str] = []

    async def reconcile(key: str, context: Context) -> float | None:
        assert key not in working
        working.add(key)
        await asyncio.sleep(0.002)
        working.discard(key)
        calls.append(key)
        if calls.count(key) < 3:
            raise RuntimeError("not yet")
        return None

    async with running(Controller("test", reconcile, watches={"ConfigMap": own}, workers=4)) as runner:
        for name in "ab":
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}})

        async def done() -> bool:
            return calls.count("d/a") >= 3 and calls.count("d/b") >= 3 and runner.queues["test"].is_idle

        await eventually(done)


async def test_an_object_that_a_map_function_cannot_read_harms_no_other(
    client: Client, running: Any, eventually: Any
) -> None:
    calls: list[str] = []

    async def reconcile(key: str, context: Context) -> float | None:
        calls.append(key)
        return None

    def keys(obj: Object, lister: object) -> list[str]:
        if obj["metadata"]["name"] == "odd":
            raise ValueError("odd")
        return [obj["metadata"]["name"]]

    async with running(Controller("test", reconcile, watches={"ConfigMap": keys})):
        for name in ("odd", "even"):
            metadata = {"name": name, "namespace": "d"}
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

        async def done() -> bool:
            return "even" in calls

        await eventually(done)


async def test_a_reconcile_that_asks_for_it_is_called_again(client: Client, running: Any, eventually: Any) -> None:
    calls: list[str] = []

    async def reconcile(key: str, context: Context) -> float | None:
        calls.append(key)
        return 0.001 if len(calls) < 5 else None

    async with running(Controller("test", reconcile, watches={"ConfigMap": own})):
        await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "d"}})

        async def done() -> bool:
            return len(calls) == 5

        await eventually(done)
