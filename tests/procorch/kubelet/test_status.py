"""A pod's status, made of the pod and the record."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.plan import Pause
from procorch.kubelet.record import Attempt, ContainerRecord, PodRecord
from procorch.kubelet.status import difference, phase_of, status_of
from runtime import ProcessSpec, ProcessState, User

NOW = 1_000_000.0
RUNS = Attempt(0, "box", "host", pid=7, started_at=NOW - 5)


def ended(code: int, number: int = 0, **more: Any) -> Attempt:
    return Attempt(number, "box", "host", pid=7, started_at=NOW - 5, finished_at=NOW - 1, exit_code=code, **more)


def pod(*names: str, init: tuple[str, ...] = (), policy: str = "Always", **status: Any) -> dict[str, Any]:
    spec = {
        "containers": [{"name": name, "image": "host"} for name in names],
        "initContainers": [{"name": name, "image": "host"} for name in init],
        "restartPolicy": policy,
    }
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec, "status": status}


def record(torn_down: bool = False, reason: str = "", **attempts: Attempt) -> PodRecord:
    containers = {name: ContainerRecord(one, started=one.running, ready=one.running) for name, one in attempts.items()}
    pause = Pause.ABSENT if torn_down else Pause.ALIVE
    return PodRecord(NOW - 10, "box", 1, "10.240.0.2", reason, containers=containers, pause=pause, torn_down=torn_down)


@pytest.mark.parametrize(
    ("wanted", "known", "phase"),
    [
        pytest.param(pod("a"), record(), "Pending", id="nothing started"),
        pytest.param(pod("a", "b"), record(a=RUNS), "Running", id="one runs"),
        pytest.param(pod("a"), record(a=RUNS), "Running", id="all run"),
        pytest.param(pod("a"), record(a=ended(1)), "Running", id="crashed, to be restarted"),
        pytest.param(pod("a", policy="Never"), record(a=ended(0)), "Succeeded", id="done"),
        pytest.param(pod("a", "b", policy="Never"), record(a=ended(0), b=ended(1)), "Failed", id="one failed"),
        pytest.param(pod("a", "b", policy="Never"), record(a=ended(1), b=RUNS), "Running", id="one still runs"),
        pytest.param(pod("a", policy="OnFailure"), record(a=ended(1)), "Running", id="OnFailure: to be restarted"),
        pytest.param(pod("a", policy="OnFailure"), record(a=ended(0)), "Succeeded", id="OnFailure: done"),
        pytest.param(pod("a", init=("i",)), record(i=RUNS), "Pending", id="initialising"),
        pytest.param(pod("a", init=("i",), policy="Never"), record(i=ended(1)), "Failed", id="init failed"),
        pytest.param(pod("a"), record(a=RUNS, reason="DeadlineExceeded"), "Running", id="failed, still stopping"),
        pytest.param(pod("a"), record(a=ended(137), reason="DeadlineExceeded"), "Failed", id="failed"),
        pytest.param(pod("a", phase="Succeeded"), record(), "Succeeded", id="what is over stays so"),
    ],
)
def test_phase(wanted: dict[str, Any], known: PodRecord, phase: str) -> None:
    assert phase_of(wanted, known) == phase


@pytest.mark.parametrize(
    ("attempt", "reason", "code"),
    [
        pytest.param(ended(0), "Completed", 0, id="well"),
        pytest.param(ended(1), "Error", 1, id="badly"),
        pytest.param(ended(137, signal=9), "Error", 137, id="killed"),
        pytest.param(ended(137, signal=9, oom_killed=True), "OOMKilled", 137, id="out of memory"),
        pytest.param(ended(128, error="exec: no such file"), "StartError", 128, id="nothing to run"),
    ],
)
def test_an_end_has_its_reason(attempt: Attempt, reason: str, code: int) -> None:
    status = status_of(pod("a", policy="Never"), record(a=attempt), "10.0.0.1", NOW)

    state = status["containerStatuses"][0]["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == (reason, code)
    assert state.get("message", "") == attempt.error


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    rows = status["conditions"]
    return {row["type"]: (row["status"], row.get("reason", ""), row.get("message", "")) for row in rows}


def test_conditions_of_a_pod_that_is_not_ready() -> None:
    known = record(a=RUNS, b=RUNS)
    known.of("b").ready = False

    rows = conditions(status_of(pod("a", "b"), known, "10.0.0.1", NOW))

    not_ready = ("False", "ContainersNotReady", "containers with unready status: [b]")
    assert rows["Ready"] == rows["ContainersReady"] == not_ready
    assert rows["Initialized"][0] == rows["PodScheduled"][0] == rows["PodReadyToStartContainers"][0] == "True"


def test_who_waits_for_init_containers_says_so_the_later_of_them_too() -> None:
    status = status_of(pod("a", init=("i", "j")), record(i=RUNS), "10.0.0.1", NOW)

    waits = (status["initContainerStatuses"][1], *status["containerStatuses"])
    assert [one["state"]["waiting"]["reason"] for one in waits] == ["PodInitializing", "PodInitializing"]


def test_conditions_of_a_pod_that_initialises() -> None:
    rows = conditions(status_of(pod("a", init=("i", "j")), record(i=ended(0)), "10.0.0.1", NOW))

    assert rows["Initialized"] == ("False", "ContainersNotInitialized", "containers with incomplete status: [j]")


def test_a_waiting_container_shows_how_it_last_ended() -> None:
    known = record(a=ended(3, number=1))
    known.of("a").waiting = ("CrashLoopBackOff", "back-off 10s")

    row = status_of(pod("a"), known, "10.0.0.1", NOW)["containerStatuses"][0]

    assert row["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert row["lastState"]["terminated"]["exitCode"] == 3
    assert row["restartCount"] == 1


def test_transition_times_and_conditions_of_others_stay() -> None:
    first = status_of(pod("a"), record(a=RUNS), "10.0.0.1", NOW - 100)
    gate = {"type": "example.com/gate", "status": "True"}
    later = pod("a", **{**first, "conditions": [*first["conditions"], gate]})

    status = status_of(later, record(a=RUNS), "10.0.0.1", NOW)

    assert status["conditions"] == [*first["conditions"], gate]
    assert difference(later["status"], status) == {}


def test_a_difference_is_a_merge_patch() -> None:
    assert difference({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4}) == {"b": 4, "c": None}


def test_what_ran_in_a_dead_sandbox_has_ended_with_it() -> None:
    known = record(a=Attempt(0, "box", "host", pid=7, started_at=NOW - 5))
    known.pause = Pause.DEAD

    known.take_in({}, NOW)

    current = known.of("a").current
    assert current is not None and (current.exit_code, current.finished_at) == (137, NOW)


def test_a_process_that_an_earlier_agent_did_not_write_down_is_an_attempt() -> None:
    known = record(a=ended(1))

    known.take_in({"a.1": ProcessState("a.1", 8, NOW), "a.0": ProcessState("a.0", 7, NOW - 5, NOW - 1, 1)}, NOW)

    current, last = known.of("a").current, known.of("a").last
    assert current is not None and last is not None
    assert (current.number, current.running, last.exit_code) == (1, True, 1)


def own_policy(policy: str, **more: Any) -> dict[str, Any]:
    wanted = pod("a", policy=policy)
    wanted["spec"]["containers"][0] |= more
    return wanted


@pytest.mark.parametrize(
    ("wanted", "code", "phase"),
    [
        pytest.param(own_policy("Always", restartPolicy="Never"), 1, "Failed", id="nobody starts it again"),
        pytest.param(own_policy("Always", restartPolicy="Never"), 0, "Succeeded", id="the same, and it ended well"),
        pytest.param(own_policy("Never", restartPolicy="Always"), 0, "Running", id="it starts again"),
    ],
)
def test_the_phase_goes_by_the_containers_own_policies(wanted: dict[str, Any], code: int, phase: str) -> None:
    assert phase_of(wanted, record(a=ended(code))) == phase


def test_while_all_containers_restart_the_pod_runs() -> None:
    known = record(a=ended(88))
    known.restart_all("Container a exited with code 88")

    assert phase_of(pod("a", policy="Never"), known) == "Running"
    known.renew(["a"])
    assert phase_of(pod("a", policy="Never"), known) == "Running"
    known.of("a").begin(Attempt(1, "box", started_at=NOW))
    known.of("a").current.finished_at, known.of("a").current.exit_code = NOW, 0  # type: ignore[union-attr]
    assert phase_of(pod("a", policy="Never"), known) == "Succeeded"


def test_while_a_container_restarts_for_its_size_the_pod_runs() -> None:
    """It had ended well, and for a moment nothing ran: a pod told Succeeded then would have been ended."""
    known = record(a=ended(0))
    known.of("a").restart = "Container a resize requires restart"

    assert phase_of(pod("a", policy="OnFailure"), known) == "Running"
    (told,) = status_of(pod("a", policy="OnFailure"), known, "10.0.0.1", NOW)["containerStatuses"]
    assert told["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert told["lastState"]["terminated"]["exitCode"] == 0
    known.of("a").restart = ""
    assert phase_of(pod("a", policy="OnFailure"), known) == "Succeeded"


def test_an_ephemeral_container_has_a_row_of_its_own_and_counts_for_nothing() -> None:
    wanted = pod("a")
    wanted["spec"]["ephemeralContainers"] = [{"name": "e", "image": "host"}]

    status = status_of(wanted, record(a=RUNS, e=ended(1)), "10.0.0.1", NOW)

    (row,) = status["ephemeralContainerStatuses"]
    assert (row["name"], row["ready"], "started" in row) == ("e", False, False)
    assert row["state"]["terminated"]["exitCode"] == 1
    assert [one["name"] for one in status["containerStatuses"]] == ["a"]
    assert {one["type"]: one["status"] for one in status["conditions"]}["Ready"] == "True"


def test_who_a_container_is_and_what_it_has_mounted() -> None:
    known = record(a=RUNS)
    known.of("a").launch = ProcessSpec("a.0", ("x",), user=User(7, 8, (8, 9)))
    wanted = pod("a")
    wanted["spec"]["containers"][0] |= {
        "lifecycle": {"stopSignal": "SIGINT"},
        "volumeMounts": [
            {"name": "v", "mountPath": "/v"},
            {"name": "w", "mountPath": "/w", "readOnly": True},
            {"name": "x", "mountPath": "/x", "readOnly": True, "recursiveReadOnly": "IfPossible"},
        ],
    }

    (status,) = status_of(wanted, known, "192.0.2.1", NOW)["containerStatuses"]

    assert status["user"] == {"linux": {"uid": 7, "gid": 8, "supplementalGroups": [8, 9]}}
    assert status["stopSignal"] == "SIGINT"
    assert status["volumeMounts"] == [
        {"name": "v", "mountPath": "/v"},
        {"name": "w", "mountPath": "/w", "readOnly": True, "recursiveReadOnly": "Disabled"},
        {"name": "x", "mountPath": "/x", "readOnly": True, "recursiveReadOnly": "Enabled"},
    ]


def test_a_refused_pod_has_its_reason_and_no_containers() -> None:
    """kubectl shows the reason of a pod only where no container has one."""
    known = record(torn_down=True, reason="SysctlForbidden")
    known.sandboxes = 0

    status = status_of(pod("a", init=("i",)), known, "192.0.2.1", NOW)

    assert (status["phase"], status["reason"]) == ("Failed", "SysctlForbidden")
    assert "containerStatuses" not in status and "initContainerStatuses" not in status
