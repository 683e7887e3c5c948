"""Which backend a new connection goes to: round robin, a client's own one, and those that just failed last."""

from __future__ import annotations

from network.proxy.table import Backend

FAILED_SECONDS = 5.0
"""How long a backend that refused is only tried when no other is left."""
_SWEEP = 4096  # clients remembered before the forgotten ones are looked for


class Balancer:
    """The choice for one service port. It reads no clock and opens nothing: `now` is seconds that only grow.

    name: for people. open: how many descriptors its clients hold; the gate counts them here.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.open = 0
        self.backends: tuple[Backend, ...] = ()
        self.affinity: int | None = None
        self._turn = 0
        self._failed: dict[Backend, float] = {}  # → until when
        self._clients: dict[str, tuple[Backend, float]] = {}  # address → its backend, last connection
        self._limit = _SWEEP

    def update(self, backends: tuple[Backend, ...], affinity: int | None) -> None:
        """A new list of backends. Clients of those that stay keep them."""
        self.backends, self.affinity = backends, affinity
        there = set(backends)
        self._failed = {one: until for one, until in self._failed.items() if one in there}
        if affinity is None:
            self._clients.clear()
        else:
            self._clients = {name: row for name, row in self._clients.items() if row[0] in there}

    def order(self, client: str, now: float) -> tuple[Backend, ...]:
        """Every backend once, in the order in which to try them for this client's next connection."""
        count = len(self.backends)
        if count == 0:
            return ()
        if count == 1:
            return self.backends
        turn = self._turn = (self._turn + 1) % count
        ring = self.backends[turn:] + self.backends[:turn]
        if self._failed:
            self._failed = {one: until for one, until in self._failed.items() if until > now}
            ring = tuple(sorted(ring, key=self._failed.__contains__))
        if self.affinity is not None:
            own = self._clients.get(client)
            if own is not None and now - own[1] < self.affinity:
                return (own[0], *(one for one in ring if one != own[0]))
        return ring

    def connected(self, client: str, backend: Backend, now: float) -> None:
        """The client has got this backend."""
        if self.affinity is None:
            return
        self._clients[client] = (backend, now)
        if len(self._clients) > self._limit:
            self._clients = {name: row for name, row in self._clients.items() if now - row[1] < self.affinity}
            self._limit = max(_SWEEP, 2 * len(self._clients))

    def failed(self, backend: Backend, now: float) -> None:
        """The backend refused or did not answer."""
        self._failed[backend] = now + FAILED_SECONDS
