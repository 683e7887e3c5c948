"""What pods say of themselves on their Prometheus pages, fetched through their nodes when somebody asks.

    annotations of a pod       prometheus.io/scrape: "true", and where it is not the usual: /port, /path, /scheme
    a gauge                    as it is, summed over its series
    a counter `x_total`        asked for as `x` or `x_per_second`: its growth a second since the last look

A page is looked at once in five seconds at most. A rate needs two looks, so who asks after a long pause waits a second.
A page is a stranger's: its size and the time it takes are bounded, and one that cannot be read has no values.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import h11
from prometheus_client.parser import text_string_to_metric_families

from procorch.api.links import Links
from procorch.api.streaming.exchange import Exchange, connected
from procorch.api.streaming.targets import Target, target_of
from procorch.clock import Clock
from procorch.objects import ApiError, Object, annotations_of, get, is_deleting, uid_of
from procorch.selectors import LabelSelector

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
LONGEST_SECONDS = 90.0
SHORTEST_SECONDS = 1.0
PAGE_SECONDS = 5.0
LARGEST_PAGE = 1 << 20
_AT_ONCE = 16
_PREFIX = "prometheus.io/"

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """timer: the monotonic clock; at: seconds since the epoch. values: name → labels → value. counters: by name."""

    timer: float
    at: float
    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """window: seconds that it is the average of; 0 for what is as it was at `at`."""

    value: float
    at: float
    window: float


@dataclass(slots=True)
class _Pod:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    before: Page | None = None
    latest: Page | None = None


class Scraping:
    """links: of the nodes. timer, pause: the monotonic clock, and how to wait."""

    def __init__(
        self,
        links: Links,
        clock: Clock,
        timer: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._links = links
        self._clock = clock
        self._timer = timer
        self._pause = pause
        self._pods: dict[str, _Pod] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def values(self, pods: Iterable[Object], metric: str, selector: LabelSelector | None) -> dict[str, Value]:
        """By the uids of those pods that say something of it."""
        offering = [(pod, target) for pod in pods if (target := where(pod)) is not None]
        self._forget()
        found = await asyncio.gather(*(self._value(pod, target, metric, selector) for pod, target in offering))
        return {uid_of(pod): one for (pod, _), one in zip(offering, found, strict=True) if one is not None}

    async def _value(
        self, pod: Object, target: tuple[Target, str], metric: str, selector: LabelSelector | None
    ) -> Value | None:
        known = self._pods.setdefault(uid_of(pod), _Pod())
        async with known.turn:
            page = await self._latest(known, pod, target)
            if metric in page.values and metric not in page.counters:
                return Value(_total(page, metric, selector), page.at, 0.0)
            name = next((name for name in counters_of(metric) if name in page.counters), None)
            if name is None:
                return None
            if known.before is None or page.timer - known.before.timer > LONGEST_SECONDS:
                await self._pause(SHORTEST_SECONDS)
                page = await self._look(known, pod, target)
            before = known.before
        assert before is not None
        window = page.timer - before.timer
        if name not in page.values or name not in before.values or window <= 0:
            return None
        return Value(_growth(before, page, name, selector) / window, page.at, window)

    async def _latest(self, known: _Pod, pod: Object, target: tuple[Target, str]) -> Page:
        page = known.latest
        if page is not None and self._timer() - page.timer < FRESH_SECONDS:
            return page
        return await self._look(known, pod, target)

    async def _look(self, known: _Pod, pod: Object, target: tuple[Target, str]) -> Page:
        async with self._room:
            try:
                async with asyncio.timeout(PAGE_SECONDS):
                    text = await self._fetch(*target)
                values, counters = await asyncio.to_thread(read, text)
            except (ApiError, TimeoutError, ConnectionError, h11.LocalProtocolError, ValueError) as error:
                facts = {"pod": pod["metadata"]["name"], "error": str(error)[:200] or type(error).__name__}
                logger.info("no metrics of a pod", extra=facts)
                values, counters = {}, frozenset()
        known.before = known.latest
        known.latest = Page(self._timer(), self._clock(), values, counters)
        return known.latest

    async def _fetch(self, target: Target, path: str) -> str:
        """Raises ApiError, ConnectionError, ValueError for what is too large or no page."""
        query = urlencode({"address": target.address, "port": target.port})
        stream = await self._links.open(target.node, "POST", f"/dial?{query}")
        async with stream:
            exchange = Exchange(await connected(stream, target.scheme))
            headers = [("Host", target.host), ("Accept", "text/plain; version=0.0.4"), ("Connection", "close")]
            head = await exchange.ask("GET", path, headers, None)
            if head.status_code != 200:
                raise ValueError(f"{target.host}{path} answered {head.status_code}")
            data = bytearray()
            async for piece in exchange.pieces():
                data += piece
                if len(data) > LARGEST_PAGE:
                    raise ValueError(f"{target.host}{path} is larger than {LARGEST_PAGE} bytes")
        return data.decode("utf-8", "replace")

    def _forget(self) -> None:
        oldest = self._timer() - LONGEST_SECONDS
        for uid, one in list(self._pods.items()):
            if not one.turn.locked() and one.latest is not None and one.latest.timer < oldest:
                del self._pods[uid]


def where(pod: Object) -> tuple[Target, str] | None:
    """Where a pod offers its page; None for one that does not, or that does not run."""
    said = {
        name.removeprefix(_PREFIX): value for name, value in annotations_of(pod).items() if name.startswith(_PREFIX)
    }
    if said.get("scrape") != "true" or get(pod, ".status.phase") != "Running" or is_deleting(pod):
        return None
    ports = [row for one in get(pod, ".spec.containers", []) for row in one.get("ports") or ()]
    port = said.get("port") or (str(ports[0]["containerPort"]) if ports else "")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    path, address, node = said.get("path") or "/metrics", get(pod, ".status.podIP"), get(pod, ".spec.nodeName")
    scheme = said.get("scheme") or "http"
    if not address or not node or not path.startswith("/") or scheme not in ("http", "https"):
        return None
    try:
        return target_of(scheme, str(address), int(port), str(node)), path
    except ApiError:  # an address that is not to be asked
        return None


def read(text: str) -> tuple[dict[str, dict[Labels, float]], frozenset[str]]:
    """A page's values, and which of them are counters. Raises ValueError for what is none."""
    values: dict[str, dict[Labels, float]] = {}
    counters = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, {})[frozenset(sample.labels.items())] = float(sample.value)
            # a page of OpenMetrics names the family without the suffix: then its parser does not know what they are
            if family.type == "counter" or (family.type == "unknown" and sample.name.endswith("_total")):
                counters.add(sample.name)
    return values, frozenset(counters)


def counters_of(metric: str) -> Iterator[str]:
    """The counters whose rate may be meant."""
    yield metric
    yield f"{metric}_total"
    yield metric.removesuffix("_per_second") + "_total"


def _total(page: Page, name: str, selector: LabelSelector | None) -> float:
    return sum(value for labels, value in page.values[name].items() if _chosen(labels, selector))


def _growth(before: Page, page: Page, name: str, selector: LabelSelector | None) -> float:
    """A counter that is smaller than it was began anew."""
    old, total = before.values[name], 0.0
    for labels, value in page.values[name].items():
        if _chosen(labels, selector):
            then = old.get(labels, 0.0)
            total += value - then if value >= then else value
    return total


def _chosen(labels: Labels, selector: LabelSelector | None) -> bool:
    return selector is None or selector.matches(dict(labels))
