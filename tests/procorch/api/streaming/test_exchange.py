"""HTTP/1.1 and TLS over a stream of bytes, against a real server's sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from procorch.api.streaming.exchange import Exchange, connected


class Socket:
    """A connection as a node's stream has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> bytes:
        return await self.reader.read(65536)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


async def answering(answer: bytes, context: ssl.SSLContext | None = None) -> tuple[asyncio.Server, list[bytes]]:
    """A server that reads a request and answers."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readuntil(b"\r\n\r\n")
        if b"chunked" in data:
            data += await reader.readuntil(b"0\r\n\r\n")
        asked.append(data)
        writer.write(answer)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context), asked


async def ask(server: asyncio.Server, scheme: str = "http", body: AsyncIterator[bytes] | None = None):
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    exchange = Exchange(await connected(Socket(reader, writer), scheme))  # type: ignore[arg-type]
    headers = [("Host", "x")] + ([("Transfer-Encoding", "chunked")] if body is not None else [])
    try:
        async with asyncio.timeout(10):
            head = await exchange.ask("GET" if body is None else "POST", "/p", headers, body)
            return head.status_code, b"".join([piece async for piece in exchange.pieces()])
    finally:
        writer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_answers(answer):
    server, asked = await answering(answer)
    async with server:
        assert await ask(server) == (200, b"hello")
    assert asked == [b"GET /p HTTP/1.1\r\nHost: x\r\n\r\n"]


async def test_a_body_in_pieces():
    async def body() -> AsyncIterator[bytes]:
        for piece in (b"one", b"", b"two"):
            yield piece

    server, asked = await answering(b"HTTP/1.1 204 No Content\r\n\r\n")
    async with server:
        assert await ask(server, body=body()) == (204, b"")
    assert asked[0].endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "is not HTTP/1.1"),
    ],
)
async def test_servers_that_break_off_or_speak_something_else(answer, why):
    server, _ = await answering(answer)
    async with server:
        with pytest.raises(ConnectionError, match=why):
            await ask(server)


async def test_over_tls(credentials):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.directory / "apiserver.crt", credentials.directory / "apiserver.key")
    big = b"x" * 1_000_000
    server, _ = await answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + big, context)
    async with server:
        assert await ask(server, "https") == (200, big)


async def test_no_tls_behind_https():
    server, _ = await answering(b"HTTP/1.1 200 OK\r\n\r\n")
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n\r\n")
        with pytest.raises(ConnectionError, match="TLS"):
            await connected(Socket(reader, writer), "https")  # type: ignore[arg-type]
        writer.close()
