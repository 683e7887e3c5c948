"""What the kubelet says of itself to those who ask the node through the API: /healthz and /pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson
from multidict import MultiMapping

from procorch.kubelet.dial import reply
from procorch.link import Stream
from procorch.objects import Object


class Pages:
    """pods: those of this node, as they are known here."""

    def __init__(self, pods: Callable[[], Iterable[Object]]) -> None:
        self._pods = pods

    async def healthz(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """That it answers is the answer: a node that does not is found out by its Lease."""
        await reply(stream, 200, b"ok", "text/plain; charset=utf-8")

    async def pods(self, steps: list[str], query: MultiMapping[str], stream: Stream) -> None:
        """A PodList, also while the masters are away."""
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(self._pods())}
        await reply(stream, 200, orjson.dumps(body), "application/json")
