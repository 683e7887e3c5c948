"""An API server in a process of its own, and cheap clients: bare connections that send prepared bytes.

A client library costs more than the server does, and both have two cores. Here a request costs some 30 µs, TLS
included, and what it costs is said apart.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
import uvloop

import store
from procorch import pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.api.http import serve, server_context
from procorch.client import Client

SECONDS = 3.0
_LENGTH, _END = b"content-length: ", b"\r\n\r\n"


async def serving(directory: Path) -> None:
    """The server's process: says its port, and serves until it is killed."""
    authority = pki.Authority.open(directory, time.time())
    pki.server_pair(directory, authority, ["127.0.0.1"], time.time())
    log = await store.Log.open(str(directory / "log.db"))
    api = Api(log, config=ApiConfig(ca_pem=authority.pem))
    await api.start()
    client = Client(LocalTransport(api, User("bench", (MASTERS,))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    files = directory / "apiserver.crt", directory / "apiserver.key"
    listener = await serve(api, "127.0.0.1", 0, server_context(*files, authority.pem))
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as a master does
    print(listener.port, flush=True)
    await asyncio.Event().wait()


@contextmanager
def server(directory: Path) -> Iterator[tuple[int, psutil.Process]]:
    """An API in a process of its own: its port and the process."""
    process = subprocess.Popen([sys.executable, "-m", "bench.load", directory], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def administrator(directory: Path) -> ssl.SSLContext:
    """What a client needs that may do everything on that server."""
    authority = pki.Authority.open(directory, time.time())
    pair = authority.issue_client("admin", [MASTERS], time.time())
    (directory / "admin.crt").write_bytes(pair.certificate)
    (directory / "admin.key").write_bytes(pair.key)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.load_cert_chain(directory / "admin.crt", directory / "admin.key")
    return context


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    content: str = "application/json",
    accept: str = "application/json",
    query: dict[str, str] | None = None,
    encoding: str = "identity",
) -> bytes:
    """The bytes of one request. content: its Content-Type."""
    asked = f"?{urlencode(query)}" if query else ""
    head = f"{method} {path}{asked} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: {accept}\r\n"
    head += f"Accept-Encoding: {encoding}\r\n"
    if body:
        head += f"Content-Type: {content}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One request after the other, whose answers have a length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._missing = 0
        self._answer: asyncio.Future[bytes] | None = None
        self.status = 0

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext) -> Connection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, "127.0.0.1", port, ssl=context))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TLS connection's is one

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server has closed the connection"))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    async def send(self, prepared: bytes) -> bytes:
        """The body of the answer. Raises RuntimeError for a refusal."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(prepared)
        body = await self._answer
        if self.status not in (200, 201):
            raise RuntimeError(f"{self.status}: {body[:1000].decode()}")
        return body

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            head, mark, data = (b"".join(self._parts) + data).partition(_END)
            if not mark:  # the head is not whole yet
                self._parts = [head]
                return
            self._parts = []
            self.status = int(head[9:12])
            at = head.lower().find(_LENGTH)
            if at < 0:
                raise RuntimeError(f"an answer without a length: {head.decode()}")
            self._missing = int(head[at + len(_LENGTH) :].partition(b"\r\n")[0])
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing <= 0 and self._answer is not None:
            body, self._parts, self._missing = b"".join(self._parts), [], 0
            self._answer.set_result(body)


@dataclass(frozen=True, slots=True)
class Place:
    """A server under load: where it is, its process, and the certificate that lets everything in."""

    port: int
    process: psutil.Process
    context: ssl.SSLContext

    async def connect(self) -> Connection:
        return await Connection.open(self.port, self.context)

    def cpu(self) -> float:
        """Seconds of all the server's threads, to the nanosecond; psutil's are in hundredths."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    async def rate(self, make: Callable[[int, int], bytes], clients: int, times: int = 0) -> Rate:
        """So many clients send, each the next request when the last one is answered.

        make: the request of one client, and how many it has sent before. times: of all of them; 0 for SECONDS.
        """
        connections = [await self.connect() for _ in range(clients)]
        waits: list[float] = []
        share = -(-times // clients)
        used, own = self.cpu(), time.process_time()
        end = time.perf_counter() + SECONDS

        async def one(client: int, connection: Connection) -> None:
            for number in itertools.count():
                if number == share if times else time.perf_counter() >= end:
                    return
                prepared = make(client, number)
                begun = time.perf_counter()
                await connection.send(prepared)
                waits.append(time.perf_counter() - begun)

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for client, connection in enumerate(connections):
                group.create_task(one(client, connection))
        took, count = time.perf_counter() - begun, len(waits)
        rate = Rate(count / took, sorted(waits), (self.cpu() - used) / count, (time.process_time() - own) / count)
        for connection in connections:
            connection.close()
        return rate


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, how long each took, and seconds of CPU for one: the server's, and the clients' own."""

    each_second: float
    waits: list[float]
    server: float
    load: float

    def __str__(self) -> str:
        cpu = f"CPU: server {self.server * 1e6:.0f} µs, clients {self.load * 1e6:.0f} µs each"
        return f"{self.each_second:,.0f}/s  {percentiles(self.waits)}  {cpu}"

    @property
    def waiting(self) -> str:
        """The same for one client, whose requests a second say nothing more."""
        return f"{percentiles(self.waits)}  CPU: server {self.server * 1e6:.0f} µs"


def percentiles(waits: list[float]) -> str:
    waits = sorted(waits)
    p50, p99 = waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000
    return f"p50 {p50:.2f} ms  p99 {p99:.2f} ms"


if __name__ == "__main__":
    uvloop.run(serving(Path(sys.argv[1])))
