"""A pod for people to read."""

from __future__ import annotations

from cli.descriptions.page import Grid, Page, Value, moment
from cli.descriptions.podspec import describe_placement, describe_podspec
from procorch.objects import Object, get


def describe_pod(pod: Object) -> Page:
    """Where and how it runs, its containers, its conditions. Who it is stands above this already."""
    spec, status = pod["spec"], pod.get("status") or {}
    node = "/".join(filter(None, (spec.get("nodeName"), status.get("hostIP"))))
    page: dict[str, Value] = {
        "Priority": str(spec["priority"]) if spec.get("priority") else None,
        "Service Account": spec.get("serviceAccountName"),
        "Host Network": "true" if spec.get("hostNetwork") else None,
        "Node": node or "<none>",
        "Start Time": moment(status["startTime"]) if status.get("startTime") else None,
        "Status": _phase(pod),
        "Termination Grace Period": _grace(pod),
        "Reason": status.get("reason"),
        "Message": status.get("message"),
        "IP": str(status.get("podIP") or ""),
        "QoS Class": status.get("qosClass"),
    }
    conditions = [
        (str(one.get("type")), str(one.get("status")), str(one.get("reason") or ""), str(one.get("message") or ""))
        for one in status.get("conditions") or []
    ]
    return {
        **page,
        **describe_podspec(spec, status),
        "Conditions": Grid(("Type", "Status", "Reason", "Message"), conditions),
        **describe_placement(spec),
    }


def _phase(pod: Object) -> str:
    since = pod["metadata"].get("deletionTimestamp")
    return f"Terminating (until {moment(since)})" if since else str(get(pod, ".status.phase", "Pending"))


def _grace(pod: Object) -> str | None:
    seconds = pod["metadata"].get("deletionGracePeriodSeconds")
    return None if seconds is None else f"{seconds}s"
