"""FlowSchema: which requests belong to which priority level; api/flows.py reads them.

Source: pkg/apis/flowcontrol/v1/defaults.go, pkg/apis/flowcontrol/validation, apiserver pkg/apis/flowcontrol/bootstrap
(the two that are fixed), pkg/printers (printFlowSchema).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, indexed, made, number, part, rows, same, text, texts
from procorch.kinds.kind import ALL_METADATA, Column, Kind
from procorch.names import dns_label, dns_subdomain
from procorch.objects import Cause, Object

_GROUP = "flowcontrol.apiserver.k8s.io"
_USUAL, _LARGEST = 1000, 10000
_METHODS = ("ByNamespace", "ByUser")
_KINDS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
EVERYTHING: dict[str, list[Object]] = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"],
                       "clusterScope": True}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}  # fmt: skip


def _of_groups(*names: str) -> Fields:
    return {"subjects": [{"kind": "Group", "group": {"name": name}} for name in names], **EVERYTHING}


#: what these two say is fixed
FIXED: dict[str, Fields] = {
    "exempt": {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [_of_groups("system:masters")],
    },
    "catch-all": {
        "priorityLevelConfiguration": {"name": "catch-all"},
        "matchingPrecedence": _LARGEST,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [_of_groups("system:unauthenticated", "system:authenticated")],
    },
}


def default(schema: Object) -> None:
    spec = made(schema, "spec")
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = _USUAL


def prepare(schema: Object, old: Object | None) -> None:
    """The status is a controller's."""
    schema["status"] = {} if old is None else old.get("status", {})


def validate(schema: Object, old: Object | None) -> Iterator[Cause]:
    name, spec = text(part(schema, "metadata").get("name")), part(schema, "spec")
    if old is None or spec != old.get("spec"):
        yield from _spec(name, spec)
        if name in FIXED and not same(spec, FIXED[name]):
            yield Cause.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")
    yield from validate_conditions(part(schema, "status"))


def validate_conditions(status: Fields) -> Iterator[Cause]:
    """status.conditions of this kind and of priority levels: each type once."""
    taken: set[str] = set()
    for where, row in indexed(status.get("conditions"), "status.conditions"):
        kind = text(row.get("type"))
        if kind in taken:
            yield Cause.duplicate(f"{where}.type", kind)
        taken.add(kind)
        if not kind:
            yield Cause.required(f"{where}.type")


def _spec(name: str, spec: Fields) -> Iterator[Cause]:
    path, precedence = "spec.matchingPrecedence", number(spec.get("matchingPrecedence")) or 0
    if precedence <= 0:
        yield Cause.invalid(path, precedence, "must be a positive value")
    if precedence > _LARGEST:
        yield Cause.invalid(path, precedence, f"must not be greater than {_LARGEST}")
    if precedence == 1 and name != "exempt":
        yield Cause.invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if isinstance(method, dict) and method.get("type") not in _METHODS:
        shown = {"Type": method.get("type") or ""}  # as Go prints it
        yield Cause.unsupported("spec.distinguisherMethod.type", shown, _METHODS)
    level = text(part(spec, "priorityLevelConfiguration").get("name"))
    if not level:
        yield Cause.required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    for message in dns_subdomain(level) if level else ():
        yield Cause.invalid("spec.priorityLevelConfiguration.name", level, message)
    for where, rule in indexed(spec.get("rules"), "spec.rules"):
        yield from _rule(rule, where)


def _rule(rule: Fields, path: str) -> Iterator[Cause]:
    if not rows(rule.get("subjects")):
        yield Cause.required(f"{path}.subjects", "subjects must contain at least one value")
    for where, subject in indexed(rule.get("subjects"), f"{path}.subjects"):
        yield from _subject(subject, where)
    if not rows(rule.get("resourceRules")) and not rows(rule.get("nonResourceRules")):
        yield Cause.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for where, one in indexed(rule.get("resourceRules"), f"{path}.resourceRules"):
        yield from _resources(one, where)
    for where, one in indexed(rule.get("nonResourceRules"), f"{path}.nonResourceRules"):
        yield from _verbs(one, where)
        yield from _listed(one, "nonResourceURLs", where, "nonResourceURLs must contain at least one value",
                           "non-resource URLs")  # fmt: skip
        urls = texts(one.get("nonResourceURLs"))
        for index, url in enumerate(() if "*" in urls else urls):
            if problem := _url_problem(url):
                yield Cause.invalid(f"{where}.nonResourceURLs[{index}]", url, problem)


def _subject(subject: Fields, path: str) -> Iterator[Cause]:
    kind = text(subject.get("kind"))
    if kind not in _KINDS:
        yield Cause.unsupported(f"{path}.kind", kind, tuple(_KINDS))
        return
    own = _KINDS[kind]
    given = subject.get(own)
    if not isinstance(given, dict):
        yield Cause.required(f"{path}.{own}", f"{own} is required when subject kind is '{kind}'")
    elif not text(given.get("name")):
        yield Cause.required(f"{path}.{own}.name")
    elif kind == "ServiceAccount" and given["name"] != "*":
        for message in dns_subdomain(given["name"]):
            yield Cause.invalid(f"{path}.{own}.name", given["name"], message)
    if kind == "ServiceAccount" and isinstance(given, dict):
        namespace = text(given.get("namespace"))
        if not namespace:
            yield Cause.required(f"{path}.{own}.namespace", "must specify namespace for service account")
        for message in dns_label(namespace) if namespace else ():
            yield Cause.invalid(f"{path}.{own}.namespace", namespace, message)
    for other, field in sorted(_KINDS.items(), reverse=True):
        if field != own and subject.get(field) is not None:
            yield Cause.forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{other}'")


def _resources(rule: Fields, path: str) -> Iterator[Cause]:
    yield from _verbs(rule, path)
    yield from _listed(rule, "apiGroups", path, "resource rules must supply at least one api group", "api groups")
    yield from _listed(rule, "resources", path, "resource rules must supply at least one resource", "resources")
    namespaces = texts(rule.get("namespaces"))
    if namespaces or rule.get("clusterScope") is not True:
        yield from _listed(
            rule, "namespaces", path,
            "resource rules that are not cluster scoped must supply at least one namespace", "namespaces",
        )  # fmt: skip
    for index, one in enumerate(() if "*" in namespaces else namespaces):
        for message in dns_label(one):
            why = f"each member of this list must be '*' or a DNS-1123 label; {message}"
            yield Cause.invalid(f"{path}.namespaces[{index}]", one, why)


def _verbs(rule: Fields, path: str) -> Iterator[Cause]:
    yield from _listed(rule, "verbs", path, "verbs must contain at least one value", "verbs")
    verbs = texts(rule.get("verbs"))
    if "*" not in verbs and not set(verbs) <= set(_VERBS):
        yield Cause.unsupported(f"{path}.verbs", verbs, _VERBS)


def _listed(rule: Fields, field: str, path: str, needed: str, words: str) -> Iterator[Cause]:
    """A list that has something, and nothing beside a `*`."""
    values = texts(rule.get(field))
    if not values:
        yield Cause.required(f"{path}.{field}", needed)
    elif len(values) > 1 and "*" in values:
        yield Cause.invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {words}")


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    for wrong, problem in (
        (not url.startswith("/"), "must start with slash"),
        (" " in url, "must not contain white-space"),
        ("//" in url, "must not contain double slash"),
        (url.count("*") > 1 or ("*" in url and not url.endswith("/*")), "wildcard can only do suffix matching"),
    ):
        if wrong:
            return problem
    return ""


def _method(schema: Object, now: float) -> str:
    method = part(schema, "spec").get("distinguisherMethod")
    return text(method.get("type")) if isinstance(method, dict) else "<none>"


def _dangling(schema: Object, now: float) -> str:
    conditions = rows(part(schema, "status").get("conditions"))
    return next((text(row.get("status")) for row in conditions if row.get("type") == "Dangling"), "?")


KIND = Kind(
    "FlowSchema", "flowschemas", group=_GROUP, namespaced=False,
    subresources=("status",), status_keeps=ALL_METADATA,
    default=default, prepare=prepare, validate=validate,
    columns=(
        NAME,
        Column("PriorityLevel", ".spec.priorityLevelConfiguration.name"),
        Column("MatchingPrecedence", lambda obj, now: number(part(obj, "spec").get("matchingPrecedence")) or 0),
        Column("DistinguisherMethod", _method),
        AGE,
        Column("MissingPL", _dangling),
    ),
    generation=True,
)  # fmt: skip
