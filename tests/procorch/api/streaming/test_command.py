"""A command's streams on SPDY, by every version that clients name; the end of either side."""

from __future__ import annotations

import asyncio
import json

import pytest

from procorch.api.streaming.command import chosen

from .spdy_client import SpdyClient


async def run(streams, what, names, *versions):
    """(head of the answer, of each named stream what came, the client) once the server has closed."""
    head, reader, writer = await streams.raw(what, *versions)
    client = SpdyClient()
    numbers = {name: client.open(streamtype=name) for name in names}
    writer.write(client.take())
    async with asyncio.timeout(20):
        while data := await reader.read(65536):
            client.feed(data)
    writer.close()
    return head.decode(), {name: client.data[number] for name, number in numbers.items()}, client


@pytest.mark.parametrize("version", ["v4", "v3", "v2"])
async def test_output_errors_and_the_end(streams, version):
    names = ["error", "stdout", "stderr"]
    head, found, client = await run(streams, "exec?command=fail", names, f"{version}.channel.k8s.io")

    assert head.startswith("HTTP/1.1 101")
    assert f"X-Stream-Protocol-Version: {version}.channel.k8s.io" in head
    assert (found["stdout"], found["stderr"]) == (b"out", b"err")
    if version == "v4":
        assert json.loads(found["error"])["reason"] == "NonZeroExitCode"
    else:
        assert found["error"] == b"command terminated with non-zero exit code: exit status 3"
    assert len(client.replied) == len(client.ended) == 3


async def test_who_names_no_version_speaks_the_first(streams):
    head, found, _ = await run(streams, "exec?command=fail", ["error", "stdout", "stderr"])
    assert "X-Stream-Protocol-Version: channel.k8s.io" in head
    assert found["stdout"] == b"out"


async def test_input_and_its_end_and_the_size(streams):
    _, reader, writer = await streams.raw("exec?command=cat&stdin=true&tty=true", "v4.channel.k8s.io")
    client = SpdyClient()
    error, stdin, stdout, resize = (client.open(streamtype=name) for name in ("error", "stdin", "stdout", "resize"))
    size = b'{"Width":80,"Height":24}'
    client.send(resize, size)
    writer.write(client.take())
    async with asyncio.timeout(20):
        while client.data[stdout] != b"size " + size:
            client.feed(await reader.read(65536))
        client.send(stdin, b"hello", fin=True)
        writer.write(client.take())
        while data := await reader.read(65536):
            client.feed(data)
    writer.close()

    assert client.data[stdout] == b"size " + size + b"hello"
    assert json.loads(client.data[error])["status"] == "Success"


async def test_a_client_that_goes_ends_its_command(streams, node, until):
    _, _, writer = await streams.raw("exec?command=hang&stdout=true&stderr=false", "v4.channel.k8s.io")
    client = SpdyClient()
    for name in ("error", "stdout"):
        client.open(streamtype=name)
    writer.write(client.take())
    await until(lambda: len(node.asked) == 1)
    writer.transport.abort()

    await until(lambda: node.cut == 1)


async def test_a_client_that_goes_from_a_websocket_ends_its_command(streams, node, until):
    socket = await streams.websocket("exec?command=hang", "v4.channel.k8s.io")
    async with asyncio.timeout(10):
        while (await socket.receive()).data != b"\1begun":
            pass
    await socket.close()

    await until(lambda: node.cut == 1)


async def test_a_node_that_goes_is_told_to_the_client(streams, served):
    socket = await streams.websocket("exec?command=hang", "v4.channel.k8s.io")
    async with asyncio.timeout(10):
        while (await socket.receive()).data != b"\1begun":
            pass
        served.api.links["n1"].close("gone")
        message = await socket.receive()
    assert message.data[0] == 3
    assert "the node's connection is lost: gone" in json.loads(message.data[1:])["message"]


def test_the_clients_first_choice_that_is_known():
    assert chosen(["v5", "v4"], ["v4", "v3"]) == "v4"
    assert chosen(["v9"], ["v4"]) is None
