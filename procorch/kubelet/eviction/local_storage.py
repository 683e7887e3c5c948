"""Pods that write more onto the node's disk than they may: pure functions.

Source: the kubelet's localStorageEviction.
"""

from __future__ import annotations

from procorch.kubelet.admission import amounts
from procorch.kubelet.eviction.usage import PodUsage
from procorch.kubelet.plan import lasting_containers
from procorch.objects import Object, get
from procorch.pod_resources import total_of
from procorch.quantity import byte_count, format_bytes

STORAGE = "ephemeral-storage"


def has_limits(pod: Object) -> bool:
    """Whether there is anything to look for."""
    sized = any(get(volume, ".emptyDir.sizeLimit") is not None for volume in pod["spec"].get("volumes") or ())
    return sized or any(get(one, ".resources.limits", {}).get(STORAGE) for one in lasting_containers(pod))


def excess(pod: Object, usage: PodUsage) -> str:
    """Why it has to go, in Kubernetes' words; empty where it keeps to its limits."""
    for volume in pod["spec"].get("volumes") or ():
        limit = get(volume, ".emptyDir.sizeLimit")
        found = usage.empty_dirs.get(volume["name"])
        if limit is not None and found is not None and 0 < byte_count(limit) < found.bytes:
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    whole = total_of(pod["spec"], "limits", amounts).get(STORAGE, 0)
    if whole and usage.disk.bytes > whole:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {format_bytes(whole)}. "
    for container in lasting_containers(pod):
        limit = get(container, ".resources.limits", {}).get(STORAGE)
        found = usage.files.get(container["name"])
        if limit is not None and found is not None and 0 < byte_count(limit) < found.bytes:
            return f'Container {container["name"]} exceeded its local ephemeral storage limit "{limit}". '
    return ""
