"""`/stats/summary`: what a node, its pods and their containers use, as JSON.

Source of the fields: k8s.io/kubelet pkg/apis/stats/v1alpha1; of what counts as what: pkg/kubelet/stats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from procorch.clock import timestamp
from procorch.kubelet.disks import PodDisk
from procorch.kubelet.measuring import Container, Measured, Pod, Used
from procorch.kubelet.traffic import Traffic
from procorch.objects import Object
from runtime.disk import Disk, FileSystem
from runtime.usage import Detail, Pressure


@dataclass(frozen=True, slots=True)
class Facts:
    """What goes into a summary beside the measurement.

    memory: bytes that the node has. booted: seconds since the epoch. disks: by pod uid. traffic: by pod uid, the
    node's own under "". system: the node's own groups by the names that Kubernetes has for them.
    """

    node: str
    memory: int
    booted: float
    files: FileSystem
    details: Mapping[str, Detail] = field(default_factory=dict)
    pressure: Mapping[str, Pressure] = field(default_factory=dict)
    disks: Mapping[str, PodDisk] = field(default_factory=dict)
    traffic: Mapping[str, Sequence[Traffic]] = field(default_factory=dict)
    system: Mapping[str, str] = field(default_factory=dict)
    pids: tuple[int, int] = (0, 0)  # the most there can be, and how many there are


def summary(measured: Measured, facts: Facts) -> Object:
    """All of it."""
    at = timestamp(measured.at)
    node = measured.node
    pressure = facts.pressure
    return {
        "node": {
            "nodeName": facts.node,
            "systemContainers": [
                {"name": name, "startTime": timestamp(facts.booted), **_processor_and_memory(used, at)}
                for name, group in facts.system.items()
                if (used := measured.by_group.get(group)) is not None
            ],
            "startTime": timestamp(facts.booted),
            **(_processor_and_memory(node, at, facts.memory, pressure) if node is not None else {}),
            **({"io": {"time": at, "psi": _psi(pressure["io"])}} if "io" in pressure else {}),
            **_network(facts.traffic.get("", ()), at),
            "fs": _file_system(facts.files, at),
            "runtime": {"imageFs": _file_system(facts.files, at), "containerFs": _file_system(facts.files, at)},
            "rlimit": {"time": at, "maxpid": facts.pids[0], "curproc": facts.pids[1]},
        },
        "pods": [_pod(measured, facts, pod, at) for pod in measured.pods],
    }


def without_details(made: Object) -> Object:
    """`?only_cpu_and_memory=true`: what metrics pipelines want of it."""

    def lean(row: Object) -> Object:
        kept = ("name", "nodeName", "podRef", "startTime", "cpu", "memory", "containers", "systemContainers")
        found = {name: value for name, value in row.items() if name in kept}
        for below in ("containers", "systemContainers"):
            if below in found:
                found[below] = [lean(one) for one in found[below]]
        return found

    return {"node": lean(made["node"]), "pods": [lean(pod) for pod in made["pods"]]}


def _pod(measured: Measured, facts: Facts, pod: Pod, at: str) -> Object:
    disk = facts.disks.get(pod.uid, PodDisk())
    used = measured.by_group.get(pod.group)
    detail = facts.details.get(pod.group)
    row: Object = {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": timestamp(pod.started_at),
        "containers": [_container(measured, facts, one, disk, at) for one in pod.containers],
    }
    if used is not None:
        row |= _processor_and_memory(used, at, detail.memory_limit_bytes if detail else None, _pressure_of(detail))
        row["process_stats"] = {"process_count": used.usage.processes}
    row |= _network(facts.traffic.get(pod.uid, ()), at)
    row["volume"] = [{"name": name, **_part(facts.files, one, at)} for (_, name), one in sorted(disk.volumes.items())]
    row["ephemeral-storage"] = _part(facts.files, disk.ephemeral, at)
    return row


def _container(measured: Measured, facts: Facts, one: Container, disk: PodDisk, at: str) -> Object:
    row: Object = {"name": one.name, "startTime": timestamp(one.started_at)}
    if (used := measured.by_group.get(one.group)) is not None:
        detail = facts.details.get(one.group)
        row |= _processor_and_memory(used, at, detail.memory_limit_bytes if detail else None, _pressure_of(detail))
    row["rootfs"] = _part(facts.files, disk.layers.get(one.name, Disk()), at)
    row["logs"] = _part(facts.files, disk.logs.get(one.name, Disk()), at)
    return row


def _pressure_of(detail: Detail | None) -> Mapping[str, Pressure]:
    return detail.pressure if detail is not None else {}


def _processor_and_memory(
    used: Used, at: str, limit: int | None = None, pressure: Mapping[str, Pressure] | None = None
) -> Object:
    usage, pressure = used.usage, pressure or {}
    cpu: Object = {"time": at}
    if used.nanocores is not None:
        cpu["usageNanoCores"] = used.nanocores
    cpu["usageCoreNanoSeconds"] = usage.cpu_nanos
    memory: Object = {"time": at}
    if limit is not None:
        memory["availableBytes"] = max(limit - usage.working_set_bytes, 0)
    memory |= {
        "usageBytes": usage.memory_bytes,
        "workingSetBytes": usage.working_set_bytes,
        "rssBytes": usage.rss_bytes,
        "pageFaults": usage.page_faults,
        "majorPageFaults": usage.major_faults,
    }
    for row, name in ((cpu, "cpu"), (memory, "memory")):
        if name in pressure:
            row["psi"] = _psi(pressure[name])
    return {"cpu": cpu, "memory": memory, "swap": {"time": at, "swapUsageBytes": usage.swap_bytes}}


def _psi(pressure: Pressure) -> Object:
    return {
        which: {"total": one.total_micros * 1000, "avg10": one.avg10, "avg60": one.avg60, "avg300": one.avg300}
        for which, one in (("full", pressure.full), ("some", pressure.some))
    }


def _network(traffic: Sequence[Traffic], at: str) -> Object:
    """The first interface is shown once more for itself, as the pod's or the node's own."""
    if not traffic:
        return {}
    rows = [
        {"name": one.name, "rxBytes": one.rx_bytes, "rxErrors": one.rx_errors, "txBytes": one.tx_bytes,
         "txErrors": one.tx_errors}
        for one in traffic
    ]  # fmt: skip
    return {"network": {"time": at, **rows[0], "interfaces": rows}}


def _file_system(files: FileSystem, at: str) -> Object:
    return {
        "time": at,
        "availableBytes": files.available,
        "capacityBytes": files.size,
        "usedBytes": files.used,
        "inodesFree": files.inodes_free,
        "inodes": files.inodes,
        "inodesUsed": files.inodes - files.inodes_free,
    }


def _part(files: FileSystem, disk: Disk, at: str) -> Object:
    """What one of many uses of the file system that they share."""
    return _file_system(files, at) | {"usedBytes": disk.bytes, "inodesUsed": disk.inodes}
