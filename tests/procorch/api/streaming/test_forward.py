"""port-forward: pairs of SPDY streams, SPDY in a WebSocket, and the channels of a WebSocket."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from .spdy_client import SpdyClient

TUNNEL = "SPDY/3.1+portforward.k8s.io"


class Over:
    """A SPDY client over a connection, with what it has heard so far."""

    def __init__(self, send, receive) -> None:
        self.client = SpdyClient()
        self.send, self.receive = send, receive

    async def flush(self) -> None:
        await self.send(self.client.take())

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.client.feed(await self.receive())

    def pair(self, port: int, request: int) -> tuple[int, int]:
        about = {"port": str(port), "requestid": str(request)}
        return self.client.open(streamtype="error", **about), self.client.open(streamtype="data", **about)


@pytest.fixture(params=["spdy", "tunnel"])
async def over(request, streams):
    if request.param == "tunnel":
        socket = await streams.websocket("portforward", TUNNEL)
        assert socket.protocol == TUNNEL

        async def receive() -> bytes:
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.BINARY
            return message.data

        yield Over(socket.send_bytes, receive)
        await socket.close()
        return
    head, reader, writer = await streams.raw("portforward", "portforward.k8s.io")
    assert b"X-Stream-Protocol-Version: portforward.k8s.io" in head

    async def send(data: bytes) -> None:
        writer.write(data)

    yield Over(send, lambda: reader.read(65536))
    writer.transport.abort()


async def test_a_connection_both_ways_with_half_closes(over):
    error, data = over.pair(80, 0)
    over.client.send(data, b"hello", fin=True)
    over.client.send(error, b"", fin=True)
    await over.flush()
    await over.until(lambda: data in over.client.ended and error in over.client.ended)

    assert over.client.data[data] == b"port 80:HELLO"
    assert over.client.data[error] == b""


async def test_many_connections_at_once(over):
    pairs = [over.pair(1000 + number, number) for number in range(20)]
    await over.flush()
    for number, (_, data) in enumerate(pairs):
        over.client.send(data, b"n%d" % number, fin=True)
    await over.flush()
    await over.until(lambda: len(over.client.ended) == 40)

    assert [over.client.data[data] for _, data in pairs] == [
        b"port %d:N%d" % (1000 + number, number) for number in range(20)
    ]


async def test_a_refused_connection_is_told_and_the_others_go_on(over):
    refused, good = over.pair(9999, 0), over.pair(80, 1)
    await over.flush()
    await over.until(lambda: over.client.data[refused[0]] and over.client.data[good[1]])

    why = b"error forwarding port 9999 to pod: failed to connect to localhost:9999: connection refused"
    assert over.client.data[refused[0]] == why
    over.client.send(good[1], b"x", fin=True)
    await over.flush()
    await over.until(lambda: good[1] in over.client.ended)
    assert over.client.data[good[1]] == b"port 80:X"


async def test_the_channels_of_a_websocket(streams):
    socket = await streams.websocket("portforward?ports=80&ports=9999", "v4.channel.k8s.io")
    found: dict[int, bytes] = {}
    await socket.send_bytes(b"\0hello")
    async with asyncio.timeout(10):
        while not found.get(0, b"").endswith(b"HELLO") or not found.get(3, b"").endswith(b"refused"):
            message = (await socket.receive()).data
            found[message[0]] = found.get(message[0], b"") + message[1:]
    await socket.close()

    port, other = (80).to_bytes(2, "little"), (9999).to_bytes(2, "little")
    assert found[0] == port + b"port 80:HELLO"
    assert found[1] == port
    assert found[2] == other
    assert found[3] == other + b"failed to connect to localhost:9999: connection refused"
