"""LimitRanges where objects are made: what containers get that ask for nothing, and what nobody may go beyond.

A new pod's containers are given the defaults of its namespace first, and judged afterwards with what they then ask
for; a claim is judged whenever it is written, a pod also when it is resized.
Source: plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from procorch.api.cache import Cache, LostEntry
from procorch.kinds import KINDS
from procorch.kinds.fields import Fields, made, mapping, part, rows, text
from procorch.kinds.kind import Kind
from procorch.objects import Forbidden, Object, is_deleting
from procorch.pod_resources import quantities_of, read_list
from procorch.quantity import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"
_GROUPS = (("containers", "container"), ("initContainers", "init container"))
_SIDES = (("limits", "default"), ("requests", "defaultRequest"))

Amounts = Mapping[str, Quantity]


def fill(cache: Cache, kind: Kind, pod: Object) -> None:
    """The defaults of a new pod's containers; an annotation says which they are."""
    if kind.group or kind.name != "Pod":
        return
    for limit_range in _ranges(cache, pod):
        told = _filled(part(pod, "spec"), limit_range)
        if told:
            made(pod, "metadata", "annotations")[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def _filled(spec: Fields, limit_range: Object) -> list[str]:
    """What was filled in, container by container."""
    limits = [one for one in rows(part(limit_range, "spec").get("limits")) if one.get("type") == "Container"]
    told = []
    for group, word in _GROUPS:
        for container in rows(spec.get(group)):
            for side, field in reversed(_SIDES):
                defaults = {name: value for one in limits for name, value in mapping(one.get(field)).items()}
                given = made(container, "resources", side) if defaults else {}
                new = sorted(set(defaults) - set(given))
                given.update({name: defaults[name] for name in new})
                if new:
                    singular = side.removesuffix("s")
                    told.append(f"{', '.join(new)} {singular} for {word} {text(container.get('name'))}")
    return told


def check(cache: Cache, kind: Kind, obj: Object, old: Object | None = None, subresource: str = "") -> None:
    """Raises Forbidden, with all that is beyond the limits. What is being deleted may go, however large it is."""
    if old is not None and is_deleting(old):
        return
    match kind.group, kind.name, subresource:
        case ("", "Pod", "resize"):
            pass
        case ("", "Pod", "") if old is None:
            pass
        case ("", "PersistentVolumeClaim", ""):
            pass
        case _:
            return
    for limit_range in _ranges(cache, obj):
        problems = [
            problem
            for limit in rows(part(limit_range, "spec").get("limits"))
            for requests, limits in _judged(limit, kind, part(obj, "spec"))
            for problem in _problems(limit, requests, limits)
        ]
        if problems:
            told = [*dict.fromkeys(problems)]
            why = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
            raise Forbidden.of(kind.plural, obj["metadata"].get("name", ""), why)


def _ranges(cache: Cache, obj: Object) -> Iterator[Object]:
    """Those of its namespace. Raises ApiError for one that cannot be read: it may say anything."""
    kind = KINDS["LimitRange"]
    for entry in cache.shelf(kind).within(obj["metadata"].get("namespace") or ""):
        if isinstance(entry, LostEntry):
            raise entry.error(kind)
        yield entry.object


def _judged(limit: Fields, kind: Kind, spec: Fields) -> Iterator[tuple[Amounts, Amounts]]:
    """The requests and limits of each thing that a limit is about."""
    match limit.get("type"), kind.name:
        case "Container", "Pod":
            for container in (*rows(spec.get("containers")), *rows(spec.get("initContainers"))):
                resources = part(container, "resources")
                yield read_list(resources.get("requests")), read_list(resources.get("limits"))
        case "Pod", "Pod":
            yield quantities_of(spec, "requests"), quantities_of(spec, "limits")
        case "PersistentVolumeClaim", "PersistentVolumeClaim":
            requests = read_list(part(spec, "resources").get("requests"))
            yield requests, requests


def _problems(limit: Fields, requests: Amounts, limits: Amounts) -> Iterator[str]:
    per = text(limit.get("type"))
    claim = per == "PersistentVolumeClaim"  # which has no limits: its request is what may not be too large
    for name, least in read_list(limit.get("min")).items():
        yield from _least(f"minimum {name} usage per {per} is {least}", least, requests.get(name),
                          None if claim else limits.get(name))  # fmt: skip
    for name, most in read_list(limit.get("max")).items():
        if claim:
            yield from _largest_request(f"maximum {name} usage per {per} is {most}", most, requests.get(name))
        else:
            yield from _most(
                f"maximum {name} usage per {per} is {most}", most, requests.get(name), limits.get(name)
            )  # fmt: skip
    for name, ratio in read_list(limit.get("maxLimitRequestRatio")).items():
        rule = f"{name} max limit to request ratio per {per} is {ratio}"
        yield from _ratio(rule, ratio, requests.get(name), limits.get(name))


def _least(rule: str, least: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if request is None:
        yield f"{rule}.  No request is specified"
    elif request.amount < least.amount:
        yield f"{rule}, but request is {request}"
    elif limit is not None and limit.amount < least.amount:
        yield f"{rule}, but limit is {limit}"


def _most(rule: str, most: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if limit is None:
        yield f"{rule}.  No limit is specified"
    elif limit.amount > most.amount:
        yield f"{rule}, but limit is {limit}"
    elif request is not None and request.amount > most.amount:
        yield f"{rule}, but request is {request}"


def _largest_request(rule: str, most: Quantity, request: Quantity | None) -> Iterator[str]:
    if request is None:
        yield f"{rule}.  No request is specified"
    elif request.amount > most.amount:
        yield f"{rule}, but request is {request}"


def _ratio(rule: str, ratio: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if request is None or not request.amount:
        yield f"{rule}, but no request is specified or request is 0"
    elif limit is None or not limit.amount:
        yield f"{rule}, but no limit is specified or limit is 0"
    elif limit.amount / request.amount > ratio.amount:
        yield f"{rule}, but provided ratio is {float(limit.amount / request.amount):f}"
