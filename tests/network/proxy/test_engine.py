"""The epoll under the loop: batches, fairness, and handlers that fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from network.proxy.engine import EDGE, READ, WRITE, Engine


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(asyncio.get_running_loop())
    yield made
    made.close()


async def test_a_handler_hears_of_its_socket(engine: Engine) -> None:
    near, far = socket.socketpair()
    heard = asyncio.Event()
    engine.add(near, READ | EDGE, lambda events: heard.set())
    far.send(b"x")
    await asyncio.wait_for(heard.wait(), 5)
    engine.drop(near)
    far.close()


async def test_a_handler_that_fails_is_told_of_and_the_others_go_on(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    heard = asyncio.Event()
    engine.add(pairs[0][0], WRITE | EDGE, lambda events: 1 // 0)  # type: ignore[arg-type,return-value]
    engine.add(pairs[1][0], WRITE | EDGE, lambda events: heard.set())
    await asyncio.wait_for(heard.wait(), 5)

    assert "a connection's handler failed" in caplog.text
    for near, far in pairs:
        engine.drop(near)
        far.close()


async def test_a_dropped_socket_is_closed_after_the_batch_so_that_its_number_is_not_mistaken(engine: Engine) -> None:
    near, far = socket.socketpair()
    engine.add(near, READ, lambda events: None)
    engine.drop(near)
    still = near.fileno()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert still >= 0
    assert near.fileno() == -1
    far.close()


async def test_what_is_done_again_lets_the_loop_breathe_between(engine: Engine) -> None:
    turns: list[str] = []

    def busy() -> None:
        turns.append("busy")
        if turns.count("busy") < 3:
            engine.again(busy)

    engine.again(busy)
    for _ in range(4):
        await asyncio.sleep(0)
        turns.append("loop")

    assert turns[:5] == ["busy", "loop", "busy", "loop", "busy"]


async def test_after_the_end_nothing_is_called_any_more(engine: Engine) -> None:
    loop = asyncio.get_running_loop()
    troubles: list[object] = []
    loop.set_exception_handler(lambda _, context: troubles.append(context))
    near, far = socket.socketpair()
    engine.add(near, READ, lambda events: None)
    engine.again(lambda: troubles.append("called"))
    engine.drop(near)
    engine.close()
    await asyncio.sleep(0.01)

    assert (troubles, near.fileno()) == ([], -1)
    far.close()


async def test_a_paused_listener_is_silent_and_then_heard_again(engine: Engine) -> None:
    near, far = socket.socketpair()
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[float] = loop.create_future()

    def on_read(events: int) -> None:
        near.recv(10)
        heard.set_result(loop.time())

    engine.add_first(near, READ, on_read)
    started = loop.time()
    engine.pause(near, 0.1, READ)
    far.send(b"x")

    assert await asyncio.wait_for(heard, 5) - started >= 0.09
    engine.drop(near)
    far.close()


async def test_a_listener_has_its_turn_in_every_batch_however_many_others_are_busy(engine: Engine) -> None:
    """Six hundred sockets that always have something to say, and a listener: it is not behind all of them."""
    busy = [socket.socketpair() for _ in range(600)]
    heard = {"busy": 0}

    def on_busy(events: int) -> None:
        heard["busy"] += 1

    for near, far in busy:
        far.send(b"x")
        engine.add(near, READ, on_busy)
    client, seen = socket.socket(), asyncio.get_running_loop().create_future()

    def on_client(events: int) -> None:
        if not seen.done():
            seen.set_result(heard["busy"])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        engine.add_first(listener, READ, on_client)
        while heard["busy"] < 1000:
            await asyncio.sleep(0)
        before = heard["busy"]
        client.connect(listener.getsockname())
        after = await asyncio.wait_for(seen, 5)
        engine.drop(listener)
    for near, far in busy:
        engine.drop(near)
        far.close()
    client.close()

    assert after - before <= 512


async def test_a_socket_can_be_given_to_another_handler_and_be_asked_for_more_events(engine: Engine) -> None:
    near, far = socket.socketpair()
    heard: list[str] = []
    engine.add(near, READ | EDGE, lambda events: heard.append("first"))
    engine.hand(near, lambda events: heard.append("second"))
    engine.change(near, READ | WRITE | EDGE)
    while not heard:
        await asyncio.sleep(0.001)
    engine.drop(near)
    far.close()

    assert heard == ["second"]
