"""What objects cost of a quota, and which quotas they concern."""

from __future__ import annotations

from typing import Any

import pytest

from procorch import quota as costs
from procorch.kinds import KINDS
from procorch.objects import Object

NOW = 1_700_000_000.0


def pod(*containers: Object, phase: str = "Pending", metadata: Object | None = None, **spec: Any) -> Object:
    rows = [{"name": f"c{number}", "resources": one} for number, one in enumerate(containers)]
    return {"metadata": metadata or {}, "spec": {"containers": rows, **spec}, "status": {"phase": phase}}


def used(kind: str, obj: Object) -> dict[str, str]:
    return costs.shown(costs.usage_of(KINDS[kind], obj, NOW))


BOTH = {"requests": {"cpu": "500m", "example.com/gpu": "2", "hugepages-2Mi": "4Mi"}, "limits": {"memory": "1Gi"}}


def test_a_pod_costs_what_its_containers_ask_for() -> None:
    assert used("Pod", pod(BOTH, {"requests": {"cpu": "1"}})) == {
        "count/pods": "1", "pods": "1", "cpu": "1500m", "requests.cpu": "1500m", "limits.memory": "1Gi",
        "requests.example.com/gpu": "2", "hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi",
    }  # fmt: skip


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_one_that_has_ended_only_counts(phase: str) -> None:
    assert used("Pod", pod(BOTH, phase=phase)) == {"count/pods": "1"}


def test_one_that_should_have_ended_only_counts() -> None:
    late = {"deletionTimestamp": "2023-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    soon = {"deletionTimestamp": "2023-11-14T22:13:20Z", "deletionGracePeriodSeconds": 30}
    assert used("Pod", pod(metadata=late)) == {"count/pods": "1"}
    assert "pods" in used("Pod", pod(metadata=soon))


@pytest.mark.parametrize(
    ("spec", "ports", "balancers"),
    [
        ({"type": "ClusterIP"}, "0", "0"),
        ({"type": "NodePort"}, "2", "0"),
        ({"type": "LoadBalancer"}, "2", "1"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, "1", "1"),
    ],
)
def test_a_service_costs_its_ports(spec: Object, ports: str, balancers: str) -> None:
    service = {"metadata": {}, "spec": {**spec, "ports": [{"port": 1}, {"port": 2, "nodePort": 30000}]}}
    assert used("Service", service) == {
        "count/services": "1", "services": "1", "services.nodeports": ports, "services.loadbalancers": balancers,
    }  # fmt: skip


def test_a_claim_costs_its_storage_of_its_class_too() -> None:
    claim = {"metadata": {}, "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "5Gi"}}}}
    gold = "gold.storageclass.storage.k8s.io/"
    assert used("PersistentVolumeClaim", claim) == {
        "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "5Gi",
        f"{gold}persistentvolumeclaims": "1", f"{gold}requests.storage": "5Gi",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("Pod", {"count/pods", "pods", "cpu", "limits.memory", "requests.example.com/gpu", "hugepages-1Gi"}),
        ("ConfigMap", {"count/configmaps", "configmaps"}),
        ("Deployment", {"count/deployments.apps"}),
        ("PersistentVolumeClaim", {"requests.storage", "x.storageclass.storage.k8s.io/requests.storage"}),
    ],
)
def test_which_resources_a_kind_uses(kind: str, names: set[str]) -> None:
    others = {"count/x", "services.nodeports", "secrets"}
    assert costs.concerning(KINDS[kind], names | others) == names


def scoped(*scopes: str, **rule: Any) -> Object:
    return {"spec": {"scopes": list(scopes), "scopeSelector": {"matchExpressions": [rule] if rule else []}}}


def priority(operator: str, *values: str) -> Object:
    return scoped(scopeName="PriorityClass", operator=operator, values=list(values))


ELSEWHERE = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["other"]}]}}


@pytest.mark.parametrize(
    ("quota", "obj", "holds"),
    [
        (scoped(), pod(), True),
        (scoped("Terminating"), pod(activeDeadlineSeconds=1), True),
        (scoped("Terminating"), pod(), False),
        (scoped("NotTerminating"), pod(), True),
        (scoped("BestEffort"), pod(), True),
        (scoped("BestEffort"), pod(BOTH), False),
        (scoped("BestEffort", "Terminating"), pod(), False),
        (priority("In", "high"), pod(priorityClassName="high"), True),
        (priority("In", "high"), pod(priorityClassName="low"), False),
        (priority("In", "high"), pod(), False),
        (priority("NotIn", "high"), pod(), True),
        (priority("Exists"), pod(priorityClassName="any"), True),
        (priority("Exists"), pod(), False),
        (priority("DoesNotExist"), pod(), True),
        (scoped("CrossNamespacePodAffinity"), pod(affinity=ELSEWHERE), True),
        (scoped("CrossNamespacePodAffinity"), pod(), False),
    ],
)
def test_scopes_choose_pods(quota: Object, obj: Object, holds: bool) -> None:
    assert costs.matches(quota, KINDS["Pod"], obj) is holds
    assert not costs.matches(scoped("Terminating"), KINDS["ConfigMap"], {"metadata": {}})


def test_scopes_choose_claims_by_their_volume_attributes_class() -> None:
    rule = scoped(scopeName="VolumeAttributesClass", operator="In", values=["fast"])
    claim = {"spec": {"volumeAttributesClassName": "slow"}, "status": {"currentVolumeAttributesClassName": "fast"}}
    assert costs.matches(rule, KINDS["PersistentVolumeClaim"], claim)
    assert not costs.matches(rule, KINDS["PersistentVolumeClaim"], {"spec": {}})


def test_what_a_pod_must_say_where_cpu_is_limited() -> None:
    said = pod({"requests": {"cpu": "1"}}, {})
    names = {"cpu", "limits.memory", "pods", "requests.example.com/gpu"}
    assert costs.lacking(KINDS["Pod"], said, names) == "cpu for: c1; limits.memory for: c0,c1"
    assert costs.lacking(KINDS["ConfigMap"], {"metadata": {}}, names) == ""
