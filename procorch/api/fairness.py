"""Seats for requests, so that a noisy client waits and a heartbeat does not: fair queuing by level and by flow.

    request ─▶ level (heartbeats, nodes, workloads …) ─▶ a seat is free ─▶ it runs
                 │ none                                      ▲
                 └─▶ its flow's queue ── the flow's turn ────┘
                        └─ full, or 15 s over: 429

Everything happens on one event loop, so a seat is not a thread. Two things are bounded: how many requests of a level
are under way, most of them waiting for the disk; and how many of them begin between two looks of the loop at its
sockets: a few narrow ones, or one that is wide (a long list takes tens of milliseconds). So a heartbeat that arrives
waits for no more than that; and since its own way takes some turns of the loop, the next long list waits for ten.
Seats are given by virtual time (start-time fair queuing), in which a wide request costs as much as so many narrow ones.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable

from procorch.api.levels import LEVELS, LevelSpec
from procorch.api.metrics import Family
from procorch.objects import TooManyRequests

SEATS = 64  # a commit of so many writes is as good as any larger one
TURN = 10  # seats of a level that may lately have been taken; each turn of the loop makes one of them old
FLOW_QUEUE = 300  # requests of one flow that may wait: as many as Kubernetes' hand of six queues has room for
LEVEL_QUEUE = 3_200  # and of one level
WAIT_SECONDS = 15.0

_Waiter = tuple[float, int, int, "asyncio.Future[None]"]  # start in virtual time, number, width


class _Flow:
    """Who waits of one flow. finish: where its last request ends in virtual time."""

    __slots__ = ("finish", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.finish = 0.0


class Level:
    """seats: its own; kept: those of them that nobody else gets."""

    __slots__ = (
        "flows",
        "in_use",
        "kept",
        "name",
        "refused",
        "reserved",
        "seats",
        "served",
        "turn",
        "virtual",
        "waiters",
        "waiting",
    )

    def __init__(self, name: str, seats: int, kept: int) -> None:
        self.name = name
        self.seats = seats
        self.kept = kept
        self.reserved = kept  # of those the ones that are free
        self.in_use = 0
        self.turn = 0  # taken in this turn of the loop
        self.waiting = 0
        self.waiters: list[_Waiter] = []  # a heap
        self.flows: dict[str, _Flow] = {}  # those that wait
        self.virtual = 0.0
        self.served = self.refused = 0


class Seat:
    """`async with`: waits for its turn, and gives the seats back. Raises TooManyRequests."""

    __slots__ = ("_fairness", "_flow", "_level", "_width")

    def __init__(self, fairness: Fairness, level: Level, flow: str, width: int) -> None:
        self._fairness = fairness
        self._level = level
        self._flow = flow
        self._width = width

    async def __aenter__(self) -> None:
        level = self._level
        if level.waiting or not self._fairness.may_start(level, self._width):
            await self._fairness.wait(level, self._flow, self._width)
        else:
            self._fairness.take(level, self._width)

    async def __aexit__(self, *error: object) -> None:
        self._fairness.give(self._level, self._width)


class Fairness:
    """levels: the first are served first where seats become free. seats: of all of them."""

    def __init__(self, levels: Iterable[LevelSpec] = LEVELS, seats: int = SEATS) -> None:
        specs = list(levels)
        shares = sum(spec.shares for spec in specs)
        self.levels: dict[str, Level] = {}
        for spec in specs:
            own = max(1, round(seats * spec.shares / shares))
            self.levels[spec.name] = Level(spec.name, own, max(1, round(own * (100 - spec.lendable) / 100)))
        self._seats = seats
        self._in_use = 0
        self._reserved = sum(level.reserved for level in self.levels.values())
        self._is_turning = False
        self._numbers = itertools.count()
        self._waiting = 0

    def families(self) -> list[Family]:
        """By kube-apiserver's names."""

        def each(name: str, help_: str, type_: str, count: Callable[[Level], int]) -> Family:
            values = {f'priority_level="{level.name}"': float(count(level)) for level in self.levels.values()}
            return Family(f"apiserver_flowcontrol_{name}", help_, type_, values)

        return [
            each("current_inqueue_requests", "Requests that wait for seats.", "gauge", lambda one: one.waiting),
            each("current_executing_seats", "Seats in use.", "gauge", lambda one: one.in_use),
            each("dispatched_requests_total", "Requests that have begun.", "counter", lambda one: one.served),
            each("rejected_requests_total", "Requests that were refused.", "counter", lambda one: one.refused),
        ]

    def seat(self, level: str, flow: str, width: int) -> Seat:
        return Seat(self, self.levels[level], flow, width)

    def may_start(self, level: Level, width: int) -> bool:
        """A level has its own seats, and what others lend; and one request always, however wide."""
        if level.turn and level.turn + width > TURN:
            return False
        if level.in_use + width <= level.seats or not level.in_use:
            return True
        return self._in_use + width <= self._seats - (self._reserved - level.reserved)

    def _use(self, level: Level, width: int) -> None:
        level.in_use += width
        self._in_use += width
        free = max(0, level.kept - level.in_use)
        self._reserved += free - level.reserved
        level.reserved = free

    def take(self, level: Level, width: int) -> None:
        self._use(level, width)
        level.served += 1
        level.turn += width
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def give(self, level: Level, width: int) -> None:
        self._use(level, -width)
        if self._waiting:
            self._hand_out()

    async def wait(self, level: Level, name: str, width: int) -> None:
        """Until the seats are taken for it. Raises TooManyRequests."""
        flow = level.flows.get(name)
        if flow is None:
            flow = level.flows[name] = _Flow()
        if flow.waiting >= FLOW_QUEUE or level.waiting >= LEVEL_QUEUE:
            raise self._refusal(level)
        start = max(level.virtual, flow.finish)
        flow.finish = start + width
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        late = loop.call_later(WAIT_SECONDS, self._refuse, level, turn)  # a third of what asyncio.timeout takes
        heapq.heappush(level.waiters, (start, next(self._numbers), width, turn))
        flow.waiting += 1
        level.waiting += 1
        self._waiting += 1
        try:
            await turn
        except TooManyRequests:
            raise
        except BaseException:
            if turn.done() and not turn.cancelled():  # it had its turn, and is not there any more to use it
                self.give(level, width)
            raise
        finally:
            late.cancel()
            flow.waiting -= 1
            level.waiting -= 1
            self._waiting -= 1
            if not flow.waiting:
                level.flows.pop(name, None)
            if not level.waiting:
                level.waiters.clear()  # those who have left

    def _turn(self) -> None:
        """The loop has come round."""
        rest = 0
        for level in self.levels.values():
            if level.turn:
                level.turn = level.turn - 1
                rest += level.turn
        if rest:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._is_turning = False
        if self._waiting:
            self._hand_out()

    def _hand_out(self) -> None:
        for level in self.levels.values():
            waiters = level.waiters
            while waiters:
                start, _, width, turn = waiters[0]
                if turn.done():
                    heapq.heappop(waiters)
                    continue
                if not self.may_start(level, width):
                    break
                heapq.heappop(waiters)
                level.virtual = start
                self.take(level, width)
                turn.set_result(None)

    def _refuse(self, level: Level, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(self._refusal(level))

    def _refusal(self, level: Level) -> TooManyRequests:
        level.refused += 1
        return TooManyRequests.of("too many requests, please try again later")
