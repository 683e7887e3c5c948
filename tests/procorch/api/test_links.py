"""Nodes that have dialled in: two Links back to back, without a socket."""

from __future__ import annotations

import asyncio

import pytest

from procorch.api import links as links_module
from procorch.api.links import Links
from procorch.link import Link
from procorch.objects import ApiError, NotFound, ServiceUnavailable


class Pipe:
    """Messages one way."""

    def __init__(self):
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def send(self, message):
        await self.queue.put(message)

    async def messages(self):
        while (message := await self.queue.get()) is not None:
            yield message


async def dial(links, accept, group):
    """A node `n` whose requests are answered by `accept`; gives a function that hangs up."""
    to_node, to_master = Pipe(), Pipe()
    node = Link(to_master.send, accept=accept, first_id=1)
    group.create_task(links.serve("n", to_node.send, to_master.messages()))
    group.create_task(node.run(to_node.messages()))
    await asyncio.sleep(0)

    async def hang_up():
        await to_node.queue.put(None)
        await to_master.queue.put(None)

    return hang_up


async def test_a_request_is_answered_piece_by_piece():
    async def accept(header, stream):
        await stream.respond({"status": 200, "headers": {}})
        await stream.write(header["path"].encode())
        await stream.write(b"!")
        await stream.end()

    links = Links()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        hang_up = await dial(links, accept, group)
        body = await links.request("n", "GET", "/x")
        assert b"".join([chunk async for chunk in body]) == b"/x!"
        await hang_up()
    assert not links


@pytest.mark.parametrize("reads", [0, 1], ids=["before anything was read", "after the first piece"])
async def test_leaving_early_tells_the_node_to_stop(reads):
    stopped = asyncio.Event()

    async def accept(header, stream):
        await stream.respond({"status": 200, "headers": {}})
        try:
            while True:
                await stream.write(b"x" * 1000)
        finally:
            stopped.set()

    links = Links()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        hang_up = await dial(links, accept, group)
        body = await links.request("n", "GET", "/x")
        for _ in range(reads):
            await anext(body)
        await body.aclose()
        await stopped.wait()
        await hang_up()


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (500, ApiError)])
async def test_what_a_node_refuses_keeps_its_words(status, error):
    async def accept(header, stream):
        await stream.respond({"status": status, "headers": {}})
        await stream.write(b"its words")
        await stream.end()

    links = Links()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        hang_up = await dial(links, accept, group)
        with pytest.raises(ApiError, match="its words") as refused:
            await links.request("n", "GET", "/x")
        await hang_up()
    assert refused.value.code == status


async def test_a_node_that_does_not_answer_and_one_that_is_not_there(monkeypatch):
    monkeypatch.setattr(links_module, "ANSWER_SECONDS", 0.05)

    async def accept(header, stream):
        await asyncio.sleep(60)

    links = Links()
    with pytest.raises(ServiceUnavailable, match="is not connected"):
        await links.request("n", "GET", "/x")
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        hang_up = await dial(links, accept, group)
        with pytest.raises(ServiceUnavailable, match="does not answer"):
            await links.request("n", "GET", "/x")
        await hang_up()
