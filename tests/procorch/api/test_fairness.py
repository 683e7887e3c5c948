"""Seats and turns: who waits, for how long, and who never does."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest

from procorch.api import fairness
from procorch.api.fairness import Fairness, hand
from procorch.api.levels import LevelSpec
from procorch.objects import TooManyRequests

TWO = (LevelSpec("high", 50, 0), LevelSpec("low", 50, 50))
EXEMPT = LevelSpec("exempt", 0, exempt=True)


class Work:
    """Requests that hold their seats until they are told; `order` is the order in which they began."""

    def __init__(self, made: Fairness) -> None:
        self.fairness = made
        self.order: list[str] = []
        self.end = asyncio.Event()

    async def run(self, level: str, flow: str, width: int = 1, *, hold: bool = True) -> None:
        async with self.fairness.seat(level, flow, width):
            self.order.append(flow)
            if hold:
                await self.end.wait()


async def turns(number: int = 50) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture
async def group():
    async with asyncio.TaskGroup() as tasks:
        yield tasks


async def test_a_level_has_its_own_seats_and_what_others_lend(group):
    work = Work(Fairness(TWO, seats=20))
    tasks = [group.create_task(work.run("high", f"h{n}")) for n in range(30)]
    await turns()

    assert len(work.order) == 15  # its ten, and five of the other's, whose other five nobody gets
    low = [group.create_task(work.run("low", f"l{n}")) for n in range(10)]
    await turns()
    assert sum(name.startswith("l") for name in work.order) == 10  # its own, although others had borrowed of them
    work.end.set()
    await asyncio.gather(*tasks, *low)
    assert not any(level.in_use or level.waiting for level in work.fairness.levels.values())


async def test_a_flow_that_asks_for_little_does_not_wait_behind_one_that_asks_for_much(group):
    work = Work(Fairness(TWO, seats=2))
    group.create_task(work.run("high", "first"))
    await turns()
    for _ in range(100):
        group.create_task(work.run("high", "noisy", hold=False))
    await turns(3)
    group.create_task(work.run("high", "quiet", hold=False))
    await turns(3)
    work.end.set()
    await turns(1000)

    assert len(work.order) == 102 and work.order.index("quiet") <= 3


async def test_a_wide_request_counts_as_many_narrow_ones(group):
    work = Work(Fairness(TWO, seats=2))
    group.create_task(work.run("high", "first"))
    await turns()
    for _ in range(10):
        group.create_task(work.run("high", "wide", 10, hold=False))
        group.create_task(work.run("high", "narrow", 1, hold=False))
    await turns(3)
    work.end.set()
    await turns(3000)

    assert work.order[1:12].count("narrow") == 10, work.order


async def test_wide_requests_that_come_together_leave_the_loop_to_others_in_between(group):
    """Each of them runs without a pause, as a list does: between two of them others have their turns."""
    made, seen = Fairness([LevelSpec("global-default", 20, 50)], seats=64), []

    async def one(name: str) -> None:
        async with made.seat("global-default", name, 10):
            seen.append("list")

    for number in range(20):
        group.create_task(one(f"flow {number}"))
    while seen.count("list") < 20:
        seen.append("other")
        await asyncio.sleep(0)

    first, last = seen.index("list"), len(seen) - seen[::-1].index("list")
    between = "".join("l" if what == "list" else "o" for what in seen[first:last])
    assert "ll" not in between and between.count("o") >= 19 * 8


async def test_a_full_queue_is_429(group):
    work = Work(Fairness([LevelSpec("high", 50, queues=64, hand=6, length=3)], seats=1))
    tasks = [group.create_task(work.run("high", "noisy")) for _ in range(6 * 3 + 1)]
    await turns()

    with pytest.raises(TooManyRequests) as refused:
        await work.run("high", "noisy")
    assert refused.value.retry_after == 1
    assert work.fairness.metrics.count_of("high", "queue-full") == 1
    other = group.create_task(work.run("high", "quiet", hold=False))  # another flow has room
    work.end.set()
    await asyncio.gather(*tasks, other)


async def test_a_level_that_does_not_queue_refuses_at_once_what_finds_no_seat(group):
    work = Work(Fairness([LevelSpec("high", 50, queues=0), LevelSpec("low", 50)], seats=4))
    tasks = [group.create_task(work.run("high", f"flow {n}")) for n in range(2)]
    await turns()
    with pytest.raises(TooManyRequests):
        await work.run("high", "one more")

    assert work.fairness.metrics.count_of("high", "concurrency-limit") == 1
    work.end.set()
    await asyncio.gather(*tasks)
    await work.run("high", "later")


async def test_a_level_that_does_not_queue_still_waits_its_turn_of_the_loop(group):
    """There are seats for all thirty; that only ten of them begin at once is no reason to refuse one."""
    work = Work(Fairness([LevelSpec("high", 50, queues=0)], seats=30))
    tasks = [group.create_task(work.run("high", f"flow {n}")) for n in range(30)]
    await turns()
    work.end.set()
    await asyncio.gather(*tasks)

    assert len(work.order) == 30


async def test_what_is_exempt_is_never_refused_and_takes_nobody_s_seat(group):
    work = Work(Fairness([*TWO, EXEMPT], seats=4))
    tasks = [group.create_task(work.run("exempt", f"admin {n}")) for n in range(500)]
    await turns()
    assert len(work.order) == 4  # at a time, besides those of the others
    other = group.create_task(work.run("high", "other"))
    await turns()

    assert work.order[-1] == "other"
    work.end.set()
    await asyncio.gather(*tasks, other)
    assert len(work.order) == 501


async def test_a_level_borrows_no_more_than_its_limit(group):
    work = Work(Fairness([LevelSpec("a", 50, 0, 20), LevelSpec("b", 50, 100)], seats=20))
    tasks = [group.create_task(work.run("a", f"flow {n}")) for n in range(30)]
    await turns()

    assert len(work.order) == 12  # its ten, and two more
    work.end.set()
    await asyncio.gather(*tasks)


async def test_a_level_without_shares_has_only_what_others_lend(group):
    work = Work(Fairness([LevelSpec("jail", 0, 0, 0), LevelSpec("b", 50)], seats=20))
    task = group.create_task(work.run("jail", "prisoner"))
    await turns()
    assert not work.order

    work.fairness.configure([LevelSpec("jail", 0), LevelSpec("b", 50, 50)])
    await turns()
    assert work.order == ["prisoner"]
    work.end.set()
    await task


async def test_what_a_level_has_changes_at_once_and_one_that_is_gone_ends_with_its_last_request(group):
    work = Work(Fairness([LevelSpec("a", 10), LevelSpec("b", 90)], seats=10))
    tasks = [group.create_task(work.run("a", f"flow {n}")) for n in range(5)]
    await turns()
    assert len(work.order) == 1

    work.fairness.configure([LevelSpec("a", 90), LevelSpec("b", 10)])
    await turns()
    assert len(work.order) == 5
    work.fairness.configure([LevelSpec("b", 10)])
    assert "a" in work.fairness.levels and not work.fairness.levels["a"].wanted
    work.end.set()
    await asyncio.gather(*tasks)
    assert set(work.fairness.levels) == {"b"}


def test_a_flow_is_always_dealt_the_same_hand_and_each_queue_of_it_once():
    hands = [hand(f"flow {number}", 64, 6) for number in range(200)]

    assert hands[7] == hand("flow 7", 64, 6)
    assert all(len(set(cards)) == 6 and set(cards) <= set(range(64)) for cards in hands)
    assert len({card for cards in hands for card in cards}) == 64 and len(set(hands)) > 190
    assert sorted(hand("x", 5, 5)) == [0, 1, 2, 3, 4]


async def test_who_waits_too_long_is_refused(group, monkeypatch):
    monkeypatch.setattr(fairness, "WAIT_SECONDS", 0.02)
    work = Work(Fairness(TWO, seats=2))
    group.create_task(work.run("high", "first"))
    await turns()
    with pytest.raises(TooManyRequests):
        await work.run("high", "second")
    work.end.set()
    await turns()

    await work.run("high", "third")


async def test_seats_are_neither_lost_nor_made_when_clients_leave_at_any_moment():
    made, draw = Fairness(TWO, seats=5), random.Random(7)

    async def one(number: int) -> None:
        async with made.seat(draw.choice(("high", "low")), f"flow {number % 4}", draw.choice((1, 1, 2, 10))):
            await asyncio.sleep(draw.random() / 1000)

    tasks = []
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number in range(400):
            tasks.append(group.create_task(one(number)))
            if draw.random() < 0.5:
                draw.choice(tasks).cancel()
            await asyncio.sleep(0)

    for level in made.levels.values():
        assert (level.in_use, level.waiting, level.queues, level.flows, level.running) == (0, 0, {}, {}, {})
    await asyncio.wait_for(one(0), 5)


async def test_a_heartbeat_passes_64_clients_that_list(served):
    """Of 64 lists that were there before it most are still waiting when it is answered."""
    for number in range(400):
        about = {"name": f"c{number}", "namespace": "default"}
        await served.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})
    node = served.transport("system:node:n1", "system:nodes")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "n1"}}
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    assert (await node.send("POST", leases, headers=JSON, body=orjson.dumps(lease))).status == 201
    noise = [served.transport("kubernetes-admin", "system:masters") for _ in range(64)]
    for one in noise:  # connected
        await one.send("GET", "/version")
    answered = 0

    async def list_all(one) -> None:
        nonlocal answered
        answer = await one.send("GET", "/api/v1/configmaps")
        assert answer.status == 200
        answered += 1

    async with asyncio.TaskGroup() as tasks:
        for one in noise:
            tasks.create_task(list_all(one))
        while not answered:
            await asyncio.sleep(0)
        before = answered
        patch = {"Content-Type": "application/merge-patch+json"}
        beat = await node.send("PATCH", f"{leases}/n1", headers=patch, body=b'{"metadata":{"labels":{"a":"b"}}}')
        passed = answered - before
    for one in (node, *noise):
        await one.close()

    assert beat.status == 200 and passed < 20, passed


JSON = {"Content-Type": "application/json"}
