"""The cluster as the scheduler counts it: what each node has, what its pods ask for, bound or about to be bound.

Everything is read once from an object and kept as numbers and sets, so that a filter costs microseconds.
Resources: cpu in millicores, all others in their whole units (bytes, pieces).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from procorch.host_ports import HostPort, host_ports_of
from procorch.objects import Object, controller_of, get, key_of, labels_of, uid_of
from procorch.pod_resources import total_of
from procorch.quantity import byte_count, cpu_millis

Resources = dict[str, int]

_NON_ZERO = {"cpu": 100, "memory": 200 * 1024 * 1024}
"""What a container that asks for nothing is taken to use when nodes are compared (pkg/scheduler/util, non-zero)."""


@dataclass(frozen=True, slots=True)
class PodInfo:
    """What scheduling needs to know of a pod. weight: requests with something in place of nothing, for scores."""

    key: str
    uid: str
    pod: Object
    node_name: str
    priority: int
    requests: Resources
    weight: Resources
    host_ports: frozenset[HostPort]
    tolerations: list[Object]
    node_selector: Mapping[str, str]
    node_affinity: Object | None
    owner: str


class Taken(NamedTuple):
    """What a pod takes of its node: all that is kept of one that has a node. Those that ask for the same share it."""

    requests: Resources
    weight: Resources
    host_ports: frozenset[HostPort]
    owner: str

    @classmethod
    def of(cls, pod: PodInfo) -> Taken:
        return cls(_shared(*pod.requests.items()), _shared(*pod.weight.items()), pod.host_ports, pod.owner)


@lru_cache(maxsize=4096)
def _shared(*amounts: tuple[str, int]) -> Resources:
    return dict(amounts)


def pod_info(pod: Object) -> PodInfo:
    spec = pod["spec"]
    owner = controller_of(pod)
    return PodInfo(
        key=key_of(pod),
        uid=uid_of(pod),
        pod=pod,
        node_name=spec.get("nodeName") or "",
        priority=int(spec.get("priority") or 0),
        requests=requests_of(spec, status=pod.get("status")),
        weight=requests_of(spec, _NON_ZERO, pod.get("status")),
        host_ports=frozenset(host_ports_of(spec)),
        tolerations=spec.get("tolerations") or [],
        node_selector=spec.get("nodeSelector") or {},
        node_affinity=get(spec, ".affinity.nodeAffinity"),
        owner=owner["uid"] if owner else "",
    )


def requests_of(spec: Object, least: Mapping[str, int] | None = None, status: Object | None = None) -> Resources:
    """What a pod asks for in all, or holds yet. least: taken for a container that does not ask for the resource."""
    return total_of(spec, "requests", _resources, least, status)


def _resources(table: Mapping[str, Any]) -> Resources:
    return {name: cpu_millis(value) if name == "cpu" else byte_count(value) for name, value in table.items()}


@dataclass(slots=True)
class NodeInfo:
    """A node and the sums over its pods. node: None while pods are known on it but it is not."""

    name: str
    node: Object | None = None
    allocatable: Resources = field(default_factory=dict)
    taints: list[Object] = field(default_factory=list)
    labels: Mapping[str, str] = field(default_factory=dict)
    unschedulable: bool = False
    pods: dict[str, Taken] = field(default_factory=dict)
    requested: Resources = field(default_factory=dict)
    weight: Resources = field(default_factory=dict)
    ports: Counter[HostPort] = field(default_factory=Counter)
    owners: Counter[str] = field(default_factory=Counter)

    def set_node(self, node: Object) -> None:
        self.node = node
        self.allocatable = _resources(get(node, ".status.allocatable", get(node, ".status.capacity", {})))
        self.taints = get(node, ".spec.taints", [])
        self.labels = labels_of(node)
        self.unschedulable = bool(get(node, ".spec.unschedulable"))

    def put(self, pod: PodInfo) -> None:
        self.remove(pod.uid)
        taken = self.pods[pod.uid] = Taken.of(pod)
        self._count(taken, 1)

    def remove(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)

    def _count(self, pod: Taken, sign: int) -> None:
        for total, table in ((self.requested, pod.requests), (self.weight, pod.weight)):
            for name, amount in table.items():
                total[name] = total.get(name, 0) + sign * amount
        for port in pod.host_ports:
            _add(self.ports, port, sign)
        if pod.owner:
            _add(self.owners, pod.owner, sign)


def _add(counter: Counter[Any], item: object, sign: int) -> None:
    """Counts, and keeps no zeros."""
    counter[item] += sign
    if not counter[item]:
        del counter[item]


class Cluster:
    """All nodes by name, and where each pod is. An assumed pod counts until its binding is seen or has failed."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._where: dict[str, str] = {}
        self._order: list[NodeInfo] | None = None

    def ready_nodes(self) -> list[NodeInfo]:
        """The nodes that exist, in a stable order."""
        if self._order is None:
            self._order = [info for info in self.nodes.values() if info.node is not None]
        return self._order

    def set_node(self, node: Object) -> None:
        self._node(node["metadata"]["name"]).set_node(node)
        self._order = None

    def remove_node(self, name: str) -> None:
        info = self.nodes.get(name)
        if info is not None:
            info.node = None
            self._order = None
            self._drop_if_empty(info)

    def put(self, pod: PodInfo, node_name: str) -> None:
        """The pod is, or will be, on this node and no other."""
        if self._where.get(pod.uid, node_name) != node_name:
            self.remove(pod.uid)
        self._where[pod.uid] = node_name
        self._node(node_name).put(pod)

    def remove(self, uid: str) -> bool:
        """Whether it was anywhere."""
        name = self._where.pop(uid, None)
        if name is None:
            return False
        info = self.nodes[name]
        info.remove(uid)
        self._drop_if_empty(info)
        return True

    def pod(self, uid: str) -> Taken | None:
        """The pod as it is counted."""
        name = self._where.get(uid)
        return None if name is None else self.nodes[name].pods[uid]

    def _node(self, name: str) -> NodeInfo:
        if name not in self.nodes:
            self.nodes[name] = NodeInfo(name)
        return self.nodes[name]

    def _drop_if_empty(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            self.nodes.pop(info.name, None)
            self._order = None
