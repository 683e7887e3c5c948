"""The cells of `kubectl get pods`: how many containers are ready, one word for the state, restarts.

Source: pkg/printers/internalversion/printers.go, printPod.
"""

from __future__ import annotations

from dataclasses import dataclass

from procorch.clock import parse_timestamp
from procorch.kinds.cells import AGE, NAME, human_duration
from procorch.kinds.fields import Fields, number, part, rows, text
from procorch.kinds.kind import Column
from procorch.objects import Object, condition_of

_ENDS = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


@dataclass(slots=True)
class _Restarts:
    count: int = 0
    last: float = 0.0

    def add(self, status: Fields) -> None:
        self.count += number(status.get("restartCount")) or 0
        finished = text(part(status, "lastState", "terminated").get("finishedAt"))
        try:
            self.last = max(self.last, parse_timestamp(finished))
        except ValueError:
            return


@dataclass(frozen=True, slots=True)
class PodSummary:
    """What kubectl says about a pod in one line. last_restart: epoch seconds, 0 for never."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: float


def summary(pod: Object) -> PodSummary:
    """One pod in kubectl's words: Running, Init:0/1, CrashLoopBackOff, Completed, Terminating…"""
    spec, status = part(pod, "spec"), part(pod, "status")
    phase = text(status.get("phase"))
    word = text(status.get("reason")) or phase
    if any(row.get("reason") == "SchedulingGated" for row in rows(status.get("conditions"))):
        word = "SchedulingGated"
    sidecars = {
        text(one.get("name")) for one in rows(spec.get("initContainers")) if one.get("restartPolicy") == "Always"
    }
    total = len(rows(spec.get("containers"))) + len(sidecars)
    initial, ready, restarts, sidecar_restarts = _initializing(pod, sidecars)
    if initial:
        word = initial
    if not initial or _is_true(pod, "Initialized"):
        restarts = sidecar_restarts
        word, more = _containers(status, word, restarts, _is_true(pod, "Ready"))
        ready += more
    if part(pod, "metadata").get("deletionTimestamp") is not None:
        if status.get("reason") == "NodeLost":
            word = "Unknown"
        elif phase not in _ENDS:
            word = "Terminating"
    return PodSummary(ready, total, word, restarts.count, restarts.last)


def _is_true(pod: Object, condition: str) -> bool:
    row = condition_of(pod, condition)
    return row is not None and row.get("status") == "True"


def _initializing(pod: Object, sidecars: set[str]) -> tuple[str, int, _Restarts, _Restarts]:
    """The word while init containers run ("" when they are through), ready sidecars, all restarts and sidecars'."""
    restarts, sidecar_restarts, ready = _Restarts(), _Restarts(), 0
    for index, status in enumerate(rows(part(pod, "status").get("initContainerStatuses"))):
        sidecar = text(status.get("name")) in sidecars
        restarts.add(status)
        if sidecar:
            sidecar_restarts.add(status)
        terminated, waiting = part(status, "state", "terminated"), part(status, "state", "waiting")
        if terminated and not terminated.get("exitCode"):
            continue
        if sidecar and status.get("started") is True:
            ready += status.get("ready") is True
            continue
        reason = text(waiting.get("reason"))
        if terminated:
            word = f"Init:{_ending(terminated)}"
        elif reason and reason != "PodInitializing":
            word = f"Init:{reason}"
        else:
            word = f"Init:{index}/{len(rows(part(pod, 'spec').get('initContainers')))}"
        return word, ready, restarts, sidecar_restarts
    return "", ready, restarts, sidecar_restarts


def _ending(terminated: Fields) -> str:
    if reason := text(terminated.get("reason")):
        return reason
    signal = number(terminated.get("signal"))
    return f"Signal:{signal}" if signal else f"ExitCode:{number(terminated.get('exitCode')) or 0}"


def _containers(status: Fields, word: str, restarts: _Restarts, pod_ready: bool) -> tuple[str, int]:
    """The word as the containers say it (the first one has the last word), and how many of them are ready."""
    ready, running = 0, False
    for one in reversed(rows(status.get("containerStatuses"))):
        restarts.add(one)
        state = part(one, "state")
        if reason := text(part(state, "waiting").get("reason")):
            word = reason
        elif isinstance(state.get("terminated"), dict):
            word = _ending(state["terminated"])
        elif one.get("ready") is True and isinstance(state.get("running"), dict):
            running = True
            ready += 1
    if word == "Completed" and running:
        word = "Running" if pod_ready else "NotReady"
    return word, ready


def finished(pod: Object) -> Object | None:
    """The condition of a row whose pod has ended."""
    phase = text(part(pod, "status").get("phase"))
    if phase not in _ENDS:
        return None
    return {"type": "Completed", "status": "True", "reason": phase, "message": _ENDS[phase]}


_last: tuple[Object, float, PodSummary] | None = None


def _seen(pod: Object, now: float) -> PodSummary:
    """Made once for the three columns that ask for it one after the other, in a table whose objects are read-only."""
    global _last
    if _last is None or _last[0] is not pod or _last[1] != now:
        _last = (pod, now, summary(pod))
    return _last[2]


def _ready(pod: Object, now: float) -> str:
    seen = _seen(pod, now)
    return f"{seen.ready}/{seen.total}"


def _restarts(pod: Object, now: float) -> str:
    seen = _seen(pod, now)
    if not seen.restarts or not seen.last_restart:
        return str(seen.restarts)
    return f"{seen.restarts} ({human_duration(now - seen.last_restart)} ago)"


def _address(pod: Object, now: float) -> str:
    addresses = rows(part(pod, "status").get("podIPs"))
    return text(addresses[0].get("ip")) if addresses and addresses[0].get("ip") else "<none>"


def _gates(pod: Object, now: float) -> str:
    gates = [text(gate.get("conditionType")) for gate in rows(part(pod, "spec").get("readinessGates"))]
    return f"{sum(_is_true(pod, gate) for gate in gates)}/{len(gates)}" if gates else "<none>"


COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Status", lambda pod, now: _seen(pod, now).status),
    Column("Restarts", _restarts),
    AGE,
    Column("IP", _address, priority=1),
    Column("Node", lambda pod, now: text(part(pod, "spec").get("nodeName")) or "<none>", priority=1),
    Column(
        "Nominated Node", lambda pod, now: text(part(pod, "status").get("nominatedNodeName")) or "<none>", priority=1
    ),
    Column("Readiness Gates", _gates, priority=1),
)
