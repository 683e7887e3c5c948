"""What one node's agent is told when it starts, and the parts that are made of that alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from network.node import NodeNetwork
from procorch.kubelet.eviction.thresholds import EvictionConfig, parse_config
from procorch.kubelet.images import RegistryConfig
from procorch.kubelet.join import Credentials
from procorch.kubelet.node_status import NodeConfig
from procorch.kubelet.shutdown import ShutdownConfig
from runtime import Runtime
from runtime.images import ImageStore


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """servers: the masters' URLs; the first that answers is asked, all are dialled. data_dir: everything of this node.

    token: a join token, needed once. max_pods, pod_pids: at most so many pods, and processes and threads in one.
    labels, taints: the node's from its registration on. hidden: paths that no pod may see, besides data_dir.
    cgroup: below which all of this node's are. name_prefix: of links and nft tables.
    dns: the addresses that pods ask; empty for the node's own.
    registries: whom to ask for images. static_pods: a directory of manifests, or one.
    unsafe_sysctls: kernel settings that pods may have beside the safe ones.
    reserved: kept from the pods, a resource list. eviction: when pods have to go.
    shutdown: how long they have when the machine goes off.
    """

    servers: tuple[str, ...]
    data_dir: Path
    node_name: str
    node_ip: str
    token: str = ""
    max_pods: int = 110
    pod_pids: int = 8192
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    cluster_cidr: str = "10.240.0.0/12"
    service_cidr: str = "10.96.0.0/12"
    cluster_domain: str = "cluster.local"
    dns: tuple[str, ...] = ()
    proxy_mode: str = "asyncio"
    cgroup: str = "procorch"
    name_prefix: str = "procorch"
    hidden: tuple[Path, ...] = ()
    registries: RegistryConfig = field(default_factory=RegistryConfig)
    static_pods: Path | None = None
    unsafe_sysctls: tuple[str, ...] = ()
    warm: int = 2
    reserved: Mapping[str, str] = field(default_factory=dict)
    eviction: EvictionConfig = field(default_factory=parse_config)
    shutdown: ShutdownConfig = field(default_factory=ShutdownConfig)

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.data_dir / "agent")

    def runtime(self) -> Runtime:
        hidden = (self.data_dir, *self.hidden)
        return Runtime(self.data_dir / "runtime", cgroup=self.cgroup, warm=self.warm, hidden=hidden)

    def node(self) -> NodeConfig:
        return NodeConfig(
            self.node_name,
            self.node_ip,
            self.data_dir,
            max_pods=self.max_pods,
            labels=self.labels,
            taints=self.taints,
            reserved=self.reserved,
            eviction=self.eviction,
        )

    def image_store(self) -> ImageStore:
        return ImageStore(self.data_dir / "images")

    @property
    def _range_file(self) -> Path:
        return self.data_dir / "agent" / "node.json"

    def remembered_range(self) -> str | None:
        """The node's range of pods' addresses as an earlier run had it; None where none had one."""
        try:
            return str(json.loads(self._range_file.read_text())["podCIDR"])
        except (OSError, ValueError, KeyError):
            return None

    def remember_range(self, pod_cidr: str) -> None:
        self._range_file.write_text(json.dumps({"podCIDR": pod_cidr}))

    def network(self, pod_cidr: str) -> NodeNetwork:
        return NodeNetwork(
            state_dir=self.data_dir / "network",
            name_prefix=self.name_prefix,
            pod_cidr=pod_cidr,
            cluster_cidr=self.cluster_cidr,
            service_cidr=self.service_cidr,
            node_address=self.node_ip,
        )
