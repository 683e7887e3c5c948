"""Of a pod little may change, and a refusal shows what."""

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
    ("change", "problem"),
    [
        pytest.param({"image": "nginx:2"}, "", id="another image"),
        pytest.param(
            {"env": [{"name": "A"}]}, "spec: Forbidden: pod updates may not change fields other than", id="env"
        ),
    ],
)
def test_of_a_container_only_the_image_changes(enter, change, problem) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(POD)
    new = copy.deepcopy(old)
    new["spec"]["containers"][0].update(change)

    _, problems = enter(new, old)

    assert [line[: len(problem)] for line in problems] == ([problem] if problem else [])


def test_a_refused_change_shows_what_it_was(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(POD)
    new = copy.deepcopy(old)
    new["spec"]["hostname"] = "other"

    _, (problem,) = enter(new, old)

    assert problem.endswith('\n+ hostname: "other"\n')


def test_containers_are_neither_added_nor_removed(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(POD)
    new = copy.deepcopy(old)
    new["spec"]["containers"].append({"name": "more", "image": "nginx"})

    _, problems = enter(new, old)

    assert problems == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_tolerations_are_added_but_not_taken_away(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(pod(tolerations=[{"key": "own", "operator": "Exists"}]))
    more, fewer, own = copy.deepcopy(old), copy.deepcopy(old), copy.deepcopy(old)
    more["spec"]["tolerations"].append({"key": "a", "operator": "Exists"})
    fewer["spec"]["tolerations"].pop(0)
    own["spec"]["tolerations"] = own["spec"]["tolerations"][:1]

    assert enter(more, old)[1] == []
    assert enter(own, old) == (old, []), "what every pod is given comes again"
    assert enter(fewer, old)[1] == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_a_deadline_only_comes_nearer(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(pod(activeDeadlineSeconds=10))

    assert enter(old, old, activeDeadlineSeconds=5)[1] == []
    assert enter(old, old, activeDeadlineSeconds=20)[1] == [
        "spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous value"
    ]


def test_scheduling_gates_are_only_removed(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(pod(schedulingGates=[{"name": "a"}]))

    assert enter(old, old, schedulingGates=[])[1] == []
    assert enter(old, old, schedulingGates=[{"name": "a"}, {"name": "b"}])[1] == [
        "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"
    ]


def test_while_it_is_gated_a_pods_node_selector_may_grow(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(pod(schedulingGates=[{"name": "a"}], nodeSelector={"disk": "fast"}))

    assert enter(old, old, nodeSelector={"disk": "fast", "zone": "a"})[1] == []
    assert enter(old, old, nodeSelector={"zone": "a"})[1] == [
        'spec.nodeSelector: Invalid value: {"zone":"a"}: '
        "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
    ]


def test_while_it_is_gated_what_a_pod_asks_of_nodes_may_grow(enter) -> None:  # type: ignore[no-untyped-def]
    def wish(*keys: str, terms: int = 1) -> Object:
        term = {"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]}
        required = {"nodeSelectorTerms": [term] * terms}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}

    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    free, _ = enter(pod(schedulingGates=[{"name": "a"}]))
    old, _ = enter(pod(schedulingGates=[{"name": "a"}], affinity=wish("disk")))

    assert enter(free, free, affinity=wish("disk"))[1] == []
    assert enter(old, old, affinity=wish("disk", "zone"))[1] == []
    (changed,) = enter(old, old, affinity=wish("zone"))[1]
    assert changed.startswith(f"{path}[0]: Invalid value") and "only additions are allowed" in changed
    (longer,) = enter(old, old, affinity=wish("disk", terms=2))[1]
    assert longer.endswith("no additions/deletions to non-empty NodeSelectorTerms list are allowed")


def test_the_node_is_not_the_clients_to_choose_later(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(POD)

    assert enter(old, old, nodeName="n1")[1][0].startswith("spec: Forbidden: pod updates may not change fields")
