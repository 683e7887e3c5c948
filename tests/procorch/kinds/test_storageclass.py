"""Storage classes: how volumes are made, which stays as it was said."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def storage_class(**fields: Any) -> Object:
    shell = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}
    return {**shell, "provisioner": "a.b/disk", **fields}


def attributes(**fields: Any) -> Object:
    shell = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": "gold"}}
    return {**shell, "driverName": "a.b", "parameters": {"iops": "100"}, **fields}


def test_volumes_are_made_at_once_and_deleted_with_their_claim(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(storage_class())

    assert problems == []
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"provisioner": ""}, "provisioner: Required value"),
        (
            {"reclaimPolicy": "Recycle"},
            'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
        ),
        (
            {"volumeBindingMode": "Never"},
            'volumeBindingMode: Unsupported value: "Never": supported values: "Immediate", "WaitForFirstConsumer"',
        ),
        ({"parameters": {"": "a"}}, 'parameters: Invalid value: "": field can not be empty.'),
        ({"parameters": {"a": "b" * 262144}}, "parameters: Too long: may not be more than 262144 bytes"),
        (
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": []}]}]},
            "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
        ),
        (
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["b", "b"]}]}]},
            'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "b"',
        ),
    ],
)
def test_a_bad_class_is_named(enter, fields: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(storage_class(**fields))[1] == [problem]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"provisioner": "c.d"}, 'provisioner: Invalid value: "c.d": field is immutable'),
        ({"parameters": {"a": "b"}}, 'parameters: Invalid value: {"a":"b"}: field is immutable'),
        ({"reclaimPolicy": "Retain"}, 'reclaimPolicy: Invalid value: "Retain": field is immutable'),
        (
            {"volumeBindingMode": "WaitForFirstConsumer"},
            'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
        ),
    ],
)
def test_what_was_promised_stays(enter, fields: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(storage_class())

    assert enter(storage_class(**fields), old)[1] == [problem]
    assert enter(storage_class(allowVolumeExpansion=True), old)[1] == []


def test_attributes_say_something_and_keep_saying_it(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(attributes()) == (attributes(), [])
    assert enter(attributes(parameters={}))[1] == [
        "parameters: Required value: must contain at least one key/value pair"
    ]
    assert enter(attributes(driverName="c.d"), attributes())[1] == [
        "driverName: Forbidden: updates to driverName are forbidden."
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(storage_class(allowVolumeExpansion=True))
    made["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}

    assert [column.cell(made, 0.0) for column in KINDS["StorageClass"].columns] == [
        "fast (default)", "a.b/disk", "Delete", "Immediate", True, "<unknown>",
    ]  # fmt: skip
    assert [column.cell(attributes(), 0.0) for column in KINDS["VolumeAttributesClass"].columns] == [
        "gold", "a.b", "<unknown>",
    ]  # fmt: skip
