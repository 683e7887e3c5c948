"""How long a request may take: what its client says in `?timeout=`, of all but those that last.

Source of rules and words: apiserver pkg/endpoints/filters/request_deadline.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from procorch.durations import duration_nanos
from procorch.objects import Timeout

T = TypeVar("T")

LONGEST = 60.0  # seconds: who asks for more gets so many, as where kube-apiserver is not told otherwise


def seconds_of(query: Mapping[str, str]) -> float | None:
    """None for no limit: a time that is none or negative is the server's choice. What is no time options.py refuses."""
    text = query.get("timeout")
    seconds = duration_nanos(text) / 1e9 if text else 0.0
    return min(seconds, LONGEST) if seconds > 0 else None


async def within(seconds: float | None, work: Awaitable[T]) -> T:
    """Raises Timeout where it takes longer: then nobody says whether a write was done."""
    if seconds is None:
        return await work
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        why = "Timeout: request did not complete within requested timeout - context deadline exceeded"
        raise Timeout.of(why) from None
