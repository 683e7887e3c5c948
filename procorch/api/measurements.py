"""metrics.k8s.io: what nodes and pods use at present, asked of the nodes when somebody asks.

    list or get ──▶ which pods, on which nodes ──▶ Measurements.of: each node's /usage on its link, at most once in 5 s
                                                        └──▶ NodeMetrics, PodMetrics

A node that is not connected here, or does not answer in time, has no figures, and its pods have none; as with
metrics-server the others' are shown. Source of words and fields: metrics-server pkg/api.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import orjson

from procorch.api.cache import Entry
from procorch.api.encoding import encode
from procorch.api.links import Links
from procorch.api.scope import Scope
from procorch.clock import parse_timestamp, timestamp
from procorch.durations import duration_text
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.kinds.podspec.mirror import MIRROR
from procorch.link import Link
from procorch.objects import ApiError, NotFound, Object, annotations_of, get, labels_of, uid_of
from procorch.quantity import Quantity

if TYPE_CHECKING:
    from procorch.api.api import Api

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
ANSWER_SECONDS = 8.0
SILENT_SECONDS = 20.0
NODES, PODS = KINDS["NodeMetrics"], KINDS["PodMetrics"]
_NANO = 10**9
_LARGEST = 1 << 60

Answer = Mapping[str, Any]


class Measurements:
    """What each node said last, for as long as that is fresh; who asks meanwhile waits for the same answer."""

    def __init__(self, links: Links, timer: Callable[[], float]) -> None:
        self._links = links
        self._timer = timer
        self._asked: dict[str, tuple[float, asyncio.Task[Answer | None]]] = {}
        self._silent: dict[str, tuple[Link, float]] = {}  # who did not answer on which link, and when

    async def of(self, nodes: Iterable[str]) -> dict[str, Answer]:
        """By node; who does not answer is not there."""
        wanted = sorted({node for node in nodes if node in self._links and not self._is_silent(node)})
        answers = await asyncio.gather(*(asyncio.shield(self._ask(node)) for node in wanted))
        return {node: answer for node, answer in zip(wanted, answers, strict=True) if answer is not None}

    def close(self) -> None:
        for _, task in self._asked.values():
            task.cancel()

    def _is_silent(self, node: str) -> bool:
        """One that has stopped is waited for once, and not by everybody who asks until its link is given up."""
        link, when = self._silent.get(node, (None, 0.0))
        return link is self._links[node] and self._timer() - when < SILENT_SECONDS

    def _ask(self, node: str) -> asyncio.Task[Answer | None]:
        """Another's being cancelled does not end what others wait for."""
        now = self._timer()
        self._asked = {name: row for name, row in self._asked.items() if name in self._links or not row[1].done()}
        self._silent = {name: row for name, row in self._silent.items() if name in self._links}
        known = self._asked.get(node)
        if known is not None and (not known[1].done() or (now - known[0] < FRESH_SECONDS and known[1].result())):
            return known[1]
        task = asyncio.get_running_loop().create_task(self._fetch(node), name=f"usage:{node}")
        self._asked[node] = now, task
        return task

    async def _fetch(self, node: str) -> Answer | None:
        link = self._links.get(node)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                data = b"".join([chunk async for chunk in await self._links.request(node, "GET", "/usage")])
            return sound(orjson.loads(data))
        except (ApiError, TimeoutError, LookupError, TypeError, ValueError) as error:
            logger.info("no figures of a node", extra={"node": node, "error": str(error) or type(error).__name__})
            if link is not None and isinstance(error, TimeoutError):
                self._silent[node] = link, self._timer()
            return None


def sound(said: Any) -> Answer:
    """What a node says, as far as it is used. Raises LookupError, TypeError, ValueError for what is no such thing."""
    made: dict[str, Any] = {"timestamp": timestamp(parse_timestamp(said["timestamp"])), "pods": {}}
    for pod in said["pods"]:
        rows = [{"name": str(one["name"]), **_numbers(one)} for one in pod["containers"]]
        made["pods"][str(pod["namespace"]), str(pod["name"]), str(pod["uid"])] = rows
    if "node" in said:
        made["node"] = _numbers(said["node"])
    return made


def _numbers(row: Any) -> dict[str, Any]:
    numbers = {"nanocores": int(row["nanocores"]), "bytes": int(row["bytes"]), "window": float(row["window"])}
    if not all(0 <= number < _LARGEST for number in numbers.values()):
        raise ValueError(f"impossible figures: {numbers}")
    return numbers


async def one(api: Api, kind: Kind, namespace: str | None, name: str) -> Entry:
    """Raises NotFound where there is no such node or pod, and where it has no figures yet."""
    source = KINDS["Node"] if kind is NODES else KINDS["Pod"]
    try:
        obj = api.rest.entry(source, namespace, name).object
    except NotFound:
        raise _missing(kind, namespace, name) from None
    found = await _entries(api, kind, [obj])
    if not found:
        raise _missing(kind, namespace, name)
    return found[0]


async def entries(api: Api, scope: Scope) -> list[Entry]:
    """Those that match and have figures, in the order of their names."""
    source = KINDS["Node"] if scope.kind is NODES else KINDS["Pod"]
    chosen = [entry.object for entry in api.cache.shelf(source).in_namespace(scope.namespace) if scope.has(entry)]
    return await _entries(api, scope.kind, chosen)


async def _entries(api: Api, kind: Kind, objects: list[Object]) -> list[Entry]:
    made = _nodes(api, objects) if kind is NODES else _pods(api, objects)
    return [Entry(_key(obj), encode(kind, obj), 0) for obj in await made]


async def _nodes(api: Api, nodes: list[Object]) -> list[Object]:
    answers = await api.measurements.of(node["metadata"]["name"] for node in nodes)
    found = []
    for node in nodes:
        answer = answers.get(node["metadata"]["name"], {})
        if row := answer.get("node"):
            found.append(_measured(api, NODES, node, answer, row["window"]) | {"usage": _usage(row)})
    return found


async def _pods(api: Api, pods: list[Object]) -> list[Object]:
    # a static pod's uid on its node is that of its file; its mirror here carries it
    running = [pod for pod in pods if get(pod, ".status.phase") == "Running"]
    answers = await api.measurements.of(str(get(pod, ".spec.nodeName", "")) for pod in running)
    found = []
    for pod in running:
        answer = answers.get(str(get(pod, ".spec.nodeName", "")), {})  # none is believed about another node's pods
        about, uid = pod["metadata"], annotations_of(pod).get(MIRROR) or uid_of(pod)
        if containers := answer.get("pods", {}).get((about["namespace"], about["name"], uid)):
            window = min(one["window"] for one in containers)
            shown = [{"name": one["name"], "usage": _usage(one)} for one in containers]
            found.append(_measured(api, PODS, pod, answer, window) | {"containers": shown})
    return found


def _measured(api: Api, kind: Kind, obj: Object, answer: Answer, window: float) -> Object:
    about = {name: obj["metadata"][name] for name in ("name", "namespace") if name in obj["metadata"]}
    about["creationTimestamp"] = timestamp(api.clock())
    if labels := labels_of(obj):
        about["labels"] = labels
    return {
        "kind": kind.name,
        "apiVersion": kind.api_version,
        "metadata": about,
        "timestamp": answer["timestamp"],
        "window": duration_text(round(window * 1000) * 10**6),
    }


def _usage(row: Mapping[str, Any]) -> Object:
    return {
        "cpu": str(Quantity(Fraction(row["nanocores"], _NANO))),
        "memory": str(Quantity(Fraction(row["bytes"]), "binary")),
    }


def _key(obj: Object) -> str:
    about = obj["metadata"]
    return f"{about['namespace']}/{about['name']}" if "namespace" in about else str(about["name"])


def _missing(kind: Kind, namespace: str | None, name: str) -> NotFound:
    """In metrics-server's words, which names the resource after the kind."""
    shown = f"{namespace}/{name}" if namespace else name
    return NotFound.of(kind.name.lower(), shown, kind.group)
