"""Deployments at work on the real API; pods run on nodes that only the API sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import Runner, deployment, garbage, replicaset, rollback
from procorch.controllers.revisions import HASH, HISTORY, REVISION
from procorch.objects import Object, annotations_of, condition_of, controller_of, get, key_of, labels_of, uid_of
from procorch.pods import is_active
from tests.nodes import BROKEN, Nodes
from tests.transports import LateTransport

ADMIN = User("kubernetes-admin", ("system:masters",))
CONTROLLERS = (deployment.CONTROLLER, replicaset.CONTROLLER)


def manifest(image: str = "one", replicas: int = 3, name: str = "web", **spec: Any) -> Object:
    pod_spec = {"containers": [{"name": "c", "image": image, "command": ["sleep", "1"]}]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "d"}, "spec": spec}


def rolling(surge: int, unavailable: int) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


async def set_image(client: Client, image: str, name: str = "web") -> Object:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    return await client.patch("Deployment", f"d/{name}", patch, type="json")


async def sets_of(client: Client) -> dict[str, Object]:
    """Image → ReplicaSet."""
    found = (await client.items("ReplicaSet", "d")).objects
    return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one for one in found}


Until = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


def is_done(deployment: Object) -> bool:
    """By the rules of `kubectl rollout status`."""
    status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return counts == {wanted} and status.get("observedGeneration") == deployment["metadata"]["generation"]


class Cluster:
    """The controllers of Deployments at work, nodes that run their pods, and what a test asks of them."""

    def __init__(self, client: Client, nodes: Nodes, runner: Runner, eventually: Until) -> None:
        self.client, self.nodes, self.runner, self.eventually = client, nodes, runner, eventually

    async def done(self, name: str = "web") -> Object:
        async def look() -> Object | None:
            there = await self.client.get("Deployment", f"d/{name}")
            return there if is_done(there) else None

        found: Object = await self.eventually(look)
        return found

    async def progressing(self, reason: str) -> Object:
        async def look() -> Object | None:
            there = condition_of(await self.client.get("Deployment", "d/web"), "Progressing") or {}
            return there if there.get("reason") == reason else None

        found: Object = await self.eventually(look)
        return found

    async def idle(self) -> None:
        async def look() -> bool:
            return all(queue.is_idle for queue in self.runner.queues.values())

        for _ in range(3):  # one ends, and wakes another
            await self.eventually(look)
            await asyncio.sleep(0.02)

    async def sizes(self) -> dict[str, int]:
        return {image: one["spec"]["replicas"] for image, one in (await sets_of(self.client)).items()}


@pytest.fixture
async def cluster(api: Api, client: Client, running: Any, eventually: Until) -> AsyncIterator[Cluster]:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    ready: asyncio.Future[Cluster] = loop.create_future()

    async def live() -> None:
        nodes = Nodes(Client(LocalTransport(api, ADMIN)))
        async with nodes.running(), running(*CONTROLLERS, garbage.CONTROLLER) as runner:
            ready.set_result(Cluster(client, nodes, runner, eventually))
            await over.wait()

    living = loop.create_task(live())  # one task, for what it opens must be closed by the same
    try:
        await asyncio.wait((ready, living), return_when=asyncio.FIRST_COMPLETED)
        yield ready.result() if ready.done() else living.result()  # type: ignore[misc]
    finally:
        over.set()
        await living


async def test_pods_are_made_through_a_set_and_all_of_it_is_told(cluster: Cluster, client: Client) -> None:
    made = await client.create(manifest())
    there = await cluster.done()
    await cluster.progressing("NewReplicaSetAvailable")
    rs = (await sets_of(client))["one"]
    pods = (await client.items("Pod", "d")).objects
    word = labels_of(rs)[HASH]

    assert rs["metadata"]["name"] == f"web-{word}"
    assert controller_of(rs) == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid_of(made),
                                 "controller": True, "blockOwnerDeletion": True}  # fmt: skip
    assert rs["spec"]["selector"] == {"matchLabels": {"app": "web", HASH: word}}
    assert {labels_of(pod)[HASH] for pod in pods} == {word}
    assert all(pod["metadata"]["name"].startswith(f"web-{word}-") for pod in pods)
    assert annotations_of(rs) == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    there = await client.get("Deployment", "d/web")
    assert annotations_of(there)[REVISION] == "1"
    assert there["metadata"]["generation"] == 1, "the revision is no new generation"
    conditions = {row["type"]: (row["status"], row["reason"], row["message"]) for row in there["status"]["conditions"]}
    assert conditions == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": ("True", "NewReplicaSetAvailable", f'ReplicaSet "web-{word}" has successfully progressed.'),
    }
    counts = {name: value for name, value in there["status"].items() if name != "conditions"}
    assert counts == {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
                      "availableReplicas": 3, "terminatingReplicas": 0}  # fmt: skip

    async def told() -> list[str]:
        events = (await client.items("Event", "d", field_selector="involvedObject.kind=Deployment")).objects
        return [f"{one['source']['component']}: {one['reason']}: {one['message']}" for one in events]

    told_so = await cluster.eventually(told)
    assert told_so == [f"deployment-controller: ScalingReplicaSet: Scaled up replica set web-{word} from 0 to 3"]


@pytest.mark.parametrize(("surge", "unavailable"), [(1, 0), (0, 1), (2, 2)])
async def test_another_template_is_rolled_out_within_its_bounds(
    cluster: Cluster, client: Client, surge: int, unavailable: int
) -> None:
    await client.create(manifest(replicas=5, strategy=rolling(surge, unavailable)))
    await cluster.done()
    cluster.nodes.watch()
    await set_image(client, "two")
    there = await cluster.done()

    assert await cluster.sizes() == {"one": 0, "two": 5}
    assert annotations_of(there)[REVISION] == "2"
    assert cluster.nodes.most <= 5 + surge
    assert cluster.nodes.least >= 5 - unavailable


async def test_what_does_not_work_is_waited_for_told_and_rolled_back(cluster: Cluster, client: Client) -> None:
    await client.create(manifest(replicas=4, progressDeadlineSeconds=1, strategy=rolling(1, 1)))
    await cluster.done()
    cluster.nodes.watch()
    await set_image(client, BROKEN)
    condition = await cluster.progressing("ProgressDeadlineExceeded")
    sets = await sets_of(client)

    assert condition["status"] == "False"
    assert condition["message"] == f'ReplicaSet "{sets[BROKEN]["metadata"]["name"]}" has timed out progressing.'
    assert await cluster.sizes() == {"one": 3, BROKEN: 2}
    assert cluster.nodes.least >= 3

    await set_image(client, "one")
    there = await cluster.done()
    await cluster.progressing("NewReplicaSetAvailable")
    rs = (await sets_of(client))["one"]
    assert await cluster.sizes() == {"one": 4, BROKEN: 0}
    assert (annotations_of(there)[REVISION], annotations_of(rs)[REVISION], annotations_of(rs)[HISTORY]) == (
        "3",
        "3",
        "1",
    )
    assert cluster.nodes.least >= 3


async def test_recreated_pods_never_meet_those_before_them(cluster: Cluster, client: Client) -> None:
    await client.create(manifest(strategy={"type": "Recreate"}))
    await cluster.done()
    cluster.nodes.watch()
    await set_image(client, "two")
    await cluster.done()

    assert await cluster.sizes() == {"one": 0, "two": 3}
    assert cluster.nodes.images == {frozenset({"one"}), frozenset(), frozenset({"two"})}


async def test_a_paused_rollout_scales_but_does_not_roll(cluster: Cluster, client: Client) -> None:
    await client.create(manifest())
    await cluster.done()
    await client.patch("Deployment", "d/web", {"spec": {"paused": True}})
    await cluster.progressing("DeploymentPaused")
    await set_image(client, "two")
    await client.patch("Deployment", "d/web", {"spec": {"replicas": 5}})

    async def scaled() -> bool:
        status = (await client.get("Deployment", "d/web"))["status"]
        return bool(status.get("availableReplicas") == 5)

    await cluster.eventually(scaled)
    await cluster.idle()
    assert await cluster.sizes() == {"one": 5}

    await client.patch("Deployment", "d/web", {"spec": {"paused": None}})
    await cluster.done()
    await cluster.progressing("NewReplicaSetAvailable")
    assert await cluster.sizes() == {"one": 0, "two": 5}


async def test_scaled_in_the_middle_all_sets_keep_their_share(cluster: Cluster, client: Client) -> None:
    """As Kubernetes' conformance asks: ten pods, three more or two fewer, a template that never works, then thirty."""
    await client.create(manifest(replicas=10, strategy=rolling(3, 2)))
    await cluster.done()
    await set_image(client, BROKEN)

    async def sized(one: int, broken: int) -> bool:
        return await cluster.sizes() == {"one": one, BROKEN: broken}

    await cluster.eventually(lambda: sized(8, 5))
    await client.patch("Deployment", "d/web", {"spec": {"replicas": 30}})
    await cluster.eventually(lambda: sized(20, 13))


async def test_only_so_much_history_is_kept_as_is_asked_for(cluster: Cluster, client: Client) -> None:
    await client.create(manifest(revisionHistoryLimit=1))
    for image in ("two", "three", "four"):
        await cluster.done()
        await set_image(client, image)
    await cluster.done()

    async def forgotten() -> bool:
        return await cluster.sizes() == {"three": 0, "four": 3}

    await cluster.eventually(forgotten)


async def test_a_name_that_is_taken_is_told_apart(cluster: Cluster, client: Client) -> None:
    """Somebody has a ReplicaSet of the very name, which has nothing to do with it."""
    await client.create(manifest())
    await cluster.done()
    taken = (await sets_of(client))["one"]["metadata"]["name"]
    await client.delete("Deployment", "d/web", propagation="Foreground")

    async def gone() -> bool:
        return not (await client.items("Deployment", "d")).objects and not await sets_of(client)

    await cluster.eventually(gone)
    other = {**manifest(name="other", replicas=0), "kind": "ReplicaSet"}
    other["metadata"]["name"] = taken
    await client.create(other)
    await client.create(manifest())
    there = await cluster.done()

    assert there["status"]["collisionCount"] == 1
    names = [one["metadata"]["name"] for one in (await client.items("ReplicaSet", "d")).objects]
    assert len(names) == 2 and taken in names
    assert controller_of(await client.get("ReplicaSet", f"d/{taken}")) is None


async def test_orphaned_sets_are_adopted_and_relabelled_ones_released(cluster: Cluster, client: Client) -> None:
    await client.create(manifest())
    await cluster.done()
    rs = (await sets_of(client))["one"]
    await client.delete("Deployment", "d/web", propagation="Orphan")

    async def orphaned() -> bool:
        return controller_of(await client.get("ReplicaSet", key_of(rs))) is None

    async def left_alone() -> bool:
        return await orphaned() and not (await client.items("Deployment", "d")).objects

    await cluster.eventually(left_alone)
    again = await client.create(manifest())
    await cluster.done()
    (adopted,) = (await client.items("ReplicaSet", "d")).objects
    assert (uid_of(adopted), (controller_of(adopted) or {})["uid"]) == (uid_of(rs), uid_of(again))

    await client.patch("ReplicaSet", key_of(rs), {"metadata": {"labels": {"app": "debug"}}})
    await cluster.eventually(orphaned)

    async def both() -> list[Object]:
        sets = (await client.items("ReplicaSet", "d")).objects
        return sets if len(sets) == 2 else []

    sets = await cluster.eventually(both)  # another took its place
    await cluster.done()
    assert {one["spec"]["replicas"] for one in sets} == {3}, "and it lives on, with its pods"


async def test_why_no_pod_can_be_made_is_told_of_the_deployment(cluster: Cluster, client: Client) -> None:
    refused = manifest()
    refused["spec"]["template"]["spec"]["priorityClassName"] = "nobody-knows-it"
    await client.create(refused)

    async def told() -> Object | None:
        return condition_of(await client.get("Deployment", "d/web"), "ReplicaFailure")

    failure = await cluster.eventually(told)
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert "nobody-knows-it" in failure["message"]


async def test_min_ready_seconds_reach_the_set_and_hold_the_rollout_up(cluster: Cluster, client: Client) -> None:
    await client.create(manifest())
    await cluster.done()
    await client.patch("Deployment", "d/web", {"spec": {"minReadySeconds": 1}})

    async def known() -> bool:
        rs = (await sets_of(client))["one"]
        return bool(rs["spec"].get("minReadySeconds") == 1)

    await cluster.eventually(known)
    began = asyncio.get_running_loop().time()
    await set_image(client, "two")
    await cluster.done()
    assert asyncio.get_running_loop().time() - began >= 1, "no pod counts before its second is over"


async def test_what_stands_as_wanted_is_not_written_again(cluster: Cluster, client: Client) -> None:
    await client.create(manifest(minReadySeconds=0))
    await cluster.done()
    await cluster.progressing("NewReplicaSetAvailable")
    await cluster.idle()
    before = await client.items("Deployment", "d"), await client.items("ReplicaSet", "d")
    cluster.runner.queues["deployment"].add("d/web")
    cluster.runner.queues["replicaset"].add(key_of(before[1].objects[0]))
    await cluster.idle()

    after = await client.items("Deployment", "d"), await client.items("ReplicaSet", "d")
    assert [one.objects for one in before] == [one.objects for one in after]


async def test_what_others_write_into_the_status_is_put_right_but_their_conditions_stay(
    cluster: Cluster, client: Client
) -> None:
    await client.create(manifest())
    await cluster.done()
    await cluster.progressing("NewReplicaSetAvailable")
    rs = (await sets_of(client))["one"]
    for kind, key in (("Deployment", "d/web"), ("ReplicaSet", key_of(rs))):
        there = await client.get(kind, key)
        row = {"type": "Looked", "status": "True", "reason": "At", "message": "by somebody"}
        conditions = [*there["status"].get("conditions", []), row]
        wrong = {"readyReplicas": 0, "availableReplicas": 0, "conditions": conditions}
        await client.patch(kind, key, {"status": wrong}, subresource="status")

        async def put_right(kind: str = kind, key: str = key) -> bool:
            status = (await client.get(kind, key))["status"]
            return status.get("readyReplicas") == status.get("availableReplicas") == 3

        await cluster.eventually(put_right)
        assert condition_of(await client.get(kind, key), "Looked") == row


async def test_who_asks_by_annotation_is_rolled_back(cluster: Cluster, client: Client) -> None:
    await client.create(manifest())
    await cluster.done()
    await set_image(client, "two")
    await cluster.done()
    await client.patch("Deployment", "d/web", {"metadata": {"annotations": {rollback.ASKED: "0"}}})

    async def rolled_back() -> bool:
        return await cluster.sizes() == {"one": 3, "two": 0}

    await cluster.eventually(rolled_back)
    there = await cluster.done()
    assert (annotations_of(there)[REVISION], annotations_of(there).get(rollback.ASKED)) == ("3", None)


async def test_annotations_come_along_but_not_those_of_kubectl(cluster: Cluster, client: Client) -> None:
    made = manifest()
    made["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "why not",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    await client.create(made)
    await cluster.done()

    rs = (await sets_of(client))["one"]
    assert annotations_of(rs)["kubernetes.io/change-cause"] == "why not"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in annotations_of(rs)


async def test_a_set_that_somebody_resized_is_put_right_and_hinders_no_rollout(
    cluster: Cluster, client: Client
) -> None:
    await client.create(manifest())
    await cluster.done()
    rs = (await sets_of(client))["one"]
    await client.patch("ReplicaSet", key_of(rs), {"spec": {"replicas": 7}})

    async def put_right() -> bool:
        return await cluster.sizes() == {"one": 3}

    await cluster.eventually(put_right)
    await set_image(client, "two")
    await cluster.done()


@pytest.mark.parametrize("seed", range(3))
async def test_late_and_broken_watches_make_no_pod_too_many(
    api: Api, client: Client, running: Any, eventually: Until, seed: int
) -> None:
    """Scaled, changed, paused and bereft of pods at random, while the controllers' watches are late and break."""
    draw = Random(seed)
    late = Client(LateTransport(api, ADMIN, late=0.1, cut=10, seed=seed))
    nodes = Nodes(Client(LocalTransport(api, ADMIN)), seed=seed)
    wanted = most = 3
    async with nodes.running(), running(*CONTROLLERS, using=late) as runner:
        await client.create(manifest(replicas=wanted, strategy=rolling(1, 1)))
        cluster = Cluster(client, nodes, runner, eventually)
        for step in range(15):
            match draw.choice(("scale", "image", "pause", "delete", "wait")):
                case "scale":
                    wanted = draw.randrange(6)
                    most = max(most, wanted)
                    await client.patch("Deployment", "d/web", {"spec": {"replicas": wanted}})
                case "image":
                    await set_image(client, draw.choice(("one", "two", BROKEN, f"image{step}")))
                case "pause":
                    await client.patch("Deployment", "d/web", {"spec": {"paused": draw.random() < 0.5}})
                case "delete":
                    for pod in (await client.items("Pod", "d")).objects[:1]:
                        await client.delete("Pod", key_of(pod))
            await asyncio.sleep(draw.random() * 0.1)
        await client.patch("Deployment", "d/web", {"spec": {"paused": False}})
        await set_image(client, "last")
        await cluster.done()
        pods = [pod for pod in (await client.items("Pod", "d")).objects if is_active(pod)]

        assert len(pods) == wanted
        assert nodes.most <= most + 1
        assert get(await client.get("Deployment", "d/web"), ".status.updatedReplicas", 0) == wanted
