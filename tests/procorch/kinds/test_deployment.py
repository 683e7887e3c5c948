"""A Deployment: defaults, what is refused, what kubectl shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
        },
    },
}


def test_the_defaults_are_those_of_apps_v1(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(DEPLOYMENT)

    assert problems == []
    spec = made["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert made["status"] == {}


def test_a_strategy_that_replaces_all_has_no_steps(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(DEPLOYMENT, strategy={"type": "Recreate"})

    assert problems == [] and made["spec"]["strategy"] == {"type": "Recreate"}


ROLLING = "spec.strategy.rollingUpdate"


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param(
            {"selector": None},
            ["spec.selector: Required value",
             'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
             "`selector` does not match template `labels`"],
            id="no selector",
        ),
        pytest.param(
            {"selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
            id="a selector that chooses everything",
        ),
        pytest.param(
            {"replicas": -1, "minReadySeconds": -1, "revisionHistoryLimit": -1, "progressDeadlineSeconds": -1},
            [*(f"spec.{field}: Invalid value: -1: must be greater than or equal to 0" for field in
               ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")),
             "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds"],
            id="numbers below nothing",
        ),
        pytest.param(
            {"minReadySeconds": 600},
            ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
            id="no time to become ready",
        ),
        pytest.param(
            {"strategy": {"type": "Slow"}},
            ['spec.strategy: Unsupported value: {"Type":"Slow","RollingUpdate":null}: '
             'supported values: "Recreate", "RollingUpdate"'],
            id="a strategy that there is not",
        ),
        pytest.param(
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            [f"{ROLLING}: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
            id="steps of a strategy without steps",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            [f'{ROLLING}.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
            id="a roll-out that cannot move",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": "200%", "maxUnavailable": "200%"}}},
            [f'{ROLLING}.maxUnavailable: Invalid value: "200%": must not be greater than 100%'],
            id="more than all unavailable",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(enter, spec: dict[str, Any], problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert enter(DEPLOYMENT, **spec)[1] == problems


def test_its_pods_are_kept_running_by_a_replica_set_whose_words_are_used(enter) -> None:  # type: ignore[no-untyped-def]
    template = copy.deepcopy(DEPLOYMENT["spec"]["template"])
    template["spec"] |= {"restartPolicy": "Never", "activeDeadlineSeconds": 5}

    assert enter(DEPLOYMENT, template=template)[1] == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
    ]


def test_the_selector_never_changes(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(DEPLOYMENT)
    new = copy.deepcopy(old)
    new["spec"]["selector"] = {"matchLabels": {"app": "db"}}
    new["spec"]["template"]["metadata"]["labels"] = {"app": "db"}

    assert enter(new, old)[1] == ['spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable']


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"replicas": -1}, "status.replicas: Invalid value: -1: must be greater than or equal to 0"),
        ({"updatedReplicas": 1}, "status.updatedReplicas: Invalid value: 1: cannot be greater than status.replicas"),
        (
            {"replicas": 1, "availableReplicas": 1},
            "status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas",
        ),
        ({}, "status.collisionCount: Invalid value: 0: cannot be decremented"),
    ],
)
def test_a_status_that_cannot_be(status: dict[str, int], problem: str) -> None:
    old = copy.deepcopy(DEPLOYMENT) | {"status": {"collisionCount": 1}}
    new = copy.deepcopy(DEPLOYMENT) | {"status": {"collisionCount": 1} | status if status else {}}

    causes = list(KINDS["Deployment"].validate(new, old))

    assert f"{causes[0].field}: {causes[0].message}" == problem


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(DEPLOYMENT, replicas=3)
    made["status"] = {"readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2}
    kind = KINDS["Deployment"]

    assert [column.name for column in kind.columns] == [
        "Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector",
    ]  # fmt: skip
    assert [column.cell(made, 0.0) for column in kind.columns] == [
        "web", "2/3", 1, 2, "<unknown>", "web", "nginx:1", "app=web",
    ]  # fmt: skip
    assert [column.priority for column in kind.columns] == [0, 0, 0, 0, 0, 1, 1, 1]
