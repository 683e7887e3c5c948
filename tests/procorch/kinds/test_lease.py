"""Leases: a renewal is only a heartbeat."""

from __future__ import annotations

from typing import Any

from procorch.kinds import KINDS
from procorch.objects import Object

KIND = KINDS["Lease"]


def lease(**spec: Any) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "n1", "namespace": "kube-node-lease"},
        "spec": {
            "holderIdentity": "n1",
            "leaseDurationSeconds": 40,
            "renewTime": "2026-11-23T19:00:00.000000Z",
            **spec,
        },
    }


def test_a_lease_is_stored_as_it_is(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(lease()) == (lease(), [])


def test_a_renewal_is_a_heartbeat_and_another_holder_is_none() -> None:
    assert KIND.heartbeat(lease(), lease(renewTime="2026-11-23T19:00:10.000000Z"))
    assert not KIND.heartbeat(lease(), lease(holderIdentity="n2"))
    assert not KIND.heartbeat(lease(), {**lease(), "metadata": {"name": "n1", "labels": {"a": "b"}}})


def test_numbers_that_make_no_sense_are_named(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(lease(leaseDurationSeconds=0, leaseTransitions=-1, holderIdentity=""))[1] == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        'spec.holderIdentity: Invalid value: "": must not be empty',
    ]


def test_the_columns_are_kubectls() -> None:
    assert [column.cell(lease(), 0.0) for column in KIND.columns] == ["n1", "n1", "<unknown>"]
