"""What is wrong with a volume; what no node here can mount is still accepted."""

from __future__ import annotations

import pytest

AT = "spec.volumes[0]"


@pytest.mark.parametrize(
    ("volume", "problem"),
    [
        ({"name": ""}, f"{AT}.name: Required value"),
        (
            {"emptyDir": {}, "hostPath": {"path": "/"}},
            f"{AT}.hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        ({"hostPath": {}}, f"{AT}.hostPath.path: Required value"),
        ({"hostPath": {"path": "/a/../b"}}, f"{AT}.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
        ({"secret": {}}, f"{AT}.secret.secretName: Required value"),
        ({"configMap": {}}, f"{AT}.configMap.name: Required value"),
        (
            {"configMap": {"name": "c", "defaultMode": 512}},
            f"{AT}.configMap.defaultMode: Invalid value: 512: "
            "must be a number between 0 and 0777 (octal), both inclusive",
        ),
        (
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "/etc"}]}},
            f'{AT}.configMap.items[0].path: Invalid value: "/etc": must be a relative path',
        ),
        (
            {"secret": {"secretName": "s", "items": [{"key": "k", "path": "..data"}]}},
            f"{AT}.secret.items[0].path: Invalid value: \"..data\": must not start with '..'",
        ),
        ({"persistentVolumeClaim": {}}, f"{AT}.persistentVolumeClaim.claimName: Required value"),
        ({"nfs": {"server": "s", "path": "a"}}, f'{AT}.nfs.path: Invalid value: "a": must be an absolute path'),
        (
            {"emptyDir": {"sizeLimit": "-1"}},
            f"{AT}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}},
            f"{AT}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: "
            "may not specify a duration less than 10 minutes",
        ),
        (
            {"downwardAPI": {"items": [{"path": "p"}]}},
            f"{AT}.downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
        ),
    ],
)
def test_a_bad_volume_is_named(problems, volume, problem) -> None:  # type: ignore[no-untyped-def]
    assert problems(volumes=[{"name": "v", **volume}]) == [problem]


def test_a_wrong_type_of_host_path_is_told_the_right_ones(problems) -> None:  # type: ignore[no-untyped-def]
    (problem,) = problems(volumes=[{"name": "v", "hostPath": {"path": "/a", "type": "Fifo"}}])

    assert problem.startswith('spec.volumes[0].hostPath.type: Unsupported value: "Fifo": supported values: "", "Block')


def test_names_are_unique(problems) -> None:  # type: ignore[no-untyped-def]
    assert problems(volumes=[{"name": "v"}, {"name": "v"}]) == ['spec.volumes[1].name: Duplicate value: "v"']


@pytest.mark.parametrize(
    "source",
    [
        {"gcePersistentDisk": {"pdName": "d"}},
        {"awsElasticBlockStore": {"volumeID": "v"}},
        {"nfs": {"server": "s", "path": "/a"}},
        {"persistentVolumeClaim": {"claimName": "c"}},
        {"csi": {"driver": "example.com"}},
        {"projected": {"sources": [{"configMap": {"name": "c"}}, {"downwardAPI": {"items": []}}]}},
    ],
)
def test_sources_of_other_machines_are_accepted(problems, source) -> None:  # type: ignore[no-untyped-def]
    assert problems(volumes=[{"name": "v", **source}]) == []
