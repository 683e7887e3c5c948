"""Limits of what a pod may write onto the node's disk."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.eviction.local_storage import excess, has_limits
from procorch.kubelet.eviction.usage import PodUsage
from procorch.objects import Object
from runtime.disk import Disk


def pod(*limits: str, size: str | None = None) -> Object:
    rows = [
        {"name": name, "resources": {"limits": {"ephemeral-storage": limit}} if limit else {}}
        for name, limit in zip("ab", limits, strict=False)
    ]
    volume: dict[str, Any] = {"name": "v", "emptyDir": {"sizeLimit": size} if size else {}}
    return {"spec": {"containers": rows, "volumes": [volume]}}


def used(a: int = 0, b: int = 0, volume: int = 0) -> PodUsage:
    return PodUsage(files={"a": Disk(a), "b": Disk(b)}, empty_dirs={"v": Disk(volume)})


@pytest.mark.parametrize(
    ("given", "usage", "why"),
    [
        (pod("1Ki", "1Ki", size="1Ki"), used(1024, 0, 1024), ""),
        (pod("", size="1Ki"), used(9999, 9999, 1025), 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". '),
        (
            pod("1Ki", "1Ki"),
            used(1000, 1000, 1000),
            "Pod ephemeral local storage usage exceeds the total limit of containers 2Ki. ",
        ),
        (pod("1Ki", "4Ki"), used(1025), 'Container a exceeded its local ephemeral storage limit "1Ki". '),
    ],
    ids=["within all", "an emptyDir", "all together", "a container"],
)
def test_what_exceeds_its_limit_goes(given: Object, usage: PodUsage, why: str) -> None:
    assert has_limits(given)
    assert excess(given, usage) == why


def test_a_pod_without_limits_is_not_looked_at() -> None:
    assert not has_limits(pod("", ""))
    assert excess(pod("", ""), used(9999, 9999, 9999)) == ""
