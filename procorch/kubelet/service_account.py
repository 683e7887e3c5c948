"""The default volume of every pod: its ServiceAccount's token, the cluster's CA and its namespace.

Kubernetes adds it at admission, so that it is seen in the pod; here the kubelet adds it to its own copy where the pod
has nothing mounted at that path.
"""

from __future__ import annotations

from procorch.kubelet.environment import Find
from procorch.kubelet.plan import all_containers
from procorch.objects import Object, get

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME = "kube-api-access"
TOKEN_SECONDS = 3607


async def with_service_account(pod: Object, find: Find) -> Object:
    """The pod, or a copy with the volume and its mounts. Raises NotFound for a ServiceAccount that is not there."""
    account = get(pod, ".spec.serviceAccountName", "default")
    automount = get(pod, ".spec.automountServiceAccountToken")
    if automount is False or all(_has_mount(container) for container in all_containers(pod)):
        return pod
    if automount is None:
        found = await find("ServiceAccount", pod["metadata"]["namespace"], account)
        if found.get("automountServiceAccountToken") is False:
            return pod
    spec = {**pod["spec"], "volumes": [*(pod["spec"].get("volumes") or []), _volume()]}
    for rows in ("initContainers", "containers"):
        if rows in spec:
            spec[rows] = [_mounting(container) for container in spec[rows] or []]
    return {**pod, "spec": spec}


def _mounting(container: Object) -> Object:
    """The container, or a copy with the mount."""
    if _has_mount(container):
        return container
    mount = {"name": VOLUME, "mountPath": PATH, "readOnly": True}
    return {**container, "volumeMounts": [*(container.get("volumeMounts") or []), mount]}


def _has_mount(container: Object) -> bool:
    return any(row.get("mountPath") == PATH for row in container.get("volumeMounts") or [])


def _volume() -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"clusterCA": {"path": "ca.crt"}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": VOLUME, "projected": {"defaultMode": 0o644, "sources": sources}}
