"""Acknowledged durable writes a second: our log on SQLite and on PostgreSQL, beside etcd, in turns on one disk.

A round is one figure of each contender, right after each other, and each round begins with another of them: what
else the machine does meets all alike, so that the ratio of two figures of a round holds where the figures do not.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.etcd import STREAMS, Etcd, Puts
from store import Key, Log, Retention, Rule, Write
from tests.postgresql import Server, binaries

WRITERS = (1, 8, 32, 128)
ROUNDS = 5
SECONDS = 0.8
"""Of one figure."""
JOURNAL_FILES = 40
"""That PostgreSQL fills before it is measured, twice; with its settings as they come some 33 are kept then."""
VALUE = os.urandom(1024)
KEYS = 5_000
KEPT, SWEPT = Retention(age=None, size=None), Retention()
"""All history, as an etcd that nobody compacts; or as a master opens its log: of a file the oldest goes when it has
twice the live data, which with these few keys is after seconds, and from then on each write also deletes one."""

Put = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Contender:
    """writers: opens what so many of them put through, one function a writer.

    server: the process on the other side of a socket, with its children; None where there is none.
    """

    name: str
    writers: Callable[[int], Awaitable[list[Put]]]
    server: psutil.Process | None = None

    def server_cpu(self) -> float:
        """Seconds of CPU time so far, of those processes of the server that live."""
        if self.server is None:
            return 0.0
        processes = [self.server, *self.server.children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in processes)


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one contender in one round. rate: a second. p50, p99: ms from a put to its acknowledgement.

    here, server: µs of CPU a put, of this process (the log and its callers, or the load generator alone) and of the
    server.
    """

    rate: float
    p50: float
    p99: float
    here: float
    server: float


async def figure(contender: Contender, writers: int, seconds: float) -> Figure:
    """Every writer has one put under way at a time."""
    waits: list[float] = []
    numbers = itertools.count()
    puts = await contender.writers(writers)
    end = time.perf_counter() + seconds

    async def write(put: Put) -> None:
        while (begun := time.perf_counter()) < end:
            await put(f"/pods/default/pod-{next(numbers) * 7919 % KEYS}")
            waits.append(time.perf_counter() - begun)

    used, served, begun = time.process_time(), contender.server_cpu(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for put in puts:
            group.create_task(write(put))
    took, count = time.perf_counter() - begun, len(waits)
    waits.sort()
    return Figure(
        rate=count / took,
        p50=waits[count // 2] * 1e3,
        p99=waits[count * 99 // 100] * 1e3,
        here=(time.process_time() - used) / count * 1e6,
        server=(contender.server_cpu() - served) / count * 1e6,
    )


@asynccontextmanager
async def ours(
    name: str, url: str, retention: Retention, server: psutil.Process | None = None, *, as_secrets: bool = False
) -> AsyncIterator[Contender]:
    """as_secrets: encrypted, and so that a forgotten value leaves no trace."""
    rules = [Rule("/pods/", (Key("bench", os.urandom(32)),))] if as_secrets else []
    log = await Log.open(url, retention=retention, rules=rules, traceless=["/pods/"] if as_secrets else [])

    async def put(key: str) -> None:
        await log.append(Write(key, VALUE))

    async def writers(count: int) -> list[Put]:
        return [put] * count

    try:
        yield Contender(name, writers, server)
    finally:
        await log.close()


@asynccontextmanager
async def etcd(server: Etcd) -> AsyncIterator[Contender]:
    connections: list[Puts] = []
    begun, made = server.revision(), itertools.count()

    async def writers(count: int) -> list[Put]:
        while len(connections) * STREAMS < count:
            connections.append(await Puts.connect(server.port))

        def put_on(connection: Puts) -> Put:
            def put(key: str) -> Awaitable[None]:
                next(made)
                return connection.put(key.encode(), VALUE)

            return put

        used = max(1, count // STREAMS)
        return [put_on(connections[number % used]) for number in range(count)]

    yield Contender("etcd", writers, psutil.Process(server.pid))
    for connection in connections:
        connection.close()
    if (there := server.revision() - begun) != (wanted := next(made)):
        raise RuntimeError(f"etcd acknowledged {wanted} puts and has {there} revisions of them")


async def measure(directory: Path) -> list[tuple[str, str]]:
    """(what, figure): of each contender and number of writers the medians, and of the rounds' ratios the median."""
    missing = []
    async with AsyncExitStack() as stack:
        contenders = [
            await stack.enter_async_context(ours("SQLite", str(directory / "kept.db"), KEPT)),
            await stack.enter_async_context(ours("SQLite, swept", str(directory / "swept.db"), SWEPT)),
            await stack.enter_async_context(
                ours("SQLite, as Secrets", str(directory / "secrets.db"), KEPT, as_secrets=True)
            ),
        ]
        if binaries() is None:
            missing.append(("PostgreSQL", "not installed (Debian: postgresql)"))
        else:
            postgresql = Server(parent=directory, shared_buffers="128MB")  # as it comes
            stack.callback(postgresql.stop)
            await asyncio.to_thread(_run_in, postgresql)
            process = psutil.Process(postgresql.pid())
            ready = ours("PostgreSQL", postgresql.url(), KEPT, process)
            contenders.append(await stack.enter_async_context(ready))
        if not Etcd.is_installed():
            missing.append(("etcd", "not installed (Debian: etcd-server)"))
        else:
            server = Etcd(directory)
            stack.callback(server.stop)
            contenders.append(await stack.enter_async_context(etcd(server)))
        found = [("fdatasync of 4 KiB on this disk", _sync_time(directory / "sync"))]
        for writers in WRITERS:
            rounds = await _rounds(contenders, writers)
            found += [_row(contender, writers, rounds) for contender in contenders]
    return [*found, *missing]


def _run_in(server: Server) -> None:
    """As a server that has been at work: at a checkpoint it keeps some journal files of 16 MiB for what comes, where a
    new one has to be filled with zeros first, for every 13,000 writes."""
    with server.connect() as connection:
        for _ in range(2):
            for _ in range(JOURNAL_FILES):
                connection.execute("SELECT pg_logical_emit_message(false, '', repeat('x', 16000000))")
            connection.execute("CHECKPOINT")


async def _rounds(contenders: list[Contender], writers: int) -> list[dict[str, Figure]]:
    rounds = []
    for number in range(ROUNDS):
        first = number % len(contenders)
        order = [*contenders[first:], *contenders[:first]]
        rounds.append({one.name: await figure(one, writers, SECONDS) for one in order})
    return rounds


def _row(contender: Contender, writers: int, rounds: list[dict[str, Figure]]) -> tuple[str, str]:
    mine = [one[contender.name] for one in rounds]
    rate, p50, p99, here, server = (
        statistics.median(getattr(one, name) for one in mine) for name in ("rate", "p50", "p99", "here", "server")
    )
    what = f"{contender.name}, {writers} writer{'s' if writers > 1 else ''}"
    said = f"{rate:>6,.0f} writes/s  p50 {p50:5.2f} ms  p99 {p99:6.2f} ms  CPU {here:3.0f} + {server:3.0f} µs"
    if contender.name == "etcd" or "etcd" not in rounds[0]:
        return what, said
    ratios = sorted(one[contender.name].rate / one["etcd"].rate for one in rounds)
    return what, f"{said}  {statistics.median(ratios):.1f} × etcd ({ratios[0]:.1f} to {ratios[-1]:.1f})"


def _sync_time(path: Path) -> str:
    """What one commit alone cannot beat."""
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1e3)
    took.sort()
    return f"p50 {took[100]:.2f} ms  p99 {took[198]:.2f} ms"
