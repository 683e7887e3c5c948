"""What of a pod changes through a subresource alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

KIND = KINDS["Pod"]
DEBUGGER = {"name": "look", "image": "host", "command": ["sh"], "targetContainerName": "c"}


@pytest.fixture
def pod() -> Object:
    container = {"name": "c", "image": "host", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": [container]}}  # fmt: skip
    KIND.default(made)
    KIND.prepare(made, None)
    return made


def through(part: str, old: Object, **spec: Any) -> tuple[Object, list[str]]:
    """The pod as it is after a write to the subresource, and what is wrong with it."""
    obj = copy.deepcopy(old)
    obj["spec"].update(copy.deepcopy(spec))
    obj["metadata"]["labels"] = {"written": "along"}
    KIND.default(obj)
    hooks = KIND.parts[part]
    assert hooks.prepare is not None and hooks.validate is not None
    hooks.prepare(obj, old, "2026-11-25T00:00:00Z")
    return obj, [f"{cause.field}: {cause.message}" for cause in hooks.validate(obj, old)]


def resized(pod: Object, **resources: Any) -> list[Object]:
    return [{**pod["spec"]["containers"][0], "image": "other", "resources": resources}]


def test_an_ephemeral_container_is_added_and_nothing_else_changes(pod: Object) -> None:
    made, problems = through("ephemeralcontainers", pod, ephemeralContainers=[DEBUGGER], nodeName="elsewhere")

    assert problems == []
    assert made["spec"]["ephemeralContainers"][0]["terminationMessagePolicy"] == "File"
    assert {**made, "spec": {**made["spec"], "ephemeralContainers": None}} == {
        **pod, "spec": {**pod["spec"], "ephemeralContainers": None},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        ({"ports": [{"containerPort": 80}]}, "ports: Forbidden: cannot be set for an Ephemeral Container"),
        ({"resources": {"limits": {"cpu": "1"}}}, "resources: Forbidden: cannot be set for an Ephemeral Container"),
        ({"targetContainerName": "d"}, 'targetContainerName: Not found: "d"'),
        ({"name": "c"}, 'name: Duplicate value: "c"'),
    ],
)
def test_what_such_a_container_cannot_have_is_named(pod: Object, container: Object, problem: str) -> None:
    _, problems = through("ephemeralcontainers", pod, ephemeralContainers=[{**DEBUGGER, **container}])

    assert problems == [f"spec.ephemeralContainers[0].{problem}"]


def test_who_looked_once_is_not_taken_back(pod: Object) -> None:
    old, _ = through("ephemeralcontainers", pod, ephemeralContainers=[DEBUGGER])

    _, removed = through("ephemeralcontainers", old, ephemeralContainers=[])
    _, changed = through("ephemeralcontainers", old, ephemeralContainers=[{**DEBUGGER, "command": ["id"]}])

    assert removed == ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "look" may not be removed\n']
    assert 'existing ephemeral containers "look" may not be changed' in changed[0]


def test_resources_change_and_nothing_else(pod: Object) -> None:
    made, problems = through("resize", pod, containers=resized(pod, requests={"cpu": "1500m"}, limits={"cpu": "3"}))

    assert problems == []
    container = made["spec"]["containers"][0]
    assert (container["image"], container["resources"]["limits"]) == ("host", {"cpu": "3"})
    assert "labels" not in made["metadata"]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        (
            {"requests": {"cpu": "1"}},
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "ephemeral-storage": "1Gi"}},
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
            'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        ),
        (
            {"requests": {"cpu": "3"}, "limits": {"cpu": "2"}},
            'spec.containers[0].resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2',
        ),
    ],
)
def test_a_size_that_is_none_is_named(pod: Object, resources: Object, problem: str) -> None:
    _, problems = through("resize", pod, containers=resized(pod, **resources))

    assert any(one.startswith(problem) for one in problems), problems


def test_a_pods_size_as_a_whole_changes_as_its_containers_do(pod: Object) -> None:
    pod["spec"]["resources"] = {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}
    larger = {"requests": {"cpu": "3"}, "limits": {"cpu": "4"}}

    made, problems = through("resize", pod, resources=larger)
    assert (made["spec"]["resources"], problems) == (larger, [])

    _, problems = through("resize", pod, resources={"requests": {"cpu": "2"}})
    assert problems == ["spec.resources.limits: Forbidden: resource limits cannot be removed"]
