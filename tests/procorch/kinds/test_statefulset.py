"""A StatefulSet: defaults, its claims, what may change, what kubectl shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

SET: Object = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "db", "namespace": "default"},
    "spec": {
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {
            "metadata": {"labels": {"app": "db"}},
            "spec": {
                "containers": [
                    {"name": "db", "image": "db:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
                ]
            },
        },
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
            }
        ],
    },
}
FIXED = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
NOT_NEGATIVE = "must be greater than or equal to 0"


def test_the_defaults_are_those_of_apps_v1(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(SET)

    assert problems == []
    spec = made["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["podManagementPolicy"]) == (1, 10, "OrderedReady")
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert made["status"] == {"replicas": 0, "availableReplicas": 0}


def test_a_claim_is_an_object_that_waits(enter) -> None:  # type: ignore[no-untyped-def]
    (claim,) = enter(SET)[0]["spec"]["volumeClaimTemplates"]

    assert (claim["apiVersion"], claim["kind"], claim["status"]) == (
        "v1",
        "PersistentVolumeClaim",
        {"phase": "Pending"},
    )
    assert claim["spec"]["volumeMode"] == "Filesystem"
    assert claim["spec"]["resources"] == {"requests": {"storage": "1Gi"}}


def test_a_mount_needs_a_claim_or_a_volume(enter) -> None:  # type: ignore[no-untyped-def]
    (problem,) = enter(SET, volumeClaimTemplates=[])[1]

    assert problem == 'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param(
            {"podManagementPolicy": "Wild"},
            ["spec.podManagementPolicy: Invalid value: \"Wild\": must be 'OrderedReady' or 'Parallel'"],
            id="an order that there is not",
        ),
        pytest.param(
            {"updateStrategy": {"type": "Recreate"}},
            ['spec.updateStrategy: Invalid value: {"Type":"Recreate","RollingUpdate":null}: '
             'must be \'RollingUpdate\' or \'OnDelete\''],
            id="a strategy that there is not",
        ),
        pytest.param(
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
            ['spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: '
             "only allowed for updateStrategy 'RollingUpdate'"],
            id="steps of a strategy without steps",
        ),
        pytest.param(
            {"updateStrategy": {"rollingUpdate": {"partition": -1, "maxUnavailable": 0}}},
            [f"spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: {NOT_NEGATIVE}",
             "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"],
            id="steps that go nowhere",
        ),
        pytest.param(
            {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Keep"}},
            ['spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": '
             'supported values: "Retain", "Delete"'],
            id="a fate for claims that there is not",
        ),
        pytest.param(
            {"ordinals": {"start": -1}, "replicas": -1},
            [f"spec.replicas: Invalid value: -1: {NOT_NEGATIVE}",
             f"spec.ordinals.start: Invalid value: -1: {NOT_NEGATIVE}"],
            id="numbers below nothing",
        ),
        pytest.param(
            {"selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"],
            id="a selector that chooses everything",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(enter, spec: dict[str, Any], problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert enter(SET, **spec)[1] == problems


def test_its_name_must_do_for_hosts_when_it_is_made(enter) -> None:  # type: ignore[no-untyped-def]
    dotted = copy.deepcopy(SET)
    dotted["metadata"]["name"] = "a.b"
    made, problems = enter(dotted)

    assert problems == ['metadata.name: Invalid value: "a.b": must not contain dots']
    assert enter({**made, "spec": {**made["spec"], "replicas": 2}}, made)[1] == []


@pytest.mark.parametrize(
    ("field", "value", "problems"),
    [
        ("replicas", 3, []),
        ("minReadySeconds", 3, []),
        ("revisionHistoryLimit", 3, []),
        ("ordinals", {"start": 3}, []),
        ("updateStrategy", {"type": "OnDelete"}, []),
        ("persistentVolumeClaimRetentionPolicy", {"whenScaled": "Delete"}, []),
        ("serviceName", "other", [FIXED]),
        ("podManagementPolicy", "Parallel", [FIXED]),
        ("volumeClaimTemplates", [{"metadata": {"name": "data"}, "spec": {}}], [FIXED]),
    ],
)
def test_what_may_change(enter, field: str, value: Any, problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(SET)

    assert enter(copy.deepcopy(old), old, **{field: value})[1] == problems


def test_a_status_that_cannot_be() -> None:
    old = copy.deepcopy(SET) | {"status": {}}
    new = copy.deepcopy(SET) | {"status": {"replicas": 1, "readyReplicas": 0, "availableReplicas": 1}}

    assert [cause.message for cause in KINDS["StatefulSet"].validate(new, old)] == [
        "Invalid value: 1: cannot be greater than status.readyReplicas"
    ]


def test_a_history_without_end_is_told_of(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(SET, revisionHistoryLimit=-1)

    assert problems == []
    assert list(KINDS["StatefulSet"].warn(made, None)) == [
        "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(SET, replicas=3)
    made["status"]["readyReplicas"] = 2
    columns = KINDS["StatefulSet"].columns

    assert [column.name for column in columns] == ["Name", "Ready", "Age", "Containers", "Images"]
    assert [column.cell(made, 0.0) for column in columns] == ["db", "2/3", "<unknown>", "db", "db:1"]
