"""ConfigMaps, Secrets and tokens that this node's pods refer to: each object is watched while a pod needs it.

A node may read only what its pods name, so there is one informer an object and not one a kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from procorch.client import Client, Unreachable
from procorch.clock import Clock, parse_timestamp
from procorch.informer import Informer
from procorch.kubelet.environment import Facts
from procorch.objects import NotFound, Object, get

WAIT_SECONDS = 5.0
_Name = tuple[str, str, str]


@dataclass(slots=True)
class _Watched:
    informer: Informer
    task: asyncio.Task[None]
    users: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Token:
    text: str
    renew: float


class Sources:
    """tasks: where the informers run. changed: told the uid of each pod that uses an object which changed."""

    def __init__(self, client: Client, clock: Clock, tasks: asyncio.TaskGroup, changed: Callable[[str], None]) -> None:
        self.client = client
        self.clock = clock
        self._tasks = tasks
        self._changed = changed
        self._watched: dict[_Name, _Watched] = {}
        self._tokens: dict[tuple[str, str, int], _Token] = {}

    def of(self, pod: Object, facts: Facts) -> PodSource:
        """What one pod's volumes and environment read from."""
        return PodSource(self, pod["metadata"]["uid"], facts)

    async def find(self, uid: str, kind: str, namespace: str, name: str) -> Object:
        """The object as it stands. Raises NotFound, Unreachable where the API has not answered yet."""
        watched = self._watch((kind, namespace, name))
        watched.users.add(uid)
        if not watched.informer.has_synced:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await watched.informer.synced()
            except TimeoutError:
                raise Unreachable(f'{kind.lower()} "{name}": the API does not answer') from None
        obj: Object | None = watched.informer.lister.get(f"{namespace}/{name}")
        if obj is None:
            raise NotFound.of(watched.informer.kind.plural, name)
        return obj

    async def token(self, pod: Object, audience: str, seconds: int) -> tuple[str, float]:
        """A token of the pod's ServiceAccount, bound to the pod, renewed when a fifth of its life is left.

        Raises ApiError, Unreachable. Source: Kubernetes' TokenRequest and its token manager.
        """
        metadata = pod["metadata"]
        key = (metadata["uid"], audience, seconds)
        known = self._tokens.get(key)
        now = self.clock()
        if known is not None and now < known.renew:
            return known.text, known.renew
        account = get(pod, ".spec.serviceAccountName", "default")
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{quote(account)}/token"
        bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
        spec = {"expirationSeconds": seconds, "boundObjectRef": bound, "audiences": [audience] if audience else []}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = orjson.loads((await self.client.raw("POST", path, body=orjson.dumps(request))).body)
        expires = parse_timestamp(answer["status"]["expirationTimestamp"])
        made = self._tokens[key] = _Token(answer["status"]["token"], now + (expires - now) * 0.8)
        return made.text, made.renew

    def release(self, uid: str) -> None:
        """The pod is gone: what only it used is watched no longer."""
        for name, watched in list(self._watched.items()):
            watched.users.discard(uid)
            if not watched.users:
                del self._watched[name]
                watched.informer.close()
                watched.task.cancel()
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    def close(self) -> None:
        for watched in self._watched.values():
            watched.informer.close()
            watched.task.cancel()
        self._watched.clear()

    def _watch(self, name: _Name) -> _Watched:
        if name not in self._watched:
            kind, namespace, object_name = name
            informer = Informer(self.client, kind, namespace, field_selector=f"metadata.name={object_name}")
            task = self._tasks.create_task(informer.run(), name=f"source:{kind}:{namespace}/{object_name}")
            watched = self._watched[name] = _Watched(informer, task)
            informer.add_handler(lambda type_, old, new: self._tell(watched))
        return self._watched[name]

    def _tell(self, watched: _Watched) -> None:
        for uid in tuple(watched.users):
            self._changed(uid)


@dataclass(frozen=True, slots=True)
class PodSource:
    """volumes.Source for one pod."""

    sources: Sources
    uid: str
    facts: Facts

    async def find(self, kind: str, namespace: str, name: str) -> Object:
        return await self.sources.find(self.uid, kind, namespace, name)

    async def token(self, pod: Object, audience: str, seconds: int) -> tuple[str, float]:
        return await self.sources.token(pod, audience, seconds)
