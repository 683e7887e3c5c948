"""What each kind of metric asks of which API, and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from procorch.client import Answer, Client
from procorch.clock import timestamp
from procorch.controllers.autoscale_metrics import Asking, Failed, Target
from procorch.controllers.autoscale_replicas import Patience, Tolerance
from procorch.objects import Object

NOW = 1_700_000_000.0
AT = timestamp(NOW)
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"
TWO = {"matchLabels": {"q": "one"}, "matchExpressions": [{"key": "z", "operator": "In", "values": ["a", "b"]}]}


class Canned:
    """Answers each path with a list of items, and keeps what was asked; other paths are not there."""

    def __init__(self, items: Mapping[str, list[Object]]) -> None:
        self.items = items
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def send(self, method: str, path: str, *, query: Mapping[str, str], **_: Any) -> Answer:
        self.asked.append((path, dict(query)))
        if path not in self.items:
            return Answer(404, {}, b"404 page not found")
        return Answer(200, {}, orjson.dumps({"items": self.items[path]}))


def pod(name: str) -> Object:
    requests = {"requests": {"cpu": "100m", "memory": "1Mi"}}
    status = {
        "phase": "Running",
        "startTime": timestamp(NOW - 9000),
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(NOW - 9000)}],
    }
    containers = [{"name": one, "resources": requests} for one in ("c", "d")]
    return {"metadata": {"name": name}, "spec": {"containers": containers}, "status": status}


def used(name: str, **containers: tuple[str, str]) -> Object:
    rows = [{"name": one, "usage": {"cpu": cpu, "memory": memory}} for one, (cpu, memory) in containers.items()]
    return {"metadata": {"name": name}, "timestamp": AT, "window": "15.1s", "containers": rows}


def value(name: str, amount: str) -> Object:
    return {"describedObject": {"kind": "Pod", "name": name}, "timestamp": AT, "windowSeconds": 60, "value": amount}


RESOURCES = {
    "/apis/metrics.k8s.io/v1beta1/namespaces/d/pods": [
        used("a", c=("150m", "2Mi"), d=("50m", "2Mi")),
        used("b", c=("150m", "2Mi"), d=("50m", "2Mi")),
    ]
}


def asking(items: Mapping[str, list[Object]], there: int = 2) -> tuple[Asking, Canned]:
    transport = Canned(items)
    target = Target("d", "app=web", 2, there, [pod("a"), pod("b")])
    return Asking(Client(transport), target, Tolerance(), Patience(), NOW), transport  # type: ignore[arg-type]


def resource(name: str, target: Object, container: str = "") -> Object:
    if container:
        row = {"name": name, "container": container, "target": target}
        return {"type": "ContainerResource", "containerResource": row}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


@pytest.mark.parametrize(
    ("metric", "replicas", "name", "current"),
    [
        pytest.param(resource("cpu", {"averageUtilization": 50}), 4,
                     "cpu resource utilization (percentage of request)",
                     {"averageUtilization": 100, "averageValue": "200m"}, id="cpu by requests"),
        pytest.param(resource("cpu", {"averageUtilization": 50}, "c"), 6,
                     "cpu container resource utilization (percentage of request)",
                     {"averageUtilization": 150, "averageValue": "150m"}, id="of one container"),
        pytest.param(resource("memory", {"averageValue": "1Mi"}), 8, "memory resource",
                     {"averageValue": "4194304"}, id="memory as it is"),
        pytest.param(resource("memory", {"averageValue": "1Mi"}, "d"), 4, "memory container resource",
                     {"averageValue": "2097152"}, id="memory of one container"),
    ],
)  # fmt: skip
async def test_resources_come_from_metrics_k8s_io(metric: Object, replicas: int, name: str, current: Object) -> None:
    look, transport = asking(RESOURCES)
    found = await look.propose(metric)
    assert (found.replicas, found.name) == (replicas, name)
    assert next(row for row in found.status.values() if isinstance(row, dict))["current"] == current
    assert transport.asked == [(*RESOURCES, {"labelSelector": "app=web"})]


async def test_a_pod_without_a_figure_for_a_container_counts_as_not_measured() -> None:
    (path,) = RESOURCES
    halved = {path: [RESOURCES[path][0], {**used("b", c=("900m", "1")), "containers": [{"name": "c", "usage": {}}]}]}
    look, _ = asking(halved)
    found = await look.propose(resource("cpu", {"averageUtilization": 50}))
    assert found.replicas == 2, "the other one alone asks for 4, this one counts as idle"


async def test_pods_metrics_come_from_custom_metrics_k8s_io() -> None:
    path = f"{CUSTOM}/namespaces/d/pods/*/queue"
    look, transport = asking({path: [value("a", "30"), value("b", "10500m")]})
    source = {"metric": {"name": "queue", "selector": TWO}, "target": {"type": "AverageValue", "averageValue": "10"}}
    found = await look.propose({"type": "Pods", "pods": source})

    assert (found.replicas, found.name) == (5, "pods metric queue")
    assert found.status["pods"] == {"metric": source["metric"], "current": {"averageValue": "20250m"}}
    assert transport.asked == [(path, {"labelSelector": "app=web", "metricLabelSelector": "q=one,z in (a,b)"})]


@pytest.mark.parametrize(
    ("about", "path"),
    [
        ({"kind": "Service", "name": "web", "apiVersion": "v1"}, "namespaces/d/services/web"),
        ({"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}, "namespaces/d/deployments.apps/web"),
        ({"kind": "Namespace", "name": "d", "apiVersion": "v1"}, "namespaces/d/metrics"),
        ({"kind": "Node", "name": "n", "apiVersion": "v1"}, "nodes/n"),
    ],
)
async def test_object_metrics_are_of_one_object(about: Object, path: str) -> None:
    look, _ = asking({f"{CUSTOM}/{path}/hits": [value("web", "40")]})
    source = {"metric": {"name": "hits"}, "describedObject": about, "target": {"type": "Value", "value": "10"}}
    found = await look.propose({"type": "Object", "object": source})
    assert (found.replicas, found.name) == (8, f"{about['kind']} metric hits")
    assert found.status["object"]["current"] == {"value": "40"}


@pytest.mark.parametrize(
    ("target", "replicas", "current"),
    [
        ({"type": "Value", "value": "20"}, 3, {"value": "30"}),
        ({"type": "AverageValue", "averageValue": "5"}, 6, {"averageValue": "15"}),
    ],
)
async def test_external_metrics_are_summed(target: Object, replicas: int, current: Object) -> None:
    path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/d/queue"
    look, transport = asking({path: [value("", "10"), value("", "20")]})
    source = {"metric": {"name": "queue", "selector": TWO}, "target": target}
    found = await look.propose({"type": "External", "external": source})
    shown = ("&LabelSelector{MatchLabels:map[string]string{q: one,},MatchExpressions:[]LabelSelectorRequirement"
             "{LabelSelectorRequirement{Key:z,Operator:In,Values:[a b],},},}")  # fmt: skip
    assert (found.replicas, found.name) == (replicas, f"external metric queue({shown})")
    assert found.status["external"]["current"] == current
    assert transport.asked == [(path, {"labelSelector": "q=one,z in (a,b)"})]


UNSERVED = "API: the server could not find the requested resource"
OBJECT = {"metric": {"name": "x"}, "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
          "target": {"type": "Value", "value": "1"}}  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "reason", "why", "summary"),
    [
        pytest.param(resource("memory", {"averageValue": "1"}), "FailedGetResourceMetric",
                     f"failed to get memory usage: unable to get metrics for resource memory: unable to fetch metrics "
                     f"from resource metrics {UNSERVED}",
                     "failed to get memory resource metric value: ", id="resource"),
        pytest.param(resource("cpu", {"averageUtilization": 1}, "c"), "FailedGetContainerResourceMetric",
                     f"failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics "
                     f"from resource metrics {UNSERVED}", "failed to get cpu container metric value: ", id="container"),
        pytest.param({"type": "Pods", "pods": {"metric": {"name": "x"}, "target": {"averageValue": "1"}}},
                     "FailedGetPodsMetric",
                     f"unable to get metric x: unable to fetch metrics from custom metrics {UNSERVED}",
                     "failed to get pods metric value: ", id="pods"),
        pytest.param({"type": "Object", "object": OBJECT}, "FailedGetObjectMetric",
                     "unable to get metric x: Service on d s: unable to fetch metrics from custom metrics " + UNSERVED,
                     "failed to get object metric value: ", id="object"),
        pytest.param({"type": "Object", "object": {**OBJECT, "describedObject": {"kind": "X", "name": "x"}}},
                     "FailedGetObjectMetric", 'no matches for kind "X" in group ""',
                     "failed to get object metric value: ", id="an object of no kind"),
        pytest.param({"type": "External", "external": {"metric": {"name": "x"}, "target": {"value": "1"}}},
                     "FailedGetExternalMetric",
                     f"unable to get external metric d/x/nil: unable to fetch metrics from external metrics {UNSERVED}",
                     "failed to get x external metric value: ", id="external"),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_is_told_in_kubernetes_words(
    metric: Object, reason: str, why: str, summary: str
) -> None:
    look, _ = asking({})
    with pytest.raises(Failed) as caught:
        await look.propose(metric)
    assert (caught.value.reason, caught.value.why, str(caught.value)) == (reason, why, summary + why)
