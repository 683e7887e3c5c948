"""What a Job reads of its pods, and how it makes them."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.controllers.job_pods import (
    FAILURES,
    FINALIZER,
    IGNORED,
    INDEX,
    finished_at,
    index_of,
    is_failed,
    is_terminating,
    pod_of,
)
from procorch.objects import Object

CONTAINER = {"name": "c", "env": [{"name": "A", "value": "b"}]}


def job(name: str = "work", **spec: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "x"}, "finalizers": ["example.com/own"]},
        "spec": {"containers": [CONTAINER]},
    }
    metadata = {"name": name, "namespace": "d", "uid": "j"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


def pod(phase: str = "Running", *, deleting: bool = False, **annotations: str) -> Object:
    metadata: Object = {"name": "p", "namespace": "d", "uid": "p", "annotations": annotations}
    if deleting:
        metadata |= {"deletionTimestamp": timestamp(130), "deletionGracePeriodSeconds": 30}
    return {"metadata": {**metadata, "creationTimestamp": timestamp(5)}, "spec": {}, "status": {"phase": phase}}


@pytest.mark.parametrize("policy", [{"podReplacementPolicy": "Failed"}, {"podFailurePolicy": {"rules": []}}, {}])
def test_when_a_pod_has_failed(policy: Any) -> None:
    at_once = not policy
    assert is_failed(pod("Failed"), job(**policy))
    assert not is_failed(pod("Succeeded", deleting=True), job(**policy))
    assert is_failed(pod(deleting=True), job(**policy)) == at_once
    assert is_terminating(pod(deleting=True)) and not is_terminating(pod("Failed", deleting=True))


def test_when_a_pod_has_ended() -> None:
    def ended(at: int, name: str) -> Object:
        return {"name": name, "state": {"terminated": {"finishedAt": timestamp(at)}}}

    there = pod()
    assert finished_at(there) == 5, "if nothing is known: when it was made"
    assert finished_at(pod(deleting=True)) == 100, "when somebody deleted it"
    there["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": timestamp(50)}]
    assert finished_at(there) == 50
    there["status"]["containerStatuses"] = [ended(60, "a"), ended(70, "b")]
    assert finished_at(there) == 70
    there["spec"]["initContainers"] = [{"name": "log", "restartPolicy": "Always"}, {"name": "init"}]
    there["status"]["initContainerStatuses"] = [ended(80, "log"), ended(90, "init")]
    assert finished_at(there) == 80, "a sidecar outlives the others"


def test_a_pod_is_made_with_the_finalizer() -> None:
    made = pod_of(job(), None, None)

    assert made["metadata"]["finalizers"] == ["example.com/own", FINALIZER]
    assert made["metadata"]["generateName"] == "work-" and "hostname" not in made["spec"]


def test_a_pod_of_an_index_knows_it() -> None:
    made = pod_of(job(), 7, None)

    assert index_of(made) == 7 and made["metadata"]["labels"] == {"app": "x", INDEX: "7"}
    assert made["spec"]["hostname"] == "work-7" and made["metadata"]["generateName"] == "work-7-"
    assert [row["name"] for row in made["spec"]["containers"][0]["env"]] == ["A", "JOB_COMPLETION_INDEX"]
    assert CONTAINER["env"] == [{"name": "A", "value": "b"}], "the template stays as it was"
    assert len(pod_of(job("x" * 63), 123, None)["metadata"]["generateName"]) == 58


def test_the_variable_of_the_user_stays() -> None:
    there = job()
    there["spec"]["template"]["spec"]["containers"] = [
        {"name": "c", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "x"}]}
    ]

    assert len(pod_of(there, 1, None)["spec"]["containers"][0]["env"]) == 1


def test_failures_of_an_index_are_handed_on() -> None:
    ignore = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    there = job(backoffLimitPerIndex=3, podFailurePolicy=ignore)
    failed = pod("Failed", **{INDEX: "1", FAILURES: "2"})
    disrupted = pod("Failed", **{INDEX: "1", FAILURES: "2"})
    disrupted["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]

    def counts(replaced: Object | None) -> tuple[str | None, str | None]:
        annotations = pod_of(there, 1, replaced)["metadata"]["annotations"]
        return annotations.get(FAILURES), annotations.get(IGNORED)

    assert counts(None) == ("0", None)
    assert counts(failed) == ("3", None)
    assert counts(disrupted) == ("2", "1")
    assert FAILURES not in pod_of(job(), 1, failed)["metadata"]["annotations"]


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "99999999999"])
def test_what_is_no_index_is_none(text: str) -> None:
    assert index_of(pod(**{INDEX: text})) is None
