"""What storage drivers say: of themselves, of nodes, of their room."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def of(kind: str, **fields: Any) -> Object:
    metadata = {"name": "a.b", **({"namespace": "default"} if kind == "CSIStorageCapacity" else {})}
    return {"apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": metadata, **fields}


def driver(**spec: Any) -> Object:
    return of("CSIDriver", spec=spec)


def node(*drivers: Object) -> Object:
    return of("CSINode", spec={"drivers": list(drivers)})


def capacity(**fields: Any) -> Object:
    return of("CSIStorageCapacity", **{"storageClassName": "fast", **fields})


def test_a_driver_attaches_unless_it_says_otherwise(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(driver())

    assert problems == []
    assert made["spec"] == {
        "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
        "seLinuxMount": False, "fsGroupPolicy": "ReadWriteOnceWithFSType", "volumeLifecycleModes": ["Persistent"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"fsGroupPolicy": "Maybe"},
            'spec.fsGroupPolicy: Unsupported value: "Maybe": '
            'supported values: "File", "None", "ReadWriteOnceWithFSType"',
        ),
        (
            {"volumeLifecycleModes": ["Eternal"]},
            'spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Persistent", "Ephemeral"',
        ),
        (
            {"tokenRequests": [{"audience": "a"}, {"audience": "a"}]},
            'spec.tokenRequests[1].audience: Duplicate value: "a"',
        ),
        (
            {"tokenRequests": [{"audience": "a", "expirationSeconds": 5}]},
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: "
            "may not specify a duration less than 10 minutes",
        ),
        (
            {"nodeAllocatableUpdatePeriodSeconds": 9},
            "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds",
        ),
    ],
)
def test_a_bad_driver_is_named(enter, spec: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(driver(**spec))[1] == [problem]


def test_how_a_driver_attaches_stays_and_other_changes_are_counted(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(driver())
    made, problems = enter(driver(requiresRepublish=True), old)

    assert (problems, made["metadata"]["generation"]) == ([], 1)
    assert enter(driver(attachRequired=False), old)[1] == [
        "spec.attachedRequired: Invalid value: false: field is immutable"
    ]


def test_a_node_has_each_driver_once(enter) -> None:  # type: ignore[no-untyped-def]
    one = {"name": "a.b", "nodeID": "n", "topologyKeys": ["zone"], "allocatable": {"count": 3}}

    assert enter(node(one)) == (node(one), [])
    assert enter(node(one, one))[1] == ['spec.drivers[1].name: Duplicate value: "a.b"']
    assert enter(node({"name": "a.b", "nodeID": "n" * 257, "allocatable": {"count": -1}}))[1] == [
        f'spec.drivers[0].nodeID: Invalid value: "{"n" * 257}": must be 256 characters or less',
        "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0",
    ]
    assert enter(node({**one, "allocatable": {"count": 4}}), node(one))[1] == []
    (problem,) = enter(node({**one, "nodeID": "m"}), node(one))[1]
    assert problem.startswith("spec.drivers: Invalid value: ") and problem.endswith(": field is immutable")


def test_room_is_of_a_class_and_a_place_for_ever(enter) -> None:  # type: ignore[no-untyped-def]
    old, problems = enter(capacity(capacity="1024Mi", nodeTopology={"matchLabels": {"a": "b"}}))

    assert (problems, old["capacity"]) == ([], "1Gi")
    assert enter({**old, "capacity": "-1"}, old)[1] == [
        'capacity: Invalid value: "-1": must be greater than or equal to 0'
    ]
    assert enter({**old, "storageClassName": "slow"}, old)[1] == [
        'storageClassName: Invalid value: "slow": field is immutable'
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(driver(tokenRequests=[{"audience": "x"}]))

    assert [column.cell(made, 0.0) for column in KINDS["CSIDriver"].columns] == [
        "a.b", True, False, False, "x", False, "Persistent", "<unknown>",
    ]  # fmt: skip
    assert [column.cell(node({}, {}), 0.0) for column in KINDS["CSINode"].columns] == ["a.b", 2, "<unknown>"]
