"""One connection: requests that begin and do not end, one after another, and several at a time."""

from __future__ import annotations

import asyncio
import logging

import orjson
import pytest

from procorch.api import connection

ASK = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


async def connect(served):
    context = served.context("kubernetes-admin", "system:masters")
    return await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context)


async def answer(reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


async def test_a_later_request_that_begins_and_does_not_end_is_closed(served, monkeypatch):
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.1)
    reader, writer = await connect(served)
    for _ in range(2):
        writer.write(ASK)
        assert b" 200 " in await answer(reader)
    writer.write(b"GET /api HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_an_idle_connection_is_kept_longer_than_headers_may_take(served, monkeypatch):
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.1)
    reader, writer = await connect(served)
    writer.write(ASK)
    await answer(reader)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.4)
    writer.write(ASK)

    assert b" 200 " in await answer(reader)
    writer.close()


async def test_requests_that_come_together_are_answered_in_turn(served):
    reader, writer = await connect(served)
    writer.write(ASK + ASK.replace(b"/livez", b"/nothing") + ASK)

    assert [int((await answer(reader)).split()[1]) for _ in range(3)] == [200, 404, 200]
    writer.close()


async def test_what_is_no_http_gets_a_status_and_one_line(served, caplog):
    reader, writer = await connect(served)
    with caplog.at_level(logging.INFO):
        writer.write(b"BREW /coffee HTTP/1.1\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    assert b" 400 " in head and orjson.loads(body)["reason"] == "BadRequest"
    assert [record.message for record in caplog.records] == ["no HTTP was received"]
