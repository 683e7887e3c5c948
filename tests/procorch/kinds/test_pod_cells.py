"""READY, STATUS and RESTARTS of a pod are what kubectl shows for the same status."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.kinds.pod_cells import finished, summary
from procorch.objects import Object

NOW = 1795460400.0  # 2026-11-23T19:00:00Z
RUNNING = {"name": "a", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-23T18:59:00Z"}}}


def pod(*statuses: dict[str, Any], phase: str = "Running", spec: Object | None = None, **status: Any) -> Object:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": str(i)} for i in range(max(1, len(statuses)))], **(spec or {})},
        "status": {"phase": phase, "containerStatuses": list(statuses), **status},
    }


def waiting(reason: str, restarts: int = 0) -> dict[str, Any]:
    return {"name": "a", "ready": False, "restartCount": restarts, "state": {"waiting": {"reason": reason}}}


def ended(**terminated: Any) -> dict[str, Any]:
    return {"name": "a", "ready": False, "restartCount": 0, "state": {"terminated": terminated}}


def initial(*statuses: dict[str, Any], restart: str | None = None, **status: Any) -> Object:
    containers = [{"name": one["name"], **({"restartPolicy": restart} if restart else {})} for one in statuses]
    return pod(
        waiting("PodInitializing"), phase="Pending", spec={"initContainers": containers},
        initContainerStatuses=list(statuses), **status,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "ready", "word"),
    [
        pytest.param(pod(phase="Pending"), "0/1", "Pending", id="new"),
        pytest.param(pod(waiting("ContainerCreating"), phase="Pending"), "0/1", "ContainerCreating", id="being made"),
        pytest.param(pod(RUNNING), "1/1", "Running", id="running"),
        pytest.param(pod({**RUNNING, "ready": False}), "0/1", "Running", id="running, not ready"),
        pytest.param(pod(RUNNING, waiting("CrashLoopBackOff")), "1/2", "CrashLoopBackOff", id="one crashes"),
        pytest.param(pod(waiting("ImagePullBackOff"), phase="Pending"), "0/1", "ImagePullBackOff", id="no image"),
        pytest.param(pod(ended(exitCode=0, reason="Completed"), phase="Succeeded"), "0/1", "Completed", id="completed"),
        pytest.param(pod(ended(exitCode=1, reason="Error"), phase="Failed"), "0/1", "Error", id="failed"),
        pytest.param(pod(ended(exitCode=137, reason="OOMKilled")), "0/1", "OOMKilled", id="out of memory"),
        pytest.param(pod(ended(exitCode=3)), "0/1", "ExitCode:3", id="no reason: exit code"),
        pytest.param(pod(ended(exitCode=137, signal=9)), "0/1", "Signal:9", id="no reason: signal"),
        pytest.param(
            pod(ended(exitCode=0, reason="Completed"), RUNNING, conditions=[{"type": "Ready", "status": "True"}]),
            "1/2", "Running", id="one completed, the pod is ready",
        ),
        pytest.param(
            pod(ended(exitCode=0, reason="Completed"), RUNNING), "1/2", "NotReady", id="one completed, not ready"
        ),
        pytest.param(pod(RUNNING, phase="Failed", reason="Evicted"), "1/1", "Evicted", id="evicted"),
        pytest.param(
            pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
            "0/1", "SchedulingGated", id="gated",
        ),
        pytest.param(initial({"name": "i", "state": {"running": {}}}), "0/1", "Init:0/1", id="first init runs"),
        pytest.param(
            initial({"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"running": {}}}),
            "0/1", "Init:1/2", id="second init runs",
        ),
        pytest.param(
            initial({"name": "i", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}),
            "0/1", "Init:CrashLoopBackOff", id="init crashes",
        ),
        pytest.param(
            initial({"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}),
            "0/1", "Init:Error", id="init failed",
        ),
        pytest.param(
            initial({"name": "i", "state": {"terminated": {"exitCode": 2}}}), "0/1", "Init:ExitCode:2", id="init code"
        ),
        pytest.param(
            initial({"name": "i", "started": True, "ready": True, "state": {"running": {}}}, restart="Always"),
            "1/2", "PodInitializing", id="a sidecar runs and counts",
        ),
    ],
)  # fmt: skip
def test_one_word_and_how_many_are_ready(seen: Object, ready: str, word: str) -> None:
    cells = {column.name: column.cell(seen, NOW) for column in KINDS["Pod"].columns}

    assert (cells["Ready"], cells["Status"]) == (ready, word)


def test_a_pod_that_is_being_deleted_is_terminating_until_it_has_ended() -> None:
    dying = pod(RUNNING)
    dying["metadata"]["deletionTimestamp"] = "2026-11-23T19:00:00Z"
    assert summary(dying).status == "Terminating"

    dying["status"]["phase"] = "Succeeded"
    assert summary(dying).status != "Terminating"

    dying["status"]["reason"] = "NodeLost"
    assert summary(dying).status == "Unknown"


def test_restarts_say_when_the_last_one_was() -> None:
    restarted = {**RUNNING, "restartCount": 3, "lastState": {"terminated": {"finishedAt": "2026-11-23T18:55:00Z"}}}
    cells = {column.name: column.cell(pod(restarted), NOW) for column in KINDS["Pod"].columns}

    assert cells["Restarts"] == "3 (5m ago)"


def test_restarts_without_a_known_time_are_a_number_alone() -> None:
    cells = {column.name: column.cell(pod(waiting("CrashLoopBackOff", 2)), NOW) for column in KINDS["Pod"].columns}

    assert cells["Restarts"] == "2"


def test_the_wide_columns_say_none_where_there_is_nothing() -> None:
    wide = [column.cell(pod(), NOW) for column in KINDS["Pod"].columns if column.priority]

    assert wide == ["<none>"] * 4


def test_the_wide_columns_show_address_node_and_gates() -> None:
    seen = pod(
        RUNNING,
        spec={"nodeName": "n", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]},
        podIPs=[{"ip": "10.0.0.1"}],
        conditions=[{"type": "a", "status": "True"}],
    )

    wide = [column.cell(seen, NOW) for column in KINDS["Pod"].columns if column.priority]

    assert wide == ["10.0.0.1", "n", "<none>", "1/2"]


def test_the_columns_are_kubectls() -> None:
    assert [column.name.upper() for column in KINDS["Pod"].columns] == [
        "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "message"),
    [("Succeeded", "The pod has completed successfully."), ("Failed", "The pod failed.")],
)
def test_the_row_of_a_pod_that_has_ended_says_so(phase, message):
    condition = {"type": "Completed", "status": "True", "reason": phase, "message": message}

    assert finished(pod(phase=phase)) == condition
    assert finished(pod(phase="Running")) is None and finished({"status": 7}) is None
