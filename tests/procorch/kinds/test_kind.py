"""No kind raises on an object of odd types: the structural check, and not a traceback, tells the client."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procorch.kinds import KINDS, Column, Kind
from procorch.kinds.metadata import validate_metadata
from procorch.objects import Object

SPEC: Object = {
    "containers": [
        {
            "name": "a",
            "image": "b",
            "env": [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "ports": [{"containerPort": 1, "name": "p"}],
            "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": 1}},
            "livenessProbe": {"httpGet": {"port": 1, "httpHeaders": [{"name": "a"}]}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "securityContext": {"capabilities": {"add": ["A"]}, "allowPrivilegeEscalation": False},
        }
    ],
    "initContainers": [{"name": "i", "image": "b", "restartPolicy": "Always"}],
    "volumes": [
        {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {"name": "s"}}]}},
        {"name": "w", "downwardAPI": {"items": [{"path": "p", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
    ],
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
            }
        },
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {}}]},
    },
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "labelSelector": {"matchLabels": {"a": "b"}}}],
    "dnsConfig": {"nameservers": ["10.0.0.1"], "searches": ["a"], "options": [{"name": "b"}]},
    "schedulingGates": [{"name": "g"}],
    "securityContext": {"sysctls": [{"name": "a.b", "value": "1"}], "supplementalGroups": [1]},
}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": SPEC}
RICH: dict[str, Object] = {
    "Pod": {
        "spec": SPEC,
        "status": {"podIP": "10.0.0.1", "containerStatuses": [{"state": {"waiting": {"reason": "a"}}}]},
    },
    "ReplicationController": {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}, "status": {"replicas": 1}},
    "ReplicaSet": {
        "spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "template": TEMPLATE}
    },
    "PodTemplate": {"template": TEMPLATE},
    "Deployment": {
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": TEMPLATE,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "progressDeadlineSeconds": 5,
        },
        "status": {"replicas": 1, "readyReplicas": 1, "collisionCount": 1},
    },
    "StatefulSet": {
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": TEMPLATE,
            "serviceName": "s",
            "ordinals": {"start": 1},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1, "maxUnavailable": "10%"}},
            "volumeClaimTemplates": [
                {"metadata": {"name": "v"}, "spec": {"resources": {"requests": {"storage": "1024Mi"}}}}
            ],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
        },
        "status": {"replicas": 1, "availableReplicas": 1},
    },
    "DaemonSet": {
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": TEMPLATE,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "1%"}},
        },
        "status": {"desiredNumberScheduled": 1, "collisionCount": 1},
    },
    "ControllerRevision": {
        "data": {"spec": {}},
        "revision": 1,
    },
    "Job": {
        "spec": {
            "template": TEMPLATE,
            "completionMode": "Indexed",
            "completions": 3,
            "parallelism": 2,
            "managedBy": "a.b/c",
            "selector": {"matchLabels": {"a": "b"}},
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "A"}]},
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 2], "containerName": "a"}},
                ]
            },
            "successPolicy": {"rules": [{"succeededIndexes": "0,1-2", "succeededCount": 1}]},
        },
        "status": {
            "conditions": [{"type": "Complete", "status": "True"}],
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:01Z",
            "completedIndexes": "0-1",
            "failedIndexes": "2",
            "uncountedTerminatedPods": {"succeeded": ["u"]},
        },
    },
    "CronJob": {
        "spec": {"schedule": "*/5 * * * *", "timeZone": "Etc/UTC", "jobTemplate": {"spec": {"template": TEMPLATE}}},
        "status": {"active": [{"name": "j"}], "lastScheduleTime": "2026-01-01T00:00:00Z"},
    },
    "HorizontalPodAutoscaler": {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 5,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 5}}},
                {"type": "Object", "object": {"describedObject": {"name": "o"}, "target": {"value": "1"}}},
                {"type": "External", "external": {"metric": {"name": "m"}, "target": {"averageValue": "1"}}},
            ],
            "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1}], "tolerance": "0.1"}},
        },
        "status": {
            "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageValue": "1"}}}],
            "conditions": [{"type": "AbleToScale"}],
        },
    },
    "PodDisruptionBudget": {
        "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}},
        "status": {"disruptionsAllowed": 1, "conditions": [{"type": "DisruptionAllowed", "status": "True"}]},
    },
    "Service": {
        "spec": {
            "ports": [{"port": 1, "targetPort": "a", "nodePort": 2}],
            "clusterIPs": ["None"],
            "externalIPs": ["1.1.1.1"],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}},
    },
    "Node": {
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "podCIDRs": ["10.0.0.0/8"]},
        "status": {
            "capacity": {"cpu": 1},
            "addresses": [{"type": "InternalIP", "address": "a"}],
            "images": [{"names": ["a"]}],
        },
    },
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1}]}]},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 1}]},
    "ConfigMap": {"data": {"a": "b"}, "binaryData": {"c": "ZA=="}, "immutable": True},
    "Secret": {"data": {"a": "Yg=="}, "stringData": {"c": "d"}, "type": "kubernetes.io/dockercfg"},
    "ServiceAccount": {"imagePullSecrets": [{"name": "a"}], "secrets": [{"name": "b"}]},
    "Namespace": {"spec": {"finalizers": ["kubernetes"]}},
    "Event": {
        "involvedObject": {"namespace": "n", "name": "a"},
        "eventTime": "x",
        "series": {"count": 1},
        "source": {},
    },
    "Lease": {"spec": {"leaseDurationSeconds": 1, "leaseTransitions": 1}},
    "CertificateSigningRequest": {
        "spec": {"request": "YQ==", "usages": ["any"], "signerName": "a.b/c"},
        "status": {"conditions": [{"type": "Approved", "status": "True"}], "certificate": "YQ=="},
    },
    "LimitRange": {
        "spec": {
            "limits": [
                {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": 1}, "maxLimitRequestRatio": {"cpu": "2"}},
                {"type": "Pod", "max": {"memory": "1Gi"}},
                {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}},
            ]
        }
    },
    "ResourceQuota": {
        "spec": {
            "hard": {"pods": "4", "limits.cpu": "1"},
            "scopes": ["Terminating"],
            "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]},
        },
        "status": {"hard": {"pods": "4"}, "used": {"pods": "1"}},
    },
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "a.b", "volumeHandle": "c", "nodeStageSecretRef": {"name": "d", "namespace": "e"}},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
            },
            "claimRef": {"namespace": "n", "name": "c"},
            "volumeAttributesClassName": "v",
        },
        "status": {"phase": "Bound"},
    },
    "PersistentVolumeClaim": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "selector": {"matchLabels": {"a": "b"}},
            "dataSource": {"kind": "PersistentVolumeClaim", "name": "d"},
            "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "d"},
            "volumeName": "v",
        },
        "status": {
            "phase": "Bound",
            "capacity": {"storage": "1Gi"},
            "allocatedResourceStatuses": {"storage": "NodeResizePending"},
        },
    },
    "ComponentStatus": {"conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]},
    "NodeMetrics": {"timestamp": "2026-01-01T00:00:00Z", "window": "15s", "usage": {"cpu": "1", "memory": "1Mi"}},
    "PodMetrics": {
        "timestamp": "2026-01-01T00:00:00Z",
        "window": "15s",
        "containers": [{"name": "c", "usage": {"cpu": "1", "memory": "1Mi"}}],
    },
    "Role": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}]},
    "ClusterRole": {
        "rules": [{"verbs": ["get"], "nonResourceURLs": ["/a"]}],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    },
    "RoleBinding": {
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}],
    },
    "ClusterRoleBinding": {
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "Group", "name": "g"}],
    },
    "Ingress": {
        "spec": {
            "ingressClassName": "c",
            "defaultBackend": {"resource": {"kind": "K", "name": "n", "apiGroup": "a.b"}},
            "rules": [
                {
                    "host": "a.b",
                    "http": {
                        "paths": [
                            {
                                "pathType": "Prefix",
                                "path": "/",
                                "backend": {"service": {"name": "s", "port": {"number": 1}}},
                            }
                        ]
                    },
                }
            ],
            "tls": [{"hosts": ["*.a.b"], "secretName": "s"}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "1.1.1.1", "hostname": "a.b"}]}},
    },
    "IngressClass": {
        "spec": {
            "controller": "a.b/c",
            "parameters": {"kind": "K", "name": "n", "scope": "Namespace", "namespace": "n"},
        }
    },
    "NetworkPolicy": {
        "spec": {
            "podSelector": {"matchLabels": {"a": "b"}},
            "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
            "egress": [{"ports": [{"port": 1, "endPort": 2}], "to": [{"namespaceSelector": {}}]}],
            "policyTypes": ["Ingress", "Egress"],
        }
    },
    "ServiceCIDR": {"spec": {"cidrs": ["10.0.0.0/8", "2001:db8::/64"]}, "status": {"conditions": []}},
    "IPAddress": {"spec": {"parentRef": {"resource": "services", "name": "s", "namespace": "n", "group": "a.b"}}},
    "StorageClass": {
        "provisioner": "a.b/c",
        "parameters": {"a": "b"},
        "allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["b"]}]}],
        "allowVolumeExpansion": True,
    },
    "VolumeAttributesClass": {"driverName": "a.b", "parameters": {"a": "b"}},
    "VolumeAttachment": {
        "spec": {
            "attacher": "a.b",
            "nodeName": "n",
            "source": {
                "inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "a.b", "volumeHandle": "v"}}
            },
        },
        "status": {"attached": True, "attachmentMetadata": {"a": "b"}, "attachError": {"message": "m", "errorCode": 1}},
    },
    "CSIDriver": {
        "spec": {
            "fsGroupPolicy": "File",
            "tokenRequests": [{"audience": "a", "expirationSeconds": 600}],
            "volumeLifecycleModes": ["Persistent"],
            "nodeAllocatableUpdatePeriodSeconds": 10,
        }
    },
    "CSINode": {
        "spec": {"drivers": [{"name": "a.b", "nodeID": "n", "topologyKeys": ["a"], "allocatable": {"count": 1}}]}
    },
    "CSIStorageCapacity": {
        "storageClassName": "s",
        "capacity": "1Gi",
        "nodeTopology": {"matchLabels": {"a": "b"}},
    },
    "RuntimeClass": {
        "handler": "h",
        "overhead": {"podFixed": {"cpu": "1"}},
        "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}]},
    },
    "PriorityClass": {"value": 1, "globalDefault": True, "preemptionPolicy": "Never"},
    "FlowSchema": {
        "spec": {
            "priorityLevelConfiguration": {"name": "l"},
            "matchingPrecedence": 5,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "s", "namespace": "n"}}],
                    "resourceRules": [
                        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["n"]}
                    ],
                    "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/a"]}],
                }
            ],
        },
        "status": {"conditions": [{"type": "Dangling", "status": "False"}]},
    },
    "PriorityLevelConfiguration": {
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 1,
                "borrowingLimitPercent": 1,
                "limitResponse": {"type": "Queue", "queuing": {"queues": 4, "handSize": 2, "queueLengthLimit": 1}},
            },
        },
        "status": {"conditions": [{"type": "a"}]},
    },
    "Image": {"spec": {"patterns": ["a"], "root": "host", "env": [{"name": "a"}], "user": "1:1"}},
}
ODD = st.sampled_from(
    [None, True, 0, -1, 10**30, 1.5, "", "x", "\x00é", [], [None], [[]], ["a", 1], {}, {"a": None}, {"": []}]
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for step, one in steps for found in _paths(one, (*path, step))]


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: f"{kind.api_version} {kind.name}")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_odd_types_do_not_raise(kind: Kind, data: st.DataObject) -> None:
    good = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": "a", "namespace": "n", "labels": {"a": "b"}},
        **RICH[kind.name],
    }
    obj = copy.deepcopy(good)
    for path in data.draw(st.lists(st.sampled_from(_paths(good)), min_size=1, max_size=3)):
        if path not in _paths(obj):
            continue
        here: Any = obj
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = copy.deepcopy(data.draw(ODD))

    kind.default(obj)
    kind.admit(obj)
    for old in (None, good):
        kind.prepare(obj, old)
        validate_metadata(kind, obj, old)
        list(kind.validate(obj, old))
    list(kind.validate(good, obj))
    for old in (None, good):
        list(kind.warn(obj, old))
    kind.heartbeat(good, obj)
    if kind.grace is not None:
        kind.grace(obj)
    for part in kind.parts.values():
        changed = copy.deepcopy(obj)
        if part.prepare is not None:
            part.prepare(changed, good, "2026-11-25T00:00:00Z")
        if part.validate is not None:
            list(part.validate(good, changed))
            list(part.validate(changed, good))
    for column in kind.columns:
        column.cell(obj, 0.0)
    for field in kind.fields or ():
        kind.field_text(obj, field)


def test_urls_and_keys() -> None:
    kind = KINDS["ReplicaSet"]

    assert kind.path("n", "web", "scale") == "/apis/apps/v1/namespaces/n/replicasets/web/scale"
    assert kind.store_key("n", "web") == "/registry/apps/replicasets/n/web"
    assert KINDS["Node"].path("n", "a") == "/api/v1/nodes/a"


def test_a_number_that_is_missing_shows_as_nought_and_other_values_as_nothing() -> None:
    assert Column("A", ".spec.a", "integer").cell({}, 0.0) == 0
    assert Column("A", ".spec.a").cell({}, 0.0) == ""
    assert Column("A", ".spec.a").cell({"spec": {"a": 5}}, 0.0) == "5"
