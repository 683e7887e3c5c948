"""What the kubelet says of itself and its pods to those who ask the node through the API.

/healthz  /pods  /configz  /stats/summary  /metrics  /metrics/{cadvisor,resource,probes}
/usage    what masters make metrics.k8s.io of: nanocores and bytes now
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
from multidict import MultiMapping

from procorch import exposition
from procorch.clock import timestamp
from procorch.exposition import Family
from procorch.kubelet import cadvisor, metrics
from procorch.kubelet.dial import Serve, reply
from procorch.kubelet.disks import Disks
from procorch.kubelet.measuring import NODE_GROUP, Measured, Measuring
from procorch.kubelet.metrics import ProbeCounts
from procorch.kubelet.node_status import KUBELET_VERSION
from procorch.kubelet.summary import Facts, summary, without_details
from procorch.kubelet.traffic import traffic_of
from procorch.link import Stream
from procorch.objects import Object
from runtime.disk import FileSystem
from runtime.usage import machine_pressure

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """directory: what lies on the file system that pods share. memory: bytes. group: the cgroup above all pods'.

    settings: what /configz shows.
    """

    name: str
    directory: Path
    memory: int
    group: str
    settings: Mapping[str, Any]


class Pages:
    """pods: those of this node, as they are known here. states: how many containers are in which state."""

    def __init__(
        self,
        node: NodeFacts,
        pods: Callable[[], Iterable[Object]],
        states: Callable[[], Mapping[str, int]],
        measuring: Measuring,
        probes: ProbeCounts,
    ) -> None:
        self._node = node
        self._pods = pods
        self._states = states
        self._measuring = measuring
        self._probes = probes
        self._disks = Disks()

    @property
    def routes(self) -> dict[str, Serve]:
        """By the first step of the path."""
        return {
            "configz": self.configz,
            "healthz": self.healthz,
            "metrics": self.metrics,
            "pods": self.pods,
            "stats": self.stats,
            "usage": self.usage,
        }

    async def healthz(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """That it answers is the answer: a node that does not is found out by its Lease."""
        await reply(stream, 200, b"ok", "text/plain; charset=utf-8")

    async def pods(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """A PodList, also while the masters are away."""
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(self._pods())}
        await reply(stream, 200, orjson.dumps(body), _JSON)

    async def configz(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """The settings that are in force, under the names of KubeletConfiguration."""
        shown = {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", **self._node.settings}
        await reply(stream, 200, orjson.dumps({"kubeletconfig": shown}), _JSON)

    async def stats(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """/stats/summary alone."""
        if steps != ["summary"]:
            await reply(stream, 404, "404 page not found\n")
            return
        measured = await self._measuring.now()
        lean = query.get("only_cpu_and_memory") in ("true", "1")
        made = summary(measured, await self._facts(measured, lean=lean))
        await reply(stream, 200, orjson.dumps(without_details(made) if lean else made), _JSON)

    async def metrics(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """Prometheus' pages."""
        match steps:
            case []:
                states, pods = self._states(), sum(1 for _ in self._pods())
                families = metrics.agent_families(self._node.name, KUBELET_VERSION, pods, states)
            case ["resource"]:
                families = metrics.resource_families(await self._measuring.now())
            case ["cadvisor"]:
                families = await self._cadvisor()
            case ["probes"]:
                families = self._probes.families()
            case _:
                await reply(stream, 404, "404 page not found\n")
                return
        await reply(stream, 200, exposition.text(families), exposition.MEDIA)

    async def usage(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """nanocores and bytes of the node and of every container that has both."""
        await reply(stream, 200, orjson.dumps(usage(await self._measuring.now())), _JSON)

    async def _cadvisor(self) -> list[Family]:
        measured = await self._measuring.now()
        facts = await self._facts(measured)
        machine = cadvisor.Machine(
            len(os.sched_getaffinity(0)), self._node.memory, facts.details, facts.traffic, facts.disks, facts.pressure
        )
        return cadvisor.cadvisor_families(measured, machine)

    async def _facts(self, measured: Measured, *, lean: bool = False) -> Facts:
        groups = [path for pod in measured.pods for path in (pod.group, *(one.group for one in pod.containers))]
        system = {"pods": self._node.group}
        files = FileSystem.of(self._node.directory)
        booted, details = psutil.boot_time(), await self._measuring.details([NODE_GROUP, *groups])
        if lean:
            return Facts(self._node.name, self._node.memory, booted, files, details, system=system)
        traffic = {pod.uid: traffic_of(pod.pid) for pod in measured.pods if pod.pid}
        return Facts(
            self._node.name,
            self._node.memory,
            booted,
            files,
            details,
            details[NODE_GROUP].pressure or machine_pressure(),
            await self._disks.of(measured.pods),
            traffic | {"": traffic_of(os.getpid())},
            system,
            _pids(),
        )


def usage(measured: Measured) -> Object:
    """A pod has figures when each of its containers has: a sum without one of them would be too little."""
    node = measured.node
    pods = []
    for pod in measured.pods:
        found = [(one.name, measured.by_group.get(one.group)) for one in pod.containers]
        rows = [
            {"name": name, "nanocores": used.nanocores, "bytes": used.usage.working_set_bytes, "window": used.window}
            for name, used in found
            if used is not None and used.nanocores is not None
        ]
        if rows and len(rows) == len(found):
            pods.append({"namespace": pod.namespace, "name": pod.name, "uid": pod.uid, "containers": rows})
    made: Object = {"timestamp": timestamp(measured.at), "pods": pods}
    if node is not None and node.nanocores is not None:
        made["node"] = {
            "nanocores": node.nanocores,
            "bytes": node.usage.working_set_bytes,
            "window": node.window,
        }
    return made


def _pids() -> tuple[int, int]:
    """The most process numbers there can be, and how many are taken."""
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text()), int(
            Path("/proc/loadavg").read_text().split()[3].split("/")[1]
        )
    except (OSError, ValueError, IndexError):
        return 0, 0
