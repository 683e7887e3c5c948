"""One connection through the proxy, on 127.0.0.1, under asyncio's loop and under uvloop."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from network.proxy.choice import Balancer
from network.proxy.engine import READ, Engine
from network.proxy.gate import Gate
from network.proxy.stream import CONNECT_SECONDS, SETTLED_SECONDS, Relay, Stream
from network.proxy.table import Backend

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Open = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(main, 20))

    return run


class Front:
    """A listener whose connections are streams to the balancer's backends."""

    def __init__(self, *backends: Backend) -> None:
        self.engine = Engine(asyncio.get_running_loop())
        self.gate = Gate(self.engine)
        self.relay = Relay(self.engine, self.gate)
        self.balancer = Balancer()
        self.balancer.update(backends, None)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.engine.add(self.listener, READ, self._accept)

    def _accept(self, events: int) -> None:
        client, peer = self.listener.accept()
        client.setblocking(False)
        self.gate.enter(Stream(self.relay, client, peer[0], self.balancer))

    async def connect(self) -> Open:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def close(self) -> None:
        self.relay.close()
        self.engine.drop(self.listener)
        self.engine.close()


@asynccontextmanager
async def backend(answer: Answer) -> AsyncIterator[Backend]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield Backend("127.0.0.1", server.sockets[0].getsockname()[1])


def unused() -> Backend:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return Backend("127.0.0.1", one.getsockname()[1])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def nothing_left(front: Front) -> bool:
    for _ in range(200):
        if not front.relay.streams:
            return True
        await asyncio.sleep(0.01)
    return False


def test_small_messages_go_there_and_back_and_the_end_is_passed_on(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with backend(echo) as one:
            front = Front(one)
            reader, writer = await front.connect()
            for n in range(100):
                writer.write(f"message {n}\n".encode())
                assert await reader.readline() == f"message {n}\n".encode()
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            assert await nothing_left(front)
            front.close()

    run(main())


@pytest.mark.parametrize("piece", [700, 1 << 20], ids=["by the buffer", "by the pipe"])
def test_much_data_arrives_whole_and_the_other_half_stays_open(run: Callable[..., None], piece: int) -> None:
    """Everything goes in before anything comes back; both totals have the same hash."""
    total, data = 8 << 20, os.urandom(piece)

    async def after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.read()
        await asyncio.sleep(0.05)
        writer.write(whole)
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with backend(after_the_end) as one:
            front = Front(one)
            reader, writer = await front.connect()
            sent = hashlib.sha256()
            for _ in range(total // piece):
                writer.write(data)
                sent.update(data)
                await writer.drain()
            writer.write_eof()
            assert hashlib.sha256(await reader.read()).digest() == sent.digest()
            writer.close()
            assert await nothing_left(front)
            front.close()

    run(main())


def test_a_stream_that_becomes_small_messages_again_loses_nothing(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with backend(echo) as one:
            front = Front(one)
            reader, writer = await front.connect()
            for size in (1 << 21, *[100] * 50, 1 << 21, *[3] * 50):
                data = os.urandom(size)
                writer.write(data)
                assert await reader.readexactly(size) == data
            writer.close()
            assert await nothing_left(front)
            front.close()

    run(main())


def test_a_reader_that_does_not_read_stops_the_sender(run: Callable[..., None]) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(10)

    async def main() -> None:
        async with backend(deaf) as one:
            front = Front(one)
            near = socket.create_connection(("127.0.0.1", front.port))
            near.setblocking(False)
            sent, quiet = 0, 0
            while quiet < 20:
                try:
                    sent += near.send(bytes(1 << 20))
                    quiet = 0
                except BlockingIOError:
                    quiet += 1
                    await asyncio.sleep(0.01)
            (only,) = front.relay.streams
            assert only.up is not None
            assert len(only.up.rest) <= 1 << 16
            assert sent < 64 << 20
            near.close()
            front.close()

    run(main())


def test_a_backend_that_refuses_is_passed_over_and_with_none_left_the_client_is_reset(
    run: Callable[..., None],
) -> None:
    async def main() -> None:
        async with backend(echo) as one:
            front = Front(unused(), one, unused())
            for _ in range(3):
                reader, writer = await front.connect()
                writer.write(b"early")
                assert await reader.readexactly(5) == b"early"
                writer.close()
            front.balancer.update((unused(),), None)
            with pytest.raises(ConnectionResetError):
                reader, writer = await front.connect()
                await reader.read()
            front.close()

    run(main())


def test_a_backend_that_does_not_answer_is_given_up_for_the_next(run: Callable[..., None]) -> None:
    async def main() -> None:
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        silent = Backend(*full.getsockname())
        async with backend(echo) as alive:
            front = Front(alive, silent)
            reader, writer = await front.connect()
            writer.write(b"early")
            await asyncio.sleep(0.05)
            waiting = [one for one in front.relay.streams if one.up is None]
            for one_stream in waiting:
                one_stream.give_up_waiting()
            assert len(waiting) == 1
            assert await reader.readexactly(5) == b"early"
            writer.close()
            front.close()
        for one in (*fillers, full):
            one.close()

    run(main())


def test_a_reset_on_one_side_is_a_reset_on_the_other(run: Callable[..., None]) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def main() -> None:
        async with backend(reset) as one:
            front = Front(one)
            reader, writer = await front.connect()
            writer.write(b"?")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            assert await nothing_left(front)
            front.close()

    run(main())


def test_a_client_that_goes_while_the_backend_sends_ends_the_backends_side_too(run: Callable[..., None]) -> None:
    ended = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
        except ConnectionError:
            ended.set()

    async def main() -> None:
        async with backend(endless) as one:
            front = Front(one)
            reader, writer = await front.connect()
            await reader.readexactly(1 << 20)
            writer.transport.abort()
            await ended.wait()
            assert await nothing_left(front)
            front.close()

    run(main())


def test_a_connection_that_lasts_is_watched_towards_its_backend_and_a_short_one_does_not_pay(
    run: Callable[..., None],
) -> None:
    async def main() -> None:
        async with backend(echo) as one:
            front = Front(one)
            reader, writer = await front.connect()
            writer.write(b"?")
            await reader.readexactly(1)
            (only,) = front.relay.streams
            assert only.upstream is not None
            now = front.engine.loop.time()
            seen = []
            for later in (1.0, SETTLED_SECONDS + 1):
                front.relay.sweep(now + later)
                seen.append(only.upstream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            assert seen == [0, 1]
            assert not front.relay.young
            writer.close()
            assert await nothing_left(front)
            front.close()

    run(main())


def test_a_backend_that_stays_silent_is_given_up_by_the_sweep(run: Callable[..., None]) -> None:
    async def main() -> None:
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        front = Front(Backend(*full.getsockname()))
        reader, writer = await front.connect()
        while not front.relay.connecting:
            await asyncio.sleep(0.001)
        now = front.engine.loop.time()
        front.relay.sweep(now + CONNECT_SECONDS - 1)
        assert front.relay.connecting
        front.relay.sweep(now + CONNECT_SECONDS + 1)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert (front.relay.connecting, front.gate.taken) == ({}, 0)
        writer.close()
        front.close()
        for one in (*fillers, full):
            one.close()

    run(main())


def test_descriptors_are_counted_while_a_connection_or_its_pipes_are_open(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with backend(echo) as one:
            front = Front(one)
            reader, writer = await front.connect()
            writer.write(b"?")
            await reader.readexactly(1)
            assert (front.gate.taken, front.balancer.open) == (2, 2)
            writer.write(bytes(4 << 20))
            most = 0
            for _ in range(4 << 8):
                await reader.readexactly(1 << 12)
                most = max(most, front.gate.taken)
            assert 4 <= most <= 6
            writer.close()
            assert await nothing_left(front)
            assert (front.gate.taken, front.balancer.open) == (0, 0)
            front.close()

    run(main())
