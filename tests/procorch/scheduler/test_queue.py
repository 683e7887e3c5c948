"""The order in which pods are tried, and when again."""

from __future__ import annotations

import asyncio

import pytest

from procorch.objects import Object
from procorch.scheduler.cluster import PodInfo, pod_info
from procorch.scheduler.queue import PodQueue


def info(uid: str, priority: int = 0) -> PodInfo:
    pod: Object = {"metadata": {"name": uid, "namespace": "d", "uid": uid}, "spec": {"priority": priority}}
    return pod_info(pod)


@pytest.fixture
def queue() -> PodQueue:
    return PodQueue(first=0.02, most=0.04)


async def popped(queue: PodQueue) -> str:
    return (await asyncio.wait_for(queue.pop(), 5)).pod.uid


async def test_higher_priority_first_then_the_older(queue: PodQueue) -> None:
    for uid, priority in (("a", 0), ("b", 10), ("c", 10)):
        queue.add(info(uid, priority))

    assert [await popped(queue) for _ in range(3)] == ["b", "c", "a"]


async def test_an_unschedulable_pod_waits_for_a_change_and_for_its_back_off(queue: PodQueue) -> None:
    queue.add(info("a"))
    queue.failed(await queue.pop())

    assert queue.unschedulable == 1
    before = asyncio.get_running_loop().time()
    queue.move_all()
    assert await popped(queue) == "a"
    assert asyncio.get_running_loop().time() - before >= 0.015


async def test_a_change_while_a_pod_is_tried_is_not_missed(queue: PodQueue) -> None:
    queue.add(info("a"))
    entry = await queue.pop()
    queue.move_all()
    queue.failed(entry)

    assert queue.unschedulable == 0
    assert await popped(queue) == "a"


async def test_a_changed_spec_is_tried_at_once(queue: PodQueue) -> None:
    queue.add(info("a"))
    queue.failed(await queue.pop())
    queue.add(info("a", 5))

    assert (await asyncio.wait_for(queue.pop(), 5)).pod.priority == 5


async def test_a_removed_pod_does_not_come_back(queue: PodQueue) -> None:
    queue.add(info("a"))
    entry = await queue.pop()
    queue.remove("a")
    queue.failed(entry)
    queue.add(info("b"))

    assert await popped(queue) == "b"
    assert len(queue) == 1


async def test_the_back_off_doubles_up_to_its_most() -> None:
    queue = PodQueue(first=1, most=10, time=lambda: 0.0)
    queue.add(info("a"))
    waits = []
    for _ in range(5):
        entry = await queue.pop()
        queue.failed(entry)
        queue.move_all()
        assert entry.timer is not None
        waits.append(round(entry.timer.when() - asyncio.get_running_loop().time()))
        queue.add(info("a"))
    queue.close()

    assert waits == [1, 2, 4, 8, 10]
