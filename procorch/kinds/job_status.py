"""What a Job's status may say, and how it may go on: whoever writes it, the Job ends once, and in one way.

Source: pkg/apis/batch/validation (validateJobStatus, ValidateJobStatusUpdate), pkg/registry/batch/job
(getStatusValidationOptions).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.clock import parse_timestamp
from procorch.kinds.fields import number, part, rows, text, texts
from procorch.kinds.job_validation import read_indexes
from procorch.kinds.workload import not_negative
from procorch.objects import Cause, Object

_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_CONDITIONS = "status.conditions"
#: pairs that cannot both be true, as the message names them
_EXCLUSIVE = (
    ("Complete", "Failed", "Complete=True and Failed=true"),
    ("Complete", "FailureTarget", "Complete=True and FailureTarget=true"),
    ("SuccessCriteriaMet", "Failed", "SuccessCriteriaMet=True and Failed=true"),
    ("SuccessCriteriaMet", "FailureTarget", "SuccessCriteriaMet=True and FailureTarget=true"),
)
#: what must come before: condition → its forerunner
_FORERUNNERS = {"Failed": "FailureTarget", "Complete": "SuccessCriteriaMet"}


def is_true(job: Object, condition: str) -> bool:
    return any(
        row.get("type") == condition and row.get("status") == "True"
        for row in rows(part(job, "status").get("conditions"))
    )


def validate_status(job: Object, old: Object) -> Iterator[Cause]:
    """A status that differs from the one that stands. A rule that was already broken there is not held against it."""
    known = {(cause.field, cause.message) for cause in _standing(old)}
    yield from (cause for cause in _standing(job) if (cause.field, cause.message) not in known)
    yield from _going_on(job, old)


def _plainly(path: str, detail: str) -> Cause:
    """About a value that is too long to be shown."""
    return Cause(path, f"Invalid value: {detail}")


def _standing(job: Object) -> Iterator[Cause]:
    """What is wrong with the status by itself."""
    status = part(job, "status")
    yield from not_negative(status, "status", *_COUNTS)
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(texts(part(status, "uncountedTerminatedPods").get(field))):
            path = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                yield Cause.invalid(path, uid, "must not be empty")
            elif uid in seen:
                yield Cause.duplicate(path, uid)
            seen.add(uid)
    for one, other, words in _EXCLUSIVE:
        if is_true(job, one) and is_true(job, other):
            yield _plainly(_CONDITIONS, f"cannot set {words} conditions")
    for condition, before in _FORERUNNERS.items():
        if is_true(job, condition) and not is_true(job, before):
            yield _plainly(_CONDITIONS, f"cannot set {condition}=True condition without the {before}=true condition")
    yield from _times(job)
    yield from _finished(job)
    yield from _indexes(job)
    ready, active = number(status.get("ready")) or 0, number(status.get("active")) or 0
    if ready > active:
        yield Cause.invalid("status.ready", ready, "cannot set more ready pods than active")


def _times(job: Object) -> Iterator[Cause]:
    status = part(job, "status")
    begun, ended = text(status.get("startTime")), text(status.get("completionTime"))
    if ended and not is_true(job, "Complete"):
        detail = "cannot set completionTime when there is no Complete=True condition"
        yield Cause.invalid("status.completionTime", ended, detail)
    if not ended and is_true(job, "Complete"):
        yield Cause.required("status.completionTime", "completionTime is required for Complete jobs")
    try:
        if begun and ended and parse_timestamp(ended) < parse_timestamp(begun):
            yield Cause.invalid("status.completionTime", ended, "must be equal to or after `startTime`")
    except ValueError:
        return  # the structural check has named it


def _finished(job: Object) -> Iterator[Cause]:
    if not is_true(job, "Complete") and not is_true(job, "Failed"):
        return
    status = part(job, "status")
    for field in ("active", "terminating"):
        if (number(status.get(field)) or 0) > 0:
            yield Cause.invalid(f"status.{field}", status[field], f"{field}>0 is invalid for finished job")
    if not text(status.get("startTime")):
        yield Cause.required("status.startTime", "startTime is required for finished job")
    uncounted = part(status, "uncountedTerminatedPods")
    if texts(uncounted.get("succeeded")) or texts(uncounted.get("failed")):
        detail = "must be empty for finished job"
        yield Cause.invalid("status.uncountedTerminatedPods", uncounted, detail)


def _indexes(job: Object) -> Iterator[Cause]:
    spec, status = part(job, "spec"), part(job, "status")
    completed, failed = text(status.get("completedIndexes")), status.get("failedIndexes")
    if completed and spec.get("completionMode") != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield Cause.invalid("status.completedIndexes", completed, detail)
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield Cause.invalid("status.failedIndexes", failed, detail)
    completions = number(spec.get("completions"))
    if completions is None:
        return
    taken: list[list[tuple[int, int]]] = []
    for field, value in (("completedIndexes", completed), ("failedIndexes", text(failed))):
        try:
            taken.append(read_indexes(value, completions))
        except ValueError as error:
            if field == "failedIndexes" and spec.get("backoffLimitPerIndex") is None:
                continue  # there should be none at all, and that was said
            yield Cause.invalid(f"status.{field}", value, f"error parsing {field}: {error}")
    if len(taken) == 2 and (both := _overlap(*taken)) is not None:
        detail = f"failedIndexes and completedIndexes overlap at index: {both}"
        yield Cause.invalid("status.failedIndexes", text(failed), detail)


def _overlap(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> int | None:
    """The first index that is in both; each is in order."""
    left, right = 0, 0
    while left < len(one) and right < len(other):
        first, last = max(one[left][0], other[right][0]), min(one[left][1], other[right][1])
        if first <= last:
            return first
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return None


def _going_on(job: Object, old: Object) -> Iterator[Cause]:
    """What may not be taken back."""
    spec, status, before = part(job, "spec"), part(job, "status"), part(old, "status")
    for condition in ("Failed", "Complete", "FailureTarget"):
        if is_true(old, condition) and not is_true(job, condition):
            yield _plainly(_CONDITIONS, f"cannot disable the terminal {condition}=True condition")
    if is_true(old, "SuccessCriteriaMet") and not is_true(job, "SuccessCriteriaMet"):
        yield _plainly(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
    if is_true(old, "Complete") and is_true(job, "SuccessCriteriaMet") and not is_true(old, "SuccessCriteriaMet"):
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield _plainly(_CONDITIONS, detail)
    shrinks = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for field in ("failed", "succeeded"):
        now, then = number(status.get(field)) or 0, number(before.get(field)) or 0
        if now < then and not (field == "succeeded" and shrinks):
            yield Cause.invalid(f"status.{field}", now, f"cannot decrease the {field} counter")
    ended, was_ended = status.get("completionTime"), before.get("completionTime")
    if ended and was_ended and ended != was_ended:
        yield Cause.invalid("status.completionTime", ended, "field is immutable")
    if before.get("startTime") and status.get("startTime") != before["startTime"] and spec.get("suspend") is not True:
        detail = "field is immutable for unsuspended job once set"
        yield Cause.invalid("status.startTime", status.get("startTime"), detail)
