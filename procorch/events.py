"""Recording Events: what happened to an object, counted rather than repeated.

Recording never waits and never fails the caller: events go through a queue that its own task writes, and what is too
much is dropped. As in client-go (tools/record): the same event again only counts up; more than ten that differ in
their message alone within ten minutes become one; one source may write 25 about an object at once and then one every
five minutes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procorch.client import Client, Unreachable
from procorch.clock import Clock, timestamp
from procorch.objects import AlreadyExists, ApiError, NotFound, Object, split_key

logger = logging.getLogger(__name__)

MOST_KNOWN = 4096
MOST_WAITING = 1000
SIMILAR = 10
SIMILAR_SECONDS = 600.0
BURST = 25
REFILL_SECONDS = 300.0
_IDENTITY = ("kind", "apiVersion", "namespace", "name", "uid", "fieldPath")  # whatever the object's resourceVersion


@dataclass(slots=True)
class _Known:
    """An event as it stands: `count` as recorded, `written` as last sent; name is empty until it exists."""

    body: Object
    count: int = 0
    written: int = 0
    last: float = 0.0
    key: str = ""


@dataclass(slots=True)
class _Similar:
    """Messages seen lately for one object and reason."""

    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float = float(BURST)
    last: float = 0.0


class EventRecorder:
    """Records as one component (`kubelet` on a host, `default-scheduler` …). Run `run()` as a task."""

    def __init__(self, client: Client, component: str, clock: Clock, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock
        self._known: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._waiting: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._wake = asyncio.Event()
        self._number = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def event(
        self, obj: Mapping[str, Any], type_: str, reason: str, message: str, *, field_path: str = "", action: str = ""
    ) -> None:
        """type_: Normal or Warning. field_path: the part of the object that it is about (`spec.containers{web}`)."""
        now = self._clock()
        about = reference_to(obj, field_path)
        if not self._may(about, now):
            return
        message = message[:1024]
        kind = (*(str(about.get(name, "")) for name in _IDENTITY), type_, reason)
        if self._is_too_similar(kind, message, now):
            message = f"(combined from similar events): {message}"
            key: tuple[str, ...] = kind
        else:
            key = (*kind, message)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(self._body(about, type_, reason, message, action, now))
            _trim(self._known, MOST_KNOWN)
        self._known.move_to_end(key)
        known.count += 1
        known.last = now
        known.body["message"] = message
        if key in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[key] = None
            self._idle.clear()
            self._wake.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            while self._waiting:
                key, _ = self._waiting.popitem(last=False)
                known = self._known.get(key)
                if known is not None:
                    await self._write(known)
            self._idle.set()
            self._wake.clear()
            await self._wake.wait()

    async def flushed(self) -> None:
        """Returns when nothing waits to be written (at the end of a program, in a test)."""
        await self._idle.wait()

    async def _write(self, known: _Known) -> None:
        count = known.count
        if count == known.written:
            return
        try:
            if known.key and await self._counted(known, count):
                return
            count = known.count
            body = {**known.body, "count": count, "lastTimestamp": timestamp(known.last)}
            known.key = await self._create(body)
            known.written = count
        except (ApiError, Unreachable) as error:
            # Like client-go: an event that the API refuses (its namespace is ending, say) is given up.
            logger.info("event lost", extra={"event": known.body["message"], "error": str(error)})

    async def _create(self, body: Object) -> str:
        """Names it by the object and the time, as client-go does; another recorder may have had the same moment."""
        while True:
            self._number = max(int(self._clock() * 1e9), self._number + 1)
            name = f"{body['involvedObject']['name']}.{self._number:x}"
            body["metadata"] = {**body["metadata"], "name": name}
            try:
                await self._client.create(body)
            except AlreadyExists:
                continue
            return f"{body['metadata']['namespace']}/{name}"

    async def _counted(self, known: _Known, count: int) -> bool:
        """Counts up the Event that exists; False where it has expired meanwhile."""
        patch = {"count": count, "lastTimestamp": timestamp(known.last), "message": known.body["message"]}
        try:
            await self._client.patch("Event", known.key, patch)
        except NotFound:
            known.key = ""
            known.count -= known.written
            known.body["firstTimestamp"] = timestamp(known.last)
            return False
        known.written = count
        return True

    def _body(self, about: Object, type_: str, reason: str, message: str, action: str, now: float) -> Object:
        source = {"component": self._component} | ({"host": self._host} if self._host else {})
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": about.get("namespace") or "default"},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": timestamp(now),
            "type": type_,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        } | ({"action": action} if action else {})

    def _may(self, about: Object, now: float) -> bool:
        key = "/".join(str(about.get(name, "")) for name in ("kind", "namespace", "name", "uid"))
        bucket = self._buckets.setdefault(key, _Bucket(last=now))
        self._buckets.move_to_end(key)
        _trim(self._buckets, MOST_KNOWN)
        bucket.tokens = min(float(BURST), bucket.tokens + (now - bucket.last) / REFILL_SECONDS)
        bucket.last = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _is_too_similar(self, kind: tuple[str, ...], message: str, now: float) -> bool:
        similar = self._similar.setdefault(kind, _Similar())
        self._similar.move_to_end(kind)
        _trim(self._similar, MOST_KNOWN)
        if now - similar.last > SIMILAR_SECONDS:
            similar.messages.clear()
        similar.last = now
        if len(similar.messages) < SIMILAR or message in similar.messages:
            similar.messages.add(message)
            return False
        return True


def reference_to(obj: Mapping[str, Any], field_path: str = "") -> Object:
    """An ObjectReference to the object; to a reference itself, the same."""
    metadata = obj.get("metadata")
    if metadata is None:
        return dict(obj)
    names = ("namespace", "name", "uid", "resourceVersion")
    about: Object = {"kind": obj["kind"], "apiVersion": obj["apiVersion"]}
    about |= {name: metadata[name] for name in names if metadata.get(name)}
    if field_path:
        about["fieldPath"] = field_path
    return about


def node_reference(name: str) -> Object:
    """How Kubernetes refers to a node in events that may come before the Node object: its name is its uid."""
    return {"kind": "Node", "name": name, "uid": name}


def key_reference(kind: str, api_version: str, key: str, uid: str = "") -> Object:
    """A reference to an object of which only the key is known."""
    namespace, name = split_key(key)
    about: Object = {"kind": kind, "apiVersion": api_version, "name": name}
    return about | ({"namespace": namespace} if namespace else {}) | ({"uid": uid} if uid else {})


def _trim(table: OrderedDict[Any, Any], most: int) -> None:
    while len(table) > most:
        table.popitem(last=False)
