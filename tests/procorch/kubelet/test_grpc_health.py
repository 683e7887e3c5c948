"""gRPC's health protocol: a server out of h2 that answers as a test says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import pytest

from procorch.kubelet.grpc_health import check

Headers = list[tuple[str, str]]
OK_HEADERS: Headers = [(":status", "200"), ("content-type", "application/grpc")]


@asynccontextmanager
async def server(headers: Headers, body: bytes, trailers: Headers) -> AsyncIterator[tuple[int, list[object]]]:
    """Its port, and what it was asked: headers and the message. No headers: the connection ends."""
    asked: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        talk.initiate_connection()
        writer.write(talk.data_to_send())
        while data := await reader.read(65536):
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    asked.append(dict(event.headers))
                elif isinstance(event, h2.events.DataReceived):
                    asked.append(event.data)
                elif isinstance(event, h2.events.StreamEnded):
                    if not headers:
                        return writer.close()
                    talk.send_headers(event.stream_id, headers, end_stream=not (body or trailers))
                    if body:
                        talk.send_data(event.stream_id, body, end_stream=not trailers)
                    if trailers:
                        talk.send_headers(event.stream_id, trailers, end_stream=True)
            writer.write(talk.data_to_send())
        writer.close()

    made = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with made:
        yield made.sockets[0].getsockname()[1], asked


async def ask(port: int, service: str = "") -> tuple[bool, str]:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    async with asyncio.timeout(5):
        return await check(made, f"127.0.0.1:{port}", service, 1.5, "kube-probe/1.37")


def message(*payload: int) -> bytes:
    return bytes([0, 0, 0, 0, len(payload), *payload])


GOOD: Headers = [("grpc-status", "0")]


@pytest.mark.parametrize(
    ("headers", "body", "trailers", "answer"),
    [
        pytest.param(OK_HEADERS, message(8, 1), GOOD, (True, ""), id="it serves"),
        pytest.param(
            OK_HEADERS, message(8, 2), GOOD, (False, 'service unhealthy (responded with "NOT_SERVING")'), id="not now"
        ),
        pytest.param(OK_HEADERS, message(), GOOD, (False, 'service unhealthy (responded with "UNKNOWN")'), id="empty"),
        pytest.param(OK_HEADERS, message(0x12, 1, 65, 8, 1), GOOD, (True, ""), id="beside a field that is not known"),
        pytest.param(
            [*OK_HEADERS, ("grpc-status", "5"), ("grpc-message", "unknown%20service")], b"", [],
            (False, "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"),
            id="no such service",
        ),
        pytest.param(
            [*OK_HEADERS, ("grpc-status", "12"), ("grpc-message", "unknown service grpc.health.v1.Health")], b"", [],
            (
                False,
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
                "rpc error: code = Unimplemented desc = unknown service grpc.health.v1.Health",
            ),
            id="it knows nothing of health",
        ),
        pytest.param(
            [(":status", "404")], b"", [("x", "y")],
            (
                False,
                "error: health rpc probe failed: rpc error: code = Unknown desc = "
                "unexpected HTTP status code received from server: 404",
            ),
            id="it speaks HTTP/2 and no gRPC",
        ),
        pytest.param(
            OK_HEADERS, b"\0\0\0\0\x09\x08\x01", GOOD,
            (
                False,
                "error: health rpc probe failed: rpc error: code = Unknown desc = the answer is not one plain message",
            ),
            id="cut short",
        ),
        pytest.param(
            OK_HEADERS, message(8, 0x80), GOOD,
            (
                False,
                "error: health rpc probe failed: rpc error: code = Unknown desc = "
                "the answer is no HealthCheckResponse",
            ),
            id="nonsense",
        ),
    ],
)  # fmt: skip
async def test_answers(headers: Headers, body: bytes, trailers: Headers, answer: tuple[bool, str]) -> None:
    async with server(headers, body, trailers) as (port, _):
        assert await ask(port) == answer


async def test_the_question() -> None:
    name = "a" * 130
    async with server(OK_HEADERS, message(8, 1), GOOD) as (port, asked):
        await ask(port, name)

    headers, body = asked
    assert isinstance(headers, dict)
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert headers[":authority"] == f"127.0.0.1:{port}"
    assert (headers["user-agent"], headers["grpc-timeout"]) == ("kube-probe/1.37", "1500m")
    assert body == b"\0\0\0\0\x85\x0a\x82\x01" + name.encode()


async def test_a_server_that_hangs_up() -> None:
    async with server([], b"", []) as (port, _):
        good, heard = await ask(port)

    assert not good
    assert heard.startswith("error: health rpc probe failed: rpc error: code = Unavailable desc = ")


async def test_a_flood_is_cut_off() -> None:
    headers = [*OK_HEADERS, *((f"x-{number}", "y" * 4000) for number in range(20))]
    async with server(headers, message(8, 1), GOOD) as (port, _):
        good, heard = await ask(port)

    assert not good
    assert heard.startswith("error: health rpc probe failed: rpc error: code = Un")


async def test_who_speaks_http_1() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    made = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with made:
        good, heard = await ask(made.sockets[0].getsockname()[1])

    assert not good
    assert heard.startswith("error: health rpc probe failed: rpc error: code = Unavailable")
