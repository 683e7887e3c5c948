"""Pieces of the pods' range for nodes."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.node_ipam import plan
from procorch.objects import Object


def node(*cidrs: str) -> Object:
    return {"metadata": {"name": "n"}, "spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}}


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        pytest.param([], "10.240.0.0/22", id="the first node gets the first piece"),
        pytest.param([node("10.240.0.0/22")], "10.240.4.0/22", id="the next gets the next"),
        pytest.param([node("10.240.4.0/22")], "10.240.0.0/22", id="a piece that was given back is used again"),
        pytest.param(
            [node("10.240.1.0/24")], "10.240.4.0/22", id="a small range of a node's own takes the whole piece"
        ),
        pytest.param([node("10.240.0.0/20")], "10.240.16.0/22", id="a large one takes several"),
        pytest.param([node("192.168.0.0/24")], "10.240.0.0/22", id="a range elsewhere takes none"),
        pytest.param([node(), node("fd00::/64")], "10.240.0.0/22", id="nodes without an IPv4 range take none"),
    ],
)
def test_the_first_free_piece(nodes: list[Object], wanted: str) -> None:
    assert plan(nodes, "10.240.0.0/12", 22) == wanted


@given(st.integers(22, 26), st.integers(1, 40))
def test_no_piece_is_given_twice_and_all_of_them_are_used(mask: int, count: int) -> None:
    nodes: list[Object] = []
    for _ in range(count):
        cidr = plan(nodes, "10.0.0.0/22", mask)
        if cidr is None:
            break
        nodes.append(node(cidr))

    pieces = [IPv4Network(one["spec"]["podCIDR"]) for one in nodes]
    assert len(pieces) == min(count, 1 << (mask - 22))
    assert not any(a.overlaps(b) for place, a in enumerate(pieces) for b in pieces[:place])
