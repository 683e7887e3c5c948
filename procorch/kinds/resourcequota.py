"""ResourceQuota: how much all the objects of a namespace together may ask for.

Source: pkg/apis/core/validation (ValidateResourceQuota and its update), pkg/apis/core/helper (scopes),
pkg/printers (printResourceQuota).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, made, mapping, part, rows, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_resource_list
from procorch.kinds.podspec.resources import validate_amount
from procorch.kinds.resource_names import is_quota, validate_quota_resource
from procorch.objects import Cause, Object

_COMPUTE = frozenset(("pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"))
#: scope → the resources of which it can choose some
_SCOPES: dict[str, frozenset[str]] = {
    "BestEffort": frozenset(("pods",)),
    "NotBestEffort": _COMPUTE,
    "Terminating": _COMPUTE,
    "NotTerminating": _COMPUTE,
    "PriorityClass": _COMPUTE,
    "CrossNamespacePodAffinity": _COMPUTE,
    "VolumeAttributesClass": frozenset(("persistentvolumeclaims", "requests.storage")),
}
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_WITH_VALUES = ("PriorityClass", "VolumeAttributesClass")


def default(quota: Object) -> None:
    made(quota, "spec")
    for owner, field in ((quota["spec"], "hard"), *((part(quota, "status"), field) for field in ("hard", "used"))):
        default_resource_list(mapping(owner), field)


def prepare(quota: Object, old: Object | None) -> None:
    """What is used is counted by a controller."""
    quota["status"] = {} if old is None else old.get("status", {})


def validate(quota: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(quota, "spec")
    yield from _hard(spec.get("hard"), "spec.hard")
    if old is None or spec != old.get("spec"):
        names = [str(name) for name in mapping(spec.get("hard"))]
        yield from _scopes(texts(spec.get("scopes")), names)
        if isinstance(spec.get("scopeSelector"), dict):
            yield from _selector(spec, names)
    for field in ("hard", "used"):
        yield from _hard(part(quota, "status").get(field), f"status.{field}")
    if old is not None and set(texts(spec.get("scopes"))) != set(texts(part(old, "spec").get("scopes"))):
        yield Cause.invalid("spec.scopes", texts(spec.get("scopes")) or None, "field is immutable")


def _hard(value: object, path: str) -> Iterator[Cause]:
    for name, amount in mapping(value).items():
        yield from validate_quota_resource(str(name), f"{path}[{name}]")
        yield from validate_amount(str(name), amount, f"{path}[{name}]")


def _scopes(scopes: list[str], names: list[str]) -> Iterator[Cause]:
    for scope in scopes:
        if scope not in _SCOPES:
            yield Cause.invalid("spec.scopes", scopes, "unsupported scope")
        for _ in _beyond(scope, names):
            yield Cause.invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    yield from _conflict(set(scopes), scopes, "spec.scopes")


def _beyond(scope: str, names: Iterable[str]) -> list[str]:
    """The resources of which the scope cannot choose some; those with a prefix are not Kubernetes' to judge."""
    return [name for name in names if is_quota(name) and scope in _SCOPES and name not in _SCOPES[scope]]


def _conflict(chosen: set[str], shown: list[str], path: str) -> Iterator[Cause]:
    for pair in _CONFLICTS:
        if pair <= chosen:
            yield Cause.invalid(path, shown, "conflicting scopes")


def _selector(spec: Fields, names: list[str]) -> Iterator[Cause]:
    path, selector = "spec.scopeSelector.matchExpressions", part(spec, "scopeSelector")
    chosen: set[str] = set()
    for row in rows(selector.get("matchExpressions")):
        scope = text(row.get("scopeName"))
        if scope not in _SCOPES:
            yield Cause.invalid(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _beyond(scope, names):
            yield Cause.invalid(path, selector, "unsupported scope applied to resource")
        yield from _operator(row, scope, path)
        chosen.add(scope)
    yield from _conflict(chosen, texts(spec.get("scopes")), path)


def _operator(row: Fields, scope: str, path: str) -> Iterator[Cause]:
    operator, values = text(row.get("operator")), texts(row.get("values"))
    if scope in _SCOPES and scope not in _WITH_VALUES and operator != "Exists":
        yield Cause.invalid(
            f"{path}.operator",
            operator,
            "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
            "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
            "ResourceQuotaScopeCrossNamespacePodAffinity",
        )
    if operator in ("In", "NotIn"):
        if not values:
            yield Cause.required(
                f"{path}.values", "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            )
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield Cause.invalid(
                f"{path}.values",
                values,
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            )
    else:
        yield Cause.invalid(f"{path}.operator", operator, "not a valid selector operator")


def _shares(limits: bool) -> Column:
    def cell(quota: Object, now: float) -> str:
        status = part(quota, "status")
        hard, used = mapping(status.get("hard")), mapping(status.get("used"))
        return ", ".join(
            f"{name}: {used.get(name, 0)}/{hard[name]}"
            for name in sorted(hard, key=str)
            if str(name).startswith("limits.") == limits
        )

    return Column("Limit" if limits else "Request", cell)


KIND = Kind(
    "ResourceQuota", "resourcequotas", shows_deleted=True,
    short_names=("quota",), subresources=("status",),
    default=default, prepare=prepare, validate=validate,
    columns=(NAME, _shares(limits=False), _shares(limits=True), AGE),
)  # fmt: skip
