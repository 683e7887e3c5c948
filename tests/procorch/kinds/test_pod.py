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


def test_the_priority_that_a_pod_was_given_stays(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(pod(priority=7, preemptionPolicy="Never"))

    made, problems = enter(pod(tolerations=old["spec"]["tolerations"], serviceAccountName="default"), old)

    assert problems == []
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (7, "Never")


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
