"""What a node tells Prometheus under the kubelet's names.

    /metrics/resource   CPU and memory of node, pods and containers
    /metrics            the agent itself
    /metrics/probes     how probes came out

Source of names and labels: pkg/kubelet/metrics (and its collectors/resource_metrics.go), pkg/kubelet/prober.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from procorch.exposition import Family, labels, process_families
from procorch.kubelet.measuring import Measured, Used
from procorch.kubelet.record import PodRecord


def _cpu_seconds(used: Used) -> float:
    return used.usage.cpu_nanos * 1e-9


def _working_set(used: Used) -> float:
    return used.usage.working_set_bytes


def _swap(used: Used) -> float:
    return used.usage.swap_bytes


_RESOURCE = (
    ("cpu_usage_seconds_total", "Cumulative cpu time consumed by the {} in core-seconds", "counter", _cpu_seconds),
    ("memory_working_set_bytes", "Current working set of the {} in bytes", "gauge", _working_set),
    ("swap_usage_bytes", "Current swap usage of the {} in bytes", "gauge", _swap),
)


def resource_families(measured: Measured) -> list[Family]:
    """What metrics-server reads from a kubelet. Values carry the time at which they were measured."""
    at = int(measured.at * 1000)
    found = []
    containers = {
        labels(container=one.name, namespace=pod.namespace, pod=pod.name): (one, used)
        for pod in measured.pods
        for one in pod.containers
        if (used := measured.by_group.get(one.group)) is not None
    }
    pods = {
        labels(namespace=pod.namespace, pod=pod.name): used
        for pod in measured.pods
        if (used := measured.by_group.get(pod.group)) is not None
    }
    node = {"": measured.node} if measured.node is not None else {}
    rows = (("container", {name: used for name, (_, used) in containers.items()}), ("node", node), ("pod", pods))
    for what, values in rows:
        for name, help_, type_, read in _RESOURCE:
            values_of = {label: read(used) for label, used in values.items()}
            found.append(Family(f"{what}_{name}", help_.format(what), type_, values_of, at))
    begun = {label: one.started_at for label, (one, _) in containers.items()}
    help_ = "Start time of the container since unix epoch in seconds"
    found.append(Family("container_start_time_seconds", help_, "gauge", begun, at))
    help_ = "1 if there was an error while getting container metrics, 0 otherwise"
    found.append(Family("resource_scrape_error", help_, "gauge", {"": 0.0 if measured.node is not None else 1.0}))
    return found


def container_states(records: Iterable[PodRecord]) -> dict[str, int]:
    """How many of all containers run and have ended."""
    found = Counter(
        "running" if current.running else "exited"
        for record in records
        for one in record.containers.values()
        if (current := one.current) is not None
    )
    return {"running": 0, "exited": 0, **found}


def agent_families(node: str, version: str, pods: int, states: Mapping[str, int]) -> list[Family]:
    """Of the agent itself. states: how many containers are running, and have ended."""
    major, minor, *_ = version.removeprefix("v").split(".")
    build = labels(major=major, minor=minor, git_version=version)
    containers = {labels(container_state=state): float(count) for state, count in sorted(states.items())}
    return [
        Family("kubernetes_build_info", "The version that this node is.", "gauge", {build: 1}),
        Family("kubelet_node_name", "The node's name. The count is always 1.", "gauge", {labels(node=node): 1}),
        Family("kubelet_running_pods", "Number of pods that have a running pod sandbox.", "gauge", {"": pods}),
        Family("kubelet_running_containers", "Number of containers currently.", "gauge", containers),
        *process_families(),
    ]


class ProbeCounts:
    """How probes came out, of containers that are here."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, pod: Mapping[str, str], container: str, kind: str, result: str) -> None:
        """pod: name, namespace, uid. kind: Liveness, Readiness, Startup. result: successful, failed, unknown."""
        self._counts[
            labels(
                container=container,
                namespace=pod["namespace"],
                pod=pod["name"],
                pod_uid=pod["uid"],
                probe_type=kind,
                result=result,
            )
        ] += 1

    def forget(self, uid: str) -> None:
        """The pod has gone."""
        gone = f'pod_uid="{uid}"'
        for said in [said for said in self._counts if gone in said]:
            del self._counts[said]

    def families(self) -> list[Family]:
        help_ = "Cumulative number of a liveness, readiness or startup probe for a container by result."
        return [Family("prober_probe_total", help_, "counter", dict(self._counts))]
