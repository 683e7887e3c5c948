"""One connection: requests that begin and do not end, one after another, and several at a time."""

from __future__ import annotations

import asyncio
import logging

import orjson
import pytest

from procorch.api import connection
from procorch.api.request import Response

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


async def test_an_answer_says_what_http_asks_for_however_it_is_sent(served):
    """Those that are written at once, and those that aiohttp writes: HEAD, HTTP/1.0, the last of a connection."""
    seen = {}
    for name, request in (
        ("at once", ASK),
        ("HEAD", ASK.replace(b"GET", b"HEAD")),
        ("1.0", ASK.replace(b"1.1", b"1.0")),
        ("last", ASK.replace(b"Host", b"Connection: close\r\nHost")),
    ):
        reader, writer = await connect(served)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        body = b"" if name == "HEAD" else await reader.readexactly(2)
        stays = name in ("at once", "HEAD")
        if stays:
            writer.write(ASK)
            assert b" 200 " in await answer(reader)
        else:
            assert await reader.read() == b""
        seen[name] = (head[0], {line.partition(":")[0] for line in head[1:] if line}, body)
        writer.close()
    must = {"date", "content-length", "content-type", "audit-id", "cache-control"}

    assert all(must <= headers for _, headers, _ in seen.values())
    assert seen["at once"][0] == "http/1.1 200 ok" and seen["1.0"][0] == "http/1.0 200 ok"
    assert [body for _, _, body in seen.values()] == [b"ok", b"", b"ok", b"ok"]


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"])
def test_a_header_that_would_become_two_is_not_sent(value):
    answered = connection._AtOnce(Response(200, {"Warning": value}, b"{}"))

    with pytest.raises(ValueError, match="line end"):
        answered.encoded()


def test_what_a_client_has_said_comes_back_byte_by_byte():
    said = b"caf\xe9".decode("utf-8", "surrogateescape")

    assert b"\r\nAudit-Id: caf\xe9\r\n" in connection._AtOnce(Response(200, {"Audit-Id": said}, b"")).encoded()


async def test_a_declined_upgrade_is_answered_and_what_comes_behind_it_too(served):
    reader, writer = await connect(served)
    writer.write(ASK.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: websocket\r\nHost") + ASK)

    assert [int((await answer(reader)).split()[1]) for _ in range(2)] == [200, 200]
    writer.close()
