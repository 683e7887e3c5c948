"""CronJob: a Job at every time that its schedule names.

    CronJob ──▶ its Jobs: which run, which have ended since
                   │ cron_times.due: the newest time that has passed, and has no Job yet
                   ▼
        too late? another still runs? ── Allow, Forbid, Replace ──▶ a Job, called after that time
                   ▼
        status; Jobs beyond the history limits go

The Job's name is made of the time: whoever died between making it and telling the status finds it again.
Source: pkg/controller/cronjob.
"""

from __future__ import annotations

import copy
import zoneinfo
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from procorch.clock import parse_timestamp, timestamp
from procorch.controllers import cron_times
from procorch.controllers.controller import Context, Controller, own, owner
from procorch.controllers.job_tracking import is_finished
from procorch.controllers.pod_control import is_namespace_ending
from procorch.events import reference_to
from procorch.objects import (
    AlreadyExists,
    ApiError,
    NotFound,
    Object,
    condition_of,
    controller_of,
    get,
    is_deleting,
    key_of,
    owner_reference,
    uid_of,
)

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MINUTE = 60

Status = dict[str, Any]
Told = tuple[str, str, str]
"""An event: its type, reason and message."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The status as its Jobs make it, and what there is to tell of it.

    missing: active Jobs that nobody knows, yet to be asked for.
    """

    status: Status
    told: Sequence[Told] = ()
    missing: Sequence[Object] = ()


def look(cron_job: Object, jobs: Sequence[Object]) -> Seen:
    """What its Jobs mean for its status."""
    status: Status = copy.deepcopy(cron_job.get("status") or {})
    active: list[Object] = status.get("active") or []
    told: list[Told] = []
    by_uid = {uid_of(job): job for job in jobs}
    listed = {row["uid"] for row in active}
    for job in jobs:
        name, uid = job["metadata"]["name"], uid_of(job)
        if not is_finished(job):
            if uid not in listed:
                said = f"Saw a job that the controller did not create or forgot: {name}"
                told.append(("Warning", "UnexpectedJob", said))
            continue
        if uid in listed:
            ended = "Complete" if _has_succeeded(job) else "Failed"
            told.append(("Normal", "SawCompletedJob", f"Saw completed job: {name}, condition: {ended}"))
        when = get(job, ".status.completionTime")
        known = status.get("lastSuccessfulTime")
        if _has_succeeded(job) and when and (not known or parse_timestamp(when) > parse_timestamp(known)):
            status["lastSuccessfulTime"] = when
    _set_active(status, [row for row in active if row["uid"] not in by_uid or not is_finished(by_uid[row["uid"]])])
    return Seen(status, told, [row for row in active if row["uid"] not in by_uid])


def _has_succeeded(job: Object) -> bool:
    return bool((condition_of(job, "Complete") or {}).get("status") == "True")


def _set_active(status: Status, rows: list[Object]) -> None:
    if rows:
        status["active"] = rows
    else:
        status.pop("active", None)


@dataclass(frozen=True, slots=True)
class Plan:
    """at: the time for which a Job is to be made; None for none. replace: Jobs that have to go before.

    wait: seconds until it has to look again; None where only a change can help.
    """

    at: float | None = None
    replace: Sequence[Object] = ()
    wait: float | None = None
    told: Sequence[Told] = ()


def plan(cron_job: Object, status: Status, now: float) -> Plan:
    """status: as `look` has it. Never a second Job for a time, nor one beside another where that is forbidden."""
    spec = cron_job["spec"]
    if is_deleting(cron_job):
        return Plan()
    try:
        timing = cron_times.timing_of(spec)
    except zoneinfo.ZoneInfoNotFoundError as error:
        said = f'invalid timeZone: "{spec["timeZone"]}": {error}'
        return Plan(told=[("Warning", "UnknownTimeZone", said)])
    except ValueError as error:
        said = f'unparseable schedule: "{spec["schedule"]}" : {error}'
        return Plan(told=[("Warning", "UnparseableSchedule", said)])
    if spec.get("suspend"):
        return Plan()
    created, last = cron_job["metadata"]["creationTimestamp"], status.get("lastScheduleTime")
    since = parse_timestamp(last or created)
    deadline = spec.get("startingDeadlineSeconds")
    due = cron_times.due(timing, since, deadline, now)
    wait = cron_times.until_next(timing, since, now)
    told: list[Told] = []
    if due.too_many:
        said = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        told.append(("Warning", "TooManyMissedTimes", said))
    active: list[Object] = status.get("active") or []
    name = None if due.at is None else name_of(cron_job, due.at)
    if due.at is None or any(row["name"] == name for row in active) or (last and parse_timestamp(last) == due.at):
        return Plan(wait=wait, told=told)
    if deadline is not None and due.at + float(deadline) < now:
        when = datetime.fromtimestamp(due.at, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
        return Plan(
            wait=wait, told=[*told, ("Warning", "MissSchedule", f"Missed scheduled time to start a job: {when}")]
        )
    if active and spec.get("concurrencyPolicy") == "Forbid":
        said = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return Plan(wait=wait, told=[*told, ("Normal", "JobAlreadyActive", said)])
    return Plan(due.at, active if spec.get("concurrencyPolicy") == "Replace" else (), wait, told)


def name_of(cron_job: Object, at: float) -> str:
    return f"{cron_job['metadata']['name']}-{int(at) // _MINUTE}"


def job_of(cron_job: Object, at: float) -> Object:
    """The Job for a time, which it has as an annotation in the CronJob's own zone."""
    template = cron_job["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    zone = cron_times.zone_of(cron_job["spec"])
    shown = datetime.fromtimestamp(at, zone).isoformat().replace("+00:00", "Z")
    metadata: Object = {
        "name": name_of(cron_job, at),
        "namespace": cron_job["metadata"]["namespace"],
        "annotations": {**(given.get("annotations") or {}), SCHEDULED: shown},
        "ownerReferences": [owner_reference(cron_job)],
    }
    if given.get("labels"):
        metadata["labels"] = given["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def surplus(cron_job: Object, jobs: Iterable[Object]) -> list[Object]:
    """Jobs that have ended beyond the limits of the history, the oldest first."""
    ended = [job for job in jobs if is_finished(job) and not is_deleting(job)]
    found: list[Object] = []
    for field, succeeded in (("successfulJobsHistoryLimit", True), ("failedJobsHistoryLimit", False)):
        limit = cron_job["spec"].get(field)
        some = sorted((job for job in ended if _has_succeeded(job) is succeeded), key=_start)
        if limit is not None:
            found += some[: max(0, len(some) - limit)]
    return found


def _start(job: Object) -> tuple[str, str]:
    return get(job, ".status.startTime", "~"), job["metadata"]["name"]


async def reconcile(key: str, context: Context) -> float | None:
    """Makes the Job that is due, and the status true."""
    cron_job = context.lister["CronJob"].get(key)
    if cron_job is None:
        return None
    jobs = [job for job in context.lister["Job"].by_owner(uid_of(cron_job)) if controller_of(job)]
    seen = look(cron_job, jobs)
    _tell(cron_job, seen.told, context)
    await _ask_for_missing(cron_job, seen, context)
    wanted = plan(cron_job, seen.status, context.clock())
    _tell(cron_job, wanted.told, context)
    try:
        for row in wanted.replace:
            await _delete(cron_job, f"{row['namespace']}/{row['name']}", row["uid"], context)
            _set_active(seen.status, [one for one in seen.status.get("active", ()) if one["uid"] != row["uid"]])
        if wanted.at is not None:
            await _start_job(cron_job, wanted.at, seen.status, context)
        for job in surplus(cron_job, jobs):
            await _delete(cron_job, key_of(job), uid_of(job), context)
    finally:
        await _report(cron_job, seen.status, context)
    return wanted.wait


async def _ask_for_missing(cron_job: Object, seen: Seen, context: Context) -> None:
    """A Job that is not known may only not have been heard of yet."""
    for row in seen.missing:
        try:
            there = await context.client.get("Job", f"{row['namespace']}/{row['name']}")
            gone = uid_of(there) != row["uid"]
        except NotFound:
            gone = True
        if gone:
            _tell(cron_job, [("Normal", "MissingJob", f"Active job went missing: {row['name']}")], context)
            _set_active(seen.status, [one for one in seen.status.get("active", ()) if one["uid"] != row["uid"]])


async def _start_job(cron_job: Object, at: float, status: Status, context: Context) -> None:
    body = job_of(cron_job, at)
    try:
        job = await context.client.create(body)
    except AlreadyExists:
        job = await context.client.get("Job", key_of(body))
        if (controller_of(job) or {}).get("uid") != uid_of(cron_job):
            return  # somebody else's, who sees to it
    except ApiError as error:
        if not is_namespace_ending(error):
            _tell(cron_job, [("Warning", "FailedCreate", f"Error creating job: {error}")], context)
            raise
        return
    else:
        _tell(cron_job, [("Normal", "SuccessfulCreate", f"Created job {job['metadata']['name']}")], context)
    if not is_finished(job):
        _set_active(status, [*status.get("active", ()), reference_to(job)])
    status["lastScheduleTime"] = timestamp(at)


async def _delete(cron_job: Object, key: str, uid: str, context: Context) -> None:
    try:
        await context.client.delete("Job", key, uid=uid, propagation="Background")
    except NotFound:
        return
    except ApiError as error:
        _tell(cron_job, [("Warning", "FailedDelete", f"Deleted job: {error}")], context)
        raise
    _tell(cron_job, [("Normal", "SuccessfulDelete", f"Deleted job {key.rpartition('/')[2]}")], context)


async def _report(cron_job: Object, status: Status, context: Context) -> None:
    if status != (cron_job.get("status") or {}):
        with suppress(NotFound):
            await context.client.update_status({**cron_job, "status": status})


def _tell(cron_job: Object, told: Iterable[Told], context: Context) -> None:
    for type_, reason, message in told:
        context.events.event(cron_job, type_, reason, message)


CONTROLLER = Controller(
    "cronjob", reconcile, watches={"CronJob": own, "Job": owner("CronJob")}, component="cronjob-controller"
)
