"""How many descriptors the proxy may have open, what share of them one Service may have, and who waits for one.

A Service may hold four times as much as is free. So one alone gets four fifths, two busy ones get four ninths each, and
there is always something left for a Service that has nothing yet. Who comes over his Service's share, or finds every
local port towards its backends in use, waits in order behind his own Service's clients, not behind all. When nothing is
free any more nobody is accepted: clients wait in the kernel's backlog.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from network.proxy.choice import Balancer
from network.proxy.engine import Engine

logger = logging.getLogger(__name__)
WAIT_SECONDS = 10.0
"""How long an accepted client waits for its turn before it is reset."""
AGAIN_SECONDS = 0.05
"""How long until those who wait are looked at again, when nobody left meanwhile."""
_SHARE = 4
_WAITING = 1024  # clients of one Service
_STARTS = 64  # of those who waited, before the others have their turn
_QUIET_SECONDS = 10.0


class Client(Protocol):
    """Who comes through the gate: one connection, that has or will have two descriptors."""

    balancer: Balancer
    since: float

    def begin(self) -> bool:
        """Start; false when it is this machine that lacks something (a port, a descriptor) and it must wait."""

    def abort(self) -> None: ...


class Gate:
    """What is taken and who waits. limit: descriptors that all connections and UDP clients may have together."""

    def __init__(self, engine: Engine, limit: int = 1 << 20) -> None:
        self._engine = engine
        self.limit = limit
        self.taken = 0
        self._waiting: dict[Balancer, deque[Client]] = {}
        self._short: set[Balancer] = set()  # of those, who found no port: somebody's leaving is no help to them
        self._looking = False  # `_look` will be called in a later batch
        self._timer: asyncio.TimerHandle | None = None
        self._told: dict[str, tuple[float, int]] = {}  # sentence → when it was last logged, how often it came since

    @property
    def is_full(self) -> bool:
        """Nobody more can be accepted."""
        return self.taken + 2 > self.limit

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    def take(self, balancer: Balancer, count: int) -> bool:
        """More descriptors for a Service; false when that is more than its share."""
        if balancer.open + count > _SHARE * (self.limit - self.taken):
            return False
        self.taken += count
        balancer.open += count
        return True

    def give(self, balancer: Balancer, count: int) -> None:
        """They are closed, or will be in a moment."""
        self.taken -= count
        balancer.open -= count
        if self._waiting and not self._looking:
            self._looking = True
            self._engine.again(self._look)

    def enter(self, client: Client) -> None:
        """Let a client in, or make it wait. It has taken two descriptors, and gives them back when it ends."""
        balancer = client.balancer
        free = self.limit - self.taken
        self.taken += 2
        balancer.open += 2
        if balancer.open > _SHARE * free or balancer in self._waiting:
            self._wait(client)
        elif not client.begin():
            self.wait_for_port(client)

    def wait_for_port(self, client: Client) -> None:
        """One that is in, and cannot go on before this machine has a port or a descriptor for it."""
        self._short.add(client.balancer)
        self._wait(client)

    def _wait(self, client: Client) -> None:
        """To the end of its Service's queue, or out where that is long enough."""
        balancer = client.balancer
        queue = self._waiting.get(balancer, ())
        if len(queue) >= min(_WAITING, (self.limit - self.taken) // 2):
            self.tell("a Service has more connections than its share: the newest are reset", service=balancer.name)
            client.abort()
            return
        self._waiting.setdefault(balancer, deque()).append(client)
        self._look_later()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = self._engine.loop.call_later(AGAIN_SECONDS, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._short.clear()
        now = self._engine.loop.time()
        for balancer, queue in list(self._waiting.items()):
            while queue and now - queue[0].since > WAIT_SECONDS:
                queue.popleft().abort()
                self.tell("connections waited too long for their turn and are reset", service=balancer.name)
            if not queue:
                del self._waiting[balancer]
        self._look()

    def _look(self) -> None:
        """Let in whose turn it is: one of each Service, again and again, until no more can be."""
        self._looking = False
        starts, going = 0, list(self._waiting)
        while going and starts < _STARTS:
            going = [balancer for balancer in going if self._start_one(balancer)]
            starts += len(going)
        if going and not self._looking:
            self._looking = True
            self._engine.again(self._look)
        if self._waiting:
            self._look_later()

    def _start_one(self, balancer: Balancer) -> bool:
        queue = self._waiting.get(balancer)
        if not queue or balancer in self._short:
            return False
        own = 2 * len(queue)  # what these hold is no reason to let fewer in
        if balancer.open - own + 2 > _SHARE * (self.limit - self.taken + own):
            return False
        if not queue[0].begin():
            self._short.add(balancer)
            return False
        queue.popleft()
        if not queue:
            del self._waiting[balancer]
        return True

    def tell(self, sentence: str, **values: object) -> None:
        """A warning: the first at once, and then one in ten seconds that says how often it came meanwhile."""
        now = self._engine.loop.time()
        last, count = self._told.get(sentence, (now - _QUIET_SECONDS, 0))
        if now - last < _QUIET_SECONDS:
            self._told[sentence] = (last, count + 1)
            return
        self._told[sentence] = (now, 0)
        logger.warning(sentence, extra={**values, "before": count, "descriptors": self.taken, "limit": self.limit})

    def close(self) -> None:
        """Nobody waits any more; whoever did is to be aborted by who knows all clients."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
