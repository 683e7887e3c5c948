"""Lease: who holds something, and since when he was last heard of.

Source: pkg/apis/coordination/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import number, part, same, without
from procorch.kinds.kind import Column, Kind
from procorch.objects import Cause, Object

_PULSE = (("metadata", "resourceVersion"), ("metadata", "managedFields"), ("spec", "renewTime"))


def validate(lease: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(lease, "spec")
    seconds, transitions = number(spec.get("leaseDurationSeconds")), number(spec.get("leaseTransitions"))
    if seconds is not None and seconds <= 0:
        yield Cause.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield Cause.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
    if spec.get("holderIdentity") == "":
        yield Cause.invalid("spec.holderIdentity", "", "must not be empty")


def heartbeat(old: Object, new: Object) -> bool:
    """Only the renewal differs."""
    return same(without(old, *_PULSE), without(new, *_PULSE))


KIND = Kind(
    "Lease", "leases", group="coordination.k8s.io", unconditional=False, put_creates=True,
    validate=validate, heartbeat=heartbeat,
    columns=(NAME, Column("Holder", ".spec.holderIdentity"), AGE),
)  # fmt: skip
