"""Which claims a pod waits for."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.objects import Object
from procorch.scheduler.claims import waits_for
from procorch.scheduler.cluster import pod_info
from procorch.scheduler.plan import refused


def pod(*volumes: Any) -> Object:
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": "p"},
        "spec": {"volumes": list(volumes), "containers": []},
    }


def claimed(name: str) -> Object:
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def claim(volume: str = "", *, phase: str = "Pending", deleting: bool = False) -> Object:
    metadata = {"name": "c", "namespace": "d"} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})
    return {"metadata": metadata, "spec": {"volumeName": volume} if volume else {}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("there", "claims", "said"),
    [
        pytest.param(pod({"name": "v", "emptyDir": {}}), {}, "", id="no claims"),
        pytest.param(pod(claimed("c")), {}, 'persistentvolumeclaim "c" not found', id="not there"),
        pytest.param(pod(claimed("c")), {"e/c": claim("v")}, 'persistentvolumeclaim "c" not found', id="elsewhere"),
        pytest.param(
            pod(claimed("c")), {"d/c": claim()}, "pod has unbound immediate PersistentVolumeClaims", id="no volume yet"
        ),
        pytest.param(pod(claimed("c")), {"d/c": claim("v")}, "", id="bound"),
        pytest.param(
            pod(claimed("c")),
            {"d/c": claim("v", deleting=True)},
            'persistentvolumeclaim "c" is being deleted',
            id="goes",
        ),
        pytest.param(
            pod(claimed("c")),
            {"d/c": claim("v", phase="Lost")},
            'persistentvolumeclaim "c" bound to non-existent persistentvolume "v"',
            id="lost",
        ),
        pytest.param(
            pod({"name": "v", "ephemeral": {}}),
            {},
            'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"',
            id="one of its own",
        ),
    ],
)
def test_what_it_waits_for(there: Object, claims: dict[str, Object], said: str) -> None:
    assert waits_for(there, claims) == said


def test_the_sentence() -> None:
    assert refused(pod_info(pod()), 3, "pod has unbound immediate PersistentVolumeClaims") == (
        "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: "
        "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
