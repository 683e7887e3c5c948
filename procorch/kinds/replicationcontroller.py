"""ReplicationController: a number of like pods, chosen by a map of labels."""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import label_text, replica_columns
from procorch.kinds.fields import fill, labels, made, number, part
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.podspec.validation import validate_template
from procorch.objects import Cause, Object
from procorch.selectors import LabelSelector

_NOT_NEGATIVE = "must be greater than or equal to 0"


def default(controller: Object) -> None:
    spec = made(controller, "spec")
    fill(spec, "replicas", 1)
    if not isinstance(spec.get("template"), dict):
        return
    default_template(controller)
    given = labels(part(spec, "template", "metadata").get("labels"))
    if given and not spec.get("selector"):
        spec["selector"] = dict(given)
    if given and not part(controller, "metadata").get("labels"):
        made(controller, "metadata")["labels"] = dict(given)


def prepare_replicas(obj: Object, old: Object | None) -> None:
    """The status is the controller's."""
    obj["status"] = {"replicas": 0} if old is None else old.get("status", {"replicas": 0})


def validate_counts(obj: Object) -> Iterator[Cause]:
    """The numbers in spec and status of what keeps pods."""
    for field in ("minReadySeconds", "replicas"):
        value = number(part(obj, "spec").get(field))
        if value is not None and value < 0:
            yield Cause.invalid(f"spec.{field}", value, _NOT_NEGATIVE)
    status = part(obj, "status")
    counts = {
        field: number(status.get(field)) or 0
        for field in ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    }
    for field, count in counts.items():
        if count < 0:
            yield Cause.invalid(f"status.{field}", count, _NOT_NEGATIVE)
    for field in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if counts[field] > counts["replicas"]:
            yield Cause.invalid(f"status.{field}", counts[field], "cannot be greater than status.replicas")
    if counts["availableReplicas"] > counts["readyReplicas"]:
        yield Cause.invalid(
            "status.availableReplicas", counts["availableReplicas"], "cannot be greater than readyReplicas"
        )


def validate(controller: Object, old: Object | None) -> Iterator[Cause]:
    yield from validate_counts(controller)
    spec = part(controller, "spec")
    if old is not None and spec == old.get("spec"):
        return
    selector = labels(spec.get("selector"))
    if not selector:
        yield Cause.required("spec.selector")
    if not isinstance(spec.get("template"), dict):
        yield Cause.required("spec.template")
        return
    yield from validate_template(
        spec["template"], "spec.template", LabelSelector.of_map(selector), "ReplicationController"
    )


KIND = Kind(
    "ReplicationController", "replicationcontrollers",
    short_names=("rc",), categories=("all",), subresources=("status", "scale"),
    default=default, prepare=prepare_replicas, validate=validate,
    columns=replica_columns(
        Column("Selector", lambda obj, now: label_text(part(obj, "spec").get("selector")), priority=1)
    ),
    fields={"status.replicas": lambda obj: str(number(part(obj, "status").get("replicas")) or 0)},
    orphans=True, generation=True,
)  # fmt: skip
