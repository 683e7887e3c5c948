"""Which pods serve a Service, and at which ports: what Endpoints and EndpointSlices share."""

from __future__ import annotations

from typing import Any

from procorch.controllers.controller import KeysOf, Listers
from procorch.lister import Lister
from procorch.objects import Object, get, key_of, labels_of
from procorch.pods import is_terminal

HEADLESS = "service.kubernetes.io/headless"


def selected(service: Object, pods: Lister) -> list[Object]:
    """The Service's pods, by name; looks through the pods of one label only."""
    selector: dict[str, str] = get(service, ".spec.selector", {})
    if not selector:
        return []
    namespace = service["metadata"]["namespace"]
    name, value = next(iter(selector.items()))
    found = [
        pod
        for pod in pods.by_label(name, value)
        if pod["metadata"]["namespace"] == namespace and selector.items() <= labels_of(pod).items()
    ]
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def services_of(pod: Object, lister: Listers) -> list[str]:
    """The keys of the Services that select the pod (a map function)."""
    labels = labels_of(pod)
    return [
        key_of(service)
        for service in lister["Service"].by_namespace(pod["metadata"]["namespace"])
        if (selector := get(service, ".spec.selector")) and selector.items() <= labels.items()
    ]


def managed_by(label: str, value: str, name_label: str = "") -> KeysOf:
    """A map function from what a controller made for a Service to that Service: `label` says whose it is.

    name_label: the label with the Service's name; empty where the object is called like the Service.
    Objects that a user made are only looked at when their Service exists.
    """

    def keys(obj: Object, lister: Listers) -> list[str]:
        labels = labels_of(obj)
        name = labels.get(name_label) if name_label else obj["metadata"]["name"]
        key = f"{obj['metadata']['namespace']}/{name}"
        return [key] if name and (labels.get(label) == value or key in lister["Service"]) else []

    return keys


def is_addressable(pod: Object) -> bool:
    """Has an address and may still answer at it."""
    return bool((pod.get("status") or {}).get("podIP")) and not is_terminal(pod)


def is_headless(service: Object) -> bool:
    return bool(get(service, ".spec.clusterIP") == "None")


def target_port(pod: Object, port: Object) -> int | None:
    """Where the pod serves this Service port: a number as it is, a name as one of its containers gives it."""
    target = port.get("targetPort", port.get("port"))
    if isinstance(target, int):
        return target or int(port["port"])
    protocol = port.get("protocol", "TCP")
    sidecars = [one for one in get(pod, ".spec.initContainers", []) if one.get("restartPolicy") == "Always"]
    for container in (*get(pod, ".spec.containers", []), *sidecars):
        for row in container.get("ports") or []:
            if row.get("name") == target and row.get("protocol", "TCP") == protocol:
                return int(row["containerPort"])
    return None


def endpoint_port(port: Object, number: int) -> dict[str, Any]:
    """The row of Endpoints' or an EndpointSlice's `ports`; name is left out by the caller where it must be."""
    row = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
    return row | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def hostname_of(pod: Object, service: Object) -> str | None:
    """The pod's name in the Service's domain; None where it has none there."""
    hostname = get(pod, ".spec.hostname")
    if hostname and get(pod, ".spec.subdomain") == service["metadata"]["name"]:
        return str(hostname)
    return None


def target_reference(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
