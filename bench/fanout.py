"""One change, many watchers: from the POST until the last of them has the event, over TLS.

With one watcher that is how long a change takes to be heard.

The watchers are bare sockets in this process, a thousand of them as cheap as Python can have them; what they cost
(TLS, a callback each) is in the waits all the same. The server's CPU is counted apart: what a POST costs without
watchers is taken off, the rest shared among watchers and events.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson

from bench.load import Connection, Place, administrator, percentiles, request, server
from bench.objects import config_map

WATCHERS = (1, 50, 1_000)
EVENTS = {0: 100, 1: 300, 50: 100, 1_000: 40}
PEER = {1: "p50 3.3 ms, p99 5.9 ms", 50: "p50 5.5 ms"}  # of kube-apiserver 1.36 on such a machine: see api.py
PATH = "/api/v1/namespaces/default/configmaps"
_END = b"\n\r\n"
"""Of an event: its line's, then its chunk's."""


class Arrivals:
    """Counts down to the last watcher that has an event."""

    def __init__(self) -> None:
        self._missing = 0
        self._all = asyncio.get_running_loop().create_future()

    def expect(self, watchers: int) -> asyncio.Future[float]:
        """The time at which so many have the next event."""
        self._missing = watchers
        self._all = asyncio.get_running_loop().create_future()
        if not watchers:
            self._all.set_result(time.perf_counter())
        return self._all

    def one(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._all.set_result(time.perf_counter())


class Watcher(asyncio.Protocol):
    """A watch of the ConfigMaps from a resourceVersion on. begun: done with the server's first bytes."""

    def __init__(self, version: str, arrivals: Arrivals) -> None:
        self._request = f"GET {PATH}?watch=true&resourceVersion={version} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._arrivals = arrivals
        self._tail = b""
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]  # a TLS connection's has it

    def data_received(self, data: bytes) -> None:
        if not self.begun.done():
            self.begun.set_result(None)
            return
        data = self._tail + data
        for _ in range(data.count(_END)):
            self._arrivals.one()
        self._tail = b"" if data.endswith(_END) else data[-2:]


async def measure(directory: Path) -> list[tuple[str, str]]:
    with server(directory) as (port, process):
        place = Place(port, process, administrator(directory))
        poster, arrivals, connected, found = await place.connect(), Arrivals(), 0, []
        await _events(place, poster, arrivals, 0)  # to warm up
        _, alone = await _events(place, poster, arrivals, 0)
        for watchers in WATCHERS:
            version = orjson.loads(await poster.send(request("GET", PATH)))["metadata"]["resourceVersion"]
            while connected < watchers:
                await _connect(place, Watcher(version, arrivals))
                connected += 1
            waits, cpu = await _events(place, poster, arrivals, watchers)
            said = percentiles(waits)
            if watchers > 1:
                said += f"  {(cpu - alone) / watchers * 1e6:.1f} µs of the server's CPU a watcher and event"
            if watchers in PEER:
                said += f"  (kube-apiserver 1.36 on such a machine: {PEER[watchers]})"
            found.append((f"POST to the last of {watchers:,} watcher{'s' if watchers > 1 else ''}", said))
        poster.close()
    return found


async def _connect(place: Place, watcher: Watcher) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: watcher, "127.0.0.1", place.port, ssl=place.context)
    await watcher.begun


async def _events(place: Place, poster: Connection, arrivals: Arrivals, watchers: int) -> tuple[list[float], float]:
    """How long each took, and seconds of the server's CPU for one."""
    waits, count, used = [], EVENTS[watchers], place.cpu()
    for number in range(count):
        name = f"watched-{watchers}-{number}-{time.monotonic_ns()}"
        prepared = request("POST", PATH, orjson.dumps(config_map(name)))
        last, begun = arrivals.expect(watchers), time.perf_counter()
        await poster.send(prepared)
        waits.append(await last - begun)
    return waits, (place.cpu() - used) / count
