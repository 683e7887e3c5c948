"""Services on a node: a table of rows, and the modes that serve it."""

from __future__ import annotations

from network.proxy.table import TCP, UDP, Backend, Key, Mode, ServicePort

__all__ = ["TCP", "UDP", "Backend", "Key", "Mode", "ServicePort"]
