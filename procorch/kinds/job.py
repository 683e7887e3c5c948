"""Job: pods that run until enough of them have succeeded.

Source: pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job (strategy.go, storage.go), pkg/printers (printJob).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from procorch.clock import parse_timestamp
from procorch.kinds.cells import AGE, NAME, human_duration
from procorch.kinds.fields import Fields, fill, fill_text, labels, made, number, part, rows, same, text
from procorch.kinds.job_status import is_true, validate_status
from procorch.kinds.job_validation import validate_job_spec
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.podspec.scheduling import validate_selector
from procorch.kinds.podspec.validation import validate_match
from procorch.kinds.podspec.warnings import pod_warnings
from procorch.kinds.workload import chosen_by, keeps_status, name_warnings, pod_columns, selector_column
from procorch.names import dns_label
from procorch.objects import Cause, Object
from procorch.selectors import LabelSelector

#: Labels of a Job's pods: the second of each pair is of the time before labels had prefixes.
JOB_NAME, CONTROLLER_UID = "batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid"
_OLD_JOB_NAME, _OLD_CONTROLLER_UID = "job-name", "controller-uid"
_NEVER_GIVES_UP = 2**31 - 1
_FIXED = (
    "selector",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_MOVABLE = (
    ("spec", "affinity", "nodeAffinity"), ("spec", "nodeSelector"), ("spec", "tolerations"),
    ("spec", "schedulingGates"), ("metadata", "annotations"), ("metadata", "labels"),
)  # fmt: skip
_keep_status = keeps_status()


def default(job: Object) -> None:
    spec = made(job, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    fill(spec, "parallelism", 1)
    fill(spec, "backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _NEVER_GIVES_UP)
    fill(spec, "completionMode", "NonIndexed")
    fill(spec, "suspend", False)
    fill(spec, "manualSelector", False)
    fill(spec, "podReplacementPolicy", "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed")
    default_failure_policy(spec)
    default_template(spec)
    if spec.get("selector") is not None:  # else the template has not yet got its labels
        _label(job)


def default_failure_policy(spec: Fields) -> None:
    for rule in rows(part(spec, "podFailurePolicy").get("rules")):
        for pattern in rows(rule.get("onPodConditions")):
            fill_text(pattern, "status", "True")


def _label(job: Object) -> None:
    """A Job without labels has those of its pods."""
    given = labels(part(job, "spec", "template", "metadata").get("labels"))
    if given and not part(job, "metadata").get("labels"):
        made(job, "metadata")["labels"] = dict(given)


def prepare(job: Object, old: Object | None) -> None:
    _keep_status(job, old)
    if old is None:
        if part(job, "spec").get("manualSelector") is not True:
            _generate_selector(job)
        _label(job)


def _generate_selector(job: Object) -> None:
    """The pods carry the Job's name and uid, and the uid finds them: so no two Jobs can ever have the same pods.

    What the client has set stays, and is refused if it is something else.
    """
    about = part(job, "metadata")
    given = made(job, "spec", "template", "metadata", "labels")
    for label, value in (
        (JOB_NAME, about.get("name")),
        (_OLD_JOB_NAME, about.get("name")),
        (CONTROLLER_UID, about.get("uid")),
        (_OLD_CONTROLLER_UID, about.get("uid")),
    ):
        given.setdefault(label, text(value))
    made(job, "spec", "selector", "matchLabels").setdefault(CONTROLLER_UID, text(about.get("uid")))


def validate(job: Object, old: Object | None) -> Iterator[Cause]:
    spec, before = part(job, "spec"), part(old, "spec")
    if old is None or spec != before:
        yield from _generated(job, old)
        yield from validate_job_spec(spec, "spec")
        selector = spec.get("selector")
        if not isinstance(selector, dict):
            yield Cause.required("spec.selector")
        yield from validate_selector(selector, "spec.selector")
        yield from validate_match(part(spec, "template"), "spec.template", chosen_by(selector))
        yield from _host_names(job)
        if old is not None:
            yield from _update(spec, before, old)
    if old is not None and job.get("status") != old.get("status"):
        yield from validate_status(job, old)


def _generated(job: Object, old: Object | None) -> Iterator[Cause]:
    """Whether the labels and the selector are the generated ones, where they should be.

    Of the time before labels had prefixes are Jobs that never got them.
    """
    spec, about = part(job, "spec"), part(job, "metadata")
    if spec.get("manualSelector") is True or not isinstance(spec.get("selector"), dict):
        return
    given, path = labels(part(spec, "template", "metadata").get("labels")), "spec.template.metadata.labels"
    wanted = {
        _OLD_CONTROLLER_UID: text(about.get("uid")),
        _OLD_JOB_NAME: text(about.get("name")),
        CONTROLLER_UID: text(about.get("uid")),
        JOB_NAME: text(about.get("name")),
    }
    had = labels(part(old, "spec", "template", "metadata").get("labels"))
    if old is not None and not (JOB_NAME in had and CONTROLLER_UID in had):
        del wanted[CONTROLLER_UID], wanted[JOB_NAME]
    for key, value in wanted.items():
        if key not in given:
            yield Cause.required(path, f"must be '{value}'")
        elif given[key] != value:
            yield Cause.invalid(path, given, f"must be '{value}'")
    try:
        found = LabelSelector.of(spec["selector"]).matches(wanted)
    except (ValueError, TypeError, AttributeError):
        return
    if not found:
        yield Cause.invalid("spec.selector", spec["selector"], "`selector` not auto-generated")


def _host_names(job: Object) -> Iterator[Cause]:
    spec, name = part(job, "spec"), text(part(job, "metadata").get("name"))
    completions = number(spec.get("completions")) or 0
    if spec.get("completionMode") == "Indexed" and completions > 0 and dns_label(last := f"{name}-{completions - 1}"):
        yield Cause.invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {last}")


def _update(spec: Fields, before: Fields, old: Object) -> Iterator[Cause]:
    completions = spec.get("completions")
    if completions != before.get("completions"):
        if spec.get("completionMode") != "Indexed":
            yield Cause.invalid("spec.completions", completions, "field is immutable")
        elif completions is not None and completions != spec.get("parallelism"):
            detail = "can only be modified in tandem with spec.parallelism"
            yield Cause.invalid("spec.completions", completions, detail)
    for field in _FIXED:
        if not same(spec.get(field), before.get(field)):
            yield Cause.invalid(f"spec.{field}", spec.get(field), "field is immutable")
    template, former = part(spec, "template"), part(before, "template")
    if not _may_move(old):
        if not same(template, former):
            yield Cause.invalid("spec.template", template, "field is immutable")
    elif not same(_unplaced(template), _unplaced(former)):
        yield Cause.invalid("spec.template.spec", part(template, "spec"), "field is immutable")


def _may_move(old: Object) -> bool:
    """A Job that waits may still be sent elsewhere and be given more or less: a queue decides that late."""
    status = part(old, "status")
    waits = status.get("startTime") is None or is_true(old, "Suspended")
    return part(old, "spec").get("suspend") is True and waits and not status.get("active")


def _unplaced(template: Fields) -> Fields:
    """The template without what says on which nodes its pods may run, and with how much."""
    bare = copy.deepcopy(template)
    for path in _MOVABLE:
        part(bare, *path[:-1]).pop(path[-1], None)
    for group in ("containers", "initContainers"):
        for container in rows(part(bare, "spec").get(group)):
            container.pop("resources", None)
    return bare


def warn(job: Object, old: Object | None) -> Iterator[str]:
    if old is None:
        yield from name_warnings(job)
    if old is None or job.get("spec") != old.get("spec"):
        yield from job_warnings(part(job, "spec"), "spec")


def job_warnings(spec: Fields, path: str) -> Iterator[str]:
    """Of a Job's specification, or of a CronJob's for its Jobs."""
    completions, parallelism = (number(spec.get(field)) or 0 for field in ("completions", "parallelism"))
    if spec.get("completionMode") == "Indexed" and completions > 100_000 and parallelism > 10_000:
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    yield from pod_warnings(part(spec, "template"), f"{path}.template")


def _status(job: Object, now: float) -> str:
    for condition, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if is_true(job, condition):
            return word
    if part(job, "metadata").get("deletionTimestamp"):
        return "Terminating"
    return next((word for word in ("Suspended", "FailureTarget") if is_true(job, word)), "Running")


def _completions(job: Object, now: float) -> str:
    spec, done = part(job, "spec"), number(part(job, "status").get("succeeded")) or 0
    wanted, parallelism = number(spec.get("completions")), number(spec.get("parallelism")) or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Object, now: float) -> str:
    status = part(job, "status")
    try:
        begun = parse_timestamp(text(status.get("startTime")))
        ended = text(status.get("completionTime"))
        return human_duration((parse_timestamp(ended) if ended else now) - begun)
    except ValueError:
        return ""


def _succeeded(job: Object) -> str:
    return str(number(part(job, "status").get("succeeded")) or 0)


KIND = Kind(
    "Job", "jobs", group="batch",
    categories=("all",), subresources=("status",),
    default=default, prepare=prepare, validate=validate, warn=warn,
    columns=(
        NAME,
        Column("Status", _status),
        Column("Completions", _completions),
        Column("Duration", _duration),
        AGE,
        *pod_columns("spec", "template", "spec"),
        selector_column("spec"),
    ),
    fields={"status.successful": _succeeded},
    orphans=True,
    orphans_warning="child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to "
    "remove them or set propagationPolicy=Orphan to suppress this warning",
    generation=True,
)  # fmt: skip
