"""Requests and limits: whether they make sense, and the QoS class that follows from them.

Source: pkg/apis/core/validation (validateResourceRequirements), pkg/apis/core/v1/helper/qos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from procorch.kinds.fields import Fields, indexed, mapping, part, rows, text
from procorch.kinds.resource_names import is_counted, is_huge_pages, may_overcommit, validate_container_resource
from procorch.names import dns_label
from procorch.objects import Cause, Object
from procorch.quantity import Quantity, read

_SIDES = ("requests", "limits")


def quantity_of(value: object) -> Quantity | None:
    """The quantity, or None for what is none."""
    try:
        return read(value)  # type: ignore[arg-type]  # read refuses other types itself
    except ValueError:
        return None


def validate_resources(resources: Fields, path: str, spec: Fields | None = None) -> Iterator[Cause]:
    """requests, limits and claims of one container. spec: that it is in."""
    limits, requests = mapping(resources.get("limits")), mapping(resources.get("requests"))
    for name, value in limits.items():
        yield from _resource(name, value, f"{path}.limits[{name}]")
    for name, value in requests.items():
        yield from _resource(name, value, f"{path}.requests[{name}]")
        yield from _against_limit(str(name), value, limits, path)
    named = {str(name) for name in (*limits, *requests)}
    if any(is_huge_pages(name) for name in named) and not named & {"cpu", "memory"}:
        yield Cause.forbidden(path, "HugePages require cpu or memory")
    known = [text(row.get("name")) for row in rows((spec or {}).get("resourceClaims"))]
    yield from _claims(resources.get("claims"), sorted({name for name in known if name}), f"{path}.claims")


def _claims(value: object, known: list[str], path: str) -> Iterator[Cause]:
    """Each a claim of the pod's, or one request of it, once."""
    seen: set[str] = set()
    for where, row in indexed(value, path):
        name, request = text(row.get("name")), text(row.get("request"))
        if not name:
            yield Cause.required(where)
            continue
        key = f"{name}/{request}" if request else name
        if name in seen or key in seen:
            yield Cause.duplicate(where, name if name in seen else key)
        else:
            for message in dns_label(request) if request else ():
                yield Cause.invalid(f"{where}.request", request, message)
            if not request and any(one.startswith(f"{name}/") for one in seen):
                yield Cause.duplicate(where, name)
            seen.add(key)
        if name not in known:
            choice = f": {', '.join(known)}" if known else " which is empty"
            missing = Cause.not_found(where, name)
            message = f"{missing.message}: must be one of the names in pod.spec.resourceClaims{choice}"
            yield Cause(where, message, missing.reason)


def _against_limit(name: str, value: object, limits: Fields, path: str) -> Iterator[Cause]:
    overcommit = may_overcommit(name)
    limit, request = quantity_of(limits.get(name)), quantity_of(value)
    if name not in limits:
        if not overcommit:
            yield Cause.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif limit is not None and request is not None:
        if not overcommit and request.amount != limit.amount:
            yield Cause.invalid(f"{path}.requests", str(request), f"must be equal to {name} limit of {limit}")
        elif request.amount > limit.amount:
            yield Cause.invalid(
                f"{path}.requests", str(request), f"must be less than or equal to {name} limit of {limit}"
            )


def _resource(name: object, value: object, path: str) -> Iterator[Cause]:
    yield from validate_container_resource(str(name), path)
    yield from validate_amount(str(name), value, path)
    amount = quantity_of(value)
    if is_huge_pages(str(name)) and amount is not None:
        page = quantity_of(str(name).removeprefix("hugepages-"))
        if page is None or page.amount <= 0 or (amount.amount / page.amount).denominator != 1:
            yield Cause.invalid(path, str(amount), f"{amount} is not positive integer multiple of {name}")


def has_own_resources(spec: Fields) -> bool:
    """Whether the pod asks for something as a whole, beside what its containers ask for."""
    return any(is_pod_level(str(name)) for side in _SIDES for name in part(spec, "resources", side))


def is_pod_level(name: str) -> bool:
    """Whether a pod can ask for it as a whole."""
    return name in ("cpu", "memory") or is_huge_pages(name)


def validate_pod_resources(spec: Fields, asked: Mapping[str, Fraction], path: str) -> Iterator[Cause]:
    """`resources` of the pod as a whole. asked: what its containers ask for together. path: of the specification."""
    resources, where = part(spec, "resources"), f"{path}.resources"
    if not resources:
        return
    for side in _SIDES:
        for name in mapping(resources.get(side)):
            if not is_pod_level(str(name)):
                yield Cause.unsupported(f"{where}.{side}[{name}]", str(name), ("cpu", "hugepages-", "memory"))
    if resources.get("claims"):
        yield Cause.forbidden(f"{where}.claims", "claims cannot be set for Resources at pod-level")
    yield from validate_resources({side: resources.get(side) for side in _SIDES}, where)
    for name, value in mapping(resources.get("requests")).items():
        quantity, sum_ = quantity_of(value), asked.get(str(name))
        if quantity is not None and sum_ is not None and sum_ > quantity.amount:
            least = Quantity(sum_, quantity.family)
            message = f"must be greater than or equal to aggregate container requests of {least}"
            yield Cause.invalid(f"{where}.requests[{name}]", str(quantity), message)
    for name, value in mapping(resources.get("limits")).items():
        most = quantity_of(value)
        for group in ("containers", "initContainers"):
            for at, container in indexed(spec.get(group), f"{path}.{group}"):
                one = quantity_of(part(container, "resources", "limits").get(name))
                if most is not None and one is not None and one.amount > most.amount:
                    message = f"must be less than or equal to pod limits of {most}"
                    yield Cause.invalid(f"{at}.resources.limits[{name}]", str(one), message)


def validate_amount(name: str, value: object, path: str) -> Iterator[Cause]:
    """One quantity of a resource list: a quantity at all, not negative, whole where pieces are counted."""
    try:
        quantity = read(value)  # type: ignore[arg-type]  # read refuses other types itself
    except ValueError as error:
        yield Cause.invalid(path, value, str(error))
        return
    if quantity.amount < 0:
        yield Cause.invalid(path, str(quantity), "must be greater than or equal to 0")
    if is_counted(name) and quantity.amount.denominator != 1:
        yield Cause.invalid(path, str(quantity), "must be an integer")


def qos_class(pod: Object) -> str:
    """Guaranteed: every container has cpu and memory limits and its requests equal them; BestEffort: nobody asked
    for anything; else Burstable. A pod that asks as a whole is judged by that alone."""
    spec = part(pod, "spec")
    totals: dict[str, dict[str, Fraction]] = {"requests": {}, "limits": {}}
    guaranteed = True
    whole = has_own_resources(spec)
    for container in (spec,) if whole else (*rows(spec.get("containers")), *rows(spec.get("initContainers"))):
        limited = set()
        for side, total in totals.items():
            for name, value in part(container, "resources", side).items():
                quantity = quantity_of(value)
                if name in ("cpu", "memory") and quantity is not None and quantity.amount > 0:
                    total[name] = total.get(name, Fraction(0)) + quantity.amount
                    if side == "limits":
                        limited.add(name)
        guaranteed = guaranteed and len(limited) == 2
    if not totals["requests"] and not totals["limits"]:
        return "BestEffort"
    return "Guaranteed" if guaranteed and totals["requests"] == totals["limits"] else "Burstable"
