"""What a volume of somebody else's must name; the two sides of it, a pod and a PersistentVolume, differ by secrets."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.disks import validate_disk, validate_driver_name


def lines(name: str, source: dict[str, Any], *, persistent: bool = False, volume: str = "v") -> list[str]:
    causes = validate_disk(name, source, "s", volume=volume, persistent=persistent)
    return [f"{cause.field}: {cause.message}" for cause in causes]


@pytest.mark.parametrize(
    ("name", "source", "problems"),
    [
        ("gcePersistentDisk", {"partition": 256},
         ["s.persistentDisk.pdName: Required value",
          "s.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive"]),
        ("fc", {"targetWWNs": ["a"], "wwids": ["b"]},
         ['s.fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
          "s.fc.lun: Required value: lun is required if targetWWNs is specified"]),
        ("quobyte", {"registry": "a:1,b", "volume": "v"},
         ['s.quobyte.registry: Invalid value: "a:1,b": '
          "must be a host:port pair or multiple pairs separated by commas"]),
        ("flocker", {"datasetName": "a/b"}, ["s.flocker.datasetName: Invalid value: \"a/b\": must not contain '/'"]),
        ("flexVolume", {"driver": "d", "options": {"x.kubernetes.io/y": "z"}},
         ['s.flexVolume.options[x.kubernetes.io/y]: Invalid value: "x.kubernetes.io/y": '
          "kubernetes.io and k8s.io namespaces are reserved"]),
        ("nfs", {"server": "s", "path": "a"}, ['s.nfs.path: Invalid value: "a": must be an absolute path']),
        ("iscsi", {"targetPortal": "p", "iqn": "x", "chapAuthSession": True},
         ['s.iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa',
          "s.iscsi.secretRef: Required value"]),
        ("csi", {"driver": "a.b", "nodePublishSecretRef": {}},
         ["s.csi.nodePublishSecretRef.name: Required value"]),
    ],
)  # fmt: skip
def test_what_a_pod_may_not_ask(name: str, source: dict[str, Any], problems: list[str]) -> None:
    assert lines(name, source) == problems


def test_a_secret_of_the_cluster_has_a_namespace() -> None:
    source = {"driver": "a.b", "volumeHandle": "h", "nodePublishSecretRef": {"name": "s"}}

    assert lines("csi", source) == []
    assert lines("csi", source, persistent=True) == ["s.csi.nodePublishSecretRef.namespace: Required value"]
    assert lines("cinder", {"volumeID": "v", "secretRef": {"name": "s"}}, persistent=True) == [
        "s.cinder.secretRef.namespace: Required value"
    ]


def test_an_iscsi_disk_and_its_portal_are_short_together() -> None:
    disk = {"targetPortal": "p", "iqn": "iqn.2015-02.example.com:test", "initiatorName": "iqn.2015-02.example.com:a"}

    assert lines("iscsi", disk) == []
    assert [line.partition(":")[0] for line in lines("iscsi", disk, volume="v" * 63)] == ["s.name"]


def test_a_driver_is_named_like_a_host() -> None:
    assert [cause.message for cause in validate_driver_name("", "d")] == ["Required value"]
    assert [cause.message for cause in validate_driver_name("a" * 64, "d")] == [
        "Too long: may not be more than 63 bytes"
    ]
    assert list(validate_driver_name("Disk.Example.com", "d")) == []
