"""Claims: what is asked, from where the data come, and what may still be asked later."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}


def claim(size: str = "1Gi", **spec: Any) -> Object:
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    metadata = {"name": "c", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": whole}


def test_a_claim_waits_for_a_volume_with_a_file_system(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**claim("1024Mi"), "status": {"phase": "Bound"}})

    assert problems == []
    assert made["status"] == {"phase": "Pending"}
    assert made["spec"] == {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem",
    }  # fmt: skip


def test_both_words_for_where_the_data_come_from_say_the_same(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(claim(dataSource=SNAPSHOT))
    assert (problems, made["spec"]["dataSourceRef"]) == ([], SNAPSHOT)
    made, problems = enter(claim(dataSourceRef=SNAPSHOT))
    assert (problems, made["spec"]["dataSource"]) == ([], SNAPSHOT)
    made, problems = enter(claim(dataSource={"apiGroup": "x.y", "kind": "Thing", "name": "t"}))
    assert problems == [] and "dataSource" not in made["spec"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"accessModes": []}, "spec.accessModes: Required value: at least 1 access mode is required"),
        ({"resources": {}}, "spec.resources[storage]: Required value"),
        (
            {"resources": {"requests": {"storage": "-1"}}},
            'spec.resources[storage]: Invalid value: "-1": must be greater than zero',
        ),
        ({"volumeMode": "Tape"}, 'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
        (
            {"dataSourceRef": {"kind": "Thing", "name": "t", "namespace": "n"}},
            'spec.dataSourceRef: Invalid value: "Thing": '
            "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
        ),
        (
            {"dataSource": SNAPSHOT, "dataSourceRef": {**SNAPSHOT, "name": "t"}},
            "spec: Invalid value: {}: must match dataSourceRef",
        ),
        (
            {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "spec.selector.matchExpressions[0].values: Required value: "
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
    ],
)
def test_a_bad_claim_is_named(enter, spec: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(claim(**spec))[1] == [problem]


def test_a_claim_asks_once(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(claim())

    assert enter(claim(volumeName="pv"), old)[1] == []
    assert enter(claim(storageClassName="fast"), old)[1] == []
    (problem,) = enter(claim(accessModes=["ReadOnlyMany"]), old)[1]
    assert problem.startswith("spec: Forbidden: spec is immutable after creation except resources.requests and ")
    (problem,) = enter(claim("2Gi"), old)[1]
    assert "spec is immutable" in problem, "its size grows when it is bound"


def test_a_bound_claim_may_grow_but_not_below_what_it_has(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(claim("2Gi", volumeName="pv"))
    bound = {**copy.deepcopy(old), "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}}

    assert enter(claim("3Gi", volumeName="pv"), bound)[1] == []
    assert enter(claim("1Gi", volumeName="pv"), bound)[1] == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_a_class_of_attributes_once_named_is_only_exchanged(enter) -> None:  # type: ignore[no-untyped-def]
    waiting, _ = enter(claim(volumeAttributesClassName="gold"))
    bound = {**waiting, "status": {"phase": "Bound", "currentVolumeAttributesClassName": "gold"}}

    assert enter(claim(volumeAttributesClassName="silver"), waiting)[1][0].startswith("spec: Forbidden: ")
    assert enter(claim(volumeAttributesClassName="silver"), bound)[1] == []
    assert enter(claim(), bound)[1] == [
        "spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when "
        "status.currentVolumeAttributesClassName is not nil"
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(claim(volumeName="pv", storageClassName="fast"))
    made["status"] = {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"]}

    columns = KINDS["PersistentVolumeClaim"].columns
    assert [column.cell(made, 0.0) for column in columns] == [
        "c", "Bound", "pv", "2Gi", "RWO", "fast", "<unset>", "<unknown>", "Filesystem",
    ]  # fmt: skip
    assert [column.cell(enter(claim())[0], 0.0) for column in columns][2:5] == ["", "", ""]
