"""Several masters, real sockets: who is asked when one is gone, silent, or breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from procorch.failover import Failover
from procorch.transport import CONNECTIONS, HttpTransport, Unreachable


class Master:
    """Answers with its name; `silent`, `breaks` and `stop` are its faults."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.silent = self.breaks = False
        self.asked = 0
        self.url = ""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if self.silent:
            await asyncio.sleep(60)
        if self.breaks:
            assert request.transport is not None
            request.transport.abort()
        if request.path == "/watch":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(self.name.encode())
            await asyncio.sleep(60)
        return web.Response(text=self.name)


@asynccontextmanager
async def masters(timeout: float = 5.0) -> AsyncIterator[tuple[Master, Master, Failover]]:
    one, two = Master("one"), Master("two")
    await one.start()
    await two.start()
    transport = Failover([HttpTransport(each.url, timeout=timeout) for each in (one, two)])
    yield one, two, transport
    await transport.close()
    await one.stop()
    await two.stop()


async def ask(transport: Failover, method: str = "GET") -> str:
    return (await transport.send(method, "/")).body.decode()


async def test_one_is_asked_while_it_answers() -> None:
    async with masters() as (_, two, transport):
        assert [await ask(transport) for _ in range(3)] == ["one"] * 3
        assert two.asked == 0


async def test_one_that_is_gone_costs_nothing_and_is_not_asked_again() -> None:
    async with masters() as (one, _, transport):
        await one.stop()
        assert [await ask(transport, "POST"), await ask(transport)] == ["two", "two"]


async def test_what_was_lost_on_the_way_is_not_sent_twice() -> None:
    async with masters() as (one, two, transport):
        one.breaks = True
        with pytest.raises(Unreachable) as raised:
            await ask(transport, "POST")

        assert raised.value.received
        assert (one.asked, two.asked) == (1, 0)
        assert await ask(transport, "POST") == "two"


async def test_one_that_is_silent_is_given_up_and_its_streams_end() -> None:
    async with masters(timeout=0.3) as (one, _, transport), asyncio.timeout(10):
        async with transport.stream("GET", "/watch") as answer:
            assert await anext(answer.chunks) == b"one"
            one.silent = True
            with pytest.raises(Unreachable):
                await ask(transport)
            with pytest.raises(Unreachable):
                await anext(answer.chunks)
        async with transport.stream("GET", "/watch") as answer:
            assert await anext(answer.chunks) == b"two"


async def test_where_none_answers_that_is_said() -> None:
    async with masters() as (one, two, transport):
        await one.stop()
        await two.stop()
        with pytest.raises(Unreachable) as raised:
            await ask(transport)

        assert not raised.value.received


async def test_who_waits_at_a_stream_of_a_master_that_was_given_up_is_woken() -> None:
    """All but the first to notice wait at connections that this side closes: no byte and no end comes on those."""
    async with masters(timeout=0.3) as (one, _, transport), asyncio.timeout(10), asyncio.TaskGroup() as readers:
        begun = [asyncio.Event() for _ in range(3)]

        async def read(begun: asyncio.Event) -> None:
            async with transport.stream("GET", "/watch") as answer:
                assert await anext(answer.chunks) == b"one"
                begun.set()
                with pytest.raises(Unreachable):
                    await anext(answer.chunks)

        for each in begun:
            readers.create_task(read(each))
        for each in begun:
            await each.wait()
        one.silent = True
        with pytest.raises(Unreachable):
            await ask(transport)


async def test_who_waits_for_an_answer_or_a_connection_when_a_master_is_given_up_is_told() -> None:
    """Of more callers than there are connections nobody is left waiting, and nobody's task is cancelled."""
    async with masters(timeout=0.3) as (one, _, transport), asyncio.timeout(10):
        one.silent = True
        first = asyncio.gather(ask(transport), return_exceptions=True)
        while one.asked == 0:
            await asyncio.sleep(0.001)
        later = asyncio.gather(*(ask(transport) for _ in range(CONNECTIONS + 4)), return_exceptions=True)
        answers = [*await first, *await later]

        assert {type(answer) for answer in answers} == {Unreachable}
        assert one.asked == CONNECTIONS  # the rest had none
        assert await ask(transport) == "two"
