"""A pod gets what Kubernetes gives it, is refused in Kubernetes' words, and changes only as it may."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
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


def test_the_smallest_pod_becomes_what_kubernetes_makes_of_it(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(POD)

    assert problems == []
    assert made == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "nginx",
                    "imagePullPolicy": "Always",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccount": "default",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
            ],
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def test_defaults_are_filled_in_once(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(POD)
    again, problems = enter(made, made)

    assert again == made
    assert problems == []


def test_a_pods_own_tolerations_of_unhealthy_nodes_are_kept(enter) -> None:  # type: ignore[no-untyped-def]
    mine = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}

    made, problems = enter(pod(tolerations=[mine]))

    assert problems == []
    assert [(t["key"], t["tolerationSeconds"]) for t in made["spec"]["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 5),
        ("node.kubernetes.io/unreachable", 300),
    ]


def test_who_tolerates_everything_gets_no_more_tolerations(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(pod(tolerations=[{"operator": "Exists"}]))

    assert made["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_the_status_is_not_the_clients(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter({**POD, "status": {"phase": "Running"}})

    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_gated_pod_says_why_it_waits(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(pod(schedulingGates=[{"name": "example.com/wait"}]))

    assert problems == []
    assert made["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_in_the_nodes_network_a_container_port_is_a_host_port(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(pod({"ports": [{"containerPort": 80}]}, hostNetwork=True))

    assert problems == []
    assert made["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_an_image_with_a_space_before_it_is_refused(enter) -> None:  # type: ignore[no-untyped-def]
    _, problems = enter(pod({"image": " nginx"}))

    assert problems == [
        'spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'
    ]


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
    old, _ = enter(POD)
    more, fewer = copy.deepcopy(old), copy.deepcopy(old)
    more["spec"]["tolerations"].append({"key": "a", "operator": "Exists"})
    fewer["spec"]["tolerations"].pop()

    assert enter(more, old)[1] == []
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostPID", True),
        ("hostIPC", True),
        ("shareProcessNamespace", True),
        ("hostUsers", False),
        ("runtimeClassName", "gvisor"),
        ("resources", {"limits": {"cpu": "1"}}),
    ],
)
def test_what_is_not_built_is_refused_by_its_name(enter, field: str, value: object) -> None:  # type: ignore[no-untyped-def]
    _, problems = enter(pod(**{field: value}))

    assert problems == [f"spec.{field}: Forbidden: not supported"]


def test_asking_for_nothing_that_is_not_built_is_fine(enter) -> None:  # type: ignore[no-untyped-def]
    quiet = {"hostPID": False, "hostIPC": False, "shareProcessNamespace": False, "hostUsers": True}

    assert enter(pod({"securityContext": {"privileged": False}}, **quiet))[1] == []


@pytest.mark.parametrize(
    ("spec", "status", "seconds"),
    [
        pytest.param({"terminationGracePeriodSeconds": 30}, {}, 0, id="on no node yet: at once"),
        pytest.param({"nodeName": "a", "terminationGracePeriodSeconds": 7}, {}, 7, id="its own patience"),
        pytest.param({"nodeName": "a"}, {"phase": "Succeeded"}, 0, id="has ended: at once"),
        pytest.param({"nodeName": "a"}, {"phase": "Running"}, 30, id="nothing said: half a minute"),
    ],
)
def test_how_long_a_deleted_pod_may_stay(spec: Object, status: Object, seconds: int) -> None:
    grace = KINDS["Pod"].grace
    assert grace is not None

    assert grace({"metadata": {}, "spec": spec, "status": status}) == seconds


def test_a_status_with_one_address_has_it_in_both_spellings() -> None:
    made: Object = {"metadata": {"name": "a"}, "spec": {}, "status": {"podIP": "10.0.0.1"}}

    KINDS["Pod"].default(made)

    assert made["status"]["podIPs"] == [{"ip": "10.0.0.1"}]
