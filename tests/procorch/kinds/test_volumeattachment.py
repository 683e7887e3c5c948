"""Attachments: which volume, to which node, asked once."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def attachment(**spec: Any) -> Object:
    whole = {"attacher": "a.b", "nodeName": "n1", "source": {"persistentVolumeName": "pv"}, **spec}
    shell = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "v"}}
    return {**shell, "spec": whole}


def test_nothing_is_attached_at_first(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**attachment(), "status": {"attached": True}})

    assert (problems, made["status"]) == ([], {"attached": False})


INLINE = {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "a.b", "volumeHandle": "h"}}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({}, "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        (
            {"persistentVolumeName": "p", "inlineVolumeSpec": INLINE},
            "spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (
            {"inlineVolumeSpec": {**INLINE, "capacity": {"storage": "1Gi"}}},
            "spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes",
        ),
        (
            {"inlineVolumeSpec": {**INLINE, "volumeMode": "Block"}},
            "spec.source.inlineVolumeSpec.volumeMode: Forbidden: "
            "may not specify volumeMode other than Filesystem in the context of inline volumes",
        ),
    ],
)
def test_a_bad_source_is_named(enter, source: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(attachment(source=source))[1] == [problem]


def test_a_volume_may_be_described_in_place(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(attachment(source={"inlineVolumeSpec": INLINE}))[1] == []


def test_what_was_asked_stays_asked(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(attachment())

    (problem,) = enter(attachment(nodeName="n2"), old)[1]

    assert problem.startswith("spec: Invalid value: ") and problem.endswith(": field is immutable")


def test_a_long_error_is_refused(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(attachment())
    status = {"attached": False, "attachError": {"message": "m" * 1025, "errorCode": -1}}

    assert [
        f"{cause.field}: {cause.message}"
        for cause in KINDS["VolumeAttachment"].validate({**old, "status": status}, old)
    ] == [
        "status.attachError.message: Too long: may not be more than 262144 bytes",
        "status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(attachment())

    assert [column.cell(made, 0.0) for column in KINDS["VolumeAttachment"].columns] == [
        "v", "a.b", "pv", "n1", False, "<unknown>",
    ]  # fmt: skip
