"""What an API server weighs: 10,000 Pods, and 10,000 watches in which nothing happens, over TLS.

The server is a process of its own. Its PSS is taken before and after, when nothing is under way; the clients' part of a
watch (a socket, a TLS session) is this process's and not counted, nor are the kernel's buffers.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
import tempfile
from pathlib import Path

import orjson
import psutil
import uvloop

from bench.api import PODS_PATH, administrator, pod, server
from bench.fanout import PATH, Arrivals, Watcher
from procorch.api import heap
from procorch.transport import HttpTransport

PODS = 10_000
WATCHES = 10_000
CLIENTS = 32
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


async def measure(port: int, process: psutil.Process, directory: Path) -> list[tuple[str, str]]:
    context = administrator(directory)
    transport = HttpTransport(f"https://127.0.0.1:{port}", context)
    await transport.send("GET", PODS_PATH)
    empty = await settled(process)
    size = await make_pods(transport)
    full = await settled(process)
    each = (full - empty) / PODS
    found = [(f"{PODS:,} Pods", f"{mib(full - empty)}: {each:,.0f} bytes a Pod, of which {size / PODS:,.0f} its own")]
    connections = await watch(port, context, transport)
    watched = await settled(process)
    each = (watched - full) / WATCHES
    found.append((f"{WATCHES:,} idle watches, each a TLS connection", f"{mib(watched - full)}: {each:,.0f} bytes each"))
    for connection in connections:
        connection.abort()
    await asyncio.sleep(2 * heap.DELAY)
    left = await settled(process) - full
    found.append(("what is left when they are gone", f"{mib(left)} (the allocator's)"))
    await transport.close()
    return found


async def make_pods(transport: HttpTransport) -> int:
    """Their bytes as a client sees them."""
    bodies = iter([orjson.dumps(pod(f"p{number}")) for number in range(PODS)])
    size = 0

    async def make() -> None:
        nonlocal size
        for body in bodies:
            answer = await transport.send("POST", PODS_PATH, headers=_JSON, body=body)
            if answer.status != 201:
                raise RuntimeError(answer.body.decode())
            size += len(answer.body)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(make())
    return size


async def watch(port: int, context: ssl.SSLContext, transport: HttpTransport) -> list[asyncio.BaseTransport]:
    """Their connections, when all watches have begun."""
    version = orjson.loads((await transport.send("GET", PATH)).body)["metadata"]["resourceVersion"]
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    found: list[asyncio.BaseTransport] = []

    async def connect(count: int) -> None:
        for _ in range(count):
            connection, watcher = await loop.create_connection(
                lambda: Watcher(version, arrivals), "127.0.0.1", port, ssl=context
            )
            await watcher.begun
            found.append(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(connect(WATCHES // CLIENTS + (number < WATCHES % CLIENTS)))
    return found


async def settled(process: psutil.Process) -> int:
    """PSS in bytes, once it is idle."""
    await asyncio.sleep(1)
    while await asyncio.to_thread(process.cpu_percent, 0.5) > 5:
        pass
    return int(process.memory_full_info().pss)


def mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


def rows() -> list[tuple[str, str]]:
    """(what, figure). Takes 10,000 file descriptors in each of two processes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, WATCHES + 1_000)), hard))
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as name, server(Path(name)) as (port, process):
        return uvloop.run(measure(port, process, Path(name)))
