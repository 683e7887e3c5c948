"""Connections that begin inside a pod's network namespace, made by a node that stays outside.

A socket belongs to the namespace in which it was made, wherever it is used.
"""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from typing import Protocol

from network import netns


class Inhabited(Protocol):
    """What of a sandbox is needed: the path of its network namespace."""

    @property
    def netns(self) -> str: ...


async def connect(sandbox: Inhabited, address: str, port: int) -> socket.socket:
    """address: an IP address as processes of the pod would write it. Raises OSError."""
    inside = os.open(sandbox.netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        made = _made(address) if _is_ours(inside) else netns.inside(inside, partial(_made, address))
    finally:
        os.close(inside)
    return await _connected(made, address, port)


async def connect_outside(address: str, port: int) -> socket.socket:
    """The same from the node itself. Raises OSError."""
    return await _connected(_made(address), address, port)


def _made(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


async def _connected(made: socket.socket, address: str, port: int) -> socket.socket:
    try:
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def _is_ours(fd: int) -> bool:
    """A pod on the node's network is where we are already."""
    there, here = os.fstat(fd), os.stat("/proc/thread-self/ns/net")  # noqa: PTH116
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
