"""One informer a kind, whoever asks for it."""

from __future__ import annotations

import asyncio

from procorch.client import Client
from procorch.informers import Informers
from tests.procorch.test_informer import Scripted, pod


async def test_informers_are_shared_and_end_together() -> None:
    client = Client(Scripted([(5, [pod("a", 3)])], []))
    informers = Informers(client)
    assert informers.of("Pod") is informers.of("Pod")
    async with asyncio.timeout(5), informers.running():
        assert list(informers["Pod"]) == ["d/a"]
    assert client.on_write == []
