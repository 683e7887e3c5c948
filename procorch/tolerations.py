"""Does a toleration allow a taint? Asked by the scheduler, by eviction, and by who runs pods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from procorch.objects import Object


def tolerates(toleration: Object, taint: Object) -> bool:
    """An empty key with Exists allows every taint; an empty effect every effect; the operator is Equal by default."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    if operator == "Equal":
        return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
    return _compares(operator, taint.get("value") or "", toleration.get("value") or "")


def untolerated(taints: Iterable[Object], tolerations: Sequence[Object], effects: Iterable[str]) -> Object | None:
    """The first taint with one of these effects that no toleration allows."""
    wanted = set(effects)
    for taint in taints:
        if taint["effect"] in wanted and not any(tolerates(row, taint) for row in tolerations):
            return taint
    return None


def _compares(operator: str, of_taint: str, of_toleration: str) -> bool:
    """Lt and Gt: the taint's value is a number less, or greater, than the toleration's."""
    try:
        left, right = int(of_taint), int(of_toleration)
    except ValueError:
        return False
    return left < right if operator == "Lt" else operator == "Gt" and left > right
