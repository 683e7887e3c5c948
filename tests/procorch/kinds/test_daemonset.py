"""A DaemonSet: defaults, the count of its templates, what is refused, what kubectl shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.kinds.daemonset import TEMPLATE_GENERATION
from procorch.objects import Object

SET: Object = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "log", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "log"}},
        "template": {
            "metadata": {"labels": {"app": "log"}},
            "spec": {"containers": [{"name": "log", "image": "log:1"}], "nodeSelector": {"disk": "fast"}},
        },
    },
}
ROLLING = "spec.updateStrategy.rollingUpdate"


def test_the_defaults_are_those_of_apps_v1(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(SET)

    assert problems == []
    spec = made["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    assert spec["revisionHistoryLimit"] == 10 and "replicas" not in spec
    assert made["status"] == {
        "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
    }  # fmt: skip


def test_the_server_counts_its_templates(enter) -> None:  # type: ignore[no-untyped-def]
    first, _ = enter(SET)
    assert first["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}

    forged = copy.deepcopy(first)
    forged["metadata"]["annotations"] = {TEMPLATE_GENERATION: "9"}
    same, _ = enter(forged, first)
    newer = copy.deepcopy(same)
    newer["spec"]["template"]["spec"]["containers"][0]["image"] = "log:2"
    newer["metadata"].pop("annotations")
    second, _ = enter(newer, same)

    assert same["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}
    assert second["metadata"]["annotations"] == {TEMPLATE_GENERATION: "2"}


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param(
            {"selector": None},
            ['spec.template.metadata.labels: Invalid value: {"app":"log"}: '
             "`selector` does not match template `labels`"],
            id="no selector",
        ),
        pytest.param(
            {"selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"],
            id="a selector that chooses everything",
        ),
        pytest.param(
            {"updateStrategy": {"type": "Recreate"}},
            ['spec.updateStrategy: Unsupported value: {"Type":"Recreate","RollingUpdate":null}: '
             'supported values: "RollingUpdate", "OnDelete"'],
            id="a strategy that there is not",
        ),
        pytest.param(
            {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}},
            [f"{ROLLING}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
            id="both ways of replacing",
        ),
        pytest.param(
            {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
            [f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
            id="no way of replacing",
        ),
        pytest.param(
            {"minReadySeconds": -1},
            ["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"],
            id="a number below nothing",
        ),
        pytest.param({"updateStrategy": {"type": "OnDelete"}}, [], id="replaced when somebody deletes: fine"),
    ],
)  # fmt: skip
def test_what_is_refused(enter, spec: dict[str, Any], problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert enter(SET, **spec)[1] == problems


def test_the_selector_never_changes(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(SET)
    new = copy.deepcopy(old)
    new["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}

    (problem,) = enter(new, old)[1]

    assert problem.startswith("spec.selector: Invalid value: ") and problem.endswith(": field is immutable")


def test_a_status_that_cannot_be() -> None:
    old = copy.deepcopy(SET) | {"status": {"collisionCount": 1}}
    new = copy.deepcopy(SET) | {"status": {"numberReady": -1}}

    assert [cause.field for cause in KINDS["DaemonSet"].validate(new, old)] == [
        "status.numberReady", "status.collisionCount",
    ]  # fmt: skip


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(SET)
    made["status"] |= {"desiredNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 1}
    columns = KINDS["DaemonSet"].columns

    assert [column.name for column in columns] == [
        "Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age",
        "Containers", "Images", "Selector",
    ]  # fmt: skip
    assert [column.cell(made, 0.0) for column in columns] == [
        "log", 3, 0, 2, 1, 0, "disk=fast", "<unknown>", "log", "log:1", "app=log",
    ]  # fmt: skip
