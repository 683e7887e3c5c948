"""ControllerRevision: a template as it once was, kept by a StatefulSet or DaemonSet for going back to it.

Source: pkg/apis/apps/validation (ValidateControllerRevision), pkg/printers (printControllerRevision).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import number, part, rows, same, text
from procorch.kinds.kind import Column, Kind
from procorch.kinds.workload import not_negative
from procorch.objects import Cause, Object


def validate(revision: Object, old: Object | None) -> Iterator[Cause]:
    if revision.get("data") is None:
        yield Cause.required("data", "data is mandatory")
    for cause in not_negative(revision, "", "revision"):
        yield Cause("revision", cause.message, cause.reason)
    if old is not None and not same(revision.get("data"), old.get("data")):
        yield Cause.invalid("data", revision.get("data"), "field is immutable")


def _controller(revision: Object, now: float) -> str:
    """`statefulset.apps/db`"""
    owners = rows(part(revision, "metadata").get("ownerReferences"))
    owner = next((one for one in owners if one.get("controller") is True), None)
    if owner is None:
        return "<none>"
    group = text(owner.get("apiVersion")).rpartition("/")[0]
    kind = text(owner.get("kind")).lower()
    return f"{kind}.{group}/{text(owner.get('name'))}" if group else f"{kind}/{text(owner.get('name'))}"


KIND = Kind(
    "ControllerRevision", "controllerrevisions", group="apps",
    validate=validate,
    columns=(
        NAME,
        Column("Controller", _controller),
        Column("Revision", lambda obj, now: number(obj.get("revision")) or 0),
        AGE,
    ),
)  # fmt: skip
