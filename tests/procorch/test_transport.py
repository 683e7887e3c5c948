"""The transport over HTTP: credentials, warnings, errors that are not the API's, lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web

from procorch.client import Client
from procorch.objects import Expired, TooManyRequests, Unauthorized
from procorch.transport import HttpTransport, Unreachable


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """Answers by its path; what arrives is sent back."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/api/v1/namespaces/d/configmaps/echo":
                headers = {"Warning": '299 - "one \\"quoted\\"", 299 - "two"'}
                return web.json_response(
                    {"headers": dict(request.headers), "query": dict(request.query)}, headers=headers
                )
            case "/api/v1/namespaces/d/configmaps/proxy":
                return web.Response(status=401, text="who are you")
            case "/api/v1/namespaces/d/configmaps/busy":
                status = {"kind": "Status", "reason": "TooManyRequests", "message": "later", "code": 429}
                return web.json_response(status, status=429, headers={"Retry-After": "7"})
            case "/api/v1/configmaps":
                status = {"kind": "Status", "reason": "Expired", "message": "too old", "code": 410}
                return web.json_response(status, status=410)
            case "/api/v1/namespaces/d/pods/slow/log":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"begun")
                await asyncio.sleep(60)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def remote(server: str) -> AsyncIterator[Client]:
    transport = HttpTransport(server, token="secret")
    yield Client(transport, user_agent="test/1")
    await transport.close()


async def test_requests_carry_who_asks_and_warnings_come_back(remote: Client) -> None:
    warnings: list[str] = []
    remote.on_warning = warnings.append
    seen = await remote.get("ConfigMap", "d/echo", query={"a": "b c&d"})

    assert seen["headers"]["Authorization"] == "Bearer secret"
    assert seen["headers"]["User-Agent"] == "test/1"
    assert seen["query"] == {"a": "b c&d"}
    assert warnings == ['one "quoted"', "two"]


async def test_an_answer_that_is_not_our_apis_is_still_an_error_with_its_code(remote: Client) -> None:
    with pytest.raises(Unauthorized, match="who are you"):
        await remote.get("ConfigMap", "d/proxy")


async def test_how_long_to_wait_is_read_from_the_header(remote: Client) -> None:
    with pytest.raises(TooManyRequests) as refused:
        await remote.get("ConfigMap", "d/busy")
    assert refused.value.retry_after == 7


async def test_a_watch_that_is_refused_raises_what_was_said(remote: Client) -> None:
    with pytest.raises(Expired):
        async with aclosing(remote.watch("ConfigMap", resource_version="1")) as events:
            async for _ in events:
                pass


async def test_a_broken_connection_and_a_closed_port_are_unreachable(remote: Client) -> None:
    with pytest.raises(Unreachable):
        await remote.get("ConfigMap", "d/abort")
    closed = HttpTransport("http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        await Client(closed).get("ConfigMap", "d/a")
    await closed.close()


async def test_closing_ends_what_is_under_way_whatever_it_waits_for(server: str) -> None:
    transport = HttpTransport(server)
    begun = asyncio.Event()

    async def follow() -> None:
        async with transport.stream("GET", "/api/v1/namespaces/d/pods/slow/log") as answer:
            async for _ in answer.chunks:
                begun.set()

    async def call() -> None:
        await transport.send("GET", "/api/v1/namespaces/d/pods/slow/log")  # the head comes, the body does not end

    async with asyncio.timeout(10):
        waiting = asyncio.gather(follow(), call(), return_exceptions=True)
        await begun.wait()
        await transport.close()
        ends = await waiting

    assert [type(end) for end in ends] == [Unreachable, Unreachable]
