"""Endpoints and EndpointSlices."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def endpoints(*subsets: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "web", "namespace": "n"},
        "subsets": list(subsets),
    }


def slice_(*rows: Any, kind: str = "IPv4", **fields: Any) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "web-1", "namespace": "n"},
        "addressType": kind, "endpoints": list(rows), **fields,
    }  # fmt: skip


def ip(last: int) -> dict[str, str]:
    return {"ip": f"10.0.0.{last}"}


def test_a_port_is_tcp_unless_said_otherwise(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(endpoints({"addresses": [ip(1)], "ports": [{"port": 80}]}))

    assert problems == []
    assert made["subsets"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("subset", "problem"),
    [
        ({}, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
        (
            {"addresses": [{"ip": "127.0.0.1"}]},
            'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": '
            "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ),
        (
            {"addresses": [{"ip": "10.0.0.01"}]},
            'subsets[0].addresses[0].ip: Invalid value: "10.0.0.01": must not have leading 0s',
        ),
        (
            {"addresses": [ip(1)], "ports": [{"port": 0}]},
            "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
    ],
)
def test_bad_endpoints_are_named(enter, subset, problem) -> None:  # type: ignore[no-untyped-def]
    assert enter(endpoints(subset))[1] == [problem]


def test_several_ports_have_names(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(endpoints({"addresses": [ip(1)], "ports": [{"port": 1}, {"name": "b", "port": 2}]}))[1] == [
        "subsets[0].ports[0].name: Required value"
    ]


@pytest.mark.parametrize(
    ("subsets", "shown"),
    [
        ([], "<none>"),
        ([{"addresses": [ip(1), ip(2)], "ports": [{"port": 80}]}], "10.0.0.1:80,10.0.0.2:80"),
        ([{"addresses": [ip(1)]}], "10.0.0.1"),
        ([{"notReadyAddresses": [ip(1)], "ports": [{"port": 80}]}], "<none>"),
        (
            [{"addresses": [ip(i) for i in range(5)], "ports": [{"port": 80}]}],
            "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...",
        ),
        ([{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}], "[fd00::1]:80"),
    ],
)
def test_the_endpoints_column_is_kubectls(subsets: list[Any], shown: str) -> None:
    assert KINDS["Endpoints"].columns[1].cell(endpoints(*subsets), 0.0) == shown


def test_a_slices_ports_are_completed(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(slice_({"addresses": ["10.0.0.1"]}, ports=[{"port": 80}]))

    assert problems == []
    assert made["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]


def test_a_slice_is_of_one_family_for_ever(enter) -> None:  # type: ignore[no-untyped-def]
    old = slice_({"addresses": ["10.0.0.1"]})

    assert enter(slice_(kind=""))[1] == ["addressType: Required value"]
    assert enter(slice_(kind="IPX"))[1] == [
        'addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6"'
    ]
    assert enter(slice_({"addresses": ["fd00::1"]}, kind="IPv6"), old)[1] == [
        'addressType: Invalid value: "IPv6": field is immutable'
    ]
    assert enter(slice_({"addresses": ["fd00::1"]}))[1] == [
        'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address'
    ]


def test_a_slice_has_room_for_a_thousand(enter) -> None:  # type: ignore[no-untyped-def]
    row = {"addresses": ["10.0.0.1"]}

    assert enter(slice_(*[row] * 1000))[1] == []
    assert enter(slice_(*[row] * 1001))[1] == ["endpoints: Too many: 1001: must have at most 1000 items"]
    assert enter(slice_({"addresses": []}))[1] == [
        "endpoints[0].addresses: Required value: must contain at least 1 address"
    ]


def test_a_slices_columns_are_kubectls() -> None:
    columns = KINDS["EndpointSlice"].columns
    seen = slice_({"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}, ports=[{"port": 80}, {"name": "a"}])

    assert [column.cell(seen, 0.0) for column in columns] == [
        "web-1", "IPv4", "80,a", "10.0.0.1,10.0.0.2", "<unknown>",
    ]  # fmt: skip
    assert [column.cell(slice_(), 0.0) for column in columns][2:4] == ["<unset>", "<unset>"]
