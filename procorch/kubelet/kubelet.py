"""The kubelet: the pods bound to this node, one worker each; what an earlier kubelet left is taken over or cleared.

informer (spec.nodeName = this node) ──▶ worker a pod ◀── runtime.on_change, sources, images
checkpoints on disk ───────────────────────▶│   pods of which the API told an earlier agent
manifests in a directory ──────────────────▶│   static pods, which mirrors show in the API
sandboxes found by the runtime ────────────▶│   whose pod exists no more: torn down
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procorch.client import Client
from procorch.clock import Backoff, Clock
from procorch.events import EventRecorder
from procorch.informer import Handling, Informer
from procorch.kinds.podspec.mirror import is_mirror
from procorch.kubelet import shutdown
from procorch.kubelet.admission import Refusal, amounts, port_refusal, pressure_refusal, shortage
from procorch.kubelet.container_logs import ContainerLogs
from procorch.kubelet.container_streams import ContainerStreams
from procorch.kubelet.dial import Serve
from procorch.kubelet.eviction.evictor import Evictor
from procorch.kubelet.eviction.thresholds import EvictionConfig
from procorch.kubelet.images import Images
from procorch.kubelet.levels import Levels, node_limits
from procorch.kubelet.measured import Measured
from procorch.kubelet.measuring import Measuring, pods_of
from procorch.kubelet.metrics import ProbeCounts, container_states
from procorch.kubelet.mirrors import Mirrors
from procorch.kubelet.pages import NodeFacts, Pages
from procorch.kubelet.pod_files import Dns
from procorch.kubelet.pod_worker import PodWorker
from procorch.kubelet.record import PodDirectory, PodRecord
from procorch.kubelet.shutdown import ShutdownConfig
from procorch.kubelet.sources import Sources
from procorch.kubelet.static_pods import StaticPods, is_static
from procorch.kubelet.surroundings import Network, Surroundings
from procorch.objects import Object, key_of, uid_of
from runtime import Runtime, RuntimeFailed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """directory: for pods. allocatable: the node's resource list; reserved: what is kept from the pods.

    measure: the machine as it stands. pids_limit: processes and threads that one pod may have; None for as many as the
    machine has. static_pods: the directory of manifests, or one file, of pods that run whatever a master says.
    unsafe_sysctls: those beside the safe ones that pods may set, names or patterns with * at their end.
    """

    node_name: str
    node_ip: str
    directory: Path
    allocatable: Mapping[str, str]
    memory_capacity: int
    dns: Dns
    measure: Callable[[], Measured]
    pids_limit: int | None = None
    static_pods: Path | None = None
    unsafe_sysctls: tuple[str, ...] = ()
    eviction: EvictionConfig = field(default_factory=EvictionConfig)
    reserved: Mapping[str, str] = field(default_factory=dict)


class Kubelet:
    """services: the variables of Services for (namespace, enableServiceLinks). images: Image objects by name.

    resolver: what names mean here. on_images_changed: told when that has changed. on_pressure_changed: told when the
    node runs short of something, or does no longer.
    known: waits until both are known, before which no new pod is begun.
    """

    def __init__(
        self,
        config: KubeletConfig,
        client: Client,
        clock: Clock,
        runtime: Runtime,
        network: Network,
        events: EventRecorder,
        *,
        resolver: Images,
        images: Mapping[str, Object],
        services: Callable[[str, bool], Mapping[str, str]],
        known: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.config = config
        self._client = client
        self._clock = clock
        self._runtime = runtime
        self._network = network
        self._events = events
        self._resolver = resolver
        self._images = images
        self._services = services
        self._known = known
        self.on_images_changed: Callable[[], object] = lambda: None
        self._workers: dict[str, PodWorker] = {}
        self._mirrors = Mirrors(client, config.node_name, self._static)
        self._look_at_manifests = asyncio.Event()
        self.shutting_down = False
        limits = node_limits(config.allocatable, config.memory_capacity, config.reserved)
        self._levels = Levels(runtime, limits, lambda: self._others(""))
        self.on_pressure_changed: Callable[[], object] = lambda: None
        self.evictor = Evictor(
            config.eviction,
            clock,
            config.measure,
            lambda: self._workers.values(),
            lambda: self.on_pressure_changed(),
        )
        self._logs = ContainerLogs(config.directory, runtime, clock, self._find, config.node_name)
        self._probes = ProbeCounts()
        self._pages = self._make_pages()
        self._streams = ContainerStreams(runtime, self._find, config.node_name)
        self._pods = Informer(client, "Pod", field_selector=f"spec.nodeName={config.node_name}")

    @property
    def workers(self) -> Mapping[str, PodWorker]:
        """By pod uid."""
        return self._workers

    @property
    def pods(self) -> Handling:
        """This node's, as the API has them."""
        return self._pods

    @property
    def routes(self) -> Mapping[str, Serve]:
        """What masters ask of this node's pods, by the first step of the path."""
        streams = self._streams
        return {
            "containerLogs": self._logs.serve,
            "exec": streams.exec,
            "attach": streams.attach,
            "portForward": streams.port_forward,
            "dial": streams.dial,
            **self._pages.routes,
        }

    def _make_pages(self) -> Pages:
        config, runtime = self.config, self._runtime
        settings = {
            "clusterDNS": list(config.dns.servers),
            "clusterDomain": config.dns.domain,
            "podPidsLimit": config.pids_limit or -1,
            "maxPods": int(config.allocatable.get("pods", 0)),
            "cgroupRoot": f"/{runtime.cgroup}",
        }
        node = NodeFacts(config.node_name, config.directory, config.memory_capacity, runtime.cgroup, settings)
        workers = self._workers

        def known() -> Iterator[tuple[Object, PodRecord]]:
            return ((worker.pod, worker.record) for worker in workers.values())

        measuring = Measuring(
            lambda: runtime.groups,
            lambda: pods_of(known(), runtime.sandboxes, config.directory),
            self._clock,
            also=(runtime.cgroup,),
        )
        return Pages(
            node,
            lambda: (worker.pod for worker in workers.values()),
            lambda: container_states(worker.record for worker in workers.values()),
            measuring,
            self._probes,
        )

    async def run(self) -> None:
        """Until cancelled; then every pod is left as it is."""
        config = self.config
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            sources = Sources(self._client, self._clock, tasks, self._source_changed)
            self._around = Surroundings(
                node_name=config.node_name,
                node_ip=config.node_ip,
                directory=config.directory,
                client=self._client,
                clock=self._clock,
                runtime=self._runtime,
                network=self._network,
                events=self._events,
                sources=sources,
                images=self._images,
                resolver=self._resolver,
                services=self._services,
                allocatable=config.allocatable,
                memory_capacity=config.memory_capacity,
                dns=config.dns,
                others=self._others,
                freed=self._freed,
                allocated=self._levels.changed,
                admit=self._admit,
                pids_limit=config.pids_limit,
                unsafe_sysctls=config.unsafe_sysctls,
                probes=self._probes,
            )
            self._runtime.on_change = self._sandbox_changed
            tasks.create_task(self._follow_store(), name="images")
            tasks.create_task(self.evictor.run(), name="eviction")
            tasks.create_task(self._levels.run(), name="levels")
            self._take_over()
            tasks.create_task(self._follow_manifests(), name="static pods")
            if self._known is not None:
                await self._known()
            self._pods.add_handler(self._pod_changed)
            tasks.create_task(self._pods.run(), name="informer:Pod")
            await self._pods.synced()
            self._around.synced.set()
            tasks.create_task(self._mirrors.run(), name="mirror pods")
            await self._clear_orphans()

    async def shut_down(self, config: ShutdownConfig) -> None:
        """The machine goes off: every pod ends, the important ones last, and no new one begins."""
        self.shutting_down = True
        await shutdown.end_all(list(self._workers.values()), config)

    def images_changed(self) -> None:
        """An Image object is new, changed or gone, or a name in the store is."""
        self.on_images_changed()
        for worker in self._workers.values():
            worker.images_changed()

    async def _follow_store(self) -> None:
        """`procorch image load` is another process: pods that wait for its image start at once."""
        try:
            changes = self._resolver.store.changes()
        except OSError as error:  # no watch is left, say: then they start at their next try
            logger.warning("image store not watched", extra={"error": str(error)})
            return
        try:
            while True:
                await changes.wait()
                self.images_changed()
        finally:
            changes.close()

    # Pods

    def _take_over(self) -> None:
        """The pods that an earlier agent knew: they go on although the API may be away."""
        self.config.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self.config.directory.iterdir()):
            directory = PodDirectory(self.config.directory, path.name)
            if (found := directory.load()) is not None:
                pod, record = found
                self._add(pod, directory, record)

    def _pod_changed(self, type_: str, old: Object | None, new: Object | None) -> None:
        seen = new or old
        assert seen is not None
        if is_mirror(seen):
            self._mirrors.changed(key_of(seen), new)
            for one in self._workers.values():
                if is_static(one.pod) and key_of(one.pod) == key_of(seen):
                    one.report()
        elif new is None:
            assert old is not None
            if (worker := self._workers.get(uid_of(old))) is not None:
                worker.remove()
        elif (worker := self._workers.get(uid_of(new))) is not None:
            worker.update(new)
        else:
            directory = PodDirectory(self.config.directory, uid_of(new))
            self._add(new, directory)

    def _add(self, pod: Object, directory: PodDirectory, record: PodRecord | None = None) -> None:
        mirrors = self._mirrors if is_static(pod) else None
        worker = PodWorker(pod, self._around, directory, record, ended=self._forget, mirrors=mirrors)
        self._workers[worker.uid] = worker
        self._tasks.create_task(self._keep(worker), name=f"pod:{key_of(pod)}")

    async def _keep(self, worker: PodWorker) -> None:
        """One of the three loops that must not die: what goes wrong with one pod is no other pod's business."""
        backoff = Backoff(first=1.0, most=60.0)
        while True:
            try:
                return await worker.run()
            except Exception:
                logger.exception("pod's worker failed, begun again", extra={"pod": key_of(worker.pod)})
                await asyncio.sleep(backoff.next())

    def _others(self, uid: str) -> list[Object]:
        """The pods that take something of the node, but for one."""
        return [worker.sized for worker in self._workers.values() if worker.takes and worker.uid != uid]

    def _admit(self, pod: Object) -> Refusal | None:
        """Why a new pod is not taken."""
        if self.shutting_down:
            return shutdown.REFUSAL
        if refusal := pressure_refusal(pod, self.evictor.pressure.conditions):
            return refusal
        others = self._others(uid_of(pod))
        return shortage(pod, others, amounts(self.config.allocatable)) or port_refusal(pod, others)

    def _freed(self) -> None:
        """Pods that wait for room to grow look again, the important ones first."""
        self._levels.changed()
        waiting = [worker for worker in self._workers.values() if worker.record.pending is not None]
        for worker in sorted(waiting, key=lambda worker: -int(worker.pod["spec"].get("priority") or 0)):
            worker.wake()

    def _forget(self, uid: str) -> None:
        self._workers.pop(uid, None)
        self._probes.forget(uid)
        self._look_at_manifests.set()
        self._mirrors.look()

    # Static pods

    def _static(self) -> dict[str, Object]:
        return {key_of(worker.pod): worker.pod for worker in self._workers.values() if is_static(worker.pod)}

    async def _follow_manifests(self) -> None:
        if self.config.static_pods is None:
            self._set_static({})  # an earlier agent may have had some
        else:
            manifests = StaticPods(self.config.static_pods, self.config.node_name)
            await manifests.follow(self._look_at_manifests, self._clock, self._set_static)

    def _set_static(self, pods: Mapping[str, Object]) -> None:
        """A pod whose name another one still has waits until that one has ended."""
        for uid, worker in self._workers.items():
            if is_static(worker.pod) and uid not in pods:
                worker.end()
        taken = self._static()
        for uid, pod in pods.items():
            if key_of(pod) not in taken:
                self._add(pod, PodDirectory(self.config.directory, uid))

    async def _clear_orphans(self) -> None:
        """What the API does not have any more, now that it has told what it has."""
        known = {uid_of(pod) for pod in self._pods.lister.values()}
        for uid, worker in self._workers.items():
            if uid not in known and not is_static(worker.pod):
                worker.remove()
        for sandbox in list(self._runtime.sandboxes.values()):
            if sandbox.labels.get("uid") not in self._workers:
                logger.warning("orphan sandbox removed", extra={"sandbox": sandbox.id})
                try:
                    await sandbox.remove()
                except RuntimeFailed as error:
                    logger.error("orphan sandbox stays", extra={"sandbox": sandbox.id, "error": str(error)})
                    continue
                await self._network.detach(sandbox.id)

    def _sandbox_changed(self, sandbox_id: str) -> None:
        self._logs.changed(sandbox_id)
        sandbox = self._runtime.sandboxes.get(sandbox_id)
        if sandbox is not None and (worker := self._workers.get(sandbox.labels.get("uid", ""))) is not None:
            worker.wake()

    def _source_changed(self, uid: str) -> None:
        if (worker := self._workers.get(uid)) is not None:
            worker.source_changed()

    def _find(self, key: str) -> tuple[Object, PodRecord] | None:
        """A pod and its record by namespace/name; of two of one name the newer, which the API has."""
        found = [worker for worker in self._workers.values() if key_of(worker.pod) == key]
        return (found[-1].pod, found[-1].record) if found else None
