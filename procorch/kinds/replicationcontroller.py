"""ReplicationController: a number of like pods, chosen by a map of labels."""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import label_text, replica_columns
from procorch.kinds.fields import fill, labels, made, number, part
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.podspec.validation import validate_lasting, validate_match, validate_template
from procorch.kinds.workload import at_most, keeps_status, not_negative, workload_warnings
from procorch.objects import Cause, Object
from procorch.selectors import LabelSelector

_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def default(controller: Object) -> None:
    spec = made(controller, "spec")
    fill(spec, "replicas", 1)
    if not isinstance(spec.get("template"), dict):
        return
    default_template(spec)
    given = labels(part(spec, "template", "metadata").get("labels"))
    if given and not spec.get("selector"):
        spec["selector"] = dict(given)
    if given and not part(controller, "metadata").get("labels"):
        made(controller, "metadata")["labels"] = dict(given)


def validate_counts(obj: Object) -> Iterator[Cause]:
    """The numbers in spec and status of a ReplicationController or a ReplicaSet."""
    yield from not_negative(part(obj, "spec"), "spec", "minReadySeconds", "replicas")
    status = part(obj, "status")
    yield from not_negative(status, "status", *_COUNTS, "observedGeneration", "terminatingReplicas")
    yield from at_most(status, "replicas", *_COUNTS[1:], words="status.replicas")
    yield from at_most(status, "readyReplicas", "availableReplicas", words="readyReplicas")


def validate(controller: Object, old: Object | None) -> Iterator[Cause]:
    yield from validate_counts(controller)
    spec = part(controller, "spec")
    if old is not None and spec == old.get("spec"):
        return
    selector = labels(spec.get("selector"))
    if not selector:
        yield Cause.required("spec.selector")
    template = spec.get("template")
    if not isinstance(template, dict):
        yield Cause.required("spec.template")
        return
    yield from validate_match(template, "spec.template", LabelSelector.of_map(selector) if selector else None)
    yield from validate_template(template, "spec.template")
    yield from validate_lasting(template, "spec.template", "ReplicationController")


KIND = Kind(
    "ReplicationController", "replicationcontrollers",
    short_names=("rc",), categories=("all",), subresources=("status", "scale"),
    default=default, prepare=keeps_status(replicas=0), validate=validate, warn=workload_warnings,
    columns=replica_columns(
        Column("Selector", lambda obj, now: label_text(part(obj, "spec").get("selector")), priority=1)
    ),
    fields={"status.replicas": lambda obj: str(number(part(obj, "status").get("replicas")) or 0)},
    orphans=True, generation=True,
)  # fmt: skip
