"""Clients of the API that write, read and watch over https, and record what they asked and what they were told."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

from procorch.client import Client, Unreachable
from procorch.clock import micro_timestamp
from procorch.kinds import KINDS
from procorch.objects import ApiError, NotFound, Timeout
from tests.faults.history import OK, REFUSED, UNKNOWN, Held, Operation, Put, Segment, Stream, Told
from tests.faults.master import Master, token_of
from tests.faults.records import last_seen

MAPS, LEASES = KINDS["ConfigMap"], KINDS["Lease"]
NAMESPACES = ("default", "kube-public")
NAMES = [f"faults-{number}" for number in range(8)]
INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Refusal:
    """A write that was answered with an error other than that it came too late. at, took: seconds."""

    at: float
    took: float
    kind: str
    code: int
    message: str


@dataclass
class Recorder:
    """What all clients did and saw."""

    operations: list[Operation] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class Load:
    """Some clients of one master. `run` goes on until it is cancelled; `finish` ends the watches that are complete."""

    def __init__(self, master: Master, draw: random.Random) -> None:
        self.master, self.draw = master, draw
        self.recorder = Recorder()
        self.sentinel = 0  # a revision that every watch must reach
        self._number = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(self._write(f"writer-{number}"), name="writer")
            for number in range(2):
                tasks.create_task(self._read(f"reader-{number}"), name="reader")
            tasks.create_task(self._beat("node"), name="beat")
            tasks.create_task(self._expose("services"), name="services")

    async def end(self) -> None:
        """What every watch must come to; the second write wakes those up that had the first before we knew it."""
        client = self.master.client()
        for name in ("end", "after-the-end"):
            metadata = {"name": name, "namespace": "default"}
            made = await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
            self.sentinel = self.sentinel or int(made["metadata"]["resourceVersion"])
        await client.transport.close()

    async def watch(self, stream: Stream, *, bookmarks: bool = True, initial: bool = False) -> None:
        """Follows until the sentinel is reached. initial: begins with sendInitialEvents instead of a list."""
        self.recorder.streams.append(stream)
        client = self.master.client()
        try:
            while not self.sentinel or (last_seen(stream) or 0) < self.sentinel:
                await self.master.up.wait()
                try:
                    await self._connection(client, stream, bookmarks, initial)
                except Unreachable:
                    await asyncio.sleep(0.005)
        finally:
            await client.transport.close()

    async def _connection(self, client: Client, stream: Stream, bookmarks: bool, initial: bool) -> None:
        namespace, name = _place(stream)
        query = {}
        seen = last_seen(stream)
        if seen is None and initial:
            query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        elif seen is None:
            seen = await self._list_for(client, stream)
        kind = LEASES if stream.prefix.startswith(LEASES.store_key()) else MAPS
        present: dict[str, Held] = {}
        if seen is not None and stream.segments and (stream.segments[-1].lists or stream.segments[-1].listed is None):
            stream.segments.append(Segment(self.master.life, seen))
        async for type_, obj in client.watch(
            kind,
            namespace,
            resource_version="" if seen is None else str(seen),
            label_selector=f"color={stream.label}" if stream.label else "",
            field_selector=f"metadata.name={name}" if name else "",
            bookmarks=bookmarks or initial,
            query=query,
        ):
            revision = int(obj["metadata"]["resourceVersion"])
            if seen is None:  # the present state is told first, up to a bookmark of its own
                if type_ == "BOOKMARK" and INITIAL_END in obj["metadata"].get("annotations", {}):
                    seen = revision
                    stream.segments.append(Segment(self.master.life, seen, listed=present))
                else:
                    present[_key(kind, obj)] = _held(obj)
                continue
            gone = type_ == "DELETED"
            told = (
                Told(type_, revision)
                if type_ == "BOOKMARK"
                else Told(type_, revision, _key(kind, obj), None if gone else token_of(obj, revision))
            )
            stream.segments[-1].lists.append([told])
            if self.sentinel and revision >= self.sentinel:
                return

    async def _list_for(self, client: Client, stream: Stream) -> int:
        """A list from which a watch begins; raises Unreachable."""
        namespace, name = _place(stream)
        kind = LEASES if stream.prefix.startswith(LEASES.store_key()) else MAPS
        found = await client.items(
            kind,
            namespace,
            label_selector=f"color={stream.label}" if stream.label else "",
            field_selector=f"metadata.name={name}" if name else "",
        )
        held = {_key(kind, obj): _held(obj) for obj in found.objects}
        stream.segments.append(Segment(self.master.life, int(found.resource_version), listed=held))
        return int(found.resource_version)

    # --- writers

    async def _write(self, name: str) -> None:
        client = self.master.client()
        try:
            while True:
                await self.master.up.wait()
                namespace, key = self.draw.choice(NAMESPACES), self.draw.choice(NAMES)
                await self._change(client, name, namespace, key)
        finally:
            await client.transport.close()

    async def _change(self, client: Client, name: str, namespace: str, key: str) -> None:
        try:
            old = await client.get(MAPS, f"{namespace}/{key}")
        except NotFound:
            old = None
        except Unreachable:
            return
        row = MAPS.store_key(namespace, key)
        token, color = self._token(name), self.draw.choice(("red", "blue"))
        new = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key, "namespace": namespace, "labels": {"color": color}},
            "data": {"token": token, "pad": "x" * self.draw.randrange(3000)},
        }
        if old is None:
            await self._do(name, "append", Put(row, token, 0), client.create(new))
            return
        version = old["metadata"]["resourceVersion"]
        what = self.draw.random()
        if what < 0.2:
            put = Put(row, None, int(version))
            await self._do(name, "append", put, client.delete(MAPS, f"{namespace}/{key}", resource_version=version))
        elif what < 0.7:
            new["metadata"]["resourceVersion"] = version
            await self._do(name, "append", Put(row, token, int(version)), client.update(new))
        else:
            patch = {"data": {"token": token}, "metadata": {"labels": {"color": color}}}
            await self._do(name, "append", Put(row, token), client.patch(MAPS, f"{namespace}/{key}", patch))

    async def _beat(self, name: str) -> None:
        """A node's Lease, renewed on and on; only the first write of it is for good."""
        client = self.master.client()
        row = LEASES.store_key("kube-node-lease", name)
        lease: dict[str, Any] | None = None
        try:
            while True:
                await self.master.up.wait()
                self._number += 1
                renewed = micro_timestamp(1767225600 + self._number / 1000)
                try:
                    lease = lease or await client.get(LEASES, f"kube-node-lease/{name}")
                except (Unreachable, NotFound):
                    lease = None
                new = {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name, "namespace": "kube-node-lease"},
                    "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed},
                }
                if lease is None:
                    lease = await self._do(name, "append", Put(row, renewed, 0), client.create(new))
                    continue
                new["metadata"]["resourceVersion"] = lease["metadata"]["resourceVersion"]
                put = Put(row, renewed, int(lease["metadata"]["resourceVersion"]))
                lease = await self._do(name, "note", put, client.update(new))
                await asyncio.sleep(0.002)
        finally:
            await client.transport.close()

    async def _expose(self, name: str) -> None:
        """Services with a port of their own: each write is three rows, the Service and what it claims."""
        client = self.master.client()
        number = 0
        try:
            while True:
                await self.master.up.wait()
                number += 1
                service = {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": f"s{number}", "namespace": "default"},
                    "spec": {"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}},
                }
                invoked = time.monotonic_ns()
                try:
                    await client.create(service)
                    if number > 5:
                        await client.delete("Service", f"default/s{number - 5}")
                except Unreachable:
                    pass
                except ApiError as error:
                    self._refused(invoked, "append", error)
                await asyncio.sleep(0.005)
        finally:
            await client.transport.close()

    async def _do(self, client: str, kind: str, put: Put, call: Any) -> dict[str, Any] | None:
        """Carries one write out and records it; the object as it stands then, if it was answered."""
        life, invoked = self.master.life, time.monotonic_ns()
        outcome, revisions, answer = UNKNOWN, (), None
        try:
            answer = await call
            outcome = OK
            if put.token is not None:
                revisions = (int(answer["metadata"]["resourceVersion"]),)
        except Unreachable:
            pass
        except ApiError as error:
            outcome = UNKNOWN if isinstance(error, Timeout) else REFUSED
            self._refused(invoked, kind, error)
        responded = None if outcome == UNKNOWN else time.monotonic_ns()
        self.recorder.operations.append(Operation(life, client, kind, invoked, responded, outcome, (put,), revisions))
        return answer

    def _refused(self, invoked: int, kind: str, error: ApiError) -> None:
        if error.code not in (404, 409):
            now = time.monotonic()
            self.recorder.refusals.append(Refusal(now, now - invoked / 1e9, kind, error.code, error.message))

    # --- readers

    async def _read(self, name: str) -> None:
        client = self.master.client()
        newest = 0
        try:
            while True:
                await self.master.up.wait()
                life, invoked = self.master.life, time.monotonic_ns()
                try:
                    if self.draw.random() < 0.5:
                        operation = await self._get(client, life, name, invoked)
                    else:
                        past = newest if newest and self.draw.random() < 0.3 else 0
                        operation = await self._items(client, life, name, invoked, past)
                        newest = max(newest, operation.as_of)
                    self.recorder.operations.append(operation)
                except Unreachable:
                    pass
                await asyncio.sleep(0.002)
        finally:
            await client.transport.close()

    async def _get(self, client: Client, life: int, name: str, invoked: int) -> Operation:
        namespace, key = self.draw.choice(NAMESPACES), self.draw.choice(NAMES)
        row, found = MAPS.store_key(namespace, key), {}
        try:
            obj = await client.get(MAPS, f"{namespace}/{key}")
            found = {row: _held(obj)}
        except NotFound:
            pass
        return Operation(life, name, "get", invoked, time.monotonic_ns(), OK, asked=row, found=found)

    async def _items(self, client: Client, life: int, name: str, invoked: int, past: int) -> Operation:
        namespace = self.draw.choice(NAMESPACES)
        query = {"resourceVersion": str(past), "resourceVersionMatch": "Exact"} if past else {}
        found = await client.items(MAPS, namespace, query=query)
        held = {_key(MAPS, obj): _held(obj) for obj in found.objects}
        asked = MAPS.store_key(namespace)
        as_of = int(found.resource_version)
        return Operation(
            life, name, "items", invoked, time.monotonic_ns(), OK, asked=asked, as_of=as_of, past=bool(past), found=held
        )

    def _token(self, client: str) -> str:
        self._number += 1
        return f"{client}.{self._number}"


def _held(obj: dict[str, Any]) -> Held:
    revision = int(obj["metadata"]["resourceVersion"])
    return Held(revision, token_of(obj, revision))


def _key(kind: Any, obj: dict[str, Any]) -> str:
    return str(kind.store_key(obj["metadata"].get("namespace"), obj["metadata"]["name"]))


def _place(stream: Stream) -> tuple[str | None, str]:
    """The namespace and the name that a stream's prefix stands for."""
    rest = stream.prefix.removeprefix(MAPS.store_key()).removeprefix(LEASES.store_key())
    namespace, _, name = rest.partition("/")
    return namespace or None, name if stream.exact else ""
