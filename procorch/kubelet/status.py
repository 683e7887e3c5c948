"""A pod's status as the API shows it, made of the pod and of what the kubelet knows: a pure function.

Source: Kubernetes' pod lifecycle documentation, and the kubelet's generateAPIPodStatus for what that leaves open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from procorch.clock import timestamp
from procorch.kinds.podspec.resources import qos_class
from procorch.kubelet.plan import (
    Pause,
    containers,
    ephemeral_containers,
    init_containers,
    is_sidecar,
    lasting_containers,
    stop_signal_name,
)
from procorch.kubelet.record import Attempt, ContainerRecord, PodRecord
from procorch.kubelet.restarts import restarts, restarts_init
from procorch.objects import Object, condition_of, get

CREATING = ("ContainerCreating", "")
INITIALIZING = ("PodInitializing", "")
RESTARTING = "AllContainersRestarting"
_OURS = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", RESTARTING,
    "PodResizePending", "PodResizeInProgress",
)  # fmt: skip


def status_of(pod: Object, record: PodRecord, host_ip: str, now: float) -> Object:
    """The whole status; conditions of other types and unknown fields are taken over from the pod."""
    old = pod.get("status") or {}
    init = [_container_status(pod, one, record, INITIALIZING) for one in init_containers(pod)]
    waiting = INITIALIZING if init_containers(pod) and not is_initialized(pod, record) else CREATING
    main = [_container_status(pod, one, record, waiting) for one in containers(pod)]
    phase = phase_of(pod, record)
    status = {key: value for key, value in old.items() if key not in ("reason", "message")}
    status |= {
        "phase": phase,
        "conditions": _conditions(pod, record, phase, now),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "qosClass": old.get("qosClass") or qos_class(pod),
        "containerStatuses": main,
        "observedGeneration": pod["metadata"].get("generation", 1),
    }
    if record.reason and not record.sandboxes:  # refused: kubectl shows the pod's reason where no container has one
        del status["containerStatuses"]
    elif init:
        status["initContainerStatuses"] = init
    if extra := [_container_status(pod, one, record, CREATING) for one in ephemeral_containers(pod)]:
        status["ephemeralContainerStatuses"] = extra
    if record.started_at is not None:
        status["startTime"] = timestamp(record.started_at)
    if record.address:
        status |= {"podIP": record.address, "podIPs": [{"ip": record.address}]}
    if record.allocated is not None and (whole := record.allocated["pod"]):
        status["resources"] = whole if record.actual is None else record.actual
        if requests := whole.get("requests"):
            status["allocatedResources"] = requests
    if record.reason:
        status |= {"reason": record.reason, "message": record.message}
    return status


def phase_of(pod: Object, record: PodRecord) -> str:
    """Pending, Running, Succeeded or Failed. What has ended for good stays so."""
    if (old := get(pod, ".status.phase")) in ("Succeeded", "Failed"):
        return str(old)
    attempts = [_newest(record, one) for one in containers(pod)]
    running = any(one is not None and one.running for one in attempts)
    if record.reason:
        return "Running" if running else "Failed"
    for container in init_containers(pod):
        one = _newest(record, container)
        if one is None or not one.exit_code or is_sidecar(container) or _again(record, container):
            continue
        if not restarts_init(pod, container, one.exit_code):
            return "Failed"
    if not is_initialized(pod, record) or any(one is None for one in attempts):
        return "Running" if running else "Pending"
    ended = [one for one in attempts if one is not None and not one.running]
    if len(ended) < len(attempts):
        return "Running"
    if not record.torn_down and any(
        _again(record, container) or restarts(pod, container, one.exit_code)
        for container, one in zip(containers(pod), ended, strict=True)
    ):
        return "Running"
    return "Succeeded" if all(one.exit_code == 0 for one in ended) else "Failed"


def is_initialized(pod: Object, record: PodRecord) -> bool:
    """Every init container has done its work, or for a sidecar has started."""
    if any(_newest(record, one) is not None for one in containers(pod)):
        return True
    for container in init_containers(pod):
        one = _newest(record, container)
        if one is None:
            return False
        if is_sidecar(container):
            if not (one.running and record.of(container["name"]).started):
                return False
        elif one.running or one.exit_code != 0:
            return False
    return True


def container_id(attempt: Attempt, name: str) -> str:
    """`procorch://` and a name that no other attempt on any node has."""
    text = f"{attempt.sandbox}/{name}.{attempt.number}"
    return f"procorch://{hashlib.sha256(text.encode()).hexdigest()}"


def terminated(attempt: Attempt, name: str) -> dict[str, Any]:
    """A `terminated` state."""
    state: dict[str, Any] = {
        "exitCode": attempt.exit_code if attempt.exit_code is not None else 137,
        "reason": end_reason(attempt),
        "containerID": container_id(attempt, name),
        "startedAt": timestamp(attempt.started_at) if attempt.started_at else None,
        "finishedAt": timestamp(attempt.finished_at) if attempt.finished_at else None,
    }
    if message := attempt.error or attempt.message:
        state["message"] = message
    if attempt.signal:
        state["signal"] = attempt.signal
    return state


def end_reason(attempt: Attempt) -> str:
    """Completed, Error, OOMKilled, or StartError where there was nothing to run."""
    if attempt.reason:
        return attempt.reason
    if attempt.error and attempt.exit_code == 128:
        return "StartError"
    if attempt.oom_killed:
        return "OOMKilled"
    return "Completed" if attempt.exit_code == 0 else "Error"


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that makes `new` of `old`: empty where they are alike."""
    patch = {key: value for key, value in new.items() if old.get(key) != value}
    patch |= {key: None for key in old if key not in new}
    return patch


def _again(record: PodRecord, container: Mapping[str, Any]) -> bool:
    """Whether it starts once more whatever its policy: because all containers do, or to have another size."""
    one = record.of(container["name"])
    return record.restarting or bool(one.restart) or (one.current is not None and one.current.number <= one.past)


def _newest(record: PodRecord, container: Mapping[str, Any]) -> Attempt | None:
    one = record.containers.get(container["name"])
    return one.current if one is not None else None


def _container_status(
    pod: Object, container: Mapping[str, Any], record: PodRecord, waiting: tuple[str, str]
) -> dict[str, Any]:
    name = container["name"]
    own = record.containers.get(name) or ContainerRecord()
    attempt = own.current
    started, ready = _health(pod, container, own)
    status: dict[str, Any] = {
        "name": name,
        "image": container.get("image") or "",
        "imageID": attempt.image_id if attempt is not None else "",
        "state": _state(own, name, waiting, final=record.torn_down or (record.pause is Pause.ABSENT and bool(attempt))),
        "lastState": {},
        "ready": ready,
        **({} if container in ephemeral_containers(pod) else {"started": started}),
        "restartCount": attempt.number if attempt is not None else 0,
    }
    if attempt is not None:
        status["containerID"] = container_id(attempt, name)
        status["stopSignal"] = stop_signal_name(container)
        if own.launch is not None:
            who = own.launch.user
            groups = list(dict.fromkeys((who.gid, *who.groups)))
            status["user"] = {"linux": {"uid": who.uid, "gid": who.gid, "supplementalGroups": groups}}
    if mounts := [_mount_status(row) for row in container.get("volumeMounts") or []]:
        status["volumeMounts"] = mounts
    status |= _sizes(record, name, own.actual if attempt is not None and attempt.running else None)
    previous = attempt if "waiting" in status["state"] else own.last
    if previous is not None and not previous.running:
        status["lastState"] = {"terminated": terminated(previous, name)}
    return status


def _mount_status(row: Mapping[str, Any]) -> dict[str, Any]:
    """Mounts below a read-only one are read-only here, too; `Enabled` says so to who asked for it."""
    status: dict[str, Any] = {"name": row["name"], "mountPath": row["mountPath"]}
    if row.get("readOnly"):
        asked = row.get("recursiveReadOnly") in ("Enabled", "IfPossible")
        status |= {"readOnly": True, "recursiveReadOnly": "Enabled" if asked else "Disabled"}
    return status


def _sizes(record: PodRecord, name: str, actual: dict[str, Any] | None) -> dict[str, Any]:
    """What is allocated to a container, and what it has: the same where the kernel has not told otherwise."""
    if record.allocated is None:
        return {}
    allocated = record.allocated["containers"].get(name, {})
    told = {"resources": allocated if actual is None else actual}
    return {"allocatedResources": requests, **told} if (requests := allocated.get("requests")) else told


def _state(own: ContainerRecord, name: str, waiting: tuple[str, str], final: bool) -> dict[str, Any]:
    attempt = own.current
    if attempt is not None and attempt.running:
        return {"running": {"startedAt": timestamp(attempt.started_at or 0)}}
    if own.waiting is not None and not final:
        reason, message = own.waiting
        return {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    # What restarts for its size is not told as ended: where its policy would not start it again, the API takes that as
    # the last word of it.
    if attempt is not None and (final or not own.restart):
        return {"terminated": terminated(attempt, name)}
    return {"waiting": {"reason": waiting[0]}}


def _health(pod: Object, container: Mapping[str, Any], own: ContainerRecord) -> tuple[bool, bool]:
    """(started, ready)."""
    attempt = own.current
    running = attempt is not None and attempt.running
    if container in ephemeral_containers(pod):
        return running, False
    if container in init_containers(pod) and not is_sidecar(container):
        done = attempt is not None and not attempt.running and attempt.exit_code == 0
        return running, done
    return running and own.started, running and own.ready


def _conditions(pod: Object, record: PodRecord, phase: str, now: float) -> list[dict[str, Any]]:
    rows = [
        _row("PodReadyToStartContainers", record.pause is Pause.ALIVE),
        _initialized(pod, record, phase),
        *_readiness(pod, record, phase),
        _row("PodScheduled", True),
        *(
            [_row(RESTARTING, record.restarting, "ContainerExited", record.restarted_for)]
            if record.restarted_for
            else []
        ),
        *(_row("PodResizePending", True, *told) for told in [record.pending] if told is not None),
        *(_row("PodResizeInProgress", True, *told) for told in [record.resizing] if told is not None),
    ]
    if record.disrupted:
        rows.append(_row("DisruptionTarget", True, "TerminationByKubelet", record.message))
    generation = pod["metadata"].get("generation", 1)
    result = []
    for row in rows:
        before = condition_of(pod, row["type"])
        same = before is not None and before.get("status") == row["status"]
        since = before.get("lastTransitionTime") if same and before is not None else None
        # No lastProbeTime: null is not stored, and each look would find a difference.
        made = {"lastTransitionTime": since or timestamp(now), "observedGeneration": generation}
        result.append(made | row)
    told = {*_OURS, *(row["type"] for row in rows)}
    return result + [row for row in get(pod, ".status.conditions", []) if row.get("type") not in told]


def _row(type_: str, good: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    row = {"type": type_, "status": "True" if good else "False"}
    return row | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def _initialized(pod: Object, record: PodRecord, phase: str) -> dict[str, Any]:
    if phase == "Succeeded":
        return _row("Initialized", True, "PodCompleted")
    if is_initialized(pod, record):
        return _row("Initialized", True)
    names = [one["name"] for one in init_containers(pod) if not _init_done(record, one)]
    return _row(
        "Initialized", False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(names)}]"
    )


def _init_done(record: PodRecord, container: Mapping[str, Any]) -> bool:
    one = _newest(record, container)
    if is_sidecar(container):
        return one is not None and one.running and record.of(container["name"]).started
    return one is not None and not one.running and one.exit_code == 0


def _readiness(pod: Object, record: PodRecord, phase: str) -> Sequence[dict[str, Any]]:
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return _row("Ready", False, reason), _row("ContainersReady", False, reason)
    checked = [one for one in lasting_containers(pod) if is_sidecar(one) or one in containers(pod)]
    unready = [one["name"] for one in checked if not _health(pod, one, record.of(one["name"]))[1]]
    if unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        return tuple(_row(one, False, "ContainersNotReady", message) for one in ("Ready", "ContainersReady"))
    gates = [
        text for gate in get(pod, ".spec.readinessGates", []) if (text := _closed_gate(pod, gate["conditionType"]))
    ]
    ready = _row("Ready", False, "ReadinessGatesNotReady", ", ".join(gates)) if gates else _row("Ready", True)
    return ready, _row("ContainersReady", True)


def _closed_gate(pod: Object, type_: str) -> str:
    """Why a readiness gate is not open; empty where it is."""
    row = condition_of(pod, type_)
    if row is None:
        return f'corresponding condition of pod readiness gate "{type_}" does not exist.'
    if row.get("status") == "True":
        return ""
    return f'the status of pod readiness gate "{type_}" is not "True", but {row.get("status")}'
