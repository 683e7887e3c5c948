"""The kernel's map of service ports, and what a successor learns of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from network import netns
from network import nftables as nft
from network.netlink import NETFILTER, Netlink, NetlinkError
from network.proxy.redirect import Redirect, Target

pytestmark = pytest.mark.kernel
Result = TypeVar("Result")
WEB: Target = ("TCP", "10.96.0.1", 80)
DNS: Target = ("UDP", "10.96.0.10", 53)


def fresh(function: Callable[[Redirect], Result]) -> Result:
    def run() -> Result:
        netns.unshare(netns.CLONE_NEWNET)
        return function(Redirect(nft.Table("example-proxy"), "10.240.0.1"))

    return netns.in_thread(run)


def test_a_successor_learns_what_was_led_where_and_begins_with_nothing() -> None:
    def run(redirect: Redirect) -> list[dict[Target, int]]:
        found = [redirect.start()]
        redirect.change({}, {WEB: 4000, DNS: 5000})
        redirect.change({WEB: 4000, DNS: 5000}, {WEB: 4000, DNS: 5001})
        return [*found, redirect.start(), redirect.start()]

    assert fresh(run) == [{}, {WEB: 4000, DNS: 5001}, {}]


def test_thousands_of_services_come_and_go_in_one_transaction_each() -> None:
    wanted: dict[Target, int] = {("TCP", f"10.96.{n >> 8}.{n & 255}", 80): 4000 for n in range(10_000)}

    def run(redirect: Redirect) -> dict[Target, int]:
        redirect.start()
        redirect.change({}, wanted)
        redirect.change(wanted, {**wanted, WEB: 4001})
        redirect.change({**wanted, WEB: 4001}, {WEB: 4001})
        return redirect.start()

    assert fresh(run) == {WEB: 4001}


def test_a_change_that_the_kernel_refuses_changes_nothing() -> None:
    def run(redirect: Redirect) -> dict[Target, int]:
        redirect.start()
        redirect.change({}, {WEB: 4000})
        with pytest.raises(NetlinkError):
            redirect.change({DNS: 1}, {("TCP", "10.96.0.2", 80): 4000})
        return redirect.start()

    assert fresh(run) == {WEB: 4000}


def test_removed_means_that_no_table_is_left_also_when_none_was_there() -> None:
    def run(redirect: Redirect) -> set[str]:
        redirect.start()
        redirect.remove()
        redirect.remove()
        with Netlink(NETFILTER) as netlink:
            return nft.tables(netlink)

    assert fresh(run) == set()
