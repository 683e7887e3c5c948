"""What a node says of itself."""

from __future__ import annotations

import json
from typing import Any

from multidict import MultiDict

from procorch.kubelet.pages import Pages


class Stream:
    """What was answered."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.body = b""

    async def respond(self, head: dict[str, Any]) -> None:
        self.head = head

    async def write(self, data: bytes) -> None:
        self.body += data


async def test_it_answers_that_it_is_well():
    stream = Stream()
    await Pages(list).healthz([], MultiDict(), stream)  # type: ignore[arg-type]
    assert (stream.head["status"], stream.body) == (200, b"ok")


async def test_its_pods_are_a_list():
    stream, pods = Stream(), [{"metadata": {"name": "a"}}]
    await Pages(lambda: pods).pods([], MultiDict(), stream)  # type: ignore[arg-type]
    assert stream.head["headers"]["Content-Type"] == "application/json"
    assert json.loads(stream.body) == {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}
