"""A command's streams on a WebSocket, by every protocol that clients name."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

NO_STATUS = ("channel.k8s.io", "base64.channel.k8s.io", "")


async def heard(socket, *, base64_=False):
    """Of each channel what came until the connection ended."""
    found: dict[int, bytes] = {}
    async for message in socket:
        if base64_:
            assert isinstance(message.data, str)
            channel, data = int(message.data[0]), base64.b64decode(message.data[1:])
        else:
            channel, data = message.data[0], message.data[1:]
        found[channel] = found.get(channel, b"") + data
    return found


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", *NO_STATUS])
async def test_output_errors_and_the_end(streams, protocol):
    socket = await streams.websocket("exec?command=fail", *([protocol] if protocol else []))

    async with asyncio.timeout(10):
        found = await heard(socket, base64_="base64" in protocol)

    assert (socket.protocol or "") == protocol
    assert (found[1], found[2]) == (b"out", b"err")
    if protocol in NO_STATUS:
        assert found[3] == b"command terminated with non-zero exit code: exit status 3"
    else:
        assert json.loads(found[3])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_input_is_closed_by_the_client_of_v5(streams, node):
    socket = await streams.websocket("exec?command=cat&stdin=true&tty=true", "v5.channel.k8s.io")
    await socket.send_bytes(b"\0hello")
    await socket.send_bytes(b'\4{"Width":80,"Height":24}')
    await socket.send_bytes(b"\xff\0")

    async with asyncio.timeout(10):
        found = await heard(socket)

    assert found[1] == b'hellosize {"Width":80,"Height":24}'
    assert json.loads(found[3])["status"] == "Success"
    assert node.asked[0]["path"] == "/exec/default/a/main?stdin=true&stdout=true&stderr=false&tty=true&command=cat"


async def test_input_as_base64(streams):
    socket = await streams.websocket("exec?command=cat&stdin=true", "base64.channel.k8s.io")
    await socket.send_str("0" + base64.b64encode(b"hello").decode())
    async with asyncio.timeout(10):
        assert (await socket.receive()).data == "1"  # ready
        assert (await socket.receive()).data == "1" + base64.b64encode(b"hello").decode()
    await socket.close()


async def test_what_is_no_message_of_a_channel_is_passed_over(streams):
    socket = await streams.websocket("exec?command=cat&stdin=true", "v5.channel.k8s.io")
    for junk in (b"", b"\x77rubbish", b"\4no json", b"\1not the client's"):
        await socket.send_bytes(junk)
    await socket.send_bytes(b"\0ok")
    await socket.send_bytes(b"\xff\0")
    async with asyncio.timeout(10):
        found = await heard(socket)
    assert found[1] == b"size no jsonok"


async def test_a_large_message_of_input_arrives_whole(streams):
    socket = await streams.websocket("exec?command=cat&stdin=true", "v5.channel.k8s.io")
    data = bytes(range(256)) * 12_000
    await socket.send_bytes(b"\0" + data)
    await socket.send_bytes(b"\xff\0")
    async with asyncio.timeout(20):
        found = await heard(socket)
    assert found[1] == data


async def test_all_of_a_lot_of_output_comes(streams):
    socket = await streams.websocket("exec?command=flood", "v4.channel.k8s.io")
    async with asyncio.timeout(20):
        found = await heard(socket)
    assert len(found[1]) == 128 * 32768
