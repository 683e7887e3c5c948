"""Mirrored EndpointSlices: Endpoints that a user wrote for a Service without selector, as proxies read them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from procorch.controllers.controller import Context, Controller, own
from procorch.controllers.endpointslice import MANAGED_BY, SERVICE_NAME, Plan, carry_out, slices_of
from procorch.controllers.service_ports import managed_by
from procorch.objects import Object, get, labels_of, owner_reference

CONTROLLER_NAME = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
MOST = 1000
"""Addresses of one subset; more are left out, as Kubernetes does."""


def is_mirrored(service: Object | None, endpoints: Object | None) -> bool:
    """Endpoints beside a Service without selector, unless they say that somebody makes the slices himself."""
    if service is None or endpoints is None or get(service, ".spec.selector"):
        return False
    return labels_of(endpoints).get(SKIP) != "true"


def contents(endpoints: Object) -> list[Object]:
    """What the slices must hold: one for each subset that has IPv4 addresses."""
    found: list[Object] = []
    for subset in endpoints.get("subsets") or []:
        rows = [
            _endpoint(address, ready)
            for name, ready in (("addresses", True), ("notReadyAddresses", False))
            for address in subset.get(name) or []
            if ip_address(address["ip"]).version == 4
        ]
        ports = [{"name": "", "protocol": "TCP", **port} for port in subset.get("ports") or []]
        if rows:
            found.append({"addressType": "IPv4", "endpoints": rows[:MOST], "ports": ports})
    return found


def _endpoint(address: Object, ready: bool) -> Object:
    row: dict[str, Any] = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    return row | {name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)}


def plan(endpoints: Object, slices: Sequence[Object]) -> Plan:
    """Slices that are right stay; of the others the first are changed, and then made or deleted."""
    wanted = contents(endpoints)
    labels = {**labels_of(endpoints), SERVICE_NAME: endpoints["metadata"]["name"], MANAGED_BY: CONTROLLER_NAME}
    spare: list[Object] = []
    for one in slices:
        holds = {name: one.get(name) or [] for name in ("addressType", "endpoints", "ports")}
        if holds in wanted and labels == labels_of(one):
            wanted.remove(holds)
        else:
            spare.append(one)
    result = Plan([], [], [])
    for content in wanted:
        if spare:
            known = spare.pop(0)
            result.update.append({**known, **content, "metadata": {**known["metadata"], "labels": labels}})
        else:
            metadata = {
                "generateName": f"{endpoints['metadata']['name']}-",
                "namespace": endpoints["metadata"]["namespace"],
                "labels": labels,
                "ownerReferences": [owner_reference(endpoints)],
            }
            head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
            result.create.append({**head, **content})
    result.delete.extend(spare)
    return result


async def reconcile(key: str, context: Context) -> float | None:
    endpoints = context.lister["Endpoints"].get(key)
    namespace, _, name = key.partition("/")
    slices = slices_of(context, namespace, name, CONTROLLER_NAME)
    mirrored = is_mirrored(context.lister["Service"].get(key), endpoints)
    changes = plan(endpoints, slices) if mirrored and endpoints is not None else Plan([], [], slices)
    return await carry_out(context, changes)


CONTROLLER = Controller(
    "endpointslicemirroring",
    reconcile,
    watches={
        "Endpoints": own,
        "Service": own,
        "EndpointSlice": managed_by(MANAGED_BY, CONTROLLER_NAME, SERVICE_NAME),
    },
)
