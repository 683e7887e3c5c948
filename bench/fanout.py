"""One change, many watchers: from the POST until the last of them has the event, over TLS.

The watchers are bare sockets in this process, a thousand of them as cheap as Python can have them; what they cost
(TLS, a callback each) is in the waits all the same. The server's CPU is counted apart: what a POST costs without
watchers is taken off, the rest shared among watchers and events.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import orjson
import psutil

from bench.api import administrator, config_map, percentiles, server
from procorch.transport import HttpTransport

WATCHERS = (1, 100, 1_000)
EVENTS = {0: 100, 1: 200, 100: 100, 1_000: 40}
PATH = "/api/v1/namespaces/default/configmaps"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
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
        context = administrator(directory)
        transport = HttpTransport(f"https://127.0.0.1:{port}", context)
        arrivals, connected, found = Arrivals(), 0, []
        await _events(transport, process, arrivals, 0)  # to warm up
        _, alone = await _events(transport, process, arrivals, 0)
        for watchers in WATCHERS:
            version = orjson.loads((await transport.send("GET", PATH)).body)["metadata"]["resourceVersion"]
            while connected < watchers:
                await _connect(port, context, Watcher(version, arrivals))
                connected += 1
            waits, cpu = await _events(transport, process, arrivals, watchers)
            said = percentiles(waits)
            if watchers > 1:
                said += f"  {(cpu - alone) / watchers * 1e6:.1f} µs of the server's CPU a watcher and event"
            found.append((f"POST to the last of {watchers:,} watcher{'s' if watchers > 1 else ''}", said))
        await transport.close()
    return found


async def _connect(port: int, context: ssl.SSLContext, watcher: Watcher) -> None:
    await asyncio.get_running_loop().create_connection(lambda: watcher, "127.0.0.1", port, ssl=context)
    await watcher.begun


async def _events(
    transport: HttpTransport, process: psutil.Process, arrivals: Arrivals, watchers: int
) -> tuple[list[float], float]:
    """How long each took, and seconds of the server's CPU for one."""
    waits, count, used = [], EVENTS[watchers], _cpu(process)
    for number in range(count):
        name = f"watched-{watchers}-{number}-{time.monotonic_ns()}"
        last, begun = arrivals.expect(watchers), time.perf_counter()
        await transport.send("POST", PATH, headers=_JSON, body=orjson.dumps(config_map(name)))
        waits.append(await last - begun)
    return waits, (_cpu(process) - used) / count


def _cpu(process: psutil.Process) -> float:
    """Seconds of all its threads, to the nanosecond; psutil's are in hundredths."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
