"""Who a container's processes are and what they may: a securityContext becomes numbers and names for the runtime.

Where this differs from Kubernetes: no_new_privs is on unless allowPrivilegeEscalation is true in so many words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from procorch.kubelet.environment import ConfigProblem
from procorch.kubelet.images import Resolved
from procorch.objects import Object, get
from runtime import Capabilities, User, accounts

_QOS_ADJUST = {"Guaranteed": -997, "BestEffort": 1000}


def check(pod: Object, container: Mapping[str, Any]) -> None:
    """Raises ConfigProblem for what the container asks and this node has not got, by its name."""
    for field, nothing in (("seccompProfile", "is no seccomp profile"), ("appArmorProfile", "is no AppArmor profile")):
        own, pods = get(container, f".securityContext.{field}"), get(pod, f".spec.securityContext.{field}")
        kind = (own or pods or {}).get("type")
        where = "securityContext" if own else "spec.securityContext"
        if kind == "Localhost" or (kind == "RuntimeDefault" and field == "appArmorProfile"):
            raise ConfigProblem(f"{where}.{field}.type: {kind}: not supported: there {nothing} on this node")


def is_privileged(container: Mapping[str, Any]) -> bool:
    """It may do on the machine whatever its user may: every capability, every device, nothing masked."""
    return get(container, ".securityContext.privileged") is True


def user(pod: Object, container: Mapping[str, Any], image: Resolved) -> User:
    """runAsUser, runAsGroup, supplementalGroups and fsGroup over the image's user, and the groups of which the image
    says that he is a member, unless supplementalGroupsPolicy is Strict. Raises ConfigProblem.
    """
    pod_context, own = get(pod, ".spec.securityContext", {}), container.get("securityContext") or {}

    def chosen(name: str) -> Any:
        return own.get(name) if own.get(name) is not None else pod_context.get(name)

    uid, gid = chosen("runAsUser"), chosen("runAsGroup")
    if uid is None:
        uid, image_gid = image.user or (0, 0)
        gid = image_gid if gid is None else gid
    if chosen("runAsNonRoot") and uid == 0:
        where = f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})", '
        where += f"container: {container['name']})"
        if chosen("runAsUser") is None and image.user is None:
            raise ConfigProblem(f"container has runAsNonRoot and image will run as root {where}")
        raise ConfigProblem(f"container's runAsUser breaks non-root policy {where}")
    groups = [int(group) for group in pod_context.get("supplementalGroups") or []]
    if pod_context.get("fsGroup") is not None:
        groups.append(int(pod_context["fsGroup"]))
    if pod_context.get("supplementalGroupsPolicy") != "Strict":
        groups += accounts.memberships(image.root.path or Path("/"), int(uid))
    return User(int(uid), int(gid or 0), tuple(dict.fromkeys(groups)))


def capabilities(container: Mapping[str, Any]) -> Capabilities:
    if is_privileged(container):
        return Capabilities(add=("ALL",))
    rows = get(container, ".securityContext.capabilities", {})
    return Capabilities(add=_names(rows.get("add")), drop=_names(rows.get("drop")))


def no_new_privs(container: Mapping[str, Any]) -> bool:
    return get(container, ".securityContext.allowPrivilegeEscalation") is not True and not is_privileged(container)


def read_only_root(container: Mapping[str, Any]) -> bool:
    return bool(get(container, ".securityContext.readOnlyRootFilesystem"))


def oom_score_adjust(qos: str, memory_request: int, capacity: int) -> int:
    """How readily the kernel ends the container when the node has no memory: -1000 … 1000.

    Source: pkg/kubelet/qos/policy.go.
    """
    if qos in _QOS_ADJUST:
        return _QOS_ADJUST[qos]
    score = 1000 - 1000 * memory_request // max(capacity, 1)
    return min(max(score, 2), 999)


def _names(rows: Any) -> tuple[str, ...]:
    return tuple(str(name).upper().removeprefix("CAP_") for name in rows or ())
