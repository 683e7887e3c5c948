"""The conversation with the kernel: every message answered, every refusal told in words."""

from __future__ import annotations

import errno

import pytest

from network import links, netns
from network.netlink import Message, Netlink, NetlinkError, attribute, attributes, nested, number, text

pytestmark = pytest.mark.kernel


def test_attributes_are_padded_and_read_back() -> None:
    data = attribute(1, 7) + attribute(2, "abc") + nested(3, attribute(4, b"xyz12"))
    found = dict(attributes(data))

    assert len(data) % 4 == 0
    assert (number(found[1]), text(found[2])) == (7, "abc")
    assert dict(attributes(found[3])) == {4: b"xyz12"}


def test_a_refusal_says_what_was_tried_and_the_kernels_reason() -> None:
    def talk() -> None:
        with Netlink() as netlink:
            netlink.send(links.add_address(99, "10.0.0.1", 24))

    with pytest.raises(NetlinkError, match=r"add address 10\.0\.0\.1/24: No such device.*not found") as caught:
        netns.in_thread(lambda: (netns.unshare(netns.CLONE_NEWNET), talk()))
    assert caught.value.errno == errno.ENODEV


def test_messages_after_a_refused_one_are_carried_out_and_the_socket_stays_usable() -> None:
    def talk() -> tuple[bool, bool]:
        netns.unshare(netns.CLONE_NEWNET)
        with Netlink() as netlink:
            with pytest.raises(NetlinkError):
                netlink.send(links.delete_link("nobody"), links.change_link("lo", up=True))
            netlink.send(links.delete_link("nobody"), ignore=[errno.ENODEV])
            lo = links.link_of(netlink, "lo")
            return lo is not None and lo.up, links.link_of(netlink, "nobody") is None

    assert netns.in_thread(talk) == (True, True)


def test_a_dump_lists_everything() -> None:
    def talk() -> set[str]:
        netns.unshare(netns.CLONE_NEWNET)
        with Netlink() as netlink:
            netlink.send(*(links.add_bridge(f"b{n}", 1500, f"10.0.{n}.1") for n in range(150)))
            return {link.name for link in links.links(netlink)}

    assert netns.in_thread(talk) >= {f"b{n}" for n in range(150)}


def test_an_unknown_message_is_refused_by_its_number() -> None:
    with pytest.raises(NetlinkError, match="netlink message 250"), Netlink() as netlink:
        netlink.send(Message(250, bytes(16)))
