"""A Job's pods: what it reads of them, and how it makes them.

A pod carries the finalizer `batch.kubernetes.io/job-tracking` from its birth until the Job has counted its end: so
nobody can delete it uncounted.
Source: pkg/controller/job (job_controller.go, indexed_job_utils.go, backoff_utils.go).
"""

from __future__ import annotations

from collections.abc import Iterable

from procorch.clock import parse_timestamp
from procorch.controllers import pod_control
from procorch.controllers.job_policies import is_counted
from procorch.objects import Object, annotations_of, condition_of, get, is_deleting
from procorch.pods import created_at, is_terminal, phase_of

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
_VARIABLE = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58  # of a generated name


def is_indexed(job: Object) -> bool:
    return bool(get(job, ".spec.completionMode") == "Indexed")


def has_limit_per_index(job: Object) -> bool:
    return get(job, ".spec.backoffLimitPerIndex") is not None


def replaces_only_failed(job: Object) -> bool:
    """Whether a pod that is ending is replaced only when it has ended."""
    return get(job, ".spec.podReplacementPolicy") == "Failed" or get(job, ".spec.podFailurePolicy") is not None


def is_tracked(pod: Object) -> bool:
    """Its end is yet to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def is_terminating(pod: Object) -> bool:
    return is_deleting(pod) and not is_terminal(pod)


def is_failed(pod: Object, job: Object) -> bool:
    """A pod that is being deleted has failed at once, unless only what has ended is replaced: its node may be lost."""
    if phase_of(pod) == "Failed":
        return True
    return not replaces_only_failed(job) and is_deleting(pod) and phase_of(pod) != "Succeeded"


def index_of(pod: Object) -> int | None:
    """The completion index that its annotation says; None where that is no index."""
    return _count(pod, INDEX)


def failures_of(pod: Object) -> int:
    """How often its index had failed before it, ignored failures as well."""
    return (_count(pod, FAILURES) or 0) + (_count(pod, IGNORED) or 0)


def counted_failures_of(pod: Object) -> int:
    """The same without those that the failure policy ignores."""
    return _count(pod, FAILURES) or 0


def _count(pod: Object, annotation: str) -> int | None:
    text = annotations_of(pod).get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def finished_at(pod: Object) -> float:
    """When its last container ended; else since when it is not ready, or is being deleted; else when it was made."""
    ends = [get(row, ".state.terminated.finishedAt") for row in _lasting(pod)]
    if ends and all(ends):
        return max(parse_timestamp(end) for end in ends)
    ready = condition_of(pod, "Ready") or {}
    if ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_timestamp(ready["lastTransitionTime"])
    if is_deleting(pod):
        metadata = pod["metadata"]
        grace = metadata.get("deletionGracePeriodSeconds") or 0
        return parse_timestamp(metadata["deletionTimestamp"]) - float(grace)
    return created_at(pod)


def _lasting(pod: Object) -> Iterable[Object]:
    """The states of its containers, sidecars among them."""
    yield from get(pod, ".status.containerStatuses", [])
    sidecars = {one["name"] for one in get(pod, ".spec.initContainers", []) if one.get("restartPolicy") == "Always"}
    yield from (row for row in get(pod, ".status.initContainerStatuses", []) if row["name"] in sidecars)


def pod_of(job: Object, index: int | None, replaced: Object | None) -> Object:
    """A new pod. index: of an Indexed Job. replaced: the failed one whose failures it goes on counting."""
    name = job["metadata"]["name"]
    pod = pod_control.pod_of(job, generate_name=_prefix(name, index))
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(one for one in metadata.get("finalizers", ()) if one != FINALIZER), FINALIZER]
    if index is None:
        return pod
    metadata["labels"] = {**metadata.get("labels", {}), INDEX: str(index)}
    metadata["annotations"] = {**metadata.get("annotations", {}), INDEX: str(index), **_counts(job, replaced)}
    pod["spec"] = _told(pod["spec"], f"{name}-{index}")
    return pod


def _prefix(name: str, index: int | None) -> str:
    end = "-" if index is None else f"-{index}-"
    return name[: _LONGEST_PREFIX - len(end)] + end if index is not None else f"{name}-"


def _counts(job: Object, replaced: Object | None) -> dict[str, str]:
    if not has_limit_per_index(job):
        return {}
    if replaced is None:
        return {FAILURES: "0"}
    failures, ignored = counted_failures_of(replaced), _count(replaced, IGNORED) or 0
    if is_counted(job, replaced):
        failures += 1
    else:
        ignored += 1
    return {FAILURES: str(failures)} | ({IGNORED: str(ignored)} if ignored else {})


def _told(spec: Object, hostname: str) -> Object:
    """The specification with a host name of its own, and each container told its index by a variable."""
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    told: Object = {**spec, "hostname": hostname}
    for group in ("initContainers", "containers"):
        if spec.get(group):
            told[group] = [_with_variable(one, source) for one in spec[group]]
    return told


def _with_variable(container: Object, source: Object) -> Object:
    there = container.get("env") or []
    if any(one["name"] == _VARIABLE for one in there):
        return container
    return {**container, "env": [*there, {"name": _VARIABLE, "valueFrom": source}]}
