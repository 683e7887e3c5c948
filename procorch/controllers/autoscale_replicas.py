"""How many pods a measurement asks for: pure arithmetic of a HorizontalPodAutoscaler.

    ratio = what is used / what is wanted;   pods = ceil(ratio * pods that count)

Near enough to 1 nothing changes. Pods that are new, or were not measured, are first left out and then taken to be as
harmless as they could be: idle where more would be wanted, busy where fewer would. So missing figures damp a change and
never cause one. Amounts are thousandths (millicores, thousandths of a byte), as Kubernetes computes them.

Source: pkg/controller/podautoscaler/replica_calculator.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from procorch.clock import parse_timestamp
from procorch.objects import Object, condition_of, get, is_deleting
from procorch.pods import is_ready, phase_of
from procorch.quantity import parse

NO_PODS = "no pods returned by selector while calculating replica count"


class Unmeasured(ValueError):
    """A measurement says nothing about the number of pods; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one pod uses. at: seconds since the epoch; window: seconds that it is the average of."""

    milli: int
    at: float = 0.0
    window: float = 0.0


Samples = Mapping[str, Sample]
"""By pod name."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the ratio may be from 1 before anything changes."""

    down: float = 0.1
    up: float = 0.1

    def allows(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Patience:
    """cpu_initialization: a pod so young (seconds) is believed only while it is ready. readiness_delay: a pod that
    became unready within so many seconds of its start was never really ready."""

    cpu_initialization: float = 300.0
    readiness_delay: float = 30.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """replicas: wanted by this measurement. average: per pod, in thousandths. utilization: percent of requests."""

    replicas: int
    average: int = 0
    utilization: int | None = None


@dataclass(slots=True)
class Groups:
    """ready: how many pods count. The others by name: not yet to be believed, not measured, over."""

    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


def group(pods: Sequence[Object], samples: Samples, resource: str, now: float, patience: Patience) -> Groups:
    """Which pods count, which not yet, which were not measured, and which are over."""
    found = Groups()
    for pod in pods:
        name = pod["metadata"]["name"]
        if is_deleting(pod) or phase_of(pod) == "Failed":
            found.ignored.add(name)
        elif phase_of(pod) == "Pending":
            found.unready.add(name)
        elif name not in samples:
            found.missing.add(name)
        elif resource == "cpu" and not _is_settled(pod, samples[name], now, patience):
            found.unready.add(name)
        else:
            found.ready += 1
    return found


def _is_settled(pod: Object, sample: Sample, now: float, patience: Patience) -> bool:
    """Whether its processor time says how it will be; programs are busy while they start."""
    condition, started = condition_of(pod, "Ready"), get(pod, ".status.startTime")
    if condition is None or not started:
        return False
    begun, changed = parse_timestamp(started), parse_timestamp(condition["lastTransitionTime"])
    if begun + patience.cpu_initialization > now:
        return condition["status"] != "False" and sample.at >= changed + sample.window
    return not (condition["status"] == "False" and begun + patience.readiness_delay > changed)


def requests_of(pods: Sequence[Object], resource: str, container: str = "") -> dict[str, int]:
    """What each pod asks for, in thousandths, by name. Raises Unmeasured for a pod that does not say."""
    found = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        pod_level = get(pod, f".spec.resources.requests.{resource}")
        if pod_level is not None and not container:
            found[name] = math.ceil(parse(pod_level) * 1000)
            continue
        sidecars = [one for one in get(pod, ".spec.initContainers", []) if one.get("restartPolicy") == "Always"]
        total = 0
        for one in (*pod["spec"]["containers"], *sidecars):
            if container and one["name"] != container:
                continue
            request = get(one, f".resources.requests.{resource}")
            if request is None:
                raise Unmeasured(f"missing request for {resource} in container {one['name']} of Pod {name}")
            total += math.ceil(parse(request) * 1000)
        found[name] = total
    return found


def by_utilization(
    current: int,
    target: int,
    samples: Samples,
    pods: Sequence[Object],
    requests: Mapping[str, int],
    groups: Groups,
    tolerance: Tolerance,
) -> Proposal:
    """target: percent of the requests. Raises Unmeasured."""

    def ratio_of(counted: Mapping[str, int]) -> tuple[float, int, int]:
        used = sum(milli for name, milli in counted.items() if name in requests)
        asked = sum(requests[name] for name in counted if name in requests)
        if not asked:
            raise Unmeasured("no metrics returned matched known pods")
        utilization = used * 100 // asked
        return utilization / target, utilization, used // len(counted)

    counted = _counted(pods, samples, groups)
    ratio, utilization, average = ratio_of(counted)
    busy = {name: requests.get(name, 0) * max(100, target) // 100 for name in groups.missing}
    replicas = _replicas(current, counted, groups, ratio, busy, lambda rows: ratio_of(rows)[0], tolerance)
    return Proposal(replicas, average, utilization)


def by_average(
    current: int, target: int, samples: Samples, pods: Sequence[Object], groups: Groups, tolerance: Tolerance
) -> Proposal:
    """target: thousandths that a pod shall use. Raises Unmeasured."""

    def ratio_of(counted: Mapping[str, int]) -> float:
        return sum(counted.values()) // len(counted) / target

    counted = _counted(pods, samples, groups)
    busy = dict.fromkeys(groups.missing, target)
    replicas = _replicas(current, counted, groups, ratio_of(counted), busy, ratio_of, tolerance)
    return Proposal(replicas, sum(counted.values()) // len(counted))


def _counted(pods: Sequence[Object], samples: Samples, groups: Groups) -> dict[str, int]:
    if not pods:
        raise Unmeasured(NO_PODS)
    left_out = groups.ignored | groups.unready
    counted = {name: sample.milli for name, sample in samples.items() if name not in left_out}
    if not counted:
        raise Unmeasured("did not receive metrics for targeted pods (pods might be unready)")
    return counted


def _replicas(
    current: int,
    counted: dict[str, int],
    groups: Groups,
    ratio: float,
    busy: Mapping[str, int],
    ratio_of: Callable[[Mapping[str, int]], float],
    tolerance: Tolerance,
) -> int:
    """busy: what those that were not measured are taken to use where the ratio says that there are too many."""
    grows_despite_unready = bool(groups.unready) and ratio > 1.0
    if not grows_despite_unready and not groups.missing:
        return current if tolerance.allows(ratio) else math.ceil(ratio * groups.ready)
    rows = dict(counted)
    if ratio < 1.0:
        rows |= busy
    elif ratio > 1.0:
        rows |= dict.fromkeys(groups.missing, 0)
    if grows_despite_unready:
        rows |= dict.fromkeys(groups.unready, 0)
    damped = ratio_of(rows)
    if tolerance.allows(damped) or (ratio < 1.0 < damped) or (damped < 1.0 < ratio):
        return current  # what is not known would decide
    replicas = math.ceil(damped * len(rows))
    if (damped < 1.0 and replicas > current) or (damped > 1.0 and replicas < current):
        return current
    return replicas


def by_total(current: int, target: int, used: int, pods: Sequence[Object], tolerance: Tolerance) -> Proposal:
    """One value for all of them together (of an object, or from outside), in thousandths. Raises Unmeasured."""
    ratio = used / target
    if current == 0:  # from nothing as many as the ratio says
        return Proposal(math.ceil(ratio), used)
    if tolerance.allows(ratio):
        return Proposal(current, used)
    if not pods:
        raise Unmeasured(NO_PODS)
    ready = sum(1 for pod in pods if phase_of(pod) == "Running" and is_ready(pod))
    return Proposal(math.ceil(ratio * ready), used)


def by_share(there: int, target: int, used: int, tolerance: Tolerance) -> Proposal:
    """One value that is to be divided among the pods. there: how many there are now; used, target: thousandths."""
    ratio = used / (target * there) if there else math.inf
    replicas = there if tolerance.allows(ratio) else math.ceil(used / target)
    return Proposal(replicas, math.ceil(used / there) if there else 0)
