"""Endpoints: the addresses behind each Service that has a selector, in the old core/v1 form."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from procorch.controllers.controller import Context, Controller, own
from procorch.controllers.pod_control import is_namespace_ending
from procorch.controllers.service_ports import (
    HEADLESS,
    endpoint_port,
    hostname_of,
    is_addressable,
    is_headless,
    managed_by,
    selected,
    services_of,
    target_port,
    target_reference,
)
from procorch.objects import AlreadyExists, ApiError, NotFound, Object, annotations_of, get, is_deleting, labels_of
from procorch.pods import is_ready

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER_NAME = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST = 1000
"""Addresses in one Endpoints object; EndpointSlices have no such limit."""

_Address = tuple[str, bool]  # pod uid, ready


def plan(service: Object, pods: list[Object]) -> list[Object]:
    """The subsets: ports that are served by the same addresses stand together (as RepackSubsets does).

    A pod that ends is left out unless the Service publishes unready addresses.
    """
    publish = bool(get(service, ".spec.publishNotReadyAddresses"))
    rows = get(service, ".spec.ports", [])
    shown: dict[str, Object] = {}
    by_port: dict[tuple[tuple[str, Any], ...], set[_Address]] = {}
    for pod in pods:
        if not is_addressable(pod) or (is_deleting(pod) and not publish):
            continue
        uid = pod["metadata"]["uid"]
        shown[uid] = _address(pod, service)
        served = [(row, number) for row in rows if (number := target_port(pod, row)) is not None]
        ports = [tuple(_port(row, number).items()) for row, number in served]
        if not rows and is_headless(service):
            ports = [()]
        for port in ports:
            by_port.setdefault(port, set()).add((uid, publish or is_ready(pod)))
    by_addresses: dict[frozenset[_Address], list[tuple[tuple[str, Any], ...]]] = {}
    for port, addresses in by_port.items():
        by_addresses.setdefault(frozenset(addresses), []).append(port)
    subsets = [_subset(addresses, ports, shown) for addresses, ports in by_addresses.items()]
    return sorted(subsets, key=lambda subset: str(subset.get("ports")))


def _subset(addresses: frozenset[_Address], ports: list[Any], shown: dict[str, Object]) -> Object:
    subset: Object = {}
    for name, wanted in (("addresses", True), ("notReadyAddresses", False)):
        rows = [shown[uid] for uid, ready in addresses if ready is wanted]
        if rows:
            subset[name] = sorted(rows, key=lambda row: (row["ip"], row["targetRef"]["uid"]))
    named = [dict(port) for port in ports if port]
    if named:
        subset["ports"] = sorted(named, key=lambda port: (port.get("name", ""), port["port"], port["protocol"]))
    return subset


def _port(row: Object, number: int) -> dict[str, Any]:
    return {name: value for name, value in endpoint_port(row, number).items() if value != ""}


def _address(pod: Object, service: Object) -> Object:
    address: Object = {"ip": pod["status"]["podIP"]}
    if hostname := hostname_of(pod, service):
        address["hostname"] = hostname
    if node := get(pod, ".spec.nodeName"):
        address["nodeName"] = node
    return address | {"targetRef": target_reference(pod)}


def truncate(subsets: list[Object]) -> tuple[list[Object], bool]:
    """At most 1,000 addresses, the ready ones first; and whether any were left out."""
    if sum(len(s.get("addresses", ())) + len(s.get("notReadyAddresses", ())) for s in subsets) <= MOST:
        return subsets, False
    left = MOST
    kept = [{name: value for name, value in subset.items() if name == "ports"} for subset in subsets]
    for name in ("addresses", "notReadyAddresses"):
        for subset, short in zip(subsets, kept, strict=True):
            rows = subset.get(name, [])[:left]
            left -= len(rows)
            if rows:
                short[name] = rows
    return [subset for subset in kept if len(subset) > ("ports" in subset)], True


def wanted(service: Object, pods: list[Object], known: Object | None) -> Object:
    """The whole Endpoints object, made from what there is already."""
    subsets, truncated = truncate(plan(service, pods))
    labels = {**labels_of(service), MANAGED_BY: CONTROLLER_NAME}
    labels.pop(HEADLESS, None)
    if is_headless(service):
        labels[HEADLESS] = ""
    metadata: Object = (
        dict(known["metadata"])
        if known
        else {
            "name": service["metadata"]["name"],
            "namespace": service["metadata"]["namespace"],
        }
    )
    metadata["labels"] = labels
    annotations = dict(annotations_of(known)) if known else {}
    annotations.pop(OVER_CAPACITY, None)
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata} | ({"subsets": subsets} if subsets else {})


async def reconcile(key: str, context: Context) -> float | None:
    service = context.lister["Service"].get(key)
    known = context.lister["Endpoints"].get(key)
    if service is None:
        if known is not None:
            with suppress(NotFound):
                await context.client.delete("Endpoints", key, uid=known["metadata"]["uid"])
        return None
    if not get(service, ".spec.selector") or get(service, ".spec.type") == "ExternalName":
        return None  # the user writes these Endpoints, or there are none
    body = wanted(service, selected(service, context.lister["Pod"]), known)
    try:
        if known is None:
            await context.client.create(body)
        elif body.get("subsets", []) != known.get("subsets", []) or body["metadata"] != known["metadata"]:
            await context.client.update(body)
    except AlreadyExists:
        return 0.1  # somebody else's, and our informer has not seen it yet
    except ApiError as error:
        if not is_namespace_ending(error):
            raise
    return None


CONTROLLER = Controller(
    "endpoint",
    reconcile,
    watches={"Service": own, "Pod": services_of, "Endpoints": managed_by(MANAGED_BY, CONTROLLER_NAME)},
)
