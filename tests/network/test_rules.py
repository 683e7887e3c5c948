"""The node's own table is made as a whole; what it does to packets is in test_node.py."""

from __future__ import annotations

import pytest

from network import netns, rules
from network import nftables as nft
from network.netlink import NETFILTER, Netlink

pytestmark = pytest.mark.kernel


def test_the_rules_can_be_loaded_again_over_themselves() -> None:
    def run() -> set[str]:
        netns.unshare(netns.CLONE_NEWNET)
        with Netlink(NETFILTER) as netlink:
            for _ in range(2):
                nft.apply(
                    netlink,
                    rules.node_rules(
                        nft.Table("example"),
                        service_cidr="10.96.0.0/12",
                        cluster_cidr="10.240.0.0/12",
                        pod_cidr="10.240.4.0/22",
                        bridge="example0",
                    ),
                )
            return nft.tables(netlink)

    assert netns.in_thread(run) == {"example"}
