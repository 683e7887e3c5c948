"""Who may do what: masters everything, nodes what is theirs, newcomers a certificate request, others what is public.

Source of the nodes' rules: Kubernetes documentation, "Using Node Authorization"; of the words: apiserver
pkg/endpoints/handlers/responsewriters/errors.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from procorch.api.cache import Cache, Change, Entry
from procorch.api.request import MASTERS, User
from procorch.api.routes import Route
from procorch.kinds import KINDS
from procorch.kinds.fields import part, rows, text
from procorch.kinds.podspec.mirror import MIRROR, is_mirror
from procorch.objects import ApiError, Forbidden, Object, get
from procorch.selectors import FieldSelector

NODES, NEWCOMERS = "system:nodes", "system:bootstrappers"
_NODE_PREFIX = "system:node:"
_READ = ("get", "list", "watch")
_LOOPS = (
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:apiserver",
)
_PUBLIC_PATHS = (
    "/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz",
    "/.well-known/openid-configuration", "/openid/v1/jwks",
)  # fmt: skip
_REVIEWS = (
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
)
_REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")
_NODE_READS = frozenset({
    ("", "services"), ("", "endpoints"), ("discovery.k8s.io", "endpointslices"), ("procorch.dev", "images"),
    ("", "nodes"), ("", "namespaces"), ("node.k8s.io", "runtimeclasses"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """What somebody may do, as a SelfSubjectRulesReview shows it.

    unsaid: why that is not all; empty where it is.
    """

    resources: list[Object]
    paths: list[Object]
    unsaid: str = ""


class Authorizer:
    """Rules in code; the cache says which pods a node has and what they refer to."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._pods = _PodsByNode(cache)

    def close(self) -> None:
        self._pods.close()

    def check(self, user: User, route: Route, query: Mapping[str, str]) -> None:
        """Raises Forbidden in Kubernetes' words."""
        if not self.allows(user, route, query):
            raise refusal(user, route)

    def allows(self, user: User, route: Route, query: Mapping[str, str]) -> bool:
        if MASTERS in user.groups or user.name in _LOOPS:
            return True
        if _is_public(route):
            return True
        if NODES in user.groups and user.name.startswith(_NODE_PREFIX):
            return self._node_may(user.name[len(_NODE_PREFIX) :], route, query)
        if NEWCOMERS in user.groups:
            return (route.group, route.resource) == _REQUESTS and (
                not route.subresource and route.verb in ("create", "get", "list", "watch")
            )
        return False

    def rules(self, user: User) -> Rules:
        """What the user may do in any namespace; what depends on the objects is only mentioned."""
        if MASTERS in user.groups or user.name in _LOOPS:
            return Rules([_rule(("*",), "*", "*")], [{"verbs": ["*"], "nonResourceURLs": ["*"]}])
        resources = [_rule(("create",), group, resource) for group, resource in _REVIEWS]
        paths = [{"verbs": ["get"], "nonResourceURLs": [one for path in _PUBLIC_PATHS for one in (path, f"{path}/*")]}]
        if NODES in user.groups and user.name.startswith(_NODE_PREFIX):
            resources += [_rule(_READ, group, resource) for group, resource in sorted(_NODE_READS)]
            resources += [_rule(("create",), "", "nodes"), _rule(("create", "update", "patch"), "", "events")]
            resources += [_rule(("create", *_READ), *_REQUESTS)]
            return Rules(resources, paths, "what else a node may do depends on the pods that are bound to it")
        if NEWCOMERS in user.groups:
            resources += [_rule(("create", *_READ), *_REQUESTS)]
        return Rules(resources, paths)

    def _node_may(self, node: str, route: Route, query: Mapping[str, str]) -> bool:
        resource, verb, sub = (route.group, route.resource), route.verb, route.subresource
        if resource in _NODE_READS and verb in _READ and not sub:
            return True
        match resource:
            case ("", "nodes"):
                own = route.name == node and verb in ("get", "update", "patch") and sub in ("", "status")
                return own or (verb == "create" and not sub)  # of itself: check_body
            case ("coordination.k8s.io", "leases"):
                if route.namespace != "kube-node-lease" or sub:
                    return False
                return verb == "create" or (route.name == node and verb in (*_READ, "update", "patch"))
            case ("", "pods"):
                return self._node_may_touch_pod(node, route, query)
            case ("", "configmaps" | "secrets" | "serviceaccounts"):
                return self._node_may_read_reference(node, route)
            case ("", "events") | ("events.k8s.io", "events"):
                return verb in ("create", "update", "patch") and not sub
            case _ if resource == _REQUESTS:
                return verb in ("create", *_READ) and not sub
            case ("procorch.dev", "nodes"):
                return route.name == node and sub == "link"
            case ("", ""):
                return False
        return False

    def _node_may_touch_pod(self, node: str, route: Route, query: Mapping[str, str]) -> bool:
        if route.verb == "create":
            return not route.subresource  # a mirror of its own: check_body
        if route.verb in ("list", "watch") and route.name is None:
            try:
                return FieldSelector.parse(query.get("fieldSelector", "")).exact("spec.nodeName") == node
            except ValueError:
                return False
        key = f"{route.namespace}/{route.name}"
        if key not in self._pods.of(node):
            return route.verb == "delete" and key not in self._cache.shelf(KINDS["Pod"]).entries  # then 404
        if route.subresource:
            return route.subresource == "status" and route.verb in ("get", "update", "patch")
        return route.verb in ("get", "list", "watch", "delete")

    def _node_may_read_reference(self, node: str, route: Route) -> bool:
        """Only what its pods refer to, and only by name."""
        if route.name is None or route.namespace is None:
            return False
        token = route.resource == "serviceaccounts" and route.verb == "create" and route.subresource == "token"
        if not token and (route.verb not in _READ or route.subresource):
            return False
        shelf = self._cache.shelf(KINDS["Pod"])
        for key in self._pods.of(node):
            entry = shelf.entries.get(key)
            if entry is None or not key.startswith(f"{route.namespace}/") or is_mirror(entry.object):
                continue  # who may make mirrors of any kind must not read by them
            if (route.resource, route.name) in references(entry.object):
                return True
        return False

    def check_body(self, user: User, route: Route, obj: Object) -> None:
        """What of a permitted write depends on the object: a node writes of itself only. Raises Forbidden."""
        if NODES not in user.groups or MASTERS in user.groups:
            return
        node = user.name[len(_NODE_PREFIX) :]
        name = (obj.get("metadata") or {}).get("name")
        if route.verb == "create" and not route.subresource:
            if route.resource == "nodes" and name != node:
                raise Forbidden.of("nodes", str(name), f'node "{node}" is not allowed to create node "{name}"')
            if route.resource == "leases" and name != node:
                why = "can only access node lease with the same name as the requesting node"
                raise Forbidden.of("leases", str(name), why, "coordination.k8s.io")
            if route.resource == "pods" and (refused := self._no_mirror(node, obj)):
                raise Forbidden.of("pods", str(name), refused)

    def _no_mirror(self, node: str, pod: Object) -> str:
        """Why a node may not make this pod; nothing if it may. Source: plugin/pkg/admission/noderestriction."""
        if not is_mirror(pod):
            return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        spec, owners = part(pod, "spec"), rows(part(pod, "metadata").get("ownerReferences"))
        if spec.get("nodeName") != node:
            return f'node "{node}" can only create pods with spec.nodeName set to itself'
        owner = owners[0] if len(owners) == 1 else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            return f'node "{node}" can only create pods with an owner reference set to itself'
        if owner.get("controller") is not True:
            return f'node "{node}" can only create pods with a controller owner reference set to itself'
        if owner.get("blockOwnerDeletion"):
            return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
        entry = self._cache.shelf(KINDS["Node"]).entries.get(node)
        if entry is None or entry.object["metadata"]["uid"] != owner.get("uid"):
            return f"node {node} UID mismatch: expected {text(owner.get('uid'))}"
        if spec.get("serviceAccountName"):
            return f'node "{node}" can not create pods that reference a service account'
        for resource, _ in sorted(references(pod)):
            if resource != "serviceaccounts":
                return f'node "{node}" can not create pods that reference {resource}'
        if any(volume.get("persistentVolumeClaim") is not None for volume in rows(spec.get("volumes"))):
            return f'node "{node}" can not create pods that reference persistentvolumeclaims'
        return ""


def references(pod: Object) -> frozenset[tuple[str, str]]:
    """(resource, name) of the config maps, secrets and the service account that a pod needs."""
    spec = part(pod, "spec")
    found = {("serviceaccounts", text(spec.get("serviceAccountName")) or "default")}
    for volume in rows(spec.get("volumes")):
        for source in (volume, *rows(part(volume, "projected").get("sources"))):
            found.add(("configmaps", text(part(source, "configMap").get("name"))))
            secret = part(source, "secret")
            found.add(("secrets", text(secret.get("secretName")) or text(secret.get("name"))))
    for container in _containers(spec):
        for source in rows(container.get("envFrom")):
            found.add(("configmaps", text(part(source, "configMapRef").get("name"))))
            found.add(("secrets", text(part(source, "secretRef").get("name"))))
        for variable in rows(container.get("env")):
            found.add(("configmaps", text(part(variable, "valueFrom", "configMapKeyRef").get("name"))))
            found.add(("secrets", text(part(variable, "valueFrom", "secretKeyRef").get("name"))))
    found.update(("secrets", text(row.get("name"))) for row in rows(spec.get("imagePullSecrets")))
    return frozenset(pair for pair in found if pair[1])


def _containers(spec: Object) -> Iterator[Object]:
    for field in ("containers", "initContainers", "ephemeralContainers"):
        yield from rows(spec.get(field))


def _rule(verbs: tuple[str, ...], group: str, resource: str) -> Object:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": [resource]}


def refusal(user: User, route: Route) -> ApiError:
    """`pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`."""
    if not route.resource:
        why = f'User "{user.name}" cannot {route.verb} path "{route.path}"'
        return ApiError(f"forbidden: {why}", 403, "Forbidden", nameless=True)
    resource = f"{route.resource}/{route.subresource}" if route.subresource else route.resource
    why = f'User "{user.name}" cannot {route.verb} resource "{resource}" in API group "{route.group}"'
    if route.namespace:
        why += f' in the namespace "{route.namespace}"'
    elif route.kind is None or route.kind.namespaced:
        why += " at the cluster scope"
    else:
        why += " at the cluster scope"
    return Forbidden.of(route.resource, route.name or "", why, route.group)


def _is_public(route: Route) -> bool:
    if route.resource:
        return route.verb == "create" and (route.group, route.resource) in _REVIEWS
    path = route.path
    return route.verb in ("get", "head") and any(path == one or path.startswith(one + "/") for one in _PUBLIC_PATHS)


class _PodsByNode:
    """Which pods are bound to each node, kept up with the changes."""

    def __init__(self, cache: Cache) -> None:
        self._shelf = cache.shelf(KINDS["Pod"])
        self._by_node: dict[str, set[str]] = {}
        for entry in self._shelf.entries.values():
            self._by_node.setdefault(_node_of(entry.decoded()), set()).add(entry.key)
        self._shelf.listeners[self._hear] = None

    def of(self, node: str) -> set[str]:
        return self._by_node.get(node, set()) if node else set()

    def close(self) -> None:
        self._shelf.listeners.pop(self._hear, None)

    def _hear(self, change: Change) -> None:
        before = _node_in(change.old) if change.old is not None else None
        after = _node_in(change.new) if change.new is not None else None
        if before == after:
            return
        if before is not None:
            keys = self._by_node.get(before, set())
            keys.discard(change.key)
            if not keys:
                self._by_node.pop(before, None)
        if after is not None:
            self._by_node.setdefault(after, set()).add(change.key)


def _node_in(entry: Entry) -> str:
    """A pod that has no node yet, as each new one, is not decoded for that."""
    return _node_of(entry.object) if b'"nodeName":"' in entry.data else ""


def _node_of(pod: Object) -> str:
    return str(get(pod, ".spec.nodeName", ""))
