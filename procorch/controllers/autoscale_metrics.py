"""What a HorizontalPodAutoscaler's metrics say, asked of the three metrics APIs, and what each makes of it.

    Resource, ContainerResource   metrics.k8s.io            what pods use of cpu and memory
    Pods, Object                  custom.metrics.k8s.io     what programs say of themselves
    External                      external.metrics.k8s.io   what somebody else knows

Source: pkg/controller/podautoscaler/horizontal.go (computeReplicasForMetric) and metrics/client.go, for the words too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import quote

import orjson

from procorch.client import Client, Unreachable
from procorch.clock import parse_timestamp
from procorch.controllers import autoscale_replicas as replicas
from procorch.controllers.autoscale_replicas import Patience, Proposal, Sample, Samples, Tolerance, Unmeasured
from procorch.durations import duration_nanos
from procorch.kinds import KINDS
from procorch.kinds.fields import part, rows, text
from procorch.kinds.metric import SOURCES
from procorch.objects import ApiError, Object
from procorch.quantity import Quantity, parse
from procorch.selectors import LabelSelector

_RESOURCE = "/apis/metrics.k8s.io/v1beta1"
_CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"
_EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"


class Failed(Exception):
    """A metric says nothing. reason: of the condition and event; why: their text; str(): what the event of all says."""

    def __init__(self, reason: str, why: str, summary: str) -> None:
        super().__init__(summary)
        self.reason = reason
        self.why = why


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled. wanted, there: its spec's and its status' replicas. pods: those of its selector."""

    namespace: str
    selector: str
    wanted: int
    there: int
    pods: Sequence[Object]


@dataclass(frozen=True, slots=True)
class Found:
    """name: what the metric is called in conditions and events. status: its row of currentMetrics."""

    replicas: int
    name: str
    status: Object


@dataclass(frozen=True, slots=True)
class Asking:
    """One look at one target's metrics."""

    client: Client
    target: Target
    tolerance: Tolerance
    patience: Patience
    now: float

    async def propose(self, metric: Object) -> Found:
        """How many pods this metric asks for. Raises Failed."""
        type_ = text(metric.get("type"))
        source = part(metric, SOURCES.get(type_, ""))
        match type_:
            case "Resource":
                return await self._resource(source, "Resource", "resource")
            case "ContainerResource":
                return await self._resource(source, "ContainerResource", "container")
            case "Pods":
                return await self._pods(source)
            case "Object":
                return await self._object(source)
            case "External":
                return await self._external(source)
        why = f'unknown metric source type "{type_}"'
        raise Failed("InvalidMetricSourceType", why, why)

    async def _resource(self, source: Object, type_: str, word: str) -> Found:
        name, container, wanted = text(source["name"]), text(source.get("container")), part(source, "target")
        target, pods = self.target, self.target.pods
        called = f"{name} {'container ' if container else ''}resource"
        by_average = wanted.get("averageValue") is not None
        try:
            samples = await self._samples(name, container)
            if not pods:
                raise Unmeasured(replicas.NO_PODS)
            groups = replicas.group(pods, samples, name, self.now, self.patience)
            if by_average:
                goal = milli(wanted["averageValue"])
                found = replicas.by_average(target.wanted, goal, samples, pods, groups, self.tolerance)
            else:
                called += " utilization (percentage of request)"
                requests = replicas.requests_of(pods, name, container)
                goal = int(wanted["averageUtilization"])
                found = replicas.by_utilization(
                    target.wanted, goal, samples, pods, requests, groups, self.tolerance
                )  # fmt: skip
        except Unmeasured as error:
            what = "usage" if by_average else "utilization"
            why = f"failed to get {name} {what}: {error}"
            raise Failed(f"FailedGet{type_}Metric", why, f"failed to get {name} {word} metric value: {why}") from None
        current: Object = {"averageValue": amount(found.average)}
        if found.utilization is not None:
            current["averageUtilization"] = found.utilization
        row = {"name": name, **({"container": container} if container else {}), "current": current}
        return Found(found.replicas, called, {"type": type_, SOURCES[type_]: row})

    async def _pods(self, source: Object) -> Found:
        metric, target = part(source, "metric"), self.target
        name = text(metric["name"])
        path = f"{_CUSTOM}/namespaces/{target.namespace}/pods/*/{quote(name, safe='')}"
        query = {"labelSelector": target.selector, **_selects("metricLabelSelector", metric)}
        try:
            items = await self._values(path, query, "custom", f"unable to get metric {name}")
            samples = {
                text(part(one, "describedObject").get("name")): _sample(one, milli(one["value"])) for one in items
            }
            groups = replicas.group(target.pods, samples, "", self.now, self.patience)
            goal = milli(part(source, "target")["averageValue"])
            found = replicas.by_average(target.wanted, goal, samples, target.pods, groups, self.tolerance)
        except Unmeasured as error:
            raise Failed("FailedGetPodsMetric", str(error), f"failed to get pods metric value: {error}") from None
        row = {"metric": metric, "current": {"averageValue": amount(found.average)}}
        return Found(found.replicas, f"pods metric {name}", {"type": "Pods", "pods": row})

    async def _object(self, source: Object) -> Found:
        metric, about = part(source, "metric"), part(source, "describedObject")
        name, kind = text(metric["name"]), text(about["kind"])
        try:
            path = f"{_CUSTOM}/{_object_path(about, self.target.namespace)}/{quote(name, safe='')}"
            where = f"unable to get metric {name}: {kind} on {self.target.namespace} {about['name']}"
            items = await self._values(path, _selects("metricLabelSelector", metric), "custom", where)
            found, current = self._shared(part(source, "target"), milli(items[0]["value"]))
        except Unmeasured as error:
            raise Failed("FailedGetObjectMetric", str(error), f"failed to get object metric value: {error}") from None
        row = {"metric": metric, "describedObject": about, "current": current}
        return Found(found.replicas, f"{kind} metric {name}", {"type": "Object", "object": row})

    async def _external(self, source: Object) -> Found:
        metric = part(source, "metric")
        name, selector = text(metric["name"]), _printed(metric.get("selector"))
        path = f"{_EXTERNAL}/namespaces/{self.target.namespace}/{quote(name, safe='')}"
        where = f"unable to get external metric {self.target.namespace}/{name}/{selector}"
        try:
            items = await self._values(path, _selects("labelSelector", metric), "external", where)
            used = sum(milli(one["value"]) for one in items)
            found, current = self._shared(part(source, "target"), used)
        except Unmeasured as error:
            summary = f"failed to get {name} external metric value: {error}"
            raise Failed("FailedGetExternalMetric", str(error), summary) from None
        row = {"metric": metric, "current": current}
        return Found(found.replicas, f"external metric {name}({selector})", {"type": "External", "external": row})

    def _shared(self, wanted: Object, used: int) -> tuple[Proposal, Object]:
        """One value for all pods, as it is or divided among them; and how it is shown."""
        target = self.target
        if wanted.get("averageValue") is not None:
            found = replicas.by_share(target.there, milli(wanted["averageValue"]), used, self.tolerance)
            return found, {"averageValue": amount(found.average)}
        found = replicas.by_total(target.wanted, milli(wanted["value"]), used, target.pods, self.tolerance)
        return found, {"value": amount(used)}

    async def _samples(self, resource: str, container: str) -> Samples:
        """By pod; one in which a container has no figure has none."""
        path = f"{_RESOURCE}/namespaces/{self.target.namespace}/pods"
        where = f"unable to get metrics for resource {resource}"
        found = {}
        for pod in await self._values(path, {"labelSelector": self.target.selector}, "resource", where):
            used = {one["name"]: text(one["usage"].get(resource)) for one in rows(pod.get("containers"))}
            chosen = [used.get(container, "")] if container else list(used.values())
            if chosen and all(chosen):
                total = sum([milli(one) for one in chosen])
                found[pod["metadata"]["name"]] = _sample(pod, total)
        return found

    async def _values(self, path: str, query: Mapping[str, str], which: str, where: str) -> list[Object]:
        try:
            answer = await self.client.raw("GET", path, query=query)
        except (ApiError, Unreachable) as error:
            unserved = isinstance(error, ApiError) and error.code == 404 and not error.details
            said = "the server could not find the requested resource" if unserved else error
            raise Unmeasured(f"{where}: unable to fetch metrics from {which} metrics API: {said}") from None
        items = rows(orjson.loads(answer.body).get("items"))
        if not items:
            raise Unmeasured(f"{where}: no metrics returned from {which} metrics API")
        return items


def milli(quantity: str | int) -> int:
    """In thousandths, rounded up."""
    return math.ceil(parse(quantity) * 1000)


def amount(thousandths: int) -> str:
    return str(Quantity(Fraction(thousandths, 1000)))


def _sample(row: Object, value: int) -> Sample:
    seconds = row.get("windowSeconds")
    window = float(seconds) if seconds is not None else duration_nanos(text(row.get("window"))) / 1e9
    return Sample(value, parse_timestamp(row["timestamp"]), window)


def _selects(name: str, metric: Object) -> dict[str, str]:
    selector = metric.get("selector")
    return {name: str(LabelSelector.of(selector))} if selector else {}


def _printed(selector: Any) -> str:
    """As Go prints a pointer to a LabelSelector."""
    if not isinstance(selector, dict):
        return "nil"
    pairs = "".join(f"{name}: {value}," for name, value in sorted(part(selector, "matchLabels").items()))
    parts = [
        f"LabelSelectorRequirement{{Key:{one['key']},Operator:{one['operator']},"
        f"Values:[{' '.join(one.get('values') or ())}],}}"
        for one in rows(selector.get("matchExpressions"))
    ]
    matches = "".join(f"{one}," for one in parts)
    exact, more = f"map[string]string{{{pairs}}}", f"[]LabelSelectorRequirement{{{matches}}}"
    return f"&LabelSelector{{MatchLabels:{exact},MatchExpressions:{more},}}"


def _object_path(about: Object, namespace: str) -> str:
    """Raises Unmeasured for a kind that is not served."""
    group, _, _ = text(about.get("apiVersion")).rpartition("/")
    kind = next((one for one in KINDS if one.name == about["kind"] and one.group == group), None)
    if kind is None:
        raise Unmeasured(f'no matches for kind "{about["kind"]}" in group "{group}"')
    resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    name = quote(text(about["name"]), safe="")
    if kind.name == "Namespace":
        return f"namespaces/{name}/metrics"
    return f"namespaces/{namespace}/{resource}/{name}" if kind.namespaced else f"{resource}/{name}"
