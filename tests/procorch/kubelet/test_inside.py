"""Connections that begin in a pod's network namespace."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest

from network import netns
from procorch.kubelet import inside


async def test_the_node_itself_needs_no_way_in() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        connected = await inside.connect(
            SimpleNamespace(netns="/proc/self/ns/net"), "127.0.0.1", server.sockets[0].getsockname()[1]
        )
    connected.close()


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_pod_is_reached_inside_and_not_here() -> None:
    """Nobody listens in the namespace; the node's listener on the same address is not meant."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    fd = netns.create()
    try:
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(OSError, match=r"unreachable|refused"):
                await inside.connect(SimpleNamespace(netns=f"/proc/self/fd/{fd}"), "127.0.0.1", port)
    finally:
        os.close(fd)


async def test_a_pod_that_is_gone() -> None:
    with pytest.raises(FileNotFoundError):
        await inside.connect(SimpleNamespace(netns="/proc/0/ns/net"), "127.0.0.1", 1)
