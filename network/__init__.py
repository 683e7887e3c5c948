"""Addresses and wires: a node's pod network, and the proxy that serves its Services."""

from __future__ import annotations

from network.ipam import Exhausted
from network.netlink import NetlinkError
from network.node import NodeNetwork

__all__ = ["Exhausted", "NetlinkError", "NodeNetwork"]
