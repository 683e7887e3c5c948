"""EndpointSlices: the addresses behind each Service, at most 100 a slice, as proxies and DNS read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from procorch.objects import ApiError, NotFound, Object, get, is_deleting, key_of, labels_of, owner_reference, uid_of
from procorch.pods import is_ready

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER_NAME = "endpointslice-controller.k8s.io"
MOST = 100

_Ports = tuple[tuple[tuple[str, Any], ...], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    create: list[Object]
    update: list[Object]
    delete: list[Object]


def endpoints_of(service: Object, pods: Sequence[Object]) -> dict[_Ports, dict[str, Object]]:
    """For each set of ports (named ports may differ from pod to pod): pod uid → endpoint. Ending pods are in."""
    publish = bool(get(service, ".spec.publishNotReadyAddresses"))
    rows = get(service, ".spec.ports", [])
    found: dict[_Ports, dict[str, Object]] = {}
    for pod in pods:
        if not is_addressable(pod):
            continue
        ports = tuple(
            tuple(sorted(endpoint_port(row, number).items()))
            for row in rows
            if (number := target_port(pod, row)) is not None
        )
        if ports or (not rows and is_headless(service)):
            found.setdefault(tuple(sorted(ports)), {})[uid_of(pod)] = endpoint(pod, service, publish)
    return found


def endpoint(pod: Object, service: Object, publish: bool) -> Object:
    """One pod's row. ready: send it traffic; serving: it answers, even while it ends; terminating: it ends."""
    serving, terminating = is_ready(pod), is_deleting(pod)
    row: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publish or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": target_reference(pod),
    }
    if node := get(pod, ".spec.nodeName"):
        row["nodeName"] = node
    if hostname := hostname_of(pod, service):
        row["hostname"] = hostname
    return row


def plan(service: Object, pods: Sequence[Object], slices: Sequence[Object]) -> Plan:
    """As few and as small changes to the Service's slices as make them right.

    Each endpoint stays in the slice where it is; new ones go first into slices that change anyway, then into those
    with room, then into new ones. A Service without endpoints keeps one empty slice.
    """
    wanted = endpoints_of(service, pods) or {(): {}}
    labels = _labels(service)
    result = Plan([], [], [])
    by_ports: dict[_Ports, list[Object]] = {}
    for one in slices:
        by_ports.setdefault(_ports_of(one), []).append(one)
    for ports, group in by_ports.items():
        if ports not in wanted:
            result.delete.extend(group)
    for ports, rows in wanted.items():
        _plan_group(service, labels, ports, dict(rows), by_ports.get(ports, []), result)
    return result


def _plan_group(
    service: Object, labels: dict[str, str], ports: _Ports, rows: dict[str, Object], group: list[Object], result: Plan
) -> None:
    """One set of ports: `rows` (uid → endpoint) spread over the slices in `group`, and new ones."""
    empty = not rows
    kept: list[tuple[Object, list[Object]]] = []
    for one in group:
        uids = [get(row, ".targetRef.uid", "") for row in one.get("endpoints") or []]
        kept.append((one, [rows.pop(uid) for uid in uids if uid in rows]))
    new = list(rows.values())
    changed = [pair for pair in kept if pair[1] != (pair[0].get("endpoints") or []) and pair[1]]
    same = [pair for pair in kept if pair[1] == (pair[0].get("endpoints") or []) and pair[1]]
    same.sort(key=lambda pair: -len(pair[1]))
    emptied = [pair for pair in kept if not pair[1]]
    for _, content in (*changed, *same, *emptied):
        room = MOST - len(content)
        content.extend(new[:room])
        del new[:room]
    for place, (one, content) in enumerate(kept):
        if not content and not (empty and place == 0):
            result.delete.append(one)
        elif content != (one.get("endpoints") or []) or labels != labels_of(one):
            metadata = {**one["metadata"], "labels": labels}
            result.update.append({**one, "metadata": metadata, "endpoints": content})
    while new or (empty and not kept):
        result.create.append(_slice(service, labels, ports, new[:MOST]))
        del new[:MOST]
        if empty:
            return


def _slice(service: Object, labels: dict[str, str], ports: _Ports, content: list[Object]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{service['metadata']['name']}-",
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": content,
        "ports": [dict(port) for port in ports],
    }


def _ports_of(one: Object) -> _Ports:
    return tuple(sorted(tuple(sorted({"name": "", **port}.items())) for port in one.get("ports") or []))


def _labels(service: Object) -> dict[str, str]:
    labels = {**labels_of(service), SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: CONTROLLER_NAME}
    labels.pop(HEADLESS, None)
    if is_headless(service):
        labels[HEADLESS] = ""
    return labels


async def reconcile(key: str, context: Context) -> float | None:
    service = context.lister["Service"].get(key)
    namespace, _, name = key.partition("/")
    slices = slices_of(context, namespace, name, CONTROLLER_NAME)
    if service is None or not get(service, ".spec.selector") or get(service, ".spec.type") == "ExternalName":
        changes = Plan([], [], slices if service is None else [])
    else:
        changes = plan(service, selected(service, context.lister["Pod"]), slices)
    return await carry_out(context, changes)


def slices_of(context: Context, namespace: str, name: str, manager: str) -> list[Object]:
    """The Service's slices that this manager keeps and nobody is deleting."""
    return [
        one
        for one in context.lister["EndpointSlice"].by_label(SERVICE_NAME, name)
        if one["metadata"]["namespace"] == namespace
        and labels_of(one).get(MANAGED_BY) == manager
        and not is_deleting(one)
    ]


async def carry_out(context: Context, changes: Plan) -> float | None:
    """Makes the changes; at once again where what they were planned on is gone, never where its namespace ends."""
    try:
        for body in changes.create:
            await context.client.create(body)
        for body in changes.update:
            await context.client.update(body)
        for one in changes.delete:
            await context.client.delete("EndpointSlice", key_of(one), uid=uid_of(one))
    except NotFound:
        return 0.0
    except ApiError as error:
        if not is_namespace_ending(error):
            raise
    return None


CONTROLLER = Controller(
    "endpointslice",
    reconcile,
    watches={
        "Service": own,
        "Pod": services_of,
        "EndpointSlice": managed_by(MANAGED_BY, CONTROLLER_NAME, SERVICE_NAME),
    },
)
