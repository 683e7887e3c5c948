"""The node's end of the link: dialled again when it breaks, and requests find who answers them."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import store
from procorch import pki
from procorch.api import Api, ApiConfig
from procorch.api.http import serve, server_context
from procorch.kubelet.dial import answer, dial
from procorch.kubelet.join import Credentials
from procorch.link import Stream
from procorch.objects import ServiceUnavailable


class Answer:
    """A stream's end: what was answered."""

    def __init__(self) -> None:
        self.status = 0
        self.text = b""

    async def respond(self, head: dict[str, Any]) -> None:
        self.status = head["status"]

    async def write(self, data: bytes) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("header", "status", "text"),
    [
        pytest.param({"method": "GET", "path": "/say/a%2Fb/c?x=1&y=%26"}, 200, "['a/b', 'c'] x=1 y=&", id="found"),
        pytest.param({"method": "GET", "path": "/other/a"}, 404, "this node does not serve GET /other", id="nobody"),
        pytest.param({"method": "PUT", "path": "/say/a"}, 404, "this node does not serve PUT /say", id="not asked so"),
        pytest.param({}, 404, "this node does not serve None /", id="nothing asked"),
    ],
)
async def test_a_request_finds_who_answers_it(header: dict[str, Any], status: int, text: str) -> None:
    async def say(steps: list[str], query: Mapping[str, str], stream: Stream) -> None:
        await stream.respond({"status": 200, "headers": {}})
        await stream.write(" ".join([str(steps), *(f"{name}={value}" for name, value in query.items())]).encode())

    got = Answer()
    await answer(header, got, {"say": say})  # type: ignore[arg-type]

    assert (got.status, got.text.decode()) == (status, text)


class Master:
    """The real API over https; it may go away and come back at the same port."""

    def __init__(self, api: Api, directory: Path) -> None:
        self.api = api
        self._directory = directory / "pki"
        self.authority = pki.Authority.open(self._directory, time.time())
        pki.server_pair(self._directory, self.authority, ["127.0.0.1"], time.time())
        self.port = 0

    async def listen(self) -> None:
        pair = self._directory / "apiserver.crt", self._directory / "apiserver.key"
        self._listener = await serve(self.api, "127.0.0.1", self.port, server_context(*pair, self.authority.pem))
        self.port = self._listener.port

    async def go(self) -> None:
        self.api.links.close()
        await self._listener.close(0)

    def context(self, node: str) -> ssl.SSLContext:
        """As that node speaks with the master."""
        pair = self.authority.issue_client(f"system:node:{node}", ["system:nodes"], time.time())
        credentials = Credentials(self._directory / node)
        credentials.directory.mkdir()
        credentials.save(self.authority.pem, pair.key, pair.certificate)
        return credentials.context()

    async def ask(self, path: str) -> str:
        """Of the node `one`, as soon as it is linked."""
        async with asyncio.timeout(10):
            while True:
                try:
                    body = await self.api.links.request("one", "GET", path)
                    return b"".join([piece async for piece in body]).decode()
                except ServiceUnavailable:
                    await asyncio.sleep(0.01)


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[Master]:
    log = await store.Log.open(":memory:")
    api = Api(log, config=ApiConfig())
    await api.start()
    master = Master(api, tmp_path)
    await master.listen()
    yield master
    await master.go()
    await api.close()
    await log.close()


async def say(steps: list[str], query: Mapping[str, str], stream: Stream) -> None:
    await stream.respond({"status": 200, "headers": {}})
    await stream.write(f"{steps} {dict(query)}".encode())


@asynccontextmanager
async def dialled(master: Master, node: str) -> AsyncIterator[None]:
    server = f"https://127.0.0.1:{master.port}"
    task = asyncio.get_running_loop().create_task(dial(server, node, master.context(node), {"say": say}))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_master_reaches_the_node_on_the_connection_that_the_node_made(master: Master) -> None:
    async with dialled(master, "one"):
        assert await master.ask("/say/a?x=1") == "['a'] {'x': '1'}"


async def test_a_master_that_comes_back_is_dialled_again(master: Master) -> None:
    async with dialled(master, "one"):
        await master.ask("/say/a")
        await master.go()
        await master.listen()

        assert await master.ask("/say/b") == "['b'] {}"


async def test_many_are_answered_at_once(master: Master) -> None:
    async with dialled(master, "one"):
        await master.ask("/say/a")
        answers = await asyncio.gather(*(master.ask(f"/say/{number}") for number in range(20)))

    assert answers == [f"['{number}'] {{}}" for number in range(20)]
