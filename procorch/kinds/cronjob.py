"""CronJob: a Job at every time that a schedule names.

Source: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation (validateCronJobSpec), pkg/registry/batch/cronjob.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator

from procorch import cron
from procorch.kinds.cells import AGE, NAME, age
from procorch.kinds.fields import Fields, fill, fill_text, made, part, rows, text
from procorch.kinds.job import default_failure_policy, job_warnings
from procorch.kinds.job_validation import validate_job_spec
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.workload import keeps_status, name_warnings, not_negative, pod_columns, selector_column
from procorch.objects import Cause, Object

_LONGEST_NAME = 52  # a Job's has at most 63 characters, and the time takes 11
_POLICIES = ("Allow", "Forbid", "Replace")
_ZONE = re.compile(r"[A-Za-z._0-9+][A-Za-z._0-9+-]{0,13}", re.ASCII)


def default(cron_job: Object) -> None:
    spec = made(cron_job, "spec")
    fill_text(spec, "concurrencyPolicy", "Allow")
    fill(spec, "suspend", False)
    fill(spec, "successfulJobsHistoryLimit", 3)
    fill(spec, "failedJobsHistoryLimit", 1)
    job = made(spec, "jobTemplate", "spec")
    default_failure_policy(job)
    default_template(job)


def validate(cron_job: Object, old: Object | None) -> Iterator[Cause]:
    name = text(part(cron_job, "metadata").get("name"))
    if old is None and len(name) > _LONGEST_NAME:
        yield Cause.invalid("metadata.name", name, f"must be no more than {_LONGEST_NAME} characters")
    spec, before = part(cron_job, "spec"), part(old, "spec")
    if old is not None and spec == before:
        return
    yield from _schedule(text(spec.get("schedule")), spec.get("timeZone"), text(before.get("schedule")))
    yield from not_negative(spec, "spec", "startingDeadlineSeconds")
    if old is None or spec.get("timeZone") != before.get("timeZone"):
        yield from _time_zone(spec.get("timeZone"))
    policy = text(spec.get("concurrencyPolicy"))
    if not policy:
        yield Cause.required("spec.concurrencyPolicy")
    elif policy not in _POLICIES:
        yield Cause.unsupported("spec.concurrencyPolicy", policy, _POLICIES)
    yield from _job(part(spec, "jobTemplate", "spec"), "spec.jobTemplate.spec")
    yield from not_negative(spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")


def _job(job: Fields, path: str) -> Iterator[Cause]:
    yield from validate_job_spec(job, path)
    if job.get("selector") is not None:
        yield Cause.invalid(f"{path}.selector", job["selector"], "`selector` will be auto-generated")
    if job.get("manualSelector") is True:
        yield Cause.unsupported(f"{path}.manualSelector", True, ("nil", "false"))


def _schedule(schedule: str, zone: object, before: str) -> Iterator[Cause]:
    """before: as it was; a zone within it may only stay where one was."""
    if not schedule:
        yield Cause.required("spec.schedule")
        return
    within, fields = cron.split_zone(schedule)
    try:
        if within and (problem := _zone_problem(within)):
            raise ValueError(f"provided bad location {within}: {problem}")
        cron.parse(fields)
    except ValueError as error:
        yield Cause.invalid("spec.schedule", schedule, str(error))
    if "TZ" in schedule:
        if "TZ" not in before:
            detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            yield Cause.invalid("spec.schedule", schedule, detail)
        elif zone is not None:
            detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            yield Cause.invalid("spec.schedule", schedule, detail)


def _time_zone(zone: object) -> Iterator[Cause]:
    if zone is None:
        return
    name = text(zone)
    if not name:
        yield Cause.invalid("spec.timeZone", name, "timeZone must be nil or non-empty string")
        return
    if any(step in (".", "..") or not _ZONE.fullmatch(step) for step in name.split("/")):
        yield Cause.invalid("spec.timeZone", name, f"unknown time zone {name}")
        return
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield Cause.invalid("spec.timeZone", name, detail)
    elif problem := _zone_problem(name):
        yield Cause.invalid("spec.timeZone", name, problem)


def _zone_problem(name: str) -> str:
    """What is wrong with a zone's name; "" for one that there is."""
    try:
        zoneinfo.ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # among them: a directory, a file that is no zone
        return f"unknown time zone {name}"
    return ""


def warn(cron_job: Object, old: Object | None) -> Iterator[str]:
    spec = part(cron_job, "spec")
    if old is None:
        yield from name_warnings(cron_job)
    if old is None or spec != old.get("spec"):
        yield from job_warnings(part(spec, "jobTemplate", "spec"), "spec.jobTemplate.spec")
    if "TZ" in text(spec.get("schedule")):
        yield (
            "cannot use TZ or CRON_TZ in spec.schedule, use timeZone instead, see "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#unsupported-timezone-specification "
            "for more details"
        )


def _suspend(cron_job: Object, now: float) -> str:
    suspend = part(cron_job, "spec").get("suspend")
    return str(suspend) if isinstance(suspend, bool) else "<unset>"


def _last(cron_job: Object, now: float) -> str:
    moment = part(cron_job, "status").get("lastScheduleTime")
    return age(moment, now) if moment else "<none>"


_PODS = ("spec", "jobTemplate", "spec", "template", "spec")
KIND = Kind(
    "CronJob", "cronjobs", group="batch",
    short_names=("cj",), categories=("all",), subresources=("status",),
    default=default, prepare=keeps_status(), validate=validate, warn=warn,
    columns=(
        NAME,
        Column("Schedule", ".spec.schedule"),
        Column("Timezone", lambda obj, now: text(part(obj, "spec").get("timeZone")) or "<none>"),
        Column("Suspend", _suspend, "boolean"),
        Column("Active", lambda obj, now: len(rows(part(obj, "status").get("active"))), "integer"),
        Column("Last Schedule", _last),
        AGE,
        *pod_columns(*_PODS),
        selector_column(*_PODS[:3]),
    ),
    generation=True,
)  # fmt: skip
