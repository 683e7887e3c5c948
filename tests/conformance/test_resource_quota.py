"""ResourceQuota: what a namespace's objects use is charged, refused and given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from procorch.client import Client
from procorch.objects import AlreadyExists, Forbidden, NotFound, Object, get
from tests.conformance.cluster import DONGLE, Cluster, obj, pod, pod_spec, refused, sized

pytestmark = pytest.mark.asyncio(loop_scope="module")

HARD = {
    "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1",
    "replicationcontrollers": "10", "resourcequotas": "1", "cpu": "1", "memory": "500Mi", "configmaps": "10",
    "secrets": "10", "persistentvolumeclaims": "10", "requests.storage": "10Gi",
    "requests.ephemeral-storage": "50Gi", f"requests.{DONGLE}": "3", "count/replicasets.apps": "5",
    "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
    "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
}  # fmt: skip
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()}


class Quotas:
    """The quotas of one namespace."""

    def __init__(self, cluster: Cluster, ns: str) -> None:
        self._cluster, self._client, self._ns = cluster, cluster.client, ns

    async def make(self, name: str = "q", hard: dict[str, str] | None = None, **spec: Any) -> None:
        await self._client.create(obj("ResourceQuota", name, self._ns, spec={"hard": hard or HARD, **spec}))
        await self.use(name)

    async def used(self, name: str = "q") -> dict[str, str]:
        return get(await self._client.get("ResourceQuota", f"{self._ns}/{name}"), ".status.used", {})  # type: ignore[no-any-return]

    async def use(self, name: str = "q", **wanted: str) -> None:
        """Waits until so much is used; names are written with _ for the characters between words."""
        await self._cluster.until(lambda: self._uses(name, wanted))

    async def _uses(self, name: str, wanted: dict[str, str]) -> bool:
        used = {key.translate(str.maketrans("./-", "___")): value for key, value in (await self.used(name)).items()}
        return bool(used) and all(used.get(key) == value for key, value in wanted.items())


@pytest.fixture
def quotas(cluster: Cluster, ns: str) -> Quotas:
    return Quotas(cluster, ns)


async def test_its_status_is_calculated_promptly(quotas: Quotas) -> None:
    await quotas.make()
    await quotas.use(resourcequotas="1", pods="0", cpu="0", configmaps="1")  # kube-root-ca.crt is one


async def test_the_life_of_a_service(quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make()
    port = [{"port": 80}]
    await client.create(obj("Service", "ip", ns, spec={"ports": port}))
    await client.create(obj("Service", "np", ns, spec={"type": "NodePort", "ports": port}))
    async with refused(403, 'services "lb" is forbidden: exceeded quota: q, requested: services.nodeports=1'):
        await client.create(obj("Service", "lb", ns, spec={"type": "LoadBalancer", "ports": port}))
    await quotas.use(services="2", services_nodeports="1", services_loadbalancers="0")
    async with refused(403, "exceeded quota"):
        await client.patch("Service", f"{ns}/ip", {"spec": {"type": "NodePort"}})
    await client.delete("Service", f"{ns}/np")
    await quotas.use(services="1", services_nodeports="0")
    await client.patch("Service", f"{ns}/ip", {"spec": {"type": "NodePort"}})
    await quotas.use(services="1", services_nodeports="1")
    await client.patch("Service", f"{ns}/ip", {"spec": {"type": "ClusterIP"}})
    await quotas.use(services_nodeports="0")


@pytest.mark.parametrize(
    ("kind", "fields", "counted"),
    [
        ("Secret", {}, "secrets"),
        ("ConfigMap", {}, "configmaps"),
        ("ReplicationController", {"spec": {"replicas": 0, "template": TEMPLATE}}, "replicationcontrollers"),
        (
            "ReplicaSet",
            {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}},
            "count/replicasets.apps",
        ),
    ],
)
async def test_the_life_of(kind: str, fields: Object, counted: str, quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make()
    before = int((await quotas.used())[counted])
    name = counted.translate(str.maketrans("./-", "___"))
    await client.create(obj(kind, "one", ns, **fields))
    assert (await quotas.used())[counted] == str(before + 1)
    await client.delete(kind, f"{ns}/one")
    await quotas.use(**{name: str(before)})


async def test_the_life_of_a_claim(quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make()
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "gold",
            "resources": {"requests": {"storage": "1Gi"}}}  # fmt: skip
    await client.create(obj("PersistentVolumeClaim", "c", ns, spec=spec))
    gold = "gold_storageclass_storage_k8s_io_"
    await quotas.use(persistentvolumeclaims="1", requests_storage="1Gi",
                     **{f"{gold}persistentvolumeclaims": "1", f"{gold}requests_storage": "1Gi"})  # fmt: skip
    await client.delete("PersistentVolumeClaim", f"{ns}/c")
    await quotas.use(persistentvolumeclaims="0", requests_storage="0",
                     **{f"{gold}persistentvolumeclaims": "0", f"{gold}requests_storage": "0"})  # fmt: skip


async def test_the_life_of_a_pod(quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make()
    asked = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", DONGLE: "2"}
    await client.create(pod("p", ns, containers=[sized(asked, {DONGLE: "2"})]))
    used = {"pods": "1", "cpu": "500m", "memory": "252Mi", "requests_ephemeral_storage": "30Gi",
            "requests_example_com_dongle": "2"}  # fmt: skip
    await quotas.use(**used)

    async with refused(403, "exceeded quota: q, requested: cpu=600m, used: cpu=500m, limited: cpu=1"):
        await client.create(pod("big", ns, containers=[sized({"cpu": "600m", "memory": "100Mi"})]))
    async with refused(403, f"requested: requests.{DONGLE}=2, used: requests.{DONGLE}=2"):
        more = sized({"cpu": "100m", "memory": "10Mi", DONGLE: "2"}, {DONGLE: "2"})
        await client.create(pod("dongles", ns, containers=[more]))
    async with refused(422):
        changed = await client.get("Pod", f"{ns}/p")
        changed["spec"]["containers"][0]["resources"]["requests"]["memory"] = "100Mi"
        await client.update(changed)
    await quotas.use(**used)

    await client.delete("Pod", f"{ns}/p", grace=0)
    await quotas.use(pods="0", cpu="0", memory="0", requests_ephemeral_storage="0", requests_example_com_dongle="0")


async def test_a_pod_must_say_what_is_limited(quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make(hard={"cpu": "1", "limits.memory": "1Gi"})
    async with refused(403, 'pods "p" is forbidden: failed quota: q: must specify cpu for: c; limits.memory for: c'):
        await client.create(pod("p", ns))


async def test_terminating_scopes(quotas: Quotas, client: Client, ns: str) -> None:
    hard = {"pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}
    await quotas.make("ends", hard, scopes=["Terminating"])
    await quotas.make("stays", hard, scopes=["NotTerminating"])
    container = sized({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})
    full = {
        "pods": "1",
        "requests_cpu": "500m",
        "requests_memory": "200Mi",
        "limits_cpu": "1",
        "limits_memory": "400Mi",
    }
    empty = dict.fromkeys(full, "0")
    for name, other, spec in (("stays", "ends", {}), ("ends", "stays", {"activeDeadlineSeconds": 3600})):
        await client.create(pod("p", ns, containers=[container], **spec))
        await quotas.use(name, **full)
        await quotas.use(other, **empty)
        await client.delete("Pod", f"{ns}/p", grace=0)
        await quotas.use(name, **empty)


async def test_a_pod_that_gets_a_deadline_changes_its_scope(quotas: Quotas, client: Client, ns: str) -> None:
    """At once: the next pod meets the quota in the moment that the update is answered."""
    for name, scope in (("ends", "Terminating"), ("stays", "NotTerminating")):
        rule = {"scopeName": scope, "operator": "Exists"}
        await quotas.make(name, {"pods": "1"}, scopeSelector={"matchExpressions": [rule]})
    await client.create(pod("one", ns))
    await quotas.use("stays", pods="1")
    await client.patch("Pod", f"{ns}/one", {"spec": {"activeDeadlineSeconds": 3600}})
    async with refused(403, "exceeded quota: ends, requested: pods=1, used: pods=1, limited: pods=1"):
        await client.create(pod("two", ns, activeDeadlineSeconds=3600))

    await quotas.use("ends", pods="1")
    await quotas.use("stays", pods="0")


async def test_best_effort_scopes(quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make("best", {"pods": "5"}, scopes=["BestEffort"])
    await quotas.make("not", {"pods": "5"}, scopes=["NotBestEffort"])
    burstable = [sized({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})]
    for name, other, spec in (("best", "not", {}), ("not", "best", {"containers": burstable})):
        await client.create(pod("p", ns, **spec))
        await quotas.use(name, pods="1")
        await quotas.use(other, pods="0")
        await client.delete("Pod", f"{ns}/p", grace=0)
        await quotas.use(name, pods="0")


async def test_scopes_by_priority_class(quotas: Quotas, client: Client, ns: str) -> None:
    await client.create(obj("PriorityClass", f"{ns}-high", value=1000))
    rule = {"scopeName": "PriorityClass", "operator": "In", "values": [f"{ns}-high"]}
    await quotas.make("high", {"pods": "1"}, scopeSelector={"matchExpressions": [rule]})
    await client.create(pod("low", ns))
    await client.create(pod("one", ns, priorityClassName=f"{ns}-high"))
    await quotas.use("high", pods="1")
    async with refused(403, "exceeded quota: high, requested: pods=1, used: pods=1, limited: pods=1"):
        await client.create(pod("two", ns, priorityClassName=f"{ns}-high"))


async def test_it_is_updated_and_deleted(quotas: Quotas, client: Client, ns: str) -> None:
    await quotas.make(hard={"cpu": "1", "memory": "500Mi"})
    quota = await client.get("ResourceQuota", f"{ns}/q")
    quota["spec"]["hard"] = {"cpu": "2", "memory": "1Gi"}
    assert (await client.update(quota))["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    await client.delete("ResourceQuota", f"{ns}/q")
    with pytest.raises(NotFound):
        await client.get("ResourceQuota", f"{ns}/q")


async def test_its_status_can_be_written_and_is_put_right_again(
    quotas: Quotas, cluster: Cluster, client: Client, ns: str
) -> None:
    key, small = f"{ns}/q", {"cpu": "500m", "memory": "500Mi"}
    await quotas.make(hard=small)

    async def hard_is(wanted: dict[str, str]) -> bool:
        return get(await client.get("ResourceQuota", key), ".status.hard") == wanted

    async with cluster.watching("ResourceQuota", ns) as watch:
        wrong = {**await client.get("ResourceQuota", key), "status": {"hard": {"cpu": "1", "memory": "1Gi"}}}
        assert (await client.update_status(wrong))["status"]["hard"] == {"cpu": "1", "memory": "1Gi"}
        await watch.find("MODIFIED", lambda one: get(one, ".status.hard") == {"cpu": "1", "memory": "1Gi"})
        await watch.find("MODIFIED", lambda one: get(one, ".status.hard") == small)
        large = {"cpu": "1", "memory": "1Gi"}
        await client.patch("ResourceQuota", key, {"spec": {"hard": large}})
        await watch.find("MODIFIED", lambda one: get(one, ".status.hard") == large)
        patched = await client.patch(
            "ResourceQuota", key, {"status": {"hard": {"cpu": "2", "memory": "2Gi"}}}, subresource="status"
        )
        assert patched["spec"]["hard"] == large
        await watch.find("MODIFIED", lambda one: get(one, ".status.hard") == {"cpu": "2", "memory": "2Gi"})
    await cluster.until(lambda: hard_is(large))


async def test_no_burst_gets_past_it_and_what_fails_costs_nothing(quotas: Quotas, client: Client, ns: str) -> None:
    """Fifty at once for five places; then the same name twice, which is charged once."""
    await quotas.make(hard={"configmaps": "6"})

    async def one(number: int) -> bool:
        try:
            await client.create(obj("ConfigMap", f"m-{number}", ns))
        except Forbidden:
            return False
        return True

    assert sum(await asyncio.gather(*(one(number) for number in range(50)))) == 5
    assert await quotas.used() == {"configmaps": "6"}
    made = [row["metadata"]["name"] for row in (await client.items("ConfigMap", ns)).objects]
    await client.delete("ConfigMap", f"{ns}/{made[-1]}")
    await quotas.use(configmaps="5")
    with pytest.raises(AlreadyExists):
        await client.create(obj("ConfigMap", made[0], ns))
    await client.create(obj("ConfigMap", "dry", ns), query={"dryRun": "All"})
    assert await quotas.used() == {"configmaps": "5"}


async def test_a_controller_that_meets_it_says_so(quotas: Quotas, cluster: Cluster, client: Client, ns: str) -> None:
    """A ReplicationController of more pods than the quota has a ReplicaFailure, until it is scaled down."""
    await quotas.make(hard={"pods": "2"})
    await client.create(obj("ReplicationController", "rc", ns, spec={"replicas": 3, "template": TEMPLATE}))

    async def failing() -> Any:
        found = get(await client.get("ReplicationController", f"{ns}/rc"), ".status.conditions", [])
        return [row for row in found if row["type"] == "ReplicaFailure" and row["status"] == "True"]

    (condition,) = await cluster.until(failing)
    assert condition["reason"] == "FailedCreate" and "exceeded quota: q" in condition["message"]
    await client.patch("ReplicationController", f"{ns}/rc", {"spec": {"replicas": 2}})

    async def healed() -> bool:
        return not await failing()

    await cluster.until(healed)
