"""What of a pod may still change after it was made.

Source: pkg/apis/core/validation (ValidatePodUpdate).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, mapping, number, part, rows, same, text, without
from procorch.objects import Cause

_CHANGEABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


_ADDITIONS = "only additions{} are allowed (no mutations or deletions)"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def validate_pod_update(new: Fields, old: Fields) -> Iterator[Cause]:
    """new, old: the specifications."""
    for group in ("containers", "initContainers"):
        if len(rows(new.get(group))) != len(rows(old.get(group))):
            yield Cause.forbidden(f"spec.{group}", "pod updates may not add or remove containers")
            return
    yield from _deadline(new, old)
    yield from _tolerations(new, old)
    before = {text(gate.get("name")) for gate in rows(old.get("schedulingGates"))}
    for where, gate in indexed(new.get("schedulingGates"), "spec.schedulingGates"):
        if text(gate.get("name")) not in before:
            yield Cause.forbidden(
                f"{where}.name",
                f"only deletion is allowed, but found new scheduling gate '{text(gate.get('name'))}'",
            )
    fixed_new, fixed_old = _fixed(new), _fixed(old)
    grace = number(old.get("terminationGracePeriodSeconds"))
    if grace is not None and grace < 0 and new.get("terminationGracePeriodSeconds") == 1:
        fixed_new["terminationGracePeriodSeconds"] = grace
    if before:  # while it is gated, the scheduler has not seen it: what it asks of nodes may grow
        yield from _node_selector(fixed_new, fixed_old)
        yield from _node_affinity(fixed_new, fixed_old)
    if not same(fixed_new, fixed_old):
        yield Cause.forbidden(
            "spec", f"pod updates may not change fields other than {_CHANGEABLE}\n{difference(fixed_old, fixed_new)}"
        )


def _fixed(spec: Fields) -> Fields:
    """The specification without what may change by its own rules."""
    return without(
        spec,
        ("containers", "*", "image"),
        ("initContainers", "*", "image"),
        ("activeDeadlineSeconds",),
        ("tolerations",),
        ("schedulingGates",),
    )


def _deadline(new: Fields, old: Fields) -> Iterator[Cause]:
    after, before = number(new.get("activeDeadlineSeconds")), number(old.get("activeDeadlineSeconds"))
    if before is not None and after is None:
        yield Cause.invalid("spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")
    elif before is not None and after is not None and after > before:
        yield Cause.invalid("spec.activeDeadlineSeconds", after, "must be less than or equal to previous value")


def _tolerations(new: Fields, old: Fields) -> Iterator[Cause]:
    after = [without(row, ("tolerationSeconds",)) for row in rows(new.get("tolerations"))]
    if any(without(row, ("tolerationSeconds",)) not in after for row in rows(old.get("tolerations"))):
        yield Cause.forbidden(
            "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
        )


def _node_selector(new: Fields, old: Fields) -> Iterator[Cause]:
    after, before = new.pop("nodeSelector", None) or {}, old.pop("nodeSelector", None) or {}
    if any(after.get(key) != value for key, value in before.items()):
        yield Cause.invalid("spec.nodeSelector", after, _ADDITIONS.format(" to spec.nodeSelector"))


def _node_affinity(new: Fields, old: Fields) -> Iterator[Cause]:
    """Takes the affinity to nodes out of both, and judges what became of it."""
    wanted = []
    for spec in (new, old):
        affinity = dict(part(spec, "affinity"))
        wanted.append(mapping(affinity.pop("nodeAffinity", None)))
        spec["affinity"] = affinity
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    after, before = (rows(part(one, _REQUIRED).get("nodeSelectorTerms")) for one in wanted)
    if before and len(after) != len(before):
        message = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield Cause.invalid(path, after, message)
        return
    for index, (term, former) in enumerate(zip(after, before, strict=False)):
        if not _only_adds(term, former):
            yield Cause.invalid(f"{path}[{index}]", term, _ADDITIONS.format(""))


def _only_adds(term: Fields, former: Fields) -> bool:
    fields = ("matchExpressions", "matchFields")
    if not any(rows(former.get(field)) for field in fields):  # it chose nothing, and would choose something
        return not any(rows(term.get(field)) for field in fields)
    return all(same(rows(term.get(field))[: len(rows(former.get(field)))], rows(former.get(field))) for field in fields)


def difference(old: Fields, new: Fields) -> str:
    """The changed fields of a specification, one a line, before and after."""
    lines = []
    for field in sorted({*old, *new}):
        if not same(old.get(field), new.get(field)):
            for mark, side in (("-", old), ("+", new)):
                if side.get(field) is not None:
                    lines.append(f"{mark} {field}: {json.dumps(side[field], default=str)}")
    return "\n".join(lines) + "\n"
