"""The FlowSchemas and PriorityLevelConfigurations that every cluster has: two of each are fixed, the others suggested.

Source: apiserver pkg/apis/flowcontrol/bootstrap, whose numbers these are.
"""

from __future__ import annotations

from typing import Any

from procorch.kinds import flowschema, prioritylevel
from procorch.objects import Object

#: "true": the spec is kept as it is here; "false": an administrator's changes stay
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
EXEMPT, CATCH_ALL = "exempt", "catch-all"

_VERSION = "flowcontrol.apiserver.k8s.io/v1"
_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"


def mandatory() -> list[Object]:
    """What is kept as it is here whatever anybody writes; levels first."""
    return [
        *(_level(name, spec) for name, spec in prioritylevel.FIXED.items()),
        *(_schema(name, spec) for name, spec in flowschema.FIXED.items()),
    ]


def suggested() -> list[Object]:
    """What is kept as long as nobody changes it; levels first."""
    #      name, shares, lendable percent, queues, hand
    levels = [
        ("system", 30, 33, 64, 6),
        ("node-high", 40, 25, 64, 6),
        ("leader-election", 10, 0, 16, 4),
        ("workload-high", 40, 50, 128, 6),
        ("workload-low", 100, 90, 128, 6),
        ("global-default", 20, 50, 128, 6),
    ]
    everything = flowschema.EVERYTHING
    nodes = [_group("system:nodes")]
    heartbeats = [_resources(["*"], "", ["nodes", "nodes/status"], cluster=True),
                  _resources(["*"], "coordination.k8s.io", ["leases"])]  # fmt: skip
    elections = [_resources(["get", "create", "update"], "coordination.k8s.io", ["leases"])]
    probes = [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]
    anybody = [_group("system:unauthenticated"), _group("system:authenticated")]
    of_system = {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}
    #      name, level, precedence, distinguisher, subjects, rules
    schemas: list[tuple[str, str, int, str, list[Object], dict[str, Any]]] = [
        ("system-nodes", "system", 500, "ByUser", nodes, everything),
        ("system-node-high", "node-high", 400, "ByUser", nodes, {"resourceRules": heartbeats}),
        ("probes", EXEMPT, 2, "", anybody, {"nonResourceRules": probes}),
        ("system-leader-election", "leader-election", 100, "ByUser",
         [_user(_MANAGER), _user(_SCHEDULER), of_system], {"resourceRules": elections}),
        ("kube-controller-manager", "workload-high", 800, "ByNamespace", [_user(_MANAGER)], everything),
        ("kube-scheduler", "workload-high", 800, "ByNamespace", [_user(_SCHEDULER)], everything),
        ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", [of_system], everything),
        ("service-accounts", "workload-low", 9000, "ByUser", [_group("system:serviceaccounts")], everything),
        ("global-default", "global-default", 9900, "ByUser", anybody, everything),
    ]  # fmt: skip
    result = []
    for name, shares, lendable, queues, hand in levels:
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
        response = {"type": "Queue", "queuing": queuing}
        limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
        result.append(_level(name, {"type": "Limited", "limited": limited}))
    for name, level, precedence, method, subjects, rules in schemas:
        spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
        if method:
            spec["distinguisherMethod"] = {"type": method}
        result.append(_schema(name, {**spec, "rules": [{"subjects": subjects, **rules}]}))
    return result


def _level(name: str, spec: Object) -> Object:
    return _made("PriorityLevelConfiguration", name, spec)


def _schema(name: str, spec: Object) -> Object:
    return _made("FlowSchema", name, spec)


def _made(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "annotations": {AUTO_UPDATE: "true"}}
    return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _group(name: str) -> Object:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Object:
    return {"kind": "User", "user": {"name": name}}


def _resources(verbs: list[str], group: str, resources: list[str], *, cluster: bool = False) -> Object:
    rule: Object = {"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"]}
    return {**rule, "clusterScope": True} if cluster else rule
