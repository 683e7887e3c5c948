"""Does a node fit a pod's nodeSelector and the required terms of its nodeAffinity? Asked where pods are placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from procorch.objects import Object


def fits(selector: Mapping[str, str], affinity: Object | None, name: str, labels: Mapping[str, str]) -> bool:
    """selector: nodeSelector. affinity: nodeAffinity. name, labels: of the node."""
    if selector and not selector.items() <= labels.items():
        return False
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") if affinity else None
    return required is None or any(term_matches(term, name, labels) for term in required.get("nodeSelectorTerms") or ())


def term_matches(term: Object, name: str, labels: Mapping[str, str]) -> bool:
    """All of a term's expressions; a term without any matches nothing."""
    expressions: Sequence[Object] = term.get("matchExpressions") or ()
    fields: Sequence[Object] = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_holds(row, labels) for row in expressions) and all(
        _holds(row, {"metadata.name": name}) for row in fields
    )


def _holds(row: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(row["key"]), row.get("values") or []
    match row["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            try:
                left, right = int(value or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return left > right if operator == "Gt" else left < right
    return False
