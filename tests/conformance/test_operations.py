"""Each kind through all its verbs, as the tests called "should support … API operations" and the lifecycles do it."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client, kind_of
from procorch.kinds.kind import Kind
from procorch.objects import Conflict, NotFound, Object
from tests.conformance.cluster import Cluster, obj, pod_spec

pytestmark = pytest.mark.asyncio(loop_scope="module")

_TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()}
_JOB = {"template": {"spec": pod_spec(restartPolicy="OnFailure")}, "suspend": True}
_SELECTED = {"selector": {"matchLabels": {"app": "x"}}, "template": _TEMPLATE}
_ABOUT = {"kind": "Pod", "namespace": "{ns}", "name": "p", "apiVersion": "v1"}
_CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, "storageClassName": "e2e"}
_STAR = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
_NOBODY = [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}]
_RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
_RBAC = "rbac.authorization.k8s.io"

#: kind → the fields of one; {ns} stands for the namespace
OBJECTS: dict[str, dict[str, Any]] = {
    "ConfigMap": {"data": {"a": "1"}},
    "Secret": {"data": {"a": "MQ=="}, "type": "Opaque"},
    "PodTemplate": {"template": _TEMPLATE},
    "ServiceAccount": {},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
    "ResourceQuota": {"spec": {"hard": {"cpu": "10", "pods": "20"}}},
    "Event": {"involvedObject": _ABOUT, "reason": "Test", "message": "m", "type": "Normal", "count": 1},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80}]}]},
    "Service": {
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "targetPort": 80}], "selector": {"app": "none"}}
    },
    "ReplicationController": {"spec": {"replicas": 0, "selector": {"app": "x"}, "template": _TEMPLATE}},
    "PersistentVolumeClaim": {"spec": _CLAIM},
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "e2e",
            "csi": {"driver": "e2e.example.com", "volumeHandle": "h"},
            "persistentVolumeReclaimPolicy": "Retain",
        }
    },
    "Pod": {"spec": pod_spec(nodeSelector={"nowhere": "yes"}, terminationGracePeriodSeconds=0)},
    "ReplicaSet": {"spec": {"replicas": 0, **_SELECTED}},
    "Deployment": {"spec": {"replicas": 0, **_SELECTED}},
    "StatefulSet": {"spec": {"replicas": 0, "serviceName": "s", **_SELECTED}},
    "DaemonSet": {
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {**_TEMPLATE, "spec": pod_spec(nodeSelector={"nowhere": "yes"})},
        }
    },
    "ControllerRevision": {"revision": 3, "data": {"spec": {"a": 1}}},
    "Job": {"spec": _JOB},
    "CronJob": {"spec": {"schedule": "* */1 * * ?", "suspend": True, "jobTemplate": {"spec": _JOB}}},
    "HorizontalPodAutoscaler": {
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}
    },
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "none"}}}},
    "Lease": {"spec": {"holderIdentity": "h", "leaseDurationSeconds": 30, "leaseTransitions": 0}},
    "EndpointSlice": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4", "5.6.7.8"]}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    },
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
    "IngressClass": {"spec": {"controller": "example.com/controller"}},
    "NetworkPolicy": {
        "spec": {
            "podSelector": {"matchLabels": {"app": "x"}},
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
            "policyTypes": ["Egress"],
        }
    },
    "ServiceCIDR": {"spec": {"cidrs": ["203.0.{number}.0/24"]}},
    "IPAddress": {"spec": {"parentRef": {"resource": "services", "namespace": "{ns}", "name": "s"}}},
    "PriorityClass": {"value": 1_000, "description": "d"},
    "RuntimeClass": {"handler": "h"},
    "StorageClass": {"provisioner": "e2e.example.com", "parameters": {"a": "b"}},
    "VolumeAttributesClass": {"driverName": "e2e.example.com", "parameters": {"a": "b"}},
    "CSIDriver": {"spec": {"attachRequired": False}},
    "CSINode": {"spec": {"drivers": []}},
    "CSIStorageCapacity": {"storageClassName": "e2e", "capacity": "1Gi"},
    "VolumeAttachment": {
        "spec": {"attacher": "e2e.example.com", "nodeName": "worker", "source": {"persistentVolumeName": "pv"}}
    },
    "FlowSchema": {
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": "global-default"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": _NOBODY, "nonResourceRules": _STAR}],
        }
    },
    "PriorityLevelConfiguration": {
        "spec": {
            "type": "Limited",
            "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
        }
    },
    "Role": {"rules": _RULES},
    "ClusterRole": {"rules": _RULES},
    "RoleBinding": {"roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": "r"}},
    "ClusterRoleBinding": {"roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "r"}},
    "Node": {"spec": {"unschedulable": True}},
}
#: names that are more than a name
_NAMES = {"IPAddress": "203.0.113.{}", "CSIDriver": "e2e-{}.example.com"}


def made_of(kind: str, number: int, ns: str) -> Object:
    name = _NAMES.get(kind, f"{kind.lower()}-{ns}-{{}}").format(number)

    def filled(value: Any) -> Any:
        match value:
            case str():
                return value.replace("{ns}", ns).replace("{number}", str(number))
            case dict():
                return {key: filled(one) for key, one in value.items()}
            case list():
                return [filled(one) for one in value]
        return value

    return obj(kind, name, ns, {"special-label": ns}, **filled(OBJECTS[kind]))


async def _discovered(cluster: Cluster, kind: Kind) -> None:
    """The group, its version, and the resource with all its verbs, and its subresources, are in discovery."""
    if kind.group:
        groups = {row["name"]: row for row in (await cluster.json("/apis"))["groups"]}
        assert kind.api_version in [row["groupVersion"] for row in groups[kind.group]["versions"]]
        own = await cluster.json(f"/apis/{kind.group}")
        assert kind.api_version in [row["groupVersion"] for row in own["versions"]]
    resources = {row["name"]: row for row in (await cluster.json(kind.prefix))["resources"]}
    verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert set(resources[kind.plural]["verbs"]) >= verbs
    for name in kind.subresources:
        assert f"{kind.plural}/{name}" in resources


async def _annotated(client: Client, kind: str, key: str, name: str) -> Object:
    """Replaced with one more annotation; again where something else changed it meanwhile."""
    while True:
        found = await client.get(kind, key)
        found["metadata"].setdefault("annotations", {})[name] = "true"
        try:
            return await client.update(found)
        except Conflict:
            continue


@pytest.mark.parametrize("name", OBJECTS)
async def test_a_kind_through_all_its_verbs(name: str, cluster: Cluster, client: Client, ns: str) -> None:
    kind, chosen = kind_of(name), {"label_selector": f"special-label={ns}"}
    where = ns if kind.namespaced else None
    prefix = f"{ns}/" if kind.namespaced else ""
    await _discovered(cluster, kind)
    made = [await client.create(made_of(name, number, ns)) for number in (1, 2, 3)]
    first = prefix + made[0]["metadata"]["name"]

    assert (await client.get(name, first))["metadata"]["uid"] == made[0]["metadata"]["uid"]
    listed = await client.items(name, where, **chosen)
    assert len(listed.objects) == 3
    assert len((await client.items(name, None, **chosen)).objects) == 3
    with pytest.raises(NotFound):
        await client.get(name, prefix + "203.0.113.99")

    async with cluster.watching(name, where, resource_version=listed.resource_version, **chosen) as watch:
        patched = await client.patch(name, first, {"metadata": {"annotations": {"patched": "true"}}})
        assert patched["metadata"]["annotations"]["patched"] == "true"
        updated = await _annotated(client, name, first, "updated")
        assert {"patched", "updated"} <= set(updated["metadata"]["annotations"])
        await watch.find("MODIFIED", lambda one: {"patched", "updated"} <= set(one["metadata"].get("annotations", ())))

        await client.delete(name, first)
        await watch.find("DELETED", lambda one: one["metadata"]["name"] == made[0]["metadata"]["name"])
        with pytest.raises(NotFound):
            await client.get(name, first)
        assert len((await client.items(name, where, **chosen)).objects) == 2
        await client.delete_all(name, where, **chosen)
        await watch.find("DELETED")
        await watch.find("DELETED")
    assert (await client.items(name, where, **chosen)).objects == []
