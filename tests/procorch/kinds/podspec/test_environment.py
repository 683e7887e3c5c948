"""Where the value of a variable may come from."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.environment import field_reference, resource_reference, validate_file_volumes


@pytest.mark.parametrize(
    ("reference", "problems"),
    [
        ({"apiVersion": "v1", "fieldPath": "metadata.name"}, []),
        ({"apiVersion": "v1", "fieldPath": "metadata.labels['a']"}, []),
        ({}, ["f.apiVersion: Required value"]),
        (
            {"apiVersion": "v2", "fieldPath": "metadata.name"},
            ['f.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2'],
        ),
        (
            {"apiVersion": "v1", "fieldPath": "spec.hostname"},
            [
                'f.fieldPath: Invalid value: "spec.hostname": '
                "error converting fieldPath: field label not supported: spec.hostname"
            ],
        ),
        (
            {"apiVersion": "v1", "fieldPath": "status.phase"},
            ['f.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name"'],
        ),
    ],
)
def test_a_field_of_the_pod(reference: dict[str, Any], problems: list[str]) -> None:
    causes = field_reference(reference, ("metadata.name",), "f")

    assert [f"{cause.field}: {cause.message}" for cause in causes] == problems


def test_a_volume_says_of_which_container_it_tells_the_size() -> None:
    reference = {"resource": "limits.cpu", "divisor": "2"}

    assert [cause.field for cause in resource_reference(reference, "r", in_volume=True)] == [
        "r.containerName", "r.divisor",
    ]  # fmt: skip
    assert [cause.field for cause in resource_reference(reference, "r", in_volume=False)] == ["r.divisor"]


def test_a_file_of_variables_lies_in_an_empty_directory() -> None:
    def spec(**volume: Any) -> dict[str, Any]:
        variable = {"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "key": "A", "path": "f"}}}
        return {"containers": [{"name": "a", "env": [variable]}], "volumes": [{"name": "v", **volume}]}

    at = "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName"
    assert list(validate_file_volumes(spec(emptyDir={}), "spec")) == []
    assert [f"{cause.field}: {cause.message}" for cause in validate_file_volumes(spec(secret={}), "spec")] == [
        f'{at}: Invalid value: "v": referenced volume must be of type emptyDir'
    ]
