"""What every pod worker of a node works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from procorch.client import Client
from procorch.clock import Clock
from procorch.events import EventRecorder
from procorch.kubelet.admission import Refusal
from procorch.kubelet.images import Images
from procorch.kubelet.metrics import ProbeCounts
from procorch.kubelet.pod_files import Dns
from procorch.kubelet.sources import Sources
from procorch.objects import Object
from runtime import Runtime


class Network(Protocol):
    """What a pod worker needs of network.NodeNetwork."""

    async def attach(self, owner_id: str, pid: int) -> str: ...

    async def detach(self, owner_id: str) -> None: ...

    def attached(self) -> dict[str, str]: ...


@dataclass(slots=True)
class Surroundings:
    """One node's parts.

    directory: of all pods. resolver: what images are here.
    services: the variables of Services for (namespace, enableServiceLinks).
    images: the cluster's Image objects by name. allocatable: the node's resource list.
    others: the pods that take something of it, with what was allocated to them, but for the one of this uid.
    admit: why the node does not take a pod that is new here. freed: to be told when a pod takes less than before,
    allocated: and when it takes something else.
    pids_limit: processes and threads of one pod. unsafe_sysctls: what pods may set, names or patterns.
    synced: set once the API has told which pods are here: until then nothing is reported.
    probes: counts how they come out.
    """

    node_name: str
    node_ip: str
    directory: Path
    client: Client
    clock: Clock
    runtime: Runtime
    network: Network
    events: EventRecorder
    sources: Sources
    images: Mapping[str, Object]
    resolver: Images
    services: Callable[[str, bool], Mapping[str, str]]
    allocatable: Mapping[str, str]
    memory_capacity: int
    dns: Dns
    others: Callable[[str], Iterable[Object]]
    freed: Callable[[], None]
    allocated: Callable[[], None]
    admit: Callable[[Object], Refusal | None]
    pids_limit: int | None = None
    unsafe_sysctls: tuple[str, ...] = ()
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    probes: ProbeCounts = field(default_factory=ProbeCounts)
