"""ReplicaSet: a number of like pods, chosen by a set-based selector."""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import replica_columns
from procorch.kinds.fields import fill, made, number, part, same
from procorch.kinds.kind import Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.replicationcontroller import validate_counts
from procorch.kinds.workload import keeps_status, selector_column, validate_chosen, workload_warnings
from procorch.objects import Cause, Object


def default(replica_set: Object) -> None:
    spec = made(replica_set, "spec")
    fill(spec, "replicas", 1)
    default_template(spec)


def validate(replica_set: Object, old: Object | None) -> Iterator[Cause]:
    yield from validate_counts(replica_set)
    spec = part(replica_set, "spec")
    if old is not None and spec == old.get("spec"):
        return
    yield from validate_chosen(spec, "deployment", lasting="ReplicaSet")
    if old is not None and not same(spec.get("selector"), part(old, "spec").get("selector")):
        yield Cause.invalid("spec.selector", spec.get("selector"), "field is immutable")


KIND = Kind(
    "ReplicaSet", "replicasets", group="apps",
    short_names=("rs",), categories=("all",), subresources=("status", "scale"),
    default=default, prepare=keeps_status(replicas=0), validate=validate, warn=workload_warnings,
    columns=replica_columns(selector_column("spec")),
    fields={"status.replicas": lambda obj: str(number(part(obj, "status").get("replicas")) or 0)},
    generation=True,
)  # fmt: skip
