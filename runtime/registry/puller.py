"""A reference becomes an image in the node's store.

    endpoints, credentials ──▶ manifest (an index: of it the one for this machine) ──▶ config: is it there already?
        no ──▶ layers side by side into .pull-….partial, an OCI layout ──▶ the store unpacks it ──▶ names

Of one reference there is one pull, however many wait for it; it ends when nobody does any more. What a killed node
leaves is cleared when it starts again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from runtime.archives import choose
from runtime.images import Image, ImageStore
from runtime.layers import Refused
from runtime.references import Reference
from runtime.turns import Turns

from .auth import Denied
from .credentials import Credential, Keyring
from .hosts import Registries
from .http import Unavailable
from .repository import FIRST_PAUSE, Blob, Document, NotThere, Repository

TRANSFERS = 4  # layers at once, of all images together
UNPACKING = 2  # images at once: this is work for a core each
DEEPEST_INDEX = 4
MOST_LAYERS = 512


@dataclass(frozen=True, slots=True)
class Pulled:
    """digest: of what the reference names, by which it can be had again. seconds: how long it took."""

    image: Image
    digest: str
    seconds: float


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[None]
    done: asyncio.Future[Pulled]
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be had from where."""

    repository: Repository
    top: Document
    manifest: Document
    config: Blob
    layers: tuple[Blob, ...]


class Puller:
    """tasks: where pulls run. http: of `http.session`. pause: seconds before the second try of what failed."""

    def __init__(
        self,
        store: ImageStore,
        registries: Registries,
        http: aiohttp.ClientSession,
        tasks: asyncio.TaskGroup,
        *,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self.registries = registries
        self._store = store
        self._http = http
        self._tasks = tasks
        self._pause = pause
        self._running: dict[tuple[Any, ...], _Running] = {}
        self._transfers = asyncio.Semaphore(TRANSFERS)
        self._unpacking = asyncio.Semaphore(UNPACKING)
        self._turns = Turns()

    async def pull(self, reference: Reference, keyring: Keyring) -> Pulled:
        """What the registries have by this reference now; only what the store lacks is transferred.

        Raises Refused with a text that says what to do.
        """
        key = (reference, frozenset(keyring.fingerprints))
        running = self._running.get(key)
        if running is None:
            done: asyncio.Future[Pulled] = asyncio.get_running_loop().create_future()
            task = self._tasks.create_task(self._run(key, reference, keyring, done), name=f"pull:{reference}")
            running = self._running[key] = _Running(task, done)
        running.waiting += 1
        try:
            return await asyncio.shield(running.done)
        finally:
            running.waiting -= 1
            if not running.waiting and not running.done.done():
                running.task.cancel()
                self._running.pop(key, None)

    async def _run(
        self, key: tuple[Any, ...], reference: Reference, keyring: Keyring, done: asyncio.Future[Pulled]
    ) -> None:
        try:
            done.set_result(await self._pull(reference, keyring))
        except OSError as error:
            done.set_exception(Refused(f"{error.filename or self._store.directory}: {error.strerror}"))
        except Exception as error:  # whatever a registry made of us is told to who asked, and ends nothing else
            done.set_exception(error)
        finally:
            if not done.done():
                done.cancel()
            if (mine := self._running.get(key)) is not None and mine.done is done:
                del self._running[key]

    async def _pull(self, reference: Reference, keyring: Keyring) -> Pulled:
        begun = time.monotonic()
        plan = await self._plan(reference, keyring)
        image = await self._image(plan)
        credential = plan.repository.credential
        await asyncio.to_thread(
            self._store.note_pull, reference, image, plan.top.digest, credential.fingerprint if credential else ""
        )
        return Pulled(image, plan.top.digest, time.monotonic() - begun)

    # Whom to ask

    async def _plan(self, reference: Reference, keyring: Keyring) -> _Plan:
        """By the first endpoint that has it. Raises Refused: what each of them said."""
        said: list[str] = []
        endpoints = self.registries.of(reference.host)
        for endpoint in endpoints:
            name = endpoint.repository(reference.repository)
            credentials: list[Credential | None] = [*keyring.of(endpoint.host, name)] or [None]
            for credential in credentials:
                repository = Repository(self._http, endpoint, name, credential, pause=self._pause)
                try:
                    return await self._plan_by(repository, reference)
                except (Denied, NotThere, Unavailable) as error:
                    said.append(await _advice(repository, reference, error))
        raise Refused("; ".join(dict.fromkeys(said)) or f"no registry is configured for {reference.host}")

    async def _plan_by(self, repository: Repository, reference: Reference) -> _Plan:
        top = document = await repository.manifest(reference.wanted)
        for _ in range(DEEPEST_INDEX):
            manifest = _parsed(document.body)
            if "manifests" not in manifest:
                break
            row = choose(manifest["manifests"])
            document = await repository.manifest(Blob.of(row, "a manifest in the index").digest)
        else:
            raise Refused("index within index within index")
        rows = manifest.get("layers")
        if not isinstance(rows, list) or not isinstance(manifest.get("config"), dict):
            raise Refused(
                f"is of a kind that cannot be run ({document.media_type}): build it as an OCI or Docker image"
            )
        if len(rows) > MOST_LAYERS:
            raise Refused(f"has more than {MOST_LAYERS} layers")
        layers = tuple(Blob.of(row, f"layer {number}") for number, row in enumerate(rows))
        return _Plan(repository, top, document, Blob.of(manifest["config"], "the config"), layers)

    # What to fetch

    async def _image(self, plan: _Plan) -> Image:
        async with self._turns.of(plan.config.digest):
            image = await asyncio.to_thread(self._store.by_id, plan.config.digest)
            return image if image is not None else await self._fetch(plan)

    async def _fetch(self, plan: _Plan) -> Image:
        self._store.need_room(sum(layer.size for layer in plan.layers))
        config = await plan.repository.text(plan.config, "the config")
        directory = self._store.begin_transfer()
        try:
            _write_layout(directory, plan, config)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for layer in dict.fromkeys(plan.layers):
                        tasks.create_task(self._layer(plan.repository, layer, directory), name=f"layer:{layer.digest}")
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
            async with self._unpacking:
                return await asyncio.to_thread(self._store.oci, directory)
        finally:
            await asyncio.to_thread(self._store.end_transfer, directory)

    async def _layer(self, repository: Repository, layer: Blob, directory: Path) -> None:
        async with self._transfers:
            await repository.blob(layer, _place(directory, layer.digest))


def _write_layout(directory: Path, plan: _Plan, config: bytes) -> None:
    """What `ImageStore.oci` reads; the layers come beside it."""
    for digest, body in ((plan.manifest.digest, plan.manifest.body), (plan.config.digest, config)):
        _place(directory, digest).parent.mkdir(parents=True, exist_ok=True)
        _place(directory, digest).write_bytes(body)
    for layer in plan.layers:
        _place(directory, layer.digest).parent.mkdir(parents=True, exist_ok=True)
    (directory / "index.json").write_text(json.dumps({"manifests": [{"digest": plan.manifest.digest}]}))


def _place(directory: Path, digest: str) -> Path:
    return directory / "blobs" / digest.replace(":", "/")


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused("the manifest is no JSON object")
    return found


async def _advice(repository: Repository, reference: Reference, error: Refused) -> str:
    """What the registry said, and what one may do."""
    if isinstance(error, NotThere):
        tags = await repository.tags()
        if not tags:
            return f"{error}: it has no {repository.name}:{reference.wanted}; check the name, or push the image there"
        shown = ", ".join(sorted(tags)[:8]) + (", …" if len(tags) > 8 else "")
        return f"{error}: it has no {repository.name}:{reference.wanted}; the tags there are {shown}"
    if isinstance(error, Denied):
        who = repository.credential.username if repository.credential is not None else ""
        help_ = (
            f"the credentials of {who or 'the token'} do not do: check the Secret in imagePullSecrets"
            if repository.credential is not None
            else "give the pod or its ServiceAccount imagePullSecrets with credentials for this host"
        )
        return f"{repository.endpoint.host} does not let in: {error}; {help_}"
    return str(error)
