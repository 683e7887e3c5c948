"""A store, a hostile registry, and a puller that asks it without long pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from runtime.images import ImageStore
from runtime.registry import http
from runtime.registry.hosts import Registries
from runtime.registry.puller import Puller
from tests.runtime.registry.servers import Hostile, hostile_registry

PAUSE = 0.01


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with hostile_registry() as registry:
        yield registry


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http.session() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
async def puller_of(store: ImageStore, session: aiohttp.ClientSession) -> AsyncIterator[Callable[..., Puller]]:
    async with asyncio.TaskGroup() as tasks:
        yield lambda *words: Puller(store, Registries(words), session, tasks, pause=PAUSE)
