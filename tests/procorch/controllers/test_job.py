"""Jobs at work on the real API; pods run and end on nodes that only the API sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import garbage, job, job_plan
from procorch.controllers.job_indexes import Indexes
from procorch.controllers.job_pods import FAILURES, FINALIZER, INDEX
from procorch.objects import NotFound, Object, annotations_of, condition_of, controller_of, get, labels_of, uid_of
from procorch.pods import is_active, is_ready
from tests.nodes import FAILS, SUCCEEDS, Nodes, image_of
from tests.transports import LateTransport

ADMIN = User("kubernetes-admin", ("system:masters",))
CONTROLLERS = (job.CONTROLLER, garbage.CONTROLLER)
RUNS = "runs"

Until = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


def manifest(image: str = SUCCEEDS, name: str = "work", **spec: Any) -> Object:
    container = {"name": "c", "image": image, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": name, "namespace": "d"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


class World:
    def __init__(self, client: Client, nodes: Nodes, eventually: Until) -> None:
        self.client, self.nodes, self.eventually = client, nodes, eventually

    async def job(self, is_so: Callable[[Object], Any]) -> Object:
        """The Job as soon as it is so."""

        async def look() -> Object | None:
            there = await self.client.get("Job", "d/work")
            return there if is_so(there) else None

        found: Object = await self.eventually(look)
        return found

    async def ended(self, type_: str) -> Object:
        return await self.job(lambda there: (condition_of(there, type_) or {}).get("status") == "True")

    async def pods(self) -> list[Object]:
        return (await self.client.items("Pod", "d")).objects

    async def until_pods(self, is_so: Callable[[list[Object]], Any]) -> list[Object]:
        async def look() -> list[Object] | None:
            pods = await self.pods()
            return pods if is_so(pods) else None

        found: list[Object] = await self.eventually(look)
        return found

    async def ready(self, count: int = 1) -> list[Object]:
        """So many active pods, once they are all ready."""

        def are_ready(pods: list[Object]) -> bool:
            active = list(filter(is_active, pods))
            return len(active) == count and all(map(is_ready, active))

        return [pod for pod in await self.until_pods(are_ready) if is_active(pod)]

    async def gone(self) -> None:
        async def look() -> bool:
            return not await self.pods()

        await self.eventually(look)

    async def end(self, pod: Object, phase: str, code: int = 1) -> None:
        row = {"name": "c", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
        row["state"] = {"terminated": {"exitCode": code}}
        status = {"status": {"phase": phase, "containerStatuses": [row]}}
        key = f"d/{pod['metadata']['name']}"
        await self.client.patch("Pod", key, status, subresource="status")

    async def events(self) -> list[tuple[str, str, str]]:
        found = (await self.client.items("Event", "d", field_selector="involvedObject.kind=Job")).objects
        return [(one["type"], one["reason"], one["message"]) for one in found]


@pytest.fixture
async def world(api: Api, client: Client, running: Any, eventually: Until) -> AsyncIterator[World]:
    async with _world(api, client, running, eventually) as made:
        yield made


@asynccontextmanager
async def _world(
    api: Api, client: Client, running: Any, eventually: Until, using: Client | None = None
) -> AsyncIterator[World]:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    ready: asyncio.Future[World] = loop.create_future()

    async def live() -> None:
        nodes = Nodes(Client(LocalTransport(api, ADMIN)))
        async with nodes.running(), running(*CONTROLLERS, using=using):
            ready.set_result(World(client, nodes, eventually))
            await over.wait()

    living = loop.create_task(live())  # one task, for what it opens must be closed by the same
    try:
        await asyncio.wait((ready, living), return_when=asyncio.FIRST_COMPLETED)
        yield ready.result() if ready.done() else living.result()  # type: ignore[misc]
    finally:
        over.set()
        await living


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed pods are replaced at once."""
    monkeypatch.setattr(job_plan, "FIRST_WAIT", 0.0)


async def test_it_runs_so_many_at_once_until_so_many_have_succeeded(world: World, client: Client) -> None:
    world.nodes.watch()
    made = await client.create(manifest(completions=5, parallelism=2))
    there = await world.ended("Complete")
    pods = await world.pods()
    status = there["status"]

    assert world.nodes.most <= 2
    assert len(pods) == 5 and all("finalizers" not in pod["metadata"] for pod in pods)
    assert {(controller_of(pod) or {})["uid"] for pod in pods} == {uid_of(made)}
    assert all(pod["metadata"]["name"].startswith("work-") for pod in pods)
    assert {labels_of(pod)["batch.kubernetes.io/job-name"] for pod in pods} == {"work"}
    assert {name: value for name, value in status.items() if name not in ("conditions", "startTime")} == {
        "succeeded": 5, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {},
        "completionTime": status["completionTime"],
    }  # fmt: skip
    assert [(row["type"], row["status"], row["reason"], row["message"]) for row in status["conditions"]] == [
        ("SuccessCriteriaMet", "True", "CompletionsReached", "Reached expected number of succeeded pods"),
        ("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods"),
    ]

    async def told() -> list[tuple[str, str, str]]:
        events = await world.events()
        return events if events[-1][1] == "Completed" else []

    events = await world.eventually(told)
    assert events[-1] == ("Normal", "Completed", "Job completed")
    assert {event[:2] for event in events[:-1]} == {("Normal", "SuccessfulCreate")}


async def test_without_a_number_of_completions_one_success_is_enough(world: World, client: Client) -> None:
    await client.create(manifest(RUNS, parallelism=3))
    pods = await world.ready(3)
    await world.end(pods[0], "Succeeded", 0)
    there = await world.job(lambda there: there["status"].get("succeeded") == 1)
    assert there["status"]["active"] == 2 and "conditions" not in there["status"]
    await world.end(pods[1], "Succeeded", 0)
    await world.end(pods[2], "Failed")
    there = await world.ended("Complete")

    assert (there["status"]["succeeded"], there["status"]["failed"]) == (2, 1)


async def test_failed_pods_are_replaced_until_the_limit(hasty: None, world: World, client: Client) -> None:
    await client.create(manifest(FAILS, backoffLimit=2))
    there = await world.ended("Failed")
    (target, failed) = there["status"]["conditions"]

    assert there["status"]["failed"] == 3 == len(await world.pods())
    assert (target["type"], failed["type"]) == ("FailureTarget", "Failed")
    assert failed["reason"] == "BackoffLimitExceeded"
    assert failed["message"] == "Job has reached the specified backoff limit"
    assert "completionTime" not in there["status"]
    told = ("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")

    async def is_told() -> bool:
        return told in await world.events()

    await world.eventually(is_told)


async def test_a_failed_pod_is_replaced_after_its_back_off(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_plan, "FIRST_WAIT", 2.0)  # times have whole seconds
    await client.create(manifest(RUNS, backoffLimit=3))
    (first,) = await world.ready()
    await world.end(first, "Failed")
    await world.job(lambda there: there["status"].get("failed") == 1)
    assert len(await world.pods()) == 1
    pods = await world.until_pods(lambda pods: len(pods) == 2)

    assert sum(map(is_active, pods)) == 1


async def test_an_indexed_job_gives_each_pod_its_index(world: World, client: Client) -> None:
    await client.create(manifest(RUNS, completions=3, parallelism=3, completionMode="Indexed"))
    pods = sorted(await world.ready(3), key=lambda pod: pod["metadata"]["name"])

    assert [pod["spec"]["hostname"] for pod in pods] == ["work-0", "work-1", "work-2"]
    assert [annotations_of(pod)[INDEX] for pod in pods] == [labels_of(pod)[INDEX] for pod in pods] == ["0", "1", "2"]
    assert [pod["metadata"]["name"].rpartition("-")[0] for pod in pods] == ["work-0", "work-1", "work-2"]
    (variable,) = pods[0]["spec"]["containers"][0]["env"]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{INDEX}']"
    await world.end(pods[0], "Succeeded", 0)
    await world.end(pods[2], "Succeeded", 0)
    there = await world.job(lambda there: there["status"].get("completedIndexes") == "0,2")
    assert there["status"]["succeeded"] == 2 and there["status"]["active"] == 1
    await world.end(pods[1], "Succeeded", 0)
    there = await world.ended("Complete")
    assert there["status"]["completedIndexes"] == "0-2"


async def test_an_indexed_job_grows_and_shrinks(world: World, client: Client) -> None:
    await client.create(manifest(RUNS, completions=2, parallelism=2, completionMode="Indexed"))
    await world.until_pods(lambda pods: len(pods) == 2)
    await client.patch("Job", "d/work", {"spec": {"completions": 4, "parallelism": 4}})
    await world.until_pods(lambda pods: {annotations_of(pod)[INDEX] for pod in pods} == set("0123"))
    await client.patch("Job", "d/work", {"spec": {"completions": 1, "parallelism": 1}})
    await world.until_pods(lambda pods: [annotations_of(pod)[INDEX] for pod in pods] == ["0"])
    there = await world.job(lambda there: there["status"].get("active") == 1 and not there["status"]["terminating"])

    assert "failed" not in there["status"], "what was too much has not failed"


async def test_each_index_has_a_limit_of_its_own(world: World, client: Client, hasty: None) -> None:
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 1}
    await client.create(manifest(RUNS, **spec))
    pods = await world.ready(3)
    by_index = {annotations_of(pod)[INDEX]: pod for pod in pods}
    assert annotations_of(by_index["1"])[FAILURES] == "0"
    await world.end(by_index["1"], "Failed")

    (again,) = [pod for pod in await world.ready(3) if annotations_of(pod)[INDEX] == "1"]
    assert annotations_of(again)[FAILURES] == "1"
    await world.end(again, "Failed")
    await world.job(lambda there: there["status"].get("failedIndexes") == "1")
    await world.end(by_index["0"], "Succeeded", 0)
    await world.end(by_index["2"], "Succeeded", 0)
    there = await world.ended("Failed")

    assert there["status"]["completedIndexes"] == "0,2" and there["status"]["failed"] == 2
    assert condition_of(there, "Failed")["reason"] == "FailedIndexes"  # type: ignore[index]


async def test_too_many_failed_indexes_end_it(world: World, client: Client) -> None:
    spec = {"completions": 4, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0}
    await client.create(manifest(FAILS, maxFailedIndexes=1, **spec))
    there = await world.ended("Failed")

    assert condition_of(there, "Failed")["reason"] == "MaxFailedIndexesExceeded"  # type: ignore[index]
    assert len(Indexes.parse(there["status"]["failedIndexes"], 4)) >= 2
    assert "succeeded" not in there["status"]


def rule(action: str, *values: int) -> Object:
    return {"action": action, "onExitCodes": {"operator": "In", "values": list(values)}}


async def test_its_policy_fails_it_by_an_exit_code(world: World, client: Client) -> None:
    await client.create(manifest(f"{FAILS}:42", parallelism=2, podFailurePolicy={"rules": [rule("FailJob", 42)]}))
    there = await world.ended("Failed")
    failed = condition_of(there, "Failed")

    assert failed is not None and failed["reason"] == "PodFailurePolicy"
    assert failed["message"].endswith("failed with exit code 42 matching FailJob rule at index 0")
    assert failed["message"].startswith("Container c for pod d/work-")


async def test_its_policy_ignores_disruptions(world: World, client: Client, hasty: None) -> None:
    conditions = [{"type": "DisruptionTarget", "status": "True"}]
    policy = {"rules": [{"action": "Ignore", "onPodConditions": conditions}]}
    await client.create(manifest(RUNS, backoffLimit=0, podFailurePolicy=policy))
    (pod,) = await world.ready()
    disrupted = {"status": {"phase": "Failed", "conditions": conditions}}
    await client.patch("Pod", f"d/{pod['metadata']['name']}", disrupted, subresource="status")
    await world.until_pods(lambda pods: len(pods) == 2)
    (again,) = await world.ready()
    await world.end(again, "Succeeded", 0)
    there = await world.ended("Complete")

    assert "failed" not in there["status"]


async def test_its_policy_fails_one_index(world: World, client: Client) -> None:
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 5}
    await client.create(manifest(f"{FAILS}:7", podFailurePolicy={"rules": [rule("FailIndex", 7)]}, **spec))
    there = await world.ended("Failed")

    assert there["status"]["failedIndexes"] == "0,1" and there["status"]["failed"] == 2


async def test_its_policy_of_success_ends_it_early(world: World, client: Client) -> None:
    spec = {"completions": 4, "parallelism": 4, "completionMode": "Indexed"}
    rules = [{"succeededIndexes": "0"}, {"succeededIndexes": "2,3", "succeededCount": 1}]
    await client.create(manifest(RUNS, successPolicy={"rules": rules}, **spec))
    pods = await world.ready(4)
    await world.end(next(pod for pod in pods if annotations_of(pod)[INDEX] == "3"), "Succeeded", 0)
    there = await world.ended("Complete")

    met = condition_of(there, "SuccessCriteriaMet")
    assert met is not None and (met["reason"], met["message"]) == ("SuccessPolicy", "Matched rules at index 1")
    assert there["status"]["completedIndexes"] == "3" and "failed" not in there["status"]
    await world.until_pods(lambda pods: not any(map(is_active, pods)))


async def test_it_is_suspended_and_resumed(world: World, client: Client) -> None:
    await client.create(manifest(RUNS, suspend=True, parallelism=2, completions=2))
    there = await world.job(lambda there: condition_of(there, "Suspended"))
    assert condition_of(there, "Suspended")["reason"] == "JobSuspended"  # type: ignore[index]
    assert "startTime" not in there["status"] and not await world.pods()
    await client.patch("Job", "d/work", {"spec": {"suspend": False}})
    await world.until_pods(lambda pods: len(pods) == 2)
    there = await world.job(lambda there: there["status"].get("ready") == 2)
    assert (condition_of(there, "Suspended") or {})["status"] == "False"
    assert there["status"]["startTime"]
    await client.patch("Job", "d/work", {"spec": {"suspend": True}})
    await world.gone()
    there = await world.job(lambda there: (condition_of(there, "Suspended") or {})["status"] == "True")
    assert "failed" not in there["status"]
    await client.patch("Job", "d/work", {"spec": {"suspend": False, "activeDeadlineSeconds": 100}})
    again = await world.job(lambda there: there["status"].get("ready") == 2)
    assert condition_of(again, "Suspended")["status"] == "False", "the time it may be active begins anew"  # type: ignore[index]

    async def told() -> list[str]:
        reasons = [reason for _, reason, _ in await world.events()]
        found = [one for one in reasons if one in ("Suspended", "Resumed")]
        return found if len(found) == 2 else []

    assert await world.eventually(told) == ["Suspended", "Resumed"]


async def test_it_may_be_active_for_so_long(world: World, client: Client) -> None:
    await client.create(manifest(RUNS, activeDeadlineSeconds=1))
    await world.until_pods(len)
    there = await world.ended("Failed")

    assert condition_of(there, "Failed")["reason"] == "DeadlineExceeded"  # type: ignore[index]
    assert there["status"]["failed"] == 1
    await world.gone()


async def test_what_restarts_too_often_has_failed(world: World, client: Client) -> None:
    made = manifest(RUNS, backoffLimit=2)
    made["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    await client.create(made)
    (pod,) = await world.ready()
    row = {"name": "c", "image": "x", "imageID": "", "ready": False, "restartCount": 2, "state": {"waiting": {}}}
    status = {"status": {"phase": "Running", "containerStatuses": [row]}}
    await client.patch("Pod", f"d/{pod['metadata']['name']}", status, subresource="status")
    there = await world.ended("Failed")

    assert condition_of(there, "Failed")["reason"] == "BackoffLimitExceeded"  # type: ignore[index]


@pytest.mark.parametrize("policy", ["TerminatingOrFailed", "Failed"])
async def test_a_deleted_pod_is_replaced_at_once_or_when_it_has_ended(
    policy: str, client: Client, running: Any, eventually: Until
) -> None:
    """No node is there to end it: what is deleted goes on ending."""
    async with running(job.CONTROLLER):
        world = World(client, None, eventually)  # type: ignore[arg-type]
        await client.create(manifest(RUNS, podReplacementPolicy=policy, backoffLimit=0 if policy == "Failed" else 6))
        (pod,) = await world.until_pods(len)
        key = f"d/{pod['metadata']['name']}"
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}})
        await client.bind(key, "node", uid_of(pod))
        await client.delete("Pod", key, uid=uid_of(pod))
        if policy == "Failed":
            there = await world.job(lambda there: there["status"].get("terminating") == 1)
            assert "active" not in there["status"] and "failed" not in there["status"]
            assert len(await world.pods()) == 1
            await world.end(pod, "Failed")
            await client.delete("Pod", key, uid=uid_of(pod), grace=0)
            there = await world.ended("Failed")
            assert there["status"]["failed"] == 1 and not there["status"]["terminating"]
        else:
            there = await world.job(lambda there: there["status"].get("failed") == 1)
            assert there["status"]["terminating"] == 1, "and it is counted meanwhile"


async def test_others_jobs_are_left_alone(world: World, client: Client) -> None:
    await client.create(manifest(name="other", managedBy="example.com/queue"))
    await client.create(manifest(managedBy=job.MANAGER))
    await world.ended("Complete")
    other = await client.get("Job", "d/other")

    assert not other.get("status")
    assert {labels_of(pod)["job-name"] for pod in await world.pods()} == {"work"}


async def test_nothing_of_a_deleted_job_stays(world: World, client: Client) -> None:
    await client.create(manifest(RUNS, parallelism=2, completions=2))
    await world.until_pods(lambda pods: len(pods) == 2)
    await client.delete("Job", "d/work", propagation="Background")
    await world.gone()
    await client.create(manifest(RUNS, parallelism=2, completions=2))
    await world.until_pods(lambda pods: len(pods) == 2)
    await client.delete("Job", "d/work", propagation="Foreground")
    await world.gone()

    async def is_gone() -> bool:
        try:
            await client.get("Job", "d/work")
        except NotFound:
            return True
        return False

    await world.eventually(is_gone)


async def test_orphans_lose_the_finalizer_and_can_go(world: World, client: Client) -> None:
    await client.create(manifest(RUNS))
    await world.until_pods(len)
    await client.delete("Job", "d/work", propagation="Orphan")
    (pod,) = await world.until_pods(lambda pods: controller_of(pods[0]) is None)

    assert FINALIZER not in pod["metadata"].get("finalizers", []) and is_active(pod)


async def test_a_pod_that_the_selector_matches_is_adopted_and_counted(world: World, client: Client) -> None:
    labels = {"app": "mine"}
    made = manifest(RUNS, manualSelector=True, selector={"matchLabels": labels})
    made["spec"]["template"]["metadata"] = {"labels": labels}
    orphan = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orphan", "namespace": "d", "labels": labels},
              "spec": made["spec"]["template"]["spec"]}  # fmt: skip
    await client.create(orphan)
    there = await client.create(made)
    await world.until_pods(lambda pods: FINALIZER in pods[0]["metadata"].get("finalizers", []))
    (pod,) = await world.ready()
    assert (controller_of(pod) or {})["uid"] == uid_of(there)
    await world.end(pod, "Succeeded", 0)
    there = await world.ended("Complete")

    assert there["status"]["succeeded"] == 1 and [image_of(one) for one in await world.pods()] == [RUNS]


async def test_late_and_cut_watches_make_no_pod_too_many(
    api: Api, client: Client, running: Any, eventually: Until
) -> None:
    late = Client(LateTransport(api, ADMIN, late=0.05, cut=20, seed=3))
    async with _world(api, client, running, eventually, late) as world:
        world.nodes.watch()
        await client.create(manifest(completions=6, parallelism=3, completionMode="Indexed"))
        there = await world.ended("Complete")

        assert world.nodes.most <= 3
        assert len(await world.pods()) == 6
        assert get(there, ".status.succeeded") == 6
