"""ReplicaSet: a number of like pods, chosen by a set-based selector."""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import replica_columns, selector_text
from procorch.kinds.fields import fill, made, number, part, same
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.podspec.scheduling import selects, validate_selector
from procorch.kinds.podspec.validation import validate_template
from procorch.kinds.replicationcontroller import prepare_replicas, validate_counts
from procorch.objects import Cause, Object
from procorch.selectors import LabelSelector


def default(replica_set: Object) -> None:
    fill(made(replica_set, "spec"), "replicas", 1)
    default_template(replica_set)


def validate(replica_set: Object, old: Object | None) -> Iterator[Cause]:
    yield from validate_counts(replica_set)
    spec = part(replica_set, "spec")
    if old is not None and spec == old.get("spec"):
        return
    selector = spec.get("selector")
    parsed: LabelSelector | None = None
    if not isinstance(selector, dict):
        yield Cause.required("spec.selector")
    else:
        yield from validate_selector(selector, "spec.selector")
        if not selects(selector):
            yield Cause.invalid("spec.selector", selector, "empty selector is invalid for deployment")
        try:
            parsed = LabelSelector.of(selector)
        except (ValueError, TypeError, AttributeError):
            yield Cause.invalid("spec.selector", selector, "invalid label selector")
    yield from validate_template(part(spec, "template"), "spec.template", parsed, "ReplicaSet")
    if old is not None and not same(selector, part(old, "spec").get("selector")):
        yield Cause.invalid("spec.selector", selector, "field is immutable")


KIND = Kind(
    "ReplicaSet", "replicasets", group="apps",
    short_names=("rs",), categories=("all",), subresources=("status", "scale"),
    default=default, prepare=prepare_replicas, validate=validate,
    columns=replica_columns(
        Column("Selector", lambda obj, now: selector_text(part(obj, "spec").get("selector")), priority=1)
    ),
    fields={"status.replicas": lambda obj: str(number(part(obj, "status").get("replicas")) or 0)},
    generation=True,
)  # fmt: skip
