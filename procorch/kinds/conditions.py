"""status.conditions of the newer kinds: metav1.Condition.

Source: apimachinery pkg/apis/meta/v1/validation (ValidateConditions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procorch.kinds.fields import indexed, number, text
from procorch.names import label_key
from procorch.objects import Cause

_STATUSES = ("False", "True", "Unknown")
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", re.ASCII)
_LONGEST_REASON, _LONGEST_MESSAGE = 1024, 32 * 1024


def validate_conditions(value: object, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for where, condition in indexed(value, path):
        type_, status, reason = (text(condition.get(field)) for field in ("type", "status", "reason"))
        if type_ in seen:
            yield Cause.duplicate(f"{where}.type", type_)
        seen.add(type_)
        for message in label_key(type_):
            yield Cause.invalid(f"{where}.type", type_, message)
        if status not in _STATUSES:
            yield Cause.unsupported(f"{where}.status", status, _STATUSES)
        generation = number(condition.get("observedGeneration")) or 0
        if generation < 0:
            yield Cause.invalid(f"{where}.observedGeneration", generation, "must be greater than or equal to zero")
        if not condition.get("lastTransitionTime"):
            yield Cause.required(f"{where}.lastTransitionTime", "must be set")
        yield from _reason(reason, f"{where}.reason")
        if len(text(condition.get("message")).encode(errors="replace")) > _LONGEST_MESSAGE:
            yield Cause.too_long(f"{where}.message", _LONGEST_MESSAGE)


def _reason(reason: str, path: str) -> Iterator[Cause]:
    if not reason:
        yield Cause.required(path, "must be set")
    elif not _REASON.fullmatch(reason):
        yield Cause.invalid(
            path,
            reason,
            "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
            "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  "
            "or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
            f"'{_REASON.pattern}')",
        )
    if len(reason) > _LONGEST_REASON:
        yield Cause.too_long(path, _LONGEST_REASON)
