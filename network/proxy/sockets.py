"""The mode `asyncio`: Services served by sockets of this process, in user space."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Callable, Iterable

from network.node import NodeNetwork
from network.proxy.choice import Balancer
from network.proxy.datagram import IDLE_SECONDS, Door
from network.proxy.engine import READ, Engine
from network.proxy.gate import AGAIN_SECONDS, Gate
from network.proxy.memory import Memory
from network.proxy.plan import Plan, Port, plan
from network.proxy.redirect import Redirect, Target
from network.proxy.stream import KEEPALIVE, Relay, Stream
from network.proxy.table import TCP, Key, ServicePort

logger = logging.getLogger(__name__)
_ACCEPTS = 256
_BACKLOG = 4096
_ORIGINAL_DESTINATION = 80
# What accepted connections have from their listener.
_INHERITED = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *KEEPALIVE)
_ACCEPTED = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


class SocketProxy:
    """One listener for every TCP ClusterIP, one socket for each UDP one, one listener for each node port.

    To be started in a thread that is in the node's network namespace, as `network` is.
    """

    def __init__(self, network: NodeNetwork) -> None:
        self._network = network
        self._redirect = Redirect(network.proxy_table, network.gateway)
        self._memory = Memory(network.served)
        self.busy: dict[int, str] = {}
        self._balancers: dict[Key, Balancer] = {}
        self._by_target: dict[bytes, Balancer] = {}  # sockaddr_in's port and address → …
        self._led: dict[Target, int] = {}  # what the kernel's map has
        self._before: dict[Target, int] = {}  # what it had when we came
        self._listener: socket.socket | None = None
        self._doors: dict[Key, Door] = {}
        self._node_ports: dict[Port, tuple[Key, Callable[[], None], Door | None]] = {}
        self._ticker: asyncio.TimerHandle | None = None
        self._remembered: dict[Key, ServicePort] | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Take over the kernel's side, and serve what a predecessor served until the first `sync`."""
        # Two descriptors a connection: the usual soft limit of 1,024 would be reached at once.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._engine = Engine(asyncio.get_running_loop())
        self._gate = Gate(self._engine)
        self._relay = Relay(self._engine, self._gate)
        await self._network.call(self._reuse_ports)
        self._before = await self._network.call(self._redirect.start)
        self._listener = self._listen_streams()
        self._tick()
        if before := self._memory.read():
            await self.sync(before)

    def _reuse_ports(self) -> None:
        """Let a connect use a port again that rests in TIME_WAIT, after a second; the default is a minute.

        A client that closes first has us close first towards the backend, and then the port rests here. From half of
        the ports on, which is 14,116 connections to one backend within a minute, the kernel's search for a free one
        took milliseconds a connection; with all in use every connect failed.
        """
        try:
            self._network.sysctls.set("net.ipv4.tcp_tw_reuse", "1")
        except OSError as error:
            logger.warning("many short connections to one backend will be slow", extra={"error": str(error)})

    async def sync(self, wanted: Iterable[ServicePort]) -> None:
        """Serve exactly `wanted`. Raises OSError when the kernel refuses the redirection; the next call tries again."""
        goal = plan(wanted)
        async with self._lock:
            self._update_balancers(goal)
            self._open_doors(goal)
            self._open_node_ports(goal)
            led = self._targets(goal)
            await self._network.call(lambda: self._redirect.change(self._led, led))
            self._led = led
            if goal.services != self._remembered:
                await self._network.call(lambda: self._memory.write(goal.services.values()))
                self._remembered = goal.services
            self._close_others(goal)

    async def close(self) -> None:
        """Stop serving: clients are reset, and Services refused until somebody serves them again."""
        if self._ticker is not None:
            self._ticker.cancel()
        await self._network.call(self._redirect.remove)
        self._led = {}
        self._relay.close()
        if self._listener is not None:
            self._engine.drop(self._listener)
        for door in self._doors.values():
            door.close()
        for _, close, _ in self._node_ports.values():
            close()
        self._doors.clear()
        self._node_ports.clear()
        self._engine.close()

    def _update_balancers(self, goal: Plan) -> None:
        for key, row in goal.services.items():
            self._balancers.setdefault(key, Balancer(row.name or f"{row.address}:{row.port}")).update(
                row.backends, row.affinity_seconds
            )
        self._by_target = {
            row.port.to_bytes(2, "big") + socket.inet_aton(row.address): self._balancers[key]
            for key, row in goal.services.items()
            if key in goal.streams and row.address
        }

    def _targets(self, goal: Plan) -> dict[Target, int]:
        assert self._listener is not None
        port = self._listener.getsockname()[1]
        led: dict[Target, int] = dict.fromkeys(goal.streams, port)
        led.update({key: self._doors[key].listener.getsockname()[1] for key in goal.datagrams})
        return led

    def _open_doors(self, goal: Plan) -> None:
        for key in goal.datagrams - self._doors.keys():
            # The same port as a predecessor's: clients that it had go on where the kernel leads them still.
            wish = self._before.get(key, 0)
            listener = _bind(socket.SOCK_DGRAM, self._network.gateway, wish)
            self._doors[key] = Door(self._engine, self._gate, listener, self._balancers[key], any_address=False)
        for key, door in self._doors.items():
            if key in goal.services:
                door.update()

    def _open_node_ports(self, goal: Plan) -> None:
        self.busy = {}
        for port, (key, close, door) in list(self._node_ports.items()):
            if goal.node_ports.get(port) != key:
                close()
                del self._node_ports[port]
            elif door is not None:
                door.update()
        for (protocol, number), key in goal.node_ports.items():
            if (protocol, number) in self._node_ports:
                continue
            try:
                self._open_node_port(protocol, number, key)
            except OSError as error:
                self.busy[number] = f"{protocol} port {number}: {error.strerror}"
                logger.warning("a node port cannot be served", extra={"port": number, "error": str(error)})

    def _open_node_port(self, protocol: str, number: int, key: Key) -> None:
        kind = socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM
        listener = _bind(kind, "0.0.0.0", number, must=True)
        balancer = self._balancers[key]
        door: Door | None = None
        if protocol == TCP:
            listener.listen(_BACKLOG)
            self._engine.add_first(listener, READ, lambda events: self._accept(listener, lambda client: balancer))
            self._node_ports[protocol, number] = (key, lambda: self._engine.drop(listener), None)
        else:
            door = Door(self._engine, self._gate, listener, balancer, any_address=True)
            self._node_ports[protocol, number] = (key, door.close, door)

    def _close_others(self, goal: Plan) -> None:
        # A door whose row has lost its backends only stays: the kernel leads its old clients there still, and they
        # are served again when backends come back.
        for key in [key for key in self._doors if key not in goal.services]:
            self._doors.pop(key).close()
        for key in [key for key in self._balancers if key not in goal.services]:
            del self._balancers[key]

    def _listen_streams(self) -> socket.socket:
        wish = next((port for target, port in self._before.items() if target[0] == TCP), 0)
        listener = _bind(socket.SOCK_STREAM, self._network.gateway, wish)
        listener.listen(_BACKLOG)
        self._engine.add_first(listener, READ, lambda events: self._accept(listener, self._balancer_of))
        return listener

    def _balancer_of(self, client: socket.SocketType) -> Balancer | None:
        """Whose address the client meant, before the kernel redirected it."""
        try:
            return self._by_target.get(client.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)[2:8])
        except OSError:
            return None  # not redirected at all: somebody knocked at the proxy's own port

    def _accept(self, listener: socket.socket, balancer_of: Callable[[socket.SocketType], Balancer | None]) -> None:
        for _ in range(_ACCEPTS):
            if self._gate.is_full:
                self._gate.tell("the proxy has as many connections as it may: new ones wait in the kernel's backlog")
                self._engine.pause(listener, AGAIN_SECONDS, READ)
                return
            try:
                # What `accept` calls; the rest of that costs more than the call.
                number, peer = listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptors or memory left: later
                self._gate.tell("connections are not accepted for a moment", error=str(error))
                self._engine.pause(listener, AGAIN_SECONDS, READ)
                return
            client = socket.SocketType(socket.AF_INET, _ACCEPTED, socket.IPPROTO_TCP, number)
            client.setblocking(False)
            balancer = balancer_of(client) or Balancer("none")
            self._gate.enter(Stream(self._relay, client, peer[0], balancer))

    def _tick(self) -> None:
        """Once a second: backends that do not answer, UDP clients that are silent, the limit of open files."""
        now = self._engine.loop.time()
        # A quarter is left to the rest of the process, and to pipes that wait to be used again.
        self._gate.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4
        self._relay.sweep(now)
        for door in (*self._doors.values(), *(row[2] for row in self._node_ports.values())):
            if door is not None:
                door.sweep(now)
        self._ticker = self._engine.loop.call_later(min(1.0, IDLE_SECONDS), self._tick)


def _bind(kind: socket.SocketKind, address: str, port: int, *, must: bool = False) -> socket.socket:
    """A non-blocking socket at that port, or at any when it is taken and not a must."""
    protocol = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
    made = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for level, option, value in _INHERITED:
                made.setsockopt(level, option, value)
        try:
            made.bind((address, port))
        except OSError as error:
            if must or error.errno != errno.EADDRINUSE:
                raise
            made.bind((address, 0))
    except BaseException:
        made.close()
        raise
    return made
