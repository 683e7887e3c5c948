"""What is asked of a pod everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.objects import Object
from procorch.pods import (
    deletion_cost,
    disruption,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    ready_since,
    restarts_of,
)

NOW = 1_000_000.0


def pod(phase: str = "Running", ready: str = "True", since: float = NOW - 10, **metadata: Any) -> Object:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": timestamp(since)}
    return {"metadata": metadata, "status": {"phase": phase, "conditions": [condition]}}


@pytest.mark.parametrize(
    ("one", "active", "terminal"),
    [
        pytest.param({"metadata": {}}, True, False, id="new"),
        pytest.param(pod(), True, False, id="running"),
        pytest.param(pod("Succeeded"), False, True, id="succeeded"),
        pytest.param(pod("Failed"), False, True, id="failed"),
        pytest.param(pod(deletionTimestamp=timestamp(NOW)), False, False, id="ending"),
    ],
)
def test_does_it_count(one: Object, active: bool, terminal: bool) -> None:
    assert (is_active(one), is_terminal(one)) == (active, terminal)


def test_ready_and_since_when() -> None:
    assert is_ready(pod())
    assert ready_since(pod()) == NOW - 10
    assert not is_ready(pod(ready="False"))
    assert ready_since(pod(ready="Unknown")) is None


def test_available_is_ready_for_long_enough() -> None:
    assert is_available(pod(), 0, NOW)
    assert is_available(pod(), 10, NOW)
    assert not is_available(pod(), 11, NOW)


def test_restarts_are_those_of_the_worst_container() -> None:
    statuses = [{"restartCount": 1}, {"restartCount": 4}]

    assert restarts_of({"metadata": {}, "status": {"containerStatuses": statuses}}) == 4
    assert restarts_of({"metadata": {}}) == 0


@pytest.mark.parametrize(("text", "cost"), [("7", 7), ("-3", -3), ("many", 0)])
def test_the_cost_is_what_the_annotation_says(text: str, cost: int) -> None:
    assert deletion_cost(pod(annotations={"controller.kubernetes.io/pod-deletion-cost": text})) == cost


def test_why_it_is_taken_away() -> None:
    patch = disruption(pod(uid="u"), "DeletionByPodGC", "PodGC: node no longer exists", NOW)

    assert patch["metadata"] == {"uid": "u"}
    assert patch["status"]["conditions"] == [
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": timestamp(NOW),
        }
    ]
