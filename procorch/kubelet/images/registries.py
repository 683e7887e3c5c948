"""What a node is told of registries, and its images with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from procorch.kubelet.images.pull_secrets import node_keyring
from procorch.kubelet.images.resolver import Images
from runtime.images import ImageStore
from runtime.layers import Refused
from runtime.registry import http
from runtime.registry.hosts import Registries
from runtime.registry.puller import Puller


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """words: whom to ask for which names, as runtime.registry.hosts has it; empty for nobody.

    ca: PEM of authorities to trust besides the system's. auth: a config.json with credentials for all pods.
    """

    words: tuple[str, ...] = ()
    ca: Path | None = None
    auth: Path | None = None


@asynccontextmanager
async def open_images(store: ImageStore, config: RegistryConfig, tasks: asyncio.TaskGroup) -> AsyncIterator[Images]:
    """tasks: where pulls run. What an earlier agent left half done is cleared. Raises Refused with what is wrong."""
    await asyncio.to_thread(store.clear)
    if not config.words:
        yield Images(store)
        return
    try:
        registries = Registries(config.words)
        node_keyring(config.auth)
        session = http.session(config.ca)
    except ValueError as error:
        raise Refused(str(error)) from None
    except OSError as error:  # ssl's errors are such, too
        raise Refused(f"{error.filename or config.ca}: {error.strerror or error}") from None
    async with session:
        yield Images(store, Puller(store, registries, session, tasks), lambda: node_keyring(config.auth))
