"""What is asked of a pod everywhere: is it active, ready, available, at its end?"""

from __future__ import annotations

from procorch.clock import parse_timestamp, timestamp
from procorch.objects import Object, condition_of, get, is_deleting, uid_of


def phase_of(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_terminal(pod: Object) -> bool:
    """All its containers have ended and none will start again."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Counts as one of its owner's replicas."""
    return not is_terminal(pod) and not is_deleting(pod)


def is_ready(pod: Object) -> bool:
    condition = condition_of(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def ready_since(pod: Object) -> float | None:
    """Seconds since the epoch; None where it is not ready."""
    condition = condition_of(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    since = condition.get("lastTransitionTime")
    return parse_timestamp(since) if since else 0.0


def is_available(pod: Object, min_ready_seconds: float, now: float) -> bool:
    """Ready, and ready for long enough."""
    since = ready_since(pod)
    if since is None:
        return False
    return min_ready_seconds == 0 or (since > 0 and since + min_ready_seconds <= now)


def created_at(obj: Object) -> float:
    text = obj["metadata"].get("creationTimestamp")
    return parse_timestamp(text) if text else 0.0


def restarts_of(pod: Object) -> int:
    """The most restarts of any of its containers."""
    statuses = get(pod, ".status.containerStatuses", [])
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def deletion_cost(pod: Object) -> int:
    """The annotation by which a user says which pod to spare; 0 where it says nothing sensible."""
    text = get(pod, ".metadata.annotations", {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
    try:
        return int(text)
    except ValueError:
        return 0


def disruption(pod: Object, reason: str, message: str, now: float) -> Object:
    """The strategic patch of its status by which a pod tells why it is taken away."""
    row = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    row |= {"lastTransitionTime": timestamp(now)}
    return {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [row]}}
