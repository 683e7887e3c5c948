"""Network policies: what they mean where they say nothing, and what they cannot mean."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def policy(**spec: Any) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": spec,
    }


def test_a_policy_that_says_nothing_shuts_the_door(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(policy())[0]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_ports_are_of_tcp_and_rules_of_egress_make_it_one_of_egress(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(policy(podSelector={}, egress=[{"ports": [{"port": 53}]}]))

    assert problems == []
    assert made["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert made["spec"]["egress"] == [{"ports": [{"port": 53, "protocol": "TCP"}]}]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"ports": [{"port": 0}]}, "ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        (
            {"ports": [{"port": 9, "endPort": 8}]},
            "ports[0].endPort: Invalid value: 9: must be greater than or equal to `port`",
        ),
        (
            {"ports": [{"port": "web", "endPort": 8}]},
            "ports[0].endPort: Invalid value: 8: may not be specified when `port` is non-numeric",
        ),
        (
            {"ports": [{"endPort": 8}]},
            "ports[0].endPort: Invalid value: 8: may not be specified when `port` is not specified",
        ),
        (
            {"ports": [{"protocol": "ICMP"}]},
            'ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
        ),
        ({"from": [{}]}, "from[0]: Required value: must specify a peer"),
        (
            {"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]},
            "from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        ({"from": [{"ipBlock": {}}]}, "from[0].ipBlock.cidr: Required value"),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]},
            'from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
        ),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]},
            'from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
        ),
    ],
)
def test_a_bad_rule_is_named(enter, rule: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(policy(podSelector={}, ingress=[rule]))[1] == [f"spec.ingress[0].{problem}"]


def test_a_policy_is_of_ingress_or_egress(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(policy(policyTypes=["Sideways"]))[1] == [
        'spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'
    ]


def test_the_columns_are_kubectls() -> None:
    some = policy(podSelector={"matchLabels": {"a": "b"}})

    assert [column.cell(some, 0.0) for column in KINDS["NetworkPolicy"].columns] == ["p", "a=b", "<unknown>"]
    assert KINDS["NetworkPolicy"].columns[1].cell(policy(podSelector={}), 0.0) == "<none>"
