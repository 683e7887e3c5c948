"""Persistent volumes: one source, some room, and what of them may change."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

CSI = {"driver": "a.b", "volumeHandle": "h"}
LOCAL = {"path": "/mnt/disk"}
HERE = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}


def volume(**spec: Any) -> Object:
    whole = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **spec}
    if not {"csi", "local", "hostPath", "nfs"} & set(spec):
        whole["hostPath"] = {"path": "/data"}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": whole}


def test_a_volume_waits_for_a_claim_and_outlives_it(enter) -> None:  # type: ignore[no-untyped-def]
    given = volume(capacity={"storage": "1024Mi"})
    given["metadata"]["creationTimestamp"] = "2026-11-25T00:00:00Z"
    made, problems = enter({**given, "status": {"phase": "Bound"}})

    assert problems == []
    assert made["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2026-11-25T00:00:00Z"}
    assert made["spec"] == {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data", "type": ""},
        "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"accessModes": []}, "spec.accessModes: Required value"),
        (
            {"accessModes": ["ReadSometimes"]},
            'spec.accessModes: Unsupported value: "ReadSometimes": supported values: '
            '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
        ),
        (
            {"accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]},
            "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
        ),
        ({"capacity": {"storage": "0"}}, 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'),
        (
            {"capacity": {"cpu": "1"}},
            'spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"',
        ),
        (
            {"csi": CSI, "nfs": {"server": "s", "path": "/"}},
            "spec.csi: Forbidden: may not specify more than 1 volume type",
        ),
        ({"csi": {"driver": "a.b"}}, "spec.csi.volumeHandle: Required value"),
        ({"local": LOCAL}, "spec.nodeAffinity: Required value: Local volume requires node affinity"),
        ({"hostPath": {"path": "/a/../b"}}, "spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
        (
            {"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"},
            "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
        ),
        (
            {"persistentVolumeReclaimPolicy": "Burn"},
            'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: '
            '"Delete", "Recycle", "Retain"',
        ),
        ({"volumeMode": "Tape"}, 'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
        (
            {"volumeAttributesClassName": "gold"},
            "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
        ),
        ({"nodeAffinity": {}}, "spec.nodeAffinity.required: Required value: must specify required node constraints"),
    ],
)
def test_a_bad_volume_is_named(enter, spec: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(volume(**spec))[1] == [problem]


def test_a_volume_needs_a_source(enter) -> None:  # type: ignore[no-untyped-def]
    given = volume()
    del given["spec"]["hostPath"]

    assert enter(given)[1] == ["spec: Required value: must specify a volume type"]


def test_a_disk_of_a_node_says_of_which(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(volume(local=LOCAL, nodeAffinity=HERE))[1] == []


def test_the_source_stays_and_its_size_may_grow(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(volume(csi=CSI))

    assert enter(volume(csi=CSI, capacity={"storage": "2Gi"}), old)[1] == []
    assert enter(volume(csi={**CSI, "controllerExpandSecretRef": {"name": "s", "namespace": "n"}}), old)[1] == []
    (problem,) = enter(volume(csi={**CSI, "volumeHandle": "i"}), old)[1]
    assert problem.startswith("spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after")
    assert enter(volume(csi=CSI, volumeMode="Block"), old)[1] == [
        'volumeMode: Invalid value: "Block": field is immutable'
    ]
    tied, _ = enter(volume(csi=CSI, nodeAffinity=HERE))
    assert enter(volume(csi=CSI), tied)[1] == ["nodeAffinity: Invalid value: null: field is immutable"]


def test_a_change_of_phase_is_dated() -> None:
    prepare = KINDS["PersistentVolume"].parts["status"].prepare
    assert prepare is not None
    old = {"status": {"phase": "Pending", "lastPhaseTransitionTime": "2026-11-25T00:00:00Z"}}
    bound, named = (
        {"status": {**old["status"], "phase": "Bound"}},
        {"status": {"phase": "Bound", "lastPhaseTransitionTime": "2026-11-25T07:00:00Z"}},
    )
    for one in (bound, named):
        prepare(one, old, "2026-11-25T09:00:00Z")

    assert bound["status"]["lastPhaseTransitionTime"] == "2026-11-25T09:00:00Z"
    assert named["status"]["lastPhaseTransitionTime"] == "2026-11-25T07:00:00Z"


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(volume(accessModes=["ReadOnlyMany", "ReadWriteOnce"], claimRef={"namespace": "n", "name": "c"},
                           storageClassName="fast"))  # fmt: skip

    assert [column.cell(made, 0.0) for column in KINDS["PersistentVolume"].columns] == [
        "pv", "1Gi", "RWO,ROX", "Retain", "Pending", "n/c", "fast", "<unset>", "", "<unknown>", "Filesystem",
    ]  # fmt: skip
    made["metadata"]["deletionTimestamp"] = "2026-11-25T00:00:00Z"
    assert KINDS["PersistentVolume"].columns[4].cell(made, 0.0) == "Terminating"
