"""How a Job counts the ends of its pods: each exactly once, whoever dies in between.

    1  the pod's uid goes into status.uncountedTerminatedPods (of an Indexed Job its index into completedIndexes)
    2  the pod loses its finalizer, and may vanish
    3  the uid goes out of the status, and the counter up, in one write

A uid in the status whose pod has no finalizer any more is at step 3, whether or not the pod is still there. The
conditions SuccessCriteriaMet and FailureTarget are written with step 1, Complete and Failed when nothing is left to be
counted and no pod is ending any more. All of it is pure.
Source: pkg/controller/job/job_controller.go (trackJobStatusAndRemoveFinalizers, enactJobFinished).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from procorch.clock import timestamp
from procorch.controllers.job_indexes import Indexes
from procorch.controllers.job_plan import Ending, View, is_suspended
from procorch.controllers.job_pods import index_of, is_failed, is_indexed, is_tracked
from procorch.controllers.job_policies import is_counted
from procorch.objects import Object, condition_of, get, is_deleting, uid_of
from procorch.pods import is_ready, phase_of

MOST_UNCOUNTED = 500
"""So many ends at most are under way at once: the status stays small, and other Jobs get their turn."""

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tracked:
    """status: to be written before the pods of `release` lose their finalizers. complete: no end was left for later."""

    status: Status
    release: Sequence[Object]
    complete: bool


def track(view: View, ending: Ending | None, now: float) -> Tracked:
    """Step 1, and the counts as they are. view: after this pass's pods were made and deleted."""
    job = view.job
    status = counted(copy.deepcopy(job.get("status") or {}), {uid_of(pod) for pod in view.pods if is_tracked(pod)})
    _show(status, view)
    if status.get("startTime") is None and not is_suspended(job):
        status["startTime"] = timestamp(now)
    if ending is None and not is_deleting(job):
        _show_suspension(job, status, now)
    release, complete = _to_count(view, ending, status["uncountedTerminatedPods"])
    if is_indexed(job):
        _put(status, "completedIndexes", str(view.done))
        _put(status, "succeeded", len(view.done))
        if view.lost is not None:
            status["failedIndexes"] = str(view.lost)
    if ending is not None:
        _set_condition(status, ending.type, "True", ending.reason, ending.message, now)
    return Tracked(status, release, complete)


def _to_count(view: View, ending: Ending | None, uncounted: Object) -> tuple[list[Object], bool]:
    """Adds to `uncounted` what has ended, and returns the pods that may then be let go, and whether these are all."""
    job, before = view.job, _before(view.job)
    release: list[Object] = []
    under_way = sum(map(len, uncounted.values()))
    for pod in sorted(view.pods, key=lambda pod: index_of(pod) or 0):
        if not is_tracked(pod) or not _may_go(view, pod, ending):
            continue
        if under_way >= MOST_UNCOUNTED:
            return release, False
        release.append(pod)
        uid, known = uid_of(pod), uncounted.get("failed", ())
        if phase_of(pod) == "Succeeded" and uid not in known:
            if is_indexed(job):
                under_way += view.is_valid(pod) and (index_of(pod) or 0) not in before
            else:
                under_way += _add(uncounted, "succeeded", uid)
        elif _has_failed(job, pod, ending) and view.is_valid(pod) and is_counted(job, pod):
            under_way += _add(uncounted, "failed", uid)
    return release, True


def _has_failed(job: Object, pod: Object, ending: Ending | None) -> bool:
    """Of a Job that has failed, every pod that had not succeeded by then has failed, too."""
    return is_failed(pod, job) or (ending is not None and not ending.is_success)


def _before(job: Object) -> Indexes:
    return Indexes.parse(get(job, ".status.completedIndexes", ""), get(job, ".spec.completions", 0))


def _add(uncounted: Object, field: str, uid: str) -> bool:
    rows = uncounted.setdefault(field, [])
    if uid in rows:
        return False
    rows.append(uid)
    return True


def _may_go(view: View, pod: Object, ending: Ending | None) -> bool:
    """Whether the pod's end is known, or does not matter any more."""
    job = view.job
    if is_deleting(job) or ending is not None or phase_of(pod) == "Succeeded":
        return True
    if not is_failed(pod, job):
        return False
    index = index_of(pod)
    waits = view.delayed.get(index) if index is not None else None
    return waits is None or uid_of(waits) != uid_of(pod)


def counted(status: Status, tracked: Set[str]) -> Status:
    """Step 3. tracked: uids of pods that still have the finalizer. Changes `status`, and returns it."""
    uncounted = status.setdefault("uncountedTerminatedPods", {})
    for field in ("succeeded", "failed"):
        there = uncounted.get(field) or []
        kept = [uid for uid in there if uid in tracked]
        _put(status, field, status.get(field, 0) + len(there) - len(kept))
        _put(uncounted, field, kept)
    return status


def finished(status: Status, view: View, ending: Ending | None, now: float) -> Status:
    """The status with which a Job has ended, if nothing is left to do. view: after the pods were let go."""
    _show(status, view)
    if ending is None or any(status["uncountedTerminatedPods"].values()) or view.terminating or view.active:
        return status
    _set_condition(status, "Complete" if ending.is_success else "Failed", "True", ending.reason, ending.message, now)
    if ending.is_success:
        status["completionTime"] = timestamp(now)
    return status


def is_finished(job: Object) -> bool:
    return any((condition_of(job, type_) or {}).get("status") == "True" for type_ in ("Complete", "Failed"))


def _show(status: Status, view: View) -> None:
    """As on Kubernetes' wire: zeros are left out where they cannot be told from an unknown number."""
    _put(status, "active", len(view.active))
    status["ready"] = sum(map(is_ready, view.active))
    status["terminating"] = view.terminating


def _show_suspension(job: Object, status: Status, now: float) -> None:
    if is_suspended(job):
        _set_condition(status, "Suspended", "True", "JobSuspended", "Job suspended", now)
    elif (condition_of({"status": status}, "Suspended") or {}).get("status") == "True":
        _set_condition(status, "Suspended", "False", "JobResumed", "Job resumed", now)
        status["startTime"] = timestamp(now)  # the time that it may be active begins anew


def _set_condition(status: Status, type_: str, value: str, reason: str, message: str, now: float) -> None:
    known = condition_of({"status": status}, type_)
    if known is not None and (known["status"], known.get("reason")) == (value, reason):
        return
    moment = timestamp(now)
    row = {
        "type": type_, "status": value, "lastProbeTime": moment, "lastTransitionTime": moment,
        "reason": reason, "message": message,
    }  # fmt: skip
    rows = [one for one in status.get("conditions") or () if one["type"] != type_]
    status["conditions"] = [*rows, row]


def _put(mapping: Object, field: str, value: Any) -> None:
    """Leaves out what is zero or empty."""
    if value:
        mapping[field] = value
    else:
        mapping.pop(field, None)
