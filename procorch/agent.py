"""The agent: one node's program. It dials the masters, runs the pods bound to its node, and serves the Services.

    join (once) ─▶ runtime ─▶ register Node ─▶ podCIDR ─▶ network, proxy ─▶ kubelet, heartbeats, link

It listens on nothing. Stopped, killed or upgraded, it leaves every pod running, and takes them over when it is back,
with or without a master.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import signal
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from network.node import NodeNetwork
from network.proxy import MODES
from procorch.agent_config import AgentConfig
from procorch.claims import Taken, held, machine
from procorch.client import Client, HttpTransport, Unreachable
from procorch.clock import Backoff, Clock, system_clock
from procorch.events import EventRecorder
from procorch.failover import Failover
from procorch.informers import Informers
from procorch.kubelet.dial import dial
from procorch.kubelet.images import Images, open_images
from procorch.kubelet.images.inventory import Inventory
from procorch.kubelet.join import join, keep_fresh
from procorch.kubelet.kubelet import Kubelet, KubeletConfig
from procorch.kubelet.measured import Measured
from procorch.kubelet.node import NodeReporter
from procorch.kubelet.node_status import allocatable
from procorch.kubelet.pod_files import Dns
from procorch.kubelet.preflight import preflight
from procorch.kubelet.shutdown import PROBLEM, is_going_off
from procorch.node_network import follow_routes, follow_services, pod_range
from procorch.objects import Object, get
from procorch.services import service_environment
from runtime import Runtime, RuntimeFailed
from runtime.layers import Refused

logger = logging.getLogger(__name__)

_WATCHED = ("Service", "EndpointSlice", "Image", "Node")


STARTING_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""For an answer; then the next master is asked, in time for the node's next heartbeats."""


class AgentProblem(RuntimeError):
    """The agent cannot run here; the text is one line that says what to do."""


class Agent:
    """The parts of one node, assembled."""

    def __init__(self, config: AgentConfig, clock: Clock = system_clock) -> None:
        self.config = config
        self._clock = clock
        self._pressures: Callable[[], Collection[str]] = tuple
        self._shut_down: Callable[[], Coroutine[None, None, None]] | None = None
        self._going_off: asyncio.Task[None] | None = None
        self._problem = "container runtime network not ready: the node has no pod range yet"

    async def run(self, ready: Callable[[], object]) -> None:
        """Until cancelled. Calls `ready` when the node is Ready. Raises AgentProblem, Taken, JoinFailed, OSError."""
        if problem := preflight():
            raise AgentProblem(problem)
        async with AsyncExitStack() as stack:
            stack.enter_context(machine(self.config.name_prefix))
            stack.enter_context(held(self.config.data_dir))
            async with (
                asyncio.TaskGroup() as first
            ):  # the zygote is an interpreter more: it starts while the node joins
                joined = first.create_task(self._credentials(), name="join")
                runtime = await stack.enter_async_context(_running(self.config.runtime()))
            context = joined.result()
            client = await stack.enter_async_context(self._client(context))
            async with asyncio.TaskGroup() as tasks:
                events = EventRecorder(client, "kubelet", self._clock, self.config.node_name)
                tasks.create_task(events.run(), name="events")
                fresh = keep_fresh(self.config.credentials, self.config.node_name, client, context, self._clock)
                tasks.create_task(fresh, name="certificate")
                await self._serve(client, context, runtime, events, tasks, ready)

    async def shut_down(self) -> None:
        """The machine goes off: the pods end in order while there is time. Told twice, it is done once."""
        if self._shut_down is not None:
            if self._going_off is None:
                self._going_off = asyncio.get_running_loop().create_task(self._shut_down(), name="shut-down")
            await self._going_off

    async def before_stop(self) -> None:
        """The agent is stopped: alone, and its pods go on, or with the machine."""
        if self.config.shutdown.total and (self._going_off is not None or await is_going_off()):
            await self.shut_down()

    async def _serve(
        self,
        client: Client,
        context: ssl.SSLContext,
        runtime: Runtime,
        events: EventRecorder,
        tasks: asyncio.TaskGroup,
        ready: Callable[[], object],
    ) -> None:
        config = self.config
        informers = Informers(client)
        for kind in _WATCHED:
            informers.of(kind)
        inventory = Inventory(config.image_store(), informers["Image"])
        node = NodeReporter(
            client,
            config.node(),
            self._clock,
            events,
            images=inventory.rows,
            problem=lambda: self._problem,
            pressures=lambda: self._pressures(),
        )
        for kind in _WATCHED:
            tasks.create_task(informers.of(kind).run(), name=f"informer:{kind}")
        async with AsyncExitStack() as stack:
            network = await stack.enter_async_context(self._network(informers, node))
            proxy = MODES[config.proxy_mode](network)
            await proxy.start()
            stack.push_async_callback(proxy.close)
            try:
                images = open_images(config.image_store(), config.registries, tasks)
                resolver = await stack.enter_async_context(images)
            except Refused as error:
                raise AgentProblem(str(error)) from None
            kubelet = self._kubelet(client, runtime, network, events, informers, resolver)

            def images_changed() -> None:
                inventory.changed()
                node.look()

            kubelet.on_images_changed = images_changed
            kubelet.on_pressure_changed = node.look
            node.pod_cidr = network.pod_cidr
            informers.of("Node").add_handler(partial(_lost, node, informers["Node"]))
            self._pressures = lambda: kubelet.evictor.pressure.conditions
            informers.of("Image").add_handler(lambda type_, old, new: kubelet.images_changed())
            self._problem = ""

            async def shut_down() -> None:
                self._problem = PROBLEM
                node.look()
                await kubelet.shut_down(config.shutdown)

            self._shut_down = shut_down
            if config.shutdown.total:
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGPWR, lambda: tasks.create_task(self.shut_down(), name="shutdown"))
            try:
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(
                        follow_services(informers, kubelet.pods, proxy, config.node_name), name="services"
                    )
                    inner.create_task(follow_routes(informers, network, config.node_name), name="routes")
                    inner.create_task(kubelet.run(), name="kubelet")
                    inner.create_task(self._announce(node, ready), name="node")
                    for server in config.servers:
                        link = dial(server, config.node_name, context, kubelet.routes)
                        inner.create_task(link, name=f"link:{server}")
            finally:
                for kind in _WATCHED:
                    informers.of(kind).close()

    def _kubelet(
        self,
        client: Client,
        runtime: Runtime,
        network: NodeNetwork,
        events: EventRecorder,
        informers: Informers,
        resolver: Images,
    ) -> Kubelet:
        config, measured = self.config, Measured.now(self.config.data_dir)
        kubelet = KubeletConfig(
            node_name=config.node_name,
            node_ip=config.node_ip,
            directory=config.data_dir / "pods",
            allocatable=allocatable(config.node(), measured),
            memory_capacity=measured.memory,
            dns=Dns(config.cluster_domain, config.dns),
            measure=lambda: Measured.now(config.data_dir),
            pids_limit=config.pod_pids,
            static_pods=config.static_pods,
            unsafe_sysctls=config.unsafe_sysctls,
            eviction=config.eviction,
            reserved=config.reserved,
        )

        def services(namespace: str, links: bool) -> Mapping[str, str]:
            return service_environment(informers["Service"].values(), namespace, links)

        async def known() -> None:
            await informers.of("Service").synced()
            await informers.of("Image").synced()

        return Kubelet(
            kubelet,
            client,
            self._clock,
            runtime,
            network,
            events,
            resolver=resolver,
            images=informers["Image"],
            services=services,
            known=known,
        )

    async def _credentials(self) -> ssl.SSLContext:
        config, credentials = self.config, self.config.credentials
        if not credentials.usable(config.node_name, self._clock()):
            joins = [
                partial(join, one, config.node_name, config.token, credentials, self._clock) for one in config.servers
            ]
            await _until_reachable(joins)
        return credentials.context()

    @asynccontextmanager
    async def _client(self, context: ssl.SSLContext) -> AsyncIterator[Client]:
        transport = Failover([HttpTransport(one, context, timeout=ANSWER_SECONDS) for one in self.config.servers])
        try:
            yield Client(transport, user_agent="kubelet")
        finally:
            await transport.close()

    @asynccontextmanager
    async def _network(self, informers: Informers, node: NodeReporter) -> AsyncIterator[NodeNetwork]:
        """The pod network, as soon as the node's range is known: from an earlier run, or from the masters."""
        pod_cidr = self.config.remembered_range()
        if pod_cidr is None:
            await node.register()
            pod_cidr = await pod_range(informers, self.config.node_name)
            self.config.remember_range(pod_cidr)
        network = self.config.network(pod_cidr)
        network.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        await network.start()
        try:
            yield network
        finally:
            await network.close()

    async def _announce(self, node: NodeReporter, ready: Callable[[], object]) -> None:
        await node.register()
        with contextlib.suppress(Unreachable):
            await node.report()
        ready()
        await node.run()


def _lost(node: NodeReporter, nodes: Mapping[str, Object], type_: str, old: Object | None, new: Object | None) -> None:
    """Somebody has deleted this node, and it is still here: it registers again, with its range if that is free."""
    if new is None and old is not None and old["metadata"]["name"] == node.name:
        if any(get(one, ".spec.podCIDR") == node.pod_cidr for one in nodes.values()):
            logger.error("the node's pod range is another node's by now", extra={"range": node.pod_cidr})
            node.pod_cidr = ""
        node.lost(old)


async def clean(config: AgentConfig, grace: float = 0.0) -> None:
    """Ends every pod's processes and undoes the node's network. Credentials, volumes and logs stay.

    grace: seconds that the programs have to end by themselves, after a SIGTERM to each.
    Raises AgentProblem, and Taken where an agent still runs on this directory. Where one runs on another directory,
    network and cgroups are that one's, and nothing of this node can be left.
    """
    with held(config.data_dir):
        try:
            with machine(config.name_prefix):
                await _clean_machine(config, grace)
        except Taken as other:
            logger.info("nothing to undo", extra={"why": str(other)})


async def _clean_machine(config: AgentConfig, grace: float) -> None:
    try:
        runtime = replace(config, warm=0).runtime()  # no pauses in store, only to be ended
        await runtime.start()
        await runtime.reset(grace)
    except RuntimeFailed as error:
        raise AgentProblem(str(error)) from None
    pod_cidr = config.remembered_range()
    if pod_cidr is None:
        return  # it never had a network
    network = config.network(pod_cidr)
    try:
        await network.reset()
    finally:
        await network.close()


@asynccontextmanager
async def _running(runtime: Runtime) -> AsyncIterator[Runtime]:
    try:
        await runtime.start()
    except RuntimeFailed as error:
        raise AgentProblem(str(error)) from None
    try:
        yield runtime
    finally:
        await runtime.close()


async def _until_reachable(ways: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """One way after the other, round and round, until one leads to a master.

    A master that is still starting is waited for: closely at first, since often both were started together.
    """
    backoff = Backoff(first=0.1, most=5.0)
    begun = time.monotonic()
    for way in itertools.cycle(ways):
        try:
            await way()
            return
        except Unreachable as error:
            starting = time.monotonic() - begun < STARTING_SECONDS
            if not starting:
                logger.info("master not reached", extra={"error": str(error)})
            await asyncio.sleep(0.03 if starting else backoff.next())
