"""Services on a node: a table of rows, and the modes that serve it."""

from __future__ import annotations

from collections.abc import Callable

from network.node import NodeNetwork
from network.proxy.sockets import SocketProxy
from network.proxy.table import TCP, UDP, Backend, Key, Mode, ServicePort

MODES: dict[str, Callable[[NodeNetwork], Mode]] = {
    "asyncio": SocketProxy,
}
"""By the name that a node's configuration gives. Each is held to the same tests."""

__all__ = ["MODES", "TCP", "UDP", "Backend", "Key", "Mode", "ServicePort"]
