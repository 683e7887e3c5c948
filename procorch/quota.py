"""What an object costs of a namespace's ResourceQuotas, and which quotas it concerns.

    count/pods, count/deployments.apps …   one for each object there is, of any kind
    pods, requests.cpu, limits.memory …    what pods ask for that have not ended
    services.nodeports, requests.storage … what Services and claims ask for

Charged where an object is made (api/quotas.py), counted anew where one goes (controllers/resourcequota.py): both by
what stands here.
Source: pkg/quota/v1/evaluator/core, apiserver pkg/quota/v1/generic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from procorch.clock import parse_timestamp
from procorch.kinds import persistentvolume
from procorch.kinds.fields import labels, number, part, rows, text, texts
from procorch.kinds.kind import Kind
from procorch.kinds.podspec.resources import qos_class, quantity_of
from procorch.kinds.resource_names import is_huge_pages, is_native
from procorch.objects import Object, get
from procorch.pod_resources import quantities_of, read_list
from procorch.pods import is_terminal
from procorch.quantity import Quantity
from procorch.selectors import LabelSelector

Usage = dict[str, Quantity]

_REQUIRED = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
_COMPUTE = _REQUIRED | {"pods", *(f"{side}ephemeral-storage" for side in ("", "requests.", "limits."))}
_SERVICE = frozenset(("services", "services.nodeports", "services.loadbalancers"))
#: kinds that are counted under a name of their own, too
_ALIASES = frozenset(("configmaps", "secrets", "replicationcontrollers", "resourcequotas"))
_CLASS = ".storageclass.storage.k8s.io/"
_CLAIM = frozenset(("persistentvolumeclaims", "requests.storage"))
_ONE = Quantity(Fraction(1))


def count_name(kind: Kind) -> str:
    """`count/pods`, `count/replicasets.apps`: how many objects there are."""
    return f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}"


def concerning(kind: Kind, names: Iterable[str]) -> set[str]:
    """Which of a quota's resources this kind uses."""
    return {name for name in names if name == count_name(kind) or _uses(kind, name)}


def _uses(kind: Kind, name: str) -> bool:
    if kind.group:
        return False
    match kind.plural:
        case "pods":
            asked = name.removeprefix("requests.")
            return name in _COMPUTE or is_huge_pages(asked) or (asked != name and not is_native(asked))
        case "services":
            return name in _SERVICE
        case "persistentvolumeclaims":
            return name in _CLAIM or name.endswith(tuple(f"{_CLASS}{one}" for one in _CLAIM))
        case plural:
            return name == plural and plural in _ALIASES


def usage_of(kind: Kind, obj: Object, now: float) -> Usage:
    """What one object uses, by the names of resources. now: seconds since the epoch."""
    used = {count_name(kind): _ONE}
    if kind.group:
        return used
    match kind.plural:
        case "pods":
            used |= _pod(obj) if _is_charged(obj, now) else {}
        case "services":
            used |= _service(part(obj, "spec"))
        case "persistentvolumeclaims":
            used |= _claim(obj)
        case plural if plural in _ALIASES:
            used[plural] = _ONE
    return used


def _is_charged(pod: Object, now: float) -> bool:
    """Not one that has ended, nor one that should have by now."""
    metadata = pod["metadata"]
    deleted, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if deleted is not None and grace is not None and parse_timestamp(deleted) + grace < now:
        return False
    return not is_terminal(pod)


def _pod(pod: Object) -> Usage:
    spec = part(pod, "spec")
    requests, limits = quantities_of(spec, "requests"), quantities_of(spec, "limits")
    return {"pods": _ONE, **_compute(requests, limits)}


def _compute(requests: Usage, limits: Usage) -> Usage:
    used: Usage = {}
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name in requests:
            used[name] = used[f"requests.{name}"] = requests[name]
        if name in limits:
            used[f"limits.{name}"] = limits[name]
    for name, amount in requests.items():
        if is_huge_pages(name):
            used[name] = used[f"requests.{name}"] = amount
        elif not is_native(name):
            used[f"requests.{name}"] = amount
    return used


def _service(spec: Object) -> Usage:
    ports, balanced = rows(spec.get("ports")), spec.get("type") == "LoadBalancer"
    count = len(ports) if spec.get("type") in ("NodePort", "LoadBalancer") else 0
    if balanced and spec.get("allocateLoadBalancerNodePorts") is False:
        count = sum(1 for port in ports if port.get("nodePort"))
    return {
        "services": _ONE,
        "services.nodeports": Quantity(Fraction(count)),
        "services.loadbalancers": Quantity(Fraction(int(balanced))),
    }


def _claim(claim: Object) -> Usage:
    spec = part(claim, "spec")
    storage = quantity_of(part(spec, "resources", "requests").get("storage"))
    name = labels(claim["metadata"].get("annotations")).get(persistentvolume.BETA_CLASS)
    name = text(spec.get("storageClassName")) if name is None else name
    used = {"persistentvolumeclaims": _ONE}
    if storage is not None:
        used["requests.storage"] = storage
    return used | {f"{name}{_CLASS}{key}": amount for key, amount in used.items() if name}


def lacking(kind: Kind, pod: Object, names: set[str]) -> str:
    """What each container must say where a quota limits cpu or memory: "limits.cpu for: a,b; …", "" for nothing."""
    if kind.group or kind.plural != "pods":
        return ""
    missing: dict[str, set[str]] = {}
    spec = part(pod, "spec")
    for container in (*rows(spec.get("containers")), *rows(spec.get("initContainers"))):
        said = {side: part(container, "resources", side) for side in ("requests", "limits")}
        for name in (names & _REQUIRED) - _compute(said["requests"], said["limits"]).keys():
            missing.setdefault(name, set()).add(text(container.get("name")))
    return "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def matches(quota: Object, kind: Kind, obj: Object) -> bool:
    """Whether the object is one of those that the quota's scopes choose."""
    spec = part(quota, "spec")
    rules = [{"scopeName": scope, "operator": "Exists"} for scope in texts(spec.get("scopes"))]
    rules += rows(part(spec, "scopeSelector").get("matchExpressions"))
    return all(_in_scope(rule, kind, obj) for rule in rules)


def ends_by_itself(pod: Object) -> bool:
    """Whether a pod has a deadline: it is of the scope Terminating then, else of NotTerminating."""
    return number(part(pod, "spec").get("activeDeadlineSeconds")) is not None


def _in_scope(rule: Object, kind: Kind, obj: Object) -> bool:
    if kind.group or kind.plural not in ("pods", "persistentvolumeclaims"):
        return False
    spec, scope = part(obj, "spec"), text(rule.get("scopeName"))
    if kind.plural == "persistentvolumeclaims":
        return scope == "VolumeAttributesClass" and _named(rule, _attributes_classes(obj))
    match scope:
        case "Terminating" | "NotTerminating":
            return ends_by_itself(obj) == (scope == "Terminating")
        case "BestEffort" | "NotBestEffort":
            return (qos_class(obj) == "BestEffort") == (scope == "BestEffort")
        case "PriorityClass":
            return _named(rule, {text(spec.get("priorityClassName"))} - {""})
        case "CrossNamespacePodAffinity":
            return _reaches_out(spec)
    return False


def _attributes_classes(claim: Object) -> set[str]:
    """The class that is asked for, that which it has, and that which it gets."""
    status = part(claim, "status")
    names = (
        part(claim, "spec").get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        part(status, "modifyVolumeStatus").get("targetVolumeAttributesClassName"),
    )
    return {text(name) for name in names} - {""}


def _named(rule: Object, names: set[str]) -> bool:
    """The rule's operator and values, over the names that the object has."""
    row = {"key": "name", "operator": rule.get("operator"), "values": texts(rule.get("values"))}
    selector = LabelSelector.of({"matchExpressions": [row]})
    return any(selector.matches({"name": name}) for name in names) if names else selector.matches({})


def _reaches_out(spec: Object) -> bool:
    """Its affinity is about pods of other namespaces."""
    terms = []
    for side in ("podAffinity", "podAntiAffinity"):
        rules = part(spec, "affinity", side)
        terms += rows(rules.get("requiredDuringSchedulingIgnoredDuringExecution"))
        preferred = rows(rules.get("preferredDuringSchedulingIgnoredDuringExecution"))
        terms += [part(row, "podAffinityTerm") for row in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


def added(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Usage:
    """The sum of both; written in the suffixes of the first, where that is not zero."""
    total = dict(left)
    for name, more in right.items():
        have = total.get(name)
        total[name] = more if have is None or not have.amount else Quantity(have.amount + more.amount, have.family)
    return total


def shown(used: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: str(amount) for name, amount in used.items()}


def hard_of(quota: Object) -> Usage:
    """What holds now: what the controller has taken over from the specification."""
    return read_list(get(quota, ".status.hard"))


def used_of(quota: Object) -> Usage:
    return read_list(get(quota, ".status.used"))
