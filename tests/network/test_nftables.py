"""Tables, maps and their elements, as the kernel has them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

import pytest

from network import netns
from network import nftables as nft
from network.netlink import NETFILTER, Netlink, NetlinkError

pytestmark = pytest.mark.kernel
Result = TypeVar("Result")
TABLE = nft.Table("example")


def fresh(function: Callable[[Netlink], Result]) -> Result:
    def run() -> Result:
        netns.unshare(netns.CLONE_NEWNET)
        with Netlink(NETFILTER) as netlink:
            nft.apply(netlink, [TABLE.create(), TABLE.mapping("m", (nft.TYPE_ADDRESS,), nft.TYPE_PORT, 2)])
            return function(netlink)

    return netns.in_thread(run)


def element(number: int) -> tuple[bytes, bytes]:
    return struct.pack(">I", number), struct.pack(">H", number & 0xFFFF)


def test_thousands_of_elements_go_in_and_come_out_again() -> None:
    wanted = dict(element(n) for n in range(5000))

    def run(netlink: Netlink) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        nft.apply(netlink, TABLE.put("m", wanted))
        all_of_them = {key: value[:2] for key, value in TABLE.elements(netlink, "m").items()}
        nft.apply(netlink, TABLE.take("m", wanted))
        return all_of_them, TABLE.elements(netlink, "m")

    assert fresh(run) == (wanted, {})


def test_a_transaction_is_all_or_nothing_and_the_refused_part_is_named() -> None:
    def run(netlink: Netlink) -> dict[bytes, bytes]:
        with pytest.raises(NetlinkError, match="take from map example m: No such file"):
            nft.apply(netlink, [*TABLE.put("m", dict([element(1)])), *TABLE.take("m", [element(2)[0]])])
        return TABLE.elements(netlink, "m")

    assert fresh(run) == {}


def test_an_element_changes_its_value_in_one_transaction() -> None:
    key, value = element(1)

    def run(netlink: Netlink) -> bytes:
        nft.apply(netlink, TABLE.put("m", {key: value}))
        nft.apply(netlink, [*TABLE.take("m", [key]), *TABLE.put("m", {key: b"\1\2"})])
        return TABLE.elements(netlink, "m")[key][:2]

    assert fresh(run) == b"\1\2"


def test_a_renewed_table_is_empty_and_a_deleted_one_is_gone() -> None:
    def run(netlink: Netlink) -> tuple[dict[bytes, bytes], set[str], set[str]]:
        nft.apply(netlink, TABLE.put("m", dict([element(1)])))
        nft.apply(netlink, TABLE.renew())
        elements, during = TABLE.elements(netlink, "m"), nft.tables(netlink)
        nft.apply(netlink, [TABLE.delete()])
        return elements, during, nft.tables(netlink)

    assert fresh(run) == ({}, {"example"}, set())


def test_nothing_to_do_is_no_transaction() -> None:
    fresh(lambda netlink: nft.apply(netlink, []))
