"""What of a pod's volumes a container may see, and how."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.mounts import validate_mounts

VOLUMES: dict[str, dict[str, Any]] = {"v": {"emptyDir": {}}, "d": {"persistentVolumeClaim": {"claimName": "c"}}}


def lines(**container: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_mounts(container, VOLUMES, "c")]


@pytest.mark.parametrize(
    ("mount", "problem"),
    [
        ({"mountPropagation": "Bidirectional"},
         "c.volumeMounts.mountPropagation: Forbidden: "
         "Bidirectional mount propagation is available only to privileged containers"),
        ({"recursiveReadOnly": "Enabled"},
         "c.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"),
        ({"recursiveReadOnly": "Often"},
         'c.volumeMounts.recursiveReadOnly: Unsupported value: "Often": '
         'supported values: "Disabled", "Enabled", "IfPossible"'),
        ({"subPath": "a", "subPathExpr": "b"},
         'c.volumeMounts[0].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive'),
    ],
)  # fmt: skip
def test_a_mount(mount: dict[str, Any], problem: str) -> None:
    assert lines(volumeMounts=[{"name": "v", "mountPath": "/v", **mount}]) == [problem]


def test_a_device_is_a_claims_and_nothing_else_at_once() -> None:
    device = {"name": "d", "devicePath": "/dev/d"}

    assert lines(volumeDevices=[device]) == []
    assert lines(volumeDevices=[{**device, "name": "v"}]) == [
        'c.volumeDevices[0].name: Invalid value: "v": '
        "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
    ]
    assert lines(volumeDevices=[device], volumeMounts=[{"name": "d", "mountPath": "/dev/d"}]) == [
        'c.volumeMounts[0].name: Invalid value: "d": must not already exist in volumeDevices',
        'c.volumeMounts[0].mountPath: Invalid value: "/dev/d": must not already exist as a path in volumeDevices',
        'c.volumeDevices[0].name: Invalid value: "d": must not already exist in volumeMounts',
        'c.volumeDevices[0].devicePath: Invalid value: "/dev/d": must not already exist as a path in volumeMounts',
    ]
