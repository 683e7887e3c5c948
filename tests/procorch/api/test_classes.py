"""What objects get by their class, or by the one that is the default."""

from __future__ import annotations

from typing import Any

import pytest

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import Forbidden, Invalid, Object

DRY_RUN = {"dryRun": "All"}


def priority(name: str, value: int, **fields: Any) -> Object:
    shell = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
    return {**shell, "value": value, **fields}


def pod(**spec: Any) -> Object:
    container = {"name": "c", "image": "host", "command": ["true"]}
    metadata = {"name": "p", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


def marked(kind: str, version: str, name: str, mark: str, **fields: Any) -> Object:
    metadata = {"name": name, "annotations": {mark: "true"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


async def priority_of(client: Client, **spec: Any) -> tuple[Any, ...]:
    made = (await client.create(pod(**spec), query=DRY_RUN))["spec"]
    return made.get("priorityClassName"), made["priority"], made["preemptionPolicy"]


async def test_a_pod_without_a_class_is_of_no_priority(served):
    assert await priority_of(served.client) == (None, 0, "PreemptLowerPriority")


async def test_a_pod_has_the_priority_of_its_class(served):
    await served.client.create(priority("gold", 1000, preemptionPolicy="Never"))

    assert await priority_of(served.client, priorityClassName="gold") == ("gold", 1000, "Never")
    assert await priority_of(served.client, priorityClassName="gold", priority=1000) == ("gold", 1000, "Never")
    assert (await priority_of(served.client, priorityClassName="system-node-critical"))[1] == 2_000_001_000


async def test_a_pod_that_names_none_has_the_default_class(served):
    await served.client.create(priority("usual", 5, globalDefault=True))

    assert await priority_of(served.client) == ("usual", 5, "PreemptLowerPriority")


async def test_a_class_that_is_not_there_and_another_number_are_refused(served):
    await served.client.create(priority("gold", 1000))

    with pytest.raises(Forbidden, match='pods "p" is forbidden: no PriorityClass with name tin was found'):
        await served.client.create(pod(priorityClassName="tin"))
    with pytest.raises(Forbidden, match=r"the integer value of priority \(7\) must not be provided in pod spec; "
                                        "priority admission controller computed 1000"):  # fmt: skip
        await served.client.create(pod(priorityClassName="gold", priority=7))
    with pytest.raises(Forbidden, match=r"the string value of PreemptionPolicy \(Never\) must not be provided"):
        await served.client.create(pod(priorityClassName="gold", preemptionPolicy="Never"))


async def test_one_priority_class_is_the_default(served):
    await served.client.create(priority("a", 1, globalDefault=True))
    other = await served.client.create(priority("b", 2))
    why = "PriorityClass a is already marked as default. Only one default can exist"

    with pytest.raises(Forbidden, match=why):
        await served.client.create(priority("c", 3, globalDefault=True))
    with pytest.raises(Forbidden, match=why):
        await served.client.update({**other, "globalDefault": True})
    await served.client.patch("PriorityClass", "a", {"description": "still"})


async def test_the_clusters_own_priority_classes_stay(served):
    await served.client.create(priority("system-node-critical", 2_000_001_000))

    with pytest.raises(Forbidden, match="this is a system priority class and cannot be deleted"):
        await served.client.delete("PriorityClass", "system-node-critical")


async def test_a_claim_that_names_no_class_gets_the_newest_default():
    mark = "storageclass.kubernetes.io/is-default-class"
    now = [1000.0]
    log = await store.Log.open(":memory:")
    api = Api(log, clock=lambda: now[0])
    await api.start()
    client = Client(LocalTransport(api, User("admin", (MASTERS,))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})

    async def class_of(**more: Any) -> Any:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **more}
        metadata = {"name": "c", "namespace": "default"}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
        return (await client.create(claim, query=DRY_RUN))["spec"].get("storageClassName")

    assert await class_of() is None
    for name, now[0] in (("b", 2000.0), ("d", 3000.0), ("c", 3000.0), ("a", 1500.0)):
        await client.create(marked("StorageClass", "storage.k8s.io/v1", name, mark, provisioner="x.y"))
    assert await class_of() == "c"
    assert await class_of(storageClassName="") == ""
    await api.close()
    await log.close()


async def test_an_ingress_that_names_no_class_gets_the_default(served):
    mark = "ingressclass.kubernetes.io/is-default-class"
    one = marked("IngressClass", "networking.k8s.io/v1", "web", mark, spec={"controller": "a.b/c"})
    await served.client.create(one)
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
               "metadata": {"name": "i", "namespace": "default"}, "spec": {"defaultBackend": backend}}  # fmt: skip
    old = {**ingress, "metadata": {**ingress["metadata"], "name": "j",
                                   "annotations": {"kubernetes.io/ingress.class": "mine"}}}  # fmt: skip

    assert (await served.client.create(ingress))["spec"]["ingressClassName"] == "web"
    assert "ingressClassName" not in (await served.client.create(old))["spec"]


async def test_a_runtime_class_brings_overhead_and_where_its_pods_run(served):
    toleration = {"key": "vm", "operator": "Exists"}
    body = {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "vm"}, "handler": "vm",
        "overhead": {"podFixed": {"cpu": "100m"}},
        "scheduling": {"nodeSelector": {"vm": "yes"}, "tolerations": [toleration]},
    }  # fmt: skip
    await served.client.create(body)
    made = (await served.client.create(pod(runtimeClassName="vm"), query=DRY_RUN))["spec"]

    assert made["overhead"] == {"cpu": "100m"} and made["nodeSelector"] == {"vm": "yes"}
    assert toleration in made["tolerations"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"runtimeClassName": "none"}, 'RuntimeClass "none" not found'),
        ({"overhead": {"cpu": "1"}}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        (
            {"runtimeClassName": "vm", "overhead": {"cpu": "2"}},
            "Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            {"runtimeClassName": "vm", "overhead": {"cpu": "1"}, "nodeSelector": {"vm": "no"}},
            "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no",
        ),
    ],
)
async def test_a_pod_that_does_not_go_with_its_runtime_class_is_refused(served, spec, why):
    shell = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "vm"}, "handler": "vm"}
    scheduling = {"nodeSelector": {"vm": "yes"}}
    await served.client.create({**shell, "overhead": {"podFixed": {"cpu": "1"}}, "scheduling": scheduling})
    with pytest.raises(Forbidden) as refused:
        await served.client.create(pod(**spec))
    assert str(refused.value) == f'pods "p" is forbidden: pod rejected: {why}'


async def test_overhead_without_a_class_is_refused_when_all_else_is_well(served):
    with pytest.raises(Forbidden, match="Pod Overhead set without corresponding RuntimeClass defined Overhead"):
        await served.client.create(pod(overhead={"cpu": "1"}))
    with pytest.raises(Invalid, match=r"spec\.restartPolicy: Unsupported value"):
        await served.client.create(pod(overhead={"cpu": "1"}, restartPolicy="X"))


def claim(name: str, class_: str, size: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": class_, "volumeName": f"v-{name}",
            "resources": {"requests": {"storage": size}}}  # fmt: skip
    shell = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"}}
    return {**shell, "spec": spec}


async def test_a_claim_grows_where_its_class_lets_it(served):
    for name, more in (("fixed", {}), ("growing", {"allowVolumeExpansion": True})):
        shell = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
        await served.client.create({**shell, "provisioner": "x.y/z", **more})
    for name in ("fixed", "growing", "missing"):
        made = await served.client.create(claim(name, name, "1Gi"))
        status = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
        await served.client.update({**made, "status": status}, subresource="status")

    for name in ("fixed", "missing"):
        with pytest.raises(Forbidden, match="the storageclass that provisions the pvc must support resize"):
            await served.client.update(claim(name, name, "2Gi"))
        await served.client.update(claim(name, name, "1Gi"))
    grown = await served.client.update(claim("growing", "growing", "2Gi"))

    assert grown["spec"]["resources"]["requests"]["storage"] == "2Gi"
