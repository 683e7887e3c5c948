"""Role, ClusterRole and their bindings: who may do what, written down. Nobody judges by them yet.

Source: pkg/apis/rbac/v1/defaults.go, pkg/apis/rbac/validation, pkg/printers (printRoleBinding).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, CREATED, NAME
from procorch.kinds.fields import Fields, fill_text, indexed, made, part, rows, same, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.scheduling import validate_selector
from procorch.names import dns_subdomain, path_segment
from procorch.objects import Cause, Object

_GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def validate_role(role: Object, old: Object | None) -> Iterator[Cause]:
    for where, rule in indexed(role.get("rules"), "rules"):
        yield from _rule(rule, where, namespaced=True)


def validate_cluster_role(role: Object, old: Object | None) -> Iterator[Cause]:
    for where, rule in indexed(role.get("rules"), "rules"):
        yield from _rule(rule, where, namespaced=False)
    if not isinstance(role.get("aggregationRule"), dict):
        return
    path, selectors = "aggregationRule.clusterRoleSelectors", role["aggregationRule"].get("clusterRoleSelectors")
    if not rows(selectors):
        yield Cause.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for where, selector in indexed(selectors, path):
        problems = [*validate_selector(selector, where)]
        yield from problems
        if problems:
            yield Cause.invalid(where, None, "invalid label selector.")


def _rule(rule: Fields, path: str, *, namespaced: bool) -> Iterator[Cause]:
    groups, resources, names, urls = (
        texts(rule.get(field)) for field in ("apiGroups", "resources", "resourceNames", "nonResourceURLs")
    )
    if not texts(rule.get("verbs")):
        yield Cause.required(f"{path}.verbs", "verbs must contain at least one value")
    if urls:
        where = f"{path}.nonResourceURLs"
        if namespaced:
            yield Cause.invalid(where, urls, "namespaced rules cannot apply to non-resource URLs")
        if groups or resources or names:
            yield Cause.invalid(where, urls, "rules cannot apply to both regular resources and non-resource URLs")
        return
    if not groups:
        yield Cause.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not resources:
        yield Cause.required(f"{path}.resources", "resource rules must supply at least one resource")


def default_binding(binding: Object) -> None:
    fill_text(made(binding, "roleRef"), "apiGroup", _GROUP)
    for subject in rows(binding.get("subjects")):
        if subject.get("kind") in ("User", "Group"):
            fill_text(subject, "apiGroup", _GROUP)


def validate_binding(binding: Object, old: Object | None) -> Iterator[Cause]:
    yield from _binding(binding, old, ("Role", "ClusterRole"))


def validate_cluster_binding(binding: Object, old: Object | None) -> Iterator[Cause]:
    yield from _binding(binding, old, ("ClusterRole",))


def _binding(binding: Object, old: Object | None, roles: tuple[str, ...]) -> Iterator[Cause]:
    role = part(binding, "roleRef")
    if text(role.get("apiGroup")) != _GROUP:
        yield Cause.unsupported("roleRef.apiGroup", text(role.get("apiGroup")), (_GROUP,))
    if text(role.get("kind")) not in roles:
        yield Cause.unsupported("roleRef.kind", text(role.get("kind")), roles)
    name = text(role.get("name"))
    if not name:
        yield Cause.required("roleRef.name")
    for message in path_segment(name):
        yield Cause.invalid("roleRef.name", name, message)
    for where, subject in indexed(binding.get("subjects"), "subjects"):
        yield from _subject(subject, where, namespaced="Role" in roles)
    if old is not None and not same(role, part(old, "roleRef")):
        yield Cause.invalid("roleRef", role, "cannot change roleRef")


def _subject(subject: Fields, path: str, *, namespaced: bool) -> Iterator[Cause]:
    kind, name, group = (text(subject.get(field)) for field in ("kind", "name", "apiGroup"))
    if not name:
        yield Cause.required(f"{path}.name")
    if kind == "ServiceAccount":
        for message in dns_subdomain(name) if name else ():
            yield Cause.invalid(f"{path}.name", name, message)
        if group:
            yield Cause.unsupported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not text(subject.get("namespace")):
            yield Cause.required(f"{path}.namespace")
    elif kind in _SUBJECTS:
        if group != _GROUP:
            yield Cause.unsupported(f"{path}.apiGroup", group, (_GROUP,))
    else:
        yield Cause.unsupported(f"{path}.kind", kind, _SUBJECTS)


def _role_of(binding: Object, now: float) -> str:
    role = part(binding, "roleRef")
    return f"{text(role.get('kind'))}/{text(role.get('name'))}"


def _subjects(kind: str) -> Column:
    def cell(binding: Object, now: float) -> str:
        found = [row for row in rows(binding.get("subjects")) if row.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{text(row.get('namespace'))}/{text(row.get('name'))}" for row in found)
        return ", ".join(text(row.get("name")) for row in found)

    return Column(f"{kind}s", cell, priority=1)


_BINDING_COLUMNS = (
    NAME, Column("Role", _role_of), AGE, _subjects("User"), _subjects("Group"), _subjects("ServiceAccount"),
)  # fmt: skip
ROLE = Kind(
    "Role", "roles", group=_GROUP,
    name_format=path_segment, put_creates=True, validate=validate_role, columns=(NAME, CREATED),
)  # fmt: skip
CLUSTER_ROLE = Kind(
    "ClusterRole", "clusterroles", group=_GROUP, namespaced=False,
    name_format=path_segment, put_creates=True, validate=validate_cluster_role, columns=(NAME, CREATED),
)  # fmt: skip
ROLE_BINDING = Kind(
    "RoleBinding", "rolebindings", group=_GROUP,
    name_format=path_segment, put_creates=True,
    default=default_binding, validate=validate_binding, columns=_BINDING_COLUMNS,
)  # fmt: skip
CLUSTER_ROLE_BINDING = Kind(
    "ClusterRoleBinding", "clusterrolebindings", group=_GROUP, namespaced=False,
    name_format=path_segment, put_creates=True,
    default=default_binding, validate=validate_cluster_binding, columns=_BINDING_COLUMNS,
)  # fmt: skip
