"""exec, attach and port-forward on the node's link, under the kubelet API's paths.

    /exec/{namespace}/{pod}/{container}?command=…&stdin=&stdout=&stderr=&tty=       frames (procorch.remotecommand)
    /attach/{namespace}/{pod}/{container}?stdin=&stdout=&stderr=&tty=               the same
    /portForward/{namespace}/{pod}?port=…                                           the connection's bytes
    /dial?address=…&port=…                                                          the same, to a pod's address

A command ends with the stream of the one who asked for it; a process that was attached to goes on. Whoever is attached
to an input that stays open (no `stdinOnce`) is let go when he has no more to say, as by containerd.
Source: k8s.io/kubelet pkg/cri/streaming, and pkg/kubelet (GetExec, GetAttach, GetPortForward) for the words.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import orjson
from multidict import MultiMapping

from procorch import remotecommand
from procorch.kinds.fields import rows
from procorch.kubelet import inside
from procorch.kubelet.dial import reply
from procorch.kubelet.record import PodRecord, process_name
from procorch.link import Stream
from procorch.objects import Object
from procorch.remotecommand import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, Frames, Wanted
from runtime import ProcessSpec, Ran, Runtime, RuntimeFailed, Sandbox
from runtime.sessions import Reading, Session

LINGER = 0.5  # seconds for what a command wrote last, when something that it started holds its output open
DIAL_SECONDS = 30.0
_PIECE = 32 * 1024


class Refused(Exception):
    """Nothing begins. status: as in HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ContainerStreams:
    """find: a pod and its record by namespace/name, None for one that is not here."""

    def __init__(
        self, runtime: Runtime, find: Callable[[str], tuple[Object, PodRecord] | None], node_name: str
    ) -> None:
        self._runtime = runtime
        self._find = find
        self._node_name = node_name

    async def exec(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """Runs a command in a container that runs."""
        wanted = Wanted.of(query)

        async def begin() -> Session:
            _, sandbox, attempt, launch = self._container(steps)
            command = tuple(query.getall("command", []))
            if not command:
                raise Refused(400, "you must specify at least one command for the container")
            return await sandbox.open(attempt, replace(launch, argv=command, stdin=wanted.stdin, tty=wanted.tty))

        await self._serve(stream, wanted, begin, _exec)

    async def attach(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """What a container's program writes from now on, and its input."""
        wanted = Wanted.of(query)

        async def begin() -> Session:
            _, sandbox, attempt, launch = self._container(steps)
            return await sandbox.attach_to(attempt, tty=launch.tty)

        async def follow(session: Session, frames: Frames, wanted: Wanted) -> None:
            pod, sandbox, attempt, launch = self._container(steps)
            once = any(one.get("stdinOnce") for one in _containers(pod) if one["name"] == steps[2])
            input_ended = partial(sandbox.close_input, attempt) if once and not launch.tty else None
            await _attach(session, frames, wanted, input_ended)

        await self._serve(stream, wanted, begin, follow)

    async def port_forward(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """One connection to a port of the pod's own loopback."""
        try:
            port = int(query.get("port") or 0)
            if not 0 < port < 65536:
                raise Refused(400, f"port: {query.get('port')}: must be between 1 and 65535")
            connected = await _connect(self._sandbox(steps), port)
        except Refused as error:
            await _refuse(stream, error)
            return
        except (OSError, ValueError) as error:
            await _refuse(stream, Refused(502, f"failed to connect to localhost:{query.get('port')}: {_words(error)}"))
            return
        await stream.respond({"status": 200})
        await _join(connected, stream)

    async def dial(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """One connection to an address that this node can reach: a pod's, for what masters proxy."""
        address, port = query.get("address", ""), query.get("port", "")
        try:
            connected = await asyncio.wait_for(inside.connect_outside(address, int(port)), DIAL_SECONDS)
        except TimeoutError:
            await _refuse(stream, Refused(504, f"dial tcp {address}:{port}: i/o timeout"))
            return
        except (OSError, ValueError) as error:
            await _refuse(stream, Refused(502, f"dial tcp {address}:{port}: connect: {_words(error)}"))
            return
        await stream.respond({"status": 200})
        await _join(connected, stream)

    async def _serve(
        self,
        stream: Stream,
        wanted: Wanted,
        begin: Callable[[], Awaitable[Session]],
        follow: Callable[[Session, Frames, Wanted], Awaitable[None]],
    ) -> None:
        try:
            session = await begin()
        except Refused as error:
            await _refuse(stream, error)
            return
        except RuntimeFailed as error:
            await _refuse(stream, Refused(500, f"error executing command in container: {error}"))
            return
        try:
            await stream.respond({"status": 200})
            await follow(session, Frames(stream), wanted)
        finally:
            session.close()

    def _pod(self, steps: list[str]) -> tuple[Object, PodRecord]:
        found = self._find("/".join(steps[:2]))
        if found is None:
            raise Refused(404, f'pod "{steps[1]}" not found on node {self._node_name}')
        return found

    def _sandbox(self, steps: list[str]) -> Sandbox:
        if len(steps) != 2:
            raise Refused(404, "a pod is named by its namespace and name")
        _, record = self._pod(steps)
        sandbox = self._runtime.sandboxes.get(record.sandbox)
        if sandbox is None or not sandbox.alive:
            raise Refused(500, f'pod "{steps[1]}" has no sandbox: it is not running')
        return sandbox

    def _container(self, steps: list[str]) -> tuple[Object, Sandbox, str, ProcessSpec]:
        """Its pod, its sandbox, its process's name and how it was started."""
        if len(steps) != 3:
            raise Refused(404, "a container is named by its namespace, pod and name")
        pod, record = self._pod(steps)
        one = record.containers.get(steps[2])
        if one is None or one.current is None or one.launch is None:
            raise Refused(404, f'container not found ("{steps[2]}")')
        sandbox = self._runtime.sandboxes.get(one.current.sandbox)
        name = process_name(steps[2], one.current.number)
        state = None if sandbox is None else sandbox.processes().get(name)
        if sandbox is None or state is None or not state.running:
            raise Refused(500, f'container "{steps[2]}" in pod "{steps[1]}" is not running')
        return pod, sandbox, name, one.launch


def _containers(pod: Object) -> list[Object]:
    fields = ("containers", "initContainers", "ephemeralContainers")
    return [one for field in fields for one in rows(pod["spec"].get(field))]


async def _exec(session: Session, frames: Frames, wanted: Wanted) -> None:
    async with asyncio.TaskGroup() as tasks:
        inward = tasks.create_task(_inward(session, frames, None), name="exec:in")
        outward = _outward(session, frames, wanted, tasks)
        try:
            ran = await session.ended()
        except RuntimeFailed as error:
            ran = Ran(137, error=str(error))
        # All of the output is there once nobody holds it open; a program left behind may hold it for ever.
        await asyncio.wait(outward, timeout=LINGER)
        for task in (inward, *outward):
            task.cancel()
    if ran.error:
        status = remotecommand.failed(f"error executing command in container: {ran.error}")
    else:
        status = remotecommand.exited(ran.exit_code) if ran.exit_code else remotecommand.success()
    await frames.write(ERROR, status)


async def _attach(
    session: Session, frames: Frames, wanted: Wanted, input_ended: Callable[[], Awaitable[None]] | None
) -> None:
    """input_ended: None where the program's input stays open."""
    async with asyncio.TaskGroup() as tasks:
        outward = _outward(session, frames, wanted, tasks)

        async def leave() -> None:
            for task in outward:
                task.cancel()

        inward = tasks.create_task(_inward(session, frames, input_ended or leave), name="attach:in")
        await asyncio.wait(outward)
        inward.cancel()
    await frames.write(ERROR, remotecommand.success())


def _outward(session: Session, frames: Frames, wanted: Wanted, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    sources = ((session.stdout, STDOUT, wanted.stdout), (session.stderr, STDERR, wanted.stderr))
    return [
        tasks.create_task(_copy(source, frames, channel if asked else None), name=f"streams:{channel}")
        for source, channel, asked in sources
        if source is not None
    ]


async def _copy(source: Reading, frames: Frames, channel: int | None) -> None:
    """What nobody asked for is read all the same: the program must not wait for it."""
    while data := await source.read():
        if channel is not None:
            await frames.write(channel, data)


async def _inward(session: Session, frames: Frames, input_ended: Callable[[], Awaitable[None]] | None) -> None:
    """The client's frames, for as long as there are any."""
    while (frame := await frames.read()) is not None:
        channel, data = frame
        if channel == STDIN and session.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # the program reads no more: its end is told by the other way
                await session.stdin.write(data)
        elif channel == RESIZE:
            with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                size = orjson.loads(data)
                session.resize(int(size["Width"]), int(size["Height"]))
        elif channel == CLOSE and data == bytes([STDIN]) and session.stdin is not None:
            if not session.tty:
                session.stdin.close()
            if input_ended is not None:
                with contextlib.suppress(RuntimeFailed):
                    await input_ended()


async def _connect(sandbox: Sandbox, port: int) -> socket.socket:
    """To the pod's own 127.0.0.1, else its ::1."""
    try:
        return await inside.connect(sandbox, "127.0.0.1", port)
    except OSError as failure:
        try:
            return await inside.connect(sandbox, "::1", port)
        except OSError:
            raise failure from None


def _words(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error)


async def _join(connected: socket.socket, stream: Stream) -> None:
    """Bytes both ways; an end that is half closed is passed on."""
    loop = asyncio.get_running_loop()

    async def outward() -> None:
        while data := await loop.sock_recv(connected, _PIECE):
            await stream.write(data)
        await stream.end()

    async def inward() -> None:
        while data := await stream.read():
            await loop.sock_sendall(connected, data)
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_WR)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(outward(), name="forward:out")
            tasks.create_task(inward(), name="forward:in")
    except* OSError as failures:
        await stream.reset(str(failures.exceptions[0]))
    finally:
        connected.close()


async def _refuse(stream: Stream, error: Refused) -> None:
    await reply(stream, error.status, str(error))
