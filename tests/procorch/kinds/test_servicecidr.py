"""Ranges of Services' addresses, and single ones."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def ranges(*cidrs: str) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "more"},
        "spec": {"cidrs": list(cidrs)},
    }


def ip(address: str = "10.96.0.7", /, **parent: Any) -> Object:
    spec = {"parentRef": parent} if parent else {}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": address}, "spec": spec}


def test_one_of_each_family_is_a_range(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**ranges("10.1.0.0/16", "2001:db8::/64"), "status": {"conditions": [{"type": "Ready"}]}})

    assert problems == []
    assert made["status"] == {}


@pytest.mark.parametrize(
    ("cidrs", "problem"),
    [
        ((), "spec.cidrs: Required value: at least one CIDR required"),
        (
            ("10.1.0.1/16",),
            'spec.cidrs[0]: Invalid value: "10.1.0.1/16": must not have bits set beyond the prefix length',
        ),
        (
            ("10.1.0.0/16", "10.2.0.0/16"),
            'spec.cidrs: Invalid value: ["10.1.0.0/16","10.2.0.0/16"]: '
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        ),
    ],
)
def test_a_bad_range_is_named(enter, cidrs: tuple[str, ...], problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(ranges(*cidrs))[1] == [problem]


def test_a_range_stays_and_may_get_another_family(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(ranges("10.1.0.0/16"))

    assert enter(ranges("10.1.0.0/16", "2001:db8::/64"), old)[1] == []
    assert enter(ranges("10.2.0.0/16"), old)[1] == ['spec.cidrs[0]: Invalid value: "10.2.0.0/16": field is immutable']
    assert enter(ranges(), old)[1] == ["spec.cidrs: Invalid value: []: field is immutable"]


def test_an_address_is_named_by_itself_and_is_somebodys(enter) -> None:  # type: ignore[no-untyped-def]
    mine = {"resource": "services", "namespace": "default", "name": "web"}

    assert enter(ip(**mine)) == (ip(**mine), [])
    assert enter(ip())[1] == ["spec.parentRef: Required value"]
    assert enter(ip(resource="services"))[1] == ["spec.parentRef.name: Required value"]
    assert enter(ip("010.1.1.1", **mine))[1] == ['metadata.name: Invalid value: "010.1.1.1": must not have leading 0s']
    (problem,) = enter(ip(**mine), ip(**{**mine, "name": "other"}))[1]
    assert problem.startswith("spec.parentRef: Invalid value: ") and problem.endswith(": field is immutable")


def test_the_columns_are_kubectls() -> None:
    some = ip(group="a.b", resource="things", name="t")

    assert [column.cell(some, 0.0) for column in KINDS["IPAddress"].columns] == ["10.96.0.7", "things.a.b/t"]
    assert KINDS["IPAddress"].columns[1].cell(ip(resource="services", namespace="n", name="s"), 0.0) == "services/n/s"
    assert (
        KINDS["ServiceCIDR"].columns[1].cell(ranges("10.1.0.0/16", "2001:db8::/64"), 0.0) == "10.1.0.0/16,2001:db8::/64"
    )
