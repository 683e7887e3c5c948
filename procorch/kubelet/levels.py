"""The groups above the pods: what pods of a class get together, and what all of them may use of the node.

    procorch              not more than the node has without what is reserved
    ├─ pod…               Guaranteed
    ├─ burstable/pod…     shares: what its pods ask for together
    └─ besteffort/pod…    the least share there is: it gets what nobody else wants

Source: the kubelet's QoS container manager and "Reserve Compute Resources for System Daemons".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from procorch.kinds.podspec.resources import qos_class
from procorch.kubelet.sizes import LEAST_REQUEST, pod_limits
from procorch.objects import Object
from procorch.quantity import byte_count, cpu_millis
from runtime import Limits

LEVELS = ("burstable", "besteffort")


def level_of(pod: Object) -> str:
    """The path of its class below that of all pods; Guaranteed ones are there themselves."""
    qos = qos_class(pod).lower()
    return qos if qos in LEVELS else ""


def level_limits(pods: Iterable[Object]) -> dict[str, Limits]:
    """Of each level. pods: those of the node, as they are allocated."""
    asked = sum(pod_limits(pod).cpu_request_millis or 0 for pod in pods if level_of(pod) == "burstable")
    return {"burstable": Limits(max(asked, LEAST_REQUEST)), "besteffort": Limits(LEAST_REQUEST)}


def node_limits(allocatable: Mapping[str, str], memory: int, reserved: Mapping[str, str]) -> Limits:
    """Of all pods together: processor time by shares, memory only where some is reserved. memory: the node's, bytes."""
    kept = byte_count(reserved.get("memory", "0"))
    return Limits(cpu_millis(allocatable.get("cpu", "0")) or None, None, memory - kept if kept else None)
