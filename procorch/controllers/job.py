"""Job: pods that run until enough of them have succeeded, or too many have failed.

    Job ──▶ its pods: adopt, release (ownership.py); a finalizer on each until its end is counted
                │ view_of: counted (job_plan.py)
                ▼
        plan: an ending? make, delete, wait ──▶ pod_control.py
                ▼
        track: ends into the status ──▶ finalizers go ──▶ counters up, Complete or Failed (job_tracking.py)

The status is written under the resourceVersion of the Job that it was counted from: nothing is counted twice.
Source: pkg/controller/job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from procorch.controllers import job_plan
from procorch.controllers.controller import Context, Controller, Listers, own
from procorch.controllers.job_plan import Backoff, Ending, Plan, View, view_of
from procorch.controllers.job_pods import FINALIZER, has_limit_per_index, is_tracked, pod_of
from procorch.controllers.job_tracking import Status, counted, finished, is_finished, track
from procorch.controllers.ownership import claim, orphans_of, owners_that_match, selector_of, settle
from procorch.controllers.pod_control import all_of, create_pods, delete_pods
from procorch.objects import (
    ApiError,
    NotFound,
    Object,
    condition_of,
    controller_of,
    get,
    key_of,
    uid_of,
)

MANAGER = "kubernetes.io/job-controller"
"""The name under which this controller may stand in spec.managedBy; of any other's Jobs it keeps away."""

_POD = "pod:"  # before the key of a pod that nobody tracks, in the queue
_TRACKED = "tracked"


async def reconcile(key: str, context: Context) -> float | None:
    """Makes a Job's pods as it wants them, and its status true."""
    if key.startswith(_POD):
        pod = context.lister["Pod"].get(key.removeprefix(_POD))
        await _release([pod] if pod is not None and _is_abandoned(pod, context.lister) else [], context)
        return None
    job = context.lister["Job"].get(key)
    await _release(
        [pod for pod in context.lister["Pod"].by(_TRACKED, key) if _is_abandoned(pod, context.lister)], context
    )
    if job is None or not _is_ours(job) or is_finished(job):
        _backoffs(context).pop(key, None)
        return None
    selector = selector_of(job)
    view = view_of(job, await settle(job, "Pod", selector, context, finalizer=FINALIZER))
    backoff = _backoff(view, context)
    plan = job_plan.plan(view, backoff, context.clock())
    error = await _carry_out(view, plan, context)
    if plan.create or plan.delete:
        view = _looked(view, context)
    ending = None if plan.ending is not None and view.active else plan.ending
    error = await _count(view, ending, backoff, context) or error
    if error is not None:
        raise error
    return plan.wait


def _is_ours(job: Object) -> bool:
    return get(job, ".spec.managedBy") in (None, MANAGER)


def _is_abandoned(pod: Object, listers: Listers) -> bool:
    """Whether nobody is left who would count the pod's end: its Job is gone, has ended, or never was."""
    owner = controller_of(pod)
    if owner is not None and owner["kind"] != "Job":
        return False
    job = listers["Job"].get(f"{pod['metadata']['namespace']}/{owner['name']}") if owner else None
    if not is_tracked(pod):
        return False
    return job is None or owner is None or uid_of(job) != owner["uid"] or (_is_ours(job) and is_finished(job))


def _backoffs(context: Context) -> dict[str, tuple[str, Backoff]]:
    """Key → uid of the Job, and its back-off."""
    known: dict[str, tuple[str, Backoff]] = context.state.setdefault("backoffs", {})
    return known


def _backoff(view: View, context: Context) -> Backoff:
    """With the ends that are new; remembered when they are in the status."""
    uid, known = _backoffs(context).get(key_of(view.job), ("", Backoff()))
    return (known if uid == uid_of(view.job) else Backoff()).after(view.new_succeeded, view.new_failed)


async def _carry_out(view: View, plan: Plan, context: Context) -> ApiError | None:
    job = view.job
    if plan.quietly and (error := await _release(plan.delete, context)):
        return error
    if error := await delete_pods(job, plan.delete, context):
        return error
    bodies = [pod_of(job, index, None if index is None else view.delayed.get(index)) for index in plan.create]
    return await create_pods(job, bodies, context)


def _looked(view: View, context: Context, job: Object | None = None) -> View:
    """The view with the pods as they are by now."""
    job = job or view.job
    pods = context.lister["Pod"].by_owner(uid_of(job))
    return view_of(job, claim(job, pods, selector_of(job)).mine)


async def _count(view: View, ending: Ending | None, backoff: Backoff, context: Context) -> ApiError | None:
    """The three steps of job_tracking.py. Why finalizers could not be removed; what was is counted all the same."""
    tracked = track(view, ending, context.clock())
    job = await _write(view.job, tracked.status, context)
    _tell_suspension(view.job, job, context)
    if not has_limit_per_index(job):
        _backoffs(context)[key_of(job)] = uid_of(job), backoff
    error = await _release(tracked.release, context)
    view = _looked(view, context, job)
    status = counted(tracked.status, {uid_of(pod) for pod in view.pods if is_tracked(pod)})
    if error is None and tracked.complete:
        status = finished(status, view, ending, context.clock())
    job = await _write(job, status, context)
    if is_finished(job):
        _tell_end(job, ending, context)
    return error


async def _write(job: Object, status: Status, context: Context) -> Object:
    """The Job as it then is; a Job that is gone has no status."""
    if status == (job.get("status") or {}):
        return job
    try:
        return await context.client.update_status({**job, "status": status})
    except NotFound:
        return {**job, "status": status}


async def _release(pods: Sequence[Object], context: Context) -> ApiError | None:
    return await all_of([_release_one(pod, context) for pod in pods if is_tracked(pod)])


async def _release_one(pod: Object, context: Context) -> ApiError | None:
    patch = {"metadata": {"uid": uid_of(pod), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
    try:
        await context.client.patch("Pod", key_of(pod), patch, type="strategic")
    except NotFound:
        return None
    except ApiError as error:
        return error
    return None


def _tell_suspension(before: Object, after: Object, context: Context) -> None:
    now = (condition_of(after, "Suspended") or {}).get("status")
    was = (condition_of(before, "Suspended") or {}).get("status")
    if now == "True" != was:
        context.events.event(after, "Normal", "Suspended", "Job suspended")
    elif now == "False" and was == "True":
        context.events.event(after, "Normal", "Resumed", "Job resumed")


def _tell_end(job: Object, ending: Ending | None, context: Context) -> None:
    assert ending is not None
    if not ending.is_success:
        context.events.event(job, "Warning", ending.reason, ending.message)
        return
    completions = get(job, ".spec.completions")
    if completions is not None and get(job, ".status.succeeded", 0) > completions:
        said = "Too many succeeded pods running after completion count reached"
        context.events.event(job, "Warning", "TooManySucceededPods", said)
    context.events.event(job, "Normal", "Completed", "Job completed")


def _of_pod(pod: Object, listers: Listers) -> Iterable[str]:
    owner = controller_of(pod)
    if is_tracked(pod) and owner is None:
        yield _POD + key_of(pod)
    yield from owners_that_match("Job", selector_of)(pod, listers)


def _job_that_tracks(pod: Object) -> list[str]:
    owner = controller_of(pod)
    if owner is None or owner["kind"] != "Job" or not is_tracked(pod):
        return []
    return [f"{pod['metadata']['namespace']}/{owner['name']}"]


CONTROLLER = Controller(
    "job",
    reconcile,
    watches={"Job": own, "Pod": _of_pod},
    indexes={**orphans_of("Pod"), ("Pod", _TRACKED): _job_that_tracks},
)
