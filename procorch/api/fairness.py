"""Seats for requests, so that a noisy client waits and a heartbeat does not: fair queuing by level and by flow.

    request ─▶ level (node-high, system, workload-low …) ─▶ a seat is free ─▶ it runs
                 │ none                                          ▲
                 └─▶ its flow's queue ────── the queue's turn ───┘
                        └─ full, or 15 s over: 429

Everything happens on one event loop, so a seat is not a thread. Two things are bounded: how many requests of a level
are under way, most of them waiting for the disk; and how many of them begin between two looks of the loop at its
sockets: a few narrow ones, or one that is wide (a long list takes tens of milliseconds). So a heartbeat that arrives
waits for no more than that; and since its own way takes some turns of the loop, the next long list waits for ten.
Seats are given by virtual time (start-time fair queuing), in which a wide request costs as much as so many narrow ones.

A flow is dealt a hand of its level's queues, and waits in the shortest (shuffle sharding): so much and no more of it
waits. In which order they are served is decided by flow, not by queue, so that a flow whose six queues are full is not
served six times as often as one that asks for little. The level `exempt` takes no seat from the others and refuses
nothing: it only waits its turn of the loop, and each of its flows has a queue.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from procorch.api.flow_metrics import FlowMetrics
from procorch.api.levels import LevelSpec
from procorch.objects import TooManyRequests

SEATS = 64  # a commit of so many writes is as good as any larger one
TURN = 10  # seats of a level that may lately have been taken; each turn of the loop makes one of them old
WAIT_SECONDS = 15.0  # Source: a quarter of a request's time, as in Kubernetes

_Waiter = tuple[float, int, "Seat", "asyncio.Future[None]"]  # start in virtual time, number
_QueueName = int | str


@dataclass(slots=True)
class _Flow:
    """waiting: how many of its requests do. finish: where its last one ends in virtual time."""

    waiting: int = 0
    finish: float = 0.0


class Level:
    """seats: its own; kept: those of them that nobody else gets; borrowing: how many of others' it may have."""

    __slots__ = (
        "borrowing",
        "flows",
        "in_use",
        "kept",
        "name",
        "queues",
        "running",
        "seats",
        "spec",
        "turn",
        "virtual",
        "waiters",
        "waiting",
        "wanted",
    )

    def __init__(self, spec: LevelSpec) -> None:
        self.name = spec.name
        self.spec = spec
        self.seats = self.kept = self.borrowing = 0
        self.in_use = 0
        self.turn = 0  # taken in this turn of the loop
        self.waiting = 0
        self.waiters: list[_Waiter] = []  # a heap
        self.queues: dict[_QueueName, dict[Seat, None]] = {}  # those in which somebody waits
        self.flows: dict[str, _Flow] = {}  # those of which somebody waits
        self.running: dict[Seat, None] = {}
        self.virtual = 0.0
        self.wanted = True  # false: its object is gone, and it goes with its last request

    @property
    def is_idle(self) -> bool:
        return not self.running and not self.waiting

    def share(self, spec: LevelSpec, seats: int, shares: int) -> None:
        """seats: of all levels. Source of the sums: the config controller's finishQueueSetReconfigs."""
        self.spec = spec
        if spec.exempt:
            self.seats, self.kept, self.borrowing = seats, 0, 0
            return
        self.seats = math.ceil(seats * spec.shares / shares) if shares else 0
        self.kept = min(self.seats, max(1, self.seats - round(self.seats * spec.lendable / 100)))
        self.borrowing = seats if spec.borrowing is None else round(self.seats * spec.borrowing / 100)


class Seat:
    """`async with`: waits for its turn, and gives the seats back. Raises TooManyRequests.

    who: what a dump says of the request: its user, verb, path and so on.
    """

    __slots__ = ("_fairness", "arrived", "flow", "level", "queue", "schema", "started", "who", "width")

    def __init__(
        self, fairness: Fairness, level: Level, flow: str, width: int, schema: str, who: tuple[str, ...]
    ) -> None:
        self._fairness = fairness
        self.level = level
        self.flow = flow
        self.width = width
        self.schema = schema
        self.who = who
        self.queue: _QueueName = -1
        self.arrived = self.started = 0.0  # the loop's time

    async def __aenter__(self) -> None:
        level, fairness = self.level, self._fairness
        self.arrived = asyncio.get_running_loop().time()
        if level.waiting or not fairness.may_start(level, self.width):
            await fairness.wait(self)
        else:
            fairness.take(self)

    async def __aexit__(self, *error: object) -> None:
        self._fairness.give(self)


class Fairness:
    """seats: of all levels together. `configure` says which there are."""

    def __init__(self, levels: Iterable[LevelSpec] = (), seats: int = SEATS) -> None:
        self.levels: dict[str, Level] = {}
        self.metrics = FlowMetrics()
        self._seats = seats
        self._in_use = 0  # but for exempt requests
        self._is_turning = False
        self._numbers = itertools.count()
        self._waiting = 0
        self.configure(levels)

    def configure(self, levels: Iterable[LevelSpec]) -> None:
        """The levels from now on. Requests that wait or run stay; a level that is gone goes with its last one."""
        wanted = {spec.name: spec for spec in levels}
        for name, spec in wanted.items():
            if name not in self.levels:
                self.levels[name] = Level(spec)
        for name, level in list(self.levels.items()):
            level.wanted = name in wanted
            if not level.wanted and level.is_idle:
                del self.levels[name]
        specs = {name: wanted.get(name, level.spec) for name, level in self.levels.items()}
        shares = sum(spec.shares for spec in specs.values() if not spec.exempt)
        for name, level in self.levels.items():
            level.share(specs[name], self._seats, shares)
        if self._waiting:
            self._hand_out()

    def seat(self, level: str, flow: str, width: int, schema: str = "", who: tuple[str, ...] = ()) -> Seat:
        return Seat(self, self.levels[level], flow, width, schema, who)

    def may_start(self, level: Level, width: int) -> bool:
        """A level has its own seats, and what others lend; and one request always, however wide, if it has a seat."""
        return not (level.turn and level.turn + width > TURN) and self._has_room(level, width)

    def _has_room(self, level: Level, width: int) -> bool:
        if level.in_use + width <= level.seats or (level.seats and not level.in_use):
            return True
        if level.spec.exempt or level.in_use + width > level.seats + level.borrowing:
            return False
        kept = sum(max(0, other.kept - other.in_use) for other in self.levels.values() if other is not level)
        return self._in_use + width <= self._seats - kept

    def take(self, seat: Seat) -> None:
        level, loop = seat.level, asyncio.get_running_loop()
        level.in_use += seat.width
        level.running[seat] = None
        if not level.spec.exempt:
            self._in_use += seat.width
        level.turn += seat.width
        seat.started = loop.time()
        self.metrics.began(seat.level.name, seat.schema, seat.started - seat.arrived)
        if not self._is_turning:
            self._is_turning = True
            loop.call_soon(self._turn)

    def give(self, seat: Seat) -> None:
        level = seat.level
        level.in_use -= seat.width
        del level.running[seat]
        if not level.spec.exempt:
            self._in_use -= seat.width
        self.metrics.ended(level.name, seat.schema, asyncio.get_running_loop().time() - seat.started)
        if not level.wanted and level.is_idle:
            self.levels.pop(level.name, None)
        if self._waiting:
            self._hand_out()

    async def wait(self, seat: Seat) -> None:
        """Until the seats are taken for it. Raises TooManyRequests."""
        level = seat.level
        queue = self._queue_for(seat)
        flow = level.flows.get(seat.flow)
        if flow is None:
            flow = level.flows[seat.flow] = _Flow()
        start = max(level.virtual, flow.finish)
        flow.finish = start + seat.width
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        # A third of what asyncio.timeout takes.
        late = None if level.spec.exempt else loop.call_later(WAIT_SECONDS, self._refuse, seat, turn)
        heapq.heappush(level.waiters, (start, next(self._numbers), seat, turn))
        queue[seat] = None
        flow.waiting += 1
        level.waiting += 1
        self._waiting += 1
        try:
            await turn
        except TooManyRequests:
            raise
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give(seat)  # it had its turn, and is not there any more to use it
            elif isinstance(error, asyncio.CancelledError):
                self.metrics.refused(level.name, seat.schema, "cancelled")
            raise
        finally:
            if late is not None:
                late.cancel()
            del queue[seat]
            flow.waiting -= 1
            level.waiting -= 1
            self._waiting -= 1
            if not queue:
                level.queues.pop(seat.queue, None)
            if not flow.waiting:
                level.flows.pop(seat.flow, None)
            if not level.waiting:
                level.waiters.clear()  # those who have left

    def _queue_for(self, seat: Seat) -> dict[Seat, None]:
        """The shortest of its flow's hand. Raises TooManyRequests."""
        level, spec = seat.level, seat.level.spec
        if spec.exempt:
            seat.queue = seat.flow
        elif spec.queues:
            cards = hand(seat.flow, spec.queues, spec.hand)
            seat.queue = min(cards, key=lambda one: len(level.queues.get(one, ())))
        elif not self._has_room(level, seat.width + sum(one.width for one in _waiting(level))):
            raise self._refusal(seat, "concurrency-limit")  # else it waits its turn of the loop, and for nothing else
        if spec.queues and len(level.queues.get(seat.queue, ())) >= spec.length:
            raise self._refusal(seat, "queue-full")
        return level.queues.setdefault(seat.queue, {})

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
                start, _, seat, turn = waiters[0]
                if turn.done():
                    heapq.heappop(waiters)
                    continue
                if not self.may_start(level, seat.width):
                    break
                heapq.heappop(waiters)
                level.virtual = start
                self.take(seat)
                turn.set_result(None)

    def _refuse(self, seat: Seat, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(self._refusal(seat, "time-out"))

    def _refusal(self, seat: Seat, reason: str) -> TooManyRequests:
        self.metrics.refused(seat.level.name, seat.schema, reason)
        return TooManyRequests.of("too many requests, please try again later")


def _waiting(level: Level) -> Iterator[Seat]:
    return itertools.chain.from_iterable(level.queues.values())


@lru_cache(maxsize=4096)
def hand(flow: str, queues: int, size: int) -> tuple[int, ...]:
    """Which queues a flow is dealt, each once: of `queues` cards, `size`. The same flow always gets the same."""
    value = int.from_bytes(hashlib.sha256(flow.encode("utf-8", "surrogatepass")).digest()[:8], "little")
    dealt: list[int] = []
    for left in range(queues, queues - size, -1):
        value, card = divmod(value, left)
        for other in sorted(dealt):
            if other <= card:
                card += 1
        dealt.append(card)
    return tuple(dealt)
