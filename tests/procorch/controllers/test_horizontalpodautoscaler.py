"""Autoscalers on the real API: nodes say what pods use, and sizes, conditions and events follow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from procorch.api import Api, LocalTransport
from procorch.client import Client
from procorch.clock import timestamp
from procorch.controllers import ControllerConfig, Runner
from procorch.controllers.horizontalpodautoscaler import CONTROLLER, scale_path, tolerance_of
from procorch.objects import Object, condition_of, get
from store import Log
from tests.metered import Meter, dialled_in
from tests.transports import MortalTransport

from .conftest import ADMIN, Running

CONFIG = ControllerConfig(autoscale_period=0.1)
OLD = timestamp(time.time() - 3600)
Eventually = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Timer:
    """As slow or fast as a test wants: nodes are asked again when it has gone on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
async def api(timer: Timer) -> AsyncIterator[Api]:
    log = await Log.open(":memory:")
    api = Api(log, timer=timer)
    await api.start()
    yield api
    await api.close()
    await log.close()


@pytest.fixture
async def meter(api: Api) -> AsyncIterator[Meter]:
    meter = Meter()
    async with dialled_in(api.links, "n1", meter):
        yield meter


async def workload(client: Client, meter: Meter | None, *millis: int, name: str = "web", **more: Any) -> list[Object]:
    """A ReplicationController and its pods, each asking for 100m and using so many millicores."""
    labels = {"app": more.get("app", name)}
    container = {"name": "c", "image": "host", "command": ["true"], "resources": {"requests": {"cpu": "100m"}}}
    spec = {"nodeName": "n1", "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    await client.create(
        {
            "apiVersion": "v1",
            "kind": "ReplicationController",
            "metadata": {"name": name, "namespace": "d"},
            "spec": {"replicas": more.get("replicas", len(millis)), "selector": labels, "template": template},
        }
    )
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": OLD}
    pods = []
    for number, used in enumerate(millis):
        about = {"name": f"{name}-{number}", "namespace": "d", "labels": labels}
        pod = await client.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
        status = {"phase": "Running", "startTime": OLD, "conditions": [condition]}
        pods.append(await client.update_status({**pod, "status": status}))
        if meter is not None:
            meter.uses(pod, c=(used, 1 << 20))
    return pods


def scaler(name: str = "web", target: str = "", percent: int = 50, **spec: Any) -> Object:
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": target or name}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "d"},
        "spec": {"minReplicas": 1, "maxReplicas": 8, "scaleTargetRef": reference, "metrics": [metric], **spec},
    }


async def size(client: Client, name: str = "web") -> int:
    return int(get(await client.get("ReplicationController", f"d/{name}"), ".spec.replicas"))


async def judged(client: Client, type_: str, reason: str, name: str = "web") -> Object | None:
    """The autoscaler, once a condition has this reason."""
    found = await client.get("HorizontalPodAutoscaler", f"d/{name}")
    return found if (condition_of(found, type_) or {}).get("reason") == reason else None


async def events(client: Client) -> set[tuple[str, str]]:
    return {(one["reason"], one["message"]) for one in (await client.items("Event", "d")).objects}


def message(found: Object, type_: str) -> str:
    return str((condition_of(found, type_) or {})["message"])


async def test_busy_pods_become_more_and_it_says_why(
    client: Client, meter: Meter, running: Running, eventually: Eventually
) -> None:
    await workload(client, meter, 100, 80)
    await client.create(scaler())
    async with running(CONTROLLER, config=CONFIG):
        found = await eventually(lambda: judged(client, "AbleToScale", "SucceededRescale"))

        said = "cpu resource utilization (percentage of request)"
        assert await size(client) == 4
        status = found["status"]
        assert (status["currentReplicas"], status["desiredReplicas"]) == (2, 4) and status["lastScaleTime"]
        assert status["currentMetrics"] == [
            {"type": "Resource",
             "resource": {"name": "cpu", "current": {"averageUtilization": 90, "averageValue": "90m"}}}
        ]  # fmt: skip
        assert message(found, "AbleToScale") == "the HPA controller was able to update the target scale to 4"
        assert message(found, "ScalingActive").endswith(f"calculate a replica count from {said}")
        assert (condition_of(found, "ScalingLimited") or {})["reason"] == "DesiredWithinRange"
        told = ("SuccessfulRescale", f"New size: 4; reason: {said} above target")

        async def is_told() -> bool:
            return told in await events(client)

        await eventually(is_told)


async def test_idle_pods_become_fewer_when_the_window_is_over(
    client: Client, meter: Meter, running: Running, eventually: Eventually, timer: Timer
) -> None:
    pods = await workload(client, meter, 50, 50)
    await client.create(scaler())
    config = ControllerConfig(autoscale_period=0.05, autoscale_down_window=1.0)
    async with running(CONTROLLER, config=config):
        await eventually(lambda: judged(client, "AbleToScale", "ReadyForNewScale"))
        for pod in pods:
            meter.uses(pod, c=(0, 1))
        timer.now += 60
        await eventually(lambda: judged(client, "AbleToScale", "ScaleDownStabilized"))
        assert await size(client) == 2

        await eventually(lambda: judged(client, "AbleToScale", "SucceededRescale"))
        assert await size(client) == 1
        await eventually(lambda: judged(client, "ScalingLimited", "TooFewReplicas"))


@pytest.mark.parametrize(
    ("replicas", "spec", "wanted", "reason"),
    [
        (1, {"minReplicas": 3}, 3, "Current number of replicas below Spec.MinReplicas"),
        (5, {"maxReplicas": 2}, 2, "Current number of replicas above Spec.MaxReplicas"),
    ],
)
async def test_what_is_out_of_bounds_is_put_right_without_figures(
    client: Client, running: Running, eventually: Eventually, replicas: int, spec: Object, wanted: int, reason: str
) -> None:
    await workload(client, None, replicas=replicas)
    await client.create(scaler(**spec))
    async with running(CONTROLLER, config=CONFIG):

        async def is_so() -> bool:
            told = ("SuccessfulRescale", f"New size: {wanted}; reason: {reason}")
            return await size(client) == wanted and told in await events(client)

        await eventually(is_so)


async def test_a_target_of_size_nothing_is_left_alone(client: Client, running: Running, eventually: Eventually) -> None:
    await workload(client, None, replicas=0)
    await client.create(scaler(minReplicas=2))
    async with running(CONTROLLER, config=CONFIG):
        found = await eventually(lambda: judged(client, "ScalingActive", "ScalingDisabled"))
    assert message(found, "ScalingActive") == "scaling is disabled since the replica count of the target is zero"
    assert await size(client) == 0


NOTHING = "unable to get metrics for resource cpu: no metrics returned from resource metrics API"


@pytest.mark.parametrize(
    ("change", "type_", "reason", "words"),
    [
        pytest.param({}, "ScalingActive", "FailedGetResourceMetric",
                     f"the HPA was unable to compute the replica count: failed to get cpu utilization: {NOTHING}",
                     id="no figures"),
        pytest.param({"scaleTargetRef": {"apiVersion": "v1", "kind": "ReplicationController", "name": "gone"}},
                     "AbleToScale", "FailedGetScale",
                     "the HPA controller was unable to get the target's current scale: "
                     'replicationcontrollers "gone" not found', id="no target"),
        pytest.param({"scaleTargetRef": {"apiVersion": "e.com/v1", "kind": "Own", "name": "gone"}},
                     "AbleToScale", "FailedGetScale", "the HPA controller was unable to get the target's current "
                     'scale: no matches for kind "Own" in group "e.com"', id="no kind"),
        pytest.param({"metrics": [{"type": "External", "external": {
                        "metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}}]},
                     "ScalingActive", "FailedGetExternalMetric",
                     "the HPA was unable to compute the replica count: unable to get external metric d/q/nil: "
                     "unable to fetch metrics from external metrics API: "
                     "the server could not find the requested resource", id="nobody serves it"),
    ],
)  # fmt: skip
async def test_what_keeps_it_from_scaling_is_a_condition(
    client: Client, running: Running, eventually: Eventually, change: Object, type_: str, reason: str, words: str
) -> None:
    await workload(client, None, 50)
    await client.create(scaler(**change))
    async with running(CONTROLLER, config=CONFIG):
        found = await eventually(lambda: judged(client, type_, reason))
        assert message(found, type_) == words
    assert await size(client) == 1


async def test_two_autoscalers_of_the_same_pods_both_stand_still(
    client: Client, meter: Meter, running: Running, eventually: Eventually
) -> None:
    await workload(client, meter, 100)
    await workload(client, None, name="other", app="web", replicas=1)
    await client.create(scaler())
    await client.create(scaler("other"))
    async with running(CONTROLLER, config=CONFIG):
        for name in ("web", "other"):
            found = await eventually(lambda name=name: judged(client, "ScalingActive", "AmbiguousSelector", name))
            expected = "pods by selector app=web are controlled by multiple HPAs: [d/other d/web]"
            assert message(found, "ScalingActive") == expected


async def test_a_metric_that_says_nothing_keeps_pods_and_does_not_keep_from_growing(
    client: Client, meter: Meter, running: Running, eventually: Eventually, timer: Timer
) -> None:
    unheard = {"type": "Pods", "pods": {"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": 1}}}
    pods = await workload(client, meter, 100, 100)
    busy, idle = scaler(), scaler()
    busy["spec"]["metrics"].append(unheard)
    await client.create(busy)
    async with running(CONTROLLER, config=CONFIG):
        await eventually(lambda: judged(client, "AbleToScale", "SucceededRescale"))
        assert await size(client) == 4
    await client.delete("HorizontalPodAutoscaler", "d/web")
    for pod in pods:
        meter.uses(pod, c=(1, 1))
    timer.now += 60
    idle["spec"]["metrics"].append(unheard)
    idle["spec"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    await client.create(idle)
    async with running(CONTROLLER, config=CONFIG):
        await eventually(lambda: judged(client, "ScalingActive", "FailedGetPodsMetric"))
        assert await size(client) == 4


async def test_it_looks_once_a_period_though_its_own_status_changes(
    client: Client, meter: Meter, running: Running, eventually: Eventually
) -> None:
    await workload(client, meter, 50)
    await client.create(scaler())
    async with running(CONTROLLER, config=ControllerConfig(autoscale_period=600)) as runner:
        await eventually(lambda: judged(client, "ScalingActive", "ValidMetricFound"))
        before = (await client.get("HorizontalPodAutoscaler", "d/web"))["metadata"]["resourceVersion"]
        await eventually(_idle(runner))
        assert (await client.get("HorizontalPodAutoscaler", "d/web"))["metadata"]["resourceVersion"] == before

        await client.patch("HorizontalPodAutoscaler", "d/web", {"spec": {"minReplicas": 3}})
        await eventually(lambda: judged(client, "AbleToScale", "SucceededRescale"))
        assert await size(client) == 3


def _idle(runner: Runner) -> Callable[[], Awaitable[bool]]:
    async def idle() -> bool:
        return runner.queues[CONTROLLER.name].is_idle

    return idle


@asynccontextmanager
async def autoscaling(transport: LocalTransport) -> AsyncIterator[None]:
    """The controller over a way of its own, for as long as the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(Runner((CONTROLLER,), Client(transport), time.time, CONFIG).run())
        try:
            yield
        finally:
            task.cancel()


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("last", [1, 2])
async def test_a_death_between_its_writes_makes_no_pod_too_many(
    api: Api, client: Client, meter: Meter, eventually: Eventually, last: int, after: bool
) -> None:
    """It writes the size, then the status."""
    await workload(client, meter, 100, 80)
    await client.create(scaler())
    died, sizes = asyncio.Event(), set()

    async def is_dead() -> bool:
        sizes.add(await size(client))
        return died.is_set()

    async def is_right() -> bool:
        sizes.add(await size(client))
        found = await client.get("HorizontalPodAutoscaler", "d/web")
        return get(found, ".status.desiredReplicas") == 4 and await size(client) == 4

    mortal = MortalTransport(api, ADMIN, last, after=after, died=died.set)
    async with autoscaling(mortal):
        await eventually(is_dead)
    await mortal.buried()
    async with autoscaling(LocalTransport(api, ADMIN)):
        await eventually(is_right)

    assert sizes <= {2, 4}


async def test_a_conflict_is_told_and_tried_again(
    client: Client, meter: Meter, api: Api, eventually: Eventually
) -> None:
    """Somebody else changed the target between the look and the write."""

    class Meddling(LocalTransport):
        meddled = False

        async def send(self, method: str, path: str, **more: Any) -> Any:
            if method == "PUT" and path.endswith("/scale") and not self.meddled:
                self.meddled = True
                await client.patch("ReplicationController", "d/web", {"metadata": {"labels": {"a": "b"}}})
            return await super().send(method, path, **more)

    await workload(client, meter, 100, 80)
    await client.create(scaler())

    async def is_over() -> bool:
        return await size(client) == 4 and any(reason == "FailedRescale" for reason, _ in await events(client))

    async with autoscaling(Meddling(api, ADMIN)):
        await eventually(is_over)


def test_tolerance_is_the_behaviours_or_the_usual() -> None:
    found = tolerance_of({"scaleUp": {"tolerance": "50m"}, "scaleDown": {}}, 0.1)
    assert (found.up, found.down) == (0.05, 0.1)
    assert tolerance_of(None, 0.2).down == 0.2


def test_what_has_no_scale_cannot_be_a_target() -> None:
    path = scale_path({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "d")
    assert path == "/apis/apps/v1/namespaces/d/deployments/web/scale"
    with pytest.raises(LookupError, match="DaemonSet has no scale"):
        scale_path({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web"}, "d")
