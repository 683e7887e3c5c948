"""What a Job does next: which pods it makes and deletes, how long it waits, and whether it has come to its end.

           view_of: the Job and its pods, counted
                         │
         ending: is it done, or has it failed? ── yes ──▶ all active pods go
                         │ no
         suspended ──────┼──▶ all active pods go, as if they had not been
         too many ───────┼──▶ the least loss goes, likewise
         too few ────────┴──▶ new ones, when the back-off is over

All of it is pure. Never more pods at once than `parallelism`, never more than completions are missing.
Source: pkg/controller/job/job_controller.go (syncJob, manageJob), backoff_utils.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from procorch.clock import parse_timestamp
from procorch.controllers.job_indexes import Indexes
from procorch.controllers.job_pods import (
    counted_failures_of,
    failures_of,
    finished_at,
    has_limit_per_index,
    index_of,
    is_failed,
    is_indexed,
    is_terminating,
    is_tracked,
    replaces_only_failed,
)
from procorch.controllers.job_policies import is_counted, match_failure, match_success
from procorch.controllers.replicas import BURST, deletion_order
from procorch.objects import Object, condition_of, get, is_deleting, uid_of
from procorch.pods import is_active, phase_of

FIRST_WAIT, LONGEST_WAIT = 10.0, 600.0
"""Seconds before a failed pod is replaced: doubled by each failure since the last success, and never more."""


@dataclass(frozen=True, slots=True)
class Ending:
    """That a Job has come to its end, though its pods may not. type: SuccessCriteriaMet or FailureTarget."""

    type: str
    reason: str
    message: str

    @property
    def is_success(self) -> bool:
        return self.type == "SuccessCriteriaMet"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failures since the last success, and when the last of them was; kept in memory alone, as in Kubernetes."""

    failures: int = 0
    last: float = 0.0

    def left(self, now: float) -> float:
        """Seconds."""
        return wait_after(self.failures, self.last, now)

    def after(self, succeeded: Sequence[Object], failed: Sequence[Object]) -> Backoff:
        """With pods that have ended since."""
        ends = [finished_at(pod) for pod in failed]
        if not succeeded:
            return Backoff(self.failures + len(ends), max(ends, default=self.last))
        last_success = max(map(finished_at, succeeded))
        ends = [end for end in ends if end > last_success]
        return Backoff(len(ends), max(ends, default=0.0))


def wait_after(failures: int, last: float, now: float) -> float:
    """Seconds left of the wait that so many failures ask for, counted from the last."""
    if not failures:
        return 0.0
    return max(0.0, last + min(FIRST_WAIT * 2.0 ** min(failures - 1, 30), LONGEST_WAIT) - now)


@dataclass(frozen=True, slots=True)
class View:
    """A Job and its pods, counted.

    succeeded, failed: of what has ended for good, counted in the status or not yet. new_succeeded, new_failed: pods not
    yet in the status. done: indexes that succeeded. lost: indexes that failed for good, None without a limit per index.
    delayed: index → its failed pod, which waits to be replaced so that its failures are not forgotten.
    """

    job: Object
    pods: Sequence[Object]
    active: Sequence[Object]
    terminating: int
    succeeded: int
    failed: int
    new_succeeded: Sequence[Object]
    new_failed: Sequence[Object]
    done: Indexes = field(default_factory=Indexes)
    lost: Indexes | None = None
    delayed: dict[int, Object] = field(default_factory=dict)

    @property
    def completions(self) -> int | None:
        number: int | None = get(self.job, ".spec.completions")
        return number

    def is_valid(self, pod: Object) -> bool:
        """Whether its success or failure means anything: of an Indexed Job's pods some have no index that is asked."""
        index = index_of(pod)
        return not is_indexed(self.job) or (index is not None and index < (self.completions or 0))


def view_of(job: Object, pods: Sequence[Object]) -> View:
    """pods: all that are the Job's."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    known = {name: set(uncounted.get(name) or ()) for name in ("succeeded", "failed")}
    active = [pod for pod in pods if is_active(pod)]
    bare = View(job, pods, active, sum(map(is_terminating, pods)), 0, 0, [], [])
    ended = [pod for pod in pods if is_tracked(pod) and bare.is_valid(pod)]
    succeeded = [pod for pod in ended if phase_of(pod) == "Succeeded" and uid_of(pod) not in known["succeeded"]]
    failed = [pod for pod in ended if is_failed(pod, job) and uid_of(pod) not in known["failed"]]
    view = replace(
        bare,
        new_succeeded=succeeded,
        new_failed=failed,
        succeeded=status.get("succeeded", 0) + len(succeeded) + len(known["succeeded"]),
        failed=status.get("failed", 0) + sum(is_counted(job, pod) for pod in failed) + len(known["failed"]),
    )
    return _indexed(view, ended) if is_indexed(job) else view


def _indexed(view: View, ended: Sequence[Object]) -> View:
    job, completions = view.job, view.completions or 0
    done = Indexes.parse(get(job, ".status.completedIndexes", ""), completions)
    done |= Indexes.of(_index(pod) for pod in ended if phase_of(pod) == "Succeeded")
    if not has_limit_per_index(job):
        return replace(view, done=done, succeeded=len(done))
    lost = Indexes.parse(get(job, ".status.failedIndexes", ""), completions)
    lost |= Indexes.of(_index(pod) for pod in ended if _ends_its_index(pod, job) and _index(pod) not in done)
    settled = done | lost | Indexes.of(index for pod in view.active if (index := index_of(pod)) is not None)
    delayed: dict[int, Object] = {}
    for pod in ended:
        index = _index(pod)
        if is_failed(pod, job) and index not in settled:
            other = delayed.get(index)
            if other is None or (failures_of(other), finished_at(other)) <= (failures_of(pod), finished_at(pod)):
                delayed[index] = pod
    return replace(view, done=done, lost=lost, delayed=delayed, succeeded=len(done))


def _index(pod: Object) -> int:
    index = index_of(pod)
    assert index is not None
    return index


def _ends_its_index(pod: Object, job: Object) -> bool:
    if not is_failed(pod, job):
        return False
    match = match_failure(job, pod)
    if match is not None and match.action == "FailIndex":
        return True
    return is_counted(job, pod) and counted_failures_of(pod) >= get(job, ".spec.backoffLimitPerIndex")


@dataclass(frozen=True, slots=True)
class Plan:
    """delete: pods; `quietly` those that shall not count as failed. create: an index, or None, for each new pod.

    wait: seconds until it has to look again whatever happens; None where it has not.
    """

    ending: Ending | None = None
    delete: Sequence[Object] = ()
    quietly: bool = False
    create: Sequence[int | None] = ()
    wait: float | None = None


def plan(view: View, backoff: Backoff, now: float) -> Plan:
    """backoff: with what the view has that is new."""
    ending = _ending(view, now)
    if ending is not None:
        return Plan(ending, view.active, quietly=ending.is_success)
    if is_deleting(view.job):
        return Plan()
    wait = _until_deadline(view.job, now)
    if is_suspended(view.job):
        return Plan(delete=_surplus(view, len(view.active), now), quietly=True, wait=wait)
    wanted = _wanted(view)
    if surplus := _surplus(view, len(view.active) - wanted, now):
        return Plan(delete=surplus[:BURST], quietly=True, wait=wait)
    waiting = view.terminating if replaces_only_failed(view.job) else 0
    missing = min(wanted - len(view.active) - waiting, BURST)
    if missing <= 0:
        return Plan(wait=wait)
    create, until = _new(view, missing, backoff, now)
    return Plan(create=create, wait=min((one for one in (wait, until) if one is not None), default=None))


def is_suspended(job: Object) -> bool:
    return bool(get(job, ".spec.suspend", False))


def _ending(view: View, now: float) -> Ending | None:
    """Once said, it stays so, whatever happens to the pods."""
    job = view.job
    for type_ in ("SuccessCriteriaMet", "FailureTarget"):
        condition = condition_of(job, type_)
        if condition is not None and condition["status"] == "True":
            return Ending(type_, condition.get("reason", ""), condition.get("message", ""))
    return _failure(view, now) or _success(view)


def _failure(view: View, now: float) -> Ending | None:
    job = view.job
    for pod in view.pods:
        match = match_failure(job, pod) if is_failed(pod, job) else None
        if match is not None and match.action == "FailJob":
            return Ending("FailureTarget", "PodFailurePolicy", match.message)
    if view.failed > get(job, ".spec.backoffLimit", 6) or _has_restarted_too_often(view):
        return Ending("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if (left := _until_deadline(job, now)) is not None and left <= 0:
        return Ending("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    if not view.lost:
        return None
    most = get(job, ".spec.maxFailedIndexes")
    if most is not None and len(view.lost) > most:
        said = "Job has exceeded the specified maximal number of failed indexes"
        return Ending("FailureTarget", "MaxFailedIndexesExceeded", said)
    if len(view.lost) + len(view.done) >= (view.completions or 0):
        return Ending("FailureTarget", "FailedIndexes", "Job has failed indexes")
    return None


def _success(view: View) -> Ending | None:
    if is_indexed(view.job) and (said := match_success(view.job, view.done)):
        return Ending("SuccessCriteriaMet", "SuccessPolicy", said)
    if _is_done(view):
        return Ending("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _is_done(view: View) -> bool:
    """Without a number of completions, one success is enough, and the others are waited for."""
    if is_deleting(view.job) and view.active:
        return False
    if view.completions is None:
        return view.succeeded > 0 and not view.active
    return view.succeeded >= view.completions


def _has_restarted_too_often(view: View) -> bool:
    if get(view.job, ".spec.template.spec.restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        row.get("restartCount", 0)
        for pod in view.pods
        if phase_of(pod) in ("Running", "Pending")
        for path in (".status.initContainerStatuses", ".status.containerStatuses")
        for row in get(pod, path, [])
    )
    limit = get(view.job, ".spec.backoffLimit", 6)
    return bool(restarts >= limit if limit else restarts > 0)


def _until_deadline(job: Object, now: float) -> float | None:
    """Seconds of the time that the Job may be active; None where it has no such limit, or is suspended.

    A Job that is just resumed begins anew, although its status does not say so yet.
    """
    most, begun = get(job, ".spec.activeDeadlineSeconds"), get(job, ".status.startTime")
    if most is None or is_suspended(job):
        return None
    resumes = (condition_of(job, "Suspended") or {}).get("status") == "True"
    return float(most) if begun is None or resumes else parse_timestamp(begun) + float(most) - now


def _wanted(view: View) -> int:
    """How many pods there should be at once."""
    parallelism = int(get(view.job, ".spec.parallelism", 1))
    if view.completions is None:
        return len(view.active) if view.succeeded else parallelism
    return max(0, min(view.completions - view.succeeded, parallelism))


def _surplus(view: View, count: int, now: float) -> list[Object]:
    """So many active pods at least: first such as serve no index, or one that another serves, then the least loss."""
    twins: list[Object] = []
    single: dict[int, Object] = {}
    rest = list(view.active)
    if is_indexed(view.job):
        for pod in reversed(_by_loss(rest, now)):  # whose loss hurts most keeps its index
            if view.is_valid(pod) and _index(pod) not in single:
                single[_index(pod)] = pod
            else:
                twins.append(pod)
        rest = list(single.values())
    if len(twins) >= count:
        return twins
    return twins + _by_loss(rest, now)[: count - len(twins)]


def _by_loss(pods: Sequence[Object], now: float) -> list[Object]:
    """A pod that lost its finalizer was about to be deleted when somebody died; it would not be counted anyway."""
    return sorted(deletion_order(pods, (), now), key=is_tracked)


def _new(view: View, count: int, backoff: Backoff, now: float) -> tuple[list[int | None], float | None]:
    """The pods to make now, and how long to wait for those that may not yet be made."""
    job = view.job
    if not has_limit_per_index(job) and (left := backoff.left(now)) > 0:
        return [], left
    if not is_indexed(job):
        return [None] * count, None
    taken = view.done | Indexes.of(index for pod in view.active if (index := index_of(pod)) is not None)
    if replaces_only_failed(job):
        taken |= Indexes.of(index for pod in view.pods if is_terminating(pod) and (index := index_of(pod)) is not None)
    taken |= view.lost or Indexes()
    create: list[int | None] = []
    waits = []
    for index in taken.missing(count, view.completions or 0):
        failed = view.delayed.get(index)
        left = wait_after(failures_of(failed) + 1, finished_at(failed), now) if failed is not None else 0.0
        if left > 0:
            waits.append(left)
        else:
            create.append(index)
    return create, min(waits, default=None)
