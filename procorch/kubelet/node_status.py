"""What a node says of itself: labels, addresses, capacity, conditions, system information. Read from /proc and /sys.

Source of the words: Kubernetes' pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from procorch.clock import timestamp
from procorch.kubelet.eviction.thresholds import EvictionConfig, parse_config
from procorch.kubelet.measured import Measured
from procorch.objects import Object, get
from procorch.quantity import format_bytes, format_cpu, parse

KUBELET_VERSION = "v1.37.0"
RUNTIME_VERSION = "procorch://0.1.0"
_PRESSURES = {
    "MemoryPressure": ("InsufficientMemory", "SufficientMemory"),
    "DiskPressure": ("DiskPressure", "NoDiskPressure"),
    "PIDPressure": ("InsufficientPID", "SufficientPID"),
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """max_pods: how many pods the scheduler may put here. reserved: kept from the pods for the system, a resource list.

    eviction: what is kept free of memory and disk, by ending pods.
    """

    name: str
    address: str
    directory: Path
    max_pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    reserved: Mapping[str, str] = field(default_factory=dict)
    eviction: EvictionConfig = field(default_factory=parse_config)


def labels_of_node(name: str) -> dict[str, str]:
    """The well-known labels, and their beta forms that older tools look for."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }


def node_object(config: NodeConfig) -> Object:
    """The Node as it registers itself, without its status."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.name,
            "labels": labels_of_node(config.name) | dict(config.labels),
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": {"taints": [dict(taint) for taint in config.taints]} if config.taints else {},
    }


def capacity(config: NodeConfig, measured: Measured) -> dict[str, str]:
    return {
        "cpu": format_cpu(measured.cpus * 1000),
        "ephemeral-storage": f"{measured.disk // 1024}Ki",
        **{f"hugepages-{size}": format_bytes(count) for size, count in sorted(measured.huge_pages.items())},
        "memory": f"{measured.memory // 1024}Ki",
        "pods": str(config.max_pods),
    }


def allocatable(config: NodeConfig, measured: Measured) -> dict[str, str]:
    """What pods may ask for: the capacity without what is reserved, and without what eviction keeps free."""
    huge = sum(measured.huge_pages.values())
    reserved = {name: parse(value) for name, value in config.reserved.items()}

    def left(name: str, amount: int, signal: str) -> int:
        kept = config.eviction.hard(signal)
        return max(amount - int(reserved.get(name, 0)) - (0 if kept is None else kept.of(amount)), 0)

    cpu = measured.cpus * 1000 - int(reserved.get("cpu", 0) * 1000)
    return capacity(config, measured) | {
        "cpu": format_cpu(max(cpu, 0)),
        "ephemeral-storage": str(left("ephemeral-storage", measured.disk, "nodefs.available")),
        "memory": f"{max(left('memory', measured.memory, 'memory.available') - huge, 0) // 1024}Ki",
    }


def conditions(
    pressures: Container[str], old: Mapping[str, Mapping[str, Any]], now: float, problem: str = ""
) -> list[dict[str, Any]]:
    """pressures: MemoryPressure and the like, those that are so. old: the conditions as they were, by type.

    problem: why the node is not ready; empty when it is.
    """
    rows = [
        *(_pressure(name, name in pressures, bad, good) for name, (bad, good) in _PRESSURES.items()),
        _row("Ready", False, "KubeletNotReady", problem)
        if problem
        else _row("Ready", True, "KubeletReady", "kubelet is posting ready status"),
    ]
    for row in rows:
        before = old.get(row["type"]) or {}
        same = before.get("status") == row["status"]
        row["lastHeartbeatTime"] = timestamp(now)
        row["lastTransitionTime"] = before["lastTransitionTime"] if same else timestamp(now)
    return rows


def status_of_node(
    config: NodeConfig, measured: Measured, info: Mapping[str, str], old: Object, now: float, *,
    images: list[dict[str, Any]], pressures: Container[str] = (), problem: str = "",
) -> Object:  # fmt: skip
    """The whole status; conditions of other types are left as they are."""
    before = {row["type"]: row for row in get(old, ".conditions", [])}
    ours = conditions(pressures, before, now, problem)
    names = {row["type"] for row in ours}
    return {
        "addresses": [
            {"type": "InternalIP", "address": config.address},
            {"type": "Hostname", "address": config.name},
        ],
        "capacity": capacity(config, measured),
        "allocatable": allocatable(config, measured),
        "conditions": [*(row for type_, row in before.items() if type_ not in names), *ours],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": dict(info),
        "images": images,
    }


def system_info() -> dict[str, str]:
    """nodeInfo: what does not change while the machine runs."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return {
        "machineID": _text("/etc/machine-id") or _text("/var/lib/dbus/machine-id"),
        "systemUUID": _text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        "bootID": _text("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": _os_image(),
        "containerRuntimeVersion": RUNTIME_VERSION,
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": KUBELET_VERSION,
        "operatingSystem": "linux",
        "architecture": architecture,
    }


def primary_address() -> str:
    """The address of this host's own network: of the interface with the default route, else of the first one."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == "00000000" and (address := _address_of(columns[0])):
            return address
    for name in psutil.net_if_addrs():
        if name != "lo" and (address := _address_of(name)):
            return address
    return "127.0.0.1"


def _address_of(interface: str) -> str:
    rows = psutil.net_if_addrs().get(interface, [])
    return next((row.address for row in rows if row.family == socket.AF_INET), "")


def _pressure(type_: str, under: bool, bad: str, good: str) -> dict[str, Any]:
    if under:
        message = {
            "MemoryPressure": "kubelet has insufficient memory available",
            "DiskPressure": "kubelet has disk pressure",
            "PIDPressure": "kubelet has insufficient PID available",
        }[type_]
        return _row(type_, True, f"KubeletHas{bad}", message)
    message = {
        "MemoryPressure": "kubelet has sufficient memory available",
        "DiskPressure": "kubelet has no disk pressure",
        "PIDPressure": "kubelet has sufficient PID available",
    }[type_]
    return _row(type_, False, f"KubeletHas{good}", message)


def _row(type_: str, status: bool, reason: str, message: str) -> dict[str, Any]:
    return {"type": type_, "status": "True" if status else "False", "reason": reason, "message": message}


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return platform.system()
