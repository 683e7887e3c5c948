"""custom.metrics.k8s.io: what programs say of themselves, for autoscalers and whoever asks.

    /namespaces/{namespace}/pods/{name or *}/{metric}        ?labelSelector=…&metricLabelSelector=…
    /namespaces/{namespace}/{services, deployments.apps, …}/{name or *}/{metric}    all pods of its selector together
    /namespaces/{namespace}/metrics/{metric}                                        all pods of the namespace

Where the values come from: scraping.py. Source: k8s.io/metrics pkg/apis/custom_metrics/v1beta2; the words are those of
custom-metrics-apiserver.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from procorch.api.request import Request, Response, answer
from procorch.api.routes import Route, not_found
from procorch.api.scraping import Value
from procorch.clock import timestamp
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, BadRequest, MethodNotAllowed, Object, get, labels_of, uid_of
from procorch.quantity import Quantity
from procorch.selectors import LabelSelector

if TYPE_CHECKING:
    from procorch.api.api import Api

GROUP, VERSION = "custom.metrics.k8s.io", "v1beta2"
_SELECTING = ("Pod", "Service", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job")


def _names() -> Iterable[str]:
    for name in _SELECTING:
        kind = KINDS[name]
        yield f"{kind.plural}.{kind.group}" if kind.group else kind.plural


DISCOVERED = (
    *(Kind("MetricValueList", f"{name}/*", group=GROUP, version=VERSION, verbs=("get",)) for name in _names()),
    Kind("MetricValueList", "namespaces/*", group=GROUP, version=VERSION, namespaced=False, verbs=("get",)),
)
"""As discovery shows them: which metrics there are, the pods know."""


async def serve(api: Api, route: Route, request: Request) -> Response:
    """Raises NotFound where no pod says anything of the metric."""
    if route.version != VERSION or route.rest:
        raise not_found()
    if route.verb != "get":
        raise MethodNotAllowed.of()
    if route.namespace is not None and route.resource == "metrics" and route.name and not route.subresource:
        kind, metric = KINDS["Namespace"], route.name
        objects = [api.rest.entry(kind, None, route.namespace).object]
    else:
        found = next((KINDS[name] for name in _SELECTING if route.resource in _words(KINDS[name])), None)
        if found is None or route.namespace is None or not route.name or not route.subresource:
            raise not_found()
        kind, metric = found, route.subresource
        objects = _objects(api, kind, route.namespace, route.name, _selector(request, "labelSelector"))
    chosen = _selector(request, "metricLabelSelector")
    pods = {uid_of(obj): _pods_of(api, kind, obj) for obj in objects}
    every = {uid_of(pod): pod for some in pods.values() for pod in some}
    values = await api.scraping.values(every.values(), metric, chosen)
    items = [
        _item(kind, obj, metric, own)
        for obj in objects
        if (own := [values[uid_of(pod)] for pod in pods[uid_of(obj)] if uid_of(pod) in values])
    ]
    if not items:
        raise _unknown(metric, kind, "" if route.name == "*" else objects[0]["metadata"]["name"] if objects else "")
    return answer({"kind": "MetricValueList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items})


def _words(kind: Kind) -> tuple[str, ...]:
    return (kind.plural, f"{kind.plural}.{kind.group}")


def _objects(api: Api, kind: Kind, namespace: str, name: str, labels: LabelSelector | None) -> list[Object]:
    if name != "*":
        return [api.rest.entry(kind, namespace, name).object]
    found = (entry.object for entry in api.cache.shelf(kind).in_namespace(namespace))
    return [obj for obj in found if labels is None or labels.matches(labels_of(obj))]


def _pods_of(api: Api, kind: Kind, obj: Object) -> list[Object]:
    if kind.name == "Pod":
        return [obj]
    namespace = obj["metadata"]["name" if kind.name == "Namespace" else "namespace"]
    pods = [entry.object for entry in api.cache.shelf(KINDS["Pod"]).in_namespace(namespace)]
    if kind.name == "Namespace":
        return pods
    selector: Mapping[str, object] = get(obj, ".spec.selector") or {}
    if not selector:
        return []
    is_plain = not {"matchLabels", "matchExpressions"} & set(selector)
    chosen = LabelSelector.of_map(selector) if is_plain else LabelSelector.of(selector)  # type: ignore[arg-type]
    return [pod for pod in pods if chosen.matches(labels_of(pod))]


def _item(kind: Kind, obj: Object, metric: str, values: Sequence[Value]) -> Object:
    about = obj["metadata"]
    described: Object = {"kind": kind.name, "name": about["name"], "apiVersion": kind.api_version}
    if "namespace" in about:
        described["namespace"] = about["namespace"]
    item: Object = {
        "describedObject": described,
        "metric": {"name": metric},
        "timestamp": timestamp(min(one.at for one in values)),
        "value": _quantity(sum(one.value for one in values)),
    }
    if window := max(one.window for one in values):
        item["windowSeconds"] = max(round(window), 1)
    return item


def _quantity(value: float) -> str:
    """To thousandths; what is no number counts as nothing."""
    return str(Quantity(Fraction(round(value * 1000), 1000))) if math.isfinite(value) else "0"


def _selector(request: Request, name: str) -> LabelSelector | None:
    text = request.query.get(name, "")
    try:
        return LabelSelector.parse(text) if text else None
    except ValueError as error:
        raise BadRequest.of(str(error)) from None


def _unknown(metric: str, kind: Kind, name: str) -> ApiError:
    said = f"the server could not find the metric {metric} for {kind.plural}{f' {name}' if name else ''}"
    return ApiError(said, 404, "NotFound", {"group": GROUP, "kind": kind.plural, "name": name})
