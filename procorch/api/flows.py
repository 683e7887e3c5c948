"""Which priority level and which flow a request belongs to: FlowSchema objects, compiled.

Source: apiserver pkg/util/flowcontrol (rule.go for what matches, the config controller for what counts). The schema of
the lowest matchingPrecedence counts, of equal ones the first by name; one whose level is not there is ignored; the
mandatory ones are there even if somebody has deleted them. Before anybody has made any, all that a cluster begins with
counts, so that the first heartbeat has its level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from procorch.api.cache import Cache, Change, LostEntry
from procorch.api.fairness import Fairness
from procorch.api.levels import LevelSpec
from procorch.api.request import AUTHENTICATED, User
from procorch.api.routes import Route
from procorch.kinds import KINDS
from procorch.kinds.flowcontrol import mandatory, suggested
from procorch.objects import Object

_ANONYMOUS = "system:anonymous"
_ACCOUNT = "system:serviceaccount:"
_MOST_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Placed:
    """schema, level: their names. flow: by which requests of the level are told apart. headers: of the answer; they
    name the two objects by uid, which is empty where there are none."""

    schema: str
    level: str
    flow: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as rules see it. path: empty for one of a resource."""

    user: User
    groups: frozenset[str]
    verb: str
    group: str
    resource: str
    namespace: str
    path: str


_Rule = Callable[[_Asked], bool]


@dataclass(frozen=True, slots=True)
class _Schema:
    name: str
    uid: str
    level: LevelSpec
    method: str  # ByUser, ByNamespace, or none: all its requests are one flow
    rules: tuple[_Rule, ...]


class Flows:
    """Listens to the objects; what changes counts from the next request on. fairness: is told of the levels."""

    def __init__(self, cache: Cache, fairness: Fairness) -> None:
        self._schemas = cache.shelf(KINDS["FlowSchema"])
        self._levels = cache.shelf(KINDS["PriorityLevelConfiguration"])
        self._fairness = fairness
        self._compiled: list[_Schema] = []  # none while it is not known; `catch-all` matches whoever got this far
        self._placed: dict[tuple[object, ...], Placed] = {}  # what was found: few sorts of requests come often
        for shelf in (self._schemas, self._levels):
            shelf.listeners[self._hear] = None

    def close(self) -> None:
        for shelf in (self._schemas, self._levels):
            shelf.listeners.pop(self._hear, None)

    def place(self, user: User, route: Route, agent: str) -> Placed:
        """agent: the User-Agent header; its first word is a program's name.

        Two programs of one administrator are two flows: there are no others who could hold one of them back.
        """
        namespace = route.namespace or (route.name if route.resource == "namespaces" and route.name else "")
        key = (user.name, user.groups, route.verb, route.group, route.resource, route.subresource, namespace,
               "" if route.resource else route.path, agent)  # fmt: skip
        found = self._placed.get(key)
        if found is None:
            if len(self._placed) >= _MOST_KEPT:
                self._placed.clear()
            found = self._placed[key] = self._place(_asked(user, route, namespace), agent)
        return found

    def _place(self, asked: _Asked, agent: str) -> Placed:
        if not self._compiled:
            self._compile()
        schema = next(one for one in self._compiled if any(rule(asked) for rule in one.rules))
        about = {"ByUser": asked.user.name, "ByNamespace": asked.namespace}.get(schema.method, "")
        if schema.level.exempt:
            about = f"{asked.user.name} {agent.partition('/')[0][:100]}"
        return Placed(schema.name, schema.level.name, f"{schema.name} {about}", {
            "X-Kubernetes-PF-FlowSchema-UID": schema.uid,
            "X-Kubernetes-PF-PriorityLevel-UID": schema.level.uid,
        })  # fmt: skip

    def _hear(self, change: Change) -> None:
        self._compiled = []
        self._placed.clear()

    def _compile(self) -> None:
        levels = [entry.object for entry in self._levels.entries.values() if not isinstance(entry, LostEntry)]
        schemas = [entry.object for entry in self._schemas.entries.values() if not isinstance(entry, LostEntry)]
        if not levels and not schemas:
            levels, schemas = _of(suggested(), "PriorityLevelConfiguration"), _of(suggested(), "FlowSchema")
        specs = {one["metadata"]["name"]: LevelSpec.of(one) for one in
                 (*_of(mandatory(), "PriorityLevelConfiguration"), *levels)}  # fmt: skip
        named = {one["metadata"]["name"]: one for one in (*_of(mandatory(), "FlowSchema"), *schemas)}
        self._fairness.configure(specs.values())
        found = [_compiled(one, specs) for one in named.values()]
        ordered = [(one["spec"]["matchingPrecedence"], schema.name, schema)
                   for one, schema in zip(named.values(), found, strict=True) if schema is not None]  # fmt: skip
        self._compiled = [schema for *_, schema in sorted(ordered, key=lambda row: row[:2])]


def _of(objects: Iterable[Object], kind: str) -> list[Object]:
    return [one for one in objects if one["kind"] == kind]


def _asked(user: User, route: Route, namespace: str) -> _Asked:
    own = "system:unauthenticated" if user.name == _ANONYMOUS else AUTHENTICATED
    resource = f"{route.resource}/{route.subresource}" if route.subresource else route.resource
    path = "" if route.resource else route.path
    return _Asked(user, frozenset((*user.groups, own)), route.verb, route.group, resource, namespace, path)


def _compiled(schema: Object, levels: dict[str, LevelSpec]) -> _Schema | None:
    """None for one whose level is not there."""
    about, spec = schema["metadata"], schema["spec"]
    level = levels.get(spec["priorityLevelConfiguration"]["name"])
    if level is None:
        return None
    method = (spec.get("distinguisherMethod") or {}).get("type", "")
    rules = tuple(_rule(one) for one in spec.get("rules") or ())
    return _Schema(about["name"], about.get("uid", ""), level, method, rules)


def _rule(rule: Object) -> _Rule:
    who = [_subject(one) for one in rule.get("subjects") or ()]
    resources = [_resource_rule(one) for one in rule.get("resourceRules") or ()]
    others = [_path_rule(one) for one in rule.get("nonResourceRules") or ()]

    def matches(asked: _Asked) -> bool:
        what = others if asked.path else resources
        return any(one(asked) for one in what) and any(one(asked) for one in who)

    return matches


def _subject(subject: Object) -> _Rule:
    match subject.get("kind"):
        case "User":
            name = (subject.get("user") or {}).get("name", "")
            return lambda asked: name in ("*", asked.user.name)
        case "Group":
            group = (subject.get("group") or {}).get("name", "")
            return lambda asked: group == "*" or group in asked.groups
        case "ServiceAccount":
            account = subject.get("serviceAccount") or {}
            prefix = f"{_ACCOUNT}{account.get('namespace', '')}:"
            if account.get("name") == "*":
                return lambda asked: asked.user.name.startswith(prefix)
            return lambda asked: asked.user.name == f"{prefix}{account.get('name', '')}"
    return lambda asked: False


def _resource_rule(rule: Object) -> _Rule:
    verbs, groups, resources, namespaces = (
        _any_of(rule.get(field)) for field in ("verbs", "apiGroups", "resources", "namespaces")
    )
    cluster = bool(rule.get("clusterScope"))

    def matches(asked: _Asked) -> bool:
        return (
            verbs(asked.verb) and resources(asked.resource) and groups(asked.group)
            and (namespaces(asked.namespace) if asked.namespace else cluster)
        )  # fmt: skip

    return matches


def _path_rule(rule: Object) -> _Rule:
    verbs, urls = _any_of(rule.get("verbs")), tuple(rule.get("nonResourceURLs") or ())
    below = tuple(f"{url.removesuffix('*').removesuffix('/')}/" for url in urls)

    def matches(asked: _Asked) -> bool:
        return verbs(asked.verb) and ("*" in urls or asked.path in urls or asked.path.startswith(below))

    return matches


def _any_of(values: list[str] | None) -> Callable[[str], bool]:
    """Whether one of the values is it; `*` alone is everything."""
    wanted = frozenset(values or ())
    if wanted == {"*"}:
        return lambda value: True
    return lambda value: value in wanted
