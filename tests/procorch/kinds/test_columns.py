"""The columns of every kind beside Kubernetes' own.

Source: pkg/printers/internalversion/printers.go of v1.36 (AddHandlers), which v1.37 shows the same; a kind that is not
there has the two columns of apiserver pkg/registry/rest/table.go.
"""

from __future__ import annotations

import pytest

from procorch.kinds import KINDS, Kind

_REPLICAS = "Desired:integer, Current:integer, Ready:integer, Age | Containers, Images, Selector"
_BINDING = "Role, Age | Users, Groups, ServiceAccounts"
_EVENT = "Last Seen, Type, Reason, Object | Subobject, Source > Message | First Seen, Count, Name:string:name"
_AUTOSCALER = "Reference, Targets, MinPods, MaxPods, Replicas, Age"
_USED = "cpu:string:quantity, memory:string:quantity, Window:string:duration"  # metrics-server pkg/api/table.go
#: what stands after the name: `title[:type[:format]]`, a string where nothing is said; after `|` it is for `-o wide`,
#: after `>` for all again
SHOWN = {
    "v1 ComponentStatus": "Status, Message, Error",
    "v1 ConfigMap": "Data, Age",
    "v1 Endpoints": "Endpoints, Age",
    "v1 LimitRange": "Created At:date",
    "v1 Namespace": "Status, Age",
    "v1 Node": "Status, Roles, Age, Version | Internal-IP, External-IP, OS-Image, Kernel-Version, Container-Runtime",
    "v1 PersistentVolume": "Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, "
                           "VolumeAttributesClass, Reason, Age | VolumeMode",
    "v1 PersistentVolumeClaim": "Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age "
                                "| VolumeMode",
    "v1 Pod": "Ready, Status, Restarts, Age | IP, Node, Nominated Node, Readiness Gates",
    "v1 PodTemplate": "Containers, Images, Pod Labels",
    "v1 ReplicationController": _REPLICAS,
    "v1 ResourceQuota": "Request, Limit, Age",
    "v1 Secret": "Type, Data, Age",
    "v1 Service": "Type, Cluster-IP, External-IP, Port(s), Age | Selector",
    "v1 ServiceAccount": "Age",
    "apps/v1 ControllerRevision": "Controller, Revision, Age",
    "apps/v1 DaemonSet": "Desired:integer, Current:integer, Ready:integer, Up-to-date:integer, Available:integer, "
                         "Node Selector, Age | Containers, Images, Selector",
    "apps/v1 Deployment": "Ready, Up-to-date, Available, Age | Containers, Images, Selector",
    "apps/v1 ReplicaSet": _REPLICAS,
    "apps/v1 StatefulSet": "Ready, Age | Containers, Images",
    "autoscaling/v1 HorizontalPodAutoscaler": _AUTOSCALER,
    "autoscaling/v2 HorizontalPodAutoscaler": _AUTOSCALER,
    "batch/v1 CronJob": "Schedule, Timezone, Suspend:boolean, Active:integer, Last Schedule, Age "
                        "| Containers, Images, Selector",
    "batch/v1 Job": "Status, Completions, Duration, Age | Containers, Images, Selector",
    "certificates.k8s.io/v1 CertificateSigningRequest": "Age, SignerName, Requestor, RequestedDuration, Condition",
    "coordination.k8s.io/v1 Lease": "Holder, Age",
    "discovery.k8s.io/v1 EndpointSlice": "AddressType, Ports, Endpoints, Age",
    "flowcontrol.apiserver.k8s.io/v1 FlowSchema": "PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, "
                                                  "MissingPL",
    "flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration": "Type, NominalConcurrencyShares, Queues, HandSize, "
                                                                  "QueueLengthLimit, Age",
    "metrics.k8s.io/v1beta1 NodeMetrics": _USED,
    "metrics.k8s.io/v1beta1 PodMetrics": _USED,
    "networking.k8s.io/v1 IPAddress": "ParentRef",
    "networking.k8s.io/v1 Ingress": "Class, Hosts, Address, Ports, Age",
    "networking.k8s.io/v1 IngressClass": "Controller, Parameters, Age",
    "networking.k8s.io/v1 NetworkPolicy": "Pod-Selector, Age",
    "networking.k8s.io/v1 ServiceCIDR": "CIDRs, Age",
    "node.k8s.io/v1 RuntimeClass": "Handler, Age",
    "policy/v1 PodDisruptionBudget": "Min Available, Max Unavailable, Allowed Disruptions:integer, Age",
    "rbac.authorization.k8s.io/v1 ClusterRole": "Created At:date",
    "rbac.authorization.k8s.io/v1 ClusterRoleBinding": _BINDING,
    "rbac.authorization.k8s.io/v1 Role": "Created At:date",
    "rbac.authorization.k8s.io/v1 RoleBinding": _BINDING,
    "scheduling.k8s.io/v1 PriorityClass": "Value:integer, Global-Default:boolean, Age, PreemptionPolicy",
    "storage.k8s.io/v1 CSIDriver": "AttachRequired:boolean, PodInfoOnMount:boolean, StorageCapacity:boolean, "
                                   "TokenRequests, RequiresRepublish:boolean, Modes, Age",
    "storage.k8s.io/v1 CSINode": "Drivers:integer, Age",
    "storage.k8s.io/v1 CSIStorageCapacity": "Created At:date",
    "storage.k8s.io/v1 StorageClass": "Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age",
    "storage.k8s.io/v1 VolumeAttachment": "Attacher:string:name, PV, Node, Attached:boolean, Age",
    "storage.k8s.io/v1 VolumeAttributesClass": "DriverName, Age",
}  # fmt: skip
#: kinds without a name in front
WHOLE = {"v1 Event": _EVENT, "events.k8s.io/v1 Event": _EVENT}


def columns(written: str) -> list[tuple[str, str, str, int]]:
    """(name, type, format, priority)"""
    found = []
    for at, stretch in enumerate(written.replace(">", "|").split("|")):
        for one in stretch.split(","):
            name, _, rest = one.strip().partition(":")
            type_, _, form = rest.partition(":")
            found.append((name, type_ or "string", form, at % 2))
    return found


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.group != "procorch.dev"], ids=lambda kind: f"{kind.api_version} {kind.name}"
)
def test_every_kind_has_kubernetes_columns(kind: Kind) -> None:
    words = f"{kind.api_version} {kind.name}"

    wanted = columns(WHOLE[words] if words in WHOLE else f"Name:string:name, {SHOWN[words]}")

    assert [(one.name, one.type, one.format, one.priority) for one in kind.columns] == wanted
