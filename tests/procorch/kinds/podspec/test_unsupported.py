"""What is not built is refused by its name, and asking for nothing of it is fine."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.objects import Object

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "hello", "namespace": "default"},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}


def pod(container: dict[str, Any] | None = None, **spec: Any) -> Object:
    made = copy.deepcopy(POD)
    made["spec"]["containers"][0].update(container or {})
    made["spec"].update(spec)
    return made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostUsers", False),
    ],
)
def test_what_is_not_built_is_refused_by_its_name(enter, field: str, value: object) -> None:  # type: ignore[no-untyped-def]
    _, problems = enter(pod(**{field: value}))

    assert problems == [f"spec.{field}: Forbidden: not supported"]


def test_asking_for_nothing_that_is_not_built_is_fine(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(pod(hostUsers=True, resourceClaims=[]))[1] == []


def test_a_container_that_asks_for_what_is_not_built(enter) -> None:  # type: ignore[no-untyped-def]
    claim = {"name": "a", "persistentVolumeClaim": {"claimName": "c"}}
    device = {"name": "a", "devicePath": "/dev/a"}
    _, problems = enter(pod({"volumeDevices": [device]}, volumes=[claim]))

    assert problems == ["spec.containers[0].volumeDevices: Forbidden: not supported"]


def test_a_windows_pod_finds_no_node_here(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(pod(os={"name": "linux"}))[1] == []
    assert enter(pod(os={"name": "windows"}))[1] == ["spec.os.name: Forbidden: not supported: nodes run Linux"]
