"""What keeps a number of pods: ReplicationController and ReplicaSet, for people to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cli.descriptions.page import NONE, Grid, Page, Value, pairs
from cli.descriptions.podspec import describe_placement, describe_podspec
from procorch.kinds.cells import label_text, selector_text
from procorch.objects import Object, controller_of, get, uid_of


def describe_replicas(obj: Object, pods: Iterable[Object]) -> Page:
    """Wanted and seen numbers, and the template. pods: those of its namespace, its own are picked out."""
    mine = [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid_of(obj)]
    phases = Counter("Waiting" if (p := get(pod, ".status.phase", "Pending")) == "Pending" else p for pod in mine)
    numbers = [f"{phases[name]} {name}" for name in ("Running", "Waiting", "Succeeded", "Failed")]
    selector = obj["spec"].get("selector")
    structured = isinstance(selector, dict) and {"matchLabels", "matchExpressions"} & set(selector)
    template = obj["spec"].get("template") or {}
    spec: Object = template.get("spec") or {}
    below: dict[str, Value] = {
        "Labels": pairs(get(template, ".metadata.labels")),
        "Annotations": pairs(get(template, ".metadata.annotations"), ": ") or None,
        "Service Account": spec.get("serviceAccountName"),
        **describe_podspec(spec),
        **describe_placement(spec),
    }
    conditions = [
        (str(one.get("type")), str(one.get("status")), str(one.get("reason") or ""), str(one.get("message") or ""))
        for one in get(obj, ".status.conditions", [])
    ]
    return {
        "Selector": selector_text(selector) if structured else label_text(selector) if selector else NONE,
        "Replicas": f"{get(obj, '.status.replicas', 0)} current / {obj['spec'].get('replicas', 1)} desired",
        "Pods Status": " / ".join(numbers),
        "Pod Template": below,
        "Conditions": Grid(("Type", "Status", "Reason", "Message"), conditions) if conditions else None,
    }
